"""The Debian root that machines are overlays of: built once into the cache, keyed by what goes into it."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from lab import builder, debian, lock, paths
from lab.errors import LabError
from lab.mirror import debian_mirror


def path() -> Path:
    """Where the root is, or will be once `ensure` has run."""
    return paths.roots() / _key()


def _key() -> str:
    digest = hashlib.sha256()
    for file in debian.ingredients():
        executable = bool(file.stat().st_mode & 0o100)
        digest.update(f"{file.relative_to(debian.HERE)}\0{executable}\0".encode())
        digest.update(file.read_bytes())
    return f"{debian.SUITE}-{digest.hexdigest()[:12]}"


def ensure(lab: str, lab_lock: int, say: Callable[[str], None]) -> bool:
    """Build the root if it is not there; True if it was built.

    `say` gets each step's words, `lab_lock` is held. Raises LabError with mmdebstrap's last words.
    """
    root = path()
    if root.exists():
        return False
    with lock.hold(
        root.with_suffix(".lock"), waiting=lambda: say("another lab builds it, waiting")
    ) as root_lock:
        if root.exists():
            return False
        partial = root.with_suffix(".partial")
        _discard(partial)
        # The builder gets both locks: it gives up the lab's once it is in its group, and keeps the root's.
        _bootstrap(partial, lab, (lab_lock, root_lock), say)
        say("configuring")
        debian.configure(partial)
        partial.rename(root)
    return True


def _bootstrap(root: Path, lab: str, locks: tuple[int, int], say: Callable[[str], None]) -> None:
    """mmdebstrap, in mounts and a control group of its own, so that nothing of it stays if it is killed."""
    scratch = root.with_suffix(".scratch")
    scratch.mkdir(parents=True)
    scratch.chmod(0o755)  # apt gives up its privileges and must still enter
    command = [
        *("unshare", "--mount", "--propagation", "private", "--"),
        *debian.bootstrap_command(root, debian_mirror()),
    ]
    code, said = builder.run(lab, command, locks, lambda line: _tell(line, say), {"TMPDIR": str(scratch)})
    if code != 0:
        raise LabError(
            f"mmdebstrap could not build the root of the machines (exit {code}):\n" + "\n".join(said[-8:]),
            "see whether `apt-get update` works here; CUSTOS_DEBIAN_MIRROR=URL names another mirror of Debian",
        )
    shutil.rmtree(scratch)


def _tell(line: str, say: Callable[[str], None]) -> None:
    """mmdebstrap's steps among all that apt and dpkg say."""
    if line.startswith("I: "):
        say(line[3:].strip().rstrip("."))


def clean_partials(waiting: Callable[[], None]) -> bool:
    """Remove what killed builds left; True if there was any. `waiting` is called while another lab builds."""
    found = False
    for partial in [*paths.roots().glob("*.partial"), *paths.roots().glob("*.scratch")]:
        with lock.hold(partial.with_suffix(".lock"), waiting):
            found = found or partial.exists()
            _discard(partial)
    return found


def _discard(partial: Path) -> None:
    for folder in (partial, partial.with_suffix(".scratch")):
        if folder.exists():
            shutil.rmtree(folder)
