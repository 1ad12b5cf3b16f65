"""A front door that is not ours has to be in the cluster, on a real API server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.clients.kube import Kube
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.doors import is_there
from bootstrap.errors import Problem
from bootstrap.inventory import load
from bootstrap.journal import NoJournal
from bootstrap.paths import PROJECT
from tests.bootstrap.conftest import Write

CLASS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "nginx"},
    "spec": {"controller": "example.org/none"},
}


@pytest.fixture
def run(write: Write, kubeconfig: Path, tmp_path: Path) -> Callable[[dict[str, Any]], Context]:
    """A run whose values are production's with these lines of `ingress`."""

    def _run(ingress: dict[str, Any]) -> Context:
        values = yaml.safe_load((PROJECT / "values" / "prod.yaml").read_text(encoding="utf-8"))
        values["ingress"] = {**values.get("ingress", {}), **ingress}
        if "className" in ingress or ingress.get("api"):
            values.setdefault("global", {})["ingress"] = {"controllerNamespace": "ingress-nginx"}
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        text = f"""\
            cluster: {{name: theirs, engine: existing, kubeconfig: {kubeconfig}}}
            platform: {{values: {file}}}
            """
        return Context(load(write(text)), Console(), NoJournal())

    return _run


@pytest.fixture
def ingress_class(kube: Kube) -> Iterator[None]:
    kube.apply(CLASS)
    yield
    kube.delete(kube.path(CLASS))


@pytest.mark.usefixtures("ingress_class")
@pytest.mark.parametrize(
    ("ingress", "said"),
    [
        pytest.param({}, "", id="ours"),
        pytest.param({"enabled": False}, "", id="none"),
        pytest.param({"className": "nginx"}, "", id="theirs"),
        pytest.param(
            {"className": "ngnix"},
            "ingress.className: the cluster has no ingress class ngnix; it has nginx",
            id="misspelt",
        ),
        pytest.param(
            {"api": "gateway", "gateway": {"name": "public"}},
            "ingress.api: gateway, and the cluster does not know Gateways",
            id="no Gateway API",
        ),
    ],
)
def test_a_door_that_is_named_is_there(
    run: Callable[[dict[str, Any]], Context], ingress: dict[str, Any], said: str
) -> None:
    context = run(ingress)
    if not said:
        is_there(context)
        return
    with pytest.raises(Problem) as missing:
        is_there(context)
    assert missing.value.what == said
