"""The backup that a restore brings back: found and opened before anything is touched."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime

from bootstrap import objectstore, restoremark, sealing, velero
from bootstrap.clients.kube import Manifest
from bootstrap.context import Context
from bootstrap.errors import Problem
from bootstrap.objectstore import LATEST, Backup, ObjectStore
from bootstrap.restoremark import Stage
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
        if self._asked != LATEST:
            return self.store.named(self._asked)
        if begun := self._begun():
            self._context.console.note(f"    {LATEST}: {begun}, whose restore has put data into the stores already")
            return self.store.named(begun)
        found, passed_over = self.store.newest()
        for backup in passed_over:
            self._context.console.note(
                f"    {LATEST}: passed over {backup.name}, which is {self.store.look(backup).state}"
            )
        return found

    def _begun(self) -> str:
        """The backup whose restore can only be gone on with; nothing where there is none, or no cluster answers."""
        try:
            self._context.kube.version()
        except Problem:
            return ""
        mark = restoremark.read(self._context)
        return mark.backup if mark and mark.stage is not Stage.BEGUN else ""

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
                f"take one that is whole: `{LATEST}` is the newest of them",
            )
        if (kit.release, kit.namespace) != (platform.release, platform.namespace):
            raise Problem(
                f"backup {backup.name} is of release {kit.release} in namespace {kit.namespace}; the inventory names"
                f" {platform.release} in {platform.namespace}",
                "name that release and namespace in the inventory (platform.release, platform.namespace)",
            )
        copied = self.store.copied(backup.name)
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
    """A backup as people are shown it; `usable` with the recovery key of this computer."""

    name: str
    made: str
    kept_until: str
    state: str
    usable: bool


def listed(context: Context) -> list[Listed]:
    """All backups of the object store, the newest first; each is read. Raises Problem where there is none."""
    store = objectstore.of(context.inventory)
    ours = _fingerprint(context)
    rows = []
    for backup in store.backups():
        look = store.look(backup)
        opens = not look.flaw and look.sealed_for == ours
        state = look.state if look.flaw or opens else f"{look.state}; sealed for another key ({look.sealed_for})"
        made = f"{backup.started:%Y-%m-%d %H:%M}" if backup.started else ""
        rows.append(Listed(backup.name, made, f"{backup.expires:%Y-%m-%d}" if backup.expires else "", state, opens))
    return rows


def _fingerprint(context: Context) -> str:
    """Of the recovery key on this computer; nothing where there is none."""
    assert context.inventory.backups
    key = context.inventory.backups.recovery_key
    return sealing.fingerprint(sealing.certificate(key)) if key.exists() else ""


def unfinished(context: Context) -> None:
    """Raises Problem where the stores wait for data: services may not start on what is there."""
    mark = restoremark.read(context)
    if mark and mark.stage is not Stage.LOADED:
        raise Problem(
            f"the restore of {mark.backup} has not ended: the stores do not hold all of its data, so services may not"
            " start",
            f"run `python -m bootstrap restore {mark.backup} {context.inventory.file}` again: it goes on where it"
            " stopped",
        )
