"""Figures, and the JSON file of each topic in docs/results/."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench import machine
from tests.bench.machine import PROJECT

FOLDER = PROJECT / "docs" / "results"
DIGITS = 4  # significant ones: more would be noise


@dataclass(frozen=True)
class Figure:
    """One measured value, and what it is set beside (in the same unit)."""

    what: str
    unit: str
    value: float
    beside: str = ""
    beside_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times what it is beside; None where it stands alone."""
        return self.value / self.beside_value if self.beside_value else None

    def as_json(self) -> dict[str, Any]:
        """The figure rounded for the file."""
        values = asdict(self) | {"ratio": self.ratio}
        return {key: _rounded(value) for key, value in values.items() if value not in (None, "")}


@dataclass
class Result:
    """The figures of a topic; `method` says how they came about, `load` is the machine's (1 min)."""

    topic: str
    title: str
    method: str
    figures: list[Figure] = field(default_factory=list)
    load: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add(self, what: str, unit: str, value: float, beside: str = "", beside_value: float | None = None) -> None:
        """One more figure."""
        self.figures.append(Figure(what, unit, value, beside, beside_value))

    def as_json(self) -> dict[str, Any]:
        """All of it, with machine, versions and date."""
        return {
            "topic": self.topic,
            "title": self.title,
            "method": self.method,
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": asdict(machine.describe()),
            "versions": machine.versions(),
            "load": {when: round(value, 2) for when, value in self.load.items()},
            "figures": [figure.as_json() for figure in self.figures],
            **({"details": self.details} if self.details else {}),
            **({"left_out": self.left_out} if self.left_out else {}),
        }


@contextmanager
def loaded(result: Result) -> Iterator[Result]:
    """Records the load average before and after the block; the second holds the measurement's own share."""
    result.load["before"] = os.getloadavg()[0]
    yield result
    result.load["after"] = os.getloadavg()[0]


def write(result: Result, folder: Path = FOLDER) -> Path:
    """Write the topic's file, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{result.topic}.json"
    new = file.with_suffix(".new")
    new.write_text(json.dumps(result.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    new.rename(file)
    return file


def read(topic: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """What was recorded for a topic; None where it never was."""
    file = folder / f"{topic}.json"
    if not file.is_file():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
