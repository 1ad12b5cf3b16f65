"""The drill's report: report.json for programs, report.html with a time line of each experiment, README.md in short."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import jinja2
import yaml

from tests.bench import machine
from tests.bench.machine import PROJECT
from tests.lab.experiment import Outcome
from tests.lab.faults import FAULTS
from tests.lab.stores.base import Report

HERE = Path(__file__).parent
FOLDER = PROJECT / "docs" / "results" / "drill"
LEAD_SECONDS = 3  # what a time line shows before the strike
WIDTH = 1000  # of a time line, in its own units
Event = tuple[float, str, str]  # seconds after the strike, who, what


@dataclass(frozen=True)
class Failure:
    """An experiment that did not come to its end."""

    store: str
    fault: str
    message: str


@dataclass
class Drill:
    """What has been tried so far."""

    load_before: float
    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def forget(self, store: str, fault: str) -> None:
        """Make room for new experiments of that store with that fault."""
        self.outcomes = [o for o in self.outcomes if (o.struck_stores, o.fault) != (store, fault)]


@dataclass(frozen=True)
class Row:
    """A line of the summary; seconds, and numbers that were refused. `wanted…` is None where nothing is wanted."""

    store: str
    fault: str
    times: int
    median: float
    longest: float
    wanted: float | None
    refused: float  # median of the numbers that a client did not get through
    wanted_refused: float | None
    whole: float
    lost: int
    measured: str  # the day of its newest experiment: a drill of some stores leaves the others' rows

    @property
    def verdict(self) -> str:
        """Whether the medians are what is wanted."""
        pairs = [(self.median, self.wanted), (self.refused, self.wanted_refused)]
        wanted = [(found, most) for found, most in pairs if most is not None]
        if self.lost:
            return "lost"
        return "" if not wanted else "reached" if all(found <= most for found, most in wanted) else "missed"

    @property
    def goal(self) -> str:
        """What is wanted, for people."""
        seconds = "" if self.wanted is None else f"{self.wanted:g} s"
        refused = "" if self.wanted_refused is None else f"{self.wanted_refused:g} refused"
        return ", ".join(filter(None, [seconds, refused]))


def write(drill: Drill, folder: Path = FOLDER) -> None:
    """Write the files; the old ones stay until the new ones are whole."""
    folder.mkdir(parents=True, exist_ok=True)
    data, rows, lines = as_json(drill), summary(drill.outcomes), [timeline(outcome) for outcome in drill.outcomes]
    texts = {
        "report.json": json.dumps(data, indent=1) + "\n",
        "report.html": page("report.html.j2", data=data, rows=rows, titles=FAULTS, lines=lines, width=WIDTH),
        "README.md": page("README.md.j2", data=data, rows=rows, titles=FAULTS, slow=slow(rows, drill.outcomes)),
    }
    for name, text in texts.items():
        fresh = folder / f".{name}"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(folder / name)


def read(folder: Path = FOLDER) -> list[Outcome]:
    """The experiments of an earlier drill, to be gone on with; none where there was no drill.

    Raises ValueError where the file is not of this format, or was measured on another machine.
    """
    try:
        data = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        measured_on, outcomes = data["machine"], [_outcome(raw) for raw in data["experiments"]]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError) as error:
        raise ValueError(f"of another format: {error}") from error
    ours = asdict(machine.describe())
    # The kernel's builds follow one another on one computer; where they differ, the report says the newest.
    if {**measured_on, "kernel": ""} != {**ours, "kernel": ""}:
        raise ValueError(f"measured on another machine: {measured_on}; this is {ours}")
    return outcomes


def _outcome(raw: dict[str, Any]) -> Outcome:
    trace = [(moment, who, what) for moment, who, what in raw["trace"]]
    return Outcome(**raw | {"report": Report(**raw["report"]), "trace": trace})


def as_json(drill: Drill) -> dict[str, Any]:
    """Everything, with machine, versions and date."""
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(machine.describe()),
        "versions": machine.versions(),
        "load": {"before": round(drill.load_before, 2), "after": round(os.getloadavg()[0], 2)},
        "summary": [asdict(row) | {"verdict": row.verdict} for row in summary(drill.outcomes)],
        "failures": [asdict(failure) for failure in drill.failures],
        "experiments": [asdict(outcome) for outcome in drill.outcomes],
    }


def summary(outcomes: list[Outcome]) -> list[Row]:
    """A row for each store and fault, in the order in which they were tried."""
    targets = yaml.safe_load((HERE / "targets.yaml").read_text(encoding="utf-8"))
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.struck_stores, outcome.fault), []).append(outcome)
    return [
        Row(
            store=store,
            fault=fault,
            times=len(found),
            median=median(outcome.pause for outcome in found),
            longest=max(outcome.pause for outcome in found),
            wanted=targets.get(store, {}).get(fault, {}).get("seconds"),
            refused=median(sum(outcome.report.errors.values()) for outcome in found),
            wanted_refused=targets.get(store, {}).get(fault, {}).get("refused"),
            whole=median(outcome.whole_after for outcome in found),
            lost=sum(len(outcome.report.missing) for outcome in found),
            measured=datetime.fromtimestamp(max(outcome.struck for outcome in found), UTC).date().isoformat(),
        )
        for (store, fault), found in groups.items()
    ]


def slow(rows: list[Row], outcomes: list[Outcome]) -> list[tuple[Row, Outcome, list[Event]]]:
    """For each row that missed what is wanted: the experiment in its middle, and what happened until writes went on."""
    found = []
    for row in (row for row in rows if row.verdict == "missed"):
        same = [o for o in outcomes if (o.struck_stores, o.fault) == (row.store, row.fault)]
        outcome = sorted(same, key=lambda each: each.pause)[len(same) // 2]
        end = outcome.report.gap_at + outcome.pause - outcome.struck
        found.append((row, outcome, [event for event in events(outcome) if 0 <= event[0] <= end]))
    return found


def events(outcome: Outcome) -> list[Event]:
    """What Kubernetes and the client saw, in order."""
    attempts = [
        (begun, "client", f"{count} times {what}" + (f", for {seconds:.1f} s" if count > 1 else ""))
        for begun, seconds, count, what in outcome.report.attempts
    ]
    return [(moment - outcome.struck, who, what) for moment, who, what in sorted([*outcome.trace, *attempts])]


def page(template: str, **shown: object) -> str:
    """A page of the report; the HTML needs no other file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**shown)


def timeline(outcome: Outcome) -> dict[str, Any]:
    """What the page draws of an experiment: spans and marks as shares of WIDTH, events in seconds after the strike."""
    start = outcome.struck - LEAD_SECONDS
    end = max(outcome.struck + outcome.whole_after, outcome.mended) + LEAD_SECONDS
    scale = WIDTH / (end - start)

    def place(moment: float) -> float:
        return round((min(max(moment, start), end) - start) * scale, 1)

    def pauses() -> Iterator[tuple[float, float]]:
        for begun, seconds in outcome.report.gaps:
            if begun + seconds > start and begun < end:
                yield place(begun), place(begun + seconds)

    return {
        "outcome": outcome,
        "pauses": list(pauses()),
        "struck": place(outcome.struck),
        "whole": place(outcome.struck + outcome.whole_after),
        "events": [
            (round(after, 1), place(outcome.struck + after), who, what)
            for after, who, what in events(outcome)
            if start <= outcome.struck + after <= end
        ],
    }
