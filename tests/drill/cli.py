"""The command: python -m tests.drill [--store STORE]… [--fault FAULT]… [--times N].

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
from tests.lab.experiment import experiment
from tests.lab.faults import FAULTS
from tests.lab.stores import STORES
from tests.lab.stores.base import Store

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)


@app.command()
def drill(
    stores: Annotated[list[str] | None, typer.Option("--store", help=f"Of {', '.join(STORES)}; all.")] = None,
    faults: Annotated[list[str] | None, typer.Option("--fault", help=f"Of {', '.join(FAULTS)}; all.")] = None,
    times: Annotated[int, typer.Option("--times", min=1, help="How often each.")] = 5,
) -> None:
    """Strike the lab's stores one by one and write down what their clients saw."""
    for given, known, option in ((stores, STORES, "--store"), (faults, FAULTS, "--fault")):
        if unknown := sorted(set(given or ()) - set(known)):
            raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(known)}", param_hint=option)
    cluster = lab.cluster()
    if cluster is None:
        console.print(f"[red]error:[/] {lab.ABSENT}")
        raise typer.Exit(1)
    platform = lab.described().platform
    results = Drill(load_before=os.getloadavg()[0])
    for name in stores or STORES:
        store = STORES[name](cluster, platform.release, platform.namespace)
        if not store.is_installed():
            console.print(f"[yellow]left out:[/] {name} is not in the release")
            continue
        for fault in faults or FAULTS:
            for _ in range(times):
                _strike(results, store, fault)
                report.write(results)  # each time: a drill that is cut off has not been for nothing
    console.print(f"written: {report.FOLDER.relative_to(PROJECT)}/")
    lost = any(outcome.report.missing or outcome.divergence for outcome in results.outcomes)
    raise typer.Exit(1 if lost or results.failures or not results.outcomes else 0)


def _strike(results: Drill, store: Store, fault: str) -> None:
    try:
        outcome = experiment(FAULTS[fault], [store])[0]
    except AssertionError as failure:  # a condition that was waited for, or a command that failed
        results.failures.append(Failure(store.name, fault, str(failure)))
        console.print(f"[red]failed:[/] {store.name}, {fault}: {escape(str(failure))}")
    else:
        results.outcomes.append(outcome)
        console.print(escape(str(outcome)))


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="python -m tests.drill")
