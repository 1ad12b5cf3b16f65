"""Where the lab keeps things on this computer."""

import os
from pathlib import Path

from tools.cache import cache_root

DEFAULT_FILE = Path(__file__).parent / "lab.yaml"


def roots() -> Path:
    """The Debian roots that machines are overlays of, one folder a key."""
    return cache_root() / "roots"


def bundle() -> Path:
    """The folder whose link `current` leads to the bundle of artifacts that the machines see."""
    return cache_root() / "bundle"


def lab_file() -> Path:
    """The description of the lab: `$CUSTOS_LAB_FILE`, or the one beside this file."""
    return Path(os.environ.get("CUSTOS_LAB_FILE") or DEFAULT_FILE)


def state() -> Path:
    """Everything that belongs to one lab and goes with it, disks and keys.

    `$CUSTOS_LAB_STATE`, or `$XDG_STATE_HOME/custos-platform/lab`.
    """
    given = os.environ.get("CUSTOS_LAB_STATE")
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return Path(given).absolute() if given else home / "custos-platform" / "lab"
