"""python -m tools install NAME… | list | path NAME

Exit codes: 0 fine, 1 a tool is missing or could not be built, 2 unusable arguments.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tools.cache import say
from tools.install import ensure, find, share
from tools.table import ToolError, ToolMissing, programs, table, tool_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line `arguments` (default: the process's); returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools", description="The project's pinned tools.")
    commands = parser.add_subparsers(dest="command", required=True)
    install = commands.add_parser("install", help="find, download or build these tools")
    install.add_argument("names", nargs="*", metavar="NAME", help="a tool or one of its programs; none: all")
    commands.add_parser("list", help="every tool, its version and where it is")
    path = commands.add_parser("path", help="print where an installed program is")
    path.add_argument("name", metavar="NAME")
    chosen = parser.parse_args(arguments)
    try:
        names = [program for name in getattr(chosen, "names", ()) or table() for program in programs(name)]
    except ToolError as error:
        parser.error(str(error))
    try:
        if chosen.command == "install":
            _install(names)
        elif chosen.command == "path":
            print(find(chosen.name))
        else:
            _list()
    except ToolError as error:
        say(f"error: {error}")
        return 1
    return 0


def _install(names: list[str]) -> None:
    for name in names:
        path = ensure(name)
        if tool_of(name).files:
            share(name)
        say(f"{name} {tool_of(name).version}: {path}")


def _list() -> None:
    rows = Table("tool", "version", "program")
    rows.add_column("where", overflow="fold")
    for tool in table().values():
        for program in tool.binaries:
            try:
                where = str(find(program))
            except ToolMissing:
                where = f"not installed: python -m tools install {program}"
            rows.add_row(tool.name, tool.version, program, where)
    Console().print(rows)
