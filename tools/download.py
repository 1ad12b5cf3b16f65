"""Takes a program from upstream's release page, if that can be reached and its checksum holds."""

from __future__ import annotations

import hashlib
import io
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tools.table import Tool

CONNECT_SECONDS = 5  # also the longest silence; whoever is offline waits no longer than this

_unreachable: set[str] = set()  # hosts that did not answer in this run are not asked again


class DownloadFailed(Exception):
    """The release cannot be had, or is not what its checksum says."""


def fetch_release(tool: Tool, binary: str, target: Path) -> None:
    """Writes upstream's build of `binary` to `target`. Raises DownloadFailed, then nothing is there."""
    if tool.release is None:
        raise DownloadFailed("upstream publishes none")
    url = tool.fill(tool.release.url, binary)
    wanted = published_sum(_get(tool.fill(tool.release.checksums, binary)).decode("utf-8", "replace"), url)
    content = _get(url)
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise DownloadFailed(f"{url} has the checksum {found}, published is {wanted}")
    member = tool.release.member
    target.write_bytes(_member(content, tool.fill(member, binary)) if member else content)


def published_sum(text: str, url: str) -> str:
    """The SHA-256 that the checksum file `text` gives for the file at `url`: a list of sums, or one bare sum.

    Raises DownloadFailed where the file is not in it.
    """
    name = url.rsplit("/", 1)[-1]
    for line in text.splitlines():
        words = line.split()
        if words and _is_sha256(words[0]) and (len(words) == 1 or words[-1].lstrip("*./") == name):
            return words[0].lower()
    raise DownloadFailed(f"no SHA-256 of {name} is published beside it")


def _is_sha256(word: str) -> bool:
    return len(word) == 64 and set(word.lower()) <= set("0123456789abcdef")


def _get(url: str) -> bytes:
    host = urllib.parse.urlsplit(url).netloc
    if host in _unreachable:
        raise DownloadFailed(f"{host} did not answer before")
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        raise DownloadFailed(f"{url}: {error.code} {error.reason}") from error
    except (OSError, urllib.error.URLError) as error:
        _unreachable.add(host)
        raise DownloadFailed(f"{host}: {getattr(error, 'reason', error)}") from error


def _member(archive: bytes, path: str) -> bytes:
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:*") as tar:
            names = {member.name.removeprefix("./"): member for member in tar if member.isfile()}
            file = tar.extractfile(names[path]) if path in names else None
            if file is None:
                raise DownloadFailed(f"the archive has no {path}; it has: {', '.join(sorted(names)[:10])}")
            return file.read()
    except tarfile.TarError as error:
        raise DownloadFailed(f"the archive cannot be read: {error}") from error
