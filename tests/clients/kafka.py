"""Writes a record every 50 ms that all replicas in sync acknowledge, and proves that none of these is lost (pulse.py).

KAFKA_PASSWORD=… python -m tests.clients.kafka --host custos-kafka.custos.svc.cluster.local --user custos --ca /ca.crt

Speaks as much of Kafka's protocol (https://kafka.apache.org/protocol) as that needs, in the oldest versions that
Kafka 4 knows, which are the simplest.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import os
import secrets
import socket
import ssl
import struct
import sys
import time
from dataclasses import dataclass

from tests.clients import pulse

TOPIC = "writes-of-the-test"
CLIENT_ID = "pulse"
# Numbers of Kafka's protocol: key and version of each request.
PRODUCE, FETCH, METADATA, SASL_HANDSHAKE, SASL_AUTHENTICATE = (0, 3), (1, 4), (3, 4), (17, 1), (36, 0)
ALL_IN_SYNC = -1
MECHANISM = "SCRAM-SHA-512"
RESOLVE_SECONDS = 30  # as long as a JVM remembers an address
FETCH_BYTES = 8 * 1024 * 1024


class Reader:
    """Reads the fields of an answer, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def number(self, kind: str) -> int:
        """One integer of struct's kind `kind`."""
        (value,) = struct.unpack_from(f">{kind}", self.data, self.position)
        self.position += struct.calcsize(f">{kind}")
        return int(value)

    def take(self, count: int) -> bytes:
        """So many bytes."""
        self.position += count
        return self.data[self.position - count : self.position]

    def text(self) -> str:
        """A string; one that is null is empty."""
        return self.take(max(self.number("h"), 0)).decode()

    def raw(self) -> bytes:
        """Bytes with their length before them."""
        return self.take(max(self.number("i"), 0))

    def varint(self) -> int:
        """A number of records, in zigzag."""
        value = shift = 0
        while True:
            byte = self.number("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1)


def text(value: str) -> bytes:
    """A string as the protocol has it."""
    return struct.pack(">h", len(value.encode())) + value.encode()


def raw(value: bytes) -> bytes:
    """Bytes as the protocol has them."""
    return struct.pack(">i", len(value)) + value


def varint(value: int) -> bytes:
    """A number in zigzag."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _crc32c_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC32C = _crc32c_table()


def crc32c(data: bytes) -> int:
    """The checksum of a batch (Castagnoli)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def batch(value: bytes, now: int) -> bytes:
    """One record as a batch; `now` in milliseconds since 1970."""
    # attributes, difference of time, of offset, no key (-1), the value, no headers
    body = b"\0" + varint(0) + varint(0) + varint(-1) + varint(len(value)) + value + varint(0)
    # attributes, last offset, first and last time, no producer's id, epoch, sequence, one record
    checked = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + varint(len(body)) + body
    rest = struct.pack(">ibI", -1, 2, crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(rest)) + rest


def values(records: bytes) -> tuple[list[bytes], int]:
    """The values of whole batches, and the offset after the last of them (-1 where there is none)."""
    found, following = [], -1
    reader = Reader(records)
    while len(records) - reader.position >= 12:
        base, length = reader.number("q"), reader.number("i")
        end = reader.position + length
        if end > len(records):
            break  # cut off; the next fetch begins with it
        reader.take(9 + 2)  # epoch, magic, checksum, attributes
        following = base + reader.number("i") + 1
        reader.take(8 + 8 + 8 + 2 + 4)
        for _ in range(reader.number("i")):
            reader.varint()
            reader.take(1)
            reader.varint(), reader.varint()
            reader.take(max(reader.varint(), 0))
            found.append(reader.take(max(reader.varint(), 0)))
            for _ in range(reader.varint()):
                reader.take(reader.varint())
                reader.take(max(reader.varint(), 0))
        reader.position = end
    return found, following


@dataclass(frozen=True)
class Partition:
    """Who has the one partition of the topic."""

    leader: int
    replicas: list[int]
    in_sync: list[int]


def metadata_request(topic: str) -> bytes:
    """Asks for the brokers and for one topic, which is made where it is missing."""
    return request(METADATA, struct.pack(">i", 1) + text(topic) + b"\1")


def metadata(answer: bytes) -> tuple[dict[int, tuple[str, int]], Partition]:
    """Brokers by number, and the topic's partition. Raises Refused where the topic is not usable."""
    reader = Reader(answer)
    reader.take(4)  # throttled for
    brokers = {}
    for _ in range(reader.number("i")):
        number, host, port = reader.number("i"), reader.text(), reader.number("i")
        brokers[number] = (host, port)
        reader.text()
    reader.text(), reader.number("i")
    reader.number("i")
    _refuse(reader.number("h"), "topic")
    reader.text(), reader.take(1)
    reader.number("i")
    error, _, leader = reader.number("h"), reader.number("i"), reader.number("i")
    _refuse(error, "partition")
    replicas = [reader.number("i") for _ in range(reader.number("i"))]
    in_sync = [reader.number("i") for _ in range(reader.number("i"))]
    return brokers, Partition(leader, replicas, in_sync)


def request(kind: tuple[int, int], body: bytes) -> bytes:
    """A whole request with its length; the number of each is 0, for one waits for one answer."""
    return raw(struct.pack(">hhi", *kind, 0) + text(CLIENT_ID) + body)


def _refuse(error: int, what: str) -> None:
    """Raises Refused for an error of the protocol."""
    if error:
        raise pulse.Refused(f"{what}: error {error} of Kafka's protocol")


class Connection:
    """One connection with TLS and a login. Raises OSError for the network, Refused for what a broker answers."""

    def __init__(self, address: tuple[str, int], host: str, options: argparse.Namespace) -> None:
        context = ssl.create_default_context(cafile=options.ca)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Java is not strict about a CA's extensions either
        self._socket: socket.socket = socket.create_connection(address, options.timeout)
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
            self._log_in(options.user, os.environ["KAFKA_PASSWORD"])
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Closes the connection without a farewell."""
        self._socket.close()

    def ask(self, kind: tuple[int, int], body: bytes) -> bytes:
        """The answer to one request."""
        return self.exchange(request(kind, body))

    def exchange(self, whole: bytes) -> bytes:
        """The answer, without its head, to a request as `request` makes it."""
        self._socket.sendall(whole)
        (length,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(length)[4:]

    def _log_in(self, user: str, password: str) -> None:
        """SCRAM (RFC 5802)."""
        _refuse(Reader(self.ask(SASL_HANDSHAKE, text(MECHANISM))).number("h"), "handshake")
        first = f"n={user},r={secrets.token_hex(16)}"
        challenge = self._authenticate(f"n,,{first}")
        fields = dict(field.split("=", 1) for field in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha512")
        last = f"c=biws,r={fields['r']}"
        proved = f"{first},{challenge},{last}".encode()
        mask = hmac.digest(hashlib.sha512(key).digest(), proved, "sha512")
        proof = bytes(left ^ right for left, right in zip(key, mask, strict=True))
        self._authenticate(f"{last},p={base64.b64encode(proof).decode()}")

    def _authenticate(self, message: str) -> str:
        reader = Reader(self.ask(SASL_AUTHENTICATE, raw(message.encode())))
        error, said = reader.number("h"), reader.text()
        if error:
            raise pulse.Refused(f"login: {said}")
        return reader.raw().decode()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionResetError("the broker closed the connection")
            data += part
        return data


class Records:
    """A topic of one partition, written and read at its leader."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._known: list[tuple[str, int]] = [(options.host, options.port)]
        self._addresses: dict[str, tuple[str, float]] = {}
        self._leader: Connection | None = None

    def write(self, number: int) -> None:
        """Writes a record, which all replicas in sync have before it counts."""
        record = batch(f"{self._options.run}:{number}".encode(), int(time.time() * 1000))
        body = struct.pack(">hhi", -1, ALL_IN_SYNC, int(self._options.timeout * 1000))
        body += struct.pack(">i", 1) + text(TOPIC) + struct.pack(">ii", 1, 0) + raw(record)
        reader = Reader(self._connected().ask(PRODUCE, body))
        reader.take(4)
        reader.text()
        reader.take(4 + 4)
        _refuse(reader.number("h"), "write")

    def numbers(self) -> set[int]:
        """The records of this run."""
        found: set[int] = set()
        offset = 0
        while True:
            body = struct.pack(">iiiib", -1, 500, 1, FETCH_BYTES, 0) + struct.pack(">i", 1) + text(TOPIC)
            body += struct.pack(">iiqi", 1, 0, offset, FETCH_BYTES)
            reader = Reader(self._connected().ask(FETCH, body))
            reader.take(4 + 4)
            reader.text()
            reader.take(4 + 4)
            _refuse(reader.number("h"), "read")
            end = reader.number("q")
            reader.take(8)
            for _ in range(max(reader.number("i"), 0)):
                reader.take(16)  # transactions that were given up
            written, following = values(reader.raw())
            runs = (value.decode().split(":") for value in written)
            found |= {int(number) for run, number in runs if run == self._options.run}
            offset = max(offset, following)
            if offset >= end:
                return found

    def close(self) -> None:
        """Closes the connection, if there is one."""
        if self._leader is not None:
            self._leader.close()
        self._leader = None

    def _connected(self) -> Connection:
        if self._leader is None:
            where = self._find_leader()
            self._leader = self._connect(*where)
        return self._leader

    def _find_leader(self) -> tuple[str, int]:
        """Asks one broker after the other, those that were there last time and then the Service."""
        host, port = self._known.pop(0)
        self._known.append((host, port))
        connection = self._connect(host, port)
        try:
            brokers, partition = metadata(connection.exchange(metadata_request(TOPIC)))
        finally:
            connection.close()
        self._known = [*brokers.values(), (self._options.host, self._options.port)]
        if partition.leader not in brokers:
            raise pulse.Refused("the partition has no leader")
        return brokers[partition.leader]

    def _connect(self, host: str, port: int) -> Connection:
        address, until = self._addresses.get(host, ("", 0.0))
        if time.monotonic() > until:
            address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
            self._addresses[host] = (address, time.monotonic() + RESOLVE_SECONDS)
        try:
            return Connection((address, port), host, self._options)
        except OSError:
            del self._addresses[host]  # a pod that came back has another
            raise


def main() -> int:
    """Runs the command line; returns its exit code."""
    options = pulse.parser("Writes records to Kafka and proves that none is lost.", 9094)
    options.add_argument("--user", required=True)
    options.add_argument("--ca", required=True, help="certificate of the CA")
    return pulse.beat(Records, options)


if __name__ == "__main__":
    sys.exit(main())
