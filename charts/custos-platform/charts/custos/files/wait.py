"""Waits until what a service needs is there, then ends with 0.

It never gives up: a pod that waits says so in its log, and there is no failure to back off from.

Arguments, one condition each:
  tcp=HOST:PORT    a connection is accepted
  http=URL,TEXT    the URL answers 200 and its body holds TEXT, several times in a row, for each time another
                   pod may answer
"""

from __future__ import annotations

import socket
import sys
import time
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 3
PAUSE_SECONDS = 1
# How often a condition that is not met is named in the log.
REPORT_SECONDS = 10
IN_A_ROW = 3


def unmet(condition: str) -> str | None:
    """Try one condition once; return why it is not met, or None."""
    kind, _, target = condition.partition("=")
    try:
        if kind == "tcp":
            host, _, port = target.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_SECONDS).close()
            return None
        url, _, text = target.rpartition(",")
        for _ in range(IN_A_ROW):
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
                if text not in answer.read().decode(errors="replace"):
                    return "answers, but not yet with this release's configuration"
    except urllib.error.HTTPError as error:
        return f"answers {error.code}"
    except OSError as error:
        return str(error)
    return None


def wait(condition: str) -> None:
    """Return once the condition is met."""
    address = condition.partition("=")[2].rpartition(",")[0] or condition.partition("=")[2]
    started = time.monotonic()
    next_report = started
    while reason := unmet(condition):
        now = time.monotonic()
        if now >= next_report:
            print(f"waiting for {address} since {now - started:.0f} s: {reason}")
            next_report = now + REPORT_SECONDS
        time.sleep(PAUSE_SECONDS)
    print(f"{address} is there after {time.monotonic() - started:.0f} s")


def main(arguments: list[str]) -> int:
    """Wait for every condition in turn. Returns 2 for a condition that is none."""
    for condition in arguments:
        if not condition.startswith(("tcp=", "http=")):
            print(f"wait.py: found {condition!r}; allowed: tcp=HOST:PORT, http=URL,TEXT", file=sys.stderr)
            return 2
    for condition in arguments:
        wait(condition)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
