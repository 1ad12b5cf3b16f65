"""How a layer is made, and that one that is broken off leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.images.layers import EPOCH, fix_times
from lab.images.recipes import HERE

DEADLINE = 30.0  # seconds; only how long a failure takes


def test_only_what_the_build_wrote_gets_the_fixed_time(tmp_path: Path) -> None:
    for name in ("of-a-package", "made"):
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    os.utime(tmp_path / "of-a-package", (1_600_000_000, 1_600_000_000))
    fix_times(tmp_path, since=1_700_000_000)
    times = {path.name: path.lstat().st_mtime for path in tmp_path.iterdir()}
    assert times == {"of-a-package": 1_600_000_000, "made": EPOCH, "link": EPOCH}
    assert tmp_path.stat().st_mtime == EPOCH


def small_root(root: Path) -> Path:
    """A root with just bash and sleep."""
    for name in ("proc", "dev", "tmp", "etc", "usr/sbin", "var/lib/apt/lists", "var/cache/apt/archives"):
        (root / name).mkdir(parents=True)
    (root / "etc/resolv.conf").touch()
    for program in ("bash", "sleep"):
        found = shutil.which(program)
        assert found
        linked = subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout
        libraries = [word for word in linked.split() if word.startswith("/")]
        (root / "bin").mkdir(exist_ok=True)
        shutil.copy(found, root / "bin" / program)
        for library in libraries:
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, root / library[1:])
    return root


def enter(tmp_path: Path, script: str) -> list[str]:
    """The command that runs `script` as a recipe's over a small root."""
    for name in ("upper", "work", "merged", "apt", "wheels"):
        (tmp_path / name).mkdir()
    (tmp_path / "recipe.sh").write_text(script)
    lower = small_root(tmp_path / "lower")
    places = [tmp_path / name for name in ("upper", "work", "merged", "apt", "recipe.sh", "wheels")]
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    return [*unshare, "bash", str(HERE / "enter.sh"), str(lower), *map(str, places)]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"not within {DEADLINE:.0f} s: {what}"
        time.sleep(0.02)


def running(argument: str) -> bool:
    """Whether any process of this computer has `argument` on its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument.encode() in path.read_bytes().split(b"\0"):
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root: run the tests as root")
def test_a_script_changes_only_its_own_layer(tmp_path: Path) -> None:
    subprocess.run(enter(tmp_path, "echo made > /made; echo no > /tmp/no"), check=True)
    left = sorted(str(path.relative_to(tmp_path / "upper")) for path in (tmp_path / "upper").rglob("*"))
    assert left == ["made", "usr", "usr/sbin"]
    assert not (tmp_path / "lower/made").exists()
    assert not list((tmp_path / "merged").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root: run the tests as root")
def test_a_killed_build_leaves_no_process_and_no_mount(tmp_path: Path) -> None:
    mark = f"4711.{os.getpid()}"
    with subprocess.Popen(enter(tmp_path, f"sleep {mark}")) as build:
        try:
            wait_for(lambda: running(mark), "the recipe runs")
        finally:
            build.send_signal(signal.SIGKILL)
    wait_for(lambda: not running(mark), "the recipe's process is gone")
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    shutil.rmtree(tmp_path / "merged")
