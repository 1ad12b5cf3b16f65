"""Running other programs, with their own words in the error."""

import subprocess
from collections.abc import Mapping, Sequence

from lab.errors import LabError


def run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Run `argv` to its end and return what it printed.

    Raises LabError with the command and the end of what it said on stderr if it fails or does not exist.
    """
    try:
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=env)
    except FileNotFoundError:
        raise LabError(f"the program {argv[0]} is not on the PATH", "run `python -m lab check`") from None
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise LabError(
            f"`{' '.join(argv)}` ended with {done.returncode}: {said}", "mend what it names, run again"
        )
    return done.stdout
