"""The table itself."""

from __future__ import annotations

import re

import pytest

from tools.cli import main
from tools.table import Tool, programs, table

UPSTREAM = {name: tool for name, tool in table().items() if tool.own is None}


@pytest.mark.parametrize("tool", UPSTREAM.values(), ids=list(UPSTREAM))
def test_a_module_builds_the_version_of_the_table(tool: Tool) -> None:
    module = (tool.source / "go.mod").read_text(encoding="utf-8")
    for package in tool.binaries.values():
        assert f"tool {package}\n" in module or re.search(rf"^\t{re.escape(package)}$", module, re.M), package
        required = dict(re.findall(r"^\s*(?:require )?(\S+) (v\S+)", module, re.M))
        owner = max((name for name in required if package.startswith(name)), key=len)
        assert required[owner] == tool.version
    assert (tool.source / "go.sum").is_file()


def test_no_two_tools_make_the_same_program() -> None:
    names = [program for tool in table() for program in programs(tool)]
    assert len(names) == len(set(names))


def test_an_unknown_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["install", "helmm"])
    assert caught.value.code == 2
    assert "no tool builds a program named 'helmm'; known are: helm, ct" in capsys.readouterr().err
