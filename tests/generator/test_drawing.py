"""The drawing shows every edge, is valid, and its labels can be read."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from generator.catalogue import Catalogue
from generator.drawing import draw, width_of
from generator.inventory import Machine
from generator.schema import ValuesSchema
from generator.topology import Topology, topology
from generator.values import read_values

from .conftest import PROJECT

VALUES = sorted((PROJECT / "values").glob("*.yaml"))
MACHINES = [
    Machine("cp1", "192.0.2.1", ("control-plane", "etcd")),
    *(Machine(f"worker{number}", f"192.0.2.{number + 1}", ("worker",)) for number in range(1, 12)),
]
SVG = "{http://www.w3.org/2000/svg}"


def of(file: Path, schema: ValuesSchema, catalogue: Catalogue, machines: list[Machine]) -> Topology:
    values, findings = read_values(file, schema)
    assert findings == []
    return topology(values, catalogue, machines)


@pytest.fixture(params=VALUES, ids=lambda path: path.stem)
def graph(request: pytest.FixtureRequest, schema: ValuesSchema, catalogue: Catalogue) -> Topology:
    return of(request.param, schema, catalogue, MACHINES)


def test_it_is_valid_and_always_the_same(graph: Topology) -> None:
    picture = draw(graph, "A & B <C>")
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    assert root.find(f"{SVG}title").text == "A & B <C>"  # type: ignore[union-attr]
    assert draw(graph, "A & B <C>") == picture


def test_every_edge_is_drawn(graph: Topology) -> None:
    """The edges as tool tips of the dots; what an integration service needs of the config server too."""
    titles = {title.text for title in ElementTree.fromstring(draw(graph, "T")).iter(f"{SVG}title")}
    stores = {store.name for store in graph.stores}
    wanted = set()
    for service in graph.services:
        wanted |= {f"{service.name} → {callee}" for callee in service.calls}
        wanted |= {f"{service.name} → {store}" for store in service.needs if store in stores}
        if service.configured:
            wanted.add(f"{service.name} → {graph.config}")
        if service.public and service.kind != "proxy":
            wanted.add(f"users → {service.name}")
    assert wanted - titles == set()
    extra = {title for title in titles - wanted if title and "→" in title}
    assert extra == {f"all of them → {graph.config}"}


def test_every_service_store_and_machine_is_named(graph: Topology) -> None:
    words = "\n".join("".join(text.itertext()) for text in ElementTree.fromstring(draw(graph, "T")).iter(f"{SVG}text"))
    for service in graph.services:
        assert service.name in words.replace("-\n", "-")
    for store in graph.stores:
        assert store.title in words
    for machine in graph.machines:
        assert machine.name in words and machine.address in words


def test_labels_do_not_overlap_and_stay_inside(graph: Topology) -> None:
    root = ElementTree.fromstring(draw(graph, "T"))
    boxes = [box_of(text) for text in root.iter(f"{SVG}text")]
    overlapping = [
        (one, other)
        for one, other in itertools.combinations(boxes, 2)
        if one[1] < other[3] and other[1] < one[3] and one[2] < other[4] and other[2] < one[4]
    ]
    assert overlapping == []
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    outside = [box for box in boxes if box[1] < 0 or box[2] < 0 or box[3] > width or box[4] > height]
    assert outside == []


def box_of(text: ElementTree.Element) -> tuple[str, float, float, float, float]:
    """What a label covers: its words, left, top, right, bottom."""
    words = "".join(text.itertext())
    size = int(text.get("font-size", 12))
    length = width_of(words, size)
    if transform := text.get("transform"):
        match = re.fullmatch(r"translate\(([\d.]+) ([\d.]+)\) rotate\(-90\)", transform)
        assert match
        x, y = float(match[1]), float(match[2])
        return words, x - size * 0.8, y - length, x + size * 0.2, y
    x, y = float(text.attrib["x"]), float(text.attrib["y"])
    left = x - {"start": 0, "middle": length / 2, "end": length}[text.get("text-anchor", "start")]
    return words, left, y - size * 0.8, left + length, y + size * 0.2


@pytest.mark.parametrize(
    ("name", "state", "detail"),
    [
        ("prod", {"mysql": "here", "vault": "here", "smtp": "absent"}, "3 pods, 28Gi each"),
        ("external", {"mysql": "outside", "vault": "outside", "cilogon": "outside"}, "mysql.example.org"),
    ],
)
def test_where_stores_are(
    schema: ValuesSchema, catalogue: Catalogue, name: str, state: dict[str, str], detail: str
) -> None:
    graph = of(PROJECT / "values" / f"{name}.yaml", schema, catalogue, [])
    states = {store.name: store.state for store in graph.stores}
    assert {key: states[key] for key in state} == state
    assert next(store.detail for store in graph.stores if store.name == "mysql") == detail


def test_switched_off_services_are_not_drawn(schema: ValuesSchema, catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("custos: {services: {scim-service: {enabled: false}}}")
    assert "scim" not in draw(of(tmp_path / "values.yaml", schema, catalogue, []), "T")


@pytest.mark.parametrize("content", ["custos: {enabled: false}", "mysql: {enabled: false}\ncustos: {enabled: false}"])
def test_little_is_drawn_as_well(schema: ValuesSchema, catalogue: Catalogue, tmp_path: Path, content: str) -> None:
    (tmp_path / "values.yaml").write_text(content)
    ElementTree.fromstring(draw(of(tmp_path / "values.yaml", schema, catalogue, []), "T"))
