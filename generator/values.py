"""A values file, read and checked against the schema, laid over the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.errors import Finding, KeyPath
from generator.loading import Document, load_mapping
from generator.messages import schema_findings
from generator.schema import ValuesSchema, overlay


@dataclass(frozen=True)
class Values:
    """The file as it is, and `effective`: what the chart will use, the file laid over `defaults`."""

    document: Document
    defaults: dict[str, Any]
    effective: dict[str, Any]

    def get(self, path: str) -> Any:
        """The effective value of a dotted key, None where there is none."""
        value: Any = self.effective
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def finding(self, path: tuple[str, ...], message: str, **facts: Any) -> Finding:
        """A finding at a key, with its line where the file has it."""
        return Finding(
            file=self.document.file,
            line=self.document.line(path),
            key=path,
            message=message,
            **facts,
        )


def read_values(file: Path | str, schema: ValuesSchema) -> tuple[Values, list[Finding]]:
    """The values in `file` and what the schema finds; keys with findings have their defaults.

    Raises FindingsError where the file cannot be read at all.
    """
    document = load_mapping(file)
    findings = schema_findings(document, schema.validator(), schema.known_paths())
    sound = document.data
    for finding in findings:
        sound = _without(sound, finding.key)
    defaults = schema.defaults()
    return Values(document, defaults, overlay(defaults, sound)), findings


def _without(data: dict[str, Any], key: KeyPath) -> dict[str, Any]:
    """`data` without what stands at `key`; of a list, the whole list goes."""
    name = key[0] if key else None
    if name not in data:
        return data
    below = data[name]
    if isinstance(below, dict) and len(key) > 1:
        return {**data, name: _without(below, key[1:])}
    return {other: value for other, value in data.items() if other != name}
