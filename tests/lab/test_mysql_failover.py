"""Rows are written through the primary Service every 50 ms while a fault strikes: every acknowledged row survives.

Each test prints the seconds without writes; `make bench` measures them again and again, here they judge nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bootstrap.inventory import Inventory
from tests.lab.cluster import Cluster, is_ready, wait_for
from tests.lab.failover import Group, Report, lab

Show = Callable[[str, Report, float], None]


@pytest.fixture
def group(cluster: Cluster, inventory: Inventory) -> Group:
    """The installed platform's group, whole before each fault."""
    group = Group(cluster, inventory.platform.release, inventory.platform.namespace)
    group.wait_until_whole()
    return group


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Prints what the writer saw, also where the test passes."""

    def printed(fault: str, report: Report, whole: float) -> None:
        with capsys.disabled():
            print(
                f"\n  {fault}: {report.gap:.1f} s without writes, whole after {whole:.0f} s,"
                f" {report.acknowledged} rows acknowledged, {len(report.missing)} lost;"
                f" errors: {report.errors}"
            )

    return printed


def judge(group: Group, report: Report) -> None:
    """No acknowledged row is missing, the writer did write, and all members of the whole group hold the same."""
    assert report.missing == []
    assert report.acknowledged > 20
    assert group.divergence() == []


def test_the_primarys_process_is_killed(group: Group, show: Show) -> None:
    primary = group.primary()
    with group.writing(avoid=primary["spec"]["nodeName"]) as finish:
        group.kill_mysqld()
        report, whole = group.settle(finish)
    show("kill -9 of mysqld", report, whole)
    judge(group, report)
    assert group.primary()["metadata"]["name"] != primary["metadata"]["name"]


def test_the_primarys_pod_is_deleted(group: Group, show: Show) -> None:
    primary = group.primary()
    with group.writing(avoid=primary["spec"]["nodeName"]) as finish:
        group.delete(primary)
        report, whole = group.settle(finish)
    show("pod deleted", report, whole)
    judge(group, report)


def test_the_primarys_machine_is_powered_off(group: Group, show: Show) -> None:
    machine = group.primary()["spec"]["nodeName"]
    with group.writing(avoid=machine) as finish:
        lab("power-off", machine)
        try:
            report = finish()
        finally:
            lab("power-on", machine)
    show(f"{machine} powered off", report, group.wait_until_whole())
    judge(group, report)
    # A service's one gRPC connection to a pod that is gone must not outlive it.
    wait_for("all pods ready", lambda: all(map(is_ready, group.cluster.pods(group.namespace))), seconds=420, steady=5)
    assert "Phase:          Succeeded" in group.cluster.helm("test", group.release, "-n", group.namespace)


def test_all_pods_are_deleted_at_once(group: Group, show: Show) -> None:
    with group.writing(avoid="") as finish:
        group.delete(*group.members())
        report, whole = group.settle(finish)
    show("all three pods deleted", report, whole)
    judge(group, report)


def test_one_members_volume_is_wiped(group: Group, show: Show) -> None:
    replica = group.replica()
    with group.writing(avoid=replica["spec"]["nodeName"]) as finish:
        group.wipe(replica)
        report, whole = group.settle(finish)
    show("a replica's volume wiped", report, whole)
    judge(group, report)
