"""Replaces Secrets of the platform while it runs: makes the new values, then restarts what reads them by environment.

What mounts a Secret as files sees the change by itself, and the stores take over both passwords and certificates.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from bootstrap.clients.kube import Manifest
from bootstrap.context import Context
from bootstrap.errors import NotYet, Problem
from bootstrap.steps import Change, Phase, Step
from bootstrap.workloads import unready_workloads

JOB_SECONDS = 600
# As `kubectl rollout restart` marks it.
RESTARTED = "kubectl.kubernetes.io/restartedAt"
HURRIED = "custos-platform/secret-replaced-at"


def phase(names: Sequence[str]) -> Phase:
    """Replace the Secrets called SECRET or SECRET/KEY, and restart their readers.

    Readers are restarted before as well, where an earlier run was cut off: a second change would shut out those that
    still hold the password of before the first, for stores accept the newest and the one before it.
    """
    wanted = [(secret, key) for secret, _, key in (name.partition("/") for name in names)]
    return Phase(
        "rotate",
        [
            RestartReaders("restart what still holds an older value", wanted),
            ReplaceSecrets(f"replace {', '.join(names)}", names),
            RestartReaders("restart what reads it by environment", wanted),
        ],
    )


class ReplaceSecrets(Step):
    """A Job like the one that renews certificates, told which Secrets to replace."""

    def __init__(self, title: str, names: Sequence[str]) -> None:
        super().__init__(title)
        self._names = names

    def check(self, context: Context) -> Sequence[Change]:
        """Always to do: it was asked for."""
        return [Change("Secret", f"replace {name}") for name in self._names]

    def change(self, context: Context) -> Sequence[Change]:
        """Run the Job to its end. Raises Problem with what it said where it refuses."""
        platform = context.inventory.platform
        jobs = f"/apis/batch/v1/namespaces/{platform.namespace}/jobs"
        name = f"{platform.release}-rotate-{time.time_ns() // 1_000_000_000}"
        context.kube.create(jobs, self._job(context, name))
        remedy = f"see `kubectl --namespace {platform.namespace} describe job {name}`"
        context.wait(
            "the Job that replaces Secrets", JOB_SECONDS, lambda: _unfinished(context, f"{jobs}/{name}"), lambda: remedy
        )
        failed = "Failed" in _conditions(context.kube.get(f"{jobs}/{name}"))
        said = _log(context, name)
        context.kube.delete(f"{jobs}/{name}")
        if failed:
            raise Problem(f"nothing was replaced: {said or 'the Job failed without a word'}", "name what it allows")
        _hurry(context, {secret for secret, _, _ in (name.partition("/") for name in self._names)})
        return self.check(context)

    def _job(self, context: Context, name: str) -> Manifest:
        platform = context.inventory.platform
        path = f"/apis/batch/v1/namespaces/{platform.namespace}/cronjobs/{platform.release}-secrets-renewal"
        try:
            template = context.kube.get(path)["spec"]["jobTemplate"]
        except NotYet:
            raise Problem(
                f"the release {platform.release} in namespace {platform.namespace} has no CronJob that renews Secrets",
                "install it with `apply`",
            ) from None
        spec = template["spec"]
        for container in spec["template"]["spec"]["containers"]:
            container["args"] = [*container["args"], *self._names]
        metadata = {"name": name, "namespace": platform.namespace, "labels": template.get("metadata", {}).get("labels")}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


class RestartReaders(Step):
    """Rolling restarts, one workload after the other; each keeps its old pods until the new ones are ready."""

    def __init__(self, title: str, wanted: Sequence[tuple[str, str]]) -> None:
        super().__init__(title)
        self._wanted = wanted

    def check(self, context: Context) -> Sequence[Change]:
        """The workloads that take one of the keys by environment and have pods from before its last change."""
        return [Change(_title(workload), "restart, pod by pod") for workload in self._outdated(context)]

    def change(self, context: Context) -> Sequence[Change]:
        """Restart them, waiting for each."""
        workloads = self._outdated(context)
        for workload in workloads:
            _restart(context, workload)
        return [Change(_title(workload), "restarted, pod by pod") for workload in workloads]

    def _outdated(self, context: Context) -> list[Manifest]:
        changed = {secret: _changed(context, secret) for secret, _ in self._wanted}
        return [
            workload
            for workload in _workloads(context)
            if any(_oldest_pod(context, workload) <= changed[secret] for secret in self._read(workload))
        ]

    def _read(self, workload: Manifest) -> set[str]:
        """Those of the Secrets of which the workload takes a wanted key by environment."""
        return {
            secret
            for secret, key in self._wanted
            for read, its_key in _read_by_environment(workload)
            if read == secret and (key == its_key or not key or not its_key)
        }


def _hurry(context: Context, secrets: set[str]) -> None:
    """Touch the pods that mount one of the Secrets: the kubelet then writes their files at once, not minutes later.

    So the stores have taken a new password over before the first restarted pod logs in with it.
    """
    path = f"/api/v1/namespaces/{context.inventory.platform.namespace}/pods"
    stamp = {HURRIED: datetime.now(UTC).isoformat(timespec="seconds")}
    for pod in context.kube.items(path):
        mounted = {volume.get("secret", {}).get("secretName") for volume in pod["spec"].get("volumes", ())}
        if mounted & secrets:
            context.kube.patch(f"{path}/{pod['metadata']['name']}", {"metadata": {"annotations": stamp}})


def _restart(context: Context, workload: Manifest) -> None:
    """Roll its pods and wait until all are new. Raises Problem where they do not come."""
    stamp = {RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}
    context.kube.patch(context.kube.path(workload), {"spec": {"template": {"metadata": {"annotations": stamp}}}})
    context.wait(
        f"{_title(workload)} to have restarted",
        context.inventory.platform.timeout,
        lambda: "; ".join(unready_workloads(context.kube, [workload])),
        lambda: "see `python -m bootstrap status`; the old pods go on until new ones are ready",
    )


def _title(workload: Manifest) -> str:
    return f"{workload['kind']} {workload['metadata']['name']}"


def _changed(context: Context, secret: str) -> str:
    """When the Secret was last changed, by the API server's clock and as it writes times; empty where there is none."""
    try:
        found = context.kube.get(f"/api/v1/namespaces/{context.inventory.platform.namespace}/secrets/{secret}")
    except NotYet:
        return ""
    return max((str(entry["time"]) for entry in found["metadata"].get("managedFields", ())), default="")


def _oldest_pod(context: Context, workload: Manifest) -> str:
    """When the oldest of its pods was made, as the API server writes times; after all times where there is none."""
    labels = workload["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    path = f"/api/v1/namespaces/{workload['metadata']['namespace']}/pods"
    pods = context.kube.items(path, labelSelector=selector)
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return min((str(pod["metadata"]["creationTimestamp"]) for pod in staying), default="~")


def _workloads(context: Context) -> list[Manifest]:
    """Deployments and StatefulSets of the platform's namespace."""
    root = f"/apis/apps/v1/namespaces/{context.inventory.platform.namespace}"
    kinds = {"deployments": "Deployment", "statefulsets": "StatefulSet"}
    return [
        {"apiVersion": "apps/v1", "kind": kind, **item}
        for plural, kind in kinds.items()
        for item in context.kube.items(f"{root}/{plural}")
    ]


def _read_by_environment(workload: Manifest) -> Iterator[tuple[str, str]]:
    """(Secret, key) of each variable that comes from a Secret; no key where all of them come."""
    pod = workload["spec"]["template"]["spec"]
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        for variable in container.get("env", ()):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield reference["name"], reference["key"]
        for source in container.get("envFrom", ()):
            if "secretRef" in source:
                yield source["secretRef"]["name"], ""


def _conditions(job: Manifest) -> set[str]:
    return {c["type"] for c in job.get("status", {}).get("conditions", ()) if c["status"] == "True"}


def _unfinished(context: Context, path: str) -> str:
    job = context.kube.get(path)
    if _conditions(job) & {"Complete", "Failed"}:
        return ""
    return f"{job.get('status', {}).get('failed', 0)} tries failed so far"


def _log(context: Context, job: str) -> str:
    """What the Job's newest pod said last."""
    namespace = context.inventory.platform.namespace
    pods = context.kube.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"job-name={job}")
    newest = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)
    return context.kube.log(namespace, newest["metadata"]["name"], "secrets", 10).strip() if newest else ""
