"""A real S3 server on loopback for tests, and what Velero would write into it."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tools
from tests.ports import answers, free_port

BUCKET = "trial"
START_SECONDS = 60
KIT = "resources/configmaps/namespaces/custos/custos-recovery-kit.json"


@dataclass(frozen=True)
class Server:
    """Where it is; `folder` is its bucket, `credentials` a login that it takes."""

    url: str
    folder: Path
    credentials: Path


def login(file: Path, key: str, secret: str) -> Path:
    """An AWS credentials file."""
    file.write_text(f"[default]\naws_access_key_id={key}\naws_secret_access_key={secret}\n")
    file.chmod(0o600)
    return file


@contextmanager
def s3_server(folder: Path) -> Iterator[Server]:
    """Run the lab's object store over `folder`, with one bucket, and end it."""
    bucket = folder / "data" / BUCKET
    bucket.mkdir(parents=True)
    port = free_port()
    # It keeps nothing in mind: tests put files into its folder themselves.
    options = ["--dir-cache-time", "0s", "--addr", f"127.0.0.1:{port}"]
    command = [str(tools.ensure("objectstore")), "serve", "s3", *options, str(bucket.parent)]
    # The quotes are part of it: without them the server reads two keys of one word each, and lets everybody in.
    environment = {**os.environ, "RCLONE_AUTH_KEY": '"key,secret"', "RCLONE_CONFIG": "/dev/null"}
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as it:
        try:
            _wait(port, it, folder / "log")
            yield Server(f"http://127.0.0.1:{port}", bucket, login(folder / "credentials", "key", "secret"))
        finally:
            it.kill()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if answers(port):
            return
        time.sleep(0.1)
    raise RuntimeError(f"no object store within {START_SECONDS} s: {log.read_text()[-2000:]}")


def archive(members: dict[str, Any]) -> bytes:
    """A .tar.gz of JSON files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, content in members.items():
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def write_backup(folder: Path, name: str, hour: int, phase: str = "Completed", **more: Any) -> Path:
    """What Velero leaves of one backup below `folder`, and the repository of its volumes; returns its own folder.

    `more`: kit (the ConfigMap's data), copied (bytes), log (text), errors, schedule, namespace.
    """
    own, space = folder / "backups" / name, more.get("namespace", "custos")
    own.mkdir(parents=True)
    times = {key: f"2026-11-28T{hour:02}:{minute}:00Z" for key, minute in (("start", "17"), ("completion", "19"))}
    status = {"phase": phase, "errors": more.get("errors", 0), "expiration": "2026-12-28T00:00:00Z"}
    status |= {f"{key}Timestamp": text for key, text in times.items()}
    labels = {"velero.io/schedule-name": more.get("schedule", "custos")}
    (own / "velero-backup.json").write_text(
        json.dumps({"metadata": {"name": name, "labels": labels}, "status": status})
    )
    kit = {"metadata": {"name": "custos-recovery-kit"}, "data": more.get("kit", {"certificate": "00"})}
    (own / f"{name}.tar.gz").write_bytes(
        archive({"metadata/version": "1.1.0", KIT.replace("/custos/", f"/{space}/"): kit})
    )
    progress = {"bytesDone": more.get("copied", 12_345)}
    copy = {"spec": {"pod": {"namespace": "custos"}}, "status": {"phase": "Completed", "progress": progress}}
    (own / f"{name}-podvolumebackups.json.gz").write_bytes(gzip.compress(json.dumps([copy]).encode()))
    (own / f"{name}-logs.gz").write_bytes(gzip.compress(more.get("log", "").encode()))
    repository = folder / "kopia" / "custos"
    repository.mkdir(parents=True, exist_ok=True)
    (repository / "kopia.repository").write_text("{}")
    return own
