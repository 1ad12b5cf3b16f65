"""How long each phase of `make up` took, from bootstrap's journal, beside the same commands typed by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bootstrap import paths
from bootstrap.journal import Journal
from tests.bench import by_hand, lab, results
from tests.bench.errors import BenchError
from tests.bench.results import Result, loaded

_FORMED = {"cluster", "platform"}  # a run that changed both began with bare machines


@dataclass
class Run:
    """One run of bootstrap: seconds by phase, and the phases that changed something."""

    started: str
    command: str
    status: str = "unfinished"
    seconds: dict[str, float] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)


def runs(records: Iterable[dict[str, Any]]) -> list[Run]:
    """The runs of a journal in their order."""
    found: list[Run] = []
    for record in records:
        event = record["event"]
        if event == "run-started":
            found.append(Run(record["at"], record["command"]))
        elif event == "run-finished" and found:
            found[-1].status = record["status"]
        elif event == "step-finished" and found:
            phase, run = record["phase"], found[-1]
            run.seconds[phase] = run.seconds.get(phase, 0.0) + record["seconds"]
            if record["status"] == "changed":
                run.changed.add(phase)
    return found


def newest(found: Iterable[Run], *, fresh: bool) -> Run | None:
    """The newest whole `apply` that formed cluster and platform (`fresh`), or else that changed nothing."""
    whole = [run for run in found if run.command == "apply" and run.status == "done" and run.seconds.keys() >= _FORMED]
    chosen = [run for run in whole if (run.changed >= _FORMED if fresh else not run.changed)]
    return chosen[-1] if chosen else None


def lacks() -> str:
    """Why it cannot be measured, and how to get there; empty where it can."""
    if newest(_journal(), fresh=True) is None:
        return "no run went from bare machines to the platform without a stop: `make down && make up`"
    return ""


def measure(_times: int) -> Result:
    """Seconds of each phase of the newest fresh run and of the newest that changed nothing."""
    found = _journal()
    fresh = newest(found, fresh=True)
    if fresh is None:
        raise BenchError("the journal has no fresh run", lacks())
    again = newest(found, fresh=False)
    baseline = {f["what"]: f["value"] for f in (results.read(by_hand.TOPIC) or {"figures": []})["figures"]}
    result = Result(
        "up",
        "make up",
        "Seconds of each phase from bootstrap's journal: from bare machines to the installed platform, and a "
        "second run that changes nothing. Building images and starting the lab's machines comes before and "
        "is not in it. Beside it: the same kubeadm, kubectl and helm commands one after another, without "
        "the time to type them (`python -m tests.bench up --baseline`). One run each.",
        details={"fresh": fresh.started, "again": again.started if again else None},
    )
    with loaded(result):
        for phase, seconds in _with_sum(fresh.seconds).items():
            result.add(phase, "s", seconds, "by hand" if phase in baseline else "", baseline.get(phase))
        for phase, seconds in _with_sum(again.seconds).items() if again else ():
            result.add(f"{phase}, second run", "s", seconds)
    return result


def _with_sum(seconds: dict[str, float]) -> dict[str, float]:
    return {**seconds, "all": sum(seconds.values())}


def _journal() -> list[Run]:
    return runs(Journal(paths.state(lab.described().cluster.name) / "journal.jsonl").records())
