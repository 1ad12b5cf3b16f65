"""A small lab for real: start, power cut, reboot, killed commands, and that nothing of it stays."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import cgroups, host, paths
from tests.lab_machines.conftest import ROOT, Command

pytestmark = pytest.mark.lab
PATIENCE = 120.0


def left_behind(state: Path) -> list[str]:
    """Everything of the small lab that is still on this computer."""
    found = [f"group {cgroups.group(entry, 'tiny')}" for entry in cgroups.hierarchies()]
    found = [entry for entry in found if Path(entry.split()[1]).exists()]
    found += [f"link {link.name}" for link in Path("/sys/class/net").iterdir() if "tiny" in link.name]
    found += [f"state {entry}" for entry in state.glob("*")] + ([f"state {state}"] if state.exists() else [])
    found += [f"cache {entry}" for entry in paths.roots().glob("*.partial")]
    found += [f"cache {entry}" for entry in paths.roots().glob("*.scratch")]
    if host.LEDGER.exists() and str(state) in host.LEDGER.read_text():
        found.append("kernel settings")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "mountinfo").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError, OSError):
            continue  # it ended meanwhile
        if str(state).encode() in words:
            found.append(f"process {process.name}")
    return found


@pytest.fixture
def state(lab: Command, environment: dict[str, str]) -> Iterator[Path]:
    """The small lab's state; whatever the test does, the lab is taken down and has left nothing."""
    if os.geteuid() != 0:
        pytest.fail("the lab's machines need root: run `make test-lab` as root")
    path = Path(environment["CUSTOS_LAB_STATE"])
    yield path
    done = lab("down")
    assert done.returncode == 0, done.stderr
    assert left_behind(path) == []


def machines(lab: Command) -> dict[str, dict[str, object]]:
    facts = json.loads(lab("status", "--json").stdout)
    return {machine["name"]: machine for machine in facts["machines"]}


def must(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_lab_from_up_to_down(lab: Command, state: Path) -> None:
    must(lab("up"))
    assert all(machine["power"] == "on" and machine["ssh"] for machine in machines(lab).values())

    assert must(lab("up")).startswith("nothing to do: all 2 machines run\n")

    assert must(lab("ssh", "t1", "hostname; sudo -n id -u; systemctl is-system-running")) == "t1\n0\nrunning\n"
    assert must(lab("ssh", "t1", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes")) == f"{512 * 2**20}\n"
    must(lab("ssh", "t1", "sudo modprobe overlay && sudo modprobe br_netfilter"))
    must(lab("ssh", "t1", "timeout 5 bash -c '</dev/tcp/10.232.0.12/22'"))
    # Groups begin at the machine, and containers can be put into new ones.
    must(lab("ssh", "t1", "grep -qx '[0-9]*:memory:/' /proc/1/cgroup || grep -q ':memory:/init' /proc/1/cgroup"))
    must(lab("ssh", "t1", "sudo mkdir /sys/fs/cgroup/memory/try && sudo rmdir /sys/fs/cgroup/memory/try"))


def test_a_power_cut_ends_all_at_once_and_disks_stay(lab: Command, state: Path) -> None:
    must(lab("up"))
    must(lab("ssh", "t1", "echo kept | sudo tee /var/lib/custos-volumes/data /root/data && sync"))
    before = must(lab("ssh", "t1", "cat /proc/sys/kernel/random/boot_id"))
    assert must(lab("power-off", "t1")) == "powered t1 off\n"
    assert cgroups.pids("tiny", "t1") == set()
    assert machines(lab)["t1"]["power"] == "off"
    assert machines(lab)["t2"]["ssh"]
    assert must(lab("power-off", "t1")) == "nothing to do: t1 is off\n"
    assert must(lab("power-on", "t1")) == "powered t1 on\n"
    assert must(lab("power-on", "t1")) == "nothing to do: t1 is on\n"
    assert must(lab("ssh", "t1", "sudo cat /var/lib/custos-volumes/data /root/data")) == "kept\nkept\n"
    assert must(lab("ssh", "t1", "cat /proc/sys/kernel/random/boot_id")) != before


def test_a_disk_with_a_size_is_full_when_it_is_full_and_for_itself_alone(lab: Command, state: Path) -> None:
    must(lab("up"))
    full = lab("ssh", "t1", "sudo dd if=/dev/zero of=/var/lib/custos-volumes/fill bs=1M count=100")
    assert full.returncode != 0 and "No space left on device" in full.stderr
    must(lab("ssh", "t1", "sudo dd if=/dev/zero of=/var/lib/kubelet/room bs=1M count=100"))
    must(lab("power-off", "t1"))
    must(lab("power-on", "t1"))
    assert "No space left" in lab("ssh", "t1", "sudo dd if=/dev/zero of=/var/lib/custos-volumes/more bs=1M").stderr


def test_a_reboot_from_within_comes_back(lab: Command, state: Path) -> None:
    must(lab("up"))
    before = must(lab("ssh", "t2", "cat /proc/sys/kernel/random/boot_id"))
    lab("ssh", "t2", "sudo systemctl reboot")
    deadline = time.monotonic() + PATIENCE
    while lab("ssh", "t2", "cat /proc/sys/kernel/random/boot_id").stdout in ("", before):
        assert time.monotonic() < deadline, "t2 did not come back after its reboot"
        time.sleep(0.2)


def test_a_machine_that_does_not_start_is_shown_with_its_last_words(lab: Command, state: Path) -> None:
    must(lab("up"))
    must(lab("power-off", "t1"))
    init = state / "machines/t1/upper/usr/lib/systemd/systemd"
    init.parent.mkdir(parents=True)
    init.write_text("#!/bin/sh\necho the disk controller is on fire\n")
    init.chmod(0o755)
    done = lab("power-on", "t1")
    assert done.returncode == 1
    assert "t1 went off while it started" in done.stderr
    assert "the disk controller is on fire" in done.stderr
    assert "python -m lab power-on t1" in done.stderr


def test_a_lab_that_changed_its_network_is_not_mixed_with_the_old_one(
    lab: Command, state: Path, lab_file: Path
) -> None:
    must(lab("up"))
    lab_file.write_text(lab_file.read_text().replace("10.232.0.", "10.233.0."))
    done = lab("up")
    assert done.returncode == 1
    assert "python -m lab down" in done.stderr


def test_a_name_or_network_that_is_taken_is_refused(lab: Command, state: Path, tmp_path: Path) -> None:
    must(lab("up"))
    other = tmp_path / "other"
    done = lab("up", CUSTOS_LAB_STATE=str(other))
    assert done.returncode == 1
    assert "a lab called tiny runs here" in done.stderr
    assert not other.exists()


# Moments of `up`: its words on stderr, after which it is killed.
MOMENTS = ["the machines' Debian", "the machines", "t1: boots", "t2: boots", "t1: logging in", "t2: running"]


@pytest.mark.parametrize("then, moment", list(itertools.product(["down", "up"], MOMENTS)))
def test_a_killed_up_is_cleaned_or_carried_on(
    lab: Command, state: Path, environment: dict[str, str], then: str, moment: str
) -> None:
    up = subprocess.Popen(
        [sys.executable, "-m", "lab", "up"], stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    assert up.stderr is not None
    for line in up.stderr:
        if line.strip().startswith(moment):
            up.send_signal(signal.SIGKILL)
            break
    up.wait()
    up.stderr.close()
    if then == "up":
        must(lab("up"))
        assert all(machine["ssh"] for machine in machines(lab).values())
    # `down`, and that nothing stays, is the fixture's.


def test_a_killed_down_is_carried_on(lab: Command, state: Path, environment: dict[str, str]) -> None:
    must(lab("up"))
    down = subprocess.Popen(
        [sys.executable, "-m", "lab", "down"], stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    assert down.stderr is not None
    for line in down.stderr:
        if "disks of t1" in line:
            down.send_signal(signal.SIGKILL)
            break
    down.wait()
    down.stderr.close()
