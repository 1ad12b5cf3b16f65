"""Damaged files: whatever they hold, there are findings or none, never another exception."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from generator.check import check_values

from .conftest import PROJECT

PIECES = (
    *(
        "\n",
        "  ",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "<<: *a",
        "!!int ",
        "---\n",
        "'",
        '"',
        "|\n",
        ">-\n",
    ),
    *(
        "null",
        "~",
        "true",
        "-1",
        "0x",
        ".nan",
        "1e999",
        "9" * 5000,
        "\u2028",
        "²",
        "\x85",
        "? ",
        "#",
        "%",
        "@",
        "mysql",
    ),
)
FILES = 400


@pytest.mark.parametrize("seed", range(4))
def test_damaged_values(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    originals = [path.read_text() for path in sorted((PROJECT / "values").glob("*.yaml"))]
    files = []
    for number in range(FILES):
        text = chance.choice(originals)
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(text))
            end = start + chance.choice((0, 0, 1, 5, 40))
            text = text[:start] + chance.choice(PIECES) + text[end:]
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(text)
    findings = check_values(files)
    assert findings
    assert all(str(finding) for finding in findings)
