"""Asks every service of the release for its health and for what it reaches, and prints a table.

Argument: a JSON file with a list of {service, health: URL, reaches: URL, tcp: [HOST:PORT]}, of which all but
`service` may be missing. `reaches` is answered by the stand-in only, with 200 or 503 and the edges that it
used; a real service answers 404, and its health counts alone. Exit code 0: all is well; 1: something is not.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

# Pods that are just rolling may need so long; an edge is used for real, which takes up to 20 seconds.
PATIENCE_SECONDS = 180
REQUEST_SECONDS = 30
CONNECT_SECONDS = 5
PAUSE_SECONDS = 3


def ask(url: str) -> tuple[int, str]:
    """Status and body of a URL. Raises OSError where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_SECONDS) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP: {error!r}") from None


def edges_of(body: str, running: set[str]) -> tuple[list[str], list[str]]:
    """What the stand-in reached, and what not; a peer that this release does not run does not count."""
    reached, failed = [], []
    for edge in json.loads(body)["edges"]:
        name, state = edge["edge"], edge["state"].lower()
        if state == "ok":
            reached.append(name)
        elif state == "failed" and (not name.startswith("peer/") or name.removeprefix("peer/") in running):
            failed.append(f"{name}: {edge.get('message', '')}")
    return reached, failed


def problems(check: dict[str, Any], running: set[str]) -> tuple[list[str], str]:
    """Check one service once; return what is wrong, and what was seen."""
    wrong, seen = [], []
    for address in check.get("tcp", []):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
            seen.append(f"port {port}")
        except OSError as error:
            wrong.append(f"port {port}: {error}")
    if "health" in check:
        status, _ = ask(check["health"])
        (seen if status == 200 else wrong).append(f"health {status}")
    if "reaches" in check:
        status, body = ask(check["reaches"])
        if status in (200, 503):
            reached, failed = edges_of(body, running)
            seen.append("reaches " + ", ".join(name.removeprefix("peer/") for name in reached))
            wrong += failed
        elif status != 404:
            wrong.append(f"/standin/reaches answers {status}")
    return wrong, "; ".join(seen)


def settle(check: dict[str, Any], running: set[str], deadline: float) -> tuple[list[str], str]:
    """Check one service until nothing is wrong with it or the deadline has passed."""
    while True:
        try:
            wrong, seen = problems(check, running)
        except OSError as error:
            wrong, seen = [str(error)], ""
        if not wrong or time.monotonic() > deadline:
            return wrong, seen
        time.sleep(PAUSE_SECONDS)


def main(arguments: list[str]) -> int:
    """Check all services, print the table, return the exit code."""
    checks = json.loads(Path(arguments[0]).read_text())
    running = {check["service"] for check in checks}
    deadline = time.monotonic() + PATIENCE_SECONDS
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as workers:
        results = list(workers.map(lambda check: settle(check, running, deadline), checks))
    width = max(len(name) for name in running)
    failures = 0
    for check, (wrong, seen) in zip(checks, results, strict=True):
        failures += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '}  {check['service']:{width}}  {'; '.join(wrong) or seen}")
    print(f"{len(checks) - failures} of {len(checks)} services are well")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
