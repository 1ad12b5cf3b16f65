"""Brings the platform back from a backup, on machines that know nothing of it.

The order: what can be wrong with the backup, before anything is touched → machines, cluster, storage as `apply` makes
them → Secrets → the stores, empty, and Velero → the backup's volume → data into the stores, compared with the backup →
services. Whatever was cut off is done again by the same command: `restoremark` says how far it came.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bootstrap import backuppod, manifests, phases, restoremark, velero
from bootstrap.backuppod import Damaged
from bootstrap.clients.kube import Manifest
from bootstrap.context import Context
from bootstrap.errors import NotYet, Problem
from bootstrap.objects import ApplyObjects
from bootstrap.phases.platform import EndOfRestore, InstallRelease, PodsReady, before_release
from bootstrap.recovery import Recovery
from bootstrap.restoremark import Mark, Stage
from bootstrap.steps import Change, CheckOnly, Phase, Step
from bootstrap.velero import Velero
from bootstrap.workloads import is_ready

# Container of the backup's pod, which is a store's name too -> its dump, and the shell of the script that loads it.
LOADERS = {
    "mysql": ("mysql.sql", "bash"),
    "postgresql": ("postgresql.sql", "bash"),
    "consul": ("consul.snap", "sh"),
    "kafka": ("kafka.topics", "bash"),
}
SYNC_SECONDS = 300  # Velero looks into the object store every minute
# So long after a restore nothing is tidied away that is there, however old: people need time to see that all is well.
KEPT = timedelta(days=7)
# What `apply` makes of the inventory itself, and the kit has in an older form.
NOT_FROM_THE_KIT = ("object-store", "recovery-key", "site")


def all_phases(recovery: Recovery, context: Context) -> Sequence[Phase]:
    """What a restore does, in its order. `context.restoring` has to name the backup."""
    usual = {phase.name: phase for phase in phases.all_phases(context.inventory)}
    before = [usual[name] for name in ("preflight", "machines", "cluster", "storage") if name in usual]
    # Its note stays until all is proven: until then the same command goes on.
    after = [
        Phase(name, [step for step in usual[name].steps if not isinstance(step, EndOfRestore)])
        for name in ("platform", "edge", "backups", "verify")
        if name in usual
    ]
    steps: Sequence[Step] = [
        Begin("the restore is noted in the cluster", recovery),
        Secrets("Secrets", recovery),
        *before_release(context.inventory),
        InstallRelease("release with empty stores"),
        PodsReady("empty stores are ready"),
        BringVolume("the backup's volume", recovery),
        Load("data into the stores"),
    ]
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
                *(UntilLoaded(step) for step in steps),
                Loaded("services may start"),
            ],
        ),
        *after,
        Phase("restored", [EndOfRestore("no restore is under way")]),
    ]


def _nothing_answers(context: Context) -> None:
    """As `_nothing_runs`, before any machine is touched; a cluster that is gone does not answer."""
    try:
        context.kube.version()
    except Problem:
        return
    _nothing_runs(context)


def _nothing_runs(context: Context) -> None:
    platform, mark = context.inventory.platform, restoremark.read(context)
    name, namespace = platform.release, platform.namespace
    if mark:
        _refuse_another(context, mark)
        return
    found = context.helm.release(name, namespace)
    if found and found.status != "deployed":
        raise Problem(
            f"release {name} is in namespace {namespace} already, {found.status} in revision {found.revision}: whether"
            " its stores hold data cannot be told",
            f"end what was begun: `python -m bootstrap apply {context.inventory.file}`, and look",
        )
    if found:
        raise Problem(
            f"release {name} is in namespace {namespace} already (revision {found.revision}, {found.status}); a restore"
            " would mix its data with the backup's",
            "name an inventory of other machines; or, if that platform is to be given up with all of its data: back it"
            f" up, {_giving_up(context)}",
        )
    # A release that was uninstalled leaves its volumes, and they may be newer than any backup.
    claims = [claim["metadata"]["name"] for claim in _claims(context)]
    if claims:
        raise Problem(
            f"namespace {namespace} has volumes already, of an earlier release {name} perhaps: {', '.join(claims[:5])}"
            + (f" and {len(claims) - 5} more" if len(claims) > 5 else ""),
            f"`python -m bootstrap apply {context.inventory.file}` brings that release back with its data; only if"
            f" nothing of it is needed: `kubectl delete namespace {namespace}`",
        )


def _claims(context: Context) -> list[Manifest]:
    try:
        return context.kube.items(f"/api/v1/namespaces/{context.inventory.platform.namespace}/persistentvolumeclaims")
    except NotYet:
        return []


def _giving_up(context: Context) -> str:
    """The commands by which a platform goes with all of its data."""
    name, namespace = context.inventory.platform.release, context.inventory.platform.namespace
    return f"`helm uninstall {name} --namespace {namespace}`, then `kubectl delete namespace {namespace}`"


def _refuse_another(context: Context, mark: Mark) -> None:
    """Raises Problem where the stores are another backup's: nothing of that may be in them."""
    if mark.backup == context.restoring or mark.stage is Stage.BEGUN:
        return
    raise Problem(
        f"the restore of {mark.backup} into release {context.inventory.platform.release} has not ended, and has put"
        " data into its stores",
        f"end it first: `python -m bootstrap restore {mark.backup} {context.inventory.file}`; to take another backup"
        f" instead, give up what the stores hold now: {_giving_up(context)}",
    )


class UntilLoaded(Step):
    """Another step, that has no work once all data is in the stores: services may have written since."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.title)
        self._step = step

    def check(self, context: Context) -> Sequence[Change]:
        """What the step has to do, as long as not all is loaded."""
        return () if _stage(context) is Stage.LOADED else self._step.check(context)

    def change(self, context: Context) -> Sequence[Change]:
        """Have the step do it."""
        return self._step.change(context)

    def verify(self, context: Context) -> None:
        """Have the step prove it."""
        self._step.verify(context)


def _stage(context: Context) -> Stage | None:
    """How far this restore is. Raises Problem where another has come between."""
    mark = restoremark.read(context)
    if mark:
        _refuse_another(context, mark)
    return mark.stage if mark else None


class Begin(Step):
    """Notes in the cluster which backup it waits for, before anything of it is there."""

    def __init__(self, title: str, recovery: Recovery) -> None:
        super().__init__(title)
        self._recovery = recovery

    def check(self, context: Context) -> Sequence[Change]:
        """Whether it is noted. Raises Problem where another's Secrets are in the place of the backup's."""
        mark = restoremark.read(context)
        if mark and mark.backup == context.restoring:
            return ()
        if mark:
            _refuse_another(context, mark)
        for secret in _kept(self._recovery, context):
            there = context.kube.find(context.kube.path(secret))
            held = (there or {}).get("data", {})
            # Keys that the backup does not know are the chart's own, of a newer version.
            if there and any(held.get(key) != value for key, value in secret["data"].items()):
                metadata = secret["metadata"]
                raise Problem(
                    f"Secret {metadata['name']} is in namespace {metadata['namespace']} already, with another content"
                    " than in the backup",
                    "this is not the empty cluster that a restore needs: where nothing in that namespace is needed,"
                    f" give it up ({_giving_up(context)}), and run the same command again",
                )
        return [Change("cluster", f"note that the stores wait for backup {context.restoring}")]

    def change(self, context: Context) -> Sequence[Change]:
        """Note it."""
        restoremark.write(context, Mark(context.restoring, Stage.BEGUN))
        return [Change("cluster", f"noted that the stores wait for backup {context.restoring}")]


class Secrets(Step):
    """The Secrets of the kit: passwords and keys without which nobody could read what the stores hold."""

    def __init__(self, title: str, recovery: Recovery) -> None:
        super().__init__(title)
        self._recovery = recovery

    def check(self, context: Context) -> Sequence[Change]:
        """Those that are not there; what is there this restore has made, and the chart may have renewed."""
        return [Change("cluster", f"make Secret {secret['metadata']['name']}") for secret in self._missing(context)]

    def change(self, context: Context) -> Sequence[Change]:
        """Make them."""
        changes = []
        for secret in self._missing(context):
            context.kube.create(context.kube.path(secret).rpartition("/")[0], secret)
            changes.append(Change("cluster", f"made Secret {secret['metadata']['name']}"))
        return changes

    def _missing(self, context: Context) -> Iterator[Manifest]:
        for secret in _kept(self._recovery, context):
            if not context.kube.find(context.kube.path(secret)):
                yield secret


def _kept(recovery: Recovery, context: Context) -> Iterator[Manifest]:
    """The kit's Secrets, without what the inventory says anew."""
    ours = {velero.settings(context.inventory).own(name) for name in NOT_FROM_THE_KIT}
    return (secret for secret in recovery.secrets(context) if secret["metadata"]["name"] not in ours)


class BringVolume(Step):
    """Velero makes the backup's pod with its volume, as it was."""

    def __init__(self, title: str, recovery: Recovery) -> None:
        super().__init__(title)
        self._recovery = recovery

    def check(self, context: Context) -> Sequence[Change]:
        """Nothing to do where the pod is there, of this backup and with whole dumps."""
        pod = backuppod.live(context)
        if not pod or pod["metadata"].get("labels", {}).get(velero.OF_BACKUP) != context.restoring:
            return [self._work(context)]
        if not is_ready(pod) or not backuppod.is_todays(pod, backuppod.wanted(context)[0]):
            return [self._work(context)]
        try:
            self.verify(context)
        except Damaged:
            return [self._work(context)]
        return ()

    def change(self, context: Context) -> Sequence[Change]:
        """Have Velero restore pod and volume; what a run that was cut off left of them goes first."""
        settings = velero.settings(context.inventory)
        known, namespace = settings.path("backups", context.restoring), settings.namespace
        _remove_leftovers(context)
        template, claim = backuppod.wanted(context)
        context.kube.apply(claim)
        context.kube.apply(_modifiers(context, template))
        context.wait(
            "Velero to reach the object store",
            SYNC_SECONDS,
            lambda: velero.location_trouble(context.kube, settings),
            lambda: velero.location_remedy(settings),
        )
        context.wait(
            f"Velero to know backup {context.restoring}",
            SYNC_SECONDS,
            lambda: "" if context.kube.find(known) else "it is not there yet",
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
        try:
            _judge(context, settings, name)
        finally:
            # Velero's server alone can take its Restores away: what stays would hold up the end of its namespace.
            context.kube.delete(settings.path("restores", name))
        return [self._work(context)]

    def verify(self, context: Context) -> None:
        """The pod runs, its dumps are what their list says, and the Secrets those that they were made with."""
        platform, pod = context.inventory.platform, velero.settings(context.inventory).pod
        context.wait(
            f"pod {pod}",
            platform.timeout,
            lambda: "" if backuppod.runs(context) else "it does not run yet",
            lambda: f"see `kubectl --namespace {platform.namespace} describe pod {pod}`",
        )
        try:
            dumps = backuppod.dumps(context)
        except Damaged as damaged:
            raise Damaged(f"backup {context.restoring}: {damaged.what}", _older(context)) from damaged
        kit = self._recovery.kit.made_of
        if dumps.kit not in ("", kit):  # older backups name none
            raise Damaged(
                f"backup {context.restoring}: a Secret was changed while it was made; its kit ({kit}) is not the one"
                f" that fits its dumps ({dumps.kit})",
                _older(context),
            )

    def _work(self, context: Context) -> Change:
        return Change("cluster", f"bring back the volume of backup {context.restoring}")


def _older(context: Context) -> str:
    file = context.inventory.file
    if _stage(context) is not Stage.BEGUN:
        return f"run the same command again; `python -m bootstrap backups {file}` lists the others"
    return f"nothing was loaded yet: `python -m bootstrap restore OTHER {file}` with an older one of `backups {file}`"


class Load(Step):
    """Each dump into its store, which has to be empty, and compared with what is there then."""

    def check(self, context: Context) -> Sequence[Change]:
        """All of them: what an earlier run has loaded is found to be the same, and left."""
        return [Change(store, "load the backup's dump") for store in LOADERS]

    def change(self, context: Context) -> Sequence[Change]:
        """Load. Raises Problem with what the store says, or where a dump has no store to go to."""
        dumps, pod = backuppod.dumps(context), backuppod.live(context)
        there = {container["name"] for container in pod["spec"]["containers"]} if pod else set()
        stores = [store for store, (file, _) in LOADERS.items() if file in dumps.files]
        if homeless := [store for store in stores if store not in there]:
            raise Problem(
                f"backup {context.restoring} has data of {', '.join(homeless)}, which the values"
                f" {context.inventory.platform.values} do not run",
                "let the values run it while the backup is brought back"
                f" ({', '.join(f'{store}.enabled' for store in homeless)}: true)",
            )
        for store in sorted(there & (LOADERS.keys() - set(stores))):
            context.console.note(f"    {store}: the backup has no data of it; it stays empty")
        restoremark.write(context, Mark(context.restoring, Stage.LOADING))
        changes = []
        for store in stores:
            file, shell = LOADERS[store]
            code, said = backuppod.run(context, store, [shell, f"/custos/scripts/load-{store}.sh"])
            if code:
                raise Problem(
                    f"{store}: {said.strip() or f'loading ended with {code}'}",
                    "nothing of the backup is lost; run the same command again once this is mended",
                )
            done = f"{said.strip().splitlines()[-1]} ({dumps.bytes(file):,} bytes)"
            context.console.note(f"    {done}")
            changes.append(Change(store, done))
        return changes


class Loaded(Step):
    """All data is back: from here on the platform is installed as `apply` does it."""

    def check(self, context: Context) -> Sequence[Change]:
        """Always to do: what follows must know."""
        return [Change("release", "services, Keycloak and Vault may start")]

    def change(self, context: Context) -> Sequence[Change]:
        """Take away what only the restore needed, and note that the stores are full."""
        settings = velero.settings(context.inventory)
        context.kube.delete(f"/api/v1/namespaces/{settings.namespace}/configmaps/{_rules(settings)}")
        _keep(context, settings, datetime.now(UTC) + KEPT)
        restoremark.write(context, Mark(context.restoring, Stage.LOADED))
        context.restoring = ""
        return self.check(context)


def _keep(context: Context, settings: Velero, until: datetime) -> None:
    """From now on Velero tidies again: nothing that is there now goes before `until`."""
    for backup in context.kube.items(settings.path("backups")):
        ends = velero.moment(backup.get("status", {}).get("expiration"))
        if ends and ends < until:
            body = {"status": {"expiration": f"{until:%Y-%m-%dT%H:%M:%SZ}"}}
            context.kube.patch(settings.path("backups", backup["metadata"]["name"]), body)


def _remove_leftovers(context: Context) -> None:
    """What a restore that was cut off has left; the backup itself is in the object store."""
    settings = velero.settings(context.inventory)
    restores = [settings.path("restores", r["metadata"]["name"]) for r in context.kube.items(settings.path("restores"))]
    gone = [backuppod.pod_path(context), backuppod.claim_path(context), *restores]
    for path in gone:
        context.kube.delete(path)
    context.wait(
        "leftovers of an earlier restore to go",
        300,
        lambda: ", ".join(path for path in gone if context.kube.find(path)),
        lambda: "see `kubectl describe` of what it names",
    )


def _rules(settings: Velero) -> str:
    return settings.own("restore-rules")


def _modifiers(context: Context, template: Manifest) -> Manifest:
    """The ConfigMap with what Velero is to change about the pod."""
    settings = velero.settings(context.inventory)
    rules = {"rules.yaml": json.dumps(backuppod.modifier(context, template))}
    metadata = {"name": _rules(settings), "namespace": settings.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": rules}


def _restore(context: Context, name: str) -> dict[str, Any]:
    settings = velero.settings(context.inventory)
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Restore",
        "metadata": {"name": name},
        "spec": {
            "backupName": context.restoring,
            "includedNamespaces": [settings.release_namespace],
            # Without claims and volumes among them Velero brings back no volume; the claim itself is there already.
            "includedResources": ["pods", "persistentvolumeclaims", "persistentvolumes"],
            "resourceModifier": {"kind": "ConfigMap", "name": _rules(settings)},
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
