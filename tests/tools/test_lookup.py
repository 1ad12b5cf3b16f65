"""Where a tool is looked for, and in which order."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.tools.conftest import Declare
from tools import ToolError, ToolMissing, ensure, find
from tools.install import folder, says_version
from tools.table import table, tool_of


@pytest.mark.parametrize(
    ("output", "number", "right"),
    [
        ("v4.3.1+gabcdef", "4.3.1", True),
        ("Kubernetes v1.34.4", "1.34.4", True),
        ("CoreDNS-1.12.4\nlinux/amd64, go1.26.8", "1.12.4", True),
        ("etcdctl version: 3.6.5\nAPI version: 3.6", "3.6.5", True),
        ("Kubernetes v1.34.40", "1.34.4", False),
        ("Kubernetes v11.34.4", "1.34.4", False),
        ("Kubernetes v1.34.4-rc.1", "1.34.4", False),
        ("version 1.34", "1.34.4", False),
        ("", "1.34.4", False),
    ],
)
def test_only_the_very_version_counts(output: str, number: str, right: bool) -> None:
    assert says_version(output, number) is right


def script(path: Path, prints: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {prints}\n")
    path.chmod(0o755)
    return path


def test_the_path_comes_first(declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = script(folder(tool_of("probe")) / "probe", "1.2.3")
    assert find("probe") == cached
    on_path = script(tmp_path / "bin" / "probe", "probe v1.2.3")
    monkeypatch.setenv("PATH", str(on_path.parent), prepend=":")
    assert find("probe") == on_path
    script(on_path, "probe v1.2.4")
    assert find("probe") == cached


def test_what_is_nowhere_is_named_with_its_remedy(declare: Declare) -> None:
    with pytest.raises(ToolMissing) as caught:
        find("probe")
    assert caught.value.remedy == "Install it: python -m tools install probe"
    assert "v1.2.3" in str(caught.value)


def test_an_unknown_program_is_answered_with_the_known_ones(declare: Declare) -> None:
    with pytest.raises(ToolError, match="no tool builds a program named 'prob'; known are: probe"):
        find("prob")


def test_what_is_nowhere_is_built_once_with_its_version(declare: Declare, capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ensure, ["probe", "probe"])
    assert first == second == folder(tool_of("probe")) / "probe"
    assert subprocess.run([first], capture_output=True, text=True, check=True).stdout == "probe v1.2.3\n"
    said = capfd.readouterr().err
    assert said.count("building probe v1.2.3 with Go …") == 1


def test_what_a_killed_build_left_is_removed(declare: Declare) -> None:
    left = folder(tool_of("probe")).parent / ".probe-v1.2.3.part-killed"
    (left / "half").mkdir(parents=True)
    ensure("probe")
    assert not left.exists()


def test_a_build_that_fails_says_why_and_leaves_nothing(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "declared" / "probe" / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(ToolError, match=r"(?s)building probe v1\.2\.3 .*undefined: undefined"):
        ensure("probe")
    assert not folder(tool_of("probe")).exists()


def test_without_go_the_remedy_names_it(declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolMissing, match=r"no Go to build it\. Install Go \(https://go\.dev/dl"):
        ensure("probe")


def test_a_program_of_our_own_is_built_anew_when_its_sources_change(declare: Declare, tmp_path: Path) -> None:
    source = tmp_path / "declared" / "probe"
    (source / "go.sum").write_text("")
    declare(source=str(source), binaries={"probe": "."}, versionCommand=[])
    first = ensure("probe")
    assert first == ensure("probe")
    (source / "main_test.go").write_text("package main\n")
    table.cache_clear()
    assert find("probe") == first
    (source / "main.go").write_text((source / "main.go").read_text().replace('"probe"', '"changed"'))
    table.cache_clear()
    second = ensure("probe")
    assert second != first
    assert subprocess.run([second], capture_output=True, text=True, check=True).stdout.startswith("changed ")


def test_a_program_of_our_own_is_not_taken_from_the_path(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "declared" / "probe"
    (source / "go.sum").write_text("")
    declare(source=str(source), binaries={"probe": "."}, versionCommand=[])
    on_path = script(tmp_path / "bin" / "probe", "anything")
    monkeypatch.setenv("PATH", str(on_path.parent), prepend=":")
    with pytest.raises(ToolMissing):
        find("probe")
