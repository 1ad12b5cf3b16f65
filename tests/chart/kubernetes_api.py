"""A real Kubernetes API for tests: etcd and kube-apiserver on loopback, without nodes."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import urllib3

import tools
from tests.ports import free_port

START_SECONDS = 120
PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class ApiServer:
    """Where the API is and how its administrator gets in."""

    port: int
    token: str
    authority: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def client(self) -> kubernetes.client.ApiClient:
        """A client of the administrator."""
        configuration = kubernetes.client.Configuration()
        configuration.host = self.url
        configuration.ssl_ca_cert = str(self.authority)
        configuration.api_key = {"authorization": f"Bearer {self.token}"}
        return kubernetes.client.ApiClient(configuration)


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """Run an API server that keeps its data in `folder`, and end it."""
    etcd, peer, api = free_port(), free_port(), free_port()
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    subprocess.run(["openssl", "genrsa", "-out", str(folder / "accounts.key"), "2048"], check=True, capture_output=True)
    log = (folder / "log").open("wb")
    processes = [
        subprocess.Popen(
            [
                *(str(tools.ensure("etcd")), "--data-dir", str(folder / "etcd"), "--log-level=error"),
                *("--listen-client-urls", f"http://127.0.0.1:{etcd}"),
                *("--advertise-client-urls", f"http://127.0.0.1:{etcd}"),
                *("--listen-peer-urls", f"http://127.0.0.1:{peer}", "--unsafe-no-fsync"),
            ],
            stdout=log,
            stderr=log,
        ),
        subprocess.Popen(
            [
                *(str(tools.ensure("kube-apiserver")), f"--etcd-servers=http://127.0.0.1:{etcd}"),
                *(f"--secure-port={api}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"),
                *(f"--cert-dir={folder / 'certificates'}", f"--token-auth-file={folder / 'tokens.csv'}"),
                *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24"),
                *(
                    "--service-account-issuer=https://tests",
                    f"--service-account-key-file={folder}/accounts.key",
                ),
                f"--service-account-signing-key-file={folder}/accounts.key",
            ],
            stdout=log,
            stderr=log,
        ),
    ]
    try:
        server = ApiServer(api, token, folder / "certificates/apiserver.crt")
        _wait(server, processes, folder / "log")
        yield server
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()
        log.close()


def _wait(server: ApiServer, processes: list[subprocess.Popen[bytes]], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    reason = "not asked yet"
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            break
        try:
            if server.authority.exists():
                kubernetes.client.CoreV1Api(server.client()).read_namespace("default")
                return
        except (kubernetes.client.ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            reason = str(error)
        time.sleep(PAUSE_SECONDS)
    raise RuntimeError(f"no Kubernetes API within {START_SECONDS} s ({reason}): {log.read_text()[-2000:]}")


def account(server: ApiServer, core: Any, namespace: str, name: str, folder: Path) -> Path:
    """What a pod with this ServiceAccount finds at the usual path."""
    ask = kubernetes.client.AuthenticationV1TokenRequest(
        spec=kubernetes.client.V1TokenRequestSpec(audiences=["https://tests"])
    )
    folder.mkdir()
    (folder / "token").write_text(core.create_namespaced_service_account_token(name, namespace, ask).status.token)
    shutil.copy(server.authority, folder / "ca.crt")
    return folder
