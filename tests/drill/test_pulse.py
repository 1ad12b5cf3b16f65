"""What the clients of the drill say of themselves."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tests.clients import pulse


class Store:
    """Refuses the numbers of `fails`, acknowledges those of `lost` and forgets them, ends the writing at `last`."""

    stop: Callable[[], None]

    def __init__(
        self, fails: dict[int, str], last: int, lost: frozenset[int] = frozenset(), steps: bool = True
    ) -> None:
        self.fails, self.last, self.lost, self.steps = fails, last, lost, steps
        self.kept: set[int] = set()
        self.closed = 0

    def write(self, number: int) -> None:
        if self.steps:
            pulse.step("connect")
        if number >= self.last:
            self.stop()
        if number in self.fails:
            raise ConnectionRefusedError(self.fails[number])
        if self.steps:
            pulse.step("insert")
        self.kept.add(number)

    def numbers(self) -> set[int]:
        return self.kept - self.lost

    def close(self) -> None:
        self.closed += 1


def beaten(store: Store) -> dict[str, object]:
    options = argparse.Namespace(interval=0, seconds=60, progress="")
    beat = pulse.Pulse(store, options)
    store.stop = beat.stop
    beat.write()
    return beat.report()


def test_what_failed_and_what_followed_is_told_step_by_step() -> None:
    store = Store({2: "refused", 3: "refused", 4: "no route"}, last=6)
    report = beaten(store)
    attempts = report["attempts"]
    assert isinstance(attempts, list)
    assert [(count, what) for _, _, count, what in attempts[:2]] == [
        (2, "connect: refused"),
        (1, "connect: no route"),
    ]
    (_, _, count, what) = attempts[2]
    assert count == 1 and what.startswith("acknowledged: connect 0.") and ", insert 0." in what
    assert len(attempts) == 3, "a success that is neither slow nor the first again is not told"
    assert report["errors"] == {"refused": 2, "no route": 1} and store.closed == 3
    assert report["acknowledged"] == 3


def test_an_acknowledged_number_that_is_not_there_is_missing() -> None:
    report = beaten(Store({2: "refused"}, last=4, lost=frozenset({2, 3})))
    assert report["missing"] == [3], "2 was never acknowledged"


def test_a_client_need_not_tell_its_steps() -> None:
    attempts = beaten(Store({1: "refused"}, last=3, steps=False))["attempts"]
    assert isinstance(attempts, list)
    assert [(count, what) for _, _, count, what in attempts] == [(1, "refused"), (1, "acknowledged")]
