"""A client at the platform's front door: curl for one question, and a steady stream of requests."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.cluster import run

SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """Of the last answer: status, headers and trailers by their names in small letters, body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class FrontDoor:
    """The public name, the edge's address, and the file with the CA that its certificate is of."""

    host: str
    address: str
    authority: Path

    def curl(self, path: str, *options: str, host: str = "") -> list[str]:
        """The command that asks for a path at the edge, whatever the name means elsewhere."""
        host = host or self.host
        how = ["--silent", "--show-error", "--max-time", str(SECONDS), "--resolve", f"{host}:443:{self.address}"]
        return ["curl", *how, "--cacert", str(self.authority), *options, f"https://{host}{path}"]

    def ask(self, path: str, *options: str, body: bytes | None = None, host: str = "") -> Answer:
        """Ask with curl. Raises CommandFailed where nothing answers."""
        folder = self.authority.parent
        head, said, sent = folder / "head", folder / "said", folder / "sent"
        more = ["--dump-header", str(head), "--output", str(said)]
        said.write_bytes(b"")
        if body is not None:
            sent.write_bytes(body)
            more += ["--data-binary", f"@{sent}"]
        run(self.curl(path, *more, *options, host=host))
        lines = head.read_text(encoding="latin-1").splitlines()
        first = max(index for index, line in enumerate(lines) if line.startswith("HTTP/"))
        headers = dict(line.split(":", 1) for line in lines[first + 1 :] if ":" in line)
        named = {name.strip().lower(): value.strip() for name, value in headers.items()}
        return Answer(int(lines[first].split()[1]), named, said.read_bytes())

    def grpc(self, method: str, message: bytes, kind: str = "application/grpc", *options: str) -> Answer:
        """Call a gRPC method (/package.Service/Method) with one message."""
        frame = b"\0" + len(message).to_bytes(4, "big") + message
        how = ["--http2", "--header", f"Content-Type: {kind}", "--header", "TE: trailers", *options]
        return self.ask(method, *how, body=frame)

    def once(self, path: str, context: ssl.SSLContext) -> int:
        """The status of one GET over a connection of its own. Raises OSError where nothing answers."""
        with socket.create_connection((self.address, 443), timeout=SECONDS) as plain:
            plain.settimeout(SECONDS)
            with context.wrap_socket(plain, server_hostname=self.host) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n".encode())
                answer = b""
                while b"\r\n" not in answer:
                    part = connection.recv(4096)
                    if not part:
                        raise OSError("the connection was closed before an answer")
                    answer += part
        return int(answer.split()[1])


def check_of(service: str) -> bytes:
    """The health protocol's question for a service, in protobuf's bytes."""
    name = service.encode()
    return b"\x0a" + bytes([len(name)]) + name


@dataclass
class Stream:
    """What became of the requests: those that failed at first, and those that failed again a second later."""

    sent: int = 0
    first: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)


@contextmanager
def requests(door: FrontDoor, path: str, per_second: int = 20) -> Iterator[Stream]:
    """So many requests a second while the block runs, each tried once more after a second where it failed."""
    stream, ended = Stream(), threading.Event()
    context = ssl.create_default_context(cafile=str(door.authority))

    def failure() -> str:
        try:
            status = door.once(path, context)
        except OSError as error:
            return type(error).__name__
        return "" if status == 200 else str(status)

    def request() -> None:
        if said := failure():
            stream.first[said] += 1
            time.sleep(1)  # what a client with one retry does
            if said := failure():
                stream.again[said] += 1

    def send(pool: ThreadPoolExecutor) -> None:
        while not ended.wait(1 / per_second):
            stream.sent += 1
            pool.submit(request)

    with ThreadPoolExecutor(max_workers=per_second * 2) as pool:
        sender = threading.Thread(target=send, args=(pool,))
        sender.start()
        try:
            yield stream
        finally:
            ended.set()
            sender.join()


def authority(secret: dict[str, str], folder: Path) -> Path:
    """The CA of a certificate's Secret, as a file."""
    file = folder / "ca.crt"
    file.write_bytes(base64.b64decode(secret["ca.crt"]))
    return file
