"""What people see: a line a step, the state of a wait, a table at the end; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console as Terminal
from rich.markup import escape
from rich.status import Status
from rich.table import Table

if TYPE_CHECKING:
    from bootstrap.steps import Report, Result

_PAUSE = 10.0  # seconds between two plain lines about the same wait
_MARKS = {
    "unchanged": "[dim]=[/]",
    "changed": "[green]+[/]",
    "open": "[yellow]~[/]",
    "failed": "[red]![/]",
    "interrupted": "[red]![/]",
}


class Console:
    """Writes to stderr, so that `--json` has stdout for itself; `quiet` leaves out all but problems."""

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        self.verbose = verbose
        self._quiet = quiet
        self._out = Terminal(file=sys.stderr, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._title = ""
        self._said = ""
        self._said_at = 0.0
        self._problems: set[tuple[str, str]] = set()

    @property
    def interactive(self) -> bool:
        """Whether a person watches: then a wait is one line that changes, elsewhere it is lines."""
        return self._out.is_terminal

    def phase(self, name: str) -> None:
        """A phase begins."""
        self._line(f"[bold]{escape(name)}[/]")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step is under way."""
        self._title, self._said, self._said_at = title, "", time.monotonic()
        if self._quiet or not self.interactive:
            yield
            return
        with self._out.status(f"  {escape(title)}") as self._status:
            try:
                yield
            finally:
                self._status = None

    def activity(self, text: str) -> None:
        """What the step under way is at; only for people who watch."""
        if self._status:
            self._status.update(f"  {escape(self._title)}: {escape(text)}")

    def progress(self, text: str) -> None:
        """What the step under way waits for; without a terminal a line now and then, when it is another."""
        self.activity(text)
        if not self._status and text != self._said and time.monotonic() - self._said_at > _PAUSE:
            self._line(f"    … {escape(text)}")
            self._said, self._said_at = text, time.monotonic()

    def detail(self, text: str) -> None:
        """One line for those who asked for `--verbose`."""
        if self.verbose:
            self._line(f"    [dim]{escape(text)}[/]")

    def note(self, text: str) -> None:
        """One line for everybody."""
        self._line(escape(text))

    def result(self, result: Result) -> None:
        """How a step ended, and what it changed."""
        count = f" ({len(result.changes)})" if result.changes else ""
        self._line(
            f"  {_MARKS[result.status]} {escape(result.step)}: {result.status}{count}  [dim]{result.seconds:.1f} s[/]"
        )
        shown = result.changes if self.verbose or result.status == "open" else result.changes[:5]
        for change in shown:
            self._line(f"      {escape(change.where)}: {escape(change.what)}")
            if change.diff and (self.verbose or result.status == "open"):
                for line in change.diff.rstrip().splitlines():
                    self._line(f"        [dim]{escape(line)}[/]")
        if len(shown) < len(result.changes):
            self._line(f"      … and {len(result.changes) - len(shown)} more (--verbose, or the journal)")
        if result.problem:
            self.problem(result.problem.what, result.problem.remedy)

    def problem(self, what: str, remedy: str) -> None:
        """What went wrong and what to do; shown also when quiet, and once."""
        if (what, remedy) in self._problems:
            return
        self._problems.add((what, remedy))
        self._out.print(f"[red]error:[/] {escape(what)}")
        if remedy:
            self._out.print(f"[bold]what to do:[/] {escape(remedy)}")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows for people; the first column is a name, which they copy: it is never broken."""
        if self._quiet:
            return
        table = Table(box=None, pad_edge=False)
        for number, column in enumerate(columns):
            table.add_column(column, no_wrap=number == 0)
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self._out.print(table, soft_wrap=False)

    def summary(self, report: Report) -> None:
        """Seconds of each phase, and its slowest step."""
        rows = []
        for phase, seconds in report.seconds().items():
            slowest = max((r for r in report.results if r.phase == phase), key=lambda result: result.seconds)
            rows.append((phase, f"{seconds:.1f}", f"{slowest.step} ({slowest.seconds:.1f} s)"))
        rows.append(("all", f"{sum(report.seconds().values()):.1f}", ""))
        self.table(("phase", "seconds", "slowest step"), rows)

    def _line(self, markup: str) -> None:
        if not self._quiet:
            self._out.print(markup)
