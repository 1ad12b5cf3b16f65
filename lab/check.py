"""Can this computer carry the lab? Everything is looked at before anything is changed."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import cgroups, disks, host, quantity
from lab.description import Lab
from tools.cache import cache_root

ELSEWHERE = "to install on any cluster that you have: `python -m bootstrap apply inventories/existing.yaml`"
# A lab that exists has taken most of its disk already; machines need this much to go on, and one that is new its share.
SPARE_DISK = 2 * 10**9
CONTROLLERS = ("cpu", "memory", "pids")


@dataclass(frozen=True)
class Lack:
    """Something that this computer lacks, and what to do about it."""

    what: str
    remedy: str


def lacks(lab: Lab, state: Path) -> list[Lack]:
    """What stands in the way of `up`; an empty list if nothing does."""
    if os.geteuid() != 0:
        return [Lack(f"the lab needs root, and this is user {os.geteuid()}", "run it as root, as with sudo")]
    found: list[Lack] = []
    for look in (_programs, _kernel, _control_groups, _memory, _disk):
        found.extend(look(lab, state))
    return found


def _programs(lab: Lab, state: Path) -> Iterator[Lack]:
    missing = host.missing_packages()
    if missing and shutil.which("apt-get") is None:
        yield Lack(
            f"missing packages, and no apt-get: {', '.join(missing)}", "install what corresponds to them"
        )


def _kernel(lab: Lab, state: Path) -> Iterator[Lack]:
    inside = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--net",
        "--uts",
        "--ipc",
        "--pid",
        "--fork",
        "--",
    ]
    attempts: list[tuple[str, list[str]]] = [
        ("namespaces", ["true"]),
        ("bridges", ["ip", "link", "add", "name", "try0", "type", "bridge"]),
        (
            "virtual network cards",
            ["ip", "link", "add", "name", "try0", "type", "veth", "peer", "name", "try1"],
        ),
    ]
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return  # packages that `up` installs
    for what, command in attempts:
        done = subprocess.run([*inside, *command], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            yield Lack(
                f"no {what} here: {done.stderr.strip()}",
                "this is a container or a restricted kernel: use a virtual or real machine",
            )
            return
    if "overlay" not in Path("/proc/filesystems").read_text() and not _loads("overlay"):
        yield Lack("the kernel has no overlay file system", "load it: `modprobe overlay`")
    if not Path("/proc/sys/net/bridge").exists() and not _loads("br_netfilter"):
        yield Lack("the kernel does not filter bridged packets", "load it: `modprobe br_netfilter`")


def _loads(module: str) -> bool:
    if shutil.which("modprobe") is None:
        return False
    return subprocess.run(["modprobe", module], check=False, capture_output=True).returncode == 0


def _control_groups(lab: Lab, state: Path) -> Iterator[Lack]:
    found: set[str] = set()
    for hierarchy in cgroups.hierarchies():
        found |= hierarchy.controllers
        controllers = hierarchy.mount / "cgroup.controllers"
        if controllers.exists():
            found.update(controllers.read_text().split())
        if not os.access(hierarchy.mount, os.W_OK):
            yield Lack(
                f"the control groups at {hierarchy.mount} are read-only", "use a virtual or real machine"
            )
    missing = [name for name in CONTROLLERS if name not in found]
    if missing:
        yield Lack(
            f"no control-group controller {', '.join(missing)}",
            "mount them (systemd does), or take cgroup_disable= off the kernel's command line",
        )


def _memory(lab: Lab, state: Path) -> Iterator[Lack]:
    facts = {
        line.split(":")[0]: int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
    }
    running = cgroups.pids(lab.name)
    have = facts["MemTotal"] if running else facts["MemAvailable"]
    if have < lab.needs_memory:
        which = "in all" if running else "free"
        what = f"{quantity.show(have)} of memory {which}, {quantity.show(lab.needs_memory)} needed"
        yield Lack(what, "end other programs, or take a larger machine")


def _disk(lab: Lab, state: Path) -> Iterator[Lack]:
    missing = {machine.name for machine in lab.machines} - set(disks.names(state))
    needed = SPARE_DISK + max(0, lab.needs_disk - SPARE_DISK) * len(missing) // len(lab.machines)
    for folder, what in ((state, "machines' disks"), (cache_root(), "cache")):
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(there).free
        if free < needed:
            yield Lack(
                f"{quantity.show(free)} free for the {what} in {folder}, {quantity.show(needed)} needed",
                "free some, or name another place in CUSTOS_LAB_STATE and XDG_CACHE_HOME",
            )
            return


def report(found: list[Lack], say: Callable[[str], None]) -> None:
    """One line for each lack, with its remedy, and what can be done without a lab."""
    for lack in found:
        say(f"{lack.what}: {lack.remedy}")
    if found:
        say(ELSEWHERE)
