"""One HTTPS connection that is kept, to one of the addresses behind a name."""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from tests.clients.pulse import Refused


class Web:
    """Asks a server for JSON. Raises OSError for what the network does, Refused for any answer but 2xx."""

    def __init__(self, host: str, port: int, ca: str, timeout: float) -> None:
        self._host = host
        self._port = port
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=ca)
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Any:
        """The answer's JSON, None where there is none."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request(method, path, body, dict(headers))
            answer = self._connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP: {type(error).__name__}") from None
        if not 200 <= answer.status < 300:
            raise Refused(f"{answer.status} {content.decode(errors='replace').strip()}")
        return json.loads(content) if content else None

    def close(self) -> None:
        """Gives the connection up."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        """A connection to any of the addresses, so that the next try meets another one."""
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        plain = socket.create_connection((random.choice(sorted(addresses)), self._port), self._timeout)
        try:
            connection.sock = self._tls.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise
        return connection
