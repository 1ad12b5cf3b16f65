"""What the tests of bootstrap share: state of their own, inventories as text, and a real Kubernetes API."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import tools
from bootstrap import velero
from bootstrap.chart import RenderedChart
from bootstrap.clients.helm import Helm
from bootstrap.clients.kube import Kube, Manifest
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.inventory import Inventory, load
from bootstrap.journal import NoJournal
from generator.loading import load_mapping
from tests.bootstrap.object_store import BUCKET, Server, login, s3_server
from tests.bootstrap.site import CRDS, Notes, Site, serves
from tests.chart.kubernetes_api import api_server

Write = Callable[[str], Path]
Upgrade = Callable[[Manifest, Manifest], Context]

ONE_PLANE = """\
    cluster: {name: trial, engine: kubeadm}
    ssh: {user: ubuntu}
    machines:
      - {name: cp1, address: 10.9.0.1, roles: [control-plane, etcd]}
      - {name: worker1, address: 10.9.0.2, roles: [worker]}
    """


def trial_chart(folder: Path, **templates: str) -> Path:
    """A chart of these templates, by name; `folder` is made."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    chart = {"apiVersion": "v2", "name": "trial", "version": "0.1.0"}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart))
    for name, text in templates.items():
        (folder / "templates" / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or touches what belongs to a cluster of the user."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an inventory and gives its path."""

    def _write(text: str) -> Path:
        file = tmp_path / "inventory.yaml"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    return _write


@pytest.fixture
def inventory(write: Write) -> Inventory:
    """A control plane and a worker."""
    return load(write(ONE_PLANE))


@pytest.fixture
def context(inventory: Inventory) -> Context:
    """A run on that inventory that writes no journal."""
    return Context(inventory, Console(), NoJournal())


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's kubeconfig of a real API server without nodes."""
    folder = tmp_path_factory.mktemp("api")
    with api_server(folder) as server:
        file = folder / "kubeconfig"
        cluster = {"server": server.url, "certificate-authority": str(server.authority)}
        file.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "tests", "cluster": cluster}],
                    "users": [{"name": "admin", "user": {"token": server.token}}],
                    "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
                    "current-context": "tests",
                }
            )
        )
        deadline = time.monotonic() + 60
        # It answers before it has made the roles that every user has.
        while not Kube(file).ready():
            assert time.monotonic() < deadline, "the API server is not ready after 60 s"
            time.sleep(0.2)
        yield file


@pytest.fixture
def upgrade(
    write: Write, kubeconfig: Path, kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Upgrade]:
    """Installs a chart of one object, and gives a run whose chart has another in its place."""
    namespace = "upgrades"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    text = f"""\
        cluster: {{name: theirs, engine: existing, kubeconfig: {kubeconfig}}}
        platform: {{release: trial, namespace: {namespace}, values: values/minimal.yaml}}
        """
    helm = Helm(tools.ensure("helm"), kubeconfig, "")

    def _upgrade(before: Manifest, after: Manifest) -> Context:
        first = trial_chart(tmp_path / "first", main=yaml.safe_dump(before))
        helm.upgrade("trial", namespace, first, "first", 60, lambda: None)
        folder = trial_chart(tmp_path / "second", main=yaml.safe_dump(after))
        chart = RenderedChart(folder, "second")
        for module in ("bootstrap.upgrade", "bootstrap.phases.platform"):
            monkeypatch.setattr(f"{module}.rendered", lambda _: chart)
        return Context(load(write(text)), Console(), NoJournal())

    yield _upgrade
    for path in (
        f"/apis/apps/v1/namespaces/{namespace}/statefulsets",
        f"/apis/apps/v1/namespaces/{namespace}/deployments",
        f"/api/v1/namespaces/{namespace}/persistentvolumeclaims",
        f"/api/v1/namespaces/{namespace}/secrets",
    ):
        for item in kube.items(path):
            kube.patch(f"{path}/{item['metadata']['name']}", {"metadata": {"finalizers": None}})
            kube.delete(f"{path}/{item['metadata']['name']}")


@pytest.fixture
def kube(kubeconfig: Path) -> Kube:
    """The administrator of that API server."""
    return Kube(kubeconfig)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An object store."""
    with s3_server(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(scope="session")
def cluster(kubeconfig: Path) -> Kube:
    """The API server, which knows Velero's kinds."""
    kube = Kube(kubeconfig)
    names = []
    for file in sorted(CRDS.glob("*.yaml")):
        definition = load_mapping(file).data
        kube.apply(definition)
        names.append(f"{definition['spec']['versions'][0]['name']}/{definition['spec']['names']['plural']}")
    deadline = time.monotonic() + 60
    for name in names:
        while not serves(kube, name):
            assert time.monotonic() < deadline, f"{name} is not served after 60 s"
            time.sleep(0.2)
    return kube


@pytest.fixture
def site(
    write: Write, cluster: Kube, kubeconfig: Path, tmp_path: Path, s3: Server, request: pytest.FixtureRequest
) -> Site:
    """A release that takes backups, in namespaces of its own; Velero's definitions are there."""
    number = abs(hash(request.node.name)) % 10**8
    values = {
        "velero": {
            "enabled": True,
            "namespace": f"velero-{number}",
            "objectStore": {"url": s3.url, "bucket": BUCKET, "prefix": f"site-{number}"},
        }
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    text = f"""\
        cluster: {{name: theirs, engine: existing, kubeconfig: {kubeconfig}}}
        platform: {{release: custos, namespace: backups-{number}, values: {tmp_path / "values.yaml"}}}
        backups: {{credentials: {login(tmp_path / "login", "key", "secret")}}}
        """
    console = Notes()
    context = Context(load(write(text)), console, NoJournal())
    for namespace in (f"velero-{number}", f"backups-{number}"):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    settings = velero.settings(context.inventory)
    return Site(context, settings, cluster, console.notes)
