"""python -m lab.images build [NAME…] | rootfs NAME | list | path | serve [--port PORT]

Exit codes: 0 fine, 1 it could not be made, 2 unusable arguments, 130 interrupted.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

from generator import images
from generator.catalogue import load_catalogue
from lab import description, paths
from lab.errors import LabError
from lab.images.bundle import build_only, bundle_path, ensure_bundle, images_named, unpacked_root
from lab.images.official import official
from lab.images.push import push
from lab.images.recipes import recipes
from lab.images.serve import registry
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
    serve = commands.add_parser("serve", help="run a registry that has them under the official names, until Ctrl-C")
    serve.add_argument("--port", type=int, default=5000, help="of the lab's address here (default: 5000)")
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
    elif chosen.command == "serve":
        _serve(chosen.port)
    elif not bundle_path().is_dir():
        say(f"error: there is no bundle at {bundle_path()}\nmake it: python -m lab.images build")
        return 1
    else:
        print(bundle_path())
    return 0


def _serve(port: int) -> None:
    """Run the registry until Ctrl-C; what it has is gone with it."""
    host = str(description.load(paths.lab_file()).gateway)
    catalogue = load_catalogue()
    with (
        tempfile.TemporaryDirectory(prefix="custos-registry-") as folder,
        registry(host, Path(folder), port) as found,
    ):
        with images_named(official(catalogue)) as specs:
            push(found.address, specs)
        say(f"{len(specs)} images in {found.url}; for the inventory's `containerd`, then `apply --images registry`:")
        mirrors = ", ".join(f"{name}: ['{found.url}']" for name in images.registries(catalogue))
        print(f"mirrors: {{{mirrors}}}", flush=True)
        signal.pause()
