"""A table of one small tool of our own, in a cache of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tools import download
from tools import table as tables

MAIN = """package main

import "fmt"

var version = "unset"

func main() { fmt.Println("probe", version) }
"""

Declare = Callable[..., None]


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Declare]:
    """Makes the table hold just `probe` v1.2.3; call it with further keys of that entry."""
    home = tmp_path / "declared"
    (home / "probe").mkdir(parents=True)
    (home / "probe" / "go.mod").write_text("module probe\n\ngo 1.24.0\n")
    (home / "probe" / "main.go").write_text(MAIN)
    go_cache = subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout
    monkeypatch.setenv("GOCACHE", go_cache.strip())  # else Go would follow XDG_CACHE_HOME
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tables, "HERE", home)
    monkeypatch.setattr(download, "_unreachable", set())

    def write(**more: object) -> None:
        entry = {
            "version": "v1.2.3",
            "binaries": {"probe": "probe"},
            "versionCommand": ["--version"],
            "ldflags": "-X main.version={version}",
            **more,
        }
        (home / "tools.yaml").write_text(yaml.safe_dump({"probe": entry}))
        tables.table.cache_clear()

    write()
    yield write
    tables.table.cache_clear()
