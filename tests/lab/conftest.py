"""What the tests on the running lab share: access to the cluster, and evidence of what failed.

Every test here carries the marker `lab`; `make test-lab` brings the lab up first.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from bootstrap import paths
from bootstrap.inventory import Inventory, load
from tests.lab.cluster import Cluster
from tests.lab.evidence import collect

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "test-results"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of this folder, so that none is ever run without a lab by accident."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def inventory() -> Inventory:
    """The inventory that joins the lab to bootstrap."""
    return load(ROOT / "inventories" / "lab.yaml")


@pytest.fixture(scope="session")
def cluster(inventory: Inventory) -> Cluster:
    """The lab's cluster; fails, and does not skip, where there is none."""
    kubeconfig = paths.state(inventory.cluster.name) / "kubeconfig"
    if not kubeconfig.is_file():
        pytest.fail(f"no cluster: {kubeconfig} is missing. Run `make up` first.")
    return Cluster(kubeconfig)


@pytest.fixture(autouse=True)
def evidence(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[None]:
    """After a failure, keep events, descriptions and logs of what the test looked at."""
    yield
    if request.node.stash.get(FAILED, False):
        folder = RESULTS / re.sub(r"[^A-Za-z0-9._-]+", "-", request.node.name)
        collect(cluster, folder)
        print(f"evidence is in {folder.relative_to(ROOT)}/")


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report
