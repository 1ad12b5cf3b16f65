"""The cached Debian of the machines."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lab import debian, root


def test_the_key_changes_with_every_ingredient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = root.path()
    monkeypatch.setattr(debian, "HERE", tmp_path)
    for ingredient in ("packages", "unit"):
        (tmp_path / ingredient).write_text("one")
    monkeypatch.setattr(debian, "ingredients", lambda: sorted(tmp_path.iterdir()))
    seen = {before, root.path()}
    for ingredient in ("packages", "unit"):
        (tmp_path / ingredient).write_text("two")
        seen.add(root.path())
    (tmp_path / "unit").chmod(0o755)
    seen.add(root.path())
    assert len(seen) == 5


def test_every_unit_of_ours_is_enabled() -> None:
    units = {unit.name for unit in (debian.FILES / "etc/systemd/system").iterdir()}
    assert units <= set(debian.UNITS)


def test_every_program_that_a_unit_of_ours_runs_is_there_and_executable() -> None:
    programs = []
    for unit in (debian.FILES / "etc/systemd/system").iterdir():
        for line in unit.read_text().splitlines():
            if line.startswith("ExecStart=/usr/local/"):
                programs.append(debian.FILES / line.removeprefix("ExecStart=/").split()[0])
    assert programs
    for program in programs:
        assert program.stat().st_mode & stat.S_IXUSR, program


def test_packages_are_listed_once() -> None:
    packages = debian.packages()
    assert len(packages) == len(set(packages))
    assert {"containerd", "openssh-server", "python3", "sudo"} <= set(packages)
