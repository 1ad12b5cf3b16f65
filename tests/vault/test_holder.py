"""What a standby does about the active node, as its rounds show it."""

from __future__ import annotations

import pytest
from holder import SILENT, Health, Holder, Step

ACTIVE = Health(initialized=True, sealed=False, standby=False)
STANDBY = Health(initialized=True, sealed=False, standby=True)
HELD, FREE = "session", ""
# A round: the time, what the holder says (None: not asked, its address is not known), whose the lock is in Consul
# (None: Consul does not say).
Round = tuple[float, Health | None, str | None]
WELL: list[Round] = [(0, None, HELD), (1, ACTIVE, HELD), (2, ACTIVE, HELD)]


def steps(rounds: list[Round]) -> list[tuple[float, Step]]:
    holder = Holder()
    due: list[tuple[float, Step]] = []
    for now, health, session in rounds:
        if health is not None:
            holder.answers(health, now)
        if session is not None and (step := holder.holds(session, now)) is not Step.NOTHING:
            due.append((now, step))
    return due


@pytest.mark.parametrize(
    ("rounds", "due"),
    [
        pytest.param([*WELL, (100, ACTIVE, HELD)], [], id="all is well"),
        pytest.param([*WELL, (3, SILENT, HELD), (5, SILENT, HELD), (6, ACTIVE, HELD)], [], id="silent for a moment"),
        pytest.param([*WELL, (3, SILENT, HELD), (6.9, SILENT, HELD)], [], id="not yet"),
        pytest.param([*WELL, (3, SILENT, HELD), (7, SILENT, HELD)], [(7, Step.RELEASE)], id="gone"),
        pytest.param(
            [*WELL, (3, SILENT, HELD), (7, SILENT, HELD), (8, SILENT, HELD)],
            [(7, Step.RELEASE), (8, Step.RELEASE)],
            id="gone, and Consul did not give the lock back",
        ),
        pytest.param(
            [*WELL, (3, SILENT, None), (6, SILENT, None), (9, SILENT, HELD)],
            [(9, Step.RELEASE)],
            id="gone, and Consul has no leader for a while",
        ),
        pytest.param([*WELL, (3, STANDBY, HELD), (7, STANDBY, HELD)], [(7, Step.RELEASE)], id="it lost its place"),
        pytest.param([(0, None, HELD), (1, STANDBY, HELD), (20, STANDBY, HELD)], [], id="it has just taken the lock"),
        pytest.param(
            [(0, None, HELD), (1, STANDBY, HELD), (31, STANDBY, HELD)], [(31, Step.RELEASE)], id="idle for too long"
        ),
        pytest.param(
            [*WELL, (3, SILENT, HELD), (7, SILENT, "another"), (8, STANDBY, "another"), (20, ACTIVE, "another")],
            [],
            id="another took over",
        ),
        pytest.param([*WELL, (3, None, FREE), (4, None, "another")], [], id="free for a moment"),
        pytest.param(
            [*WELL, (3, None, FREE), (4, None, FREE), (5, None, FREE), (6, None, FREE), (60, None, FREE)],
            [(5, Step.RESTART)],
            id="nobody takes it: once",
        ),
        pytest.param(
            [*WELL, (3, None, FREE), (5, None, FREE), (9, None, "another"), (50, None, FREE), (52, None, FREE)],
            [(5, Step.RESTART), (52, Step.RESTART)],
            id="nobody takes it: once each time",
        ),
        pytest.param([(0, None, FREE), (60, None, FREE)], [], id="never held: the first start"),
    ],
)
def test_a_lock_is_given_back_and_taken(rounds: list[Round], due: list[tuple[float, Step]]) -> None:
    assert steps(rounds) == due
