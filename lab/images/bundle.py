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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.commands import run
from lab.errors import LabError
from lab.images import host
from lab.images.archive import ImageSpec, image_id, write_archive
from lab.images.layers import build_layers, lowers, remove_tree, store
from lab.images.recipes import HERE, Image, Recipe, absent_input, bundle_key, chain, layer_key, recipes
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


@contextmanager
def images_named(wanted: Mapping[str, str]) -> Iterator[list[ImageSpec]]:
    """The images `wanted` (reference -> recipe); their layers are made if need be, and stay while the block runs."""
    host.prepare()
    with _lock():
        yield [
            ImageSpec(reference, image.config, build_layers(name), go_architecture())
            for reference, name in wanted.items()
            if (image := recipes()[name].image)
        ]


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
    files = _manifest(home).get("files")
    return files is not None and all(_size(home / name) == size for name, size in files.items())


def _manifest(home: Path) -> dict[str, Any]:
    """What is in the bundle; {} if it is not there or not complete."""
    path = home / "manifest.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content


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
    _check_names(part / "bin" / "kubeadm", {spec.reference for spec in specs})
    _write_manifest(part, names, archives)
    remove_tree(home)
    part.rename(home)


def _spec(recipe: Recipe, image: Image) -> ImageSpec:
    return ImageSpec(image.reference, image.config, build_layers(recipe.name), go_architecture())


def _archive(members: list[ImageSpec], target: Path) -> None:
    """Writes an archive, or takes the same one (same images) from the current bundle without another copy."""
    before = _manifest(bundle_path())["images"] if _complete(bundle_path()) else []
    ours = {member.reference: image_id(member) for member in members}
    theirs = {entry["reference"]: entry["id"] for entry in before if entry["archive"] == target.name}
    if ours == theirs:
        os.link(bundle_path() / "images" / target.name, target)
    else:
        write_archive(members, target)


def _check_names(kubeadm: Path, references: set[str]) -> None:
    """Raises LabError where an image that this kubeadm would run is not in the bundle."""
    version = table()["kubernetes"].version
    listing = [str(kubeadm), "config", "images", "list", f"--kubernetes-version={version}"]
    wanted = set(run(listing).split())
    absent = ", ".join(sorted(wanted - references))
    if absent:
        what = f"kubeadm {version} runs images that are not made here: {absent}"
        raise LabError(what, f"give images these names in {HERE / 'recipes.yaml'}")


def _write_manifest(part: Path, names: list[str], archives: dict[str, list[ImageSpec]]) -> None:
    layers = sorted({layer_key(recipe.name) for name in names for recipe in chain(name)})
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
    version = table()["kubernetes"].version
    content = {"kubernetes": version, "images": images, "files": files, "layers": layers}
    (part / "manifest.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _make_current(home: Path) -> None:
    """Points `current` to `home` in one step; removes bundles beyond the `KEPT` newest, and their layers."""
    fresh = _bundles() / ".current.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(home.name)
    os.utime(home)
    fresh.rename(_bundles() / "current")
    found = [path for path in _bundles().iterdir() if not path.is_symlink()]
    complete = [path for path in found if _complete(path)]
    kept = sorted(complete, key=lambda path: path.stat().st_mtime, reverse=True)[:KEPT]
    for path in found:
        if path not in kept:
            remove_tree(path)
    needed = {key for path in kept for key in _manifest(path).get("layers", [])}
    for layer in store().iterdir():
        if layer.name not in needed:
            remove_tree(layer)


def _report(home: Path) -> None:
    sizes = {name: disk_use(cache_root() / name) for name in ("bundle", "layers", "rootfs", "apt", "tools")}
    say(f"bundle {home.name}: {megabytes(disk_use(home))} in {home}")
    say("cache on disk: " + ", ".join(f"{name} {megabytes(size)}" for name, size in sizes.items() if size))
