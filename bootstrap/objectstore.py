"""The place where backups lie: what Velero wrote there, read without Velero and without a cluster.

Velero's layout (v1.17: pkg/persistence/object_store_layout.go): below the prefix, `backups/NAME/velero-backup.json`
says how the backup ended, `NAME.tar.gz` holds the objects, `NAME-podvolumebackups.json.gz` what was copied of volumes,
and `NAME-logs.gz` what was said; the volumes' content is in `kopia/NAMESPACE/`.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bootstrap import velerolog
from bootstrap.clients.s3 import Bucket, Place
from bootstrap.errors import Problem
from bootstrap.inventory import Inventory
from bootstrap.velero import Velero, moment, settings

# What a damaged archive raises while it is read.
_BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError)
LATEST = "latest"  # in place of a name
_OLDEST = datetime.min.replace(tzinfo=UTC)


class Damaged(Problem):
    """A backup is there and cannot be read."""


@dataclass(frozen=True)
class Backup:
    """A backup as the store has it; `damaged` says why it cannot be read."""

    name: str
    phase: str = ""
    schedule: str = ""
    errors: int = 0
    started: datetime | None = None
    completed: datetime | None = None
    expires: datetime | None = None
    damaged: str = ""

    @property
    def good(self) -> bool:
        """Whether it ended well."""
        return self.phase == "Completed" and not self.damaged

    @property
    def state(self) -> str:
        """How it ended, for people."""
        return f"damaged: {self.damaged}" if self.damaged else self.phase or "unknown"


@dataclass(frozen=True)
class Look:
    """A backup, read to its end: its `flaw`, or the bytes of its volumes and the certificate of its kit."""

    flaw: str
    copied: int = 0
    sealed_for: str = ""

    @property
    def state(self) -> str:
        """For people."""
        return self.flaw or f"whole, {self.copied:,} bytes"


def of(inventory: Inventory) -> ObjectStore:
    """The store of the inventory's backups. Raises Problem where it has none, or its login cannot be read."""
    if not inventory.backups:
        raise Problem(
            f"the values {inventory.platform.values} take no backups (velero.enabled is false)",
            "set velero.enabled to true and say where they go (velero.objectStore)",
        )
    return ObjectStore(settings(inventory), inventory.backups.credentials)


class ObjectStore:
    """Reads what Velero wrote. Methods raise Problem: Damaged, s3.Unreachable, or what is wrong with the place."""

    def __init__(self, velero: Velero, credentials: Path, timeout: float = 20) -> None:
        self._velero = velero
        self._prefix = f"{velero.prefix}/" if velero.prefix else ""
        place = Place(velero.url, velero.bucket, velero.region, velero.authority)
        self._bucket = Bucket(place, credentials, timeout)
        self._looked: dict[str, Look] = {}

    @property
    def where(self) -> str:
        """Address, bucket and prefix, as people are told it."""
        return "/".join(part for part in (self._bucket.where, self._velero.prefix) if part)

    def backups(self) -> list[Backup]:
        """All backups, the newest first. Raises Problem where there is none, or what is there is not Velero's."""
        names = self._bucket.folders(f"{self._prefix}backups/")
        if not names:
            found = self._bucket.folders(self._prefix)
            raise Problem(
                f"{self.where} holds no backup; found: {', '.join(found[:5]) or 'nothing at all'}",
                "see that velero.objectStore has the right bucket and prefix; `python -m bootstrap backup` makes one",
            )
        found_backups = [self._backup(name) for name in names]
        if all(backup.damaged and not backup.phase for backup in found_backups):
            shown = "; ".join(f"{backup.name} {backup.damaged}" for backup in found_backups[:3])
            raise Problem(
                f"{self.where}/backups holds nothing that Velero made: {shown}",
                "see that velero.objectStore has the right bucket and prefix",
            )
        return sorted(found_backups, key=lambda backup: (backup.started or _OLDEST, backup.name), reverse=True)

    def newest(self) -> tuple[Backup, list[Backup]]:
        """The newest backup of this release that is whole, and newer ones, which are not. Raises Problem."""
        found = self.backups()
        mine = [backup for backup in found if backup.schedule == self._velero.schedule]
        for number, backup in enumerate(mine):
            if not self.look(backup).flaw:
                return backup, mine[:number]
        there = "; ".join(f"{backup.name} ({self.look(backup).state})" for backup in (mine or found)[:5])
        raise Problem(
            f"{self.where} has no whole backup of release {self._velero.release}; there are {there}",
            "name one of them, if nothing better is to be had; its log says what it lacks",
        )

    def named(self, name: str) -> Backup:
        """The backup of that name. Raises Problem where there is none."""
        found = self.backups()
        for backup in found:
            if backup.name == name:
                return backup
        raise Problem(
            f"{self.where} has no backup {name}; there are {', '.join(backup.name for backup in found[:10])}",
            f"name one of them, or `{LATEST}`",
        )

    def member(self, name: str, path: str) -> dict[str, Any]:
        """The object at `path` of a backup, such as resources/configmaps/namespaces/NAMESPACE/NAME.json."""
        try:
            found = self._member(name, path)
        except Damaged as damaged:
            raise Damaged(damaged.what, self._instead(name)) from damaged
        if found is None:
            raise Damaged(f"backup {name} does not hold {path}", self._instead(name))
        return found

    def copied(self, name: str) -> int:
        """Bytes of volumes that were copied. Raises Damaged where there are none, or what they went to is gone."""
        try:
            return self._copied(name)
        except Damaged as damaged:
            raise Damaged(damaged.what, self._instead(name)) from damaged

    def log_errors(self, name: str) -> list[str]:
        """What Velero's log of the backup calls an error, with what the hook said; empty where there is no log."""
        data = self._bucket.read(self._key(name, f"{name}-logs.gz"))
        if data is None:
            return []
        try:
            return velerolog.errors(gzip.decompress(data).decode(errors="replace"))
        except _BROKEN as error:
            raise Damaged(f"the log of backup {name} is damaged: {error}", "see the log of Velero's server") from error

    def look(self, backup: Backup) -> Look:
        """Whether it can be used; each is read once."""
        if backup.name not in self._looked:
            self._looked[backup.name] = self._look(backup)
        return self._looked[backup.name]

    def _look(self, backup: Backup) -> Look:
        if not backup.good:
            return Look(backup.state)
        try:
            kit = self._member(backup.name, self._velero.kit)
            if kit is None:
                return Look("damaged: it holds no recovery kit of this release")
            return Look("", self._copied(backup.name), str(kit.get("data", {}).get("certificate", "")))
        except Damaged as damaged:
            return Look(f"damaged: {damaged.what}")

    def _backup(self, name: str) -> Backup:
        data = self._bucket.read(self._key(name, "velero-backup.json"))
        if data is None:
            return Backup(name, damaged="has no velero-backup.json: it is being written, or was cut off")
        try:
            found = json.loads(data)
            status = found["status"]
            return Backup(
                name,
                str(status.get("phase") or "New"),
                str(found["metadata"].get("labels", {}).get("velero.io/schedule-name", "")),
                int(status.get("errors", 0)),
                moment(status.get("startTimestamp")),
                moment(status.get("completionTimestamp")),
                moment(status.get("expiration")),
            )
        except _BROKEN as error:
            return Backup(name, damaged=f"has a velero-backup.json that cannot be read: {error}")

    def _member(self, name: str, path: str) -> dict[str, Any] | None:
        """The object, None where there is none; the archive is read to its end, so that damage shows."""
        data = self._bucket.read(self._key(name, f"{name}.tar.gz"))
        if data is None:
            raise Damaged(f"backup {name} has no {name}.tar.gz")
        found = None
        try:
            # gzip compares the sum only at the end, which tarfile does not read.
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
                for entry in archive:
                    stream = archive.extractfile(entry) if entry.name.removeprefix("./") == path else None
                    if stream:
                        found = dict(json.load(stream))
        except _BROKEN as error:
            raise Damaged(f"backup {name} is damaged: {name}.tar.gz cannot be read: {error}") from error
        return found

    def _copied(self, name: str) -> int:
        file = f"{name}-podvolumebackups.json.gz"
        data = self._bucket.read(self._key(name, file))
        if data is None:
            raise Damaged(f"backup {name} has no {file}")
        try:
            copies = [
                copy for copy in json.loads(gzip.decompress(data)) or () if copy["status"]["phase"] == "Completed"
            ]
            total = sum(int(copy["status"].get("progress", {}).get("bytesDone", 0)) for copy in copies)
            namespaces = {str(copy["spec"]["pod"]["namespace"]) for copy in copies}
        except _BROKEN as error:
            raise Damaged(f"backup {name} is damaged: {file} cannot be read: {error}") from error
        if not total:
            raise Damaged(f"backup {name} holds no data: no volume was copied")
        for namespace in sorted(namespaces):
            if self._bucket.read(f"{self._prefix}kopia/{namespace}/kopia.repository") is None:
                raise Damaged(f"backup {name} holds no data: {self.where}/kopia/{namespace} is gone")
        return total

    def _instead(self, name: str) -> str:
        """What to do about a damaged backup: the newest other one that is whole."""
        other = next((b.name for b in self.backups() if b.name != name and not self.look(b).flaw), "")
        return f"take {other}, the newest that is whole" if other else "there is no other whole backup in this place"

    def _key(self, name: str, file: str) -> str:
        return f"{self._prefix}backups/{name}/{file}"
