"""Helm for the tests: one wrapper that raises with Helm's own words, and what tests ask of objects."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

import tools

Object = dict[str, Any]
NAMESPACE = "custos"
# Helm lives for a second: to collect its garbage as thriftily as Go does by default takes an eighth of that.
ENVIRONMENT = {**os.environ, "GOGC": "400"}


class HelmError(Exception):
    """Helm refused; the text is its standard error."""


def run(*arguments: str) -> str:
    """Run helm and return its standard output. Raises HelmError."""
    done = subprocess.run(
        [str(tools.ensure("helm")), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=ENVIRONMENT,
    )
    if done.returncode != 0:
        raise HelmError(done.stderr)
    return done.stdout


def template_text(chart: Path, *options: str, release: str = "custos") -> str:
    """What `helm template` writes for a chart; `options` are further arguments of helm."""
    return run("template", release, str(chart), "--namespace", NAMESPACE, *options)


def template(chart: Path, *options: str, release: str = "custos") -> list[Object]:
    """The objects of a chart."""
    return objects(template_text(chart, *options, release=release))


def objects(text: str) -> list[Object]:
    """The objects in what `helm template` wrote."""
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]


def kind(objects: Sequence[Object], *kinds: str) -> list[Object]:
    """The objects of these kinds."""
    return [item for item in objects if item["kind"] in kinds]


def of_namespace(objects: Sequence[Object], namespace: str | None = None) -> list[Object]:
    """The objects of a namespace; None: those that name none, which Helm installs into the release's."""
    return [item for item in objects if item["metadata"].get("namespace") == namespace]


def name(item: Object) -> str:
    """`Kind/name`, for messages."""
    return f"{item['kind']}/{item['metadata']['name']}"


def find(objects: Sequence[Object], wanted_kind: str, wanted_name: str) -> Object:
    """The one object of this kind and name."""
    found = [i for i in objects if i["kind"] == wanted_kind and i["metadata"]["name"] == wanted_name]
    assert len(found) == 1, f"{wanted_kind}/{wanted_name}: {len(found)} of it"
    return found[0]


def pod_templates(objects: Sequence[Object]) -> Iterator[tuple[Object, Object]]:
    """Every object that makes pods, with the pod (its metadata and spec)."""
    for item in objects:
        if item["kind"] == "Pod":
            yield item, item
        elif item["kind"] in ("Deployment", "StatefulSet", "Job", "DaemonSet"):
            yield item, item["spec"]["template"]
        elif item["kind"] == "CronJob":
            yield item, item["spec"]["jobTemplate"]["spec"]["template"]


def containers(pod: Object) -> list[Object]:
    """Init containers and containers of a pod."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(container: Object) -> dict[str, Any]:
    """The environment of a container: a text, or (Secret, key)."""
    result: dict[str, Any] = {}
    for entry in container.get("env", []):
        source = entry.get("valueFrom", {}).get("secretKeyRef")
        result[entry["name"]] = (source["name"], source["key"]) if source else entry.get("value")
    return result


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector (matchLabels only, as we write them) takes a pod."""
    assert set(selector) <= {"matchLabels"}, f"a selector that this does not know: {selector}"
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
