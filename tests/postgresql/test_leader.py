"""When a standby frees the lock of a leader that is gone, and when it must not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pg_leader
import pytest
from pg_leader import Lock, Patience

LEADER = "custos-postgresql-1"


@pytest.mark.parametrize(
    ("events", "freed"),
    [
        pytest.param([(0, "5"), (3, "5"), (6, "5")], "5", id="silent and never renewed"),
        pytest.param([(0, "5"), (3, "5"), (5.9, "5")], None, id="not yet"),
        pytest.param([(0, "5"), (3, "6"), (6, "6")], None, id="renewed meanwhile: counted anew"),
        pytest.param([(0, "5"), (3, "6"), (9, "6")], "6", id="renewed, then no more"),
        pytest.param([(0, "5"), (3, None), (6, "5")], None, id="a sign of life: counted anew"),
        pytest.param([(0, "5"), (3, None), (6, "5"), (12, "5")], "5", id="a sign of life, then none"),
    ],
)
def test_patience(events: list[tuple[float, str | None]], freed: str | None) -> None:
    version = ""
    patience = Patience(6, lambda: Lock(LEADER, version))
    lock = None
    for now, seen in events:
        if seen is None:
            patience.sign_of_life()
            lock = None
            continue
        version = seen
        lock = patience.silence(LEADER, now)
    assert (lock.version if lock else None) == freed


def test_a_lock_that_another_holds_is_left_alone() -> None:
    patience = Patience(6, lambda: Lock("custos-postgresql-2", "5"))
    assert [patience.silence(LEADER, now) for now in (0, 6, 12)] == [None, None, None]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_an_answer_and_a_refusal_are_signs_of_life(stack: ExitStack) -> None:
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    port = server.getsockname()[1]
    assert not pg_leader.is_silent("127.0.0.1", port)
    server.close()
    assert not pg_leader.is_silent("127.0.0.1", port)


def test_no_answer_at_all_is_silence(stack: ExitStack) -> None:
    """A server whose queue is full drops what comes, as the network of a dead machine does."""
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    port = server.getsockname()[1]
    for _ in range(4):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(("127.0.0.1", port))
    assert pg_leader.is_silent("127.0.0.1", port, seconds=0.3)
