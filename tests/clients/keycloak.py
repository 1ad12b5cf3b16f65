"""Logs a user in, again and again, and refreshes the token of the login before: no login is lost (pulse.py).

KEYCLOAK_PASSWORD=… python -m tests.clients.keycloak --host custos-keycloak… --user admin --ca /ca.crt
A number is acknowledged when its login and the refresh have worked, with one retry after a second, as any client does.
It is there at the end if Keycloak still has its session. A refresh that is refused counts as an error.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import ssl
import sys
import time
import urllib.parse
from typing import Any

from tests.clients import pulse

USER = "pulse"
RETRY_SECONDS = 1
# Making a realm takes seconds on a busy computer.
PREPARE_SECONDS = 60


class Answer(pulse.Refused):
    """Keycloak answered something else than was wanted."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


class Keycloak:
    """A realm of our own with one user. Every request has a connection of its own, as Custos' old client has."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._tls = ssl.create_default_context(cafile=options.ca)
        self._realm = f"pulse-{options.run}"
        self._password = secrets.token_urlsafe(16)
        self._prepared = False
        self._refresh_token = ""
        self._sessions: dict[str, int] = {}

    def write(self, number: int) -> None:
        """One login, and a refresh of the login before; tried twice."""
        if not self._prepared:
            self._prepare_patiently()
        try:
            self._log_in(number)
        except (OSError, pulse.Refused):
            time.sleep(RETRY_SECONDS)
            self._log_in(number)

    def numbers(self) -> set[int]:
        """Those of the logins whose sessions are there."""
        token = self._admin_token()
        realm = f"/admin/realms/{self._realm}"
        users: Any = self._call("GET", f"{realm}/users?username={USER}&exact=true", token)
        sessions: Any = self._call("GET", f"{realm}/users/{users[0]['id']}/sessions", token)
        return {self._sessions[session["id"]] for session in sessions if session["id"] in self._sessions}

    def close(self) -> None:
        """Nothing: no connection stays."""

    def _log_in(self, number: int) -> None:
        timeout = self._options.timeout
        if self._refresh_token:
            form = {"grant_type": "refresh_token", "client_id": "admin-cli", "refresh_token": self._refresh_token}
            try:
                self._token(self._realm, form, timeout)
            except Answer:
                self._refresh_token = ""  # refused for good: as a user would, log in anew
                raise
        form = {"grant_type": "password", "client_id": "admin-cli", "username": USER, "password": self._password}
        answer = self._token(self._realm, form, timeout)
        self._refresh_token = str(answer["refresh_token"])
        self._sessions[str(answer["session_state"])] = number

    def _prepare_patiently(self) -> None:
        """Before the first login nothing counts: network policies let a new pod in after some seconds."""
        deadline = time.monotonic() + PREPARE_SECONDS
        while not self._prepared:
            try:
                self._prepare()
            except (OSError, pulse.Refused):
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)

    def _prepare(self) -> None:
        token = self._admin_token()
        user = {"username": USER, "enabled": True, "email": "pulse@example.org", "firstName": "P", "lastName": "P"}
        credentials = [{"type": "password", "value": self._password, "temporary": False}]
        realm = {"realm": self._realm, "enabled": True, "users": [{**user, "credentials": credentials}]}
        try:
            self._call("POST", "/admin/realms", token, realm, PREPARE_SECONDS)
        except Answer as answer:
            if answer.status != http.HTTPStatus.CONFLICT:  # made by a try whose answer was lost
                raise
        self._prepared = True

    def _admin_token(self) -> str:
        form = {"grant_type": "password", "client_id": "admin-cli", "username": self._options.user}
        password = os.environ["KEYCLOAK_PASSWORD"]
        return str(self._token("master", {**form, "password": password}, PREPARE_SECONDS)["access_token"])

    def _token(self, realm: str, form: dict[str, str], timeout: float) -> dict[str, Any]:
        body = urllib.parse.urlencode(form)
        path = f"/realms/{realm}/protocol/openid-connect/token"
        answer: dict[str, Any] = self._send("POST", path, body, "application/x-www-form-urlencoded", "", timeout)
        return answer

    def _call(self, method: str, path: str, token: str, body: object = None, timeout: float = 30) -> Any:
        text = "" if body is None else json.dumps(body)
        return self._send(method, path, text, "application/json", token, timeout)

    def _send(self, method: str, path: str, body: str, kind: str, token: str, timeout: float) -> Any:
        """One request. Raises OSError for what the network does, Answer for an answer that is no success."""
        headers = {"Content-Type": kind, **({"Authorization": f"Bearer {token}"} if token else {})}
        connection = http.client.HTTPSConnection(
            self._options.host, self._options.port, timeout=timeout, context=self._tls
        )
        try:
            connection.request(method, f"/auth{path}", body or None, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP: {error!r}") from error
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Answer(answer.status, text)
        return json.loads(text) if text else None


def main() -> int:
    """Runs the client's command line."""
    options = pulse.parser("A user who logs in.", 443)
    options.add_argument("--user", default="admin", help="Keycloak's administrator")
    options.add_argument("--ca", required=True, help="file with the CA of Keycloak's certificate")
    return pulse.beat(Keycloak, options)


if __name__ == "__main__":
    sys.exit(main())
