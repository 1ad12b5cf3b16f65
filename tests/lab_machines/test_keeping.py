"""What must survive a killed command: locks, records, files."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from lab import files, lock, record
from lab.errors import LabError

FORK = multiprocessing.get_context("spawn")


def hold_and_wait(path: Path, held: str, end: str) -> None:
    """Hold the lock until the pipe `end` says so."""
    with lock.hold(path):
        Path(held).write_text("held")
        Path(end).read_text()  # a named pipe: returns once the other side closes it


def test_one_holds_the_lock_at_a_time(tmp_path: Path) -> None:
    held, end = tmp_path / "held", tmp_path / "end"
    os.mkfifo(held)
    os.mkfifo(end)
    path = tmp_path / "lock"
    other = FORK.Process(target=hold_and_wait, args=(path, str(held), str(end)))
    other.start()
    assert held.read_text() == "held"
    told: list[str] = []

    def waiting() -> None:
        told.append("waiting")
        end.write_text("")

    with lock.hold(path, waiting):
        assert told == ["waiting"]
    other.join()
    assert other.exitcode == 0


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    held, end = tmp_path / "held", tmp_path / "end"
    os.mkfifo(held)
    os.mkfifo(end)
    other = FORK.Process(target=hold_and_wait, args=(tmp_path / "lock", str(held), str(end)))
    other.start()
    held.read_text()
    other.kill()
    other.join()
    with lock.hold(tmp_path / "lock", waiting=lambda: pytest.fail("the dead still hold it")):
        pass


def test_a_lock_that_its_holder_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock.hold(path):
        path.unlink()
    with lock.hold(path):
        assert path.exists()


RECORD = record.Record("tiny", "tiny0", "10.232.0.0/24")


def test_a_record_is_read_back(tmp_path: Path) -> None:
    assert record.read(tmp_path) is None
    record.write(tmp_path, RECORD)
    assert record.read(tmp_path) == RECORD
    record.remove(tmp_path)
    assert record.read(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"name": "tiny"}', "{", "nonsense"])
def test_a_strange_record_is_never_guessed_at(tmp_path: Path, text: str) -> None:
    (tmp_path / record.NAME).write_text(text)
    with pytest.raises(LabError, match=r"lab\.json is not what this program wrote"):
        record.read(tmp_path)


def test_a_half_written_file_of_a_killed_command_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / ".file.new").write_text("half")
    files.write(path, "whole", mode=0o600)
    assert path.read_text() == "whole"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
