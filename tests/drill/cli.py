"""The command: python -m tests.drill [--store STORE]… [--fault FAULT]… [--times N] [--go-on].

Exit codes: 0 nothing acknowledged was lost and every store came back, 1 otherwise, 2 unusable arguments.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from tests.bench import lab
from tests.bench.machine import PROJECT
from tests.drill import report
from tests.drill.report import Drill, Failure
from tests.lab.experiment import Outcome, experiment
from tests.lab.faults import FAULTS
from tests.lab.stores import STORES
from tests.lab.stores.base import Store

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)


# Struck together too, the first being judged: Keycloak needs its database.
TOGETHER = {"keycloak+postgresql": ("kill", "delete")}
KNOWN = [*STORES, *TOGETHER]


@app.command()
def drill(
    stores: Annotated[list[str] | None, typer.Option("--store", help=f"Of {', '.join(KNOWN)}; all.")] = None,
    faults: Annotated[list[str] | None, typer.Option("--fault", help=f"Of {', '.join(FAULTS)}; all.")] = None,
    times: Annotated[int, typer.Option("--times", min=1, help="How often each.")] = 5,
    go_on: Annotated[bool, typer.Option("--go-on", help="Add what the report on disk lacks.")] = False,
) -> None:
    """Strike the lab's stores one by one and write down what their clients saw.

    A drill of some stores or faults takes the place of these in the report on disk, and leaves the others there.
    """
    for given, known, option in ((stores, KNOWN, "--store"), (faults, FAULTS, "--fault")):
        if unknown := sorted(set(given or ()) - set(known)):
            raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(known)}", param_hint=option)
    cluster = lab.cluster()
    if cluster is None:
        console.print(f"[red]error:[/] {lab.ABSENT}")
        raise typer.Exit(1)
    platform = lab.described().platform
    earlier = _earlier() if go_on or stores or faults else []
    results = Drill(load_before=os.getloadavg()[0], outcomes=earlier)
    # Fault by fault: a drill that is cut off has seen every store.
    for fault in faults or FAULTS:
        for name in stores or KNOWN:
            if fault not in TOGETHER.get(name, FAULTS):
                continue
            struck = [STORES[part](cluster, platform.release, platform.namespace) for part in name.split("+")]
            if absent := [store.name for store in struck if not store.is_installed()]:
                console.print(f"[yellow]left out:[/] {', '.join(absent)} is not in the release")
                continue
            if not go_on:
                # Only now: what a drill that is cut off has not come to stays in the report.
                results.forget(name, fault)
            done = sum((outcome.struck_stores, outcome.fault) == (name, fault) for outcome in results.outcomes)
            for _ in range(times - done):
                _strike(results, struck, fault)
                report.write(results)  # each time: a drill that is cut off has not been for nothing
    console.print(f"written: {report.FOLDER.relative_to(PROJECT)}/")
    lost = any(outcome.report.missing or outcome.divergence for outcome in results.outcomes)
    raise typer.Exit(1 if lost or results.failures or not results.outcomes else 0)


def _earlier() -> list[Outcome]:
    try:
        return report.read()
    except ValueError as error:
        console.print(f"[red]error:[/] {report.FOLDER.relative_to(PROJECT)}/report.json: {escape(str(error))}")
        raise typer.Exit(2) from error


def _strike(results: Drill, struck: list[Store], fault: str) -> None:
    try:
        outcome = experiment(FAULTS[fault], struck)[0]
    except AssertionError as failure:  # a condition that was waited for, or a command that failed
        name = "+".join(store.name for store in struck)
        results.failures.append(Failure(name, fault, str(failure)))
        console.print(f"[red]failed:[/] {name}, {fault}: {escape(str(failure))}")
    else:
        results.outcomes.append(outcome)
        console.print(escape(str(outcome)))


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="python -m tests.drill")
