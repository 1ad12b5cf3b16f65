"""What the lab's machines do now."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import access, cgroups, disks, readiness, s3
from lab.debian import USER
from lab.description import Lab, Machine


@dataclass(frozen=True)
class Status:
    """A machine now: installed or not, power, whether ssh answers, bytes of memory in use."""

    machine: Machine
    installed: bool
    on: bool
    ssh: bool
    memory: int | None


def look(lab: Lab, state: Path) -> list[Status]:
    """The status of every machine of the description."""
    installed = disks.names(state)
    return [_look(lab, machine, machine.name in installed) for machine in lab.machines]


def _look(lab: Lab, machine: Machine, installed: bool) -> Status:
    on = bool(cgroups.pids(lab.name, machine.name))
    return Status(
        machine=machine,
        installed=installed,
        on=on,
        ssh=on and readiness.answers(machine),
        memory=cgroups.memory_used(lab.name, machine.name) if on else None,
    )


def facts(lab: Lab, state: Path, machines: list[Status]) -> dict[str, Any]:
    """What other programs want to know: how to reach the machines, and how they are."""
    return {
        "name": lab.name,
        "state": str(state),
        "bridge": lab.bridge,
        "subnet": str(lab.subnet),
        "gateway": str(lab.gateway),
        "artifacts": lab.artifacts,
        "ssh": {
            "user": USER,
            "privateKeyFile": str(access.key(state)),
            "knownHostsFile": str(access.known_hosts(state)),
        },
        "machines": [
            {
                "name": status.machine.name,
                "address": str(status.machine.address),
                "installed": status.installed,
                "power": "on" if status.on else "off",
                "ssh": status.ssh,
                "memory": status.memory,
            }
            for status in machines
        ],
        "objectStores": [
            {
                "machine": machine.name,
                "url": s3.url(machine),
                "bucket": machine.object_store.bucket,
                "credentialsFile": str(s3.credentials(state)),
            }
            for machine in lab.machines
            if machine.object_store
        ],
    }
