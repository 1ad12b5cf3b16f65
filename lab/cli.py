"""`python -m lab`: machines on this computer that look like those of a data centre."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lab import access, check, description, lifecycle, paths, quantity, s3, status
from lab.description import Lab
from lab.errors import LabError
from lab.progress import Progress

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
out = Console()
err = Console(stderr=True)

File = Annotated[
    Path | None,
    typer.Option("--file", help="The lab's description; also $CUSTOS_LAB_FILE. Default: lab/lab.yaml."),
]
Name = Annotated[str, typer.Argument(help="The machine's name.", metavar="NAME")]


@contextmanager
def _mistakes() -> Iterator[None]:
    """Tell what went wrong and what to do, and end with 1."""
    try:
        yield
    except LabError as error:
        _tell(error.what, error.remedy)
        raise typer.Exit(1) from None
    except PermissionError as error:
        _tell(str(error), "run it as root")
        raise typer.Exit(1) from None


def _tell(what: str, remedy: str) -> None:
    err.print(f"[bold red]error:[/] {escape(what)}", highlight=False, soft_wrap=True)
    err.print(f"[bold]what to do:[/] {escape(remedy)}", highlight=False, soft_wrap=True)


def _lab(file: Path | None) -> Lab:
    return description.load(file or paths.lab_file())


def _refuse_lacks(lab: Lab) -> None:
    found = check.lacks(lab, paths.state())
    check.report(found, lambda line: err.print(line, highlight=False, soft_wrap=True, markup=False))
    if found:
        raise typer.Exit(1)


@app.command("check")
def check_(file: File = None) -> None:
    """Say whether this computer can carry the lab; 1 if not, with one line for each lack."""
    with _mistakes():
        _refuse_lacks(_lab(file))
        out.print("this computer can carry the lab")


@app.command()
def up(file: File = None) -> None:
    """Start the machines; install and build what is missing first."""
    with _mistakes():
        lab = _lab(file)
        _refuse_lacks(lab)
        with Progress(err) as progress:
            outcome = lifecycle.up(lab, paths.state(), progress)
        _changes(outcome.changed, f"nothing to do: all {len(lab.machines)} machines run")
        _warn(outcome.states)
        _show(lab)


@app.command()
def down() -> None:
    """Remove the lab: machines, disks, network, keys. The cache with what was built stays."""
    with _mistakes(), Progress(err) as progress:
        outcome = lifecycle.down(paths.state(), progress)
    _changes(outcome.changed, f"nothing to do: there is no lab in {paths.state()}")


@app.command("power-off")
def power_off(name: Name, file: File = None) -> None:
    """Cut a machine's power: all that runs in it ends at once, its disks stay."""
    with _mistakes(), Progress(err) as progress:
        lab = _lab(file)
        outcome = lifecycle.power_off(lab, paths.state(), lab.machine(name), progress)
    _changes(outcome.changed, f"nothing to do: {name} is off")


@app.command("power-on")
def power_on(name: Name, file: File = None) -> None:
    """Power a machine on and wait until it can be reached."""
    with _mistakes(), Progress(err) as progress:
        lab = _lab(file)
        outcome = lifecycle.power_on(lab, paths.state(), lab.machine(name), progress)
    _changes(outcome.changed, f"nothing to do: {name} is on")
    _warn(outcome.states)


@app.command()
def destroy(name: Name, file: File = None) -> None:
    """Take a machine away with all of its disks, as a fire would; `up` puts a new, empty one in its place."""
    with _mistakes(), Progress(err) as progress:
        lab = _lab(file)
        outcome = lifecycle.destroy(lab, paths.state(), lab.machine(name), progress)
    _changes(outcome.changed, f"nothing to do: there is no {name}")


@app.command("status")
def status_(
    file: File = None, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """Show the machines: power, address, memory; with --json also the SSH key and known_hosts."""
    with _mistakes():
        lab = _lab(file)
        if as_json:
            found = status.look(lab, paths.state())
            typer.echo(json.dumps(status.facts(lab, paths.state(), found), indent=2))
        else:
            _show(lab)


@app.command(context_settings={"ignore_unknown_options": True})
def ssh(
    name: Name,
    command: Annotated[list[str] | None, typer.Argument(help="What to run there; a shell if empty.")] = None,
    file: File = None,
) -> None:
    """Log in to a machine, or run a command there."""
    with _mistakes():
        machine = _lab(file).machine(name)
        if not access.key(paths.state()).exists():
            raise LabError(f"there is no lab in {paths.state()}", "run `python -m lab up`")
        words = access.command(paths.state(), machine, *(command or []))
        os.execvp(words[0], words)


def _changes(changed: list[str], otherwise: str) -> None:
    for line in changed or [otherwise]:
        out.print(line, highlight=False, markup=False)


def _warn(states: dict[str, str]) -> None:
    for name, word in states.items():
        if word != "running":
            err.print(
                f"[yellow]{name} is {escape(word)}[/]; `python -m lab ssh {name}` to look", highlight=False
            )


def _show(lab: Lab) -> None:
    table = Table("machine", "address", "power", "ssh", "memory", box=None)
    for found in status.look(lab, paths.state()):
        power = "on" if found.on else "off" if found.installed else "not installed"
        memory = quantity.show(found.memory) if found.memory is not None else ""
        table.add_row(
            found.machine.name, str(found.machine.address), power, "yes" if found.ssh else "no", memory
        )
    out.print(table)
    for machine in lab.machines:
        if machine.object_store:
            where = f"{s3.url(machine)}, bucket {machine.object_store.bucket}, keys in {s3.credentials(paths.state())}"
            out.print(f"object store: {where}", highlight=False, soft_wrap=True, markup=False)
    out.print("log in: `python -m lab ssh NAME`", highlight=False)
