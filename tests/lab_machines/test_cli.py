"""The commands where there is no lab: what they say, how they end, that they leave nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab_machines.conftest import Command


@pytest.mark.parametrize(
    "arguments, what, remedy",
    [
        (["power-off", "t1"], "there is no lab in", "run `python -m lab up`"),
        (["power-on", "t1"], "there is no lab in", "run `python -m lab up`"),
        (["ssh", "t1"], "there is no lab in", "run `python -m lab up`"),
        (["power-on", "t9"], "the lab has no machine 't9'", "its machines are t1, t2"),
        (["status", "--file", "nowhere.yaml"], "nowhere.yaml cannot be read", "--file"),
    ],
)
def test_a_mistake_ends_with_1_and_a_remedy(lab: Command, arguments: list[str], what: str, remedy: str) -> None:
    done = lab(*arguments)
    assert done.returncode == 1
    assert what in done.stderr
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["fly"], ["power-off"], ["up", "--fast"]])
def test_unusable_arguments_end_with_2(lab: Command, arguments: list[str]) -> None:
    assert lab(*arguments).returncode == 2


def test_down_without_a_lab_says_so(lab: Command, tmp_path: Path) -> None:
    done = lab("down")
    assert (done.returncode, done.stdout) == (0, f"nothing to do: there is no lab in {tmp_path / 'state'}\n")


def test_down_leaves_a_folder_alone_that_is_no_labs(lab: Command, tmp_path: Path) -> None:
    mine = tmp_path / "state" / "machines" / "mine"
    mine.mkdir(parents=True)
    assert lab("down").returncode == 0
    assert mine.exists()
    assert not (tmp_path / "state" / "lock").exists()


def test_a_lab_too_large_is_refused_before_anything_is_made(lab: Command, lab_file: Path, tmp_path: Path) -> None:
    lab_file.write_text(lab_file.read_text().replace("256Mi", "900000Gi"))
    done = lab("up")
    assert done.returncode == 1
    assert "inventories/existing.yaml" in done.stderr
    assert not (tmp_path / "state").exists()


def test_status_tells_programs_how_to_log_in(lab: Command, tmp_path: Path) -> None:
    facts = json.loads(lab("status", "--json").stdout)
    assert facts["ssh"] == {
        "user": "ubuntu",
        "privateKeyFile": str(tmp_path / "state/ssh/id_ed25519"),
        "knownHostsFile": str(tmp_path / "state/ssh/known_hosts"),
    }
    assert [(machine["name"], machine["address"]) for machine in facts["machines"]] == [
        ("t1", "10.232.0.11"),
        ("t2", "10.232.0.12"),
    ]
    assert not any(machine["installed"] for machine in facts["machines"])
