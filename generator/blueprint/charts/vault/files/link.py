"""Vault's way to Consul: listens on localhost and passes connections on to a Consul server that works.

Vault knows one address of its storage only. A Service in that place would send a part of the connections to a machine
that is gone, and those that are open would hang there for minutes. This asks each server every second whether it
answers; what goes through one that no longer does is closed at once, so that Vault opens it anew, through another. TLS
is between Vault and Consul, end to end: nothing is read here.

Environment: SERVERS (a host name that stands for all of them), PORT (of the servers, and of localhost). File: their CA.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from pathlib import Path

AUTHORITY = Path("/etc/custos/consul/ca.crt")
# Exists while at least one server answers: Vault starts only then.
LINKED = Path("/tmp/linked")
ROUND_SECONDS = 1.0
ANSWER_SECONDS = 2.0
CONNECT_SECONDS = 1.0
# A server that was asked so often in a row and did not answer is given up.
MISSES = 3
CHUNK = 65536


class Server:
    """One Consul server: whether it answers, and the connections that go to it."""

    def __init__(self, name: str, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self._name = name
        self._misses = MISSES
        self.open: set[asyncio.StreamWriter] = set()

    @property
    def works(self) -> bool:
        """Whether connections may go there."""
        return self._misses < MISSES

    async def look(self) -> None:
        """Ask once whether it answers and knows a leader; close what goes through it where it no longer does."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                fine = await self._knows_a_leader()
        except (OSError, TimeoutError):
            fine = False
        before = self.works
        self._misses = 0 if fine else self._misses + 1
        if before != self.works:
            print(f"{self.address} {'answers' if fine else 'does not answer; its connections are closed'}", flush=True)
        if not self.works:
            for writer in self.open:
                writer.transport.abort()

    async def _knows_a_leader(self) -> bool:
        """A server without a leader can do nothing for Vault; its peers may have one."""
        tls = ssl.create_default_context(cafile=str(AUTHORITY))
        reader, writer = await asyncio.open_connection(self.address, self.port, ssl=tls, server_hostname=self._name)
        try:
            writer.write(f"GET /v1/status/leader HTTP/1.0\r\nHost: {self._name}\r\n\r\n".encode())
            answer = await reader.read()
            return answer.split(b" ")[1:2] == [b"200"] and not answer.rstrip().endswith(b'""')
        finally:
            writer.transport.abort()


class Link:
    """Where new connections go: the same server as long as it works."""

    def __init__(self, name: str, port: int) -> None:
        self._name = name
        self._port = port
        self._servers: dict[str, Server] = {}
        self._chosen = ""

    async def watch(self) -> None:
        """Find the servers and ask each, again and again."""
        while True:
            await self._find()
            await asyncio.gather(*(server.look() for server in self._servers.values()))
            if any(server.works for server in self._servers.values()):
                LINKED.touch()
            else:
                LINKED.unlink(missing_ok=True)
            await asyncio.sleep(ROUND_SECONDS)

    async def _find(self) -> None:
        """Take up what the name stands for now. Without an answer those that are known stay."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = await asyncio.get_running_loop().getaddrinfo(self._name, self._port, proto=socket.IPPROTO_TCP)
        except (OSError, TimeoutError):
            return
        addresses = {str(entry[4][0]) for entry in found}
        for address in addresses - self._servers.keys():
            self._servers[address] = Server(self._name, address, self._port)
        for address in self._servers.keys() - addresses:
            if not self._servers[address].works:
                del self._servers[address]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, both ways, until either end closes it."""
        try:
            server, far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        server.open |= {writer, far_writer}
        try:
            await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))
        finally:
            server.open -= {writer, far_writer}
            writer.transport.abort()
            far_writer.transport.abort()

    async def _connect(self) -> tuple[Server, asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the chosen server, or to the next that takes one. Raises OSError where none does."""
        order = sorted(self._servers.values(), key=lambda server: (not server.works, server.address != self._chosen))
        for server in order:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    reader, writer = await asyncio.open_connection(server.address, server.port)
            except (OSError, TimeoutError):
                continue
            if server.address != self._chosen:
                print(f"goes to {server.address} from now on", flush=True)
                self._chosen = server.address
            return server, reader, writer
        raise OSError("no server takes a connection")


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def main() -> int:
    """Run until the pod ends."""
    port = int(os.environ["PORT"])
    link = Link(os.environ["SERVERS"], port)
    server = await asyncio.start_server(link.serve, "localhost", port)
    async with server:
        await asyncio.gather(server.serve_forever(), link.watch())
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
