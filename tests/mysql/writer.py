"""Writes a row every 50 ms through MySQL's primary Service and proves that no acknowledged one is lost.

One file on Python's standard library alone, so that it runs in a pod of the toolbox image:

    MYSQL_PASSWORD=… python writer.py --host custos-mysql-primary --user U --database D --ca /ca.crt

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
import hashlib
import itertools
import json
import os
import signal
import socket
import ssl
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TABLE = "writes_of_the_test"
# A Service's address does not change, and the services' JVM remembers it as long.
RESOLVE_SECONDS = 30


class ServerError(Exception):
    """The server refused: `number` is MySQL's error number."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(f"{number} {message}")
        self.number = number


class Connection:
    """One TLS connection that speaks as much of MySQL's protocol as a writer needs: log in and query.

    Knows caching_sha2_password only. Raises OSError for what the network does, ServerError for what the
    server answers.
    """

    # Long password and flags, connect with database, protocol 4.1, TLS, transactions, secure connection,
    # plugin authentication.
    CAPABILITIES = 0x1 | 0x4 | 0x8 | 0x200 | 0x800 | 0x2000 | 0x8000 | 0x80000

    def __init__(self, host: str, port: int, user: str, password: str, database: str, ca: str, timeout: float) -> None:
        self._socket: socket.socket = socket.create_connection((host, port), timeout)
        self._sequence = 0
        try:
            self._log_in(user, password.encode(), database, ca)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Closes the connection without a farewell."""
        self._socket.close()

    def query(self, sql: str) -> list[list[str]]:
        """Runs a statement; returns its rows as text."""
        self._sequence = 0
        self._send(b"\x03" + sql.encode())
        first = self._receive()
        if first[0] == 0:
            return []
        for _ in range(first[0]):
            self._receive()  # a column's description
        self._receive()  # end of the columns
        rows = []
        while not ((packet := self._receive())[0] == 0xFE and len(packet) < 9):
            rows.append(list(_texts(packet)))
        return rows

    def _log_in(self, user: str, password: bytes, database: str, ca: str) -> None:
        greeting = self._receive()
        rest = greeting[greeting.index(b"\0", 1) + 5 :]
        nonce = rest[:8] + rest[27:39]
        head = struct.pack("<IIB23x", self.CAPABILITIES, 1 << 24, 45)
        self._send(head)
        context = ssl.create_default_context(cafile=ca)
        context.check_hostname = False  # as the services do: VERIFY_CA
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # nor are they strict about a CA's extensions
        self._socket = context.wrap_socket(self._socket)
        proof = _proof(password, nonce)
        name = b"caching_sha2_password\0"
        self._send(head + user.encode() + b"\0" + bytes([len(proof)]) + proof + database.encode() + b"\0" + name)
        while (packet := self._receive())[0] != 0:
            if packet[0] == 0xFE:  # another method, or another nonce
                self._send(_proof(password, packet[packet.index(b"\0") + 1 :][:20]))
            elif packet[:2] == b"\x01\x04":  # nothing cached: the password itself, through TLS
                self._send(password + b"\0")

    def _send(self, packet: bytes) -> None:
        self._socket.sendall(struct.pack("<I", len(packet))[:3] + bytes([self._sequence]) + packet)
        self._sequence = (self._sequence + 1) % 256

    def _receive(self) -> bytes:
        head = self._exactly(4)
        self._sequence = (head[3] + 1) % 256
        packet = self._exactly(int.from_bytes(head[:3], "little"))
        if packet[:1] == b"\xff":
            raise ServerError(int.from_bytes(packet[1:3], "little"), packet[9:].decode(errors="replace"))
        return packet

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionResetError("the server closed the connection")
            data += part
        return data


def _proof(password: bytes, nonce: bytes) -> bytes:
    """The answer of caching_sha2_password: the server learns nothing from it that it does not know."""
    once = hashlib.sha256(password).digest()
    mask = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
    return bytes(left ^ right for left, right in zip(once, mask, strict=True))


def _texts(packet: bytes) -> Iterator[str]:
    """The columns of a row; none is longer than 64 KiB here."""
    position = 0
    while position < len(packet):
        length = packet[position]
        position += 1
        if length == 0xFC:
            length = int.from_bytes(packet[position : position + 2], "little")
            position += 2
        if length == 0xFB:  # NULL
            yield ""
            continue
        yield packet[position : position + length].decode()
        position += length


@dataclass
class Writer:
    """What is written where, and what has been acknowledged (number of the row → seconds since the start)."""

    arguments: argparse.Namespace
    acknowledged: dict[int, float] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    stopped: bool = False
    ended: float = 0.0
    address: str = ""
    resolved_at: float = float("-inf")

    def connect(self) -> Connection:
        """A new connection with the writer's account."""
        asked = self.arguments
        if time.monotonic() - self.resolved_at > RESOLVE_SECONDS:
            self.address = str(socket.getaddrinfo(asked.host, asked.port, type=socket.SOCK_STREAM)[0][4][0])
            self.resolved_at = time.monotonic()
        return Connection(
            self.address,
            asked.port,
            asked.user,
            os.environ["MYSQL_PASSWORD"],
            asked.database,
            asked.ca,
            asked.timeout,
        )

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
                    connection.query(
                        f"CREATE TABLE IF NOT EXISTS {TABLE} (run CHAR(32), row_id INT, PRIMARY KEY (run, row_id))"
                    )
                connection.query(f"INSERT INTO {TABLE} VALUES ('{self.arguments.run}', {row})")
            except (OSError, ServerError) as error:
                self.errors[str(error)[:120]] += 1
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
                rows = connection.query(f"SELECT row_id FROM {TABLE} WHERE run = '{self.arguments.run}'")
                connection.close()
                return sorted(set(self.acknowledged) - {int(row[0]) for row in rows})
            except (OSError, ServerError) as error:
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0 when every acknowledged row was found."""
    parser = argparse.ArgumentParser(description="Writes rows and proves that none is lost.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=3306)
    parser.add_argument("--user", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--ca", required=True, help="certificate of the CA")
    parser.add_argument("--run", default=f"{time.time_ns():x}", help="name of this run, part of every row")
    parser.add_argument("--interval", type=float, default=0.05, help="seconds between rows")
    parser.add_argument("--timeout", type=float, default=2, help="seconds until a silent server counts as gone")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end after so many")
    parser.add_argument("--progress", default="", help="file for the time of the newest acknowledged row")
    writer = Writer(parser.parse_args(arguments))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, writer.stop)
    writer.write()
    report = writer.report()
    print(json.dumps(report), flush=True)
    return 1 if report["missing"] else 0


if __name__ == "__main__":
    sys.exit(main())
