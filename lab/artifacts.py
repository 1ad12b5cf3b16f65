"""The bundle of binaries and image archives that the machines see as a site's medium; made by lab.images."""

import sys
from collections.abc import Callable

from lab import builder, paths
from lab.errors import LabError


def ensure(lab: str, lab_lock: int, say: Callable[[str], None]) -> bool:
    """Make the bundle that the machines see, if it is missing or old; True if it was made.

    `say` gets each step's words, `lab_lock` is held. Raises LabError with the last words of lab.images.
    """
    before = _current()
    code, said = builder.run(lab, [sys.executable, "-m", "lab.images", "build"], (lab_lock,), say)
    if code != 0:
        last = "\n".join(said[-8:])
        raise LabError(
            f"the bundle of artifacts could not be made (exit {code}):\n{last}",
            "mend what it names and run again; it goes on where it stopped",
        )
    return _current() != before


def _current() -> str | None:
    link = paths.bundle() / "current"
    return str(link.readlink()) if link.is_symlink() else None
