"""A step is check → change → verify; a phase is a list of steps; running them is the same for every command."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bootstrap.errors import NotYet, Problem

if TYPE_CHECKING:
    from bootstrap.context import Context


@dataclass(frozen=True)
class Change:
    """One thing that would be, or was, changed: `where` (a machine, the cluster, a release), `what`, lines."""

    where: str
    what: str
    diff: str = ""


class Step(ABC):
    """One thing that is made so. Every method may raise Problem.

    `self_checking` steps change nothing that is right already and report what they changed: `apply` need not ask first.
    """

    self_checking = False

    def __init__(self, title: str) -> None:
        self.title = title

    @abstractmethod
    def check(self, context: Context) -> Sequence[Change]:
        """What is not as it should be; nothing is touched. Raises NotYet where earlier steps have to be done first."""

    @abstractmethod
    def change(self, context: Context) -> Sequence[Change]:
        """Make it so, also when an earlier try was cut off half-way; returns what was changed."""

    def verify(self, context: Context) -> None:  # noqa: B027 - many changes fail if they do not succeed
        """Prove that it is so; raises Problem otherwise."""


class CheckOnly(Step):
    """A step that only looks: `function` raises Problem where something is wrong."""

    def __init__(self, title: str, function: Callable[[Context], None]) -> None:
        super().__init__(title)
        self._function = function

    def check(self, context: Context) -> Sequence[Change]:
        """Look; there is never anything to change."""
        self._function(context)
        return ()

    def change(self, context: Context) -> Sequence[Change]:
        """Nothing."""
        return ()


class MachineWork(Step):
    """A playbook on machines; Ansible itself changes only what is not right."""

    self_checking = True

    def check(self, context: Context) -> Sequence[Change]:
        """What `ansible-playbook --check --diff` shows."""
        return self.run(context, check=True)

    def change(self, context: Context) -> Sequence[Change]:
        """Run the playbook."""
        changes = self.run(context, check=False)
        if changes:
            context.forget_facts()
        return changes

    @abstractmethod
    def run(self, context: Context, *, check: bool) -> Sequence[Change]:
        """Run the playbook, or only ask what it would change; returns its changes."""


@dataclass(frozen=True)
class Phase:
    """A named list of steps; `needed_by_plan` phases are the checks that also `plan` stops at."""

    name: str
    steps: Sequence[Step]


@dataclass
class Result:
    """How a step ended: unchanged, changed, open (plan: would change), failed."""

    phase: str
    step: str
    status: str
    seconds: float
    changes: Sequence[Change] = ()
    problem: Problem | None = None


@dataclass
class Report:
    """What a run did, step by step."""

    results: list[Result] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether any step failed."""
        return any(result.status == "failed" for result in self.results)

    @property
    def changes(self) -> list[Change]:
        """All changes, made or open."""
        return [change for result in self.results for change in result.changes]

    def seconds(self) -> dict[str, float]:
        """Seconds by phase, in their order."""
        total: dict[str, float] = {}
        for result in self.results:
            total[result.phase] = total.get(result.phase, 0.0) + result.seconds
        return total


def plan(phases: Sequence[Phase], context: Context) -> Report:
    """Ask the steps what they would change, up to the end of the first phase in which something is wrong."""
    return _run(phases, context, lambda step: _planned(step, context), stop=False)


def apply(phases: Sequence[Phase], context: Context) -> Report:
    """Run the steps in order; the first that fails ends the run."""
    return _run(phases, context, lambda step: _applied(step, context), stop=True)


def _planned(step: Step, context: Context) -> tuple[str, Sequence[Change]]:
    try:
        changes = step.check(context)
    except NotYet as later:
        changes = (Change("cluster", later.what),)
    return ("open" if changes else "unchanged"), changes


def _applied(step: Step, context: Context) -> tuple[str, Sequence[Change]]:
    if not step.self_checking and not step.check(context):
        return "unchanged", ()
    changes = step.change(context)
    step.verify(context)
    return ("changed" if changes else "unchanged"), changes


def _run(
    phases: Sequence[Phase],
    context: Context,
    work: Callable[[Step], tuple[str, Sequence[Change]]],
    *,
    stop: bool,
) -> Report:
    report = Report()
    for phase in phases:
        context.console.phase(phase.name)
        for step in phase.steps:
            started = time.monotonic()
            context.journal.step_started(phase.name, step.title)
            result = Result(phase.name, step.title, "interrupted", 0.0)
            try:
                with context.console.step(step.title):
                    result.status, result.changes = work(step)
            except Problem as problem:
                result.status, result.problem = "failed", problem
            finally:
                result.seconds = time.monotonic() - started
                context.journal.step_finished(result)
                context.console.result(result)
                report.results.append(result)
            if result.problem and stop:
                return report
        if report.failed:
            break
    return report
