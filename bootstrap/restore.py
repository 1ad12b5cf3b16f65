"""Brings the platform back from a backup, on machines that know nothing of it.

The order: what can be wrong with the backup, before anything is touched → machines, cluster, storage as `apply` makes
them → Secrets → the stores, empty, and Velero → the backup's volume → data into the stores, compared with the backup →
services. Whatever was cut off is done again by the same command.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bootstrap import chart, manifests, phases, velero
from bootstrap.clients.execute import execute
from bootstrap.clients.kube import Manifest
from bootstrap.context import Context
from bootstrap.errors import NotYet, Problem
from bootstrap.objects import ApplyObjects
from bootstrap.phases.platform import InstallRelease, PodsReady, before_release
from bootstrap.recovery import Recovery
from bootstrap.steps import Change, CheckOnly, Phase, Step
from bootstrap.velero import Velero
from bootstrap.workloads import is_ready

# Container of the backup's pod -> the shell of the script that brings its dump back.
LOADERS = {"mysql": "bash", "postgresql": "bash", "consul": "sh"}
_VERIFY = ("python3", "/custos/scripts/kit.py", "verify")
SYNC_SECONDS = 300  # Velero looks into the object store every minute
# What `apply` makes of the inventory itself, and the kit has in an older form.
NOT_FROM_THE_KIT = ("object-store", "recovery-key", "site")


def all_phases(recovery: Recovery, context: Context) -> Sequence[Phase]:
    """What a restore does, in its order. `context.restoring` has to name the backup."""
    usual = {phase.name: phase for phase in phases.all_phases(context.inventory)}
    before = [usual[name] for name in ("preflight", "machines", "cluster", "storage") if name in usual]
    after = [usual[name] for name in ("platform", "edge", "backups", "verify") if name in usual]
    return [
        Phase(
            "backup",
            [
                CheckOnly("the backup can be opened", recovery.check),
                CheckOnly("no platform is in its place", _nothing_answers),
            ],
        ),
        *before,
        Phase(
            "restore",
            [
                CheckOnly("nothing runs there", _nothing_runs),
                ApplyObjects("namespace", manifests.namespace),
                Secrets("Secrets", recovery),
                *before_release(context.inventory),
                InstallRelease("release with empty stores"),
                PodsReady("empty stores are ready"),
                BringVolume("the backup's volume"),
                Load("data into the stores"),
                EndOfRestore("services may start"),
            ],
        ),
        *after,
    ]


def _nothing_answers(context: Context) -> None:
    """As `_nothing_runs`, before any machine is touched; a cluster that is gone does not answer."""
    try:
        context.kube.version()
    except Problem:
        return
    _nothing_runs(context)


def _nothing_runs(context: Context) -> None:
    platform = context.inventory.platform
    found = context.helm.release(platform.release, platform.namespace)
    if not found:
        return
    other = chart.restoring(found.description)
    if other == context.restoring:
        return
    if other:
        raise Problem(
            f"the restore of {other} into release {platform.release} has not ended",
            f"end it first: `python -m bootstrap restore {other} {context.inventory.file}`",
        )
    raise Problem(
        f"release {platform.release} is in namespace {platform.namespace} already (revision {found.revision},"
        f" {found.status}); a restore would mix its data with the backup's",
        "name an inventory of other machines; or, if that platform is to be given up with all of its data: back it up,"
        f" `helm uninstall {platform.release}`, and delete its volumes and Secrets",
    )


class Secrets(Step):
    """The Secrets of the kit: passwords and keys without which nobody could read what the stores hold."""

    def __init__(self, title: str, recovery: Recovery) -> None:
        super().__init__(title)
        self._recovery = recovery

    def check(self, context: Context) -> Sequence[Change]:
        """Those that are not there. Raises Problem where one is there with another content."""
        return [Change("cluster", f"make Secret {secret['metadata']['name']}") for secret in self._missing(context)]

    def change(self, context: Context) -> Sequence[Change]:
        """Make them."""
        changes = []
        for secret in self._missing(context):
            context.kube.create(context.kube.path(secret).rpartition("/")[0], secret)
            changes.append(Change("cluster", f"made Secret {secret['metadata']['name']}"))
        return changes

    def _missing(self, context: Context) -> list[Manifest]:
        settings = velero.settings(context.inventory)
        ours = {settings.own(name) for name in NOT_FROM_THE_KIT}
        missing = []
        for secret in self._recovery.secrets(context):
            name, namespace = secret["metadata"]["name"], secret["metadata"]["namespace"]
            if name in ours:
                continue
            live = _live(context, context.kube.path(secret))
            if live is None:
                missing.append(secret)
            elif live.get("data", {}) != secret["data"]:
                raise Problem(
                    f"Secret {name} is in namespace {namespace} already, with another content than in the backup",
                    "this is not the empty cluster that a restore needs: delete the Secret if it is a leftover",
                )
        return missing


class BringVolume(Step):
    """Velero makes the backup's pod with its volume, as it was."""

    def check(self, context: Context) -> Sequence[Change]:
        """Nothing to do where the pod is there with whole dumps."""
        if _runs(context) and _run(context, "kit", _VERIFY)[0] == 0:
            return ()
        return [self._work(context)]

    def change(self, context: Context) -> Sequence[Change]:
        """Have Velero restore pod, claim and volume; what a run that was cut off left of them goes first."""
        settings = velero.settings(context.inventory)
        known, namespace = settings.path("backups", context.restoring), settings.namespace
        _remove_leftovers(context)
        context.wait(
            f"Velero to know backup {context.restoring}",
            SYNC_SECONDS,
            lambda: "" if _live(context, known) else "it is not there yet",
            lambda: f"see `kubectl --namespace {namespace} describe backupstoragelocation default`",
        )
        name = f"{context.restoring}-{datetime.now(UTC):%Y%m%d%H%M%S}"
        context.kube.create(settings.path("restores"), _restore(context, name))
        context.wait(
            "Velero to bring back the volume",
            settings.copy,
            functools.partial(_progress, context, settings, name),
            lambda: f"see `kubectl --namespace {namespace} logs deployment/velero`",
        )
        _judge(context, settings, name)
        return [self._work(context)]

    def verify(self, context: Context) -> None:
        """The pod runs, and its dumps are what their list says."""
        platform, pod = context.inventory.platform, velero.settings(context.inventory).pod
        context.wait(
            f"pod {pod}",
            platform.timeout,
            lambda: "" if _runs(context) else "it does not run yet",
            lambda: f"see `kubectl --namespace {platform.namespace} describe pod {pod}`",
        )
        code, said = _run(context, "kit", _VERIFY)
        if code:
            raise Problem(f"backup {context.restoring}: {said.strip()}", "restore an older backup")

    def _work(self, context: Context) -> Change:
        return Change("cluster", f"bring back the volume of backup {context.restoring}")


class Load(Step):
    """Each dump into its store, which has to be empty, and compared with what is there then."""

    def check(self, context: Context) -> Sequence[Change]:
        """All of them: what an earlier run has loaded is found to be the same, and left."""
        return [Change(store, "load the backup's dump") for store in self._stores(context)]

    def change(self, context: Context) -> Sequence[Change]:
        """Load. Raises Problem with what the store says."""
        changes = []
        for store in self._stores(context):
            code, said = _run(context, store, [LOADERS[store], f"/custos/scripts/load-{store}.sh"])
            if code:
                raise Problem(
                    f"{store}: {said.strip() or f'loading ended with {code}'}",
                    "nothing of the backup is lost; run the same command again once this is mended",
                )
            context.console.note(f"    {said.strip()}")
            changes.append(Change(store, said.strip().splitlines()[-1]))
        return changes

    def _stores(self, context: Context) -> list[str]:
        pod = _live(context, _pod_path(context))
        containers = {container["name"] for container in pod["spec"]["containers"]} if pod else set(LOADERS)
        return [store for store in LOADERS if store in containers]


class EndOfRestore(Step):
    """From here on the platform is installed as `apply` does it."""

    def check(self, context: Context) -> Sequence[Change]:
        """Always to do: the data is back."""
        return [Change("release", "services, Keycloak and Vault may start")]

    def change(self, context: Context) -> Sequence[Change]:
        """Let the phases that follow install the whole platform."""
        # Velero's server alone can take its Restores away: what stays would hold up the end of its namespace one day.
        settings = velero.settings(context.inventory)
        for item in context.kube.items(settings.path("restores")):
            if item["spec"].get("backupName") == context.restoring:
                context.kube.delete(settings.path("restores", item["metadata"]["name"]))
        context.restoring, context.restored = "", context.restoring
        return self.check(context)


def _pod_path(context: Context, plural: str = "pods", prefix: str = "") -> str:
    settings = velero.settings(context.inventory)
    return f"/api/v1/namespaces/{settings.release_namespace}/{plural}/{prefix}{settings.pod}"


def _live(context: Context, path: str) -> Manifest | None:
    """The object at the API `path`, None where there is none."""
    try:
        return context.kube.get(path)
    except NotYet:
        return None


def _runs(context: Context) -> bool:
    pod = _live(context, _pod_path(context))
    return pod is not None and is_ready(pod)


def _run(context: Context, container: str, command: Sequence[str]) -> tuple[int, str]:
    """Run a program in the backup's pod; its exit code and what it said."""
    settings = velero.settings(context.inventory)
    started = time.monotonic()

    def working() -> None:
        context.console.progress(f"{' '.join(command)} ({time.monotonic() - started:.0f} s)")

    return execute(context.kube.client, settings.release_namespace, settings.pod, container, command, working)


def _remove_leftovers(context: Context) -> None:
    """Pod and claim that a restore which was cut off has left; the backup itself is in the object store."""
    gone = [_pod_path(context), _pod_path(context, "persistentvolumeclaims", "dumps-")]
    for path in gone:
        context.kube.delete(path)
    context.wait(
        "leftovers of an earlier restore to go",
        300,
        lambda: ", ".join(path for path in gone if _live(context, path)),
        lambda: "see `kubectl describe` of what it names",
    )


def _restore(context: Context, name: str) -> dict[str, Any]:
    platform = context.inventory.platform
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Restore",
        "metadata": {"name": name},
        "spec": {
            "backupName": context.restoring,
            "includedNamespaces": [platform.namespace],
            "includedResources": ["pods", "persistentvolumeclaims", "persistentvolumes"],
        },
    }


def _copies(context: Context, settings: Velero, name: str) -> list[Manifest]:
    return context.kube.items(settings.path("podvolumerestores"), labelSelector=f"velero.io/restore-name={name}")


def _progress(context: Context, settings: Velero, name: str) -> str:
    """How far Velero is; empty once it has ended."""
    phase = context.kube.get(settings.path("restores", name)).get("status", {}).get("phase", "New")
    if phase in velero.ENDED:
        return ""
    done = velero.progressed(_copies(context, settings, name), "bytesDone")
    return f"restore {name} is {phase}, {done:,} bytes copied"


def _judge(context: Context, settings: Velero, name: str) -> None:
    """Raises Problem unless the volume was brought back, with something in it."""
    status = context.kube.get(settings.path("restores", name)).get("status", {})
    copies = _copies(context, settings, name)
    done = velero.progressed(copies, "bytesDone")
    if status["phase"] == "Completed" and done:
        return
    shown = "; ".join(velero.complaints(status, copies)) or f"{done} bytes were copied"
    raise Problem(
        f"Velero's restore {name} ended as {status['phase']}: {shown}",
        "run the same command again; where the backup is damaged, name an older one",
    )
