"""What a standby does about the active node, as its rounds show it."""

from __future__ import annotations

import pytest
from holder import SILENT, Health, Holder, Own, Step

ACTIVE = Health(initialized=True, sealed=False, standby=False)
STANDBY = Health(initialized=True, sealed=False, standby=True)
HELD, FREE = "session", ""
HUNG = "takes the connection and says nothing"
# A round: the time, what the holder says (None: not asked, its address is not known), whose the lock is in Consul
# (None: Consul does not say). What Consul is asked to take from the holder it does.
Round = tuple[float, Health | str | None, str | None]
WELL: list[Round] = [(0, None, HELD), (1, ACTIVE, HELD), (2, ACTIVE, HELD)]

GONE: list[Round] = [*WELL, (3, SILENT, HELD), (7, SILENT, HELD)]
RELEASED = (7, Step.RELEASE)


def steps(rounds: list[Round]) -> list[tuple[float, Step]]:
    holder = Holder()
    due: list[tuple[float, Step]] = []
    for now, health, session in rounds:
        if isinstance(health, Health):
            holder.answers(health, now)
        elif health == HUNG:
            holder.hangs(now)
        if session is not None and (step := holder.holds(session, now)) is not Step.NOTHING:
            due.append((now, step))
            if step is Step.RELEASE:
                holder.given_back()
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
        pytest.param([(0, None, HELD), (1, STANDBY, HELD), (90, STANDBY, HELD)], [], id="it has just taken the lock"),
        pytest.param([*WELL, (3, HUNG, HELD), (7, HUNG, HELD), (17.9, HUNG, HELD)], [], id="busy"),
        pytest.param([*WELL, (3, HUNG, HELD), (18, HUNG, HELD)], [(18, Step.RELEASE)], id="hung"),
        pytest.param([*WELL, (3, HUNG, HELD), (17, ACTIVE, HELD), (19, HUNG, HELD)], [], id="busy twice"),
        pytest.param(
            [*WELL, (3, HUNG, HELD), (6, SILENT, HELD), (10, SILENT, HELD)], [(10, Step.RELEASE)], id="hung, then gone"
        ),
        pytest.param(
            [(0, None, HELD), (1, STANDBY, HELD), (121, STANDBY, HELD)], [(121, Step.RELEASE)], id="idle for too long"
        ),
        pytest.param(
            [*WELL, (3, SILENT, HELD), (7, SILENT, "another"), (8, STANDBY, "another"), (20, ACTIVE, "another")],
            [],
            id="another took over",
        ),
        pytest.param([*GONE, (8, None, FREE), (9, None, "another")], [RELEASED], id="given back, and taken"),
        pytest.param(
            [*GONE, (8, None, FREE), (9, None, FREE), (10, None, FREE), (11, None, FREE), (60, None, FREE)],
            [RELEASED, (10, Step.RESTART)],
            id="given back, and nobody takes it: once",
        ),
        pytest.param(
            [*GONE, (8, None, FREE), (9, None, "another"), (50, None, FREE), (60, None, FREE)],
            [RELEASED],
            id="given back, taken, and free again",
        ),
        pytest.param([*WELL, (3, None, FREE), (60, None, FREE)], [], id="free, but nobody here gave it back"),
        pytest.param([(0, None, FREE), (60, None, FREE)], [], id="never held: the first start"),
    ],
)
def test_a_lock_is_given_back_and_taken(rounds: list[Round], due: list[tuple[float, Step]]) -> None:
    assert steps(rounds) == due


@pytest.mark.parametrize(
    ("said", "due"),
    [
        pytest.param([(0, False), (10, False), (60, False)], [], id="well"),
        pytest.param([(0, True), (4, True), (5, False)], [], id="just being sealed"),
        pytest.param([(0, True), (4, True), (5, True), (6, True)], [5], id="sealed behind its word: once"),
        pytest.param([(0, True), (3, False), (4, True), (8, True)], [], id="twice for a moment"),
        pytest.param([(0, True), (5, True), (6, True), (11, True)], [5, 11], id="again after its new start"),
    ],
)
def test_a_vault_that_only_says_that_it_is_unsealed_is_started_anew(
    said: list[tuple[float, bool]], due: list[float]
) -> None:
    own = Own()
    assert [now for now, sealed in said if own.says(sealed=sealed, now=now) is Step.RESTART] == due
