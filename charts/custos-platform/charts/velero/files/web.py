"""One HTTPS call, as the small programs beside the stores make it. Python's standard library only."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """Status of an answer, and its body: what JSON says, or the text as it is."""

    status: int
    body: Any

    @property
    def fine(self) -> bool:
        """Whether it did what was asked."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return f"{self.status}: {text.strip()[:300]}"


def call(
    method: str,
    url: str,
    authority: str,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    seconds: float = 5,
) -> Answer:
    """Ask `url`, whose certificate must be of the CA in the file `authority`.

    A body is sent as JSON, bytes as they are. Raises OSError where nobody answers within `seconds`.
    """
    request = urllib.request.Request(url, method=method, headers=dict(headers or {}))
    if body is not None:
        request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if not request.has_header("Content-type"):
            request.add_header("Content-Type", "application/json")
    # Made anew each time: the file may hold another CA by now.
    tls = ssl.create_default_context(cafile=authority)
    try:
        with urllib.request.urlopen(request, timeout=seconds, context=tls) as answer:
            return Answer(answer.status, _parsed(answer.read()))
    except urllib.error.HTTPError as error:
        return Answer(error.code, _parsed(error.read()))
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP: {error!r}") from None


def _parsed(content: bytes) -> Any:
    text = content.decode(errors="replace")
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
