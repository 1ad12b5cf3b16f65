"""Images from a registry: machines pull through the inventory's mirrors, and `--images registry` takes official names.

The registry runs on this computer at the lab's own address, for as long as the tests of this file. Each image gets one
more layer here, which is another in every run: what the machines had before cannot be taken for what was pulled.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from bootstrap.clients.ansible import FOLDER
from bootstrap.inventory import Inventory
from generator import images
from generator.catalogue import load_catalogue
from lab import description, paths
from lab.images.archive import measure
from lab.images.bundle import images_named
from lab.images.official import STANDIN, official
from lab.images.push import push
from lab.images.serve import Registry, registry
from tests.lab.cluster import Cluster, is_ready, run
from tests.lab.conftest import ROOT
from tests.lab.machines import on_machine

TOOLBOX = "docker.io/library/python:3.13-slim-trixie"
RELEASE, NAMESPACE = "trial", "registry-trial"


@dataclass(frozen=True)
class Pushed:
    """A registry with images: the digest of each reference's manifest, and of the layer that only this run has."""

    registry: Registry
    digests: dict[str, str]
    marker: str

    def asked(self, address: str, path: str) -> bool:
        """Whether the machine at `address` was given what begins with `path`."""
        lines = self.registry.log.read_text(encoding="utf-8").splitlines()
        return any(line.startswith(f"{address} ") and f'"GET {path}' in line and '" 200 ' in line for line in lines)


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    """The toolbox, MySQL and the stand-in under all names of Custos' own images."""
    wanted = {ref: name for ref, name in official(load_catalogue()).items() if name in ("toolbox", "mysql", STANDIN)}
    layer = tmp_path_factory.mktemp("marker")
    (layer / "pulled-by-a-test").write_text(uuid.uuid4().hex, encoding="utf-8")
    marker = measure(layer)
    host = str(description.load(paths.lab_file()).gateway)
    with registry(host, tmp_path_factory.mktemp("registry")) as found:
        with images_named(wanted) as specs:
            marked = [dataclasses.replace(spec, layers=[*spec.layers, marker]) for spec in specs]
            digests = push(found.address, marked)
        yield Pushed(found, digests, f"sha256:{marker.digest}")


def test_a_machine_pulls_through_its_mirror(pushed: Pushed, inventory: Inventory) -> None:
    worker = inventory.machines[1]
    try:
        listed = on_machine(worker.name, _pull("docker.io", pushed.registry.url, TOOLBOX))
    finally:
        on_machine(worker.name, FORGET)
    assert pushed.digests[TOOLBOX] in listed, listed
    assert pushed.asked(worker.address, "/v2/library/python/manifests/")
    assert pushed.asked(worker.address, f"/v2/library/python/blobs/{pushed.marker}")


def _pull(name: str, mirror: str, reference: str) -> str:
    """Pulls into a namespace of containerd that nothing else uses, by hosts.toml as bootstrap writes it."""
    template = FOLDER / "roles/containerd/templates/hosts.toml.j2"
    # Blocks are trimmed as Ansible does it.
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=False)
    hosts = environment.from_string(template.read_text(encoding="utf-8")).render(item={"key": name, "value": [mirror]})
    return f"""
        set -euo pipefail
        hosts=$(mktemp -d)
        trap 'rm -r "$hosts"' EXIT
        mkdir "$hosts/{name}"
        printf %s {shlex.quote(hosts)} >"$hosts/{name}/hosts.toml"
        ctr -n trial images pull --hosts-dir "$hosts" {reference} >&2
        ctr -n trial images list name=={reference}
        """


FORGET = """
    set -euo pipefail
    ctr -n trial images list -q | xargs --no-run-if-empty ctr -n trial images remove --sync
    ! ctr namespaces list -q | grep -qx trial || ctr namespaces remove trial
    """


@pytest.fixture
def site(pushed: Pushed, inventory: Inventory, cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """The lab's inventory with mirrors and the smallest release; afterwards machines and cluster are as before."""
    data: dict[str, Any] = yaml.safe_load(inventory.file.read_text(encoding="utf-8"))
    values = yaml.safe_load((ROOT / "charts/custos-platform/ci/minimal-values.yaml").read_text(encoding="utf-8"))
    # The machines have an image of the toolbox's name: only Always asks the registry for it.
    values["global"] |= {"storageClass": inventory.storage.class_name, "imagePullPolicy": "Always"}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    data["containerd"]["mirrors"] = {name: [pushed.registry.url] for name in images.registries(load_catalogue())}
    data["platform"] |= {"release": RELEASE, "namespace": NAMESPACE, "values": str(tmp_path / "values.yaml")}
    file = tmp_path / "inventory.yaml"
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    try:
        yield file
    finally:
        cluster.helm("uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found")
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", seconds=600)
        for machine in inventory.machines:
            on_machine(machine.name, _remove(set(pushed.digests.values())))
        _bootstrap("apply", str(inventory.file), "--phase", "machines")


def _remove(digests: set[str]) -> str:
    """Takes every name of the pulled images away; `apply` then brings back what the machines had under these names."""
    pattern = "|".join(sorted(digests))
    return f"""
        set -euo pipefail
        ctr -n k8s.io images list | awk '$3 ~ /{pattern}/ {{print $1}}' |
            xargs --no-run-if-empty ctr -n k8s.io images remove
        """


@pytest.mark.drill
def test_official_images_are_installed_from_a_registry(pushed: Pushed, cluster: Cluster, site: Path) -> None:
    _bootstrap("apply", str(site), "--images", "registry", "--phase", "machines", "--phase", "platform")

    pods = cluster.pods(NAMESPACE)
    assert pods
    assert [pod["metadata"]["name"] for pod in pods if not is_ready(pod)] == []
    for pod in pods:
        status, spec = pod["status"], pod["spec"]
        # Of an image with several names the status shows any.
        named = {each["name"]: each["image"] for each in spec.get("initContainers", []) + spec["containers"]}
        for container in status.get("initContainerStatuses", []) + status["containerStatuses"]:
            reference = images.full_name(named[container["name"]])
            assert reference in pushed.digests, f"{pod['metadata']['name']} runs {reference}: no official image"
            assert container["imageID"].endswith(pushed.digests[reference]), container

    assert json.loads(_bootstrap("status", str(site), "--json"))["images"] == "registry"
    # The default finds the mirrors by itself, so that nothing is left to do, and says so.
    said = _bootstrap("plan", str(site), "--phase", "platform", "--verbose")
    assert "images: registry" in said
    assert pushed.registry.url in said


def _bootstrap(*arguments: str) -> str:
    """Bootstrap's standard output and error."""
    command = " ".join(shlex.quote(word) for word in (sys.executable, "-m", "bootstrap", *arguments))
    merge = "" if "--json" in arguments else " 2>&1"
    return run(["bash", "-c", command + merge], cwd=ROOT, seconds=1800)
