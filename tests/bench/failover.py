"""How long MySQL's writes pause when the primary's process or machine dies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from tests.bench import lab
from tests.bench.errors import BenchError
from tests.bench.results import Result, loaded
from tests.lab import failover
from tests.lab.failover import Group

TIMES = 3


@dataclass(frozen=True)
class Fault:
    """What one fault did: seconds without an acknowledged write, seconds until the group was whole, rows lost."""

    pause: float
    whole: float
    lost: int


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what strikes, and the seconds of pause that are wanted at most."""

    name: str
    wanted: float
    strike: Callable[[Group], Fault]


def lacks() -> str:
    """Why it cannot be measured; empty where it can."""
    return lab.ABSENT if lab.cluster() is None else ""


def measure(times: int) -> Result:
    """Seconds of the pause after each kind of fault, median of `times`. Raises BenchError where the lab fails."""
    cluster = lab.cluster()
    if cluster is None:
        raise BenchError("there is no cluster to strike", lab.ABSENT)
    platform = lab.described().platform
    group = Group(cluster, platform.release, platform.namespace)
    result = Result(
        "failover",
        "MySQL's fail-over",
        "Seconds without an acknowledged write, of a client in another machine's pod that writes a row every 50 ms "
        f"through the primary Service while the primary is struck; median of {times}, beside what is wanted at most.",
    )
    try:
        with loaded(result):
            for kind in KINDS:
                add(result, kind, [kind.strike(group) for _ in range(times)])
    except AssertionError as failure:  # conditions that were waited for, and commands that failed
        raise BenchError(f"fail-over: {failure}", "`make up` until every pod is ready, then again") from failure
    return result


def add(result: Result, kind: Kind, found: list[Fault]) -> None:
    """The figures of one kind of fault."""
    name, wanted = kind.name, kind.wanted
    pauses = [fault.pause for fault in found]
    result.add(name, "s", median(pauses), "wanted at most", wanted)
    result.add(f"{name}, longest", "s", max(pauses), "wanted at most", wanted)
    result.add(f"{name}, until the group is whole", "s", median(fault.whole for fault in found))
    result.add(f"{name}, acknowledged rows lost", "rows", sum(fault.lost for fault in found))


def kill_process(group: Group) -> Fault:
    """Kill mysqld of the primary by SIGKILL."""
    group.wait_until_whole()
    with group.writing(avoid=group.primary()["spec"]["nodeName"]) as finish:
        group.kill_mysqld()
        report, whole = group.settle(finish)
    return Fault(report.gap, whole, len(report.missing))


def power_off(group: Group) -> Fault:
    """Switch the primary's machine off; on again when rows are written. Until whole counts from then."""
    group.wait_until_whole()
    machine = group.primary()["spec"]["nodeName"]
    with group.writing(avoid=machine) as finish:
        failover.lab("power-off", machine)
        try:
            report = finish()
        finally:
            failover.lab("power-on", machine)
    return Fault(report.gap, group.wait_until_whole(), len(report.missing))


# Group Replication alone takes 5 s until it gives a silent member up.
KINDS = (
    Kind("kill -9 of mysqld", 7.0, kill_process),
    Kind("power-off of the machine", 12.0, power_off),
)
