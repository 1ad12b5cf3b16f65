"""Long work for a lab, in a control group of the lab's, so that `down` ends it if its caller was killed."""

import os
import subprocess
from collections.abc import Callable, Mapping

from lab import cgroups, confine
from lab.debian import HERE


def run(
    lab: str,
    command: list[str],
    locks: tuple[int, ...],
    say: Callable[[str], None],
    env: Mapping[str, str] | None = None,
) -> tuple[int, list[str]]:
    """Run `command` to its end; each line that it prints goes to `say`. Returns its exit code and its lines.

    The first of `locks` is the lab's, given up once the command is in its group; the command keeps the others
    locked to its end.
    """
    cgroups.create(lab, cgroups.BUILDER)
    said: list[str] = []
    with subprocess.Popen(
        confine.argv(lab, cgroups.BUILDER, locks[0], command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=locks,
        env={**os.environ, "PYTHONPATH": str(HERE.parent), **(env or {})},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.rstrip())
            say(said[-1])
    cgroups.remove(lab, cgroups.BUILDER)
    return process.returncode, said
