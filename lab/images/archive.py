"""Writes layers and docker archives: from the same files always the same bytes.

A layer is the upper directory of an overlay mount. Whiteouts become what the OCI image specification wants:
a character device 0:0 named X becomes an empty file `.wh.X`, an opaque directory gets `.wh..wh..opq`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

CREATED = "2026-01-01T00:00:00Z"  # of every image: when it was made is no part of what it is
_OPAQUE = "trusted.overlay.opaque"
_CAPABILITY = "security.capability"


@dataclass(frozen=True)
class Layer:
    """One layer: the folder it is in, and the digest and size of the tar that `write_layer` makes of it."""

    root: Path
    digest: str  # SHA-256, hex
    size: int


@dataclass(frozen=True)
class ImageSpec:
    """One image of an archive: name with tag, OCI configuration, layers from the lowest up."""

    reference: str
    config: dict[str, Any]
    layers: list[Layer]
    architecture: str


class _Measure(io.RawIOBase):
    """Takes what is written, keeps its digest and length."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.size += len(data)
        return len(data)


def measure(root: Path) -> Layer:
    """Digest and size of the layer in the folder `root`, without writing it anywhere."""
    sink = _Measure()
    write_layer(root, cast(BinaryIO, sink))
    return Layer(root, sink.digest.hexdigest(), sink.size)


def write_layer(root: Path, out: BinaryIO) -> None:
    """Writes the folder `root` as an uncompressed layer tar to `out`."""
    names: dict[tuple[int, int], str] = {}  # of files with several links: the first one's name
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in _walk(root):
            _add(tar, root, path, names)


def _walk(root: Path) -> Iterator[Path]:
    """Every path below `root`, parents first, siblings by name's bytes."""
    for entry in sorted(os.scandir(root), key=lambda entry: os.fsencode(entry.name)):
        yield Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))


def _add(tar: tarfile.TarFile, root: Path, path: Path, names: dict[tuple[int, int], str]) -> None:
    status = path.lstat()
    name = str(path.relative_to(root))
    if stat.S_ISSOCK(status.st_mode):
        return  # of a program that ran while the layer was made; no image can hold one
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        tar.addfile(_marker(path.parent.relative_to(root) / f".wh.{path.name}"))
        return
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    info.mtime = int(status.st_mtime)
    attributes = {key: os.getxattr(path, key, follow_symlinks=False) for key in _attributes(path)}
    if _CAPABILITY in attributes:
        # Raw bytes in a PAX header, as Docker and containerd write and read them.
        value = attributes[_CAPABILITY].decode("utf-8", "surrogateescape")
        info.pax_headers = {f"SCHILY.xattr.{_CAPABILITY}": value}
    if stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
        if attributes.get(_OPAQUE) == b"y":
            tar.addfile(_marker(Path(name) / ".wh..wh..opq"))
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
        tar.addfile(info)
    elif stat.S_ISREG(status.st_mode):
        first = names.setdefault((status.st_dev, status.st_ino), name)
        if first != name:
            info.type, info.linkname = tarfile.LNKTYPE, first
            tar.addfile(info)
            return
        info.size = status.st_size
        with path.open("rb") as content:
            tar.addfile(info, content)
    else:
        info.type = tarfile.FIFOTYPE if stat.S_ISFIFO(status.st_mode) else _device(info, status)
        tar.addfile(info)


def _device(info: tarfile.TarInfo, status: os.stat_result) -> bytes:
    info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return tarfile.CHRTYPE if stat.S_ISCHR(status.st_mode) else tarfile.BLKTYPE


def _attributes(path: Path) -> list[str]:
    return [key for key in os.listxattr(path, follow_symlinks=False) if key in (_OPAQUE, _CAPABILITY)]


def _marker(name: Path) -> tarfile.TarInfo:
    info = tarfile.TarInfo(str(name))
    info.mode = 0o644
    return info


def config_json(image: ImageSpec) -> bytes:
    """The image's configuration file; its SHA-256 is the image's id."""
    content = {
        "architecture": image.architecture,
        "config": image.config,
        "created": CREATED,
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in image.layers]},
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def image_id(image: ImageSpec) -> str:
    """SHA-256 (hex) of the image's configuration: what `docker images` and `crictl images` call its id."""
    return hashlib.sha256(config_json(image)).hexdigest()


def write_archive(images: list[ImageSpec], target: Path) -> None:
    """Writes `images` to `target` as a docker archive, for `ctr images import`; shared layers once."""
    layers = {layer.digest: layer for image in images for layer in image.layers}
    manifest = [
        {
            "Config": f"{image_id(image)}.json",
            "RepoTags": [image.reference],
            "Layers": [f"{layer.digest}/layer.tar" for layer in image.layers],
        }
        for image in images
    ]
    with target.open("wb") as out, tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for layer in layers.values():
            info = _marker(Path(layer.digest) / "layer.tar")
            info.size = layer.size
            tar.addfile(info)
            tar.offset += _padded(tar, layer)
        for image in images:
            _add_bytes(tar, f"{image_id(image)}.json", config_json(image))
        _add_bytes(tar, "manifest.json", json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode())


def _padded(tar: tarfile.TarFile, layer: Layer) -> int:
    """Writes the layer's content after its header; returns the bytes written, filled up to a whole block."""
    out = cast(BinaryIO, tar.fileobj)
    start = out.tell()
    write_layer(layer.root, out)
    written = out.tell() - start
    if written != layer.size:
        raise ValueError(f"{layer.root} has changed: {written} bytes now, {layer.size} when it was measured")
    out.write(b"\0" * (-written % tarfile.BLOCKSIZE))
    return out.tell() - start


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = _marker(Path(name))
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
