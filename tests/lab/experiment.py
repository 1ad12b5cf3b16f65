"""One fault, under clients that write to every store that it concerns: what they saw, and when all was well again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from tests.lab.faults import Fault, machine_of, machines_struck
from tests.lab.stores.base import Report, Store, Writing, name_of
from tests.lab.trace import traced


@dataclass(frozen=True)
class Outcome:
    """What one store went through; points in time are seconds since 1970."""

    store: str
    fault: str
    beside: list[str]  # stores struck at the same moment
    leader: str
    machine: str
    struck: float
    mended: float  # when a fault that needs mending was mended, clients having written again
    whole_after: float  # seconds from the strike until every member was back
    report: Report
    divergence: list[str]
    trace: list[tuple[float, str, str]]

    @property
    def struck_stores(self) -> str:
        """The store, and those struck with it: mysql, keycloak+postgresql."""
        return "+".join([self.store, *self.beside])

    @property
    def pause(self) -> float:
        """Seconds without an acknowledged write."""
        return self.report.gap

    def __str__(self) -> str:
        return (
            f"{self.struck_stores}, {self.fault} ({self.leader}): {self.pause:.1f} s without writes, whole after"
            f" {self.whole_after:.0f} s, {self.report.acknowledged} acknowledged, {len(self.report.missing)} lost"
        )


def experiment(fault: Fault, stores: Sequence[Store], seconds: float = 420) -> list[Outcome]:
    """Strike all `stores` with `fault` and wait, `seconds` at most each time, until they are whole again.

    What must be mended by hand (power, network, room) is mended once every client writes again. Raises
    AssertionError where a store does not come back.
    """
    for store in stores:
        store.wait_until_whole(seconds)
    leaders = {store: store.leader() for store in stores}
    with ExitStack() as stack:
        trace = stack.enter_context(traced(stores[0].cluster, stores[0].namespace))
        avoid = machines_struck(fault, leaders)
        clients = [stack.enter_context(store.writing(avoid[0] if len(avoid) == 1 else "")) for store in stores]
        struck = time.time()
        with ExitStack() as mends:
            fault.strike(leaders, mends)
            _wait_for_clients(clients, fault, time.time(), seconds)
        mended = time.time()
        for client in clients:
            client.wait_until_resumed(mended, seconds)
        wholes = _wait_for_all(stores, seconds)
        reports = {client.store: client.finish() for client in clients}
    return [
        Outcome(
            store=store.name,
            fault=fault.name,
            beside=[other.name for other in leaders if other != store],
            leader=name_of(leader),
            machine=machine_of(leader),
            struck=struck,
            mended=mended,
            whole_after=wholes[store] - struck,
            report=reports[store],
            divergence=store.divergence(),
            trace=[line for line in trace.lines if line[1].startswith((f"{store.workload}-", "Kubernetes"))],
        )
        for store, leader in leaders.items()
    ]


def _wait_for_all(stores: Sequence[Store], seconds: float) -> dict[Store, float]:
    """When each was whole, all being waited for at once; seconds since 1970."""

    def whole_at(store: Store) -> float:
        begun = time.time()
        return begun + store.wait_until_whole(seconds)

    with ThreadPoolExecutor(len(stores)) as pool:
        return dict(zip(stores, pool.map(whole_at, stores), strict=True))


def _wait_for_clients(clients: Sequence[Writing], fault: Fault, since: float, seconds: float) -> None:
    """Wait until all write again, or until the fault's patience has ended."""
    if fault.patience is None:
        for client in clients:
            client.wait_until_resumed(since, seconds)
        return
    deadline = time.time() + fault.patience
    while time.time() < deadline and not all(client.progress() > since for client in clients):
        time.sleep(1)
