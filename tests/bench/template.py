"""What `helm template` costs for each object of the platform's chart."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import yaml

from tests.bench import growth, render
from tests.bench.machine import program
from tests.bench.measure import Cost, alternate, run
from tests.bench.results import Result, loaded

SIZES = (24, 100)


def measure(times: int) -> Result:
    """CPU milliseconds an object, beside a chart of as many plain ConfigMaps."""
    result = Result(
        "template",
        "helm template",
        f"CPU time of `helm template` divided by the objects (hooks and tests too), median of {times}. "
        "Beside it, in turn with it: a chart of as many ConfigMaps without a template action, a file each.",
    )
    with tempfile.TemporaryDirectory() as folder, loaded(result):
        for services in SIZES:
            _measure(result, Path(folder) / str(services), services, times)
    return result


def platform_chart(folder: Path, services: int) -> Path:
    """The platform's chart with that many services, rendered below `folder`."""
    project = growth.project(folder / "project", services)
    chart = folder / "custos-platform"
    run(render.command(chart), folder=project, environment=render.environment(project))
    return chart


def trivial_chart(folder: Path, objects: int) -> Path:
    """A chart of plain ConfigMaps."""
    templates = folder / "templates"
    templates.mkdir(parents=True)
    about = {"apiVersion": "v2", "name": "trivial", "version": "0.1.0"}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(about))
    for number in range(objects):
        name = f"plain-{number}"
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}
        (templates / f"{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def _measure(result: Result, folder: Path, services: int, times: int) -> None:
    chart = platform_chart(folder, services)
    objects = _objects(chart)
    trivial = trivial_chart(folder / "trivial", objects)
    series = alternate(times, {"platform": lambda: _template(chart), "trivial": lambda: _template(trivial)})
    beside = f"{objects} plain ConfigMaps"
    each = {name: 1000 * found.cpu / objects for name, found in series.items()}
    what = f"{services} services, {objects} objects"
    result.add(f"{what}: an object", "CPU ms", each["platform"], beside, each["trivial"])
    result.add(f"{what}: all", "s", series["platform"].wall, beside, series["trivial"].wall)


def _command(chart: Path) -> list[str]:
    return [program("helm"), "template", "custos", str(chart), "--namespace", "custos"]


def _template(chart: Path) -> Cost:
    return run(_command(chart))


def _objects(chart: Path) -> int:
    text = subprocess.run(_command(chart), capture_output=True, check=True).stdout
    return sum(1 for document in yaml.load_all(text, yaml.CSafeLoader) if document)
