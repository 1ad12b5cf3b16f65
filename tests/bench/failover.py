"""How long MySQL's writes pause when the primary's process or machine dies."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from tests.bench import lab
from tests.bench.errors import BenchError
from tests.bench.results import Result, loaded
from tests.lab.experiment import Outcome, experiment
from tests.lab.faults import FAULTS
from tests.lab.stores.mysql import Mysql

TIMES = 3


@dataclass(frozen=True)
class Kind:
    """A kind of fault, and the seconds of pause that are wanted at most."""

    fault: str
    wanted: float


def lacks() -> str:
    """Why it cannot be measured; empty where it can."""
    return lab.ABSENT if lab.cluster() is None else ""


def measure(times: int) -> Result:
    """Seconds of the pause after each kind of fault, median of `times`. Raises BenchError where the lab fails."""
    cluster = lab.cluster()
    if cluster is None:
        raise BenchError("there is no cluster to strike", lab.ABSENT)
    platform = lab.described().platform
    store = Mysql(cluster, platform.release, platform.namespace)
    result = Result(
        "failover",
        "MySQL's fail-over",
        "Seconds without an acknowledged write, of a client in another machine's pod that writes a row every 50 ms "
        f"through the primary Service while the primary is struck; median of {times}, beside what is wanted at most.",
    )
    try:
        with loaded(result):
            for kind in KINDS:
                add(result, kind, [experiment(FAULTS[kind.fault], [store])[0] for _ in range(times)])
    except AssertionError as failure:  # conditions that were waited for, and commands that failed
        raise BenchError(f"fail-over: {failure}", "`make up` until every pod is ready, then again") from failure
    return result


def add(result: Result, kind: Kind, found: list[Outcome]) -> None:
    """The figures of one kind of fault."""
    name, wanted = FAULTS[kind.fault].title, kind.wanted
    pauses = [outcome.pause for outcome in found]
    result.add(name, "s", median(pauses), "wanted at most", wanted)
    result.add(f"{name}, longest", "s", max(pauses), "wanted at most", wanted)
    result.add(f"{name}, until the group is whole", "s", median(outcome.whole_after for outcome in found))
    result.add(f"{name}, acknowledged rows lost", "rows", sum(len(outcome.report.missing) for outcome in found))


# Group Replication alone takes 5 s until it gives a silent member up.
KINDS = (Kind("kill", 7.0), Kind("power-off", 12.0))
