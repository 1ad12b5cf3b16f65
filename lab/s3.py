"""The object store that a machine may run: rclone's `serve s3` (lab/objectstore), to the platform somebody else's.

It is installed with its machine and started by systemd there; nobody who installs the platform touches it.
"""

import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from lab import builder, files
from lab.debian import HERE
from lab.description import Lab, Machine, ObjectStore
from lab.errors import LabError
from tools import find

TOOL = "objectstore"
UNIT = "custos-lab-object-store.service"
PROGRAM = "/usr/local/lib/custos-lab/objectstore"
KEYS = "/etc/custos-lab/object-store"
# Debian's own user for such things, which nothing else on the machine uses.
USER = "backup"


def credentials(state: Path) -> Path:
    """The keys that the store takes, as AWS' programs read them."""
    return state / "object-store" / "credentials"


def url(machine: Machine) -> str:
    """Where the machine's store answers."""
    assert machine.object_store
    return f"http://{machine.address}:{machine.object_store.port}"


def ensure_program(lab: Lab, lab_lock: int, say: Callable[[str], None]) -> None:
    """Have the store's program in the cache; `lab_lock` is held. Raises LabError with the build's last words."""
    command = [sys.executable, "-m", "tools", "install", TOOL]
    code, said = builder.run(lab.name, command, (lab_lock,), say)
    if code != 0:
        last = "\n".join(said[-8:])
        raise LabError(
            f"the object store's program could not be made (exit {code}):\n{last}", "mend what it names, run again"
        )


def ensure_keys(state: Path) -> bool:
    """Make the keys of the lab's object stores; True if they were missing."""
    path = credentials(state)
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, exist_ok=True)
    pair = f"aws_access_key_id={secrets.token_hex(10)}\naws_secret_access_key={secrets.token_hex(20)}\n"
    files.write(path, f"[default]\n{pair}", 0o600)
    return True


def install(upper: Path, state: Path, machine: Machine) -> None:
    """Put program, keys and unit of the machine's store onto its disk, `upper`."""
    assert machine.object_store
    program = upper / PROGRAM.lstrip("/")
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(find(TOOL), program)
    program.chmod(0o755)
    keys = upper / KEYS.lstrip("/")
    keys.parent.mkdir(parents=True, exist_ok=True)
    files.write(keys, f"{environment(state)}\n", 0o600)
    units = upper / "etc/systemd/system"
    wanted = units / "multi-user.target.wants" / UNIT
    wanted.parent.mkdir(parents=True, exist_ok=True)
    (units / UNIT).write_text(_unit(machine.object_store))
    wanted.symlink_to(f"../{UNIT}")


def environment(state: Path) -> str:
    """The keys as a line of systemd's EnvironmentFile; in it a row of CSV, which is what rclone reads."""
    lines = credentials(state).read_text().splitlines()
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    return f"RCLONE_AUTH_KEY='\"{pairs['aws_access_key_id']},{pairs['aws_secret_access_key']}\"'"


def command(program: str, address: str, folder: str) -> list[str]:
    """The command line that serves the folders in `folder` as buckets on `address` (host:port)."""
    return [
        *(program, "serve", "s3", "--config=", "--addr", address),
        # Nobody else writes there: what was read of a folder, and the digests of its files, stay right.
        *("--dir-cache-time", "8760h", "--poll-interval", "0"),
        folder,
    ]


def _unit(store: ObjectStore) -> str:
    buckets = f"{store.path}/buckets"  # the disk's root has lost+found, which is no bucket
    return (
        (HERE / "object-store.service")
        .read_text()
        .format(
            user=USER,
            keys=KEYS,
            folders=f"{buckets} {buckets}/{store.bucket}",
            command=" ".join(command(PROGRAM, f":{store.port}", buckets)),
        )
    )


def remove(state: Path) -> None:
    """Remove the keys."""
    if credentials(state).parent.exists():
        shutil.rmtree(credentials(state).parent)
