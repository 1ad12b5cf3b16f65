"""up, down, power, destroy: each brings the lab from whatever state it is in to the one that is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab import (
    access,
    artifacts,
    boot,
    cgroups,
    disks,
    host,
    lock,
    network,
    quantity,
    readiness,
    record,
    root,
    s3,
)
from lab.description import Lab, Machine
from lab.errors import LabError


class Reporter(Protocol):
    """Who tells the user what happens."""

    def step(self, title: str) -> None:
        """A step begins."""

    def detail(self, text: str) -> None:
        """What the step does now."""

    def machine(self, name: str, text: str) -> None:
        """What a machine does now."""


@dataclass
class Outcome:
    """What a command changed, in words, and systemd's word on the machines that it started."""

    changed: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)


@contextmanager
def _locked(state: Path, tell: Reporter) -> Iterator[int]:
    with lock.hold(
        state / "lock", waiting=lambda: tell.step("another command works on this lab, waiting")
    ) as number:
        try:
            yield number
        finally:
            if record.read(state) is None:  # no lab came to be, or it is gone: leave nothing
                (state / "lock").unlink()
                if not any(state.iterdir()):
                    state.rmdir()


def up(lab: Lab, state: Path, tell: Reporter) -> Outcome:
    """Bring every machine of the description up. What is there already is left as it is."""
    state.mkdir(parents=True, exist_ok=True)
    outcome = Outcome()

    def note(changed: bool, text: str) -> None:
        if changed:
            outcome.changed.append(text)

    with _locked(state, tell) as number:
        missing = host.missing_packages()
        if missing:
            tell.step(f"installing {', '.join(missing)}")
            host.install(missing)
            note(True, f"installed {', '.join(missing)}")
        _claim(lab, state)
        note(host.acquire(str(state)), "set this computer's kernel settings")
        leftovers = [cgroups.kill(lab.name, cgroups.BUILDER), disks.remove_leftovers(state)]
        note(any(leftovers), "removed what an interrupted run left")
        new = [machine for machine in lab.machines if machine.name not in disks.names(state)]
        if new:
            tell.step("the machines' Debian")
            note(root.ensure(lab.name, number, tell.detail), "built the machines' Debian")
        if any(machine.object_store for machine in new):
            tell.step("the object store")
            s3.ensure_program(lab, number, tell.detail)
        if lab.artifacts:
            tell.step("artifacts")
            note(artifacts.ensure(lab.name, number, tell.detail), "built the artifacts")
        note(network.ensure(lab), f"made the network {lab.bridge} ({lab.subnet})")
        note(access.ensure_key(state), "made the lab's SSH key")
        access.write_known_hosts(state, lab.machines)
        if any(machine.object_store for machine in lab.machines):
            note(s3.ensure_keys(state), "made the object store's keys")
        for machine in lab.machines:
            note(disks.ensure(state, lab, machine), f"installed {machine.name}")
        off = [machine for machine in lab.machines if not is_on(lab, machine)]
        tell.step("the machines")
        for machine in off:
            _start(state, lab, machine, number)
            note(True, f"powered {machine.name} on")
        outcome.states = readiness.wait(state, lab, list(lab.machines), tell.machine)
    return outcome


def _claim(lab: Lab, state: Path) -> None:
    """Record the lab, or see that the record is of this one."""
    wanted = record.Record.of(lab)
    found = record.read(state)
    if found is None:
        if cgroups.exists(lab.name):
            raise LabError(
                f"a lab called {lab.name} runs here whose state is not in {state}",
                "name its folder in CUSTOS_LAB_STATE, or give this lab another name, bridge and subnet",
            )
        network.refuse_taken(lab)
        record.write(state, wanted)
    elif found != wanted:
        raise LabError(
            f"{state} holds the lab {found.name} on {found.bridge} ({found.subnet}), "
            f"and the lab's file describes {wanted.name} on {wanted.bridge} ({wanted.subnet})",
            "take the old one down first (`python -m lab down`), or name another folder in CUSTOS_LAB_STATE",
        )


def _start(state: Path, lab: Lab, machine: Machine, number: int) -> None:
    _settle(lab, machine)
    boot.start(state, lab, machine, number)


def _settle(lab: Lab, machine: Machine) -> None:
    """See that nothing is left in the kernel of a machine that is off."""
    cgroups.remove(lab.name, machine.name)
    network.await_unplugged(lab.bridge, sum(is_on(lab, other) for other in lab.machines))


def is_on(lab: Lab, machine: Machine) -> bool:
    """Does the machine have power?"""
    return bool(cgroups.pids(lab.name, machine.name))


def power_off(lab: Lab, state: Path, machine: Machine, tell: Reporter) -> Outcome:
    """Cut the machine's power: everything in it ends at once, its disks stay."""
    with _locked(_existing(state), tell):
        cut = cgroups.kill(lab.name, machine.name)
        _settle(lab, machine)
    return Outcome([f"powered {machine.name} off"] if cut else [])


def power_on(lab: Lab, state: Path, machine: Machine, tell: Reporter) -> Outcome:
    """Power the machine on with the disks that it has, and wait until it lets us in."""
    with _locked(_existing(state), tell) as number:
        if machine.name not in disks.names(state):
            raise LabError(f"{machine.name} was never installed", "run `python -m lab up`")
        outcome = Outcome()
        if not is_on(lab, machine):
            host.acquire(str(state))
            network.ensure(lab)
            _start(state, lab, machine, number)
            outcome.changed.append(f"powered {machine.name} on")
        outcome.states = readiness.wait(state, lab, [machine], tell.machine)
    return outcome


def destroy(lab: Lab, state: Path, machine: Machine, tell: Reporter) -> Outcome:
    """Take a machine away with its disks, as a fire would; `up` puts a new one in its place."""
    with _locked(_existing(state), tell):
        there = machine.name in disks.names(state)
        cgroups.kill(lab.name, machine.name)
        _settle(lab, machine)
        if there:
            disks.remove(state, machine.name)
    return Outcome([f"removed {machine.name} and its disks"] if there else [])


def _existing(state: Path) -> Path:
    if record.read(state) is None:
        raise LabError(f"there is no lab in {state}", "run `python -m lab up`")
    return state


def down(state: Path, tell: Reporter) -> Outcome:
    """Remove all of the lab that the state folder records, its disks too, and what a killed run left."""
    outcome = Outcome()
    if not state.exists():
        return outcome
    with _locked(state, tell):
        found = record.read(state)
        if found is not None:
            _remove(found, state, tell, outcome.changed.append)
    return outcome


def _remove(found: record.Record, state: Path, tell: Reporter, note: Callable[[str], None]) -> None:
    names = disks.names(state)
    size = quantity.show(disks.used(state))
    tell.step(f"removing the lab {found.name}: {len(names)} machines and their disks ({size}) in {state}")
    if cgroups.kill(found.name):
        note("powered everything off")
    cgroups.remove(found.name)
    if network.remove(found.bridge):
        note(f"removed the network {found.bridge}")
    root.clean_partials(lambda: tell.detail("another lab builds its Debian, waiting"))
    for name in names:
        tell.detail(f"disks of {name}")
        disks.remove(state, name)
        note(f"removed {name}")
    disks.remove_leftovers(state)
    if (state / "machines").exists():
        (state / "machines").rmdir()
    access.remove(state)
    s3.remove(state)
    host.release(str(state))
    record.remove(state)
    note(f"removed the lab {found.name}")
