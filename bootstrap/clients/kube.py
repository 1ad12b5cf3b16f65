"""Objects of the cluster, through the official client: server-side apply, and questions that waits need."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from bootstrap.errors import NotYet, Problem

Manifest = dict[str, Any]
MANAGER = "custos-bootstrap"
# What the API server itself puts into objects; it is never a difference.
_SERVER_SIDE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


class Kube:
    """A cluster, by its kubeconfig. Methods raise Problem where it does not answer or refuses; times are in seconds."""

    def __init__(self, kubeconfig: Path, context: str = "", timeout: float = 20) -> None:
        self._timeout = timeout
        try:
            settings = client.Configuration()
            config.load_kube_config(  # type: ignore[no-untyped-call]
                str(kubeconfig), context=context or None, client_configuration=settings
            )
        except ConfigException as error:
            raise Problem(
                f"{kubeconfig} is no usable kubeconfig: {error}", "name another, or see `kubectl config view`"
            ) from error
        settings.retries = 1
        self.server = str(settings.host)
        self._api = client.ApiClient(settings)
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    @property
    def client(self) -> client.ApiClient:
        """The official client itself, for what is no request and answer (`kubectl exec`)."""
        return self._api

    def version(self) -> str:
        """The API server's version, as v1.34.4."""
        return str(self._call("GET", "/version")["gitVersion"])

    def ready(self) -> bool:
        """Whether the API server says of itself that it is ready."""
        try:
            self._call("GET", "/readyz", text=True)
        except Problem:
            return False
        return True

    def get(self, path: str, **query: str) -> Manifest:
        """The object or list at the API `path`. Raises NotYet where there is none."""
        return dict(self._call("GET", path, query=query))

    def find(self, path: str) -> Manifest | None:
        """The object at the API `path`, None where there is none."""
        try:
            return self.get(path)
        except NotYet:
            return None

    def items(self, path: str, **query: str) -> list[Manifest]:
        """The objects of the list at the API `path`."""
        return list(self.get(path, **query)["items"])

    def nodes(self) -> list[Manifest]:
        """All nodes."""
        return self.items("/api/v1/nodes")

    def pods(self, namespace: str) -> list[Manifest]:
        """All pods of a namespace."""
        return self.items(f"/api/v1/namespaces/{namespace}/pods")

    def last_event(self, namespace: str, kind: str, name: str) -> str:
        """The newest event about an object, as one line; empty when there is none."""
        selector = f"involvedObject.kind={kind},involvedObject.name={name}"
        events = self.items(f"/api/v1/namespaces/{namespace}/events", fieldSelector=selector)
        if not events:
            return ""
        newest = max(
            events,
            key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or e["metadata"]["creationTimestamp"]),
        )
        return f"{newest.get('reason')}: {str(newest.get('message', '')).strip()}"

    def log(self, namespace: str, pod: str, container: str, lines: int = 20, *, previous: bool = False) -> str:
        """The last lines that a container wrote; empty when it has not run."""
        query = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        try:
            return str(self._call("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query=query, text=True))
        except Problem:
            return ""

    def difference(self, manifest: Manifest) -> str | None:
        """What applying `manifest` would change, as lines; None when nothing. Asks the API server by a dry run."""
        try:
            live = self.get(self.path(manifest))
            wanted = self._apply(manifest, dry_run=True)
        except NotYet:
            return ""
        if _stripped(live) == _stripped(wanted):
            return None
        before, after = (readable(side) for side in (live, wanted))
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=1)
        return "".join(f"{line}\n" for line in lines)

    def apply(self, manifest: Manifest) -> None:
        """Make the object as `manifest` says, taking over fields that others set by hand."""
        self._apply(manifest, dry_run=False)

    def delete(self, path: str, propagation: str = "Background") -> bool:
        """Delete the object at the API `path` with all that it owns (Orphan: without); False where there was none."""
        try:
            self._call("DELETE", path, body={"propagationPolicy": propagation})
        except NotYet:
            return False
        return True

    def patch(self, path: str, body: Mapping[str, Any]) -> None:
        """Merge `body` into the object at the API `path`."""
        self._call("PATCH", path, body=dict(body), content="application/merge-patch+json")

    def create(self, path: str, body: Mapping[str, Any]) -> Manifest:
        """Post `body` to the API `path` and return the answer."""
        return dict(self._call("POST", path, body=dict(body)))

    def path(self, manifest: Manifest) -> str:
        """The API path of the object. Raises NotYet where the cluster does not know its kind."""
        version, kind, metadata = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if version not in self._kinds:
            listed = self.get(root)["resources"]
            self._kinds[version] = {r["kind"]: (r["name"], r["namespaced"]) for r in listed if "/" not in r["name"]}
        if kind not in self._kinds[version]:
            del self._kinds[version]
            raise NotYet(f"the cluster does not know {version} {kind}")
        plural, namespaced = self._kinds[version][kind]
        middle = f"/namespaces/{metadata['namespace']}" if namespaced else ""
        return f"{root}{middle}/{plural}/{metadata['name']}"

    def _apply(self, manifest: Manifest, *, dry_run: bool) -> Manifest:
        query = {"fieldManager": MANAGER, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        content = "application/apply-patch+yaml"  # JSON is YAML
        return dict(self._call("PATCH", self.path(manifest), query=query, body=manifest, content=content))

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
        text: bool = False,
    ) -> Any:
        headers = {"Content-Type": content, "Accept": "*/*" if text else "application/json"}
        request = self._api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._api.call_api(*request, _request_timeout=self._timeout)
            data = answer.read().decode(errors="replace")  # type: ignore[no-untyped-call]
        except (ApiException, HTTPError) as error:
            raise Problem(
                f"the cluster at {self.server} does not answer: {error}",
                "see that a control plane runs and that its address can be reached from here",
            ) from error
        if answer.status == 404:
            raise NotYet(f"{path} is not there")
        if not 200 <= answer.status <= 299:
            raise self._refusal(method, path, answer.status, data)
        return data if text else json.loads(data)

    def _refusal(self, method: str, path: str, status: int, data: str) -> Problem:
        try:
            reason = str(json.loads(data)["message"])
        except (json.JSONDecodeError, KeyError, TypeError):
            reason = data.strip()
        return Problem(
            f"the cluster at {self.server} refused {method} {path}: {reason} ({status})",
            "mend what it names; with 401 or 403: see that the kubeconfig's user may do this",
        )


def placed(manifest: Manifest, namespace: str) -> Manifest:
    """The manifest as Helm installs it: in `namespace`, where it names none itself."""
    return {**manifest, "metadata": {"namespace": namespace, **manifest["metadata"]}}


def title(manifest: Manifest) -> str:
    """Kind and name, as messages call an object."""
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace")
    return f"{manifest['kind']} {namespace + '/' if namespace else ''}{metadata['name']}"


def readable(manifest: Manifest) -> str:
    """The object as YAML, without what the API server itself puts in; texts of several lines as lines."""
    return str(yaml.dump(_stripped(manifest), Dumper=_Lines, sort_keys=True, width=1000))


def _stripped(manifest: Manifest) -> Manifest:
    shown = {key: value for key, value in manifest.items() if key != "status"}
    shown["metadata"] = {key: value for key, value in manifest["metadata"].items() if key not in _SERVER_SIDE}
    return shown


class _Lines(yaml.SafeDumper):
    """Writes a text of several lines as a block, so that a diff shows the line that differs."""


_Lines.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)
