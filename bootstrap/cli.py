"""python -m bootstrap plan|apply|status|verify|rotate|backup|backups|restore|reset INVENTORY

Exit codes: 0 fine (plan: nothing to change), 1 something is wrong, failed or would change, 2 unusable arguments.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from bootstrap import backup as backing
from bootstrap import journal, paths, phases, recovery, status, steps
from bootstrap import restore as restoring
from bootstrap import rotate as rotation
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.engines import engine
from bootstrap.errors import Interrupted, Problem
from bootstrap.inventory import Inventory, load
from bootstrap.phases import verify
from generator.errors import FindingsError

FINE, WRONG, UNUSABLE = 0, 1, 2

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From machines that answer to SSH to a verified platform.",
)

InventoryFile = Annotated[Path, typer.Argument(metavar="INVENTORY", help="Such as inventories/prod.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output, and nothing else.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also print what the machines say, and whole diffs.")]
Only = Annotated[
    list[str] | None, typer.Option("--phase", help=f"Only this phase (again for more): {', '.join(phases.NAMES)}.")
]
Images = Annotated[
    str, typer.Option("--images", help="Where images come from: registry, lab, or auto (by what machines reach).")
]


@app.command()
def plan(
    inventory: InventoryFile,
    phase: Only = None,
    images: Images = "auto",
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show what `apply` would change on machines, cluster and release; nothing is touched."""
    with _session(inventory, images, as_json=as_json, verbose=verbose) as context:
        report = steps.plan(_chosen(context.inventory, phase), context)
        if not report.failed and not report.changes:
            context.console.note("nothing to change")
        elif not report.failed:
            context.console.note(f"{len(report.changes)} changes; make them with `apply`")
        _finish(report, as_json=as_json, fine=not report.failed and not report.changes)


@app.command()
def apply(
    inventory: InventoryFile,
    phase: Only = None,
    images: Images = "auto",
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make machines, cluster and release what the inventory says; goes on where an earlier run stopped."""
    with _session(inventory, images, as_json=as_json, verbose=verbose) as context:
        report = _recorded("apply", context, lambda: steps.apply(_chosen(context.inventory, phase), context))
        if not report.failed:
            status.show(context)
            context.console.summary(report)
            context.console.note("nothing was changed" if not report.changes else f"{len(report.changes)} changes made")
        _finish(report, as_json=as_json, fine=not report.failed)


@app.command("status")
def show_status(inventory: InventoryFile, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Say what is wrong now and what to do, and what runs where; nothing is touched."""
    with _session(inventory, "auto", as_json=as_json, verbose=verbose) as context:
        left = journal.Journal(context.state / "journal.jsonl").unfinished()
        troubles = list(status.wrong(context))
        status.show(context)
        if left:
            context.console.note(f"the run of {left.by} since {left.since} has not ended; it was or is at {left.step}")
        for trouble in troubles:
            context.console.problem(trouble.what, trouble.remedy)
        if not troubles:
            context.console.note("all is well")
        if as_json:
            shown = {
                "status": "wrong" if troubles else "fine",
                "troubles": [asdict(trouble) for trouble in troubles],
                "images": status.images_of(context) or None,
                "workloads": [asdict(workload) for workload in status.running(context)] if not troubles else [],
                "unfinished": asdict(left) if left else None,
            }
            print(json.dumps(shown, indent=2))
        raise typer.Exit(WRONG if troubles else FINE)


@app.command("verify")
def verify_platform(inventory: InventoryFile, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Prove that nodes, pods and release are well, and that each service reaches what it needs (`helm test`)."""
    with _session(inventory, "auto", as_json=as_json, verbose=verbose) as context:
        phase = steps.Phase(
            "verify", [steps.CheckOnly("cluster, release and pods", status.check), *verify.full().steps]
        )
        report = _recorded("verify", context, lambda: steps.apply([phase], context))
        if not report.failed:
            status.show(context)
        _finish(report, as_json=as_json, fine=not report.failed)


@app.command()
def rotate(
    inventory: InventoryFile,
    secrets: Annotated[list[str], typer.Argument(metavar="SECRET…", help="Its name, or SECRET/KEY for one key.")],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Replace passwords or certificates while the platform runs, and restart what reads them by environment."""
    with _session(inventory, "auto", as_json=as_json, verbose=verbose) as context:
        report = _recorded("rotate", context, lambda: steps.apply([rotation.phase(secrets)], context))
        _finish(report, as_json=as_json, fine=not report.failed)


@app.command()
def backup(
    inventory: InventoryFile,
    name: Annotated[str, typer.Option("--name", help="What it is called; by default the release and the time.")] = "",
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Back the platform up now, besides the schedule, and say what was copied."""
    if name and not backing.NAME.fullmatch(name):
        raise typer.BadParameter(
            f"{name!r} is no name of a backup; allowed: {backing.NAME_ALLOWED}", param_hint="--name"
        )
    with _session(inventory, "auto", as_json=as_json, verbose=verbose) as context:
        phase = backing.phase(context.inventory, name)
        report = _recorded("backup", context, lambda: steps.apply([phase], context))
        _finish(report, as_json=as_json, fine=not report.failed)


@app.command()
def backups(inventory: InventoryFile, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the backups in the object store, and whether each can be used; no cluster is needed."""
    with _session(inventory, "auto", as_json=as_json, verbose=verbose) as context:
        found = recovery.listed(context)
        if as_json:
            print(json.dumps([asdict(each) for each in found], indent=2))
        rows = [(each.name, each.made, each.kept_until, each.state) for each in found]
        context.console.table(("backup", "made (UTC)", "kept until", "state"), rows)
        raise typer.Exit(FINE if any(each.usable for each in found) else WRONG)


@app.command()
def restore(
    backup: Annotated[str, typer.Argument(metavar="BACKUP", help="Its name, or `latest`.")],
    inventory: InventoryFile,
    images: Images = "auto",
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Build the platform anew from a backup, on machines that know nothing of it; goes on where it was stopped."""
    with _session(inventory, images, as_json=as_json, verbose=verbose) as context:
        chosen = recovery.Recovery(context, backup)
        context.restoring = chosen.backup.name
        work = restoring.all_phases(chosen, context)
        report = _recorded("restore", context, lambda: steps.apply(work, context))
        if not report.failed:
            status.show(context)
            context.console.summary(report)
            context.console.note(
                f"backup {chosen.backup.name} is back: what was written after"
                f" {chosen.backup.started:%Y-%m-%d %H:%M:%S} UTC, {chosen.age()} ago, is lost"
            )
        _finish(report, as_json=as_json, fine=not report.failed)


@app.command()
def reset(
    inventory: InventoryFile,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, take away what is named.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Undo what `apply` made of the cluster, after naming what is lost."""
    with _session(inventory, "auto", as_json=as_json, verbose=verbose) as context:
        chosen = engine(context.inventory)
        undo = list(chosen.reset())
        if not undo:
            context.console.note(f"the engine {context.inventory.cluster.engine} made nothing that could be taken away")
            raise typer.Exit(FINE)
        for loss in chosen.losses():
            context.console.note(f"lost: {loss}" if not loss.startswith("(") else f"      {loss}")
        if not yes:
            raise Problem("nothing was done: reset takes away what is named above", "say so with --yes")
        report = _recorded("reset", context, lambda: steps.apply([steps.Phase("reset", undo)], context))
        _finish(report, as_json=as_json, fine=not report.failed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line `arguments` (default: the process's own) and exit."""
    app(list(arguments) if arguments is not None else None, prog_name="python -m bootstrap")


@contextmanager
def _session(file: Path, images: str, *, as_json: bool, verbose: bool) -> Iterator[Context]:
    """The inventory, read; and every expected failure told as it should be."""
    console = Console(verbose=verbose, quiet=as_json)
    if images not in ("auto", "registry", "lab"):
        raise typer.BadParameter(f"{images!r} is none of auto, registry, lab", param_hint="--images")
    signal.signal(signal.SIGTERM, _stop)
    try:
        yield Context(load(file), console, journal.NoJournal(), images)
    except FindingsError as wrong:
        if as_json:
            print(json.dumps({"status": "wrong", "findings": [f.as_json() for f in wrong.findings]}, indent=2))
        for finding in wrong.findings:
            console.problem(str(finding), "")
        raise typer.Exit(WRONG) from None
    except Problem as problem:
        if as_json:
            print(json.dumps({"status": "failed", "what": problem.what, "what to do": problem.remedy}, indent=2))
        console.problem(problem.what, problem.remedy)
        raise typer.Exit(WRONG) from None
    except KeyboardInterrupt:
        console.problem("stopped by Ctrl-C", "run the same command again: it goes on where it stopped")
        raise typer.Exit(WRONG) from None


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _chosen(inventory: Inventory, names: Sequence[str] | None) -> Sequence[steps.Phase]:
    found = phases.all_phases(inventory)
    unknown = [name for name in names or () if name not in phases.NAMES]
    if unknown:
        allowed = ", ".join(phases.NAMES)
        raise typer.BadParameter(
            f"{', '.join(unknown)}: there is no such phase, there are {allowed}", param_hint="--phase"
        )
    return [phase for phase in found if not names or phase.name in names]


def _recorded(command: str, context: Context, work: Callable[[], steps.Report]) -> steps.Report:
    """Do `work` under the cluster's lock, with a journal; says what an earlier run left unfinished."""
    state = paths.state(context.inventory.cluster.name)
    with journal.lock(state / "lock", command):
        log = journal.Journal(state / "journal.jsonl")
        left = log.unfinished()
        if left:
            context.console.note(
                f"the run of {left.by} since {left.since} did not end (it was at {left.step}); going on"
            )
        context.journal, context.left = log, left
        for orphan in context.ansible.end_orphans():
            context.console.note(f"ended process {orphan}, which a run that was killed had left behind")
        log.run_started(command, str(context.inventory.file))
        ended = "interrupted"
        try:
            report = work()
            ended = "failed" if report.failed else "done"
        finally:
            log.run_finished(ended)
    if any(isinstance(result.problem, Interrupted) for result in report.results):
        raise typer.Exit(WRONG)
    return report


def _finish(report: steps.Report, *, as_json: bool, fine: bool) -> None:
    if as_json:
        json.dump(_as_json(report), sys.stdout, indent=2)
        print()
    raise typer.Exit(FINE if fine else WRONG)


def _as_json(report: steps.Report) -> dict[str, Any]:
    return {
        "status": "failed" if report.failed else "changed" if report.changes else "unchanged",
        "seconds": {phase: round(seconds, 2) for phase, seconds in report.seconds().items()},
        "steps": [
            {
                "phase": result.phase,
                "step": result.step,
                "status": result.status,
                "seconds": round(result.seconds, 2),
                "changes": [asdict(change) for change in result.changes],
                **({"what": result.problem.what, "what to do": result.problem.remedy} if result.problem else {}),
            }
            for result in report.results
        ],
    }
