"""The objects that bootstrap puts into a cluster: rendered here from the templates of this folder."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jinja2
import yaml

from bootstrap.clients.kube import Manifest
from bootstrap.inventory import Inventory
from generator.catalogue import CATALOGUE
from generator.loading import load_mapping

FOLDER = Path(__file__).parent


@functools.cache
def images() -> dict[str, str]:
    """Reference by name: images.yaml and the chart's toolbox."""
    own: dict[str, str] = yaml.safe_load((FOLDER / "images.yaml").read_text(encoding="utf-8"))
    return {**own, "toolbox": _toolbox()}


def cluster(inventory: Inventory) -> list[Manifest]:
    """DNS on every node, kube-proxy's share of it; the policy controller where the network is ours."""
    found = _render("coredns.yaml.j2", inventory) + _render("kube-proxy.yaml.j2", inventory)
    if inventory.cluster.network.plugin == "routed-bridge":
        found += _render("kube-router.yaml.j2", inventory)
    return found


def storage(inventory: Inventory) -> list[Manifest]:
    """The provisioner of local volumes and its class."""
    return _render("local-path.yaml.j2", inventory)


def namespace(inventory: Inventory) -> list[Manifest]:
    """The platform's namespace, which takes only pods of the standard `restricted`."""
    return _render("namespace.yaml.j2", inventory)


def _render(template: str, inventory: Inventory) -> list[Manifest]:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    context: dict[str, Any] = {"inventory": inventory, "images": images()}
    text = environment.get_template(template).render(context)
    return [document for document in yaml.safe_load_all(text) if document]


def _toolbox() -> str:
    image = load_mapping(CATALOGUE / "images.yaml").data["toolbox"]
    return f"{image['repository']}@{image['digest']}" if image["digest"] else f"{image['repository']}:{image['tag']}"
