"""The Kubernetes API, as far as Vault's keeper needs it: one Secret, and the labels of Vault's own pods."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

from web import call

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


# As the Secrets Job keeps it (make_secrets.py): what the key must be still when the next upgrade begins.
SUM = "custos-platform/sha256-of-"


class Denied(Exception):
    """The Kubernetes API answered, but not as wanted."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def ask(method: str, path: str, body: Any = None) -> Any:
    """Ask for something of the own namespace. Raises Denied for anything but 2xx, OSError without an answer."""
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    url = f"https://{host}:{os.environ['KUBERNETES_SERVICE_PORT']}/api/v1/namespaces/{os.environ['NAMESPACE']}/{path}"
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text(encoding='utf-8').strip()}"}
    if method == "PATCH":
        headers["Content-Type"] = "application/merge-patch+json"
    answer = call(method, url, str(ACCOUNT / "ca.crt"), headers, body)
    if not answer.fine:
        message = answer.body.get("message", answer) if isinstance(answer.body, dict) else answer
        raise Denied(f"the Kubernetes API refuses {method} {path}: {message}", answer.status)
    return answer.body


def secret(name: str) -> dict[str, str]:
    """What the Secret holds."""
    data = ask("GET", f"secrets/{name}").get("data") or {}
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def change_secret(name: str, changes: dict[str, str | None], held: tuple[str, ...] = ()) -> None:
    """Set these keys of the Secret; None removes one. Of those in `held` the sum is kept as an annotation."""
    data = {key: None if value is None else base64.b64encode(value.encode()).decode() for key, value in changes.items()}
    sums = {SUM + key: hashlib.sha256((changes[key] or "").encode()).hexdigest() for key in held}
    ask("PATCH", f"secrets/{name}", {"metadata": {"annotations": sums}, "data": data})


def strip_label(pod: str, label: str, value: str, instead: str) -> bool:
    """Where the pod's label has this value, give it another. True if it had."""
    metadata = ask("GET", f"pods/{pod}")["metadata"]
    if (metadata.get("labels") or {}).get(label) != value:
        return False
    # The version makes sure that nobody has set it since.
    version = metadata["resourceVersion"]
    ask("PATCH", f"pods/{pod}", {"metadata": {"labels": {label: instead}, "resourceVersion": version}})
    return True
