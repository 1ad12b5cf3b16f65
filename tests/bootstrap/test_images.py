"""Where images come from: what auto decides, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bootstrap import images
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.inventory import load
from bootstrap.journal import NoJournal
from bootstrap.probe import Facts
from tests.bootstrap.conftest import ONE_PLANE

MIRROR = "http://10.9.0.9:5000"
LAB = """\
    containerd: {mirrors: {docker.io: [%s]}}
    platform: {labOnly: [mysql.image]}
    """
BY_MIRROR = {"docker.io": MIRROR, "ghcr.io": "https://ghcr.io"}


@pytest.fixture
def run(write: Callable[[str], Path]) -> Callable[..., Context]:
    """A run on two machines, the first and the second of which reach these registries."""

    def _run(wanted: str, cp1: dict[str, Any], worker1: dict[str, Any], more: str = LAB % MIRROR) -> Context:
        context = Context(load(write(ONE_PLANE.rstrip(" ") + more)), Console(), NoJournal(), wanted)
        context.__dict__["facts"] = {"cp1": Facts({"registries": cp1}), "worker1": Facts({"registries": worker1})}
        return context

    return _run


@pytest.mark.parametrize(
    ("wanted", "worker1", "taken", "reason"),
    [
        (
            "auto",
            BY_MIRROR,
            "registry",
            f"images: registry (official ones, pulled), because every machine reaches docker.io by {MIRROR}, ghcr.io",
        ),
        (
            "auto",
            {**BY_MIRROR, "ghcr.io": None},
            "lab",
            "images: lab (the lab's own, brought to the machines), because worker1 cannot reach ghcr.io",
        ),
        ("registry", {"docker.io": None}, "registry", "images: registry (official ones, pulled), as asked"),
        ("lab", BY_MIRROR, "lab", "images: lab (the lab's own, brought to the machines), as asked"),
    ],
)
def test_what_is_taken_and_why(
    run: Callable[..., Context], wanted: str, worker1: dict[str, Any], taken: str, reason: str
) -> None:
    context = run(wanted, BY_MIRROR, worker1)
    assert images.source(context) == taken
    assert images.reason(context) == reason


def test_a_site_without_images_of_a_lab_has_no_choice(run: Callable[..., Context]) -> None:
    nothing = {"docker.io": None}
    assert images.source(run("auto", nothing, nothing, more="")) == "registry"


@pytest.mark.parametrize("taken", ["registry", "lab", ""])
def test_a_release_remembers_it(taken: str) -> None:
    assert images.noted(f"custos-platform chart 0123456789abcdef{images.note(taken)}") == taken


def test_mirrors_of_every_other_registry(write: Callable[[str], Path]) -> None:
    more = f"    containerd: {{mirrors: {{docker.io: ['{MIRROR}'], _default: ['https://all.example.org']}}}}\n"
    inventory = load(write(ONE_PLANE.rstrip(" ") + more))
    assert inventory.mirrors("docker.io") == (MIRROR,)
    assert inventory.mirrors("quay.io") == ("https://all.example.org",)
