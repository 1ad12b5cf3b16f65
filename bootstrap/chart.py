"""The chart that is installed: rendered by the generator from the inventory's values, and told apart by its bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bootstrap import images
from bootstrap.context import Context
from bootstrap.errors import Problem
from generator.errors import UsageError
from generator.loading import load_mapping
from generator.render import read_chart, render


@dataclass(frozen=True)
class RenderedChart:
    """A chart in a folder; the same `digest` is the same chart with the same values."""

    folder: Path
    digest: str
    images: str = ""  # lab or registry; nothing where the inventory leaves no choice

    @property
    def description(self) -> str:
        """What the release is to say about its revision."""
        return f"custos-platform chart {self.digest}{images.note(self.images)}"


def rendered(context: Context) -> RenderedChart:
    """Render the inventory's values into the cluster's state folder. Raises FindingsError where they are wrong."""
    platform = context.inventory.platform
    file = platform.values
    taken = images.source(context) if platform.lab_only else ""
    if taken == "registry" or context.restoring:
        file = context.state / "values.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        data = load_mapping(platform.values).data
        if taken == "registry":
            data = _without(data, platform.lab_only)
        if context.restoring:
            data = {**data, "global": {**(data.get("global") or {}), "restoring": True}}
        file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    try:
        folder = render(file, context.state / "chart").chart
    except UsageError as error:
        raise Problem(str(error), f"move {context.state / 'chart'} away and run again") from error
    return RenderedChart(folder, _digest(folder), taken)


def values(context: Context) -> dict[str, Any]:
    """All values of the rendered chart, with their defaults. Raises what `rendered` raises."""
    return dict(yaml.safe_load((rendered(context).folder / "values.yaml").read_text(encoding="utf-8")))


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for name, content in read_chart(folder).items():
        total.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return total.hexdigest()[:16]


def _without(values: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    for key in keys:
        first, _, rest = key.partition(".")
        below = values.get(first)
        if rest and isinstance(below, dict):
            values = {**values, first: _without(below, (rest,))}
        elif not rest:
            values = {name: value for name, value in values.items() if name != first}
    return values
