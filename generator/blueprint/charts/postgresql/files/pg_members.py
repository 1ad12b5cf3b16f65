"""Questions about the members as Patroni's /cluster lists them."""

from __future__ import annotations

import re
from typing import Any

Members = list[dict[str, Any]]
# In quorum commit every standby in the quorum may take over; the others are not asked.
SYNCED = ("quorum_standby", "sync_standby")


def leader_of(members: Members) -> dict[str, Any] | None:
    """The leader among Patroni's members."""
    return next((member for member in members if member["role"] == "leader" and member.get("host")), None)


def successor(me: str, members: Members, leaving: set[str], replicas: int) -> str | None:
    """The member to hand over to, or None. `members` as Patroni's /cluster lists them.

    One that stays: neither being deleted nor about to be, because the StatefulSet shrinks. The highest
    number first: a rolling update begins there, so that this one is new already and leads to the end of it.
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
    return max(staying)[1] if leads and staying else None


def ordinal(pod: str) -> int:
    """The number at the end of a StatefulSet's pod."""
    found = re.search(r"-([0-9]+)$", pod)
    return int(found[1]) if found else 0


def next_to_restart(members: Members) -> str | None:
    """The member whose turn it is to restart for a setting, or None: a leader last, nobody while one is on its way."""
    if any(member["state"] not in ("running", "streaming") for member in members):
        return None
    waiting = [member for member in members if member.get("pending_restart")]
    waiting.sort(key=lambda member: (member["role"] == "leader", member["name"]))
    return str(waiting[0]["name"]) if waiting else None
