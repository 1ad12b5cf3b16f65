"""The REST interface of Patroni, of this pod or of another member: TLS both ways with the pod's own certificate."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

import pg_settings

PORT = 8008


class ApiError(Exception):
    """Patroni did not answer, or not as wanted."""


def ask(method: str, path: str, body: Any = None, *, host: str = "127.0.0.1", seconds: float = 5) -> Any:
    """The parsed answer (text where it is no JSON) to one request. Raises ApiError unless the status is 2xx."""
    context = ssl.create_default_context(cafile=str(pg_settings.TLS / "ca.crt"))
    context.check_hostname = False  # members are known by address
    context.load_cert_chain(pg_settings.TLS / "tls.crt", pg_settings.TLS / "tls.key")
    connection = http.client.HTTPSConnection(host, PORT, timeout=seconds, context=context)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise ApiError(f"{method} {path} at {host}: {error}") from error
    finally:
        connection.close()
    if answer.status // 100 != 2:
        raise ApiError(f"{method} {path} at {host}: status {answer.status}, {text.strip()[:300]}")
    try:
        return json.loads(text)
    except ValueError:
        return text


def wake() -> None:
    """Have Patroni look at once instead of at its next turn.

    It does after every PATCH of its configuration, also one that changes nothing. Raises ApiError.
    """
    ask("PATCH", "/config", {"loop_wait": ask("GET", "/config")["loop_wait"]})
