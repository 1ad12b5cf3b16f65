"""What is wrong with an input, as data: shown to people by the console and to machines as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

KeyPath = tuple[str | int, ...]


def dotted(key: KeyPath) -> str:
    """A key's path as people write it: `a.b[0].c`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + part
    return text


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where, what was found, what is allowed, and the mend.

    `file` is the path as the user gave it; `line` counts from 1; `key` is empty for the whole file.
    """

    file: str
    message: str
    line: int | None = None
    key: KeyPath = ()
    found: str | None = None
    allowed: str | None = None
    nearest: str | None = None
    mend: str | None = None

    @property
    def path(self) -> str:
        """The key, dotted."""
        return dotted(self.key)

    @property
    def place(self) -> str:
        """File and line, as editors and compilers write them."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def as_json(self) -> dict[str, object]:
        """All that is known, for `--json`."""
        facts = {"file": self.file, "line": self.line, "path": self.path, **asdict(self)}
        del facts["key"]
        return {name: value for name, value in facts.items() if value not in (None, "")}

    def __str__(self) -> str:
        parts = [f"{self.place}: " + (f"{self.path}: " if self.path else "") + self.message]
        parts += [
            f"{label} {text}"
            for label, text in (
                ("found", self.found),
                ("allowed:", self.allowed),
                ("did you mean", self.nearest and f"{self.nearest}?"),
                ("mend:", self.mend),
            )
            if text
        ]
        return "; ".join(parts)


class FindingsError(Exception):
    """An input is wrong; `findings` holds everything that one run found, never empty."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = list(findings)
        super().__init__("\n".join(map(str, self.findings)))


class UsageError(Exception):
    """The command itself makes no sense (exit code 2), such as an output folder that holds something else."""
