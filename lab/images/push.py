"""Puts images into a registry over plain HTTP, by the OCI distribution specification 1.1.

A blob is sent once and mounted into every other repository that needs it; layers are streamed, never written to disk.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, BinaryIO, cast
from urllib.parse import urlencode, urlsplit

from lab.errors import LabError
from lab.images.archive import ImageSpec, config_json, write_layer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
TIMEOUT = 300.0  # seconds without a byte, after which the registry counts as gone


def push(address: str, images: Sequence[ImageSpec]) -> dict[str, str]:
    """Put `images` into the registry at `address` (host:port), each under its reference without the host.

    Returns each reference's manifest digest (sha256:…). Raises LabError with what the registry answered.
    """
    with closing(_Registry(address)) as registry:
        return {image.reference: _push(registry, image) for image in images}


def _push(registry: _Registry, image: ImageSpec) -> str:
    repository, _, tag = image.reference.partition("/")[2].rpartition(":")
    layers = []
    for layer in image.layers:
        digest = f"sha256:{layer.digest}"

        def send(out: BinaryIO, root: Any = layer.root) -> None:
            write_layer(root, out)

        registry.blob(repository, digest, layer.size, send)
        layers.append({"mediaType": LAYER, "digest": digest, "size": layer.size})
    config = config_json(image)
    about: dict[str, Any] = {"mediaType": CONFIG, "digest": _digest(config), "size": len(config)}

    def send_config(out: BinaryIO) -> None:
        out.write(config)

    registry.blob(repository, about["digest"], len(config), send_config)
    content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": about, "layers": layers}
    manifest = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    registry.ask("PUT", f"/v2/{repository}/manifests/{tag}", (201,), manifest, {"Content-Type": MANIFEST})
    return _digest(manifest)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _Registry:
    """One connection to a registry, and which repository has which blob."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
        self._homes: dict[str, str] = {}

    def close(self) -> None:
        self._connection.close()

    def blob(self, repository: str, digest: str, size: int, send: Callable[[BinaryIO], None]) -> None:
        """See that `repository` has the blob: found there, mounted from another repository, or sent."""
        there, _ = self.ask("HEAD", f"/v2/{repository}/blobs/{digest}", (200, 404))
        if there == 404:
            home = self._homes.get(digest)
            mount = f"?{urlencode({'mount': digest, 'from': home})}" if home else ""
            status, location = self.ask("POST", f"/v2/{repository}/blobs/uploads/{mount}", (201, 202))
            if status == 202:  # 201: mounted
                self._send(location, digest, size, send)
        self._homes.setdefault(digest, repository)

    def ask(
        self, method: str, path: str, good: Sequence[int], body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """One request; its status, which is one of `good`, and its Location. Raises LabError otherwise."""
        try:
            self._connection.request(method, path, body, headers or {})
            return self._answer(f"{method} {path}", good)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(f"{method} {path}", error) from error

    def _send(self, location: str, digest: str, size: int, send: Callable[[BinaryIO], None]) -> None:
        where = urlsplit(location)
        path = f"{where.path}?{where.query}{'&' if where.query else ''}{urlencode({'digest': digest})}"
        try:
            self._connection.putrequest("PUT", path)
            self._connection.putheader("Content-Type", "application/octet-stream")
            self._connection.putheader("Content-Length", str(size))
            self._connection.endheaders()
            send(cast(BinaryIO, _Body(self._connection)))
            self._answer(f"PUT of {digest}", (201,))
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(f"PUT of {digest}", error) from error

    def _answer(self, what: str, good: Sequence[int]) -> tuple[int, str]:
        response = self._connection.getresponse()
        said = response.read()
        if response.status not in good:
            raise LabError(
                f"{what}: the registry at {self.address} answered {response.status}: {said.decode(errors='replace')}",
                "see that it is an OCI registry, lets everybody write and has room",
            )
        return response.status, response.headers.get("Location", "")

    def _lost(self, what: str, error: Exception) -> LabError:
        return LabError(f"{what}: the registry at {self.address}: {error}", "see that it runs and has room, run again")


class _Body(io.RawIOBase):
    """What is written goes into the request that the connection has begun."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        super().__init__()
        self._connection = connection

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._connection.send(bytes(data))
        return len(data)
