"""preStop of the container `postgresql`: hands the primary's role to another member while this one can still help.

It never holds a shutdown up for longer than WAIT_SECONDS, and does nothing where nobody stays: PostgreSQL then ends
cleanly, and whoever comes back first finds everything on its own volume.
"""

from __future__ import annotations

import os
import sys

import pg_api
import pg_cluster
import pg_members

WAIT_SECONDS = 20


def main() -> int:
    """Hand over where that makes sense. Returns 0 always: a hook that fails only makes noise."""
    me = os.environ["POD_NAME"]
    try:
        members = pg_api.ask("GET", "/cluster", seconds=3)["members"]
        leaving = {pod["metadata"]["name"] for pod in pg_cluster.pods() if pod["metadata"].get("deletionTimestamp")}
        settings = pg_cluster.config_map(f"{os.environ['SCOPE']}-settings")
        heir = pg_members.successor(me, members, leaving, int(settings["data"]["replicas"]))
        if heir:
            pg_api.ask("POST", "/switchover", {"leader": me, "candidate": heir}, seconds=WAIT_SECONDS)
    except (pg_api.ApiError, pg_cluster.ClusterError) as error:
        print(f"pg_prestop: not handed over, the shutdown does it: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
