"""The commands of `python -m generator`. Exit codes: 0 fine, 1 findings, 2 unusable arguments."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from generator.errors import Finding, FindingsError, UsageError
from generator.render import CHART, render


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m generator", description="Makes the chart of Custos Platform.")
    parser.set_defaults(json=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser("render", help="write the chart for a values file")
    command.add_argument("values", type=Path, metavar="VALUES", help="values file, such as values/prod.yaml")
    command.add_argument(
        "--output", type=Path, default=CHART, metavar="DIR", help="folder of the chart (default: charts/custos-platform)"
    )
    command.add_argument("--json", action="store_true", help="answer in JSON")
    command.set_defaults(run=_render)
    return parser


def _render(options: argparse.Namespace) -> int:
    result = render(options.values, options.output)
    if options.json:
        print(json.dumps({"chart": str(result.chart), "files": result.files, "changed": result.changed}))
    else:
        state = "written" if result.changed else "unchanged"
        Console(soft_wrap=True).print(f"{result.chart}: {state}, {result.files} files", highlight=False)
    return 0


def report(findings: Sequence[Finding], as_json: bool) -> None:
    """Shows all findings: a table for people on stderr, JSON for machines on stdout."""
    if as_json:
        print(json.dumps({"findings": [finding.as_json() for finding in findings]}, ensure_ascii=False, indent=2))
        return
    console = Console(stderr=True)
    table = Table(show_lines=True, title=f"{len(findings)} finding{'s' if len(findings) != 1 else ''}")
    for column in ("Where", "Key", "What is wrong", "Found", "Allowed", "Mend"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        mend = "; ".join(filter(None, (finding.nearest and f"did you mean {finding.nearest}?", finding.mend)))
        row = (finding.place, finding.path, finding.message, finding.found, finding.allowed, mend)
        table.add_row(*(cell or "" for cell in row))
    console.print(table)
