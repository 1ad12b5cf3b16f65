"""Patroni's callback for start and change of role: `pg_role.py ACTION ROLE SCOPE`."""

from __future__ import annotations

import os
import sys

import pg_cluster


def main(arguments: list[str]) -> int:
    """A new primary takes the label from the old one. Returns the exit code."""
    role = arguments[1]
    if role != "primary":
        return 0
    try:
        taken = pg_cluster.take_label_from_others(os.environ["POD_NAME"])
    except pg_cluster.ClusterError as error:
        print(f"pg_role: the old primary keeps its label until the agent takes it: {error}", file=sys.stderr)
        return 1
    if taken:
        print(f"pg_role: took the label from {', '.join(taken)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
