"""What all labs of this computer share: packages and kernel settings.

Settings are put back when the last lab goes; a ledger under /run knows who uses them and what they were.
"""

import json
import shutil
from pathlib import Path

from lab import files, lock
from lab.commands import run
from lab.errors import LabError

LEDGER = Path("/run/custos-lab/host.json")
# The program that proves a package, and the package.
PACKAGES = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "mount": "mount",
    "mkfs.ext4": "e2fsprogs",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# All machines count as one user to the kernel, and every kubelet and containerd watches thousands of files.
# With the default of 128 instances the sixth or seventh kubelet dies.
SYSCTLS = {"fs.inotify.max_user_instances": 8192, "fs.inotify.max_user_watches": 1048576}


def missing_packages() -> list[str]:
    """The packages that this computer lacks, in Debian's and Ubuntu's names."""
    missing = {package for program, package in PACKAGES.items() if shutil.which(program) is None}
    if not KEYRING.exists():
        missing.add("debian-archive-keyring")
    return sorted(missing)


def install(packages: list[str]) -> None:
    """Install packages by apt. Raises LabError where there is no apt, or with apt's own words."""
    if shutil.which("apt-get") is None:
        raise LabError(
            f"these packages are missing and there is no apt-get to install them: {', '.join(packages)}",
            "install what corresponds to them, then run again",
        )
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    try:
        run(command)
    except LabError:
        run(["apt-get", "update"])  # the lists of a fresh computer are empty or old
        run(command)


def acquire(user: str) -> bool:
    """Set the kernel's settings for the lab `user`; True if any had to be changed."""
    with lock.hold(LEDGER.with_suffix(".lock")):
        users, before = _read()
        low = {name: value for name, value in SYSCTLS.items() if _sysctl(name) < value}
        if not low and user in users:
            return False
        _write(users | {user}, {name: _sysctl(name) for name in low} | before)
        for name, value in low.items():
            _path(name).write_text(str(value))
        return bool(low)


def release(user: str) -> None:
    """The lab `user` is gone; the last one puts back what was there before."""
    path = LEDGER.with_suffix(".lock")
    with lock.hold(path):
        users, before = _read()
        if users - {user}:
            _write(users - {user}, before)
            return
        for name, value in before.items():
            if name in SYSCTLS and _sysctl(name) == SYSCTLS[name]:  # else someone else set it since
                _path(name).write_text(str(value))
        LEDGER.unlink(missing_ok=True)
        path.unlink()


def _read() -> tuple[set[str], dict[str, int]]:
    """Who uses the settings, and what they were."""
    if not LEDGER.exists():
        return set(), {}
    ledger = json.loads(LEDGER.read_text())
    return set(ledger["users"]), dict(ledger["before"])


def _write(users: set[str], before: dict[str, int]) -> None:
    files.write(LEDGER, json.dumps({"users": sorted(users), "before": before}) + "\n")


def _path(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def _sysctl(name: str) -> int:
    return int(_path(name).read_text())
