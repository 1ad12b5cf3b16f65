"""Against a real API server without nodes: objects, the engine `existing`, storage classes, and what holds pods up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap import manifests, steps
from bootstrap.clients.kube import Kube
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.engines import engine
from bootstrap.errors import NotYet, Problem
from bootstrap.inventory import Inventory, load
from bootstrap.journal import NoJournal
from bootstrap.objects import ApplyObjects
from bootstrap.phases import storage
from bootstrap.workloads import lasting, troubles
from tests.bootstrap.conftest import ONE_PLANE, Write

EXISTING = """\
    cluster: {{name: theirs, engine: existing, kubeconfig: {kubeconfig}}}
    storage: {{provisioner: existing, className: "{storage_class}"}}
    platform: {{namespace: once}}
    """
Theirs = Callable[..., Context]


@pytest.fixture
def theirs(write: Write, kubeconfig: Path) -> Theirs:
    """A run on a cluster that exists."""

    def _theirs(storage_class: str = "", kubeconfig: Path = kubeconfig) -> Context:
        text = EXISTING.format(kubeconfig=kubeconfig, storage_class=storage_class)
        return Context(load(write(text)), Console(), NoJournal())

    return _theirs


@pytest.fixture
def inventory(write: Write) -> Inventory:
    """With the Service addresses of the tests' API server."""
    return load(write(ONE_PLANE.replace("engine: kubeadm", "engine: kubeadm, network: {serviceCidr: 10.0.0.0/24}")))


@pytest.fixture
def node(kube: Kube) -> Any:
    """A node that is ready and takes pods, for the time of a test."""
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a-node"}}
    created = kube.create("/api/v1/nodes", body)
    yield created
    kube.delete("/api/v1/nodes/a-node")


def test_objects_are_made_once_and_mended_when_somebody_changed_them(kube: Kube, inventory: Inventory) -> None:
    objects = [m for m in manifests.cluster(inventory) if m["kind"] != "DaemonSet"]
    assert {kube.difference(m) for m in objects} == {""}
    for manifest in objects:
        kube.apply(manifest)
    assert {kube.difference(m) for m in objects} == {None}
    kube.patch("/api/v1/namespaces/kube-system/configmaps/coredns", {"data": {"Corefile": "broken"}})
    (changed,) = [m for m in objects if kube.difference(m) is not None]
    assert "+data:" not in str(kube.difference(changed))
    assert "-  Corefile: broken" in str(kube.difference(changed))
    kube.apply(changed)
    assert kube.difference(changed) is None


@pytest.fixture
def kubeadms(kube: Kube) -> dict[str, Any]:
    """kube-proxy as kubeadm makes it, as far as the tests' API server takes it."""
    labels = {"k8s-app": "kube-proxy"}
    container = {"name": "kube-proxy", "image": "registry.k8s.io/kube-proxy:v1.34.4", "command": ["kube-proxy"]}
    found = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "kube-proxy", "namespace": "kube-system"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    kube.delete(kube.path(found))
    return kube.create(kube.path(found).rpartition("/")[0], found)


def test_kube_proxy_gets_a_share_and_keeps_what_kubeadm_gave_it(
    kube: Kube, inventory: Inventory, kubeadms: dict[str, Any]
) -> None:
    (share,) = [m for m in manifests.cluster(inventory) if m["metadata"]["name"] == "kube-proxy"]
    assert kube.difference(share)
    kube.apply(share)
    assert kube.difference(share) is None
    (container,) = kube.get(kube.path(share))["spec"]["template"]["spec"]["containers"]
    (before,) = kubeadms["spec"]["template"]["spec"]["containers"]
    assert container == {**before, "resources": {"requests": {"cpu": "100m", "memory": "32Mi"}}}


@pytest.mark.usefixtures("kubeadms")
@pytest.mark.parametrize("make", [manifests.cluster, manifests.storage, manifests.namespace])
def test_the_api_server_takes_every_object(
    kube: Kube, inventory: Inventory, make: Callable[[Inventory], list[dict[str, Any]]]
) -> None:
    for manifest in make(inventory):
        if manifest["kind"] == "DaemonSet":
            # The tests' API server lets nothing be privileged.
            manifest["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {}
        kube.apply(manifest)
        assert kube.difference(manifest) is None, manifest["metadata"]["name"]


def test_a_namespace_is_a_step_that_is_done_once(theirs: Theirs) -> None:
    phases = [steps.Phase("platform", [ApplyObjects("namespace", manifests.namespace)])]
    assert [change.what for change in steps.plan(phases, theirs()).changes] == ["make Namespace once"]
    assert not steps.apply(phases, theirs()).failed
    assert steps.apply(phases, theirs()).changes == []


def test_a_cluster_that_exists_is_looked_at_and_left_alone(theirs: Theirs, kube: Kube, node: dict[str, Any]) -> None:
    ready = [{"type": "Ready", "status": "True", "reason": "Test", "message": ""}]
    kube.patch("/api/v1/nodes/a-node", {"spec": {"taints": []}})
    kube.patch("/api/v1/nodes/a-node/status", {"status": {"conditions": ready}})
    context = theirs()
    report = steps.apply([steps.Phase("cluster", engine(context.inventory).cluster())], context)
    assert [(r.step, r.status, r.problem) for r in report.results] == [
        ("the API server's version", "unchanged", None),
        ("nodes", "unchanged", None),
        ("rights in the namespace", "unchanged", None),
    ]


def test_a_cluster_without_a_node_that_takes_pods_is_refused(theirs: Theirs) -> None:
    context = theirs()
    report = steps.apply([steps.Phase("cluster", engine(context.inventory).cluster())], context)
    assert report.results[-1].problem
    assert report.results[-1].problem.what.endswith("has no node that is ready and takes pods")


def test_rights_that_the_user_lacks_are_named(theirs: Theirs, kube: Kube, kubeconfig: Path, tmp_path: Path) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "poor", "namespace": "default"}}
    kube.apply(account)
    token = kube.create("/api/v1/namespaces/default/serviceaccounts/poor/token", {"spec": {}})["status"]["token"]
    poor = yaml.safe_load(kubeconfig.read_text())
    poor["users"][0]["user"] = {"token": token}
    (tmp_path / "poor").write_text(yaml.safe_dump(poor))
    context = theirs(kubeconfig=tmp_path / "poor")
    rights = engine(context.inventory).cluster()[-1]
    with pytest.raises(Problem) as refused:
        rights.check(context)
    assert refused.value.what.startswith(
        "the kubeconfig's user may not create in namespace once: secrets, configmaps, services, serviceaccounts"
    )


def test_the_storage_class_has_to_be_there(theirs: Theirs, kube: Kube) -> None:
    kube.delete("/apis/storage.k8s.io/v1/storageclasses/custos-local")
    context = theirs("fast")
    (step,) = storage.phase(context.inventory, engine(context.inventory)).steps
    with pytest.raises(Problem) as refused:
        step.check(context)
    assert refused.value.what == "the cluster has no storage class fast; there are: none"
    made = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "example.org/none"}
    kube.apply({**made, "metadata": {"name": "fast"}})
    assert step.check(context) == ()
    with pytest.raises(Problem, match="has no default storage class; there are: fast"):
        step.check(theirs())
    kube.delete("/apis/storage.k8s.io/v1/storageclasses/fast")


@pytest.mark.parametrize(
    ("path", "what"),
    [("nowhere", "there is no kubeconfig"), ("broken", "is no usable kubeconfig")],
)
def test_a_kubeconfig_that_is_of_no_use_is_told(theirs: Theirs, tmp_path: Path, path: str, what: str) -> None:
    (tmp_path / "broken").write_text("kind: Config\n")
    with pytest.raises(Problem, match=what):
        theirs(kubeconfig=tmp_path / path).kube.version()


def test_a_cluster_that_does_not_answer_is_told(kubeconfig: Path, tmp_path: Path, theirs: Theirs) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "away").write_text(yaml.safe_dump(config))
    context = theirs(kubeconfig=tmp_path / "away")
    with pytest.raises(Problem, match=r"the cluster at https://127\.0\.0\.1:9 does not answer"):
        context.kube.version()
    assert context.kube.ready() is False


def test_a_cluster_that_has_not_been_formed_is_no_failure(context: Context) -> None:
    with pytest.raises(NotYet, match="the cluster has not been formed yet"):
        context.kube.version()


def _pod(**status: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "example.org/app:1"}
    metadata = {"name": "pod", "namespace": "default"}
    return {"metadata": metadata, "spec": {"containers": [container], "nodeName": "w1"}, "status": status}


def _waiting(reason: str, **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason}}
    return {"name": "main", "image": "example.org/app:1", "ready": False, "state": state, **more}


RUNNING = {"name": "main", "image": "i", "ready": False, "state": {"running": {}}}


@pytest.mark.parametrize(
    ("status", "why", "hard"),
    [
        ({"containerStatuses": [_waiting("ImagePullBackOff")]}, "cannot get the image example.org/app:1", True),
        (
            {
                "containerStatuses": [
                    _waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
                ]
            },
            "container main ended with 137 (OOMKilled), again and again",
            True,
        ),
        (
            {"containerStatuses": [_waiting("CreateContainerConfigError")]},
            "container main: CreateContainerConfigError",
            True,
        ),
        ({"initContainerStatuses": [{**RUNNING, "name": "wait"}]}, "its step wait is under way", False),
        ({"containerStatuses": [RUNNING]}, "container main runs, but is not ready", False),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/4 nodes are available"}]},
            "no node takes it: 0/4 nodes are available",
            False,
        ),
        ({"phase": "Pending"}, "is Pending", False),
        ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "failed: Evicted disk", True),
    ],
)
def test_what_holds_a_pod_up_is_told(kube: Kube, status: dict[str, Any], why: str, hard: bool) -> None:
    (trouble,) = troubles(kube, [_pod(**status)])
    assert (trouble.why, trouble.hard) == (why, hard)
    assert trouble.remedy


def test_pods_that_are_well_or_done_hold_nothing_up(kube: Kube) -> None:
    well = _pod(phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    assert troubles(kube, [well, _pod(phase="Succeeded")]) == []


def test_the_last_event_about_a_pod_is_told_with_it(kube: Kube) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "pod.1", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "pod", "namespace": "default"},
        "reason": "FailedMount",
        "message": "secret not found",
        "lastTimestamp": "2026-11-24T10:00:00Z",
    }
    kube.create("/api/v1/namespaces/default/events", event)
    (trouble,) = troubles(kube, [_pod(phase="Pending")])
    assert str(trouble) == "pod: is Pending [FailedMount: secret not found]"
    kube.delete("/api/v1/namespaces/default/events/pod.1")


def test_pods_of_hooks_and_jobs_are_judged_by_helm() -> None:
    hook, job, other = _pod(), _pod(), _pod()
    hook["metadata"]["annotations"] = {"helm.sh/hook": "test"}
    job["metadata"]["ownerReferences"] = [{"kind": "Job"}]
    assert lasting([hook, job, other]) == [other]
