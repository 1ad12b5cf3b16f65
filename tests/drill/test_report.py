"""What the drill writes down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.drill import report
from tests.drill.report import Drill, Failure
from tests.lab.experiment import Outcome
from tests.lab.stores.base import Report

STRUCK = 1000.0


def outcome(pause: float, lost: int = 0, store: str = "mysql", fault: str = "kill", beside: str = "") -> Outcome:
    gaps = [[STRUCK + 0.5, pause]]
    attempts = [[STRUCK + 0.5, 1.2, 2, "connect: Connection <refused>"]]
    seen = Report(100, list(range(lost)), pause, STRUCK + 0.5, gaps, {"Connection <refused>": 2}, attempts)
    trace = [(STRUCK + 1, "custos-mysql-1", "role: none → primary"), (STRUCK + 900, "custos-mysql-1", "much later")]
    others = [beside] if beside else []
    return Outcome(store, fault, others, "custos-mysql-0", "worker1", STRUCK, STRUCK + 5, 17.0, seen, [], trace)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([outcome(6.0), outcome(9.0), outcome(5.0)], (3, 6.0, 9.0, 7, 0, "reached")),
        ([outcome(8.0), outcome(9.0), outcome(5.0)], (3, 8.0, 9.0, 7, 0, "missed")),
        ([outcome(1.0, lost=2)], (1, 1.0, 1.0, 7, 2, "lost")),
        ([outcome(50.0, fault="wipe")], (1, 50.0, 50.0, None, 0, "")),
        ([outcome(2.0, store="keycloak")], (1, 2.0, 2.0, None, 0, "missed")),  # two logins were refused
    ],
)
def test_a_row_says_median_longest_and_verdict(
    outcomes: list[Outcome], expected: tuple[int, float, float, float | None, int, str]
) -> None:
    (row,) = report.summary(outcomes)
    assert (row.times, row.median, row.longest, row.wanted, row.lost, row.verdict) == expected
    assert row.measured == "1970-01-01"


def test_what_was_struck_together_has_a_row_of_its_own() -> None:
    rows = report.summary([outcome(1.0), outcome(2.0, beside="kafka")])
    assert [(row.store, row.median) for row in rows] == [("mysql", 1.0), ("mysql+kafka", 2.0)]


def test_a_drill_makes_room_only_for_what_it_strikes() -> None:
    drill = Drill(0.5, [outcome(1.0), outcome(2.0, fault="wipe"), outcome(3.0, beside="kafka"), outcome(4.0)])
    drill.forget("mysql", "kill")
    assert [each.pause for each in drill.outcomes] == [2.0, 3.0]


def test_a_drill_goes_on_with_what_was_written(tmp_path: Path) -> None:
    outcomes = [outcome(6.0), outcome(7.0, beside="kafka")]
    assert report.read(tmp_path) == []
    report.write(Drill(0.5, outcomes), tmp_path)
    assert report.read(tmp_path) == outcomes


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda data: data["machine"].update(cores=64), "measured on another machine"),
        (lambda data: data["experiments"][0].pop("beside"), "of another format"),
        (lambda data: data["experiments"][0]["report"].update(more=1), "of another format"),
    ],
)
def test_a_drill_does_not_go_on_with_what_is_not_its_own(
    tmp_path: Path, changed: Callable[[Any], object], message: str
) -> None:
    report.write(Drill(0.5, [outcome(6.0)]), tmp_path)
    file = tmp_path / "report.json"
    data = json.loads(file.read_text())
    changed(data)
    file.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=message):
        report.read(tmp_path)


def test_a_time_line_shows_the_strike_the_pause_and_the_events_within_it() -> None:
    line = report.timeline(outcome(6.0))
    (begun, ended) = line["pauses"][0]
    assert 0 < line["struck"] < begun < ended < line["whole"] < report.WIDTH
    assert [(after, who, what) for after, _, who, what in line["events"]] == [
        (0.5, "client", "2 times connect: Connection <refused>, for 1.2 s"),
        (1.0, "custos-mysql-1", "role: none → primary"),
    ]


def test_what_was_too_slow_tells_where_the_time_went(tmp_path: Path) -> None:
    """The middle one of three; nothing of one that was quick enough."""
    report.write(Drill(0.5, [outcome(9.0), outcome(8.0), outcome(20.0), outcome(2.0, store="kafka")]), tmp_path)
    told = (tmp_path / "README.md").read_text().partition("## Where the time went")[2]
    assert "mysql, kill -9 of the leader's process: 9.0 s, from 0.5 s on" in told
    assert "| 0.5 s | client | 2 times connect: Connection <refused>, for 1.2 s |" in told
    assert "| 1.0 s | custos-mysql-1 | role: none → primary |" in told
    assert "much later" not in told and "kafka" not in told


def test_both_files_hold_everything_and_nothing_is_taken_for_markup(tmp_path: Path) -> None:
    drill = Drill(0.5, [outcome(6.0)], [Failure("kafka", "wipe", "not within 420 s")])
    report.write(drill, tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["experiments"][0]["report"]["gap"] == 6.0 and data["failures"][0]["store"] == "kafka"
    page = (tmp_path / "report.html").read_text()
    assert "kill -9 of the leader&#39;s process" in page and "not within 420 s" in page
    assert "Connection &lt;refused&gt;" in page and "<refused>" not in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "report.html", "report.json"]
    assert (
        "| mysql | kill -9 of the leader's process | 1 | 6.0 s | 6.0 s | 7 s | reached |"
        in (tmp_path / "README.md").read_text()
    )
