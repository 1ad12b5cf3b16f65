"""Makes a backup now, by the template of the schedule, and says what came of it."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from bootstrap import objectstore, velero
from bootstrap.clients.kube import Manifest
from bootstrap.clients.s3 import Unreachable
from bootstrap.context import Context
from bootstrap.errors import NotYet, Problem
from bootstrap.inventory import Inventory
from bootstrap.steps import Change, Phase, Step
from bootstrap.velero import Velero

# Velero puts the name into a label.
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
NAME_ALLOWED = "at most 63 small letters, digits and hyphens"
# Besides the dumps and the copy, which have times of their own: Velero's queue, the upload of its files.
MORE_SECONDS = 900
SHOWN = 8  # errors of the log


def default_name(release: str) -> str:
    """Release and time, in UTC."""
    return f"{release[:47].rstrip('-')}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def phase(inventory: Inventory, name: str) -> Phase:
    """One backup, called `name`."""
    return Phase("backup", [TakeBackup(f"backup {name or default_name(inventory.platform.release)}", name)])


class TakeBackup(Step):
    """A Backup of Velero's, watched to its end and judged by what was copied."""

    def __init__(self, title: str, name: str) -> None:
        super().__init__(title)
        self._name = name or title.partition(" ")[2]

    def check(self, context: Context) -> Sequence[Change]:
        """Always to do: it was asked for."""
        return [Change("backup", f"make {self._name}")]

    def change(self, context: Context) -> Sequence[Change]:
        """Make it. Raises Problem where it cannot begin, or did not end well."""
        if not context.inventory.backups:
            objectstore.of(context.inventory)
        settings = velero.settings(context.inventory)
        schedule = _schedule(context, settings)
        self._refuse(context, settings)
        began = time.monotonic()
        context.kube.create(settings.path("backups"), _backup(self._name, schedule))
        context.wait(
            f"backup {self._name}",
            _seconds(schedule, settings),
            functools.partial(_progress, context, settings, self._name),
            lambda: f"see `kubectl --namespace {settings.namespace} logs deployment/velero`; it may still end well",
        )
        copied = self._judge(context, settings)
        told = f"{copied:,} bytes of dumps copied in {time.monotonic() - began:.0f} s"
        return [Change("backup", f"{self._name}: {told}, and the sealed Secrets")]

    def verify(self, context: Context) -> None:
        """The object store gives back what Velero says it wrote; passed over where it cannot be asked from here."""
        settings = velero.settings(context.inventory)
        try:
            store = objectstore.of(context.inventory)
            sealed = store.member(self._name, settings.kit)["data"]["certificate"]
            copied = store.copied(self._name)
        except Unreachable as away:
            context.console.note(f"    not looked at from here: {away.what}")
            return
        context.console.note(
            f"    {store.where} holds it: {copied:,} bytes, Secrets sealed for the certificate {sealed}"
        )

    def _refuse(self, context: Context, settings: Velero) -> None:
        """Raises Problem where a backup cannot begin now."""
        if settings.read_only:
            raise Problem(
                "this platform takes no backups: velero.objectStore.accessMode is ReadOnly",
                "back up the platform whose place that is; or give this one a place of its own (bucket or prefix) and"
                " ReadWrite",
            )
        found = velero.known(context.kube, settings)
        if any(backup.name == self._name for backup in found):
            raise Problem(f"there is a backup {self._name} already", "choose another name, or leave --name out")
        busy = [backup for backup in found if backup.phase not in velero.ENDED]
        if busy:
            raise Problem(
                f"backup {busy[0].name} is {busy[0].phase}: a second would dump into the same volume",
                "wait until it has ended; where it does not go on, see"
                f" `kubectl --namespace {settings.namespace} logs deployment/velero`",
            )
        missing = velero.location_trouble(context.kube, settings)
        if missing:
            raise Problem(missing, velero.location_remedy(settings))

    def _judge(self, context: Context, settings: Velero) -> int:
        """Bytes that were copied. Raises Problem unless all went well."""
        status = context.kube.get(settings.path("backups", self._name)).get("status", {})
        copies = _copies(context, settings, self._name)
        copied = velero.progressed(
            [copy for copy in copies if copy.get("status", {}).get("phase") == "Completed"], "bytesDone"
        )
        if status["phase"] == "Completed" and copied:
            return copied
        said = [*velero.complaints(status, copies), *_log(context, self._name)]
        reasons = list(dict.fromkeys(said)) or ["no volume was copied"]
        more = [f"… and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
        raise Problem(
            "\n".join([f"backup {self._name} ended as {status['phase']}:", *reasons[:SHOWN], *more]),
            "mend what it names and back up once more; earlier backups are as they were",
        )


def _schedule(context: Context, settings: Velero) -> Manifest:
    try:
        return context.kube.get(settings.path("schedules", settings.schedule))
    except NotYet:
        raise Problem(
            f"namespace {settings.namespace} has no Schedule {settings.schedule}: nothing says what a backup holds",
            "install the release with `apply`",
        ) from None


def _backup(name: str, schedule: Manifest) -> Manifest:
    """As Velero itself makes one of a schedule (v1.17: pkg/builder/backup_builder.go, FromSchedule)."""
    template, metadata = schedule["spec"]["template"], schedule["metadata"]
    labels = template.get("metadata", {}).get("labels") or metadata.get("labels", {})
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": {**labels, velero.SCHEDULED: metadata["name"]},
        },
        "spec": template,
    }


def _seconds(schedule: Manifest, settings: Velero) -> int:
    """How long a backup may take: each hook, then the copy."""
    hooks = [
        hook
        for resource in schedule["spec"]["template"].get("hooks", {}).get("resources", ())
        for hook in resource.get("pre", ())
    ]
    return len(hooks) * settings.dump + settings.copy + MORE_SECONDS


def _copies(context: Context, settings: Velero, name: str) -> list[Manifest]:
    return context.kube.items(settings.path("podvolumebackups"), labelSelector=f"{velero.OF_BACKUP}={name}")


def _progress(context: Context, settings: Velero, name: str) -> str:
    """How far it is; empty once it has ended."""
    try:
        status = context.kube.get(settings.path("backups", name)).get("status", {})
    except NotYet:
        raise Problem(f"backup {name} was deleted while it was made", "back up once more") from None
    phase = status.get("phase") or "New"
    if phase in velero.ENDED:
        return ""
    copies = _copies(context, settings, name)
    if not copies:
        return f"{phase}, the stores are dumped" if phase == "InProgress" else phase
    done, total = (velero.progressed(copies, what) for what in ("bytesDone", "totalBytes"))
    return f"{phase}, {done:,} of {total:,} bytes copied"


def _log(context: Context, name: str) -> list[str]:
    """The errors of Velero's log, which lies in the object store; why not, where it cannot be read."""
    try:
        return objectstore.of(context.inventory).log_errors(name)
    except Problem as problem:
        return [f"its log could not be read from here: {problem.what}"]
