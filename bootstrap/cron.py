"""When a cron line was due, as Velero's own library reads it (robfig/cron v3: spec.go), in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

# What is due less often than that nobody waits for.
DAYS = 800


def due(line: str, before: datetime) -> Iterator[datetime]:
    """The times at which `line` was due before that moment, the newest first, for two years back."""
    minutes, hours, days, months, weekdays = (
        _field(text, low, high)
        for text, (low, high) in zip(line.split(), ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6)), strict=True)
    )
    of_month, of_week = line.split()[2], line.split()[4]
    starred = "*" in of_month or "*" in of_week
    midnight = before.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for back in range(DAYS):
        day = midnight - timedelta(days=back)
        # Both fields given: one is enough; Sunday is 0.
        fits = (day.day in days, (day.weekday() + 1) % 7 in weekdays)
        if day.month not in months or not (all(fits) if starred else any(fits)):
            continue
        for hour in sorted(hours, reverse=True):
            for minute in sorted(minutes, reverse=True):
                moment = day.replace(hour=hour, minute=minute)
                if moment < before:
                    yield moment


def _field(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin = low if span == "*" else int(first)
        # `5/10` means from 5 to the end.
        end = high if span == "*" or (step and not last) else int(last or first)
        found |= set(range(begin, end + 1, int(step or 1)))
    return found
