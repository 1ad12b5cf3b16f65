"""Secrets replaced while the platform runs: who reads what, who must restart, and the Job that does it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bootstrap.clients.kube import Kube
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.errors import Problem
from bootstrap.inventory import load
from bootstrap.journal import NoJournal
from bootstrap.rotate import HURRIED, ReplaceSecrets, RestartReaders
from tests.bootstrap.conftest import Write

CONTAINER = {"name": "main", "image": "example.org/none:1"}


@pytest.fixture
def namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of its own."""
    name = f"rotate-{abs(hash(request.node.name)) % 10**8}"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
    kube.apply(account)
    yield name
    kube.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def context(write: Write, kubeconfig: Any, namespace: str) -> Context:
    """A run on the release `trial` in that namespace."""
    text = f"""\
        cluster: {{name: theirs, engine: existing, kubeconfig: {kubeconfig}}}
        platform: {{release: trial, namespace: {namespace}, values: values/minimal.yaml}}
        """
    return Context(load(write(text)), Console(), NoJournal())


def secret(kube: Kube, namespace: str, name: str) -> None:
    metadata = {"name": name, "namespace": namespace}
    kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"a": str(time.time_ns())}})


def workload(kube: Kube, namespace: str, name: str, **container: Any) -> None:
    """A Deployment and one pod of it, which nobody else makes: the API server has no controllers."""
    labels = {"app": name}
    spec = {"containers": [{**CONTAINER, **container}], "automountServiceAccountToken": False}
    pod = {"metadata": {"labels": labels}, "spec": spec}
    metadata = {"name": name, "namespace": namespace}
    deployment = {"selector": {"matchLabels": labels}, "template": pod}
    kube.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment})
    kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": labels}, "spec": spec})


def next_second() -> None:
    """The API server writes times to the second."""
    now = int(time.time())
    while int(time.time()) <= now:
        time.sleep(0.05)


def variable(name: str, key: str) -> dict[str, Any]:
    return {"env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}]}


@pytest.mark.parametrize(
    ("container", "wanted", "restarts"),
    [
        (variable("users", "a"), ("users", ""), True),
        (variable("users", "a"), ("users", "a"), True),
        (variable("users", "a"), ("users", "b"), False),
        (variable("others", "a"), ("users", ""), False),
        ({"envFrom": [{"secretRef": {"name": "users"}}]}, ("users", "b"), True),
        ({}, ("users", ""), False),
    ],
)
def test_who_reads_a_changed_key_by_environment_restarts(
    context: Context,
    kube: Kube,
    namespace: str,
    container: dict[str, Any],
    wanted: tuple[str, str],
    restarts: bool,
) -> None:
    secret(kube, namespace, "users")
    next_second()
    workload(kube, namespace, "reader", **container)
    step = RestartReaders("restart", [wanted])
    assert step.check(context) == [], "its pod is newer than the Secret"
    next_second()
    secret(kube, namespace, "users")
    assert [change.where for change in step.check(context)] == (["Deployment reader"] if restarts else [])


def test_a_secret_that_is_not_there_restarts_nobody(context: Context, kube: Kube, namespace: str) -> None:
    workload(kube, namespace, "reader", **variable("users", "a"))
    assert RestartReaders("restart", [("users", "")]).check(context) == []


def test_without_the_cronjob_the_release_is_named(context: Context) -> None:
    with pytest.raises(Problem, match=r"the release trial in namespace .* has no CronJob that renews Secrets"):
        ReplaceSecrets("replace", ["users"]).change(context)


@pytest.mark.parametrize("outcome", ["Complete", "Failed"])
def test_a_job_like_the_cronjobs_is_told_what_to_replace(
    context: Context, kube: Kube, namespace: str, outcome: str
) -> None:
    pod = {"restartPolicy": "Never", "containers": [{**CONTAINER, "name": "secrets", "args": ["wanted.json"]}]}
    job = {"spec": {"template": {"spec": pod}}}
    metadata = {"name": "trial-secrets-renewal", "namespace": namespace}
    spec = {"schedule": "17 3 * * *", "jobTemplate": job}
    kube.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec})
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    seen: list[list[str]] = []

    def controller() -> None:
        """What a cluster's Job controller would write once the pod has ended."""
        while not (found := kube.items(jobs)):
            time.sleep(0.1)
        seen.append(found[0]["spec"]["template"]["spec"]["containers"][0]["args"])
        before = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[outcome]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in (before, outcome)]
        status: dict[str, Any] = {"conditions": conditions, "startTime": now}
        if outcome == "Complete":
            status |= {"completionTime": now, "succeeded": 1}
        kube.patch(f"{jobs}/{found[0]['metadata']['name']}/status", {"status": status})

    volumes = [{"name": "it", "secret": {"secretName": "users"}}]
    specs: dict[str, dict[str, Any]] = {
        "store": {"volumes": volumes, "containers": [CONTAINER]},
        "other": {"containers": [CONTAINER]},
    }
    pods = f"/api/v1/namespaces/{namespace}/pods"
    for name, spec in specs.items():
        own: dict[str, Any] = {"name": name, "namespace": namespace}
        plain = {"automountServiceAccountToken": False}
        kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": {**spec, **plain}})
    playing = threading.Thread(target=controller)
    playing.start()
    step = ReplaceSecrets("replace", ["users/a", "tls"])
    if outcome == "Complete":
        assert [change.what for change in step.change(context)] == ["replace users/a", "replace tls"]
    else:
        with pytest.raises(Problem, match="nothing was replaced"):
            step.change(context)
    playing.join()
    assert seen == [["wanted.json", "users/a", "tls"]]
    touched = [p["metadata"]["name"] for p in kube.items(pods) if HURRIED in p["metadata"].get("annotations", {})]
    assert touched == (["store"] if outcome == "Complete" else []), "who mounts a replaced Secret is to see it soon"
