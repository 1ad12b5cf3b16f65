"""Makes the layers that recipes.yaml describes, each once, under a key of all that goes into it."""

from __future__ import annotations

import json
import math
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

from lab.commands import run
from lab.errors import LabError
from lab.images.archive import Layer, measure
from lab.images.recipes import CHECKOUT, HERE, Maven, Recipe, chain, layer_key
from lab.mirror import debian_mirror
from tools import ensure
from tools.cache import cache_root, step

# What was made while a layer was built gets this time, so that a layer does not depend on when that was.
# Files of packages keep theirs: compiled Python is used only if its source has the time of compiling.
EPOCH = 1767225600  # 2026-01-01
# Files that packages write while being installed and that no image needs; some differ from run to run.
JUNK = (
    "var/log/apt", "var/log/dpkg.log", "var/log/alternatives.log", "var/log/bootstrap.log",
    "var/cache/ldconfig", "var/cache/debconf", "var/cache/apt/archives", "var/lib/apt/lists",
    "var/cache/apt/pkgcache.bin", "var/cache/apt/srcpkgcache.bin", "etc/machine-id",
    "var/lib/dbus/machine-id", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/.pwd.lock",
    "var/lib/dpkg/status-old", "var/lib/dpkg/diversions-old", "var/lib/dpkg/statoverride-old",
    "var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "var/lib/dpkg/triggers/Lock", "tmp", "dev",
)  # fmt: skip
_CAPABILITIES = {"net_bind_service": 10}  # numbers of linux/capability.h


def store() -> Path:
    """The folder with one folder a layer key: `root` (its files) and `layer.json`."""
    return cache_root() / "layers"


def build_layers(name: str) -> list[Layer]:
    """The layers of the recipe `name`, lowest first; those that are not in the store yet are made.

    The caller holds the lock of the images. Raises LabError with the end of what a failed program said.
    """
    return [_layer(recipe) for recipe in chain(name)]


def lowers(name: str) -> list[Path]:
    """The folders of the layers of `name`, lowest first; they exist only after `build_layers`."""
    return [store() / layer_key(recipe.name) / "root" for recipe in chain(name)]


def _layer(recipe: Recipe) -> Layer:
    home = store() / layer_key(recipe.name)
    facts = home / "layer.json"
    if not facts.is_file():
        _make(recipe, home)
    known = json.loads(facts.read_text(encoding="utf-8"))
    return Layer(home / "root", known["digest"], known["size"])


def _make(recipe: Recipe, home: Path) -> None:
    work = home.with_name(f".{home.name}.part")
    remove_tree(work)
    (work / "root").mkdir(parents=True)
    (work / "root").chmod(0o755)
    for program in recipe.mapping("tools"):
        ensure(program)  # says itself how long it takes
    started = math.floor(time.time())
    with step(f"layer {recipe.name}"):
        try:
            if recipe.debian:
                _debian(recipe.debian, work / "root")
            if recipe.script:
                _script(recipe, work)
        except LabError as error:
            remedy = f"its packages come from {debian_mirror()} (CUSTOS_DEBIAN_MIRROR names another mirror); run again"
            raise LabError(f"layer {recipe.name}: {error.what}", remedy) from error
        _clean(work / "root")
        _put(recipe, work)
        fix_times(work / "root", started)
        layer = measure(work / "root")
        known = {"digest": layer.digest, "size": layer.size}
        (work / "layer.json").write_text(json.dumps(known), encoding="utf-8")
        for name in ("work", "merged", "wheels", "maven"):
            remove_tree(work / name)
        remove_tree(home)
        work.rename(home)


def _debian(wanted: dict[str, object], root: Path) -> None:
    packages = wanted["packages"]
    assert isinstance(packages, list)
    run(
        [
            "mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(packages)}",
            # Documentation is a third of a small image, and no program reads it.
            "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/info/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--aptopt=Acquire::Languages none",
            str(wanted["suite"]), str(root), debian_mirror(),
        ]
    )  # fmt: skip
    # Mount points for what a running container gets from outside.
    for name in ("etc/resolv.conf", "etc/hosts", "etc/hostname"):
        (root / name).write_text("", encoding="utf-8")


def _script(recipe: Recipe, work: Path) -> None:
    assert recipe.script and recipe.below, f"{recipe.name}: a script needs a root to run in"
    for name in ("work", "merged", "wheels"):
        (work / name).mkdir()
    if recipe.wheels:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        run([*fetch, "--dest", str(work / "wheels"), *recipe.wheels])
    below = ":".join(str(path) for path in reversed(lowers(recipe.below)))
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND": "noninteractive",
        "DEBIAN_MIRROR": debian_mirror(),
        "LC_ALL": "C.UTF-8",
        **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
    }
    run(
        [
            # Dies with this process, however that dies; with it its process namespace, with that its mounts.
            "setpriv", "--pdeathsig", "KILL",
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
            "bash", str(HERE / "enter.sh"), below,
            str(work / "root"), str(work / "work"), str(work / "merged"), str(cache_root() / "apt"),
            str(recipe.script), str(work / "wheels"),
        ],
        env=environment,
    )  # fmt: skip


def _put(recipe: Recipe, work: Path) -> None:
    """Puts programs and files into the layer."""
    root = work / "root"
    modes = recipe.mapping("modes")
    for path, mode in recipe.mapping("directories").items():
        _place(root, path).mkdir(parents=True, exist_ok=True)
        _place(root, path).chmod(int(mode, 8))
    for source, target in recipe.mapping("files").items():
        shutil.copyfile(HERE / source, _parent(root, target))
        _place(root, target).chmod(int(modes.get(target, "0644"), 8))
    for program, target in recipe.mapping("tools").items():
        shutil.copyfile(ensure(program), _parent(root, target))
        _place(root, target).chmod(0o755)
    for source, target in recipe.mapping("compile").items():
        program = str(_parent(root, target))
        run(["gcc", "-static", "-Os", "-s", "-Wall", "-Wextra", "-o", program, str(HERE / source)])
    if recipe.maven:
        _copy(_made(recipe.maven, work / "maven"), _parent(root, recipe.maven.to), recipe.maven.owner)
    for target, capability in recipe.mapping("capability").items():
        os.setxattr(_place(root, target), "security.capability", file_capability(capability))


def file_capability(name: str) -> bytes:
    """The extended attribute that gives a program the capability `name` (struct vfs_cap_data, revision 2)."""
    return struct.pack("<5I", 0x02000001, 1 << _CAPABILITIES[name], 0, 0, 0)


def _copy(source: Path, target: Path, owner: str) -> None:
    """A file, or a folder with all that is in it, for `owner` (uid:gid) and everybody to read."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
        target.chmod(0o644)
    uid, _, gid = owner.partition(":")
    for path in (target, *target.rglob("*")):
        os.chown(path, int(uid), int(gid), follow_symlinks=False)


def _made(maven: Maven, work: Path) -> Path:
    """Builds the Maven project from a copy of its sources, so that nothing is written into the checkout."""
    for source in maven.sources():
        shutil.copyfile(source, _parent(work, str(source.relative_to(CHECKOUT))))
    project = work / maven.project
    command = ["mvn", "--batch-mode", "--quiet", "-DskipTests", "package"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise LabError(f"the Maven build of {maven.project} failed:\n{last}", "mend what it names, run again")
    return project / maven.makes


def _place(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _parent(root: Path, path: str) -> Path:
    """The place of `path` in `root`, with its folder made."""
    place = _place(root, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _clean(root: Path) -> None:
    """Removes what packages leave behind and no image needs."""
    for name in JUNK:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            for child in path.iterdir():
                remove_tree(child)
        else:
            path.unlink(missing_ok=True)


def fix_times(root: Path, since: float) -> None:
    """Gives what was written since `since` (seconds, Unix time) in and at `root` the time EPOCH."""
    for folder, folders, files in os.walk(root, topdown=False):
        for path in (Path(folder) / name for name in (*files, *folders)):
            _fix_time(path, since)
    _fix_time(root, since)


def _fix_time(path: Path, since: float) -> None:
    if path.lstat().st_mtime >= since:
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def remove_tree(path: Path) -> None:
    """Removes `path`, whatever it is, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
