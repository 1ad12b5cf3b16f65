"""What a standby does about an active node that is gone, and about itself.

Its lock in Consul is given back; otherwise nobody could be active before the lock's session ends, half a minute and
more. This is safe: Vault writes only while its session holds the lock (Consul checks that with each write).

A standby that waits for the lock does so by a call to Consul. Where Consul's leader died with the active node, on the
same machine, that call hangs or fails, and Vault tries again only 10 s later (lockRetryInterval in its
vault/ha.go). The standby that gave the lock back and leaves it alone for FREE_SECONDS is therefore started anew, once:
it takes the lock within a second of being unsealed. A lock that came free in any other way is none of its business:
Consul lets nobody have one whose session ended before 15 s have passed.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

GONE_SECONDS = 4
# One that takes connections and says nothing is busy; to take its place from it would make more work.
HUNG_SECONDS = 15
FREE_SECONDS = 2
# A node that has just taken the lock is a standby while it reads its storage. Nobody is for so long.
IDLE_SECONDS = 120
# One that is just being sealed says so a moment later.
HOLLOW_SECONDS = 5


class Health(NamedTuple):
    """What a Vault says of itself."""

    initialized: bool
    sealed: bool
    standby: bool


# Of one that says nothing.
SILENT = Health(initialized=True, sealed=True, standby=True)


class Step(Enum):
    """What is due."""

    NOTHING = "nothing"
    RELEASE = "give its lock back"
    RESTART = "start the own Vault anew"


class Holder:
    """The node that holds the lock, as this standby sees it round by round. Times are seconds of one steady clock."""

    def __init__(self) -> None:
        self._given_back = False
        self._free_since: float | None = None
        self._begin("")

    def _begin(self, session: str) -> None:
        self.session = session
        self._was_active = False
        self._gone_since: float | None = None
        self._hung_since: float | None = None
        self._idle_since: float | None = None

    def hangs(self, now: float) -> None:
        """Take note that the holder, asked at `now`, took the connection and said nothing."""
        self._gone_since = None
        if self._hung_since is None:
            self._hung_since = now

    def answers(self, health: Health, now: float) -> None:
        """Take note of what the holder said when it was asked at `now`, SILENT where nobody took the connection."""
        self._hung_since = None
        if not health.sealed and not health.standby:
            self._gone_since = self._idle_since = None
            self._was_active = True
            return
        # One that was active under this session and no longer is has lost it, whatever Consul still says.
        if (health.sealed or self._was_active) and self._gone_since is None:
            self._gone_since = now
        if self._idle_since is None:
            self._idle_since = now

    def given_back(self) -> None:
        """Take note that Consul took the lock from the holder because this standby said so."""
        self._given_back = True

    def holds(self, session: str, now: float) -> Step:
        """What is due where Consul names this session as the lock's at `now`; "" where nobody holds it."""
        if session != self.session:
            self._free_since = None if session else now
            self._given_back = self._given_back and not session
            self._begin(session)
        if not session:
            if self._given_back and _lasts(self._free_since, FREE_SECONDS, now):
                self._given_back = False
                return Step.RESTART
            return Step.NOTHING
        over = (
            _lasts(self._gone_since, GONE_SECONDS, now)
            or _lasts(self._hung_since, HUNG_SECONDS, now)
            or _lasts(self._idle_since, IDLE_SECONDS, now)
        )
        return Step.RELEASE if over else Step.NOTHING


class Own:
    """The own Vault, which may be sealed and say that it is not.

    One to which Consul does not answer while it takes the lock seals its storage and gives up, for ever
    (waitForLeadership in Vault's vault/ha.go, "seal configuration reload error"): it stays a standby that says of
    itself that it is well, and answers that it is sealed when it is asked who is active.
    """

    def __init__(self) -> None:
        self._hollow_since: float | None = None

    def says(self, *, sealed: bool, now: float) -> Step:
        """What is due where one that calls itself unsealed says this when it is asked who is active."""
        if not sealed:
            self._hollow_since = None
        elif self._hollow_since is None:
            self._hollow_since = now
        if _lasts(self._hollow_since, HOLLOW_SECONDS, now):
            self._hollow_since = None
            return Step.RESTART
        return Step.NOTHING


def _lasts(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since >= seconds
