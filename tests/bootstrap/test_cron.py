"""When a cron line was due: as Velero's library reads it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from bootstrap.cron import due

SATURDAY = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("17 */6 * * *", ["28 12:17", "28 06:17", "28 00:17", "27 18:17"]),
        ("30 12 * * *", ["27 12:30", "26 12:30"]),
        ("0 8,20 * * 1-5", ["27 20:00", "27 08:00", "26 20:00"]),
        ("5/20 12 28 11 *", ["28 12:25", "28 12:05"]),
        # Both the day of the month and that of the week: one is enough.
        ("0 1 27 * 0", ["27 01:00", "22 01:00", "15 01:00"]),
        # A star with a step is a star: both have to fit.
        ("0 1 */2 * 6", ["21 01:00", "07 01:00"]),
        ("0 0 1 * *", ["01 00:00"]),
    ],
)
def test_the_last_times_that_a_line_was_due(line: str, expected: list[str]) -> None:
    found = [f"{moment:%d %H:%M}" for moment in itertools.islice(due(line, SATURDAY), len(expected))]
    assert found == expected


def test_a_day_that_never_comes_ends() -> None:
    assert list(due("0 0 31 2 *", SATURDAY)) == []
