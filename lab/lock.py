"""One command at a time works on a lab."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hold(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Hold the lock on the file `path` (made if missing) and give its file number.

    `waiting` is called if another has it. The file may be removed by its holder: who waited on a removed file
    tries again on the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    told = False
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    waiting()
                told = True
                fcntl.flock(number, fcntl.LOCK_EX)
            if _same(path, number):
                yield number
                return
        finally:
            os.close(number)
        path.parent.mkdir(parents=True, exist_ok=True)


def _same(path: Path, number: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(number))
    except FileNotFoundError:
        return False
