"""A group of three real members for the tests of tests/mysql that are marked `lab`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from tests.mysql.rig import Rig, wait_for


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The rig with a group that has just been started for the first time."""
    if os.geteuid() != 0:
        pytest.fail("the rig makes network namespaces and needs root: run `make test-lab` as root")
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        for member in rig.members:
            member.start()
        wait_for("the first group", rig.settled)
        stop = threading.Event()
        proxy = threading.Thread(target=rig.follow_primary, args=(stop,))
        proxy.start()
        yield rig
        stop.set()
        proxy.join()
