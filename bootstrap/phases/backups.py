"""Phase `backups`: Velero can write where backups go; and what backups need before the release is installed."""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bootstrap import sealing, velero
from bootstrap.chart import rendered
from bootstrap.clients.kube import Kube, Manifest
from bootstrap.clients.s3 import read_login
from bootstrap.context import Context
from bootstrap.engines import Engine
from bootstrap.errors import NotYet, Problem
from bootstrap.inventory import Inventory
from bootstrap.objects import TIMEOUT, Objects
from bootstrap.rotate import RESTARTED
from bootstrap.steps import Change, Phase, Step
from bootstrap.velero import Velero
from bootstrap.workloads import unready_workloads
from generator.loading import load_mapping

# Velero looks at its place every minute, and the kit's keeper at the Secrets; the first look follows a start.
LOOK_SECONDS = 300
COPY = "velero-credentials"


def phase(inventory: Inventory, _engine: Engine) -> Phase:
    """Nothing where the values take no backups."""
    if not inventory.backups:
        return Phase("backups", [])
    return Phase(
        "backups",
        [
            Await("Velero runs", _unready, lambda _: "see `kubectl describe` of the pod it names", TIMEOUT),
            TakeLogin("Velero has the object store's login"),
            Await("the object store takes backups", velero.location_trouble, velero.location_remedy, LOOK_SECONDS),
            Await("the recovery kit is sealed", kit_trouble, kit_remedy, LOOK_SECONDS),
        ],
    )


def before_release(inventory: Inventory) -> Sequence[Step]:
    """Velero's definitions, which Helm makes once and never upgrades, the recovery key, and Secrets."""
    if not inventory.backups:
        return ()
    return (
        Definitions("Velero's definitions"),
        RecoveryKey("recovery key"),
        BackupSecrets("Secrets for backups"),
    )


def check_files(context: Context) -> None:
    """Raises Problem where the login or the recovery key on this computer cannot be used."""
    findings = list(_files(context.inventory))
    if findings:
        raise Problem("\n".join(findings), "mend these and run again; nothing was changed")


def _files(inventory: Inventory) -> Iterator[str]:
    if not inventory.backups:
        return
    login, key = inventory.backups.credentials, inventory.backups.recovery_key
    try:
        read_login(login)
        if key.exists():
            sealing.certificate(key)
    except Problem as problem:
        yield f"{problem.what}; {problem.remedy}"
    for file in (login, key):
        if file.is_file() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield f"{file} can be read by others: chmod 600 {file}"


class Definitions(Objects):
    """The CustomResourceDefinitions of the rendered chart's Velero."""

    def manifests(self, context: Context) -> list[Manifest]:
        """All of them."""
        folder = rendered(context).folder / "charts" / "velero" / "crds"
        return [load_mapping(file).data for file in sorted(folder.glob("*.yaml"))]

    def verify(self, context: Context) -> None:
        """The API server serves each of them: Helm asks only once."""
        names = [manifest["metadata"]["name"] for manifest in self.manifests(context)]
        context.wait(
            self.title,
            60,
            lambda: ", ".join(name for name in names if not _served(context.kube, name)),
            lambda: "see `kubectl describe crd` of what it names",
        )


class RecoveryKey(Step):
    """The key that opens backups, made on this computer where neither it nor the cluster has one."""

    def check(self, context: Context) -> Sequence[Change]:
        """Whether it is to be made. One that only the cluster knows is somebody's, and is left."""
        file = _key_file(context)
        if file.exists() or _certificate(context):
            return ()
        return [Change("this computer", f"make the recovery key {file}")]

    def change(self, context: Context) -> Sequence[Change]:
        """Make it, and say what it is."""
        if context.restoring:
            raise Problem(f"there is no recovery key {_key_file(context)}", "name it as backups.recoveryKey")
        changes, file = self.check(context), _key_file(context)
        if changes:
            sealing.make_key(file, context.inventory.cluster.name)
            context.console.note(
                f"    {file} is the only key that opens this platform's backups: copy it to a place far from this"
                " computer and from the platform, now"
            )
        return changes


class BackupSecrets(Objects):
    """The object store's login, the certificate that kits are sealed for, and this site's own files."""

    def manifests(self, context: Context) -> list[Manifest]:
        """What the release's namespace needs. Raises Problem where a file cannot be read."""
        settings, file = velero.settings(context.inventory), _key_file(context)
        assert context.inventory.backups
        contents: dict[str, dict[str, str]] = {
            settings.own("site"): {
                "inventory.yaml": _text(context.inventory.file),
                "values.yaml": _text(context.inventory.platform.values),
            }
        }
        if not settings.existing_secret:
            read_login(context.inventory.backups.credentials)
            contents[settings.login] = {"cloud": _text(context.inventory.backups.credentials)}
        if file.exists():
            contents[settings.own("recovery-key")] = {"tls.crt": sealing.certificate(file)}
        return [_secret(settings.release_namespace, name, data) for name, data in sorted(contents.items())]

    def check(self, context: Context) -> Sequence[Change]:
        """What would be changed; another key for backups to come is said in words."""
        file, there = _key_file(context), _certificate(context)
        if there and not file.exists():
            context.console.note(
                f"    the recovery key {file} is not on this computer: backups are sealed for the certificate"
                f" {sealing.fingerprint(there)}, whose key somebody has to have"
            )
        changes = list(super().check(context))
        if there and file.exists():
            old, new = sealing.fingerprint(there), sealing.fingerprint(sealing.certificate(file))
            if old != new:
                changes.append(Change("backups", f"seal those to come for {new}; older ones need the key of {old}"))
        return changes


class TakeLogin(Step):
    """Velero's copy of the login is made when its server starts: another login wants another start."""

    def check(self, context: Context) -> Sequence[Change]:
        """Whether the copy differs."""
        settings = velero.settings(context.inventory)
        ours = _data(context.kube, settings.release_namespace, settings.login, "cloud")
        copy = _data(context.kube, settings.namespace, COPY, "cloud")
        if not ours or not copy or copy == ours:
            return ()
        return [Change("Deployment velero", "restart: it has another login at the object store")]

    def change(self, context: Context) -> Sequence[Change]:
        """Start the server anew."""
        changes = self.check(context)
        server = velero.settings(context.inventory).workloads()[0]
        stamp = {RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}
        context.kube.patch(context.kube.path(server), {"spec": {"template": {"metadata": {"annotations": stamp}}}})
        return changes

    def verify(self, context: Context) -> None:
        """It runs again, and has taken the login."""
        settings = velero.settings(context.inventory)
        context.wait(
            "Velero to take the login",
            TIMEOUT,
            lambda: "; ".join([*unready_workloads(context.kube, settings.workloads()), *_what(self.check(context))]),
            lambda: f"see `kubectl --namespace {settings.namespace} logs deployment/velero --all-containers`",
        )


class Await(Step):
    """Nothing is changed: `state` says what is still missing, `remedy` what to do where that stays so."""

    def __init__(
        self, title: str, state: Callable[[Kube, Velero], str], remedy: Callable[[Velero], str], seconds: float
    ) -> None:
        super().__init__(title)
        self._state, self._remedy, self._seconds = state, remedy, seconds

    def check(self, context: Context) -> Sequence[Change]:
        """What is missing now."""
        missing = self._state(context.kube, velero.settings(context.inventory))
        return [Change("cluster", f"wait: {missing}")] if missing else ()

    def change(self, context: Context) -> Sequence[Change]:
        """Wait for it."""
        settings = velero.settings(context.inventory)
        context.wait(
            self.title,
            self._seconds,
            lambda: self._state(context.kube, settings),
            lambda: self._remedy(settings),
        )
        return ()


def kit_trouble(kube: Kube, settings: Velero) -> str:
    """Why the Secrets of now are not in a backup that is made now; empty where they are."""
    certificate = _data(kube, settings.release_namespace, settings.own("recovery-key"), "tls.crt")
    if not certificate:
        return f"Secret {settings.own('recovery-key')}, the certificate that the Secrets are sealed for, is not there"
    name = settings.own("recovery-kit")
    try:
        kit = kube.get(f"/api/v1/namespaces/{settings.release_namespace}/configmaps/{name}").get("data", {})
    except NotYet:
        return f"ConfigMap {name}, the sealed Secrets, is not there"
    if kit.get("certificate") != sealing.fingerprint(certificate):
        return f"ConfigMap {name} is sealed for the certificate {kit.get('certificate')}, not for that of the Secret"
    return ""


def kit_remedy(settings: Velero) -> str:
    """What to do about it."""
    log = f"kubectl --namespace {settings.release_namespace} logs {settings.pod} --container kit"
    return f"`apply` makes the Secret; what keeps the kit from being made says `{log}`"


def _unready(kube: Kube, settings: Velero) -> str:
    return "; ".join(unready_workloads(kube, settings.workloads()))


def _what(changes: Sequence[Change]) -> list[str]:
    return [change.what for change in changes]


def _key_file(context: Context) -> Path:
    assert context.inventory.backups
    return context.inventory.backups.recovery_key


def _certificate(context: Context) -> bytes:
    """The certificate that the cluster seals kits for; nothing where there is none, or no cluster."""
    settings = velero.settings(context.inventory)
    try:
        return _data(context.kube, settings.release_namespace, settings.own("recovery-key"), "tls.crt")
    except NotYet:
        return b""


def _data(kube: Kube, namespace: str, secret: str, key: str) -> bytes:
    """The value in a Secret; nothing where there is none."""
    try:
        found = kube.get(f"/api/v1/namespaces/{namespace}/secrets/{secret}")
    except NotYet:
        return b""
    return base64.b64decode(found.get("data", {}).get(key, ""))


def _served(kube: Kube, name: str) -> bool:
    try:
        found = kube.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    except NotYet:
        return False
    conditions = found.get("status", {}).get("conditions", ())
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _secret(namespace: str, name: str, data: dict[str, str]) -> Manifest:
    coded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": coded}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Problem(f"{file} cannot be read: {error}", "mend it and run again") from error
