"""Phase `preflight`: all that is wrong with this computer or the machines, told before anything is changed."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Iterator

from bootstrap.context import Context
from bootstrap.engines import Engine
from bootstrap.errors import Problem
from bootstrap.inventory import Inventory, Machine
from bootstrap.phases import backups
from bootstrap.probe import Facts
from bootstrap.steps import CheckOnly, Phase, Step

# ID and VERSION_ID of /etc/os-release.
SYSTEMS = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04", "26.04")}
ARCHITECTURES = ("x86_64", "aarch64")
# kubeadm's own minimum for a control plane is two processors and 1,700 MiB.
PROCESSORS = 2
MEMORY = {"control-plane": 1_700 << 20, "worker": 2 << 30}
ROOM = {"/": 2 << 30, "/var/lib/containerd": 8 << 30, "/var/lib/kubelet": 2 << 30}
# etcd and TLS bear little; Kubernetes' own certificates begin at the moment when they are made.
SKEW = 5.0
# https://kubernetes.io/docs/reference/networking/ports-and-protocols/
PORTS = {"control-plane": (6443, 2379, 2380, 10250, 10257, 10259), "worker": (10250,)}


def phase(inventory: Inventory, engine: Engine) -> Phase:
    """This computer, then all machines at once."""
    steps: list[Step] = [CheckOnly("this computer", _check_here)]
    if inventory.backups:
        steps.append(CheckOnly("files for backups", backups.check_files))
    if inventory.machines:
        steps.append(CheckOnly("machines", _check_machines))
    return Phase("preflight", [*steps, *engine.preflight()])


def _check_here(context: Context) -> None:
    findings = list(_here(context.inventory))
    if findings:
        raise Problem("\n".join(findings), "mend these and run again; nothing was changed")


def _here(inventory: Inventory) -> Iterator[str]:
    if not inventory.machines:
        return
    if not shutil.which("ssh"):
        yield "this computer has no ssh: install openssh-client"
    for file in sorted({m.ssh.private_key_file for m in inventory.machines if m.ssh.private_key_file}):
        if not file.is_file():
            yield f"the SSH key {file} is not there (ssh.privateKeyFile)"
        elif file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield f"the SSH key {file} can be read by others, ssh will not use it: chmod 600 {file}"
    for file in sorted({m.ssh.known_hosts_file for m in inventory.machines if m.ssh.known_hosts_file}):
        if not file.is_file():
            yield f"the list of host keys {file} is not there (ssh.knownHostsFile)"


def _check_machines(context: Context) -> None:
    before = time.time()
    facts = context.facts
    window = (before, time.time())
    findings = [
        f"{machine.name}: {finding}"
        for machine in context.inventory.machines
        for finding in machine_findings(context.inventory, machine, facts[machine.name], window)
    ]
    findings += together(facts)
    if findings:
        raise Problem("\n".join(findings), "mend these and run again; nothing was changed")


def machine_findings(inventory: Inventory, machine: Machine, facts: Facts, asked: tuple[float, float]) -> Iterator[str]:
    """What is wrong with one machine; `asked` are this computer's clock before and after it was asked."""
    if not facts.root:
        yield f"sudo does not make {machine.ssh.user} root"
    if not facts.systemd:
        yield "does not run systemd"
    system = facts.os
    if system["version"] not in SYSTEMS.get(system["id"], ()):
        known = ", ".join(f"{name} {version}" for name, versions in SYSTEMS.items() for version in versions)
        yield f"runs {system['id']} {system['version']}; bootstrap knows {known}"
    if facts.architecture not in ARCHITECTURES:
        yield f"is {facts.architecture}; images are for {' and '.join(ARCHITECTURES)}"
    if facts.processors < PROCESSORS:
        yield f"has {facts.processors} processor, {PROCESSORS} are needed"
    for role, needed in MEMORY.items():
        if role in machine.roles and facts.memory < needed:
            yield f"has {_size(facts.memory)} of memory, {_size(needed)} are needed for a {role}"
    low, high = asked
    skew = max(low - facts.time, facts.time - high, 0.0)
    if skew > SKEW:
        yield f"its clock is {skew:.0f} s off this computer's: set up time synchronisation (systemd-timesyncd, chrony)"
    if machine.is_node and not facts.default_route:
        yield "has no default route, which Kubernetes needs to choose its address"
    for name, state in facts.modules.items():
        if state == "absent":
            yield f"its kernel has no module {name}"
    yield from _room(machine, facts)
    yield from _kubernetes(inventory, machine, facts)


def _room(machine: Machine, facts: Facts) -> Iterator[str]:
    # What is installed already has taken its room.
    rooms = {} if facts.kubernetes["joined"] else ROOM if machine.is_node else {"/": ROOM["/"]}
    needed = {path: (minimum, False) for path, minimum in rooms.items()}
    needed |= {volume.path: (volume.minimum, True) for volume in machine.volumes}
    for path, (minimum, must_be_mount) in needed.items():
        volume = facts.volumes[path]
        if must_be_mount and not volume["mount"]:
            yield f"{path} is no volume of its own: mount one there, or take it from the machine's volumes"
        elif volume["free"] < minimum:
            yield f"has {_size(volume['free'])} free in {path}, {_size(minimum)} are needed"


def _kubernetes(inventory: Inventory, machine: Machine, facts: Facts) -> Iterator[str]:
    found, artifacts = facts.kubernetes, facts.artifacts
    if artifacts and not artifacts["present"]:
        yield f"has no artifacts in {inventory.artifacts} (artifacts.path)"
    elif artifacts and artifacts["kubernetes"] != f"v{inventory.cluster.version}":
        yield (
            f"its artifacts are Kubernetes {artifacts['kubernetes']}, the inventory wants v{inventory.cluster.version}"
            " (cluster.version)"
        )
    if machine.is_control_plane and found["etcd"] and not found["admin"]:
        yield "has data of another etcd in /var/lib/etcd: move it away if nobody needs it"
    if found["leftovers"] and not found["admin"] and not found["joined"]:
        files = ", ".join(found["leftovers"])
        yield f"has left-overs of Kubernetes in /etc/kubernetes/manifests ({files}): `kubeadm reset`"
    if not found["joined"] and not found["ca"]:
        taken = sorted({port for role in machine.roles for port in PORTS.get(role, ()) if port in facts.listening})
        if taken:
            yield f"something listens on port {', '.join(map(str, taken))}, which Kubernetes needs: `ss -ltnp`"


def together(facts: dict[str, Facts]) -> Iterator[str]:
    """What no two machines may share."""
    for attribute, name in (("machine_id", "machine id (/etc/machine-id)"), ("hostname", "host name")):
        owners: dict[str, list[str]] = {}
        for machine, found in facts.items():
            owners.setdefault(getattr(found, attribute), []).append(machine)
        for value, machines in owners.items():
            if len(machines) > 1 and (attribute == "machine_id" or value not in ("localhost", "")):
                yield f"{', '.join(machines)} have the same {name}: {value}"


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"
