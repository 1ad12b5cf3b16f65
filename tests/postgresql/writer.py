"""Writes a row every 50 ms through PostgreSQL's primary Service and proves that no acknowledged one is lost.

One file that runs in a pod of the store's own image, which has psycopg2:

    PGPASSWORD=… python3 writer.py --host custos-postgresql-primary --user U --database D --ca /ca.crt

Ends on SIGTERM or SIGINT, or after --seconds; then reads the table back and prints one line of JSON:
    acknowledged   rows that the server confirmed
    missing        acknowledged rows that are not in the table: must be empty
    gap            the longest time without an acknowledged row, in seconds
    gap_at         when it began, in seconds since the start
    gaps           every pause longer than a second, [when, seconds]
    errors         what went wrong meanwhile, with its number
`--progress FILE` keeps the time of the newest acknowledged row, for those who wait for the first one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import extensions

TABLE = "writes_of_the_test"


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


@dataclass
class Writer:
    """What is written where, and what has been acknowledged (number of the row → seconds since the start)."""

    arguments: argparse.Namespace
    acknowledged: dict[int, float] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    stopped: bool = False
    ended: float = 0.0

    def connect(self) -> Any:
        """A new connection with the writer's account, in autocommit."""
        asked = self.arguments
        connection = psycopg2.connect(
            host=asked.host,
            port=asked.port,
            user=asked.user,
            password=os.environ["PGPASSWORD"],
            dbname=asked.database,
            sslmode="verify-full",
            sslrootcert=asked.ca,
        )
        connection.autocommit = True
        return connection

    def stop(self, *_: object) -> None:
        """Ends the writing after the current row."""
        self.stopped = True

    def write(self) -> None:
        """Writes until told to stop; a new connection and a new row after each error."""
        began = time.monotonic()
        row, connection = 0, None
        while not self.stopped and time.monotonic() - began < self.arguments.seconds:
            due = time.monotonic() + self.arguments.interval
            row += 1
            try:
                if connection is None:
                    connection = self.connect()
                    columns = "run text, row_id int, PRIMARY KEY (run, row_id)"
                    run(connection, f"CREATE TABLE IF NOT EXISTS {TABLE} ({columns})")
                run(connection, f"INSERT INTO {TABLE} VALUES (%s, %s)", (self.arguments.run, row))
            except (OSError, psycopg2.Error) as error:
                self.errors[" ".join(str(error).split())[:120]] += 1
                if connection is not None:
                    connection.close()
                connection = None
            else:
                self.acknowledged[row] = time.monotonic() - began
                if self.arguments.progress:
                    Path(self.arguments.progress).write_text(f"{time.time()}\n")
            time.sleep(max(0.0, due - time.monotonic()))
        self.ended = time.monotonic() - began

    def missing(self) -> list[int]:
        """Acknowledged rows that the table lacks; tries for two minutes to read it."""
        deadline = time.monotonic() + 120
        while True:
            try:
                connection = self.connect()
                rows = run(connection, f"SELECT row_id FROM {TABLE} WHERE run = %s", (self.arguments.run,))
                connection.close()
                return sorted(set(self.acknowledged) - {int(row[0]) for row in rows})
            except (OSError, psycopg2.Error) as error:
                if time.monotonic() > deadline:
                    raise SystemExit(f"the rows could not be read back: {error}") from error
                time.sleep(1)

    def report(self) -> dict[str, object]:
        """What the module's description promises."""
        times = list(self.acknowledged.values())
        # The end counts as well: a writer that is stopped while nothing is acknowledged has seen a pause.
        gaps = [(round(start, 2), round(end - start, 2)) for start, end in itertools.pairwise([*times, self.ended])]
        longest = max(gaps, key=lambda gap: gap[1], default=(0.0, 0.0))
        return {
            "acknowledged": len(times),
            "missing": self.missing(),
            "gap": longest[1],
            "gap_at": longest[0],
            "gaps": [gap for gap in gaps if gap[1] > 1],
            "errors": dict(self.errors),
        }


def run(connection: Any, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """The rows of one statement. A commit that no standby confirmed is an error, whatever the server calls it."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        if any("canceling" in notice for notice in connection.notices):
            raise psycopg2.OperationalError("the commit was not confirmed by a standby")
        del connection.notices[:]
        return list(cursor.fetchall()) if cursor.description else []


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0 when every acknowledged row was found."""
    parser = argparse.ArgumentParser(description="Writes rows and proves that none is lost.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--user", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--ca", required=True, help="certificate of the CA")
    parser.add_argument("--run", default=f"{time.time_ns():x}", help="name of this run, part of every row")
    parser.add_argument("--interval", type=float, default=0.05, help="seconds between rows")
    parser.add_argument("--timeout", type=float, default=2, help="seconds until a silent server counts as gone")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end after so many")
    parser.add_argument("--progress", default="", help="file for the time of the newest acknowledged row")
    writer = Writer(parser.parse_args(arguments))
    extensions.set_wait_callback(Waiter(writer.arguments.timeout))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, writer.stop)
    writer.write()
    report = writer.report()
    print(json.dumps(report), flush=True)
    return 1 if report["missing"] else 0


if __name__ == "__main__":
    sys.exit(main())
