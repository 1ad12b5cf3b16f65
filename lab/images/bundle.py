"""The bundle that the lab's machines are fed from: Kubernetes' programs and the images, in docker archives.

    bundle/<key>/bin/{kubeadm,kubelet,kubectl}
    bundle/<key>/images/<archive>.tar      for `ctr --namespace k8s.io images import`
    bundle/<key>/manifest.json             what is in it
    bundle/current -> <key>

The key changes with everything that goes into it, so what is there is complete and never changes.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from lab.commands import run
from lab.images import host
from lab.images.archive import ImageSpec, image_id, write_archive
from lab.images.layers import build_layers, lowers, remove_tree
from lab.images.recipes import HERE, Image, Recipe, absent_input, bundle_key, layer_key, recipes
from tools import ensure
from tools.cache import cache_root, disk_use, locked, megabytes, say, step
from tools.table import go_architecture, table

PROGRAMS = ("kubeadm", "kubelet", "kubectl")
KEPT = 2  # bundles: the current one and the one before, which machines that run may still be fed from


def bundle_path() -> Path:
    """The folder of the current bundle; it exists only after `ensure_bundle`."""
    return (_bundles() / "current").resolve()


def ensure_bundle() -> Path:
    """The folder of the bundle that this checkout describes: made if need be, then the current one.

    Raises LabError where this computer cannot make it, tools.ToolError where a program of it cannot be had.
    """
    names = _image_names()
    home = _bundles() / bundle_key(names)
    if not _complete(home):
        host.prepare()
        with _lock():
            if not _complete(home):
                _make(names, home)
                _report(home)
    if bundle_path() != home.resolve():
        with _lock():
            _make_current(home)
    return home


def build_only(names: list[str]) -> None:
    """Makes the layers of these recipes, without a bundle."""
    host.prepare()
    with _lock():
        for name in names:
            build_layers(name)


def unpacked_root(name: str) -> Path:
    """A folder with the whole root of the image `name`, as chroot or systemd-nspawn take it; made once.

    It is the caller's to use and change; deleting it makes the next call unpack it anew.
    """
    target = cache_root() / "rootfs" / layer_key(name)
    if target.is_dir():
        return target
    host.prepare()
    with _lock():
        build_layers(name)
        part = target.with_name(f".{target.name}.part")
        remove_tree(part)
        part.mkdir(parents=True)
        with step(f"unpacking {name}"):
            below = ":".join(str(path) for path in reversed(lowers(name)))
            run(["unshare", "--mount", "bash", str(HERE / "copy_root.sh"), below, str(part)])
        part.rename(target)
    return target


def _bundles() -> Path:
    return cache_root() / "bundle"


def _lock() -> Any:
    return locked(cache_root() / ".images.lock", "the lab's images")


def _image_names() -> list[str]:
    """The recipes that are images and whose inputs this checkout has; of the others it says why not."""
    names = []
    for name, recipe in recipes().items():
        if recipe.image is None:
            continue
        absent = absent_input(recipe)
        if absent:
            say(f"image {name} is left out: this checkout has no {absent}")
        else:
            names.append(name)
    return names


def _complete(home: Path) -> bool:
    """Whether the bundle is there with every file in its full size."""
    manifest = home / "manifest.json"
    if not manifest.is_file():
        return False
    files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return all(_size(home / name) == size for name, size in files.items())


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _make(names: list[str], home: Path) -> None:
    part = home.with_name(f".{home.name}.part")
    remove_tree(part)
    for folder in ("bin", "images"):
        (part / folder).mkdir(parents=True)
    specs = [_spec(recipes()[name], image) for name in names if (image := recipes()[name].image)]
    archives: dict[str, list[ImageSpec]] = {}
    for name, spec in zip(names, specs, strict=True):
        image = recipes()[name].image
        assert image is not None
        archives.setdefault(image.archive, []).append(spec)
    for archive, members in archives.items():
        with step(f"archive {archive}.tar ({len(members)} image{'s' if len(members) > 1 else ''})"):
            _archive(members, part / "images" / f"{archive}.tar")
    for program in PROGRAMS:
        shutil.copy2(ensure(program), part / "bin" / program)
    _write_manifest(part, archives)
    remove_tree(home)
    part.rename(home)


def _spec(recipe: Recipe, image: Image) -> ImageSpec:
    return ImageSpec(image.reference, image.config, build_layers(recipe.name), go_architecture())


def _archive(members: list[ImageSpec], target: Path) -> None:
    """Writes an archive, or takes the same one (same images) from the current bundle without another copy."""
    manifest = bundle_path() / "manifest.json"
    before = json.loads(manifest.read_text(encoding="utf-8"))["images"] if manifest.is_file() else []
    ours = {member.reference: image_id(member) for member in members}
    theirs = {entry["reference"]: entry["id"] for entry in before if entry["archive"] == target.name}
    if ours == theirs:
        os.link(bundle_path() / "images" / target.name, target)
    else:
        write_archive(members, target)


def _write_manifest(part: Path, archives: dict[str, list[ImageSpec]]) -> None:
    images = [
        {
            "reference": member.reference,
            "archive": f"{archive}.tar",
            "id": image_id(member),
            "size": sum(layer.size for layer in member.layers),
        }
        for archive, members in archives.items()
        for member in members
    ]
    files = {str(path.relative_to(part)): _size(path) for path in sorted(part.rglob("*")) if path.is_file()}
    content = {"kubernetes": table()["kubernetes"].version, "images": images, "files": files}
    (part / "manifest.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _make_current(home: Path) -> None:
    """Points `current` to `home` in one step, and removes bundles older than the `KEPT` newest."""
    fresh = _bundles() / ".current.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(home.name)
    os.utime(home)
    fresh.rename(_bundles() / "current")
    found = [path for path in _bundles().iterdir() if path.is_dir() and not path.is_symlink()]
    for old in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        remove_tree(old)


def _report(home: Path) -> None:
    sizes = {name: disk_use(cache_root() / name) for name in ("bundle", "layers", "rootfs", "apt", "tools")}
    say(f"bundle {home.name}: {megabytes(disk_use(home))} in {home}")
    say("cache on disk: " + ", ".join(f"{name} {megabytes(size)}" for name, size in sizes.items() if size))
