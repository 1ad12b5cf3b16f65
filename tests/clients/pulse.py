"""The beat of every client: writes a number every 50 ms and proves that no acknowledged one is lost.

Python's standard library alone, so that this folder runs in a pod of any image that has Python (`python -m
tests.clients.mysql`); the module of each store brings a `Client`. Ends on SIGTERM or SIGINT, or after --seconds; then
reads back what is there and prints one line of JSON:
    acknowledged   numbers that the store confirmed
    missing        acknowledged numbers that are not there: must be empty
    gap            the longest time without an acknowledged number, in seconds
    gap_at         when it began, in seconds since 1970
    gaps           every pause longer than half a second, [when, seconds]
    attempts       what failed, the first that went well after it, and what took longer than half a second:
                   [when, seconds, how many in a row, what]; the same thing again and again is one entry
    errors         what went wrong meanwhile, with its number
`--progress FILE` keeps the time of the newest acknowledged number, for those who wait for it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PATIENCE_SECONDS = 180  # for reading back
NOTABLE_SECONDS = 0.5

_steps: list[tuple[float, str]] = []  # of the attempt under way: when each began, in seconds since 1970


def step(what: str) -> None:
    """Notes what the attempt under way begins to do, for those who ask where the time went."""
    _steps.append((time.time(), what))


class Refused(Exception):
    """The store answered, and its answer was no."""


class Client(Protocol):
    """One connection to a store, made when it is needed. Its methods raise OSError or Refused."""

    def write(self, number: int) -> None:
        """Writes the number; returns when the store has acknowledged it."""

    def numbers(self) -> set[int]:
        """All numbers of this run that the store has."""

    def close(self) -> None:
        """Gives the connection up, without a farewell."""


@dataclass
class Attempt:
    """Attempts of one kind in a row; times in seconds since 1970."""

    began: float
    ended: float
    count: int
    what: str


class Pulse:
    """Writes, remembers what was acknowledged and when, reads back, reports."""

    def __init__(self, client: Client, options: argparse.Namespace) -> None:
        self._client = client
        self._options = options
        self._acknowledged: dict[int, float] = {}
        self._errors: Counter[str] = Counter()
        self._attempts: list[Attempt] = []
        self._stopped = False
        self._ended = 0.0

    def stop(self, *_: object) -> None:
        """Ends the writing after the current number."""
        self._stopped = True

    def write(self) -> None:
        """Writes until told to stop; another number after each error."""
        began = time.monotonic()
        number = 0
        failed = False
        while not self._stopped and time.monotonic() - began < self._options.seconds:
            due = time.monotonic() + self._options.interval
            number += 1
            _steps.clear()
            attempted = time.time()
            try:
                self._client.write(number)
            except (OSError, Refused) as error:
                self._errors[str(error)[:120]] += 1
                self._note(attempted, f"{_steps[-1][1]}: {error}" if _steps else str(error))
                self._client.close()
                failed = True
            else:
                self._acknowledged[number] = time.time()
                if failed or time.time() - attempted > NOTABLE_SECONDS:
                    self._note(attempted, ": ".join(filter(None, ["acknowledged", _told(time.time())])))
                failed = False
                if self._options.progress:
                    Path(self._options.progress).write_text(f"{time.time()}\n")
            time.sleep(max(0.0, due - time.monotonic()))
        self._ended = time.time()

    def _note(self, began: float, what: str) -> None:
        if self._attempts and self._attempts[-1].what == what:
            self._attempts[-1].ended = time.time()
            self._attempts[-1].count += 1
        else:
            self._attempts.append(Attempt(began, time.time(), 1, what[:200]))

    def missing(self) -> list[int]:
        """Acknowledged numbers that are not there. Raises SystemExit where nothing can be read for three minutes."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return sorted(set(self._acknowledged) - self._client.numbers())
            except (OSError, Refused) as error:
                self._client.close()
                if time.monotonic() > deadline:
                    raise SystemExit(f"what was written could not be read back: {error}") from error
                time.sleep(1)

    def report(self) -> dict[str, object]:
        """What the module's description promises."""
        times = list(self._acknowledged.values())
        # The end counts as well: a client that is stopped while nothing is acknowledged has seen a pause.
        gaps = [(round(start, 3), round(end - start, 3)) for start, end in itertools.pairwise([*times, self._ended])]
        longest = max(gaps, key=lambda gap: gap[1], default=(0.0, 0.0))
        return {
            "acknowledged": len(times),
            "missing": self.missing(),
            "gap": longest[1],
            "gap_at": longest[0],
            "gaps": [gap for gap in gaps if gap[1] > NOTABLE_SECONDS],
            "attempts": [
                [round(each.began, 3), round(each.ended - each.began, 3), each.count, each.what]
                for each in self._attempts
            ],
            "errors": dict(self._errors),
        }


def _told(ended: float) -> str:
    """The steps of the attempt that has ended, each with the seconds that it took; nothing where it told none."""
    ends = [*(began for began, _ in _steps), ended][1:]
    return ", ".join(f"{what} {end - began:.2f} s" for (began, what), end in zip(_steps, ends, strict=True))


def parser(description: str, port: int) -> argparse.ArgumentParser:
    """The options that all clients have; `port` is the store's usual one."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--host", required=True)
    options.add_argument("--port", type=int, default=port)
    options.add_argument("--run", default=f"{time.time_ns():x}", help="name of this run, part of all that is written")
    options.add_argument("--interval", type=float, default=0.05, help="seconds between numbers")
    options.add_argument("--timeout", type=float, default=2, help="seconds until a silent server counts as gone")
    options.add_argument("--seconds", type=float, default=float("inf"), help="end after so many")
    options.add_argument("--progress", default="", help="file for the time of the newest acknowledged number")
    return options


def beat(
    connect: Callable[[argparse.Namespace], Client],
    options: argparse.ArgumentParser,
    arguments: Sequence[str] | None = None,
) -> int:
    """Runs a client's command line; returns 0 when every acknowledged number was found, else 1."""
    asked = options.parse_args(arguments)
    pulse = Pulse(connect(asked), asked)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pulse.stop)
    pulse.write()
    report = pulse.report()
    print(json.dumps(report), flush=True)
    return 1 if report["missing"] else 0
