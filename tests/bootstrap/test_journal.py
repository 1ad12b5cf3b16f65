"""The journal survives what kills a run, and the lock names who holds it and ends with its holder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.errors import Problem
from bootstrap.journal import Journal, identity, lock
from bootstrap.steps import Change, Result

HOLDER = """
import sys, time
from pathlib import Path
from bootstrap.journal import Journal, lock
with lock(Path(sys.argv[1]) / "lock", "apply"):
    log = Journal(Path(sys.argv[1]) / "journal.jsonl")
    log.run_started("apply", "lab.yaml")
    log.step_started("cluster", "control plane")
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another run that is in the middle of a step."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_second_run_is_refused_and_told_who_holds_the_cluster(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    try:
        with pytest.raises(Problem) as refused, lock(tmp_path / "lock", "apply"):
            pass
        assert f"apply by {identity()}, process {holder.pid}, since " in refused.value.what
    finally:
        holder.kill()
        holder.communicate()


def test_a_killed_run_holds_nothing_and_its_step_is_known(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with lock(tmp_path / "lock", "apply"):
        left = Journal(tmp_path / "journal.jsonl").unfinished()
    assert left and (left.by, left.step) == (identity(), "cluster: control plane")


def test_a_run_that_ended_leaves_nothing_unfinished(tmp_path: Path) -> None:
    log = Journal(tmp_path / "journal.jsonl")
    log.run_started("apply", "lab.yaml")
    log.step_started("machines", "packages")
    log.run_finished("failed")
    assert log.unfinished() is None


def test_a_line_that_a_power_cut_left_half_written_hides_no_other(tmp_path: Path) -> None:
    log = Journal(tmp_path / "journal.jsonl")
    log.run_started("apply", "lab.yaml")
    with log.path.open("a") as stream:
        stream.write('{"at": "2026-11-24T10:00:00", "event": "step-fin')
    log.run_finished("done")
    assert [record["event"] for record in log.records()] == ["run-started", "run-finished"]


def test_a_step_is_written_with_what_changed_but_without_the_contents_of_files(tmp_path: Path) -> None:
    log = Journal(tmp_path / "journal.jsonl")
    changes = [Change("worker1", "containerd's configuration", "+ password = hunter2\n")]
    log.step_finished(Result("machines", "packages", "changed", 12.3456, changes))
    (record,) = log.records()
    assert record["changes"] == ["worker1: containerd's configuration"]
    assert (record["status"], record["seconds"]) == ("changed", 12.35)
    assert "hunter2" not in log.path.read_text()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    log = Journal(tmp_path / "new" / "journal.jsonl")
    log.run_finished("done")
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.path.parent.stat().st_mode & 0o777 == 0o700


def test_every_line_says_when(tmp_path: Path) -> None:
    log = Journal(tmp_path / "journal.jsonl")
    log.run_started("apply", "lab.yaml")
    assert json.loads(log.path.read_text())["at"].endswith("+00:00")
