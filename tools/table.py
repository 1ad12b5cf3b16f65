"""The table of tools (tools.yaml) as typed records."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent


class ToolError(Exception):
    """Something about a tool went wrong; the message says what, where and what to do."""


class ToolMissing(ToolError):
    """A tool is in none of the places that were looked at; `remedy` is what to do about it."""

    def __init__(self, name: str, looked: str, remedy: str) -> None:
        super().__init__(f"{name} is missing: {looked}. {remedy}")
        self.name = name
        self.remedy = remedy


@dataclass(frozen=True)
class Release:
    """Upstream's own download; all three are patterns for `Tool.fill`."""

    url: str
    checksums: str
    member: str | None  # path inside the archive; None: the download is the program itself


@dataclass(frozen=True)
class Tool:
    """One Go module of the table: what it builds and how to recognise it."""

    name: str
    version: str
    binaries: dict[str, str]  # program -> Go package
    version_command: tuple[str, ...]  # empty for a program of the project's own
    version_commands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ldflags: str = ""
    module: str = ""
    files: tuple[str, ...] = ()
    adds: dict[str, str] = field(default_factory=dict)
    release: Release | None = None
    own: Path | None = None  # the folder of a program of the project's own

    @property
    def number(self) -> str:
        """The version without its leading v."""
        return self.version.removeprefix("v")

    @property
    def source(self) -> Path:
        """The folder with go.mod and go.sum."""
        return self.own or HERE / self.name

    @property
    def inputs(self) -> list[Path]:
        """The files of this project that the build reads, in a fixed order."""
        return [*_module_files(self.source, own=self.own is not None), *map(self.source.joinpath, self.adds.values())]

    def fill(self, pattern: str, binary: str = "") -> str:
        """Returns `pattern` with {version}, {number}, {binary}, {os} and {arch} filled in."""
        return pattern.format(
            version=self.version, number=self.number, binary=binary, os="linux", arch=go_architecture()
        )

    def asks_version(self, binary: str) -> tuple[str, ...]:
        """The arguments that make `binary` print its version."""
        return self.version_commands.get(binary, self.version_command)


def _module_files(folder: Path, own: bool) -> list[Path]:
    """go.mod, go.sum and, where the module's code is the project's own, that code without its tests."""
    code = sorted(path for path in folder.rglob("*.go") if not path.name.endswith("_test.go")) if own else []
    return [folder / "go.mod", folder / "go.sum", *code]


def go_architecture() -> str:
    """This machine's processor in Go's (and Debian's) words."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@cache
def table() -> dict[str, Tool]:
    """All tools of tools.yaml by name, in its order."""
    raw = yaml.safe_load((HERE / "tools.yaml").read_text(encoding="utf-8"))
    return {name: _tool(name, entry) for name, entry in raw.items()}


def _tool(name: str, entry: dict[str, Any]) -> Tool:
    release = entry.get("release")
    own = CHECKOUT / entry["source"] if "source" in entry else None
    return Tool(
        name=name,
        version=_digest(own) if own else entry["version"],
        binaries=dict(entry["binaries"]),
        version_command=tuple(entry.get("versionCommand", ())),
        version_commands={k: tuple(v) for k, v in entry.get("versionCommands", {}).items()},
        ldflags=entry.get("ldflags", ""),
        module=entry.get("module", ""),
        files=tuple(entry.get("files", ())),
        adds=dict(entry.get("adds", {})),
        release=Release(release["url"], release["checksums"], release.get("member")) if release else None,
        own=own,
    )


def _digest(folder: Path) -> str:
    """The version of a program of the project's own: changed sources are another version."""
    digest = hashlib.sha256()
    for file in _module_files(folder, own=True):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def tool_of(binary: str) -> Tool:
    """The tool that builds the program `binary`; raises ToolError with the known names for any other."""
    for tool in table().values():
        if binary in tool.binaries:
            return tool
    known = ", ".join(b for tool in table().values() for b in tool.binaries)
    raise ToolError(f"no tool builds a program named '{binary}'; known are: {known}")


def programs(name: str) -> list[str]:
    """The programs that `name` (a tool or a program) stands for; raises ToolError for an unknown name."""
    if name in table():
        return list(table()[name].binaries)
    return [name] if tool_of(name) else []
