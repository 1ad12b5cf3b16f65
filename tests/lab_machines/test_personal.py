"""What a machine gets on its own disk before it first boots: no more than a server's installer asks for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab import access, description, disks
from lab.description import Lab
from lab.errors import LabError


@pytest.fixture
def installed(lab_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Lab, Path]:
    """The small lab with its disks, made without root."""
    monkeypatch.setattr(os, "chown", lambda *_: None)
    lab = description.load(lab_file)
    state = tmp_path / "state"
    state.mkdir()
    access.ensure_key(state)
    access.write_known_hosts(state, lab.machines)
    for machine in lab.machines:
        assert disks.ensure(state, lab, machine)
    return lab, state


def test_name_address_and_the_labs_key(installed: tuple[Lab, Path]) -> None:
    _, state = installed
    upper = state / "machines/t1/upper"
    assert (upper / "etc/hostname").read_text() == "t1\n"
    assert (upper / "etc/custos-lab/network").read_text() == "ADDRESS=10.232.0.11/24\nGATEWAY=10.232.0.1\n"
    assert (upper / "home/ubuntu/.ssh/authorized_keys").read_text() == access.public_key(state)


def test_private_keys_are_for_their_owner_alone(installed: tuple[Lab, Path]) -> None:
    _, state = installed
    private = [access.key(state), state / "machines/t1/upper/etc/ssh/ssh_host_ed25519_key"]
    for key in private:
        assert key.stat().st_mode & 0o077 == 0, key
    assert access.key(state).parent.stat().st_mode & 0o077 == 0


def test_no_two_machines_share_an_identity(installed: tuple[Lab, Path]) -> None:
    _, state = installed
    for file in ("etc/machine-id", "etc/ssh/ssh_host_ed25519_key"):
        one, two = ((state / "machines" / name / "upper" / file).read_text() for name in ("t1", "t2"))
        assert one != two, file


def test_hosts_are_known_by_address_and_name(installed: tuple[Lab, Path]) -> None:
    _, state = installed
    for name in ("t1", "10.232.0.12"):
        found = subprocess.run(
            ["ssh-keygen", "-F", name, "-f", str(access.known_hosts(state))],
            check=True,
            capture_output=True,
            text=True,
        )
        assert "ssh-ed25519" in found.stdout


def test_a_second_time_changes_nothing(installed: tuple[Lab, Path]) -> None:
    lab, state = installed
    before = access.known_hosts(state).stat().st_mtime_ns
    assert not access.ensure_key(state)
    access.write_known_hosts(state, lab.machines)
    assert access.known_hosts(state).stat().st_mtime_ns == before
    assert not any(disks.ensure(state, lab, machine) for machine in lab.machines)


def test_what_a_killed_installation_left_never_counts_as_a_machine(installed: tuple[Lab, Path]) -> None:
    lab, state = installed
    (state / "machines/t2").rename(state / "machines/.t2.new")
    assert disks.names(state) == ["t1"]
    assert disks.ensure(state, lab, lab.machine("t2"))
    (state / "machines/.t1.gone").mkdir()
    assert disks.remove_leftovers(state)
    assert disks.names(state) == ["t1", "t2"]
    assert not disks.remove_leftovers(state)


def test_a_machine_whose_debian_was_cleared_from_the_cache_is_lost(installed: tuple[Lab, Path]) -> None:
    _, state = installed
    shutil.rmtree(state / "machines/t1/upper")
    (state / "machines/t1/base").write_text(str(state / "gone"))
    with pytest.raises(LabError, match=r"t1 was installed from .*gone, which is gone"):
        disks.base(state, "t1")
