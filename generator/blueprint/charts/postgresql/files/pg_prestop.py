"""preStop of the container `postgresql`: hands the primary's role to another member while this one can still help.

It never holds a shutdown up for longer than WAIT_SECONDS, and does nothing where nobody stays: PostgreSQL then ends
cleanly, and whoever comes back first finds everything on its own volume.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import pg_api
import pg_cluster

WAIT_SECONDS = 20
# In quorum commit every standby in the quorum may take over; the others are not asked.
SYNCED = ("quorum_standby", "sync_standby")


def successor(me: str, members: list[dict[str, Any]], leaving: set[str], replicas: int) -> str | None:
    """The member to hand over to, or None. `members` as Patroni's /cluster lists them.

    One that stays: neither being deleted nor about to be, because the StatefulSet shrinks; the lowest number first.
    """
    leads = any(member["name"] == me and member["role"] == "leader" for member in members)
    staying = [
        (ordinal(member["name"]), member["name"])
        for member in members
        if member["role"] in SYNCED
        and member["state"] in ("streaming", "running")
        and member["name"] not in leaving
        and ordinal(member["name"]) < replicas
    ]
    return min(staying)[1] if leads and staying else None


def ordinal(pod: str) -> int:
    """The number at the end of a StatefulSet's pod."""
    found = re.search(r"-([0-9]+)$", pod)
    return int(found[1]) if found else 0


def main() -> int:
    """Hand over where that makes sense. Returns 0 always: a hook that fails only makes noise."""
    me = os.environ["POD_NAME"]
    try:
        members = pg_api.ask("GET", "/cluster", seconds=3)["members"]
        leaving = {pod["metadata"]["name"] for pod in pg_cluster.pods() if pod["metadata"].get("deletionTimestamp")}
        settings = pg_cluster.config_map(f"{os.environ['SCOPE']}-settings")
        heir = successor(me, members, leaving, int(settings["data"]["replicas"]))
        if heir:
            pg_api.ask("POST", "/switchover", {"leader": me, "candidate": heir}, seconds=WAIT_SECONDS)
    except (pg_api.ApiError, pg_cluster.ClusterError) as error:
        print(f"pg_prestop: not handed over, the shutdown does it: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
