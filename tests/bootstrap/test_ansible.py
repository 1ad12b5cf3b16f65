"""The way to machines, on a machine that nobody runs: what is told, and what a killed run leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.clients.ansible import Ansible
from bootstrap.console import Console
from bootstrap.errors import Problem
from bootstrap.inventory import load
from tests.bootstrap.conftest import ONE_PLANE, Write


@pytest.fixture
def ansible(write: Write, tmp_path: Path) -> Ansible:
    """Two machines at loopback addresses on which nothing listens."""
    text = ONE_PLANE.replace("10.9.0.", "127.0.9.").replace("user: ubuntu", "user: ubuntu, port: 9")
    return Ansible(load(write(text)), tmp_path / "ansible", Console())


def test_machines_that_do_not_answer_are_all_named(ansible: Ansible) -> None:
    with pytest.raises(Problem) as refused:
        ansible.run("probe", {"custos_wanted": {"cp1": {}, "worker1": {}}})
    assert refused.value.what == (
        "cannot be reached by SSH:\n"
        "cp1 (127.0.9.1): ssh: connect to host 127.0.9.1 port 9: Connection refused\n"
        "worker1 (127.0.9.2): ssh: connect to host 127.0.9.2 port 9: Connection refused"
    )


def test_what_a_killed_run_left_is_ended_and_nothing_else(ansible: Ansible, tmp_path: Path) -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    left = subprocess.Popen([*sleeping, "--inventory", f"{tmp_path}/ansible/inventory"])
    other = subprocess.Popen([*sleeping, "--inventory", f"{tmp_path}/other/inventory"])
    try:
        assert ansible.end_orphans() == [left.pid]
        assert left.wait(timeout=10) < 0
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()
