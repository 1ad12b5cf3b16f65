"""Before Velero's server starts: copies two Secrets of the release into Velero's namespace, from which alone it reads.

  - the object store's login, key `cloud`, to `velero-credentials`, which the BackupStorageLocation names;
  - the password of the copies, key `repository-password`, to `velero-repo-credentials`. A server that finds none makes
    one that everybody knows (Velero v1.17, pkg/repository/keys/keys.go).

It waits until both are there, saying what is missing and how to make it, and brings copies that differ up to date.

Environment: FROM_NAMESPACE, TO_NAMESPACE, STORE_SECRET, REPOSITORY_SECRET, RELEASE. No secret is printed. Exit code 0
when both copies are there; 2 where a person has to decide, because the Kubernetes API refuses.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from web import Answer, call

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MANAGER = "custos-platform-velero"
PAUSE_SECONDS = 3
NOT_FOUND, CONFLICT, TOO_MANY, BROKEN = 404, 409, 429, 500


class Copy(NamedTuple):
    """One key of a Secret, where it is to go, and what to do where it is missing."""

    source: str
    key: str
    target: str
    mend: str


class Waiting(Exception):
    """Something is not there yet."""


class Refused(Exception):
    """The API answered, but not as wanted, and will not do so by itself."""


class Api:
    """The Kubernetes API with the account of the pod."""

    def __init__(self) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self._server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    def secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        """The Secret as the API gives it, or None."""
        answer = self._ask("GET", f"{namespace}/secrets/{name}")
        body: dict[str, Any] | None = None if answer.status == NOT_FOUND else answer.body
        return body

    def create(self, namespace: str, secret: dict[str, Any]) -> None:
        """Create the Secret."""
        self._ask("POST", f"{namespace}/secrets", secret)

    def set(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Set keys of a Secret that is there."""
        self._ask("PATCH", f"{namespace}/secrets/{name}", {"data": data})

    def _ask(self, method: str, path: str, body: Any = None) -> Answer:
        url = f"{self._server}/api/v1/namespaces/{path}"
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        token = (ACCOUNT / "token").read_text(encoding="utf-8").strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        try:
            answer = call(method, url, str(ACCOUNT / "ca.crt"), headers, body)
        except OSError as error:
            raise Waiting(f"waiting for the Kubernetes API at {self._server}: {error}") from None
        if answer.fine or (method == "GET" and answer.status == NOT_FOUND):
            return answer
        reason = answer.body.get("message", "") if isinstance(answer.body, dict) else ""
        problem = f"the Kubernetes API answers {method} {path} with {answer.status}: {reason}"
        if answer.status in (CONFLICT, TOO_MANY) or answer.status >= BROKEN:
            raise Waiting(problem)
        raise Refused(problem)


def found(api: Api, copies: list[Copy]) -> dict[Copy, str]:
    """The values, as the API gives them. Raises Waiting with every one that is missing."""
    namespace = os.environ["FROM_NAMESPACE"]
    values, missing = {}, []
    for copy in copies:
        secret = api.secret(namespace, copy.source)
        if value := ((secret or {}).get("data") or {}).get(copy.key):
            values[copy] = value
        else:
            what = f"has no key {copy.key}" if secret else "is missing"
            missing.append(f"waiting: Secret {copy.source} in namespace {namespace} {what}.\n  {copy.mend}")
    if missing:
        raise Waiting("\n".join(missing))
    return values


def bring(api: Api, copy: Copy, value: str) -> str:
    """Make or change the copy, and say what was done."""
    namespace = os.environ["TO_NAMESPACE"]
    there = api.secret(namespace, copy.target)
    if there is None:
        labels = {
            "app.kubernetes.io/managed-by": MANAGER,
            "app.kubernetes.io/instance": os.environ["RELEASE"],
            "app.kubernetes.io/part-of": "custos-platform",
        }
        metadata = {"name": copy.target, "labels": labels}
        secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata}
        api.create(namespace, {**secret, "data": {copy.key: value}})
        return "made"
    if (there.get("data") or {}).get(copy.key) == value:
        return "is as it should be"
    api.set(namespace, copy.target, {copy.key: value})
    return "brought up to date"


def wanted() -> list[Copy]:
    """What is copied."""
    namespace, store, repository = (os.environ[k] for k in ("FROM_NAMESPACE", "STORE_SECRET", "REPOSITORY_SECRET"))
    make = f"kubectl --namespace {namespace} create secret generic {store} --from-file=cloud=FILE"
    return [
        Copy(
            store, "cloud", "velero-credentials",
            f"Make it of an AWS credentials file with the object store's login: {make}",
        ),
        Copy(
            repository, "repository-password", "velero-repo-credentials",
            "The Secrets Job of the release makes it. Where it is gone, take it from the recovery kit: without it the "
            "backups that there are cannot be read.",
        ),
    ]  # fmt: skip


def main() -> int:
    """Run inside Velero's pod. Returns the exit code."""
    api, said = Api(), ""
    while True:
        try:
            for copy, value in found(api, wanted()).items():
                print(f"{copy.target}: {bring(api, copy, value)}", flush=True)
            return 0
        except Refused as refusal:
            print(refusal, file=sys.stderr)
            return 2
        except Waiting as waiting:
            if str(waiting) != said:
                said = str(waiting)
                print(said, flush=True)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
