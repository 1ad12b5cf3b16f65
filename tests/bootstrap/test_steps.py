"""check → change → verify: what runs, in which order, and what a failure or an interruption means for the rest."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bootstrap import steps
from bootstrap.context import Context
from bootstrap.errors import NotYet, Problem
from bootstrap.journal import Journal
from bootstrap.steps import Change, Phase, Step


class Lamp(Step):
    """A step on something real enough: a lamp that is on or off."""

    def __init__(self, title: str, log: list[str], *, on: bool = False, fails: str = "") -> None:
        super().__init__(title)
        self.log, self.on, self.fails = log, on, fails

    def check(self, context: Context) -> Sequence[Change]:
        """Say whether it is off."""
        self._do("check")
        return () if self.on else (Change("lamp", "switch on"),)

    def change(self, context: Context) -> Sequence[Change]:
        """Switch it on."""
        self._do("change")
        self.on = True
        return (Change("lamp", "switched on"),)

    def verify(self, context: Context) -> None:
        """See that it shines."""
        self._do("verify")

    def _do(self, what: str) -> None:
        self.log.append(f"{self.title} {what}")
        if self.fails == what:
            raise Problem(f"the {self.title} is broken", "buy another")
        if self.fails == f"not yet {what}":
            raise NotYet("there is no power yet")


class SelfChecking(Lamp):
    """One that need not be asked first."""

    self_checking = True


def test_what_is_right_is_left_alone(context: Context) -> None:
    log: list[str] = []
    report = steps.apply([Phase("light", [Lamp("lamp", log, on=True)])], context)
    assert log == ["lamp check"]
    assert [result.status for result in report.results] == ["unchanged"]


def test_what_is_wrong_is_changed_and_then_proved(context: Context) -> None:
    log: list[str] = []
    report = steps.apply([Phase("light", [Lamp("lamp", log)])], context)
    assert log == ["lamp check", "lamp change", "lamp verify"]
    assert report.changes == [Change("lamp", "switched on")]


def test_a_second_run_changes_nothing(context: Context) -> None:
    phases = [Phase("light", [Lamp("a", []), SelfChecking("b", [], on=False)])]
    steps.apply(phases, context)
    assert [result.status for result in steps.plan(phases, context).results] == ["unchanged", "unchanged"]


def test_a_step_that_checks_itself_is_not_asked_first(context: Context) -> None:
    log: list[str] = []
    steps.apply([Phase("light", [SelfChecking("lamp", log)])], context)
    assert log == ["lamp change", "lamp verify"]


def test_a_plan_touches_nothing(context: Context) -> None:
    log: list[str] = []
    report = steps.plan([Phase("light", [Lamp("a", log), SelfChecking("b", log)])], context)
    assert log == ["a check", "b check"]
    assert [result.status for result in report.results] == ["open", "open"]


def test_a_plan_says_what_cannot_be_known_yet(context: Context) -> None:
    report = steps.plan([Phase("light", [Lamp("lamp", [], fails="not yet check")])], context)
    assert report.changes == [Change("cluster", "there is no power yet")]
    assert not report.failed


@pytest.mark.parametrize("where", ["check", "change", "verify"])
def test_a_failure_ends_the_run_with_its_reason(context: Context, where: str) -> None:
    log: list[str] = []
    report = steps.apply([Phase("light", [Lamp("a", log, fails=where), Lamp("b", log)])], context)
    assert report.failed and report.results[-1].problem
    assert (report.results[-1].problem.what, report.results[-1].problem.remedy) == ("the a is broken", "buy another")
    assert not any(line.startswith("b") for line in log)


def test_a_plan_asks_the_rest_of_a_phase_in_which_something_is_wrong_and_no_further(context: Context) -> None:
    log: list[str] = []
    steps.plan([Phase("one", [Lamp("a", log, fails="check"), Lamp("b", log)]), Phase("two", [Lamp("c", log)])], context)
    assert log == ["a check", "b check"]


def test_an_interrupted_step_is_in_the_journal_and_the_next_run_goes_on(context: Context) -> None:
    class Impatient(Lamp):
        """Somebody presses Ctrl-C while it is switched on for the first time."""

        def change(self, context: Context) -> Sequence[Change]:
            """Switch on, once cut off half-way."""
            if "lamp change" not in self.log:
                self.log.append("lamp change")
                raise KeyboardInterrupt
            return super().change(context)

    journal = Journal(context.state / "journal.jsonl")
    context.journal = journal
    phases = [Phase("light", [Impatient("lamp", [])])]
    journal.run_started("apply", "lab.yaml")
    with pytest.raises(KeyboardInterrupt):
        steps.apply(phases, context)
    assert journal.records()[-1]["status"] == "interrupted"
    assert [result.status for result in steps.apply(phases, context).results] == ["changed"]


def test_seconds_are_told_by_phase(context: Context) -> None:
    report = steps.apply([Phase("a", [Lamp("x", [])]), Phase("b", [Lamp("y", []), Lamp("z", [])])], context)
    assert list(report.seconds()) == ["a", "b"]
    assert report.seconds()["b"] == pytest.approx(sum(r.seconds for r in report.results if r.phase == "b"))
