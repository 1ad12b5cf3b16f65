"""Whether a computer can carry the lab, and what is said if not."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from lab import check, description, quantity
from lab.description import Lab


@pytest.fixture
def small(lab_file: Path) -> Lab:
    return description.load(lab_file)


def words(lab: Lab, state: Path) -> list[str]:
    said: list[str] = []
    check.report(check.lacks(lab, state), said.append)
    return said


def test_without_root_nothing_else_is_looked_at(small: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    first, last = words(small, tmp_path)
    assert first == "the lab needs root, and this is user 1000: run it as root, as with sudo"
    assert "python -m bootstrap apply inventories/existing.yaml" in last


@pytest.mark.parametrize(
    "change, what, remedy",
    [
        ({"needs_memory": 2**50}, "of memory free, 1048576.0 GiB needed", "take a larger machine"),
        ({"needs_disk": 2**60}, "free for the machines' disks in", "CUSTOS_LAB_STATE"),
    ],
    ids=["memory", "disk"],
)
def test_a_lack_is_one_line_with_its_remedy(
    small: Lab,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, int],
    what: str,
    remedy: str,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    lacking = dataclasses.replace(small, **change)  # type: ignore[arg-type]
    (line,) = [said for said in words(lacking, tmp_path / "state") if what in said]
    assert remedy in line
    assert words(lacking, tmp_path / "state")[-1] == check.ELSEWHERE


def test_what_exists_already_needs_no_second_disk(small: Lab, tmp_path: Path) -> None:
    for machine in small.machines:
        (tmp_path / "machines" / machine.name).mkdir(parents=True)
    monstrous = dataclasses.replace(small, needs_disk=2**60)
    assert not [lack for lack in check.lacks(monstrous, tmp_path) if "machines' disks" in lack.what]


def test_one_more_machine_needs_its_share_of_the_disk(
    small: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "machines" / "t1").mkdir(parents=True)
    monstrous = dataclasses.replace(small, needs_disk=2**50)
    (lack,) = [lack.what for lack in check.lacks(monstrous, tmp_path) if "machines' disks" in lack.what]
    assert f"{quantity.show(check.SPARE_DISK + (2**50 - check.SPARE_DISK) // 2)} needed" in lack


def test_nothing_is_said_where_nothing_lacks() -> None:
    said: list[str] = []
    check.report([], said.append)
    assert said == []
