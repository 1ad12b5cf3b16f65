"""What the values say about backups, what the chart calls their objects, and which backups the cluster knows."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bootstrap.clients.kube import Kube, Manifest
from bootstrap.errors import NotYet
from bootstrap.inventory import Inventory
from generator.catalogue import load_catalogue
from generator.errors import FindingsError
from generator.schema import ValuesSchema
from generator.values import Values, read_values

# Phases in which Velero does nothing more about a backup (v1.17: pkg/apis/velero/v1/backup_types.go).
ENDED = ("Completed", "PartiallyFailed", "Failed", "FailedValidation", "Deleting")
LOCATION = "default"
SCHEDULED = "velero.io/schedule-name"
OF_BACKUP = "velero.io/backup-name"
NAME = 63  # characters of an object's name
_UNITS = {"h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True)
class Velero:
    """The values' section `velero`, for one release; times are in seconds, `authority` is PEM."""

    release: str
    release_namespace: str
    namespace: str
    url: str
    bucket: str
    prefix: str
    region: str
    authority: str
    existing_secret: str
    read_only: bool
    dump: int
    copy: int

    def own(self, what: str, longest: int = NAME) -> str:
        """The name of the release's object `what`."""
        return own(self.release, what, longest)

    @property
    def schedule(self) -> str:
        """The name of the Schedule, which each backup of this release carries as a label."""
        return self.own(self.release.replace(".", "-"))

    @property
    def login(self) -> str:
        """The name of the Secret with the object store's login, in the release's namespace."""
        return self.existing_secret or self.own("object-store")

    @property
    def pod(self) -> str:
        """The name of the pod that holds the dumps, in the release's namespace."""
        return f"{self.workload}-0"

    @property
    def workload(self) -> str:
        """The name of the StatefulSet that pod is of; the names of its pods and revisions are longer than its own."""
        return self.own("backup", 52)

    @property
    def kit(self) -> str:
        """Where the recovery kit lies within a backup's archive."""
        return f"resources/configmaps/namespaces/{self.release_namespace}/{self.own('recovery-kit')}.json"

    def path(self, plural: str, name: str = "") -> str:
        """The API path of Velero's objects of a kind, or of one of them."""
        return f"/apis/velero.io/v1/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def workloads(self) -> list[Manifest]:
        """Velero's server and its agents, as far as waits need them."""
        kinds = {"velero": "Deployment", "node-agent": "DaemonSet"}
        return [
            {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": self.namespace}}
            for name, kind in kinds.items()
        ]


@dataclass(frozen=True)
class Known:
    """A backup as the cluster knows it; `started` is None before Velero has begun, `copied` is in bytes."""

    name: str
    phase: str
    schedule: str
    started: datetime | None
    copied: int = 0


def own(release: str, what: str, longest: int = NAME) -> str:
    """The name of the release's object `what`, as the chart's common.name writes it with `max`."""
    release = release.replace(".", "-")
    whole = what if what == release or what.startswith(f"{release}-") else f"{release}-{what}"
    if len(whole) <= longest:
        return whole
    return f"{whole[: longest - 9].removesuffix('-')}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def settings(inventory: Inventory) -> Velero:
    """What the inventory's values say; no cluster is needed. Raises FindingsError where they are wrong."""
    values, platform = _values(inventory.platform.values), inventory.platform
    store, timeouts = values.get("velero.objectStore"), values.get("velero.timeouts")
    return Velero(
        release=platform.release,
        release_namespace=platform.namespace,
        namespace=values.get("velero.namespace"),
        url=store["url"],
        bucket=store["bucket"],
        prefix=store["prefix"],
        region=store["region"],
        authority=store["caCert"],
        existing_secret=store["existingSecret"] or "",
        read_only=store["accessMode"] == "ReadOnly",
        dump=seconds(timeouts["dump"]),
        copy=seconds(timeouts["copy"]),
    )


def seconds(text: str) -> int:
    """A time as Go writes it, such as 1h30m."""
    return sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)([hms])", text))


def moment(text: str | None) -> datetime | None:
    """A time as Kubernetes writes it, with or without parts of a second."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def known(kube: Kube, velero: Velero) -> list[Known]:
    """All backups that the cluster knows, the newest first; none where it does not know the kind."""
    try:
        found, copies = kube.items(velero.path("backups")), kube.items(velero.path("podvolumebackups"))
    except NotYet:
        return []
    copied: dict[str, int] = {}
    for copy in copies:
        if copy.get("status", {}).get("phase") == "Completed":
            backup = copy["metadata"].get("labels", {}).get(OF_BACKUP, "")
            copied[backup] = copied.get(backup, 0) + progressed([copy], "bytesDone")
    backups = [
        Known(
            backup["metadata"]["name"],
            backup.get("status", {}).get("phase") or "New",
            backup["metadata"].get("labels", {}).get(SCHEDULED, ""),
            moment(backup.get("status", {}).get("startTimestamp")),
            copied.get(backup["metadata"]["name"], 0),
        )
        for backup in found
    ]
    return sorted(backups, key=lambda backup: backup.started or datetime.min.replace(tzinfo=UTC), reverse=True)


def progressed(copies: Sequence[Manifest], what: str) -> int:
    """The sum of `bytesDone` or `totalBytes` over PodVolumeBackups or PodVolumeRestores."""
    return sum(int(copy.get("status", {}).get("progress", {}).get(what, 0)) for copy in copies)


def complaints(status: Manifest, copies: Sequence[Manifest]) -> list[str]:
    """What a Backup or Restore, and its copies of volumes, say went wrong; each once."""
    said = [
        *status.get("validationErrors", ()),
        status.get("failureReason", ""),
        *(copy.get("status", {}).get("message", "") for copy in copies),
    ]
    return [reason for reason in dict.fromkeys(said) if reason]


def age(since: datetime, now: datetime) -> str:
    """How long ago that was, as people say it: 25 minutes, 7 hours, 3 days."""
    minutes = int((now - since).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 1440} days"


def newest(backups: Sequence[Known], velero: Velero) -> Known | None:
    """The newest of this release's backups that ended well and copied something."""
    mine = (backup for backup in backups if backup.schedule == velero.schedule and backup.started)
    return next((backup for backup in mine if backup.phase == "Completed" and backup.copied), None)


def location_trouble(kube: Kube, velero: Velero) -> str:
    """Why Velero cannot use the place of the backups; empty where it can."""
    try:
        status = kube.get(velero.path("backupstoragelocations", LOCATION)).get("status", {})
    except NotYet:
        return f"namespace {velero.namespace} has no BackupStorageLocation {LOCATION}"
    if status.get("phase") == "Available":
        return ""
    if not status.get("phase"):
        return "Velero has not looked at the object store yet"
    return f"the object store is {status['phase']} to Velero: {status.get('message') or 'it says no reason'}"


def location_remedy(velero: Velero) -> str:
    """What to do about it."""
    return (
        f"see that {velero.url or 'Amazon S3'} is reached from the cluster's nodes, that it has the bucket"
        f" {velero.bucket} and takes the login (Secret {velero.login}, made of backups.credentials)"
    )


@functools.cache
def _schema() -> ValuesSchema:
    return ValuesSchema(load_catalogue())


def _values(file: Path) -> Values:
    values, findings = read_values(file, _schema())
    if findings:
        raise FindingsError(findings)
    return values
