"""Who takes over, and who restarts next: from Patroni's list of members."""

from __future__ import annotations

import pg_members
import pytest


def members(*texts: str) -> pg_members.Members:
    """Members from texts like `0 leader running`, with `pending` at the end where a restart is."""
    fields = [text.split() for text in texts]
    return [
        {"name": f"custos-postgresql-{number}", "role": role, "state": state, "host": "127.0.0.1"}
        | ({"pending_restart": True} if more else {})
        for number, role, state, *more in fields
    ]


WHOLE = members("0 quorum_standby streaming", "1 leader running", "2 quorum_standby streaming")


@pytest.mark.parametrize(
    ("me", "found", "leaving", "replicas", "heir"),
    [
        pytest.param(1, WHOLE, [], 3, 2, id="the highest number"),
        pytest.param(0, WHOLE, [], 3, None, id="who does not lead hands nothing over"),
        pytest.param(1, WHOLE, [2], 3, 0, id="not to one that leaves as well"),
        pytest.param(1, WHOLE, [0, 2], 3, None, id="all are leaving"),
        pytest.param(1, WHOLE, [0], 1, None, id="the set shrinks to one that is leaving"),
        pytest.param(1, WHOLE, [], 1, 0, id="the set shrinks to one"),
        pytest.param(1, members("0 replica streaming", "1 leader running"), [], 3, None, id="one without all writes"),
        pytest.param(1, members("0 quorum_standby starting", "1 leader running"), [], 3, None, id="one that starts"),
        pytest.param(0, [], [], 3, None, id="nobody is known"),
    ],
)
def test_successor(me: int, found: pg_members.Members, leaving: list[int], replicas: int, heir: int | None) -> None:
    names = {f"custos-postgresql-{number}" for number in leaving}
    expected = None if heir is None else f"custos-postgresql-{heir}"
    assert pg_members.successor(f"custos-postgresql-{me}", found, names, replicas) == expected


@pytest.mark.parametrize(
    ("found", "turn"),
    [
        pytest.param(WHOLE, None, id="nothing to do"),
        pytest.param(members("0 leader running pending", "1 replica streaming pending"), 1, id="a leader last"),
        pytest.param(members("0 leader running pending", "1 replica streaming"), 0, id="the leader at last"),
        pytest.param(
            members("0 replica streaming pending", "1 replica streaming pending"), 0, id="one after the other"
        ),
        pytest.param(members("0 replica starting", "1 replica streaming pending"), None, id="none while one starts"),
    ],
)
def test_next_to_restart(found: pg_members.Members, turn: int | None) -> None:
    assert pg_members.next_to_restart(found) == (None if turn is None else f"custos-postgresql-{turn}")


def test_leader() -> None:
    leader = pg_members.leader_of(WHOLE)
    assert leader and leader["name"] == "custos-postgresql-1"
    assert pg_members.leader_of(members("0 replica streaming")) is None
