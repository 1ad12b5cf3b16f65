"""The commands of `python -m generator`. Exit codes: 0 fine, 1 findings, 2 unusable arguments."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from generator.catalogue import load_catalogue
from generator.check import check_chart, check_values
from generator.diff import Change, diff
from generator.drawing import draw
from generator.errors import Finding, FindingsError, UsageError
from generator.inventory import read_machines
from generator.render import CHART, PROJECT, render
from generator.schema import ValuesSchema
from generator.topology import topology
from generator.values import read_values

# The values that the committed chart has as its defaults.
PROD = PROJECT / "values" / "prod.yaml"
LOG_WIDTH = 120
SHOWN = CHART.relative_to(PROJECT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        return code
    except FindingsError as error:
        report(error.findings, options.json)
        return 1
    except UsageError as error:
        if options.json:
            print(json.dumps({"error": str(error)}, ensure_ascii=False))
        else:
            print(f"generator {options.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our output has seen enough (`… | head`); Python would complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m generator",
        description="Makes the chart of Custos Platform.",
        epilog="Exit codes: 0 fine, 1 findings, 2 unusable arguments.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        added.add_argument("--json", action="store_true", help="answer in JSON")
        added.set_defaults(run=run)
        return added

    added = command("render", _render, "write the chart for a values file")
    added.add_argument("values", type=Path, metavar="VALUES", help="values file, such as values/prod.yaml")
    added.add_argument("--output", type=Path, default=CHART, metavar="DIR", help=f"the chart's folder ({SHOWN})")

    added = command("check", _check, "check values files, and that the committed chart is current")
    added.add_argument("values", type=Path, nargs="*", metavar="VALUES", help="values files (values/*.yaml)")
    added.add_argument("--inventory", type=Path, metavar="FILE", help="inventory whose machines must suffice")
    added.add_argument("--no-chart", action="store_true", help="leave the committed chart out")

    added = command("diff", _diff, "show what a values file would change against the committed chart")
    added.add_argument("values", type=Path, metavar="VALUES", help="values file")
    added.add_argument("--chart", type=Path, default=CHART, metavar="DIR", help=f"chart to compare ({SHOWN})")

    added = command("draw", _draw, "draw machines, stores, services and who talks to whom as SVG")
    added.add_argument("values", type=Path, nargs="?", metavar="VALUES", help="values file (values/prod.yaml)")
    added.add_argument("--inventory", type=Path, metavar="FILE", help="inventory whose machines are drawn")
    added.add_argument("--output", type=Path, metavar="FILE", help="file to write (standard output)")
    return parser


def _render(options: argparse.Namespace) -> int:
    result = render(options.values, options.output)
    if options.json:
        print(json.dumps({"chart": str(result.chart), "files": result.files, "changed": result.changed}))
    else:
        state = "written" if result.changed else "unchanged"
        print(f"{_short(result.chart)}: {state}, {result.files} files")
    return 0


def _check(options: argparse.Namespace) -> int:
    files: list[Path] = options.values or sorted(_short(path) for path in (PROJECT / "values").glob("*.yaml"))
    if not files:
        raise UsageError("there is nothing to check: values/ holds no *.yaml")
    findings = check_values(files, options.inventory)
    if not options.no_chart:
        try:
            findings += check_chart(_short(CHART), _short(PROD))
        except FindingsError as error:
            findings += [finding for finding in error.findings if finding not in findings]
    if findings or options.json:
        report(findings, options.json)
    else:
        what = ", ".join(map(str, files)) + ("" if options.no_chart else f" and {_short(CHART)}")
        print(f"fine: {what}")
    return 1 if findings else 0


def _diff(options: argparse.Namespace) -> int:
    difference = diff(options.chart, options.values)
    if options.json:
        print(json.dumps(difference.as_json(), ensure_ascii=False, indent=2))
        return 0
    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    if difference.keys:
        console.print(_changes_table("Values", difference.keys))
    for item in difference.objects or ():
        if item.changes:
            console.print(_changes_table(f"{item.name}: {item.what}", item.changes))
        else:
            console.print(Text(f"{item.name}: {item.what}"))
    if difference.note:
        console.print(Text(f"By key only, not by object: {difference.note}"))
    objects = "" if difference.objects is None else f", {len(difference.objects)} objects"
    print(f"{len(difference.keys)} values{objects} differ from {_short(options.chart)}")
    return 0


def _draw(options: argparse.Namespace) -> int:
    file: Path = options.values or _short(PROD)
    catalogue = load_catalogue()
    values, findings = read_values(file, ValuesSchema(catalogue))
    if findings:
        raise FindingsError(findings)
    machines = read_machines(options.inventory) if options.inventory else []
    graph = topology(values, catalogue, machines)
    picture = draw(graph, f"Custos Platform: {file.stem}")
    if options.output:
        try:
            options.output.write_text(picture, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{options.output}: cannot be written: {error.strerror}") from error
    if options.json:
        print(json.dumps(graph.as_json(), ensure_ascii=False, indent=2))
    elif options.output:
        print(f"{options.output}: {len(graph.services)} services, {len(graph.stores)} stores")
    else:
        print(picture, end="")
    return 0


def _changes_table(title: str, changes: Sequence[Change]) -> Table:
    table = Table(title=Text(title), title_justify="left")
    for column in ("Where", "Now", "Then"):
        table.add_column(column, overflow="fold")
    for change in changes:
        cells = (
            "" if value is None else value if "\n" in str(value) else json.dumps(value, ensure_ascii=False)
            for value in (change.old, change.new)
        )
        table.add_row(Text(change.path), *map(Text, cells))
    return table


def _short(path: Path) -> Path:
    """`path` as seen from the current folder where it lies in it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def report(findings: Sequence[Finding], as_json: bool) -> None:
    """Shows all findings: a table for people on stderr, JSON for machines on stdout."""
    if as_json:
        print(json.dumps({"findings": [finding.as_json() for finding in findings]}, ensure_ascii=False, indent=2))
        return
    # A pipe or a log file has no width of its own.
    console = Console(stderr=True, width=None if sys.stderr.isatty() else LOG_WIDTH)
    table = Table(show_lines=True, title=f"{len(findings)} finding{'' if len(findings) == 1 else 's'}")
    for column in ("Where", "What is wrong", "What to do"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        where = [finding.place, finding.path]
        what = [finding.message, finding.found and f"found: {finding.found}"]
        mend = [
            finding.nearest and f"did you mean {finding.nearest}?",
            finding.mend,
            finding.allowed and f"allowed: {finding.allowed}",
        ]
        # Text, not str: what an input holds is shown as it is, never taken for Rich's markup.
        table.add_row(*(Text("\n".join(filter(None, cell))) for cell in (where, what, mend)))
    console.print(table)
