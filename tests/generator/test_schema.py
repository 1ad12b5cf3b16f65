"""The one description of the values: complete, and true for Helm as for us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from generator import emit
from generator.schema import ValuesSchema, overlay

CHARTS = (None, "mysql", "custos")


def keys(schema: ValuesSchema, node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every declared key with its resolved schema."""
    for name, child in node.get("properties", {}).items():
        child = schema.resolve(child)
        yield f"{path}{name}", child
        yield from keys(schema, child, f"{path}{name}.")


def test_every_key_is_described(schema: ValuesSchema) -> None:
    lacking = [path for path, child in keys(schema, schema.root) if not child.get("description", "").strip()]
    assert lacking == []


def test_descriptions_are_sentences(schema: ValuesSchema) -> None:
    wrong = [path for path, child in keys(schema, schema.root) if child["description"][-1] not in ".`"]
    assert wrong == []


def test_every_leaf_has_a_default(schema: ValuesSchema) -> None:
    lacking = [
        path for path, child in keys(schema, schema.root) if "properties" not in child and "default" not in child
    ]
    assert lacking == []


def test_every_key_has_a_type_or_choices(schema: ValuesSchema) -> None:
    lacking = [path for path, child in keys(schema, schema.root) if not child.keys() & {"type", "enum"}]
    assert lacking == []


def test_every_map_is_closed_but_global_and_free_ones(schema: ValuesSchema) -> None:
    open_ = [
        path
        for path, child in keys(schema, schema.root)
        if "properties" in child and child.get("additionalProperties") is not False
    ]
    assert open_ == ["global"]


def test_every_pattern_is_explained(schema: ValuesSchema) -> None:
    lacking = [path for path, child in keys(schema, schema.root) if "pattern" in child and "x-allowed" not in child]
    assert lacking == []


def test_the_defaults_are_valid(schema: ValuesSchema) -> None:
    assert list(schema.validator().iter_errors(schema.defaults())) == []


@pytest.mark.parametrize("chart", CHARTS)
def test_helm_gets_a_schema_of_its_own_words(schema: ValuesSchema, chart: str | None) -> None:
    text = schema.as_json(chart)
    Draft202012Validator.check_schema(json.loads(text))
    assert '"x-' not in text
    references = [line for line in text.splitlines() if '"$ref"' in line]
    assert all('"#/$defs/' in line for line in references)


@pytest.mark.parametrize("chart", CHARTS)
def test_helm_accepts_what_it_will_hand_over(schema: ValuesSchema, chart: str | None) -> None:
    """Helm adds `global` to every subchart's values, and a section for the library chart."""
    values = schema.defaults()
    shared = values["global"]
    if chart:
        values = {**values[chart], "global": shared}
    else:
        values = {
            **values,
            "mysql": {**values["mysql"], "global": shared},
            "custos": {**values["custos"], "global": shared},
            "common": {"global": shared},
        }
    validator = Draft202012Validator(json.loads(schema.as_json(chart)))
    assert [error.message for error in validator.iter_errors(values)] == []
    assert not validator.is_valid({**values, "unknown": 1})


@pytest.mark.parametrize("chart", CHARTS)
def test_values_yaml_says_what_the_defaults_are(schema: ValuesSchema, chart: str | None) -> None:
    values = schema.defaults() if chart is None else schema.defaults()[chart]
    text = emit.values_yaml(schema, values, "About.", chart)
    assert yaml.safe_load(text) == values
    assert max(map(len, text.splitlines())) <= 120


def test_the_table_names_every_key_once(schema: ValuesSchema) -> None:
    table = emit.values_table(schema, schema.defaults())
    names = [line.split("`")[1] for line in table.splitlines()[2:]]
    assert len(names) == len(set(names))
    for name in (
        "global.mysql.host",
        "mysql.replicas",
        "custos.services.<service>.env",
        "secrets.job.resources",
    ):
        assert name in names
    assert all(line.count(" | ") >= 3 and line.endswith(" |") for line in table.splitlines()[2:])


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {}}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"a": False}, {"a": False}),
    ],
)
def test_overlay_does_as_helm_does(base: dict[str, Any], over: dict[str, Any], merged: dict[str, Any]) -> None:
    before = json.dumps(base)
    assert overlay(base, over) == merged
    assert json.dumps(base) == before


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "a",
            "yes",
            "No",
            "on",
            "y",
            "N",
            "null",
            "~",
            "true",
            "1",
            "1.0",
            "1e3",
            "0x1F",
            "0o17",
            "1_000",
        ),
        *(
            "28Gi",
            "250m",
            "9.7.2",
            "3.13-slim",
            "12:30",
            "a: b",
            "a #b",
            "- a",
            "{a}",
            "[a]",
            "*a",
            "&a",
            "!a",
        ),
        *(
            "%a",
            "@a",
            "`a`",
            "'",
            '"',
            "\\",
            "a\nb",
            " a",
            "a ",
            "<<",
            "=",
            "-",
            "?",
            ":",
            "2026-11-24",
            "ü",
            "\t",
        ),
        *(
            '{{ include "x" . }}',
            "{{ .Values.a }}/b",
            "https://a.b:1/c",
            "-XX:+UseSerialGC",
            "a,b",
            "\x85",
            "\ufeff",
            "🙂\n",
        ),
        *(
            True,
            False,
            None,
            0,
            -1,
            1.5,
            1e20,
            1e-9,
            10**30,
            [],
            {},
            ["a", 1],
            {"a": {"b": ["c"]}},
            {"yes": 1, "a b": 2, "1": 3},
        ),
    ],
)
def test_what_is_written_is_what_is_read(value: object) -> None:
    assert yaml.safe_load(f"key: {emit.text(value)}")["key"] == value
    assert yaml.safe_load(emit.block({"key": value, "list": [value, {"a": value, "b": [value]}]})) == {
        "key": value,
        "list": [value, {"a": value, "b": [value]}],
    }
