"""A registry on this computer, for trying what takes its images from one. Plain HTTP, nobody is asked who he is."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab.errors import LabError
from tools import ensure

START_SECONDS = 60.0


@dataclass(frozen=True)
class Registry:
    """A registry that runs: host:port, and the file of what it was asked (Apache's combined log format)."""

    address: str
    log: Path

    @property
    def url(self) -> str:
        """As an inventory's `containerd.mirrors` names it."""
        return f"http://{self.address}"


@contextmanager
def registry(host: str, folder: Path, port: int = 0) -> Iterator[Registry]:
    """Run a registry on `host` (port 0: a free one) that keeps all it has in `folder`, until the block ends.

    Raises LabError with its own words where it does not start, tools.ToolError where it cannot be had.
    """
    address = f"{host}:{port or _free(host)}"
    config = folder / "config.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "version": "0.1",
                "log": {"level": "error", "accesslog": {"disabled": False}},
                "storage": {"filesystem": {"rootdirectory": str(folder / "store")}},
                "http": {"addr": address},
            }
        ),
        encoding="utf-8",
    )
    found = Registry(address, folder / "log")
    # It dies with this process, however that dies.
    command = ["setpriv", "--pdeathsig", "KILL", str(ensure("registry")), "serve", str(config)]
    with found.log.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        _wait(process, found)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free(host: str) -> int:
    try:
        with socket.create_server((host, 0)) as listener:
            port: int = listener.getsockname()[1]
            return port
    except OSError as error:
        remedy = "the lab's own address is there once the lab runs: `python -m lab up`"
        raise LabError(f"nothing can listen on {host}: {error}", remedy) from error


def _wait(process: subprocess.Popen[bytes], found: Registry) -> None:
    deadline = time.monotonic() + START_SECONDS
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            said = found.log.read_text(encoding="utf-8", errors="replace").strip()[-500:]
            raise LabError(f"the registry on {found.address} does not start: {said}", "mend what it names, run again")
        try:
            direct.open(f"{found.url}/v2/", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
