"""What can go wrong, as the user is told it."""

from __future__ import annotations


class Problem(Exception):
    """An expected failure: `what` happened and with what value found, and the `remedy`."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}\n{remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy


class NotYet(Problem):
    """Something cannot be looked at because an earlier step has not been done; `plan` shows it as open."""


class Interrupted(Problem):
    """The user stopped the run; whatever was under way is taken up by the next `apply`."""
