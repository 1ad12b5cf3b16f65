"""What is built or fetched once lives outside the checkout: where that is, and how to write there."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/custos-platform`, by default `~/.cache/custos-platform` (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "custos-platform"


def say(message: str) -> None:
    """One line for the person who waits; on stderr, so that results on stdout stay clean."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announces `title`, and when it is done, or has failed, the seconds it took."""
    say(f"{title} …")
    start = time.monotonic()
    try:
        yield
    except BaseException:
        say(f"{title}: failed after {time.monotonic() - start:.0f} s")
        raise
    say(f"{title}: {time.monotonic() - start:.0f} s")


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds the lock file `path`, waiting for another process (and saying so) when that one holds it.

    The kernel drops the lock with its holder, however that one dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that is busy with {what} ({path})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def disk_use(path: Path) -> int:
    """Bytes that `path` takes on the disk; a file with several names is counted once."""
    seen: dict[tuple[int, int], int] = {}
    for folder, _, files in os.walk(path):
        for name in [*files, "."]:
            status = os.lstat(Path(folder) / name)
            seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


def megabytes(size: int) -> str:
    """`size` bytes for people."""
    return f"{size / 1_000_000:,.0f} MB"
