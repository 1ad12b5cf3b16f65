"""What the full circle measured: report.json, and README.md made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import machine

FOLDER = machine.PROJECT / "docs/results/recovery"
PAGE = """\
<!-- Made by tests/lab/test_recovery.py (`make drill`) of report.json; do not edit. -->
# A restore to new machines, measured

All machines of the lab's cluster were destroyed with their disks, and what `bootstrap` knew of them with it.
`restore` made the platform of a backup on new ones, with other names and another storage class. Nothing of before the
backup was lost; what was written after it was, as it must be.

| what | seconds |
|---|---:|
| `bootstrap backup` | {backup_seconds:.0f} |
| age of the data at the loss (RPO of this run: the backup was made for it) | {age:.0f} |
| a `restore` of a damaged copy, on bare machines, until it was refused: it prepared them | {refused_seconds:.0f} |
| `restore` on these machines, up to `helm test` | {restore_seconds:.0f} |
{phases}
| store | what came back |
|---|---|
{stores}
{measured:%Y-%m-%d}, {cpu}, {cores} cores, {memory} GiB, {system}, Linux {kernel}; commit {commit}. The machines share
these cores.
"""


@dataclass(frozen=True)
class Circle:
    """One circle, in seconds; `phases` and `stores` are what `restore` says of itself."""

    backup_seconds: float
    age: float
    refused_seconds: float
    restore_seconds: float
    phases: Mapping[str, float]
    stores: Mapping[str, str]


def write(circle: Circle, folder: Path = FOLDER) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    now, here, versions = datetime.now(UTC), asdict(machine.describe()), machine.versions()
    data = {
        "measured": now.isoformat(timespec="seconds"),
        "machine": here,
        "versions": versions,
        "circle": asdict(circle),
    }
    (folder / "report.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    rows = {
        "phases": "".join(f"| … of it phase {name} | {seconds:.0f} |\n" for name, seconds in circle.phases.items()),
        "stores": "".join(f"| {store} | {what} |\n" for store, what in circle.stores.items()),
    }
    page = PAGE.format(**(asdict(circle) | rows), measured=now, commit=versions["commit"], **here)
    (folder / "README.md").write_text(page, encoding="utf-8")
