"""Charts as the generator writes them, and what Helm makes of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator.render import chart_files
from tests.chart import helm
from tests.chart.helm import Object
from tests.chart.kubernetes_api import ApiServer, api_server
from tools.cache import locked

PROJECT = Path(__file__).parents[2]
LONGEST_RELEASE = "r" * 53  # Helm allows no more


@dataclass(frozen=True)
class Case:
    """One way to install the chart: which values file it is rendered from, and what Helm is told besides."""

    name: str
    values: str
    release: str = "custos"
    scenario: str = ""  # a file of the chart's own ci/
    settings: tuple[str, ...] = field(default=())  # helm --set


# Backups into a store of one's own.
BACKUPS = (
    "velero.enabled=true",
    "velero.objectStore.bucket=custos-backups",
    "velero.objectStore.url=https://s3.example.org:9443",
)
CASES = [
    Case("prod", "prod"),
    Case("lab", "lab"),
    Case("minimal", "minimal"),
    Case("external", "external"),
    Case("ci-minimal", "prod", scenario="minimal-values.yaml"),
    Case("ci-mysql-only", "prod", scenario="mysql-only-values.yaml"),
    Case("ci-keycloak", "prod", scenario="keycloak-values.yaml"),
    Case("long-name", "prod", release=LONGEST_RELEASE),
    Case("other-name", "lab", release="team-a"),
    Case(
        "mends-off",
        "prod",
        settings=(
            "custos.mends.tracingOff=false",
            "custos.mends.hikariPoolSize=0",
            "custos.mends.actuatorExposure=",
            "custos.mends.explicitCommand=false",
            "custos.mends.lenientJson=false",
            "custos.mends.healthGroups=false",
            "mysql.invisiblePrimaryKey=false",
            "keycloak.mends.unmanagedAttributes=false",
            "keycloak.mends.openidScope=false",
        ),
    ),
    Case(
        "their-controller",
        "prod",
        settings=("ingress.className=nginx", "global.ingress.controllerNamespace=ingress-nginx"),
    ),
    Case("backups", "prod", settings=BACKUPS),
    Case(
        "kafka-split",
        "prod",
        settings=("kafka.controllers.separate=true", "kafka.replicas=4"),
    ),
    Case(
        "mirror",
        "prod",
        settings=(
            "global.imageRegistry=mirror.example.org/all",
            "global.imagePullSecrets[0].name=mirror",
            "custos.scheduling.spread=host",
            "custos.scheduling.nodeSelector.role=custos",
        ),
    ),
]


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The chart rendered from values/NAME.yaml, once a session."""

    @cache
    def render(values: str) -> Path:
        folder = tmp_path_factory.mktemp(f"chart-{values}")
        for path, content in chart_files(PROJECT / "values" / f"{values}.yaml").items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return folder

    return render


@pytest.fixture(scope="session")
def objects_of(
    chart: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Case], list[Object]]:
    """The objects of a case, rendered once for all workers of a session; tests must not change them."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder

    @cache
    def render(case: Case) -> list[Object]:
        file = shared / f"objects-{hashlib.sha256(repr(case).encode()).hexdigest()[:16]}.yaml"
        with locked(file.with_suffix(".lock"), f"what Helm makes of {case.name}"):
            if not file.exists():
                file.write_text(_text(chart(case.values), case), encoding="utf-8")
        return helm.objects(file.read_text(encoding="utf-8"))

    return render


def _text(folder: Path, case: Case) -> str:
    options = ["--values", str(folder / "ci" / case.scenario)] if case.scenario else []
    for setting in case.settings:
        options += ["--set", setting]
    return helm.template_text(folder, *options, release=case.release)


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """Each way to install the chart."""
    assert isinstance(request.param, Case)
    return request.param


@pytest.fixture
def objects(case: Case, objects_of: Callable[[Case], list[Object]]) -> list[Object]:
    """The objects of each way to install the chart."""
    return objects_of(case)


@pytest.fixture(scope="session")
def prod(objects_of: Callable[[Case], list[Object]]) -> list[Object]:
    """The objects of production."""
    return objects_of(CASES[0])


@pytest.fixture(scope="session")
def lab(objects_of: Callable[[Case], list[Object]]) -> list[Object]:
    """The objects of the lab."""
    return objects_of(next(case for case in CASES if case.name == "lab"))


@pytest.fixture(scope="session")
def external(objects_of: Callable[[Case], list[Object]]) -> list[Object]:
    """The objects of an installation whose stores are all elsewhere."""
    return objects_of(next(case for case in CASES if case.name == "external"))


@pytest.fixture(scope="session")
def catalogue() -> dict[str, Any]:
    """The catalogue as people edit it."""
    loaded: dict[str, Any] = yaml.safe_load((PROJECT / "generator/catalogue/services.yaml").read_text())
    return loaded


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server, once a session."""
    with api_server(tmp_path_factory.mktemp("api")) as running:
        yield running
