"""Hundreds of services work as two dozen do. How long it takes is `make bench`'s business."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from generator.catalogue import load_catalogue
from generator.drawing import draw
from generator.render import Sources, render
from generator.schema import ValuesSchema
from generator.topology import topology
from generator.values import read_values

VALUES = """
mysql: {config: {max_connections: 20000}}
custos: {withoutStores: [smtp, cilogon]}
"""


def add_services(catalogue: Path, count: int) -> None:
    """Adds so many services, each with a schema, a path and two peers."""
    with (catalogue / "services.yaml").open("a") as file:
        for number in range(count):
            file.write(
                f"\n  extra-{number}:\n    kind: {'integration' if number % 2 else 'core'}\n"
                f"    application: extra{number}\n    heap: 130\n    mysql: {{schema: extra_{number}}}\n"
                f"    peers: [user-profile-core-service, extra-{(number + 1) % count}]\n"
                + (f"    rest: {{path: /extra-{number}}}\n" if number % 2 else "")
            )


@pytest.mark.parametrize("count", [100, 1000])
def test_render_and_draw(sources: Sources, tmp_path: Path, count: int) -> None:
    add_services(sources.catalogue, count - 24)
    (tmp_path / "values.yaml").write_text(VALUES)
    chart = render(tmp_path / "values.yaml", tmp_path / "chart", sources).chart
    values = yaml.load((chart / "values.yaml").read_text(), yaml.CSafeLoader)
    assert len(values["custos"]["services"]) == count

    catalogue = load_catalogue(sources.catalogue)
    effective, findings = read_values(tmp_path / "values.yaml", ValuesSchema(catalogue))
    assert findings == []
    assert draw(topology(effective, catalogue, []), "Many").count("<circle") > count
