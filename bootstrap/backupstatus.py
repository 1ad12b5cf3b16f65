"""Whether backups are well: what is wrong and what to do, and how old the newest is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bootstrap import cron, velero
from bootstrap.clients.kube import Manifest
from bootstrap.context import Context
from bootstrap.errors import NotYet
from bootstrap.phases.backups import kit_remedy, kit_trouble
from bootstrap.velero import Velero
from bootstrap.workloads import troubles

# So long nobody asks for a backup after the installation.
GRACE = timedelta(hours=1)
MAKE = "make one now with `python -m bootstrap backup`, and see what it says"


def wrong(context: Context, now: datetime | None = None) -> Iterator[tuple[str, str]]:
    """What is not well, and what to do; nothing where the values take no backups. `now` is this moment if not given."""
    if not context.inventory.backups:
        return
    settings, kube = velero.settings(context.inventory), context.kube
    for trouble in troubles(kube, [pod for pod in kube.pods(settings.namespace) if _lasts(pod)]):
        yield f"{settings.namespace}: {trouble}", trouble.remedy
    if missing := velero.location_trouble(kube, settings):
        yield missing, velero.location_remedy(settings)
    if missing := kit_trouble(kube, settings):
        yield missing, kit_remedy(settings)
    if not settings.read_only:
        yield from _age(context, settings, now or datetime.now(UTC))


def newest(context: Context, now: datetime | None = None) -> str:
    """One line about the newest backup that is whole; nothing where the values take none, or there is no cluster."""
    if not context.inventory.backups:
        return ""
    settings = velero.settings(context.inventory)
    if settings.read_only:
        return "it takes no backups: velero.objectStore.accessMode is ReadOnly"
    try:
        found = velero.newest(velero.known(context.kube, settings), settings)
    except NotYet:
        return ""
    if not found or not found.started:
        return "there is no backup yet"
    return f"newest backup: {found.name}, {velero.age(found.started, now or datetime.now(UTC))} ago"


def _age(context: Context, settings: Velero, now: datetime) -> Iterator[tuple[str, str]]:
    """The newest backup is older than the last two that were due: neither of them has ended well."""
    try:
        schedule = context.kube.get(settings.path("schedules", settings.schedule))
    except NotYet:
        yield f"namespace {settings.namespace} has no Schedule {settings.schedule}", "install the release with `apply`"
        return
    installed = velero.moment(schedule["metadata"]["creationTimestamp"])
    if installed and now - installed < GRACE:
        return
    backups = velero.known(context.kube, settings)
    found = velero.newest(backups, settings)
    last = next((backup for backup in backups if backup.schedule == settings.schedule), None)
    failed = f"; the last, {last.name}, is {last.phase}" if last and last != found else ""
    if not found or not found.started:
        yield f"there is no backup that is whole{failed}", MAKE
        return
    due = list(itertools.islice(cron.due(schedule["spec"]["schedule"], now), 2))
    if len(due) == 2 and found.started < due[1]:
        age = velero.age(found.started, now)
        yield (
            f"the newest whole backup, {found.name}, was made {age} ago; two have been due since"
            f" ({schedule['spec']['schedule']}){failed}",
            MAKE,
        )


def _lasts(pod: Manifest) -> bool:
    """Not those that copy or tidy up, which come and go."""
    return any(owner["kind"] in ("ReplicaSet", "DaemonSet") for owner in pod["metadata"].get("ownerReferences", ()))
