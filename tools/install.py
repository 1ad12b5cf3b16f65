"""Finds a tool, or gets it: PATH, cache, upstream's release, Go build, in this order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.cache import cache_root, locked, say, step
from tools.download import DownloadFailed, fetch_release
from tools.gobuild import build, copy_module_files
from tools.table import Tool, ToolMissing, tool_of

VERSION_SECONDS = 20  # a program that takes longer to say its version is not the one we look for


def find(name: str) -> Path:
    """The program `name` in its pinned version, on the PATH or in the cache.

    Raises ToolMissing, with the command that installs it, where it is in neither.
    """
    tool = tool_of(name)
    path = _on_path(tool, name) or _in_cache(tool, name)
    if path is None:
        raise ToolMissing(
            name,
            f"version {tool.version} is neither on the PATH nor in {folder(tool)}",
            f"Install it: python -m tools install {name}",
        )
    return path


def ensure(name: str) -> Path:
    """The program `name` in its pinned version, installed into the cache if need be.

    Raises ToolMissing where no release can be reached and there is no Go, ToolError if the build fails.
    """
    tool = tool_of(name)
    found = _on_path(tool, name) or _in_cache(tool, name)
    if found is not None:
        return found
    with locked(_lock(tool), f"{tool.name} {tool.version}"):
        found = _in_cache(tool, name)  # by the process that we may have waited for
        return found or _install(tool, name)


def share(name: str) -> Path:
    """The folder that holds the files (tools.yaml: `files`) that come with the tool of the program `name`.

    They are taken from the Go module, once. Raises as `ensure` does.
    """
    tool = tool_of(name)
    target = folder(tool)
    if not all((target / file).is_file() for file in tool.files):
        with locked(_lock(tool), f"{tool.name} {tool.version}"):
            copy_module_files(tool, target)
    return target


def folder(tool: Tool) -> Path:
    """Where the cache keeps this version of `tool`."""
    return cache_root() / "tools" / f"{tool.name}-{tool.version}"


def _lock(tool: Tool) -> Path:
    return cache_root() / "tools" / f".{tool.name}-{tool.version}.lock"


def _in_cache(tool: Tool, name: str) -> Path | None:
    path = folder(tool) / name
    return path if path.is_file() and os.access(path, os.X_OK) else None


def _on_path(tool: Tool, name: str) -> Path | None:
    path = shutil.which(name) if tool.asks_version(name) else None
    if path is None or not _has_version(Path(path), tool, name):
        return None
    return Path(path)


def _has_version(path: Path, tool: Tool, name: str) -> bool:
    try:
        run = subprocess.run(
            [path, *tool.asks_version(name)],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return says_version(run.stdout + run.stderr, tool.number)


def says_version(output: str, number: str) -> bool:
    """Whether `output` names exactly the version `number` (1.34.4 is neither 1.34.40 nor 1.34.4-rc.1)."""
    return re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.]*\d|-(?:alpha|beta|rc))", output) is not None


def _install(tool: Tool, name: str) -> Path:
    """Puts `name` into the cache; the lock is held, so leftovers there are of killed runs."""
    parent = folder(tool).parent
    for leftover in parent.glob(f".{tool.name}-{tool.version}.part-*"):
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{tool.name}-{tool.version}.part-") as temporary:
        fresh = Path(temporary) / name
        if not _downloaded(tool, name, fresh):
            with step(f"building {name} {tool.version} with Go"):
                build(tool, name, fresh)
        fresh.chmod(0o755)
        folder(tool).mkdir(exist_ok=True)
        return fresh.rename(folder(tool) / name)


def _downloaded(tool: Tool, name: str, target: Path) -> bool:
    if tool.release is None:
        return False
    try:
        fetch_release(tool, name, target)
    except DownloadFailed as error:
        say(f"{name} {tool.version}: no release download ({error}); building it instead")
        return False
    say(f"{name} {tool.version}: downloaded, checksum as published")
    return True
