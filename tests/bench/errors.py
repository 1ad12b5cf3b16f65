"""What a benchmark ends with when it cannot measure."""

from __future__ import annotations


class BenchError(Exception):
    """`what` went wrong, and what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy
