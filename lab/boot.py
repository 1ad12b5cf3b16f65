"""Power on: `start` starts this file as a program of its own, which becomes the keeper of an nspawn.

It runs in mounts of its own: the overlay and all that the machine mounts end with it, and this computer never
sees them.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import cgroups, confine, debian, disks, paths
from lab.commands import run
from lab.description import Lab, Machine

KEEPER = Path(__file__).parent / "keep-on.sh"


@dataclass(frozen=True)
class Plan:
    """What the starter is told: the layers of the root, disks that are files and their folders, nspawn's command."""

    lower: str
    upper: str
    work: str
    root: str
    images: list[tuple[str, str]]
    command: list[str]


def console(state: Path, name: str) -> Path:
    """What the machine printed since it was last powered on."""
    return disks.folder(state, name) / "console.log"


def powered_on(state: Path, name: str) -> Path:
    """A file whose time is that of the last power-on."""
    return disks.folder(state, name) / "powered-on"


def start(state: Path, lab: Lab, machine: Machine, lab_lock: int) -> None:
    """Power the machine on and return at once; it outlives this program. The caller holds the lab's lock."""
    home = disks.folder(state, machine.name)
    cgroups.create(lab.name, machine.name, machine.memory, machine.cpus)
    plan = Plan(
        lower=str(disks.base(state, machine.name)),
        upper=str(home / "upper"),
        work=str(home / "work"),
        root=str(home / "root"),
        images=disks.images(state, machine),
        command=_nspawn(state, lab, machine),
    )
    command = [
        *("unshare", "--mount", "--propagation", "private", "--"),
        *(sys.executable, "-m", "lab.boot", json.dumps(asdict(plan))),
    ]
    powered_on(state, machine.name).touch()
    with console(state, machine.name).open("wb") as output:
        subprocess.Popen(
            confine.argv(lab.name, machine.name, lab_lock, command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lab_lock,),
            cwd="/",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(debian.HERE.parent),
                "LANG": "C.UTF-8",
            },
        )


def _nspawn(state: Path, lab: Lab, machine: Machine) -> list[str]:
    root = disks.folder(state, machine.name) / "root"
    binds = [f"--bind={disks.data_disk(state, machine, disk)}:{disk}" for disk in machine.disks]
    if lab.artifacts:
        paths.bundle().mkdir(parents=True, exist_ok=True)
        binds.append(f"--bind-ro={paths.bundle()}:{disks.MEDIUM}")
    return [
        *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"),
        *(
            f"--directory={root}",
            f"--machine={lab.name}-{machine.name}",
        ),
        *(f"--hostname={machine.name}", f"--network-bridge={lab.bridge}"),
        *("--capability=all", "--system-call-filter=@known", "--bind=/dev/kmsg", *binds),
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only"),
    ]


def main(plan: Plan) -> None:
    """Mount the machine's root and start its nspawn; runs in mounts of its own."""
    layers = f"lowerdir={plan.lower},upperdir={plan.upper},workdir={plan.work}"
    run(["mount", "-t", "overlay", "overlay", "-o", layers, plan.root])
    for image, folder in plan.images:
        run(["mount", "-o", "loop", image, folder])
    # nspawn passes mounts to its machine through this folder, which has to be a mount that can be shared.
    Path("/run/systemd/nspawn").mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run/systemd/nspawn"])
    unified = all(hierarchy.unified for hierarchy in cgroups.hierarchies())
    settings = {
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1",
        "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1" if unified else "0",
    }
    os.execve(KEEPER, [str(KEEPER), *plan.command], {**os.environ, **settings})


if __name__ == "__main__":
    main(Plan(**json.loads(sys.argv[1])))
