"""Rules between the keys of the backups: where they go, and who has that namespace for himself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generator.errors import Finding

if TYPE_CHECKING:
    from generator.checks import Context


def the_backups(context: Context) -> Iterator[Finding]:
    """Velero has a namespace of its own, and a CA is for a store that is spoken to by TLS and is not Amazon's."""
    get = context.values.get
    if get("global.restoring") and not get("velero.enabled"):
        yield context.finding(
            "global.restoring",
            "is set, but there is no Velero to bring a backup back (velero.enabled is false)",
            mend="leave it out; bootstrap restore sets it where it is needed",
        )
    if not get("velero.enabled"):
        return
    namespace = get("velero.namespace")
    if namespace == "default" or namespace.startswith("kube-"):
        yield context.finding(
            "velero.namespace",
            "is not free: the chart makes this namespace, opens it to privileged pods and closes its network",
            allowed="a namespace for Velero alone, and not the release's own",
            mend="leave it out",
        )
    url = get("velero.objectStore.url")
    if get("velero.objectStore.caCert") and not url.startswith("https://"):
        store = "is spoken to without TLS" if url else "is Amazon's, which has a public one"
        yield context.finding(
            "velero.objectStore.caCert",
            f"has no use: the object store {store}",
            found=None,
            mend="leave it out" + ("" if not url else ", or begin velero.objectStore.url with https://"),
        )


def place_of_backups(context: Context) -> Iterator[Finding]:
    """Backups go somewhere."""
    if context.values.get("velero.enabled") and not context.values.get("velero.objectStore.bucket"):
        yield context.finding(
            "velero.objectStore.bucket",
            "is empty, and backups need a place",
            allowed="the name of a bucket that is there",
            mend="name it, and velero.objectStore.url where the store is not Amazon's; or set velero.enabled to false",
        )
