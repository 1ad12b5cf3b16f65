"""Upstream's releases, from a server on this computer."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.tools.conftest import Declare
from tools import ensure
from tools.download import DownloadFailed, published_sum

PROGRAM = b"#!/bin/sh\necho from the release\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which it is served."""
    root = tmp_path / "site"
    root.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield root, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def archive(member: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo(member)
        info.size = len(PROGRAM)
        tar.addfile(info, io.BytesIO(PROGRAM))
    return out.getvalue()


def release(address: str, name: str, member: str | None) -> dict[str, str]:
    entry = {"url": f"{address}/{name}", "checksums": f"{address}/sums"}
    return entry | ({"member": member} if member else {})


def run(program: Path) -> str:
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


def test_a_release_whose_checksum_holds_is_taken(declare: Declare, site: tuple[Path, str]) -> None:
    root, address = site
    content = archive("probe-v1.2.3/probe")
    (root / "probe_1.2.3.tar.gz").write_bytes(content)
    right = f"{hashlib.sha256(content).hexdigest()}  probe_1.2.3.tar.gz\n"
    (root / "sums").write_text(f"{'0' * 64}  other.tar.gz\n{right}")
    declare(release=release(address, "probe_{number}.tar.gz", "probe-{version}/{binary}"))
    assert run(ensure("probe")) == "from the release\n"


def test_a_release_may_be_the_program_itself(declare: Declare, site: tuple[Path, str]) -> None:
    root, address = site
    (root / "probe").write_bytes(PROGRAM)
    (root / "sums").write_text(hashlib.sha256(PROGRAM).hexdigest())
    declare(release=release(address, "{binary}", None))
    assert run(ensure("probe")) == "from the release\n"


@pytest.mark.parametrize(
    ("sums", "member", "said"),
    [
        (f"{'0' * 64}  probe.tar.gz\n", "probe", "published is 0000"),
        ("not a checksum\n", "probe", "no SHA-256 of probe.tar.gz is published"),
        (None, "probe", "404"),
        ("right", "elsewhere", "the archive has no elsewhere; it has: probe"),
    ],
)
def test_any_other_release_is_not_taken_but_built(
    declare: Declare,
    site: tuple[Path, str],
    capfd: pytest.CaptureFixture[str],
    sums: str | None,
    member: str,
    said: str,
) -> None:
    root, address = site
    content = archive("probe")
    (root / "probe.tar.gz").write_bytes(content)
    if sums is not None:
        (root / "sums").write_text(hashlib.sha256(content).hexdigest() if sums == "right" else sums)
    declare(release=release(address, "probe.tar.gz", member))
    assert run(ensure("probe")) == "probe v1.2.3\n"
    lines = capfd.readouterr().err.splitlines()
    assert said in lines[0] and lines[0].endswith("building it instead")


def test_a_silent_host_is_asked_once(declare: Declare, capfd: pytest.CaptureFixture[str]) -> None:
    declare(binaries={"probe": "probe", "again": "probe"}, release=release("http://127.0.0.1:1", "{binary}", None))
    assert run(ensure("probe")) == run(ensure("again")) == "probe v1.2.3\n"
    said = capfd.readouterr().err
    assert said.count("Connection refused") == 1
    assert said.count("127.0.0.1:1 did not answer before") == 1


@pytest.mark.parametrize(
    "text",
    [
        "{sum}",
        "{sum}\n",
        "{sum}  probe.tar.gz",
        "{sum} *probe.tar.gz",
        "{sum}  ./probe.tar.gz",
        "### SHA256\n\nffff  probe.tar.gz\n{sum}  probe.tar.gz\n",
    ],
)
def test_checksum_files_are_read_as_upstreams_write_them(text: str) -> None:
    wanted = "ab" * 32
    assert published_sum(text.format(sum=wanted), "https://example.org/probe.tar.gz") == wanted


def test_the_checksum_of_another_file_does_not_count() -> None:
    with pytest.raises(DownloadFailed):
        published_sum(f"{'ab' * 32}  probe-arm64.tar.gz\n", "https://example.org/probe.tar.gz")
