"""Layers and docker archives: always the same bytes, and what the OCI image specification wants."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from lab.images.archive import ImageSpec, Layer, config_json, measure, write_archive, write_layer
from lab.images.layers import file_capability

TIME = 1_700_000_000


def fill(root: Path, names: list[str]) -> Path:
    """A folder with these files, each with its own name as content, and one time for all."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    settle(root)
    return root


def settle(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        os.utime(path, (TIME, TIME), follow_symlinks=False)


def layer_bytes(root: Path) -> bytes:
    out = io.BytesIO()
    write_layer(root, out)
    return out.getvalue()


def members(root: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(layer_bytes(root))) as tar:
        return {member.name: member for member in tar}


def spec(reference: str, *roots: Path) -> ImageSpec:
    return ImageSpec(reference, {"Cmd": ["x"]}, [measure(root) for root in roots], "amd64")


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    names = ["b/2", "a", "b/1", "c/d/e"]
    one = fill(tmp_path / "one", names)
    other = fill(tmp_path / "other", names[::-1])
    assert layer_bytes(one) == layer_bytes(other)
    archives = [tmp_path / "one.tar", tmp_path / "other.tar"]
    for archive, root in zip(archives, (one, other), strict=True):
        write_archive([spec("example.org/x:1", root)], archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_a_changed_byte_changes_the_digest(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", ["a"])
    before = measure(root)
    (root / "a").write_text("b")
    settle(root)
    assert measure(root).digest != before.digest
    assert measure(root).size == before.size


def test_what_was_measured_is_what_is_written(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", ["a", "b/c"])
    content = layer_bytes(root)
    assert measure(root) == Layer(root, hashlib.sha256(content).hexdigest(), len(content))


def test_a_layer_that_changed_since_is_refused(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", ["a"])
    image = spec("example.org/x:1", root)
    (root / "a").write_bytes(b"x" * 20_000)
    with pytest.raises(ValueError, match="has changed"):
        write_archive([image], tmp_path / "x.tar")


def test_links_modes_and_parents(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", ["bin/one"])
    (root / "bin/two").hardlink_to(root / "bin/one")
    (root / "link").symlink_to("bin/one")
    (root / "bin/one").chmod(0o4755)
    found = members(root)
    assert list(found) == ["bin", "bin/one", "bin/two", "link"]
    assert found["bin/one"].mode == 0o4755
    assert (found["bin/two"].type, found["bin/two"].linkname) == (tarfile.LNKTYPE, "bin/one")
    assert (found["link"].type, found["link"].linkname) == (tarfile.SYMTYPE, "bin/one")
    assert not any(member.uname or member.gname for member in found.values())


@pytest.mark.skipif(os.geteuid() != 0, reason="overlay mounts need root: run the tests as root")
def test_what_an_overlay_removed_becomes_whiteouts(tmp_path: Path) -> None:
    lower = fill(tmp_path / "lower", ["gone", "kept", "replaced/old", "dir/gone"])
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    script = (
        f"mount -t overlay o {tmp_path}/merged "
        f"-o lowerdir={lower},upperdir={tmp_path}/upper,workdir={tmp_path}/work,redirect_dir=off,index=off; "
        f"cd {tmp_path}/merged; rm -r gone dir/gone replaced; mkdir replaced; echo new > replaced/new"
    )
    subprocess.run(["unshare", "--mount", "bash", "-euc", script], check=True)
    found = members(tmp_path / "upper")
    replaced = ["replaced", "replaced/.wh..wh..opq", "replaced/new"]
    assert list(found) == ["dir", "dir/.wh.gone", ".wh.gone", *replaced]
    assert all(member.isreg() and member.size == 0 for name, member in found.items() if ".wh." in name)


@pytest.mark.skipif(os.geteuid() != 0, reason="file capabilities need root: run the tests as root")
def test_a_file_capability_travels(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", ["server", "plain"])
    value = file_capability("net_bind_service")
    os.setxattr(root / "server", "security.capability", value)
    found = members(root)
    assert found["server"].pax_headers["SCHILY.xattr.security.capability"].encode() == value
    assert "SCHILY.xattr.security.capability" not in found["plain"].pax_headers


def test_an_archive_holds_its_images_and_each_layer_once(tmp_path: Path) -> None:
    base, one, two = (fill(tmp_path / name, [name]) for name in ("base", "one", "two"))
    images = [spec("example.org/one:1", base, one), spec("example.org/two:2", base, two)]
    write_archive(images, tmp_path / "both.tar")
    with tarfile.open(tmp_path / "both.tar") as tar:
        content = {m.name: file.read() for m in tar if (file := tar.extractfile(m))}
    manifest = json.loads(content["manifest.json"])
    assert [entry["RepoTags"] for entry in manifest] == [["example.org/one:1"], ["example.org/two:2"]]
    assert len([name for name in content if name.endswith("/layer.tar")]) == 3
    for entry, image in zip(manifest, images, strict=True):
        config = content[entry["Config"]]
        assert config == config_json(image)
        assert entry["Config"] == hashlib.sha256(config).hexdigest() + ".json"
        digests = [f"sha256:{hashlib.sha256(content[layer]).hexdigest()}" for layer in entry["Layers"]]
        assert json.loads(config)["rootfs"]["diff_ids"] == digests
