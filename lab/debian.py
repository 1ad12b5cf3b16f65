"""The recipe of the machines' Debian. Its text is part of the cached root's key: a change builds anew."""

import shutil
from pathlib import Path

from lab.commands import run

SUITE = "trixie"
USER = "ubuntu"
USER_ID = 1000
HERE = Path(__file__).parent
PACKAGE_LIST = HERE / "root_packages.txt"
FILES = HERE / "rootfs"
# Debian would start it on every machine; it is there for the one whose inventory has the role edge.
UNITS_OFF = ("nginx.service",)
UNITS = ("custos-lab-hardware.service", "custos-lab-network.service", "ssh.service")


def packages() -> list[str]:
    """The packages of a machine."""
    lines = (line.strip() for line in PACKAGE_LIST.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def ingredients() -> list[Path]:
    """The files that make the root what it is."""
    return [PACKAGE_LIST, Path(__file__), *sorted(entry for entry in FILES.rglob("*") if entry.is_file())]


def bootstrap_command(root: Path, mirror: str) -> list[str]:
    """The command that installs the packages into the new folder `root`."""
    return [
        *("mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages())}"),
        *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
        *(SUITE, str(root), mirror),
    ]


def configure(root: Path) -> None:
    """Make what was installed a machine's root: our files, the user, nothing that only one may have."""
    for entry in sorted(FILES.rglob("*")):
        target = root / entry.relative_to(FILES)
        if entry.is_dir():
            target.mkdir(exist_ok=True)
        else:
            shutil.copyfile(entry, target)
            target.chmod(0o755 if entry.stat().st_mode & 0o100 else 0o644)
    (root / "etc/sudoers.d/ubuntu").chmod(0o440)
    (root / "var/log/journal").mkdir(exist_ok=True)
    run(
        ["chroot", str(root), "useradd", "--create-home", "--uid", str(USER_ID), "--shell", "/bin/bash", USER]
    )
    run(["chroot", str(root), "systemctl", "enable", *UNITS])
    run(["chroot", str(root), "systemctl", "disable", *UNITS_OFF])
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/machine-id").write_text("")
    for name in ("hostname", "resolv.conf", "hosts"):
        (root / "etc" / name).unlink(missing_ok=True)
