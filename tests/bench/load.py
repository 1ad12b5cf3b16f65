"""Asks for one path over and over, and says how often and how fast it was answered. Python's standard library only.

    python3 load.py < question

The question is JSON: address, port, host, path, authority (PEM; empty: without TLS), connections, seconds;
the answer: {"seconds": [one for each request], "wrong": {what was said instead: how often}, "took": seconds}.
"""

import http.client
import json
import socket
import ssl
import sys
import threading
import time
from collections import Counter


def connected(question: dict[str, object], trusted: "ssl.SSLContext | None") -> http.client.HTTPConnection:
    """A connection to the address, whatever the host's name means here."""
    plain = socket.create_connection((str(question["address"]), int(str(question["port"]))), timeout=30)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = http.client.HTTPConnection(str(question["host"]))
    connection.sock = trusted.wrap_socket(plain, server_hostname=str(question["host"])) if trusted else plain
    return connection


def main() -> None:
    """Asks with each connection until the time is over."""
    question = json.load(sys.stdin)
    trusted = ssl.create_default_context(cadata=question["authority"]) if question["authority"] else None
    took: list[float] = []
    wrong: Counter[str] = Counter()
    deadline = time.monotonic() + question["seconds"]

    def ask() -> None:
        connection = connected(question, trusted)
        while (began := time.monotonic()) < deadline:
            connection.request("GET", question["path"], headers={"Host": question["host"]})
            answer = connection.getresponse()
            answer.read()
            took.append(time.monotonic() - began)
            if answer.status != 200:
                wrong[str(answer.status)] += 1
            if answer.will_close:
                connection = connected(question, trusted)

    began = time.monotonic()
    threads = [threading.Thread(target=ask) for _ in range(question["connections"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump({"seconds": took, "wrong": wrong, "took": time.monotonic() - began}, sys.stdout)


main()
