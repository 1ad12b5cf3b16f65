"""The command: python -m tests.bench [TOPIC…].

Exit codes: 0 measured, 1 something that was asked for could not be, 2 unusable arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.bench import by_hand, door, release, render, results, table, template, up
from tests.bench.errors import BenchError
from tests.bench.machine import PROJECT
from tests.bench.results import Result


@dataclass(frozen=True)
class Topic:
    """Something to measure `times` times; `lacks` tells why it cannot be now, or nothing."""

    measure: Callable[[int], Result]
    lacks: Callable[[], str] = lambda: ""
    times: int = 5


TOPICS = {
    "render": Topic(render.measure),
    "template": Topic(template.measure),
    "release": Topic(release.measure),
    "up": Topic(up.measure, up.lacks),
    door.TOPIC: Topic(door.measure, door.lacks, times=3),
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)


@app.command()
def bench(
    topics: Annotated[list[str] | None, typer.Argument(metavar="[TOPIC]…", help=", ".join(TOPICS))] = None,
    times: Annotated[
        int | None,
        typer.Option("--times", min=1, help="Runs whose median counts (5)."),
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="With `up`: measure the same by hand, on the lab's bare machines.")
    ] = False,
) -> None:
    """Measure the topics (default: all that can be measured now) and write docs/results/."""
    unknown = [name for name in topics or () if name not in TOPICS]
    if unknown:
        raise typer.BadParameter(f"no such topic: {', '.join(unknown)}; there are {', '.join(TOPICS)}")
    if baseline and topics != ["up"]:
        raise typer.BadParameter("--baseline goes with the topic `up` alone: python -m tests.bench up --baseline")
    chosen = {name: TOPICS[name] for name in topics or TOPICS}
    if baseline:
        chosen = {by_hand.TOPIC: Topic(lambda _times: by_hand.measure())}
    measured = [_measured(name, topic, times, asked=bool(topics)) for name, topic in chosen.items()]
    raise typer.Exit(0 if all(measured) else 1)


def _measured(name: str, topic: Topic, times: int | None, *, asked: bool) -> bool:
    """Whether the topic was measured, or left out without having been asked for."""
    try:
        lack = topic.lacks()
        if lack:
            console.print(f"[yellow]left out:[/] {name}: {escape(lack)}")
            return not asked
        console.print(f"[bold]{name}[/]")
        result = topic.measure(times or topic.times)
    except BenchError as error:
        console.print(f"[red]error:[/] {name}: {escape(error.what)}")
        console.print(f"[bold]what to do:[/] {escape(error.remedy)}")
        return False
    file = results.write(result)
    table.write()
    _show(result)
    console.print(f"written: {file.relative_to(PROJECT)}")
    return True


def _show(result: Result) -> None:
    shown = Table("what", "value", "beside", "ratio", box=None, pad_edge=False)
    for figure in result.figures:
        shown.add_row(*map(escape, table.cells(figure.as_json())))
    console.print(shown, soft_wrap=False)
    for lack in result.left_out:
        console.print(f"[yellow]left out:[/] {escape(lack)}")


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="python -m tests.bench")
