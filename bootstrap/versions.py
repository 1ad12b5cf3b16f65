"""Versions that must not run beside one another: an upgrade that would roll from one to the other is refused."""

from __future__ import annotations

from bootstrap.context import Context
from bootstrap.errors import Problem
from bootstrap.upgrade import meetings

# On a Deployment: pods of another line may not run beside its own.
LINE = "custos-platform/version-line"
# And what to set so that the old ones end first.
SWITCH = "custos-platform/version-switch"


def keep_apart(context: Context) -> None:
    """Raise Problem where a Deployment would roll from one line of versions to another."""
    for _, live, wanted in meetings(context, "Deployment"):
        before, after = (side["metadata"].get("annotations", {}).get(LINE, "") for side in (live, wanted))
        rolls = wanted["spec"].get("strategy", {}).get("type") != "Recreate"
        if before and after and before != after and rolls and live["spec"].get("replicas"):
            switch = wanted["metadata"]["annotations"].get(SWITCH, "")
            raise Problem(
                f"Deployment {wanted['metadata']['name']}: {before} runs, the values ask for {after}, and the two must"
                " not run beside one another, as they would during a rolling update; nothing was changed",
                f"set {switch} together with the new version, and take it back afterwards; or stay on {before}",
            )
