"""A release that takes backups, on a real API server with the tests in Velero's place."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bootstrap import velero
from bootstrap.clients.kube import Kube, Manifest
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.errors import NotYet
from bootstrap.paths import PROJECT
from bootstrap.velero import Velero
from tests.bootstrap.object_store import BUCKET

CRDS = PROJECT / "generator" / "blueprint" / "charts" / "velero" / "crds"
VOLUME = {"backupStorageLocation": "default", "node": "n", "pod": {}, "repoIdentifier": "", "volume": "dumps"}
LABELS = {"app.kubernetes.io/name": "velero"}
HOOK = {"exec": {"container": "mysql", "command": ["/bin/true"], "timeout": "30m", "onError": "Fail"}}


class Notes(Console):
    """Keeps what everybody is told."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """One line for everybody."""
        self.notes.append(text.strip())


@dataclass
class Site:
    """A run, its settings, and the cluster that it is on."""

    context: Context
    settings: Velero
    kube: Kube
    notes: list[str]

    def put(self, kind: str, name: str, **more: Any) -> Manifest:
        """Make one of Velero's objects, with its status if one is given."""
        metadata = {"name": name, "namespace": self.settings.namespace, "labels": more.pop("labels", {})}
        manifest = {"apiVersion": "velero.io/v1", "kind": kind, "metadata": metadata, **more}
        self.kube.apply(manifest)
        return manifest

    def secret(self, namespace: str, name: str, **data: str) -> None:
        """Make a Secret."""
        metadata = {"name": name, "namespace": namespace}
        self.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})

    def data(self, name: str, key: str) -> str:
        """What is in a Secret of the release's namespace."""
        found = self.kube.get(f"/api/v1/namespaces/{self.settings.release_namespace}/secrets/{name}")
        return base64.b64decode(found["data"][key]).decode()

    def location(self, **status: str) -> None:
        """The place of the backups, as Velero found it."""
        spec = {"provider": "aws", "objectStorage": {"bucket": BUCKET}}
        self.put("BackupStorageLocation", "default", spec=spec, status=status)

    def schedule(self) -> Manifest:
        """The Schedule of the chart, shortened."""
        template = {
            "metadata": {"labels": LABELS},
            "includedNamespaces": [self.settings.release_namespace],
            "storageLocation": "default",
            "hooks": {"resources": [{"name": "dumps", "pre": [HOOK]}]},
        }
        return self.put("Schedule", "custos", spec={"schedule": "17 */6 * * *", "template": template})

    def made(self, name: str, phase: str, started: datetime, schedule: str = "custos", copied: int = 4096) -> None:
        """A backup that Velero made, with the copy of a volume of `copied` bytes."""
        status = {"phase": phase, "startTimestamp": f"{started:%Y-%m-%dT%H:%M:%SZ}"}
        self.put("Backup", name, labels={velero.SCHEDULED: schedule}, spec={}, status=status)
        copy = {"phase": "Completed", "progress": {"bytesDone": copied}}
        self.put("PodVolumeBackup", name, labels={velero.OF_BACKUP: name}, spec=VOLUME, status=copy)


def serves(kube: Kube, kind: str) -> bool:
    """Whether the API server knows a kind of Velero's."""
    try:
        return kube.items(f"/apis/velero.io/{kind}") == []
    except NotYet:
        return False
