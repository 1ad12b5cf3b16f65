"""Files that are no values file at all: each gets one message, none a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from generator.check import check_values

Findings = Callable[[str | bytes], list[str]]

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            "mysql:\n  replicas: 3\n persistence: {}\n",
            "values.yaml:3: is not YAML: while parsing a block mapping: did not find expected key; "
            "found persistence: {}; "
            "mend: check indentation, quotes and colons on this line and the one above",
            id="malformed",
        ),
        pytest.param(
            "mysql: {enabled: true\n",
            "values.yaml:2: is not YAML: while parsing a flow mapping: did not find expected ',' or '}'; "
            "mend: check indentation, quotes and colons on this line and the one above",
            id="bracket left open",
        ),
        pytest.param(
            "mysql:\n\treplicas: 3\n",
            "values.yaml:2: is not YAML: while scanning for the next token: "
            "found character that cannot start any token; found replicas: 3; "
            "mend: check indentation, quotes and colons on this line and the one above",
            id="tab",
        ),
        pytest.param(
            "mysql:\n  replicas: 3\n  enabled: true\n  replicas: 5\n",
            "values.yaml:4: mysql.replicas: the key stands twice; found first on line 2; mend: keep one of them",
            id="duplicate key",
        ),
        pytest.param(
            "mysql: {}\n---\ncustos: {}\n",
            "values.yaml:2: holds more than one YAML document; found ---; allowed: one document; "
            "mend: remove the line `---` or split the file",
            id="several documents",
        ),
        pytest.param(
            "mysql: !!python/object/apply:os.system [id]\n",
            "values.yaml:1: has a YAML tag; found !!python/object/apply:os.system; "
            "allowed: plain values without tags; mend: remove the tag",
            id="tag",
        ),
        pytest.param(
            "mysql: {replicas: !custom 3}\n",
            "values.yaml:1: has a YAML tag; found !custom; allowed: plain values without tags; mend: remove the tag",
            id="tag of its own",
        ),
        pytest.param(
            LAUGHS,
            "values.yaml:6: its anchors expand to too much; allowed: 500,000 values in 40 levels; "
            "mend: write the values out instead of by anchors",
            id="billion laughs",
        ),
        pytest.param(
            CHAIN,
            "values.yaml:40: its anchors expand to too much; allowed: 500,000 values in 40 levels; "
            "mend: write the values out instead of by anchors",
            id="a chain of anchors",
        ),
        pytest.param(
            "mysql: &m {config: *m}\n",
            "values.yaml:1: an anchor contains itself; mend: write the value out",
            id="anchor in itself",
        ),
        pytest.param(
            "mysql: *nowhere\n",
            "values.yaml:1: is not YAML: found undefined alias; found mysql: *nowhere; "
            "mend: check indentation, quotes and colons on this line and the one above",
            id="alias of nothing",
        ),
        pytest.param(
            "[" * 5000,
            "values.yaml:1: is nested too deeply; allowed: 40 levels",
            id="nested without end",
        ),
        pytest.param(
            b"\x7fELF\x02\x01\x01\x00\x00\x00",
            "values.yaml:1: is not a text file; found control character 0x7f; allowed: a YAML file",
            id="binary",
        ),
        pytest.param(
            b"mysql:\n  x: \x00\n",
            "values.yaml:2: is not a text file; found control character 0x00; allowed: a YAML file",
            id="a zero byte",
        ),
        pytest.param(
            "# M\xfcnchen\n".encode("latin-1"),
            "values.yaml:1: is not text in UTF-8; found byte 0xfc; mend: save it as UTF-8",
            id="Latin-1",
        ),
        pytest.param(
            "mysql: {}\n".encode("utf-16"),
            "values.yaml:1: is not text in UTF-8; found byte 0xff; mend: save it as UTF-8",
            id="UTF-16",
        ),
        pytest.param(
            "- mysql\n",
            "values.yaml:1: the file is not a mapping of keys to values; found a list; allowed: `key: value` lines",
            id="a list",
        ),
        pytest.param(
            "? [a, b]\n: c\n",
            "values.yaml:1: a key is itself a list or mapping; allowed: a name",
            id="a list as a key",
        ),
        pytest.param(
            "mysql:\n  <<: 3\n",
            "values.yaml:2: mysql: `<<` merges what is no mapping; allowed: an alias of a mapping",
            id="merging a number",
        ),
        pytest.param(b"x" * (4 * 1024 * 1024 + 1), "values.yaml: is too large; allowed: at most 4 MiB", id="too large"),
    ],
)
def test_one_message(findings_of: Findings, content: str | bytes, message: str) -> None:
    assert findings_of(content) == [message]


def test_all_duplicate_keys_are_named(findings_of: Findings) -> None:
    assert findings_of("a: 1\nb: 1\na: 2\nb: 2\n") == [
        "values.yaml:3: a: the key stands twice; found first on line 1; mend: keep one of them",
        "values.yaml:4: b: the key stands twice; found first on line 2; mend: keep one of them",
    ]


def test_missing_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("values").mkdir()
    Path("values/prod.yaml").touch()
    findings = check_values([Path("values/prd.yaml"), Path("values"), Path("elsewhere/x.yaml")])
    assert [str(finding) for finding in findings] == [
        "values/prd.yaml: there is no such file; allowed: prod.yaml in values; did you mean values/prod.yaml?",
        "values: is a folder; allowed: a YAML file; mend: name the file in it",
        "elsewhere/x.yaml: there is no such file",
    ]


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert [str(finding) for finding in check_values([Path("pipe")])] == [
        "pipe: is not a regular file; allowed: a YAML file"
    ]


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n", "\ufeffmysql: {}\n", "mysql: {}\n...\n"])
def test_harmless_forms_are_read(findings_of: Findings, content: str) -> None:
    assert not [finding for finding in findings_of(content) if "YAML" in finding or "file" in finding]


def test_honest_anchors_are_read(findings_of: Findings) -> None:
    text = (
        "mysql:\n  agent: {resources: &small {requests: {cpu: 10m}}}\n"
        "custos:\n  resources: *small\n  sidecarResources:\n    <<: *small\n    limits: {cpu: 5m}\n"
        "  withoutStores: [smtp, cilogon]\n"
    )
    assert findings_of(text) == [
        "values.yaml:5: custos.sidecarResources.requests.cpu: requests more than the limit; "
        'found "10m"; allowed: at most 5m, which is custos.sidecarResources.limits.cpu; '
        "mend: lower the request or raise the limit"
    ]
