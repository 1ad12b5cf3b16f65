"""Turns what a JSON Schema validator reports into findings that people understand."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from generator.errors import Finding, KeyPath, dotted
from generator.loading import Document

_TYPES = {
    "object": "a mapping of keys",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_MAX_SHOWN = 80
_MAX_LISTED, _MAX_SHORTENED = 16, 8


def show(value: object) -> str:
    """A value as it could stand in the file, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def nearest(name: str, candidates: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The candidate that `name` is most likely a misspelling of; `cutoff` 1 wants it equal but for case."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else None


def schema_findings(
    document: Document, validator: Draft202012Validator, known_paths: Sequence[str] = ()
) -> list[Finding]:
    """All that `validator` finds in `document`, in the file's order.

    `known_paths` are all dotted keys there are: a key that stands in the wrong place is told its right one.
    """
    findings: list[Finding] = []
    for error in validator.iter_errors(document.data):
        findings += _explain(error, document, known_paths)
    # The validator reports a missing key once for each key that is required.
    return sorted(dict.fromkeys(findings), key=lambda finding: (finding.line or 0, finding.path))


def _explain(error: ValidationError, document: Document, known_paths: Sequence[str]) -> Iterator[Finding]:
    path: KeyPath = tuple(error.absolute_path)
    schema: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    limit: Any = error.validator_value
    instance: Any = error.instance

    def finding(message: str, at: KeyPath = path, **facts: Any) -> Finding:
        return Finding(file=document.file, line=document.line(at), key=at, message=message, **facts)

    found = show(instance)
    words = schema.get("x-allowed")
    match error.validator:
        case "additionalProperties" if limit is False:
            allowed = list(schema.get("properties", {}))
            for key in instance:
                if key not in allowed:
                    near = nearest(key, allowed)
                    here = dotted(path)
                    elsewhere = None if near else _same_name(key, here, known_paths)
                    yield finding(
                        "unknown key",
                        (*path, key),
                        allowed=join(allowed) or "no keys here",
                        nearest=(f"{here}.{near}" if here and near else near) or elsewhere,
                    )
        case "type":
            kinds = limit if isinstance(limit, list) else [limit]
            wanted = words or " or ".join(_TYPES[kind] for kind in kinds if kind != "null")
            yield finding("has the wrong type", found=found, allowed=wanted, mend=_type_mend(instance, kinds))
        case "enum":
            choices = [str(choice) for choice in limit]
            near = nearest(str(instance), choices)
            yield finding(
                "is none of the values there are",
                found=found,
                allowed=join(choices),
                nearest=near,
                mend=schema.get("x-mend"),
            )
        case "pattern":
            name = "propertyNames" in list(error.absolute_schema_path)[-2:-1]
            message = "the key has the wrong form" if name else "has the wrong form"
            at = (*path, instance) if name else path
            # The B of "28GB" is what people add most.
            shorter = instance.rstrip("Bb")
            near = shorter if shorter != instance and re.search(limit, shorter) else None
            yield finding(message, at, found=found, allowed=words or f"what matches {limit}", nearest=near)
        case "minimum" | "maximum":
            low, high = schema.get("minimum"), schema.get("maximum")
            span = f"{low} to {high}" if low is not None and high is not None else None
            bound = f"at least {low}" if high is None else f"at most {high}"
            yield finding("is out of range", found=found, allowed=words or span or bound)
        case "maxLength" | "minLength":
            most = error.validator == "maxLength"
            bound = f"at most {limit} characters" if most else f"at least {limit} characters"
            yield finding("is too long" if most else "is too short", found=found, allowed=words or bound)
        case "required":
            for key in limit:
                if key not in instance:
                    yield finding(f"the key `{key}` is missing", mend=f"add `{key}: …`")
        case "uniqueItems":
            yield finding("has an item twice", found=found, mend="keep one of them")
        case _:
            yield finding(error.message, found=found, allowed=words)


def join(names: Sequence[str]) -> str:
    """Names for people: a long list is cut, the nearest one is named apart."""
    if len(names) <= _MAX_LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:_MAX_SHORTENED])} and {len(names) - _MAX_SHORTENED} more"


def _same_name(key: str, here: str, known_paths: Sequence[str]) -> str | None:
    """The known path that ends in `key` and shares most of its beginning with `here`."""
    matches = [path for path in known_paths if path.rsplit(".", 1)[-1] == key]

    def shared(path: str) -> int:
        pairs = zip(here.split("."), path.split("."), strict=False)
        return sum(1 for ours, theirs in pairs if ours == theirs)

    return max(matches, key=shared, default=None)


def _type_mend(value: object, kinds: Sequence[str]) -> str | None:
    if isinstance(value, str):
        for kind, words in (("boolean", ("true", "false", "yes", "no")), ("integer", None), ("number", None)):
            if kind in kinds and (value.lower() in words if words else value.lstrip("-").isdigit()):
                return f"write {value} without quotes"
    if "string" in kinds and isinstance(value, bool | int | float):
        return f'write "{show(value)}" with quotes'
    return None
