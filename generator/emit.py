"""Writes YAML and Markdown: the same input gives the same bytes, in the order given, for people to read."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from generator.schema import GENERATED, Schema, ValuesSchema

WIDTH = 110

_PLAIN = re.compile(r"[A-Za-z/_][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*")
_AMOUNT = re.compile(r"[0-9]+([KMGTPE]i|[mkMGTPE])")
_RESOLVER = yaml.resolver.Resolver()


def text(value: Any) -> str:
    """A scalar, or an empty list or map, on one line; quoted only where YAML would misread it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        number = str(value)
        return number if "." in number else number.replace("e", ".0e")
    if isinstance(value, list):
        return "[" + ", ".join(text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(str(key))}: {text(item)}" for key, item in value.items()) + "}"
    if _AMOUNT.fullmatch(value) or (_PLAIN.fullmatch(value) and _is_text(value)):
        return str(value)
    if not value or not value.isprintable() or value.isdigit():
        quoted = json.dumps(value, ensure_ascii=False)
        return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
    return "'" + value.replace("'", "''") + "'" if '"' in value or "\\" in value else f'"{value}"'


def _is_text(value: str) -> bool:
    tag = _RESOLVER.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    return bool(tag == "tag:yaml.org,2002:str") and value.lower() not in ("y", "n")


def block(value: Any, indent: int = 0) -> str:
    """A map or list in block style, each line indented by `indent` spaces."""
    return "".join(f"{' ' * indent}{line}\n" for line in _lines(value))


def _lines(value: Any) -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else [(None, item) for item in value]
    for key, item in items:
        lead = "-" if key is None else f"{text(str(key))}:"
        if not isinstance(item, dict | list) or not item:
            yield f"{lead} {text(item)}"
        elif key is None:
            inner = list(_lines(item))
            yield f"- {inner[0]}"
            yield from (f"  {line}" for line in inner[1:])
        else:
            yield lead
            yield from (f"  {line}" for line in _lines(item))


def generated_yaml(value: Any, about: str) -> str:
    """A whole generated YAML file, which says so and what it holds."""
    return f"# {GENERATED}\n{comment(about, 0)}" + block(value)


def comment(words: str, indent: int) -> str:
    """`words` as comment lines that fit the width."""
    lead = " " * indent + "# "
    return "".join(f"{lead}{line}\n" for line in textwrap.wrap(words, WIDTH - len(lead)))


def values_yaml(schema: ValuesSchema, values: dict[str, Any], about: str, section: str | None = None) -> str:
    """values.yaml with every key's description above it; of one section where `section` is given."""
    top = schema.root if section is None else schema.root["properties"].get(section, {})
    body = "".join(_keys(schema, schema.resolve(top), values, 0))
    return f"# {GENERATED}\n{comment(about, 0)}" + (f"\n{body}" if body else "{}\n")


def _keys(schema: ValuesSchema, here: Schema, values: dict[str, Any], indent: int) -> Iterator[str]:
    lead = " " * indent
    for name, child in here.get("properties", {}).items():
        child = schema.resolve(child)
        words = child.get("description", "")
        if indent == 0 and name != next(iter(here["properties"])):
            yield "\n"
        if words:
            yield comment(words, indent)
        if name not in values:
            yield f"{lead}# {text(name)}: {text(child.get('default'))}\n"
            continue
        value = values[name]
        if not isinstance(value, dict) or not value or child.get("x-oneline"):
            yield f"{lead}{text(name)}: {text(value)}\n"
        elif "properties" in child:
            yield f"{lead}{text(name)}:\n"
            yield from _keys(schema, child, value, indent + 2)
            extra = {key: item for key, item in value.items() if key not in child["properties"]}
            yield block(extra, indent + 2)
        else:
            yield f"{lead}{text(name)}:\n" + block(value, indent + 2)
    if indent == 0:
        extra = {key: item for key, item in values.items() if key not in here.get("properties", {})}
        yield block(extra)


def values_table(schema: ValuesSchema, values: dict[str, Any], section: str | None = None) -> str:
    """The values as a Markdown table, with `values` as the defaults."""
    rows = ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
    for key in schema.keys(section):
        if not key.leaf:
            continue
        default: Any = values
        for part in key.path:
            one = next(iter(default.values()), None) if part == "*" else default.get(part)
            default = one if one is not None or part == key.path[-1] else {}
        cells = (
            f"`{'.'.join(key.path).replace('.*.', '.<service>.')}`",
            key.kind,
            "" if default is None else f"`{text(default)}`",
            key.description,
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"
