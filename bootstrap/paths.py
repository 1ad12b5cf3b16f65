"""Where bootstrap keeps what belongs to a cluster, and how paths in an inventory are written."""

from __future__ import annotations

import os
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def expand(text: str, base: Path = PROJECT) -> Path:
    """The path that `text` means: `${NAME:-default}` and `~` replaced, a relative one begins at `base`.

    Raises KeyError with the variable's name where it is not set and has no default.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = os.environ.get(name, "")
        if found:
            return found
        if default is None:
            raise KeyError(name)
        return str(default)

    return base / Path(_VARIABLE.sub(value, text)).expanduser()


def state(cluster: str) -> Path:
    """`$XDG_STATE_HOME/custos-platform/<cluster>`: journal, lock, kubeconfig; readable by its owner only."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "custos-platform" / cluster


def write_private(path: Path, data: bytes) -> bool:
    """Write `data` so that only the owner can ever read it, whole or not at all; False if it stood there already."""
    if path.exists() and path.read_bytes() == data:
        path.chmod(0o600)
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    new.rename(path)
    return True
