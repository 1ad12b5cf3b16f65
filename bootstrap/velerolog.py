"""Velero's log of a backup: what it calls an error, and what the hook that failed had said."""

from __future__ import annotations

import ast
import re

# logrus' text form: key=value, a value with anything but plain letters in Go's quotes.
_PAIR = re.compile(r'([A-Za-z_.]+)=("(?:[^"\\]|\\.)*"|\S*)')
_STDERR = "stderr: "


def errors(text: str) -> list[str]:
    """Each error once, as `message: reason`, and for a hook what its program wrote to stderr.

    Velero logs that as information before the error (v1.17: pkg/podexec/pod_command_executor.go).
    """
    found: list[str] = []
    said: dict[str, str] = {}
    for line in text.splitlines():
        fields = {key: _plain(value) for key, value in _PAIR.findall(line)}
        message, container = fields.get("msg", ""), fields.get("hookContainer", "")
        if container and message.startswith(_STDERR):
            said[container] = message.removeprefix(_STDERR).strip()
        elif fields.get("level") == "error":
            told = ": ".join(part for part in (message, fields.get("error", "")) if part)
            if container:
                reason = said.get(container)
                told = f"container {container}: {told}" + (f"\n{reason}" if reason else "")
            found.append(told)
    return list(dict.fromkeys(found))


def _plain(value: str) -> str:
    """Without Go's quotes, whose escapes are Python's too."""
    if not value.startswith('"'):
        return value
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value.strip('"')
