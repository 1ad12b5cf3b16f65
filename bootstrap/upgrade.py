"""What an upgrade that is due would do to workloads that are there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bootstrap.chart import rendered
from bootstrap.clients.kube import Manifest, placed
from bootstrap.context import Context
from bootstrap.errors import NotYet


class Meeting(NamedTuple):
    """A workload as it is in the cluster, at this API path, and as the chart wants it."""

    path: str
    live: Manifest
    wanted: Manifest


def meetings(context: Context, kind: str) -> Iterator[Meeting]:
    """Each workload of this kind that is there and in the chart; none where that very chart is installed."""
    platform, kube = context.inventory.platform, context.kube
    chart = rendered(context)
    found = context.helm.release(platform.release, platform.namespace)
    if not found or found.description == chart.description:
        return
    for wanted in context.helm.template(platform.release, platform.namespace, chart.folder):
        if wanted["kind"] == kind:
            path = kube.path(placed(wanted, platform.namespace))
            try:
                yield Meeting(path, kube.get(path), wanted)
            except NotYet:
                continue
