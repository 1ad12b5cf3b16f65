"""Logins and token refreshes go on over the loss of a replica, of the database's leader, and of both at once."""

from __future__ import annotations

import pytest

from bootstrap.inventory import Inventory
from tests.lab.cluster import Cluster
from tests.lab.experiment import Outcome, experiment
from tests.lab.faults import FAULTS
from tests.lab.stores.keycloak import Keycloak
from tests.lab.stores.postgresql import Postgresql

pytestmark = pytest.mark.drill


@pytest.fixture
def keycloak(cluster: Cluster, inventory: Inventory) -> Keycloak:
    """The Keycloak of the installed platform."""
    return Keycloak(cluster, inventory.platform.release, inventory.platform.namespace)


@pytest.fixture
def postgresql(cluster: Cluster, inventory: Inventory) -> Postgresql:
    """Its database."""
    return Postgresql(cluster, inventory.platform.release, inventory.platform.namespace)


def shown(outcomes: list[Outcome], capsys: pytest.CaptureFixture[str]) -> Outcome:
    """Prints all outcomes; returns Keycloak's."""
    with capsys.disabled():
        for outcome in outcomes:
            print(f"\n  {outcome}; errors: {outcome.report.errors}", end="")
    return next(outcome for outcome in outcomes if outcome.store == "keycloak")


def test_no_login_is_lost_when_a_replica_is_deleted(keycloak: Keycloak, capsys: pytest.CaptureFixture[str]) -> None:
    """The client tries each login twice, a second apart."""
    outcome = shown(experiment(FAULTS["delete"], [keycloak]), capsys)
    assert outcome.report.missing == []
    assert outcome.report.errors == {}


@pytest.mark.parametrize("fault", ["kill", "delete"])
def test_sessions_survive_a_replica_and_the_databases_leader_together(
    keycloak: Keycloak, postgresql: Postgresql, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = shown(experiment(FAULTS[fault], [keycloak, postgresql]), capsys)
    assert outcome.report.missing == []
    assert outcome.report.acknowledged > 20
