"""The few calls to the Kubernetes API that the scripts of this pod make, with the pod's own account."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ClusterError(Exception):
    """The API did not answer, or refused; `status` is 0 where it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def _call(method: str, path: str, body: Any = None) -> Any:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text(encoding='ascii').strip()}"}
    if body is not None:
        headers["Content-Type"] = "application/merge-patch+json"
    connection = http.client.HTTPSConnection(host, int(port), timeout=5, context=context)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise ClusterError(f"{method} {path}: {error}") from error
    finally:
        connection.close()
    if answer.status // 100 != 2:
        raise ClusterError(f"{method} {path}: status {answer.status}, {text.strip()[:300]}", answer.status)
    return json.loads(text)


def _path(kind: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{os.environ['NAMESPACE']}/{kind}{'/' if name else ''}{name}"


def pods() -> list[dict[str, Any]]:
    """The pods of this PostgreSQL. Raises ClusterError."""
    selector = quote(f"cluster-name={os.environ['SCOPE']}")
    return list(_call("GET", f"{_path('pods')}?labelSelector={selector}")["items"])


def config_map(name: str) -> dict[str, Any]:
    """A ConfigMap. Raises ClusterError."""
    found: dict[str, Any] = _call("GET", _path("configmaps", name))
    return found


def patch(kind: str, name: str, metadata: dict[str, Any]) -> None:
    """Merge `metadata` into an object's own; with a resourceVersion only if nobody changed it since.

    Raises ClusterError, status 409 if somebody did.
    """
    _call("PATCH", _path(kind, name), {"metadata": metadata})


def take_label_from_others(name: str) -> list[str]:
    """Take `role: primary` from every other pod than `name`, and return whose it was. Raises ClusterError.

    The pod of a machine without power keeps its labels, and the Service would send every other client there.
    """
    others = [
        pod["metadata"]["name"]
        for pod in pods()
        if pod["metadata"]["name"] != name and pod["metadata"].get("labels", {}).get("role") == "primary"
    ]
    for other in others:
        patch("pods", other, {"labels": {"role": None}})
    return others
