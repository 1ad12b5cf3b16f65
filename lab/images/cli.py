"""python -m lab.images build [NAME…] | rootfs NAME | list | path

Exit codes: 0 fine, 1 it could not be made, 2 unusable arguments, 130 interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lab.errors import LabError
from lab.images.bundle import build_only, bundle_path, ensure_bundle, unpacked_root
from lab.images.recipes import recipes
from tools import ToolError
from tools.cache import say


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line `arguments` (default: the process's); returns the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return _run(chosen)
    except (LabError, ToolError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on where it stopped")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.images", description="Images of the lab's machines.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make the bundle and print its place; NAMEs: only their layers")
    build.add_argument("names", nargs="*", metavar="NAME", choices=[[], *recipes()])
    rootfs = commands.add_parser("rootfs", help="unpack the root of one image and print where it is")
    rootfs.add_argument("name", metavar="NAME", choices=list(recipes()))
    commands.add_parser("list", help="the names of the images")
    commands.add_parser("path", help="print where the current bundle is")
    return parser


def _run(chosen: argparse.Namespace) -> int:
    if chosen.command == "build" and chosen.names:
        build_only(chosen.names)
    elif chosen.command == "build":
        print(ensure_bundle())
    elif chosen.command == "rootfs":
        print(unpacked_root(chosen.name))
    elif chosen.command == "list":
        for recipe in recipes().values():
            if recipe.image:
                print(f"{recipe.name}\t{recipe.image.reference}")
    elif not bundle_path().is_dir():
        say(f"error: there is no bundle at {bundle_path()}\nmake it: python -m lab.images build")
        return 1
    else:
        print(bundle_path())
    return 0
