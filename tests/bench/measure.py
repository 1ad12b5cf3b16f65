"""Time of commands: wall and CPU, as medians of alternating runs."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.errors import BenchError


@dataclass(frozen=True)
class Cost:
    """What one run took, in seconds; `cpu` is user and system time of the command and its children."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Series:
    """Several runs of the same thing."""

    runs: tuple[Cost, ...]

    @property
    def wall(self) -> float:
        """Median of the wall seconds."""
        return median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        """Median of the CPU seconds."""
        return median(run.cpu for run in self.runs)


def run(command: Sequence[str], *, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Cost:
    """Run `command` once and tell what it took. Raises BenchError with its last words if it fails.

    CPU is counted over all children of this process, so that nothing else may run beside it.
    """
    before, started = _cpu(), time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    cost = Cost(time.monotonic() - started, _cpu() - before)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-15:]
        raise BenchError(
            f"`{' '.join(command)}` ended with {done.returncode}:\n  " + "\n  ".join(words),
            "mend that first; nothing was recorded",
        )
    return cost


def alternate(times: int, things: Mapping[str, Callable[[], Cost]]) -> dict[str, Series]:
    """Run all things in turn, `times` times, so that other load on the machine meets all of them alike.

    A first round, which fills caches, is not counted.
    """
    rounds = [{name: thing() for name, thing in things.items()} for _ in range(times + 1)][1:]
    return {name: Series(tuple(costs[name] for costs in rounds)) for name in things}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
