"""Writes rows to PostgreSQL: `PGPASSWORD=… python -m tests.clients.postgresql --host H --user U … --ca FILE`.

Runs in a pod of the store's own image, which has psycopg2.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import extensions

from tests.clients import pulse

TABLE = "writes_of_the_test"
# A Service's address does not change, and the JVM of its users remembers it as long.
RESOLVE_SECONDS = 30


class Waiter:
    """How psycopg2 waits for the server: not for ever.

    No statement_timeout does it: one that strikes while a commit waits for a standby is answered with success.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, connection: Any) -> None:
        deadline = time.monotonic() + self._seconds
        while (state := connection.poll()) != extensions.POLL_OK:
            left = deadline - time.monotonic()
            reads = [connection] if state == extensions.POLL_READ else []
            writes = [connection] if state == extensions.POLL_WRITE else []
            if left <= 0 or not any(select.select(reads, writes, [], left)):
                raise TimeoutError("no answer")


class Rows:
    """A table of rows, written and read with Keycloak's account."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._connection: Any = None
        self._address = ""
        self._resolved_at = float("-inf")
        extensions.set_wait_callback(Waiter(options.timeout))

    def write(self, number: int) -> None:
        """Inserts a row. A commit that no standby confirmed is refused, whatever the server calls it."""
        fresh = self._connection is None
        with self._cursor() as cursor:
            if fresh:
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (run text, row_id int, PRIMARY KEY (run, row_id))")
            cursor.execute(f"INSERT INTO {TABLE} VALUES (%s, %s)", (self._options.run, number))
            if any("canceling" in notice for notice in self._connection.notices):
                raise pulse.Refused("the commit was not confirmed by a standby")
            del self._connection.notices[:]

    def numbers(self) -> set[int]:
        """The rows of this run."""
        with self._cursor() as cursor:
            cursor.execute(f"SELECT row_id FROM {TABLE} WHERE run = %s", (self._options.run,))
            return {int(row[0]) for row in cursor.fetchall()}

    def close(self) -> None:
        """Closes the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        try:
            if self._connection is None:
                self._connection = self._connected()
            with self._connection.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            raise pulse.Refused(" ".join(str(error).split())) from error

    def _connected(self) -> Any:
        asked = self._options
        if time.monotonic() - self._resolved_at > RESOLVE_SECONDS:
            self._address = str(socket.getaddrinfo(asked.host, asked.port, type=socket.SOCK_STREAM)[0][4][0])
            self._resolved_at = time.monotonic()
        connection = psycopg2.connect(
            host=asked.host.rstrip("."),  # the name in the certificate
            hostaddr=self._address,
            port=asked.port,
            user=asked.user,
            password=os.environ["PGPASSWORD"],
            dbname=asked.database,
            sslmode="verify-full",
            sslrootcert=asked.ca,
        )
        connection.autocommit = True
        return connection


def main() -> int:
    """Runs the command line; returns its exit code."""
    options = pulse.parser("Writes rows to PostgreSQL and proves that none is lost.", 5432)
    options.add_argument("--user", required=True)
    options.add_argument("--database", required=True)
    options.add_argument("--ca", required=True, help="certificate of the CA")
    return pulse.beat(Rows, options)


if __name__ == "__main__":
    sys.exit(main())
