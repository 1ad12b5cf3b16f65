"""Clients write to every store every 50 ms while a fault strikes: what was acknowledged is there afterwards.

Each test prints the seconds without writes; they judge nothing here. `make drill` measures them again and again, and
strikes every store with every fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from bootstrap.inventory import Inventory
from tests.lab.cluster import Cluster, is_ready, wait_for
from tests.lab.experiment import Outcome, experiment
from tests.lab.faults import FAULTS
from tests.lab.stores import STORES
from tests.lab.stores.base import Store

Show = Callable[[Sequence[Outcome]], None]


@pytest.fixture(scope="module")
def stores(cluster: Cluster, inventory: Inventory) -> list[Store]:
    """The stores of the installed platform."""
    platform = inventory.platform
    found = [kind(cluster, platform.release, platform.namespace) for kind in STORES.values()]
    installed = [store for store in found if store.is_installed()]
    assert installed, "the release has no store: see `python -m bootstrap status inventories/lab.yaml`"
    return installed


@pytest.fixture
def judge(capsys: pytest.CaptureFixture[str]) -> Show:
    """Prints what the clients saw, also where the test passes; then nothing acknowledged may be missing."""

    def judged(outcomes: Sequence[Outcome]) -> None:
        with capsys.disabled():
            for outcome in outcomes:
                print(f"\n  {outcome}; errors: {outcome.report.errors}", end="")
        for outcome in outcomes:
            assert outcome.report.missing == [], outcome.store
            assert outcome.report.acknowledged > 20, outcome.store
            assert outcome.divergence == [], outcome.store

    return judged


@pytest.mark.parametrize("name", STORES)
def test_the_leaders_process_is_killed(stores: list[Store], name: str, judge: Show) -> None:
    chosen = [store for store in stores if store.name == name]
    assert chosen, f"{name} is not in this release"
    judge(experiment(FAULTS["kill"], chosen))


@pytest.mark.parametrize("fault", ["delete", "wipe", "delete-all"])
def test_mysql_survives(stores: list[Store], fault: str, judge: Show) -> None:
    judge(experiment(FAULTS[fault], [store for store in stores if store.name == "mysql"]))


def test_a_machine_loses_power_and_comes_back(stores: list[Store], judge: Show, cluster: Cluster) -> None:
    """That of MySQL's primary, with all that runs there; in the end the whole platform is well."""
    mysql = next(store for store in stores if store.name == "mysql")
    judge(experiment(FAULTS["power-off"], [mysql]))
    ready = wait_for("all pods ready", lambda: all(map(is_ready, cluster.pods(mysql.namespace))), seconds=600, steady=5)
    assert "Phase:          Succeeded" in cluster.helm("test", mysql.release, "-n", mysql.namespace), (
        f"after {ready:.0f} s"
    )
