"""The lab's SSH: one key pair for all machines, and their host keys known before they first boot."""

import shutil
from pathlib import Path

from lab import files
from lab.commands import run
from lab.debian import USER
from lab.description import Machine


def key(state: Path) -> Path:
    """The private key that opens every machine of the lab."""
    return state / "ssh" / "id_ed25519"


def known_hosts(state: Path) -> Path:
    """The machines' host keys."""
    return state / "ssh" / "known_hosts"


def ensure_key(state: Path) -> bool:
    """Make the lab's key pair; True if it was missing."""
    if key(state).exists():
        return False
    key(state).parent.mkdir(mode=0o700, exist_ok=True)
    _generate(key(state), "custos-lab")
    return True


def public_key(state: Path) -> str:
    """What the machines let in."""
    return key(state).with_suffix(".pub").read_text()


def make_host_key(state: Path, machine: Machine) -> Path:
    """The machine's own host key, made once and kept beside the lab's; returns the private key's path."""
    path = state / "ssh" / "hosts" / machine.name
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _generate(path, machine.name)
    return path


def write_known_hosts(state: Path, machines: tuple[Machine, ...]) -> None:
    """List the host keys of all machines by address and by name."""
    lines = []
    for machine in machines:
        kind, text, *_ = make_host_key(state, machine).with_suffix(".pub").read_text().split()
        lines.append(f"{machine.address},{machine.name} {kind} {text}\n")
    text = "".join(lines)
    path = known_hosts(state)
    if not path.exists() or path.read_text() != text:
        files.write(path, text)


def command(state: Path, machine: Machine, *remote: str) -> list[str]:
    """The ssh command line that runs `remote` on the machine, or opens a shell there."""
    return [
        "ssh",
        *("-F", "none", "-i", str(key(state)), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
        *("-o", f"UserKnownHostsFile={known_hosts(state)}", "-o", "StrictHostKeyChecking=yes"),
        *("-o", "ConnectTimeout=5", f"{USER}@{machine.address}", *remote),
    ]


def remove(state: Path) -> None:
    """Remove all keys of the lab."""
    if (state / "ssh").exists():
        shutil.rmtree(state / "ssh")


def _generate(path: Path, comment: str) -> None:
    """A key pair that is there whole or not at all: the public half first, the private one proves both."""
    new = path.with_name(f".{path.name}.new")
    for left in (new, new.with_name(new.name + ".pub")):
        left.unlink(missing_ok=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(new)])
    new.with_name(new.name + ".pub").rename(path.with_suffix(".pub"))
    new.rename(path)
