"""A machine's disks: folders under the lab's state that outlive its power."""

import os
import secrets
import shutil
from pathlib import Path

from lab import access, root, s3
from lab.commands import run
from lab.debian import USER, USER_ID
from lab.description import Lab, Machine
from lab.errors import LabError

MEDIUM = "/media/custos-artifacts"


def folder(state: Path, name: str) -> Path:
    """All disks of a machine."""
    return state / "machines" / name


def data_disk(state: Path, machine: Machine, disk: str) -> Path:
    """The folder behind one of the machine's data disks, such as /var/lib/kubelet."""
    return folder(state, machine.name) / "disks" / disk.strip("/").replace("/", "-")


def image(state: Path, machine: Machine, disk: str) -> Path:
    """The file system behind a data disk that has a size; where there is no such file, the folder is the disk."""
    return data_disk(state, machine, disk).with_suffix(".img")


def images(state: Path, machine: Machine) -> list[tuple[str, str]]:
    """File and folder of each data disk that is to be mounted when the machine is powered on."""
    found = ((image(state, machine, disk), data_disk(state, machine, disk)) for disk in machine.disks)
    return [(str(file), str(folder)) for file, folder in found if file.exists()]


def base(state: Path, name: str) -> Path:
    """The Debian root that the machine was installed from, and is an overlay of for good.

    Raises LabError if somebody cleared it from the cache: without it the machine is lost.
    """
    path = Path((folder(state, name) / "base").read_text())
    if not path.exists():
        raise LabError(
            f"{name} was installed from {path}, which is gone",
            "restore that folder, or install all machines anew by `down` and `up` (their data is lost)",
        )
    return path


def names(state: Path) -> list[str]:
    """The machines that have disks."""
    machines = state / "machines"
    return sorted(entry.name for entry in machines.iterdir() if entry.name[0] != ".") if machines.exists() else []


def ensure(state: Path, lab: Lab, machine: Machine) -> bool:
    """Install the machine on new disks if it has none; True if it had none.

    Disks that are there stay as they are. The Debian root must have been built.
    """
    home = folder(state, machine.name)
    new = home.with_name(f".{machine.name}.new")
    created = not home.exists()
    if created:
        if new.exists():
            shutil.rmtree(new)
        for part in ("upper", "work", "root"):
            (new / part).mkdir(parents=True)
        (new / "base").write_text(str(root.path()))
        _personalise(new / "upper", state, lab, machine)
        new.rename(home)
    for disk in machine.disks:
        data_disk(state, machine, disk).mkdir(parents=True, exist_ok=True)
    if created:
        # Never later: it would hide what lies in the folder.
        for disk, size in machine.sizes:
            _format(image(state, machine, disk), size)
    return created


def _format(file: Path, size: int) -> None:
    """An empty file system of so many bytes, all of them for everybody; it takes room only as it fills."""
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as opened:
        opened.truncate(size)
    run(["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,root_owner=0:0", str(fresh)])
    fresh.rename(file)


def remove(state: Path, name: str) -> None:
    """Destroy the machine's disks. Half a machine never bears its name, whenever this is killed."""
    gone = folder(state, name).with_name(f".{name}.gone")
    folder(state, name).rename(gone)
    shutil.rmtree(gone)


def remove_leftovers(state: Path) -> bool:
    """Remove what a killed `ensure` or `remove` left; True if there was any."""
    found = False
    for entry in (state / "machines").glob(".*"):
        shutil.rmtree(entry)
        found = True
    return found


def used(state: Path) -> int:
    """Bytes that the disks of all machines take on this computer."""
    total = 0
    for parent, _, entries in os.walk(state / "machines"):
        for entry in entries:
            total += Path(parent, entry).lstat().st_blocks * 512
    return total


def _personalise(upper: Path, state: Path, lab: Lab, machine: Machine) -> None:
    """What the installer of a server asks: name, address, who may log in."""
    _put(upper / "etc/hostname", f"{machine.name}\n")
    _put(
        upper / "etc/hosts",
        f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{machine.address} {machine.name}\n",
    )
    # No name server answers there, and this computer says so at once: look-ups fail instead of hanging.
    _put(upper / "etc/resolv.conf", f"nameserver {lab.gateway}\n")
    _put(upper / "etc/machine-id", f"{secrets.token_hex(16)}\n")
    network = f"ADDRESS={machine.address}/{lab.subnet.prefixlen}\nGATEWAY={lab.gateway}\n"
    _put(upper / "etc/custos-lab/network", network)
    host_key = access.make_host_key(state, machine)
    _put(upper / "etc/ssh/ssh_host_ed25519_key", host_key.read_text(), mode=0o600)
    _put(upper / "etc/ssh/ssh_host_ed25519_key.pub", host_key.with_suffix(".pub").read_text())
    home = upper / "home" / USER
    _put(home / ".ssh/authorized_keys", access.public_key(state), mode=0o600)
    for path, mode in ((home, 0o755), (home / ".ssh", 0o700), (home / ".ssh/authorized_keys", 0o600)):
        path.chmod(mode)
        os.chown(path, USER_ID, USER_ID)
    if machine.object_store:
        s3.install(upper, state, machine)
    if lab.artifacts:
        # A link into the medium, so that a bundle that is built anew is seen without a restart.
        link = upper / lab.artifacts.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"{MEDIUM}/current")


def _put(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(text)
