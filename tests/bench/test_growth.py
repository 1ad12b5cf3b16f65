"""Made-up services are services: the generator takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.catalogue import load_catalogue
from tests.bench import growth
from tests.bench.errors import BenchError
from tests.bench.template import platform_chart


def test_the_copy_has_the_services_asked_for_and_every_real_one(tmp_path: Path) -> None:
    real = load_catalogue().services
    copy = growth.project(tmp_path / "copy", len(real) + 30)
    grown = load_catalogue(copy / "generator" / "catalogue").services
    assert len(grown) == len(real) + 30
    assert set(real) < set(grown)


def test_fewer_than_the_real_services_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="services more than"):
        growth.project(tmp_path / "copy", 1)


def test_the_chart_of_a_grown_catalogue_is_rendered(tmp_path: Path) -> None:
    chart = platform_chart(tmp_path, 60)
    assert len(load_catalogue(tmp_path / "project" / "generator" / "catalogue").services) == 60
    assert (chart / "Chart.yaml").is_file()
