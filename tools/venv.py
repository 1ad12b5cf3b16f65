"""The project's Python environments: made once for each set of pins, shared by all checkouts.

There is one for the project, and one for each program whose own pins contradict those of the project (JUDGE).

Run by the Makefile with whatever Python the machine has, before any package is there: standard library only.

    python3 tools/venv.py           makes the project's where it is missing
    python3 tools/venv.py --judge   makes the judge's
    python3 tools/venv.py --path    prints where the project's is, or will be
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
PROJECT = Path(__file__).resolve().parents[1]
CONSTRAINTS = PROJECT / "constraints.txt"


# checkov and all that it brings, pinned.
JUDGE = PROJECT / "tools" / "checkov.txt"


def requirements() -> list[str]:
    """The direct dependencies that pyproject.toml names, with those of the tests."""
    import tomllib  # not before the version of Python is known to have it

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["test"]]


def location(pins: Path = CONSTRAINTS) -> Path:
    """Where the environment of these pins belongs: keyed by them and by the Python that made it."""
    wanted = requirements() if pins == CONSTRAINTS else []
    key = hashlib.sha256("\n".join([sys.version, pins.read_text(encoding="utf-8"), *wanted]).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "custos-platform" / f"venv-{key}"


def make(pins: Path = CONSTRAINTS) -> Path:
    """Make the environment of these pins where it is missing, whole or not at all; two at once wait for each other.

    Raises subprocess.CalledProcessError where a step fails; what it said has been printed.
    """
    target = location(pins)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = target / "ready"
        if ready.exists():
            return target
        print(f"installing the Python packages of {pins.relative_to(PROJECT)}", flush=True)
        shutil.rmtree(target, ignore_errors=True)  # what a killed run left
        subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
        pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        wanted = ["-c", str(pins), *requirements()] if pins == CONSTRAINTS else ["-r", str(pins)]
        subprocess.run([*pip, *wanted], check=True)
        ready.touch()
    return target


def main() -> int:
    """Returns the exit code: 0, or 1 with what is missing."""
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        print(f"{sys.executable} is Python {sys.version.split()[0]}; {wanted} or newer is needed", file=sys.stderr)
        return 1
    if "--path" in sys.argv[1:]:
        print(location())
        return 0
    try:
        make(JUDGE if "--judge" in sys.argv[1:] else CONSTRAINTS)
    except subprocess.CalledProcessError as failure:
        failed = " ".join(map(str, failure.cmd[1:4]))
        print(f"{failed} failed (above). Debian: apt-get install python3-venv", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
