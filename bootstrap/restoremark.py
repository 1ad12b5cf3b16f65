"""The note in the cluster that a restore is under way, which outlives the run that wrote it and the computer it ran on.

ConfigMap `<release>-restore`: which backup, and how far. Helm's own record of a release is no place for it: a revision
that was cut off does not say what it was for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bootstrap import velero
from bootstrap.context import Context
from bootstrap.errors import NotYet, Problem


class Stage(StrEnum):
    """How far the restore is."""

    BEGUN = "begun"  # stores are made, and empty
    LOADING = "loading"  # some data may be in them
    LOADED = "loaded"  # all of it is, and services may have begun to write


@dataclass(frozen=True)
class Mark:
    """A restore that has not ended."""

    backup: str
    stage: Stage


def read(context: Context) -> Mark | None:
    """What the cluster says; None where no restore is under way, or there is no cluster yet. Raises Problem."""
    try:
        found = context.kube.get(_path(context)).get("data", {})
    except NotYet:
        return None
    try:
        return Mark(found["backup"], Stage(found["stage"]))
    except (KeyError, ValueError) as error:
        name = _name(context)
        raise Problem(
            f"ConfigMap {context.inventory.platform.namespace}/{name} does not say how far a restore is: {found}",
            f"it wants backup, and stage ({', '.join(Stage)}): put them back, or restore into an empty cluster",
        ) from error


def write(context: Context, mark: Mark) -> None:
    """Note it, in place of what was noted before."""
    context.kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _name(context), "namespace": context.inventory.platform.namespace},
            "data": {"backup": mark.backup, "stage": mark.stage.value},
        }
    )


def remove(context: Context) -> None:
    """The restore has ended."""
    context.kube.delete(_path(context))


def _name(context: Context) -> str:
    return velero.own(context.inventory.platform.release, "restore")


def _path(context: Context) -> str:
    return f"/api/v1/namespaces/{context.inventory.platform.namespace}/configmaps/{_name(context)}"
