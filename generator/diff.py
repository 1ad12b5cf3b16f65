"""`diff`: what another values file would change against the committed chart, by key and by object."""

from __future__ import annotations

import difflib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from generator.errors import Finding, FindingsError
from generator.loading import Loader, load_mapping
from generator.render import Sources, render
from tools import ToolMissing, find

# Names for rendering only: the same on both sides.
RELEASE = NAMESPACE = "custos"
# A chart of 1,000 services takes helm a few seconds.
HELM_SECONDS = 120


@dataclass(frozen=True)
class Change:
    """One place that differs; None stands for absent. Of texts with several lines, the lines that differ."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True)
class ObjectChange:
    """An object that is added, removed or changed, and where."""

    name: str
    what: str
    changes: list[Change] = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """All differences; `objects` is None where there is no helm, and `note` then says how to get it."""

    keys: list[Change]
    objects: list[ObjectChange] | None
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def diff(chart: Path, values: Path, sources: Sources | None = None) -> Difference:
    """What `chart` would become with `values`.

    Raises FindingsError where there is no chart, the values are wrong, or helm cannot template either side.
    """
    if not (chart / "values.yaml").is_file():
        mend = "python -m generator render values/prod.yaml"
        raise FindingsError([Finding(str(chart), "there is no chart to compare with", mend=mend)])
    with tempfile.TemporaryDirectory(prefix="custos-diff-") as folder:
        other = render(values, Path(folder) / chart.name, sources).chart
        sides = [load_mapping(side / "values.yaml").data for side in (chart, other)]
        keys = list(_changes(sides[0], sides[1], ""))
        try:
            helm = find("helm")
        except ToolMissing as error:
            return Difference(keys, None, str(error))
        old, new = _objects(helm, chart, chart), _objects(helm, other, values)
    objects = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            objects.append(ObjectChange(name, "added"))
        elif name not in new:
            objects.append(ObjectChange(name, "removed"))
        elif old[name] != new[name]:
            objects.append(ObjectChange(name, "changed", list(_changes(old[name], new[name], "", lists=True))))
    return Difference(keys, objects)


def _objects(helm: Path, chart: Path, blamed: Path) -> dict[str, Any]:
    """The objects that helm makes of `chart`, by kind and name; a finding blames the file or folder given."""
    command = [str(helm), "template", RELEASE, str(chart), "--namespace", NAMESPACE]
    run = subprocess.run(command, capture_output=True, text=True, timeout=HELM_SECONDS, check=False)
    if run.returncode:
        message = f"helm cannot template the chart: {run.stderr.strip()}"
        raise FindingsError([Finding(str(blamed), message)])
    objects = {}
    for item in yaml.load_all(run.stdout, Loader=Loader):
        if item:
            objects[f"{item['kind']}/{item['metadata']['name']}"] = item
    return objects


def _changes(old: Any, new: Any, path: str, lists: bool = False) -> Iterator[Change]:
    """The innermost places that differ; lists count as one value unless `lists`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            below = f"{path}.{key}" if path else str(key)
            yield from _changes(old.get(key), new.get(key), below, lists)
    elif lists and isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _changes(before, after, f"{path}[{index}]", lists)
    elif old != new:
        if isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
            old, new = _differing_lines(old, new)
        yield Change(path, old, new)


def _differing_lines(old: str, new: str) -> tuple[str, str]:
    """Of two texts, the lines that only one of them has, in order."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))[2:]
    removed, added = ("\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
    return removed, added
