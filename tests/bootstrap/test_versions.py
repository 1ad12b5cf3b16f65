"""Versions that must not run beside one another, on a real API server: an upgrade that would mix them is refused."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap.clients.kube import Manifest
from bootstrap.errors import Problem
from bootstrap.versions import LINE, SWITCH, keep_apart
from tests.bootstrap.conftest import Upgrade


def deployment(line: str, strategy: str = "RollingUpdate", replicas: int = 2) -> Manifest:
    labels = {"app": "server"}
    pod: dict[str, Any] = {"containers": [{"name": "main", "image": f"example.org/none:{line}.1"}]}
    annotations = {LINE: line, SWITCH: "server.update: recreate"} if line else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "server", "annotations": annotations},
        "spec": {
            "replicas": replicas,
            "strategy": {"type": strategy},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def test_a_roll_from_one_line_to_another_is_refused(upgrade: Upgrade) -> None:
    with pytest.raises(Problem) as refused:
        keep_apart(upgrade(deployment("26.7"), deployment("26.8")))
    assert "Deployment server: 26.7 runs, the values ask for 26.8" in refused.value.what
    assert refused.value.remedy.startswith("set server.update: recreate together with the new version")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(deployment("26.7"), deployment("26.7", replicas=3), id="same line"),
        pytest.param(deployment("26.7"), deployment("26.8", "Recreate"), id="all end first"),
        pytest.param(deployment("26.7", replicas=0), deployment("26.8"), id="none runs"),
        pytest.param(deployment(""), deployment("26.8"), id="no line is said"),
    ],
)
def test_all_else_goes_on(upgrade: Upgrade, before: Manifest, after: Manifest) -> None:
    keep_apart(upgrade(before, after))
