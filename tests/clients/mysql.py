"""Writes a row every 50 ms through MySQL's primary Service and proves that no acknowledged one is lost (pulse.py).

MYSQL_PASSWORD=… python -m tests.clients.mysql --host custos-mysql-primary --user U --database D --ca /ca.crt
"""

from __future__ import annotations

import argparse
import hashlib
import os
import socket
import ssl
import struct
import sys
import time
from collections.abc import Iterator

from tests.clients import pulse

TABLE = "writes_of_the_test"
# A Service's address does not change, and the services' JVM remembers it as long.
RESOLVE_SECONDS = 30


class ServerError(pulse.Refused):
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
        pulse.step("connect")
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
        pulse.step("greeting")
        greeting = self._receive()
        pulse.step("log in")
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


class Rows:
    """A table of rows, written and read with the account of a service."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._connection: Connection | None = None
        self._address = ""
        self._resolved_at = float("-inf")
        self._made = False

    def write(self, number: int) -> None:
        """Inserts a row."""
        connection = self._connected()
        if not self._made:  # once: a service that connects anew makes no tables either
            pulse.step("table")
            connection.query(
                f"CREATE TABLE IF NOT EXISTS {TABLE} (run CHAR(32), row_id INT, PRIMARY KEY (run, row_id))"
            )
            self._made = True
        pulse.step("insert")
        connection.query(f"INSERT INTO {TABLE} VALUES ('{self._options.run}', {number})")

    def numbers(self) -> set[int]:
        """The rows of this run."""
        rows = self._connected().query(f"SELECT row_id FROM {TABLE} WHERE run = '{self._options.run}'")
        return {int(row[0]) for row in rows}

    def close(self) -> None:
        """Closes the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connected(self) -> Connection:
        asked = self._options
        if self._connection is None:
            if time.monotonic() - self._resolved_at > RESOLVE_SECONDS:
                pulse.step("look up")
                self._address = str(socket.getaddrinfo(asked.host, asked.port, type=socket.SOCK_STREAM)[0][4][0])
                self._resolved_at = time.monotonic()
            password = os.environ["MYSQL_PASSWORD"]
            self._connection = Connection(
                self._address, asked.port, asked.user, password, asked.database, asked.ca, asked.timeout
            )
        return self._connection


def main() -> int:
    """Runs the command line; returns its exit code."""
    options = pulse.parser("Writes rows to MySQL and proves that none is lost.", 3306)
    options.add_argument("--user", required=True)
    options.add_argument("--database", required=True)
    options.add_argument("--ca", required=True, help="certificate of the CA")
    return pulse.beat(Rows, options)


if __name__ == "__main__":
    sys.exit(main())
