"""Reads YAML that nobody vouches for: strict, bounded, and knowing the line of every key.

PyYAML's own loaders keep the last of two equal keys, expand aliases without limit and forget line numbers.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from generator.errors import Finding, FindingsError, KeyPath

# libyaml's parser is ten times as fast and part of every wheel; the other is the same in Python.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 40
# Far above any honest file (1,000 services take about 60,000), far below what hurts.
MAX_NODES = 500_000

# Longer ones are no numbers that anything here means, and Python refuses to read them.
_MAX_DIGITS = 40

_MERGE = "tag:yaml.org,2002:merge"
_PREFIX = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """A file's content, and the line on which each key (or list item) stands."""

    file: str
    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest key above it that stands in the file."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None


def load_mapping(file: Path | str) -> Document:
    """The mapping in `file`; an empty file is an empty mapping.

    Raises FindingsError for whatever is wrong with the file; executes nothing and expands nothing unbounded.
    """
    name = str(file)
    document = _parse(name, _read(name, Path(file)))
    if document.data is None:
        return Document(name, {}, {})
    if not isinstance(document.data, dict):
        raise _error(
            name,
            "the file is not a mapping of keys to values",
            line=1,
            found=_kind(document.data),
            allowed="`key: value` lines",
        )
    return document


def _error(file: str, message: str, **facts: Any) -> FindingsError:
    return FindingsError([Finding(file=file, message=message, **facts)])


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", bool: "a boolean"}.get(type(value), "a number")


def _read(name: str, file: Path) -> str:
    if file.is_dir():
        raise _error(name, "is a folder", allowed="a YAML file", mend="name the file in it")
    if not file.exists():
        there = sorted(path.name for path in file.parent.glob("*.y*ml")) if file.parent.is_dir() else []
        match = get_close_matches(file.name, there, n=1)
        raise _error(
            name,
            "there is no such file",
            allowed=f"{', '.join(there)} in {file.parent}" if there else None,
            nearest=str(file.parent / match[0]) if match else None,
        )
    if not file.is_file():
        raise _error(name, "is not a regular file", allowed="a YAML file")
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _error(name, f"cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise _error(name, "is too large", allowed=f"at most {MAX_BYTES // 1024 // 1024} MiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        found = f"byte 0x{raw[error.start]:02x}"
        raise _error(name, "is not text in UTF-8", line=line, found=found, mend="save it as UTF-8") from error
    control = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)
    if control:
        line = text[: control.start()].count("\n") + 1
        found = f"control character 0x{ord(control[0]):02x}"
        raise _error(name, "is not a text file", line=line, found=found, allowed="a YAML file")
    return text


def _parse(name: str, text: str) -> Document:
    try:
        _guard(name, text)
        node = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f"{error.context}: " if error.context else ""
        raise _error(
            name,
            f"is not YAML: {context}{error.problem}",
            line=mark.line + 1 if mark else None,
            found=_line_of(text, mark.line) if mark else None,
            mend="check indentation, quotes and colons on this line and the one above",
        ) from error
    except yaml.YAMLError as error:
        raise _error(name, f"is not YAML: {error}") from error
    if node is None:
        return Document(name, None)
    builder = _Builder(name)
    data = builder.build(node, ())
    if builder.findings:
        raise FindingsError(builder.findings)
    return Document(name, data, builder.lines)


def _line_of(text: str, index: int) -> str | None:
    lines = text.splitlines()
    return lines[index].strip()[:80] or None if index < len(lines) else None


def _guard(name: str, text: str) -> None:
    """Refuses what must not even be composed: several documents, foreign tags, deep nesting."""
    documents = depth = 0
    for event in yaml.parse(text, Loader=Loader):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _error(
                    name,
                    "holds more than one YAML document",
                    line=line,
                    found="---",
                    allowed="one document",
                    mend="remove the line `---` or split the file",
                )
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _error(name, "is nested too deeply", line=line, allowed=f"{MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        tag = getattr(event, "tag", None)
        if tag and tag != "!":
            raise _error(
                name,
                "has a YAML tag",
                line=line,
                found=tag.replace(_PREFIX, "!!"),
                allowed="plain values without tags",
                mend="remove the tag",
            )


class _Builder:
    """Turns composed nodes into plain data, counting what aliases expand to before expanding it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.findings: list[Finding] = []
        self.lines: dict[KeyPath, int] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()
        self._checked = False

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        if not self._checked:
            self._checked = True
            self._size(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                self.lines.setdefault((*path, index), item.start_mark.line + 1)
                items.append(self.build(item, (*path, index)))
            return items
        return scalar(node.value, node.tag)

    def _size(self, node: yaml.Node) -> tuple[int, int]:
        """Nodes and levels that `node` expands to. Raises FindingsError where that explodes or never ends."""
        key = id(node)
        line = node.start_mark.line + 1
        if key in self._open:
            raise _error(self.name, "an anchor contains itself", line=line, mend="write the value out")
        if key in self._sizes:
            return self._sizes[key]
        self._open.add(key)
        size, depth = 1, 0
        if isinstance(node, yaml.CollectionNode):
            for child in node.value:
                for part in child if isinstance(child, tuple) else (child,):
                    part_size, part_depth = self._size(part)
                    size, depth = size + part_size, max(depth, part_depth)
        self._open.discard(key)
        if size > MAX_NODES or depth >= MAX_DEPTH:
            raise _error(
                self.name,
                "its anchors expand to too much",
                line=line,
                allowed=f"{MAX_NODES:,} values in {MAX_DEPTH} levels",
                mend="write the values out instead of by anchors",
            )
        self._sizes[key] = size, depth + 1
        return self._sizes[key]

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _MERGE:
                merged = self._merge(value_node, path, line) | merged
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._report("a key is itself a list or mapping", line, path, allowed="a name")
                continue
            key = str(key_node.value)
            at = (*path, key)
            if key in own:
                self._report(
                    "the key stands twice",
                    line,
                    at,
                    found=f"first on line {self.lines[at]}",
                    mend="keep one of them",
                )
                continue
            self.lines[at] = line
            own[key] = self.build(value_node, at)
        return {**{key: value for key, value in merged.items() if key not in own}, **own} if merged else own

    def _merge(self, node: yaml.Node, path: KeyPath, line: int) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in reversed(sources):
            if isinstance(source, yaml.MappingNode):
                merged.update(self._mapping(source, (*path, "<<")))
            else:
                self._report("`<<` merges what is no mapping", line, path, allowed="an alias of a mapping")
        return merged

    def _report(self, message: str, line: int, path: KeyPath, **facts: Any) -> None:
        self.findings.append(Finding(file=self.name, message=message, line=line, key=path, **facts))


def scalar(value: str, tag: str) -> Any:
    """The value of a plain scalar, as Helm reads it (no dates, base-60 numbers, infinities)."""
    kind = tag.removeprefix(_PREFIX)
    if kind == "null":
        return None
    if kind == "bool":
        return value.lower() in ("true", "yes", "on")
    if ":" in value or len(value) > _MAX_DIGITS:
        return value
    if kind == "int":
        digits = value.replace("_", "").lower()
        sign, body = (-1, digits[1:]) if digits.startswith("-") else (1, digits.removeprefix("+"))
        return sign * int(body, 8 if re.fullmatch("0[0-7]+", body) else 0)
    if kind == "float":
        number = float(value.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
        return number if math.isfinite(number) else value
    return value
