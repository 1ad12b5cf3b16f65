"""What cannot be changed in a StatefulSet, on a real API server: seen beforehand, grown where that is all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest

from bootstrap.clients.kube import Kube, Manifest
from bootstrap.context import Context
from bootstrap.errors import Problem
from bootstrap.phases.platform import InstallRelease
from bootstrap.volumes import GrowVolumes
from tests.bootstrap.conftest import Upgrade

NAMESPACE = "upgrades"
WORKLOADS = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets"
CLAIMS = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
CLAIM: dict[str, Any] = {
    "metadata": {"name": "data"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "grows",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}
STORE: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "store"},
    "spec": {
        "serviceName": "store",
        "replicas": 2,
        "selector": {"matchLabels": {"app": "store"}},
        "template": {
            "metadata": {"labels": {"app": "store"}},
            "spec": {"containers": [{"name": "main", "image": "example.org/none:1"}]},
        },
        "volumeClaimTemplates": [CLAIM],
    },
}
Change = Callable[[Manifest], object]


@pytest.fixture
def changed(kube: Kube, upgrade: Upgrade) -> Callable[[Change], Context]:
    """Gives a run whose chart is the installed one, but for what was done to its StatefulSet."""
    for name, grows in (("grows", True), ("stays", False)):
        body = {"metadata": {"name": name}, "provisioner": "example.org/none", "allowVolumeExpansion": grows}
        kube.apply({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", **body})

    def _changed(change: Change) -> Context:
        wanted = deepcopy(STORE)
        change(wanted)
        return upgrade(STORE, wanted)

    return _changed


def _claim(kube: Kube, name: str, storage_class: str = "grows", size: str = "1Gi") -> None:
    """A claim that has its volume, as only such ones can grow."""
    spec = deepcopy(CLAIM["spec"]) | {"storageClassName": storage_class, "resources": {"requests": {"storage": size}}}
    kube.create(CLAIMS, {"metadata": {"name": name}, "spec": spec | {"volumeName": f"volume-of-{name}"}})
    kube.patch(f"{CLAIMS}/{name}/status", {"status": {"phase": "Bound", "capacity": {"storage": size}}})


@contextmanager
def _garbage_collector(kube: Kube) -> Iterator[None]:
    """Lets the StatefulSet go once its pods are orphaned; kube-controller-manager's work, which no API server does."""
    ended = threading.Event()

    def collect() -> None:
        while not ended.wait(0.1):
            for item in kube.items(WORKLOADS):
                if "orphan" in item["metadata"].get("finalizers", ()):
                    kube.patch(f"{WORKLOADS}/{item['metadata']['name']}", {"metadata": {"finalizers": None}})

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _sizes(kube: Kube) -> dict[str, str]:
    return {c["metadata"]["name"]: c["spec"]["resources"]["requests"]["storage"] for c in kube.items(CLAIMS)}


def _ask_for(size: str) -> Change:
    return lambda store: store["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"].update(storage=size)


def test_volumes_grow_and_the_upgrade_makes_their_workload_anew(
    kube: Kube, changed: Callable[[Change], Context]
) -> None:
    for name in ("data-store-0", "data-store-1", "data-other-store-0"):
        _claim(kube, name)
    _claim(kube, "data-store-2", size="4Gi")  # left by a member that went, and larger already
    context = changed(_ask_for("2Gi"))
    before = kube.get(f"{WORKLOADS}/store")["metadata"]["uid"]
    assert [change.what for change in GrowVolumes("volumes").check(context)] == [
        "grow data-store-0 from 1Gi to 2Gi",
        "grow data-store-1 from 1Gi to 2Gi",
        "make the StatefulSet store anew around its pods",
    ]
    assert _sizes(kube)["data-store-0"] == "1Gi", "looking changes nothing"

    with _garbage_collector(kube):
        GrowVolumes("volumes").change(context)
    expected = {"data-store-0": "2Gi", "data-store-1": "2Gi", "data-other-store-0": "1Gi", "data-store-2": "4Gi"}
    assert _sizes(kube) == expected
    InstallRelease("release").change(context)
    after = kube.get(f"{WORKLOADS}/store")
    assert after["metadata"]["uid"] != before
    assert after["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert GrowVolumes("volumes").check(context) == []


def test_what_can_be_changed_in_place_is_left_to_the_upgrade(kube: Kube, changed: Callable[[Change], Context]) -> None:
    _claim(kube, "data-store-0")
    context = changed(lambda store: store["spec"].update(replicas=3, minReadySeconds=5))
    assert GrowVolumes("volumes").check(context) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_ask_for("512Mi"), "have 1Gi, and the values ask for 512Mi; no volume becomes smaller"),
        (
            lambda s: s["spec"].update(serviceName="other"),
            "changes no serviceName in place (found store, the chart wants",
        ),
        (lambda s: s["spec"].update(podManagementPolicy="Parallel"), "changes no podManagementPolicy in place"),
        (
            lambda s: s["spec"].update(volumeClaimTemplates=[]),
            "volumeClaimTemplates in place (found data, the chart wants none",
        ),
        (
            lambda s: s["spec"]["volumeClaimTemplates"][0]["spec"].update(storageClassName="stays"),
            "storageClassName of data in place (found grows, the chart wants stays",
        ),
        (
            lambda s: s["spec"]["volumeClaimTemplates"][0]["spec"].update(accessModes=["ReadWriteMany"]),
            "accessModes of data in place",
        ),
    ],
)
def test_what_cannot_be_changed_is_refused_before_the_upgrade(
    kube: Kube, changed: Callable[[Change], Context], change: Change, message: str
) -> None:
    _claim(kube, "data-store-0")
    with pytest.raises(Problem) as refused:
        GrowVolumes("volumes").check(changed(change))
    assert message in str(refused.value)
    assert "StatefulSet store" in refused.value.what and refused.value.remedy


def test_a_class_that_grows_no_volumes_is_named(kube: Kube, changed: Callable[[Change], Context]) -> None:
    _claim(kube, "data-store-0", storage_class="stays")
    with pytest.raises(Problem, match="the storage class stays of claim data-store-0 grows no volumes"):
        GrowVolumes("volumes").check(changed(_ask_for("2Gi")))
