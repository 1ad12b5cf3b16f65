"""What a standby does about an active node that is gone.

Its lock in Consul is given back; otherwise nobody could be active before the lock's session ends, half a minute and
more. This is safe: Vault writes only while its session holds the lock (Consul checks that with each write).

A standby that waits for the lock does so by a call to Consul. Where Consul's leader died with the active node, on the
same machine, that call hangs or fails, and Vault tries again only 10 s later (lockRetryInterval in its
vault/ha.go). One that leaves a free lock alone for FREE_SECONDS is therefore started anew, once: it takes the lock
within a second of being unsealed.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

GONE_SECONDS = 4
FREE_SECONDS = 2
# A node that has just taken the lock is a standby for a while. Nobody is for so long.
IDLE_SECONDS = 30


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
        self._free_since: float | None = None
        self._begin("")

    def _begin(self, session: str) -> None:
        self.session = session
        self._was_active = False
        self._gone_since: float | None = None
        self._idle_since: float | None = None

    def answers(self, health: Health, now: float) -> None:
        """Take note of what the holder said when it was asked at `now`, SILENT for nothing."""
        if not health.sealed and not health.standby:
            self._gone_since = self._idle_since = None
            self._was_active = True
            return
        # One that was active under this session and no longer is has lost it, whatever Consul still says.
        if (health.sealed or self._was_active) and self._gone_since is None:
            self._gone_since = now
        if self._idle_since is None:
            self._idle_since = now

    def holds(self, session: str, now: float) -> Step:
        """What is due where Consul names this session as the lock's at `now`; "" where nobody holds it."""
        if session != self.session:
            self._free_since = None if session else now
            self._begin(session)
        if not session:
            if self._free_since is not None and now - self._free_since >= FREE_SECONDS:
                self._free_since = None
                return Step.RESTART
            return Step.NOTHING
        gone = self._gone_since is not None and now - self._gone_since >= GONE_SECONDS
        idle = self._idle_since is not None and now - self._idle_since >= IDLE_SECONDS
        return Step.RELEASE if gone or idle else Step.NOTHING
