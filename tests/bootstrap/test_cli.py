"""The command line: what is printed where, and the exit codes 0, 1 and 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.paths import PROJECT
from tests.bootstrap.conftest import ONE_PLANE, Write


def _bootstrap(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bootstrap", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.fixture
def theirs(write: Write, kubeconfig: Path) -> Path:
    """A cluster that exists, without a node."""
    return write(f"cluster: {{name: theirs, engine: existing, kubeconfig: {kubeconfig}}}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan"], "Missing argument 'INVENTORY'"),
        (["plan", "x", "--phase", "everything"], "there is no such phase"),
        (["apply", "x", "--images", "somewhere"], "is none of auto, registry, lab"),
        (["backup", "x", "--name", "My_Backup"], "at most 63 small letters, digits and hyphens"),
        (["destroy"], "No such command 'destroy'"),
    ],
)
def test_unusable_arguments_end_with_2(write: Write, arguments: list[str], said: str) -> None:
    file = str(write(ONE_PLANE))
    done = _bootstrap(*[file if word == "x" else word for word in arguments])
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_findings_end_with_1_and_are_all_there_for_machines(write: Write) -> None:
    done = _bootstrap("plan", write("cluster: {name: a, engine: kubadm, versoin: 1}"), "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)["findings"]
    assert {finding["path"] for finding in found} == {"cluster.engine", "cluster.versoin"}


def test_a_missing_inventory_is_no_traceback(tmp_path: Path) -> None:
    done = _bootstrap("apply", tmp_path / "nothing.yaml")
    assert done.returncode == 1
    assert "there is no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_has_standard_output_for_itself(theirs: Path) -> None:
    done = _bootstrap("plan", theirs, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["status"] == "failed"
    assert [step["status"] for step in report["steps"]] == ["unchanged", "unchanged", "failed", "unchanged"]
    assert report["steps"][2]["what"].endswith("has no node that is ready and takes pods")


def test_plain_lines_without_colours_where_there_is_no_terminal(theirs: Path) -> None:
    done = _bootstrap("plan", theirs)
    assert "\x1b" not in done.stderr + done.stdout
    assert "  ! nodes: failed" in done.stderr


def test_an_apply_that_fails_says_where_and_is_in_the_journal(theirs: Path, state: Path) -> None:
    done = _bootstrap("apply", theirs)
    assert done.returncode == 1
    lines = (state / "custos-platform" / "theirs" / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines][-2:] == ["step-finished", "run-finished"]
    assert json.loads(lines[-1])["status"] == "failed"


def test_status_tells_what_is_wrong_and_what_to_do(theirs: Path) -> None:
    done = _bootstrap("status", theirs, "--json")
    assert done.returncode == 1
    troubles = json.loads(done.stdout)["troubles"]
    assert {"what": "the release custos is not installed", "remedy": "install it with `apply`"} in troubles


def test_a_backup_without_an_object_store_says_where_to_name_one(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("velero: {enabled: false}\n")
    theirs.write_text(f"{theirs.read_text()}\nplatform: {{values: {tmp_path / 'values.yaml'}}}\n")
    done = _bootstrap("backup", theirs)
    assert done.returncode == 1
    assert f"the values {tmp_path / 'values.yaml'} take no backups (velero.enabled is false)" in done.stderr
    assert "set velero.enabled to true and say where they go" in done.stderr


def test_reset_needs_a_yes_and_names_what_is_lost(write: Write) -> None:
    done = _bootstrap("reset", write(ONE_PLANE))
    assert done.returncode == 1
    assert "lost: the cluster trial on cp1, worker1: all its objects, Secrets and passwords too" in done.stderr
    assert "say so with --yes" in done.stderr


def test_reset_of_a_cluster_that_exists_has_nothing_to_do(theirs: Path) -> None:
    done = _bootstrap("reset", theirs, "--yes")
    assert done.returncode == 0
    assert "made nothing that could be taken away" in done.stderr
