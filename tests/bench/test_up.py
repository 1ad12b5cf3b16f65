"""Which runs of a journal are measured."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.up import newest, runs


def run(number: int, status: str | None, *, command: str = "apply", **phases: str) -> list[dict[str, Any]]:
    """The records of a run; `phases` gives each phase's status, `status` None is a run that was killed."""
    records: list[dict[str, Any]] = [{"event": "run-started", "at": str(number), "command": command}]
    for phase, ended in phases.items():
        step = {"phase": phase, "step": "s"}
        records += [
            {"event": "step-started", **step},
            {"event": "step-finished", **step, "status": ended, "seconds": 2.0},
        ]
    return records + ([{"event": "run-finished", "status": status}] if status else [])


FRESH = {"cluster": "changed", "platform": "changed"}
QUIET = {"cluster": "unchanged", "platform": "unchanged"}


@pytest.mark.parametrize(
    ("records", "fresh", "again"),
    [
        pytest.param([], None, None, id="nothing"),
        pytest.param(run(1, "done", **FRESH), "1", None, id="one fresh run"),
        pytest.param(run(1, "done", **FRESH) + run(2, "done", **QUIET), "1", "2", id="and one after"),
        pytest.param(run(1, "done", **FRESH) + run(2, "done", **FRESH), "2", None, id="the newest counts"),
        pytest.param(run(1, None, **FRESH) + run(2, "done", **QUIET), None, "2", id="killed"),
        pytest.param(run(1, "failed", **FRESH), None, None, id="failed"),
        pytest.param(run(1, "done", cluster="unchanged", platform="changed"), None, None, id="an upgrade is neither"),
        pytest.param(run(1, "done", command="reset", **FRESH), None, None, id="another command"),
        pytest.param(run(1, "done", cluster="unchanged"), None, None, id="without the platform"),
    ],
)
def test_the_newest_whole_runs_are_taken(records: list[dict[str, Any]], fresh: str | None, again: str | None) -> None:
    found = runs(records)
    chosen = [newest(found, fresh=True), newest(found, fresh=False)]
    assert [run and run.started for run in chosen] == [fresh, again]


def test_the_seconds_of_a_phase_are_those_of_its_steps_together() -> None:
    step = {"event": "step-finished", "phase": "cluster", "step": "s", "status": "changed", "seconds": 1.5}
    [found] = runs([{"event": "run-started", "at": "1", "command": "apply"}, step, step])
    assert found.seconds == {"cluster": 3.0}
