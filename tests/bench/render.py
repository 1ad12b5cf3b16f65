"""How long `python -m generator render` takes, with the real services and with many more."""

from __future__ import annotations

import os
import sys
import tempfile
from itertools import count
from pathlib import Path

from tests.bench import growth
from tests.bench.measure import alternate, run
from tests.bench.results import Result, loaded

SIZES = (24, 100, 1000)


def command(output: Path) -> list[str]:
    """The command that renders production to `output`, for a project's folder."""
    return [sys.executable, "-m", "generator", "render", str(growth.VALUES), "--output", str(output)]


def environment(project: Path) -> dict[str, str]:
    """Environment in which `generator` is the one of `project`."""
    return {**os.environ, "PYTHONPATH": str(project)}


def measure(times: int) -> Result:
    """Wall and CPU seconds of a render into a new folder, beside a plain dump of as many documents."""
    result = Result(
        "render",
        "Rendering the chart",
        f"`python -m generator render {growth.VALUES} --output NEW`, median of {times}; services beyond the "
        "catalogue's are made up after the real ones. Beside it, in turn with it: a process with the same "
        "imports that reads the same catalogue and dumps one YAML document a service.",
    )
    with tempfile.TemporaryDirectory() as folder, loaded(result):
        for services in SIZES:
            _measure(result, Path(folder) / str(services), services, times)
    return result


def _measure(result: Result, folder: Path, services: int, times: int) -> None:
    project = growth.project(folder / "project", services)
    numbers = count()
    plain = [
        sys.executable,
        str(Path(__file__).with_name("plain_dump.py")),
        str(project / "generator" / "catalogue" / "services.yaml"),
        str(folder / "plain.yaml"),
    ]
    series = alternate(
        times,
        {
            "render": lambda: run(
                command(folder / f"chart-{next(numbers)}"), folder=project, environment=environment(project)
            ),
            "plain": lambda: run(plain, folder=project, environment=environment(project)),
        },
    )
    render, dump = series["render"], series["plain"]
    result.add(f"{services:,} services", "s", render.wall, "imports and plain dump", dump.wall)
    result.add(f"{services:,} services, CPU", "CPU s", render.cpu, "imports and plain dump", dump.cpu)
