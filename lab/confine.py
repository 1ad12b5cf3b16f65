"""`python -m lab.confine LAB GROUP LOCK -- COMMAND…`: become COMMAND inside a lab's control group.

LOCK is the number of an inherited file that is locked: it is held until this process is in the group, so
whoever takes the lock next sees it there, even if the one who started it was killed on the way.
"""

import os
import sys

from lab import cgroups


def argv(lab: str, member: str, lock: int, command: list[str]) -> list[str]:
    """The command line that runs `command` in the group of `member`; pass the file `lock` on to it."""
    return [sys.executable, "-m", "lab.confine", lab, member, str(lock), "--", *command]


def main(arguments: list[str]) -> None:
    lab, member, lock, _, *command = arguments
    cgroups.join(lab, member)
    os.close(int(lock))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
