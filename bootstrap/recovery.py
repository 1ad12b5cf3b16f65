"""The backup that a restore brings back: found and opened before anything is touched."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime

from bootstrap import chart, objectstore, sealing, velero
from bootstrap.clients.kube import Manifest
from bootstrap.context import Context
from bootstrap.errors import NotYet, Problem
from bootstrap.objectstore import Backup, ObjectStore
from bootstrap.sealing import Kit


class Recovery:
    """One backup of the inventory's object store, by its name or `latest`. Methods raise Problem."""

    def __init__(self, context: Context, name: str) -> None:
        self._context, self._asked = context, name

    @functools.cached_property
    def store(self) -> ObjectStore:
        """Where it lies."""
        return objectstore.of(self._context.inventory)

    @functools.cached_property
    def backup(self) -> Backup:
        """What the store says of it."""
        return self.store.named(self._asked)

    @functools.cached_property
    def kit(self) -> Kit:
        """Its recovery kit, opened."""
        inventory = self._context.inventory
        assert inventory.backups
        found = self.store.member(self.backup.name, velero.settings(inventory).kit).get("data", {})
        return sealing.open_kit(
            str(found.get("kit.pem", "")),
            str(found.get("certificate", "")),
            inventory.backups.recovery_key,
            self.backup.name,
        )

    def check(self, context: Context) -> None:
        """Raises Problem where the backup is not whole, cannot be opened, or is of another platform."""
        platform, backup, kit = context.inventory.platform, self.backup, self.kit
        if not backup.good:
            raise Problem(
                f"backup {backup.name} is {backup.state}",
                "take one that is Completed: `latest` is the newest of them",
            )
        copied = self.store.copied(backup.name)
        if (kit.release, kit.namespace) != (platform.release, platform.namespace):
            raise Problem(
                f"backup {backup.name} is of release {kit.release} in namespace {kit.namespace}; the inventory names"
                f" {platform.release} in {platform.namespace}",
                "name that release and namespace in the inventory (platform.release, platform.namespace)",
            )
        age = f", {self.age()} old" if backup.started else ""
        context.console.note(f"    backup {backup.name}{age}: {copied:,} bytes of dumps, {len(kit.secrets)} Secrets")

    def age(self) -> str:
        """How old the data is by now, as people say it."""
        assert self.backup.started
        return velero.age(self.backup.started, datetime.now(UTC))

    def secrets(self, context: Context) -> list[Manifest]:
        """The kit's Secrets, as they are made in the release's namespace."""
        return self.kit.manifests(context.inventory.platform.namespace)


@dataclass(frozen=True)
class Listed:
    """A backup as people are shown it."""

    name: str
    made: str
    state: str
    usable: bool


def listed(context: Context) -> list[Listed]:
    """All backups of the object store, the newest first; each is read. Raises Problem where there is none."""
    store = objectstore.of(context.inventory)
    rows = []
    for backup in store.backups():
        copied, state = store.whole(backup), backup.state
        if copied:
            state = f"whole, {copied:,} bytes"
        elif backup.good:
            state = "damaged: what Velero wrote about it cannot be read to its end, or no volume was copied"
        made = f"{backup.started:%Y-%m-%d %H:%M:%S} UTC" if backup.started else ""
        rows.append(Listed(backup.name, made, state, copied > 0))
    return rows


def unfinished(context: Context) -> None:
    """Raises Problem where the release waits for data, and this run is not the one that brings it."""
    platform = context.inventory.platform
    try:
        context.kube  # noqa: B018 - raises NotYet where there is no cluster
    except NotYet:
        return
    found = context.helm.release(platform.release, platform.namespace)
    backup = chart.restoring(found.description) if found else ""
    if backup and not context.restoring and not context.restored:
        raise Problem(
            f"the restore of {backup} has not ended: the stores do not hold all of its data, so services may not start",
            f"run `python -m bootstrap restore {backup} {context.inventory.file}` again: it goes on where it stopped",
        )
