"""What is written down is what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import results, table
from tests.bench.results import Figure, Result


def test_the_committed_page_is_made_from_the_committed_results() -> None:
    recorded = table.recorded()
    assert recorded, "no results are committed"
    assert (results.FOLDER / table.README).read_text(encoding="utf-8") == table.page(recorded)


def test_a_result_says_where_and_when_it_was_measured(tmp_path: Path) -> None:
    result = Result("some", "Some", "by hand", load={"before": 0.5, "after": 1.0})
    result.add("a thing", "s", 2.0, "half of it", 1.0)
    file = results.write(result, tmp_path)
    found = json.loads(file.read_text())
    assert {"cpu", "cores", "memory", "kernel", "system"} <= set(found["machine"])
    assert {"platform", "commit", "python", "helm"} <= set(found["versions"])
    assert found["measured"] and found["load"] == {"before": 0.5, "after": 1.0}
    assert [path.name for path in tmp_path.iterdir()] == ["some.json"]


@pytest.mark.parametrize(
    ("figure", "cells"),
    [
        (Figure("a", "s", 2.0), ("a", "2 s", "", "")),
        (Figure("a", "s", 3.0, "b", 2.0), ("a", "3 s", "b: 2 s", "1.5")),
        (Figure("a", "KiB", 71.04, "limit", 1024.0), ("a", "71.04 KiB", "limit: 1,024 KiB", "0.0694")),
        (Figure("a", "s", 1234567.0), ("a", "1,235,000 s", "", "")),
        (Figure("a", "s", 0.0, "b", 2.0), ("a", "0 s", "b: 2 s", "0")),
        (Figure("a", "s", 1.0, "b", 0.0), ("a", "1 s", "b: 0 s", "")),
    ],
)
def test_figures_as_people_read_them(figure: Figure, cells: tuple[str, ...]) -> None:
    assert table.cells(figure.as_json()) == cells


@pytest.mark.parametrize(("load", "said"), [(0.4, False), (1.0, False), (3.0, True)])
def test_a_busy_machine_is_said_to_have_been_one(load: float, said: bool) -> None:
    result = Result("some", "Some", "by hand", load={"before": load, "after": load}).as_json()
    result["machine"]["cores"] = 2
    assert ("machine was busy" in table.page([result])) is said
