"""Control groups: each machine runs in one of its own in every hierarchy, where its group namespace begins.

The group is also the only record of what runs: a process belongs to a machine while it is in the machine's
group, so a process number that the kernel gave to somebody else is never taken for the machine's.
"""

import errno
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

TOP = "custos-lab"
KILL_SECONDS = 30.0
# What processes of the lab that are no machine run in; no machine can be called so.
BUILDER = "_builder"


@dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy: all of version 2, or one or more controllers of version 1."""

    mount: Path
    controllers: frozenset[str]
    unified: bool


def hierarchies(mountinfo: str | None = None) -> list[Hierarchy]:
    """The hierarchies of this computer, from the text of /proc/self/mountinfo (proc(5))."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    found: dict[Path, Hierarchy] = {}
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        mount = Path(left.split()[4])
        kind, _, options = right.split(" ", 2)
        if kind == "cgroup2":
            found[mount] = Hierarchy(mount, frozenset(), unified=True)
        elif kind == "cgroup":
            # Flags of the mount stand among the controllers' names; they name no file, so they do no harm.
            found[mount] = Hierarchy(mount, frozenset(options.split(",")), unified=False)
    return list(found.values())


def group(hierarchy: Hierarchy, lab: str, member: str = "") -> Path:
    """The folder of a lab's machine, or of the whole lab."""
    return hierarchy.mount / TOP / lab / member


def exists(lab: str) -> bool:
    """Are there groups of the lab, with or without processes?"""
    return any(group(hierarchy, lab).exists() for hierarchy in hierarchies())


def create(lab: str, member: str, memory: int | None = None, cpus: float | None = None) -> None:
    """Make the group of a machine in every hierarchy; `memory` in bytes and `cpus` are limits."""
    for hierarchy in hierarchies():
        folder = hierarchy.mount
        for name in (TOP, lab, member):
            if hierarchy.unified:
                _delegate(folder)
            folder = folder / name
            folder.mkdir(exist_ok=True)
            if "cpuset" in hierarchy.controllers:
                # A new group of version 1 has no processor and no memory node, and so refuses processes.
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (folder / file).write_text((folder.parent / file).read_text())
                (folder / "cgroup.clone_children").write_text("1")
        _limit(hierarchy, folder, memory, cpus)


def _delegate(folder: Path) -> None:
    controllers = (folder / "cgroup.controllers").read_text().split()
    enabled = (folder / "cgroup.subtree_control").read_text().split()
    missing = [name for name in controllers if name not in enabled]
    if missing:
        (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in missing))


def _limit(hierarchy: Hierarchy, folder: Path, memory: int | None, cpus: float | None) -> None:
    period = 100_000
    if hierarchy.unified and not (folder / "memory.max").exists():
        return  # a hybrid computer: the controllers are in the hierarchies of version 1
    if memory is not None:
        if hierarchy.unified:
            (folder / "memory.max").write_text(str(memory))
        elif "memory" in hierarchy.controllers:
            (folder / "memory.limit_in_bytes").write_text(str(memory))
    if cpus is not None:
        quota = int(cpus * period)
        if hierarchy.unified:
            (folder / "cpu.max").write_text(f"{quota} {period}")
        elif "cpu" in hierarchy.controllers:
            (folder / "cpu.cfs_period_us").write_text(str(period))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))


def join(lab: str, member: str) -> None:
    """Move this process into a group that `create` made."""
    for hierarchy in hierarchies():
        (group(hierarchy, lab, member) / "cgroup.procs").write_text(str(os.getpid()))


def pids(lab: str, member: str = "") -> set[int]:
    """The processes in the group and below it, in any hierarchy."""
    found: set[int] = set()
    for hierarchy in hierarchies():
        for folder in _tree(group(hierarchy, lab, member)):
            try:
                found.update(int(word) for word in (folder / "cgroup.procs").read_text().split())
            except OSError:
                continue  # the group went away while we looked: nothing runs there
    return found


def init(lab: str, member: str) -> int | None:
    """The process that is number 1 inside the machine, as this computer numbers it."""
    for pid in sorted(pids(lab, member)):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for line in status.splitlines():
            if line.startswith("NSpid:") and line.split()[1:] == [str(pid), "1"]:
                return pid
    return None


def kill(lab: str, member: str = "") -> bool:
    """Kill what runs in the group at once (SIGKILL) and wait until it is gone; True if anything ran.

    A machine's init goes first: the kernel then takes all that the machine ran, as a power cut does.
    Raises LabError if something stays longer than KILL_SECONDS.
    """
    running = pids(lab, member)
    if not running:
        return False
    first = init(lab, member) if member else None
    if first is not None:
        _signal(first)
    deadline = time.monotonic() + KILL_SECONDS
    while remaining := pids(lab, member):
        if time.monotonic() > deadline:
            raise LabError(
                f"processes of {member or lab} outlived SIGKILL by {KILL_SECONDS:.0f} s: {sorted(remaining)}",
                "they hang in the kernel: `cat /proc/PID/stack` says where; then run the command again",
            )
        for pid in remaining - {first}:
            _signal(pid)
        time.sleep(0.02)
    return True


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def remove(lab: str, member: str = "") -> bool:
    """Remove the groups, which must be empty of processes; True if there were any."""
    removed = False
    for hierarchy in hierarchies():
        folder = group(hierarchy, lab, member)
        for inner in _tree(folder):
            _remove_one(inner)
            removed = True
        top = hierarchy.mount / TOP
        if not member and top.is_dir() and not any(entry.is_dir() for entry in top.iterdir()):
            top.rmdir()
    return removed


def _remove_one(folder: Path) -> None:
    """Remove a group. The kernel calls it busy for a moment after its last process has left the list."""
    deadline = time.monotonic() + KILL_SECONDS
    while True:
        try:
            folder.rmdir()
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            if time.monotonic() > deadline:
                raise LabError(
                    f"the control group {folder} stays busy {KILL_SECONDS:.0f} s after its processes ended",
                    "run the command again; a restart of this computer clears it surely",
                ) from None
        time.sleep(0.02)


def memory_used(lab: str, member: str) -> int | None:
    """Bytes that the machine holds now, page cache that can go left out; None where nothing counts it."""
    for hierarchy in hierarchies():
        folder = group(hierarchy, lab, member)
        name = "memory.current" if hierarchy.unified else "memory.usage_in_bytes"
        if (folder / name).exists():
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            cache = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
            return int((folder / name).read_text()) - cache
    return None


def _tree(folder: Path) -> Iterator[Path]:
    """The folder and all below it, the deepest first."""
    if folder.is_dir():
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                yield from _tree(Path(entry.path))
        yield folder
