"""Velero: what it copies, where to, with which rights; and the script that brings it its two Secrets."""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import kubernetes
import pytest

from generator.render import chart_files
from tests.chart.conftest import BACKUPS, PROJECT, Case
from tests.chart.helm import NAMESPACE, Object, containers, find, kind, name, of_namespace
from tests.chart.kubernetes_api import ApiServer, account

VELERO = "velero"
LABELS = {
    "app.kubernetes.io/name": "velero",
    "app.kubernetes.io/instance": "custos",
    "app.kubernetes.io/component": "backup",
}
Render = Callable[[Case], list[Object]]


@pytest.fixture(scope="session")
def backups(objects_of: Render) -> list[Object]:
    return objects_of(Case("backups", "prod", settings=BACKUPS))


def backups_with(objects_of: Render, *settings: str) -> list[Object]:
    return objects_of(Case("backups-with", "prod", settings=(*BACKUPS, *settings)))


# --- What is copied, and where to


def hooks(objects: list[Object]) -> list[list[str]]:
    """Container and command of each hook, in their order."""
    (resource,) = find(objects, "Schedule", "custos")["spec"]["template"]["hooks"]["resources"]
    assert resource["labelSelector"] == {"matchLabels": LABELS}
    for hook in resource["pre"]:
        assert (hook["exec"]["onError"], hook["exec"]["timeout"]) == ("Fail", "30m")
    return [[hook["exec"]["container"], *hook["exec"]["command"]] for hook in resource["pre"]]


KIT = ["kit", "/usr/bin/env", "python3", "/custos/scripts/kit.py"]
MYSQL = ["mysql", "/bin/bash", "/custos/scripts/dump-mysql.sh"]
POSTGRESQL = ["postgresql", "/bin/bash", "/custos/scripts/dump-postgresql.sh"]
CONSUL = ["consul", "/bin/sh", "/custos/scripts/dump-consul.sh"]
KAFKA = ["kafka", "/bin/bash", "/custos/scripts/dump-kafka.sh"]


def test_every_store_is_dumped_between_the_kits_check_and_its_seal(backups: list[Object]) -> None:
    assert hooks(backups) == [[*KIT, "check"], MYSQL, POSTGRESQL, CONSUL, KAFKA, [*KIT, "seal"]]


def test_a_store_elsewhere_is_not_dumped(objects_of: Render) -> None:
    assert hooks(objects_of(Case("outside", "external", settings=BACKUPS))) == [[*KIT, "check"], [*KIT, "seal"]]


def test_hooks_run_in_containers_that_are_there_with_scripts_that_are_there(backups: list[Object]) -> None:
    pod = find(backups, "StatefulSet", "custos-backup")["spec"]["template"]
    scripts = find(backups, "ConfigMap", "custos-backup-scripts")["data"]
    assert {hook[0] for hook in hooks(backups)} == {container["name"] for container in containers(pod)}
    named = {word.rpartition("/")[2] for hook in hooks(backups) for word in hook if "/custos/scripts/" in word}
    assert named <= scripts.keys()


def test_a_backup_holds_the_dumps_the_kit_and_nothing_else(backups: list[Object]) -> None:
    template = find(backups, "Schedule", "custos")["spec"]["template"]
    assert template["includedNamespaces"] == [NAMESPACE]
    assert template["labelSelector"] == {"matchLabels": LABELS}
    assert "secrets" not in template["includedResources"]
    claim = find(backups, "StatefulSet", "custos-backup")["spec"]["volumeClaimTemplates"][0]
    assert claim["metadata"]["labels"].items() >= LABELS.items()


@pytest.mark.parametrize(
    ("setting", "mode", "paused"),
    [
        pytest.param("global.restoring=false", "ReadWrite", False, id="as it is"),
        pytest.param("global.restoring=true", "ReadOnly", True, id="while a backup is brought back"),
        pytest.param("velero.objectStore.accessMode=ReadOnly", "ReadOnly", True, id="beside another platform"),
    ],
)
def test_when_velero_neither_makes_backups_nor_tidies_them_away(
    objects_of: Render, setting: str, mode: str, paused: bool
) -> None:
    objects = backups_with(objects_of, setting)
    assert find(objects, "Schedule", "custos")["spec"]["paused"] is paused
    assert find(objects, "BackupStorageLocation", "default")["spec"]["accessMode"] == mode


PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("values", "store", "config"),
    [
        pytest.param(
            {"url": "http://10.231.0.41:9000"},
            {"bucket": "custos-backups"},
            {
                "region": "us-east-1",
                "s3Url": "http://10.231.0.41:9000",
                "s3ForcePathStyle": "true",
                "checksumAlgorithm": "",
            },
            id="another's store",
        ),
        pytest.param(
            {"url": "", "region": "eu-central-1", "prefix": "one/two"},
            {"bucket": "custos-backups", "prefix": "one/two"},
            {"region": "eu-central-1"},
            id="Amazon's",
        ),
        pytest.param(
            {"caCert": PEM},
            {"bucket": "custos-backups", "caCert": base64.b64encode(PEM.encode()).decode()},
            {
                "region": "us-east-1",
                "s3Url": "https://s3.example.org:9443",
                "s3ForcePathStyle": "true",
                "checksumAlgorithm": "",
            },
            id="with a CA",
        ),
    ],
)
def test_where_backups_lie(
    objects_of: Render, values: dict[str, str], store: dict[str, str], config: dict[str, str]
) -> None:
    objects = backups_with(objects_of, *(f"velero.objectStore.{key}={value}" for key, value in values.items()))
    spec = find(objects, "BackupStorageLocation", "default")["spec"]
    assert (spec["objectStorage"], spec["config"]) == (store, config)
    assert spec["credential"] == {"name": "velero-credentials", "key": "cloud"}


ANYWHERE = [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]
MINIO = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "minio"}}}]


@pytest.mark.parametrize(
    ("url", "to", "port"),
    [
        ("http://10.231.0.41:9000", [{"ipBlock": {"cidr": "10.231.0.41/32"}}], 9000),
        ("http://[fd00::41]:9000", [{"ipBlock": {"cidr": "fd00::41/128"}}], 9000),
        ("https://s3.example.org", ANYWHERE, 443),
        ("http://s3.example.org", ANYWHERE, 80),
        ("", ANYWHERE, 443),
        ("http://minio.minio.svc:9000", MINIO, None),
    ],
)
def test_velero_reaches_its_store_the_api_and_names_alone(
    objects_of: Render, url: str, to: list[Object], port: int | None
) -> None:
    objects = backups_with(objects_of, f"velero.objectStore.url={url}")
    (policy,) = kind(of_namespace(objects, VELERO), "NetworkPolicy")
    assert policy["spec"]["podSelector"] == {}, "the pods that Velero makes carry other labels"
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"] and "ingress" not in policy["spec"]
    _names, api, store = policy["spec"]["egress"]
    assert {p["port"] for p in api["ports"]} == {443, 6443}
    assert store == {"to": to} | ({"ports": [{"protocol": "TCP", "port": port}]} if port else {})


# --- The pods, as Velero's own code wants them


def test_velero_finds_what_it_looks_for(backups: list[Object]) -> None:
    """Names and labels in Velero v1.17.2: pkg/repository/maintenance, pkg/nodeagent, pkg/exposer."""
    server = find(backups, "Deployment", "velero")["spec"]["template"]
    agent = find(backups, "DaemonSet", "node-agent")["spec"]["template"]
    assert [c["name"] for c in server["spec"]["containers"]] == ["velero"]
    assert [c["name"] for c in agent["spec"]["containers"]] == ["node-agent"]
    assert agent["metadata"]["labels"]["role"] == "node-agent"
    (pods,) = [v for v in agent["spec"]["volumes"] if "hostPath" in v]
    assert (pods["name"], pods["hostPath"]["path"]) == ("host-pods", "/var/lib/kubelet/pods")
    (mount,) = [m for m in agent["spec"]["containers"][0]["volumeMounts"] if m["name"] == "host-pods"]
    assert mount["mountPath"] == "/host_pods" and mount["mountPropagation"] == "HostToContainer"


def test_pods_that_velero_makes_have_a_token_and_room(backups: list[Object]) -> None:
    """It copies a container's environment, volumes and mounts, and not the pod's setting about tokens."""
    for which, item in (("Deployment", "velero"), ("DaemonSet", "node-agent")):
        spec = find(backups, which, item)["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts["account"] == "/var/run/secrets/kubernetes.io/serviceaccount"
        variables = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert variables["HOME"] == mounts["scratch"] and mounts["tmp"] == "/tmp", "its root is read-only"


def test_the_agent_is_root_and_has_no_other_right(backups: list[Object]) -> None:
    """Its namespace says so; the pods that copy are Velero's own making."""
    labels = find(backups, "Namespace", VELERO)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
    spec = find(backups, "DaemonSet", "node-agent")["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsUser"] == 0 and "runAsNonRoot" not in spec["securityContext"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(m["readOnly"] for m in container["volumeMounts"] if m["name"] == "host-pods")


def test_the_pods_that_copy_and_the_jobs_that_tidy_have_resources(backups: list[Object]) -> None:
    (options,) = find(backups, "ConfigMap", "node-agent")["data"].values()
    expected = {"cpuRequest": "100m", "memoryRequest": "256Mi", "cpuLimit": "0", "memoryLimit": "1Gi"}
    assert json.loads(options) == {"podResources": expected}
    maintenance = json.loads(find(backups, "ConfigMap", "repository-maintenance")["data"]["global"])
    assert maintenance["podResources"]["memoryLimit"] == "512Mi"
    arguments = find(backups, "Deployment", "velero")["spec"]["template"]["spec"]["containers"][0]["args"]
    there = {item["metadata"]["name"] for item in kind(of_namespace(backups, VELERO), "ConfigMap")}
    assert {word.partition("=")[2] for word in arguments if "configmap=" in word} <= there


# --- Rights


def allowed(objects: list[Object], user: str, verb: str, resource: str, where: str, item: str = "") -> bool:
    """Whether the chart lets an account of Velero's namespace do this, `where` a namespace or `cluster`."""
    group, _, plain = resource.rpartition("/") if not resource.startswith("pods/") else ("", "", resource)
    for binding in kind(objects, "RoleBinding", "ClusterRoleBinding"):
        scope = binding["metadata"].get("namespace", NAMESPACE)
        everywhere = binding["kind"] == "ClusterRoleBinding"
        subjects = [(s["name"], s["namespace"]) for s in binding["subjects"]]
        if (user, VELERO) not in subjects or not (everywhere or scope == where):
            continue
        role = next(
            r
            for r in kind(of_namespace(objects, binding["metadata"].get("namespace")), binding["roleRef"]["kind"])
            if r["metadata"]["name"] == binding["roleRef"]["name"]
        )
        for rule in role["rules"]:
            fits = group in rule["apiGroups"] and plain in rule["resources"] and verb in rule["verbs"]
            if fits and (not rule.get("resourceNames") or item in rule["resourceNames"]):
                return True
    return False


# What Velero v1.17.2 asked a real API server for, in a backup with hooks, a restore and a deletion.
ASKED = """
velero      cluster  namespaces                      list watch
velero      cluster  nodes                           list
velero      cluster  persistentvolumes               get patch
velero      cluster  pods                            list
velero      cluster  rbac.authorization.k8s.io/clusterrolebindings list
velero      cluster  velero.io/podvolumebackups      list
velero      custos   configmaps                      create list patch
velero      custos   namespaces                      get
velero      custos   persistentvolumeclaims          create get list patch
velero      custos   pods                            create get list patch
velero      custos   pods/exec                       create
velero      velero   namespaces                      get
velero      velero   configmaps                      deletecollection get list watch
velero      velero   secrets                         create get list watch
velero      velero   apps/daemonsets                 get
velero      velero   apps/deployments                get
velero      velero   velero.io/backuprepositories    create list patch watch
velero      velero   velero.io/backups               delete list patch watch
velero      velero   velero.io/backupstoragelocations get list patch watch
velero      velero   velero.io/datadownloads         list
velero      velero   velero.io/deletebackuprequests  deletecollection list patch watch
velero      velero   velero.io/downloadrequests      list patch watch
velero      velero   velero.io/podvolumebackups      create list watch
velero      velero   velero.io/podvolumerestores     create list watch
velero      velero   velero.io/restores              delete list patch watch
velero      velero   velero.io/schedules             list patch watch
velero      velero   velero.io/serverstatusrequests  list watch
velero      velero   velero.io/volumesnapshotlocations list watch
node-agent  cluster  nodes                           get
node-agent  cluster  persistentvolumes               get
node-agent  cluster  pods                            list watch
node-agent  custos   persistentvolumeclaims          get
node-agent  custos   pods                            get
node-agent  velero   events                          create list patch watch
node-agent  velero   pods                            create delete get
node-agent  velero   pods/log                        get
node-agent  velero   velero.io/backuprepositories    list
node-agent  velero   velero.io/backupstoragelocations get
node-agent  velero   velero.io/datadownloads         list watch
node-agent  velero   velero.io/datauploads           list watch
node-agent  velero   velero.io/podvolumebackups      get list update watch
node-agent  velero   velero.io/podvolumerestores     get list update watch
"""
NAMED = [
    ("velero", "secrets", "custos", "custos-object-store"),
    ("velero", "secrets", "custos", "custos-backup-repository"),
    ("node-agent", "secrets", "velero", "velero-credentials"),
    ("node-agent", "secrets", "velero", "velero-repo-credentials"),
    ("node-agent", "configmaps", "velero", "node-agent"),
    ("node-agent", "apps/daemonsets", "velero", "node-agent"),
]


def test_velero_may_do_what_it_asks_for(backups: list[Object]) -> None:
    for line in ASKED.strip().splitlines():
        user, where, resource, *verbs = line.split()
        refused = [verb for verb in verbs if not allowed(backups, user, verb, resource, where)]
        assert not refused, f"{line}: {refused}"
    for user, resource, where, item in NAMED:
        assert allowed(backups, user, "get", resource, where, item), (user, item)


@pytest.mark.parametrize(
    ("user", "verb", "resource", "where", "item"),
    [
        ("velero", "get", "secrets", "custos", "custos-mysql-admin"),
        ("velero", "list", "secrets", "custos", ""),
        ("velero", "list", "secrets", "cluster", ""),
        ("velero", "delete", "pods", "custos", ""),
        ("velero", "create", "pods", "cluster", ""),
        ("velero", "create", "namespaces", "cluster", ""),
        ("velero", "create", "rbac.authorization.k8s.io/clusterrolebindings", "cluster", ""),
        ("node-agent", "list", "secrets", "velero", ""),
        ("node-agent", "get", "secrets", "custos", "custos-object-store"),
        ("node-agent", "create", "pods", "custos", ""),
        ("node-agent", "create", "pods/exec", "custos", ""),
        ("node-agent", "create", "pods/exec", "velero", ""),
    ],
)
def test_velero_may_not(backups: list[Object], user: str, verb: str, resource: str, where: str, item: str) -> None:
    assert not allowed(backups, user, verb, resource, where, item)


def test_cluster_rights_are_named_after_release_and_namespace(backups: list[Object]) -> None:
    names = {item["metadata"]["name"] for item in kind(backups, "ClusterRole", "ClusterRoleBinding")}
    assert {n for n in names if "velero" in n} == {"custos-custos-velero", "custos-custos-velero-node-agent"}
    for role in kind(backups, "ClusterRole"):
        for rule in role["rules"]:
            assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]], name(role)


# --- copy_credentials.py

SCRIPT = "charts/velero/files/copy_credentials.py"
PATIENCE = 30


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The script beside the helper that it imports, as the ConfigMap has them."""
    files = chart_files(PROJECT / "values/prod.yaml")
    folder = tmp_path_factory.mktemp("copy")
    for path in (SCRIPT, "charts/velero/files/web.py"):
        (folder / path.rpartition("/")[2]).write_bytes(files[path])
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("copy_credentials", folder / "copy_credentials.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(folder))
    del sys.modules["web"]
    return module


@pytest.fixture
def pod(
    server: ApiServer,
    backups: list[Object],
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> tuple[Any, str, str]:
    """The API, the release's namespace and Velero's; the script has what the server's pod has."""
    client = server.client()
    core: Any = kubernetes.client.CoreV1Api(client)
    create_from_dict: Any = kubernetes.utils.create_from_dict  # untyped
    number = str(abs(hash(request.node.name)))[:8]
    places = {NAMESPACE: f"from-{number}", VELERO: f"to-{number}"}
    for place in places.values():
        core.create_namespace({"metadata": {"name": place}})
    for item in kind(backups, "ServiceAccount", "Role", "RoleBinding"):
        if item["metadata"]["name"] in ("velero", "custos-velero"):
            own = json.loads(json.dumps(item))
            place = places[own["metadata"].pop("namespace", NAMESPACE)]
            for subject in own.get("subjects", []):
                subject["namespace"] = places[subject["namespace"]]
            create_from_dict(client, own, namespace=place)
    monkeypatch.setattr(script, "ACCOUNT", account(server, core, places[VELERO], "velero", tmp_path / "account"))
    monkeypatch.setattr(script, "PAUSE_SECONDS", 0.2)
    for key, value in {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(server.port),
        "FROM_NAMESPACE": places[NAMESPACE],
        "TO_NAMESPACE": places[VELERO],
        "STORE_SECRET": "custos-object-store",
        "REPOSITORY_SECRET": "custos-backup-repository",
        "RELEASE": "custos",
    }.items():
        monkeypatch.setenv(key, value)
    return core, places[NAMESPACE], places[VELERO]


def make(core: Any, place: str, item: str, **data: str) -> None:
    core.create_namespaced_secret(place, {"metadata": {"name": item}, "stringData": data})


def read(core: Any, place: str, item: str) -> dict[str, str]:
    return {k: base64.b64decode(v).decode() for k, v in core.read_namespaced_secret(item, place).data.items()}


def test_the_script_says_what_is_missing_waits_for_it_and_copies(
    pod: tuple[Any, str, str], script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    core, release, own = pod
    codes: list[int] = []
    running = threading.Thread(target=lambda: codes.append(script.main()), daemon=True)
    running.start()
    said = ""
    until = time.monotonic() + PATIENCE
    while "custos-backup-repository" not in said and time.monotonic() < until:
        said += capsys.readouterr().out
        time.sleep(0.1)
    assert f"Secret custos-object-store in namespace {release} is missing" in said
    assert f"kubectl --namespace {release} create secret generic custos-object-store --from-file=cloud=FILE" in said
    assert "take it from the recovery kit" in said
    make(core, release, "custos-object-store", cloud="[default]")
    make(core, release, "custos-backup-repository", **{"repository-password": "secret"})
    running.join(PATIENCE)
    assert codes == [0]
    assert read(core, own, "velero-credentials") == {"cloud": "[default]"}
    assert read(core, own, "velero-repo-credentials") == {"repository-password": "secret"}
    assert "secret" not in capsys.readouterr().out.replace("Secret", "").replace("secret generic", "")


def test_a_login_that_changed_is_brought_up_to_date_and_others_keys_stay(
    pod: tuple[Any, str, str], script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    core, release, own = pod
    make(core, release, "custos-object-store", cloud="new")
    make(core, release, "custos-backup-repository", **{"repository-password": "same"})
    make(core, own, "velero-credentials", cloud="old", other="theirs")
    make(core, own, "velero-repo-credentials", **{"repository-password": "same"})
    assert script.main() == 0
    assert read(core, own, "velero-credentials") == {"cloud": "new", "other": "theirs"}
    said = capsys.readouterr().out
    assert "velero-credentials: brought up to date" in said and "velero-repo-credentials: is as it should be" in said


def test_a_secret_without_the_key_is_named(pod: tuple[Any, str, str], script: ModuleType) -> None:
    core, release, _ = pod
    make(core, release, "custos-object-store", credentials="[default]")
    make(core, release, "custos-backup-repository", **{"repository-password": "p"})
    with pytest.raises(script.Waiting, match=r"custos-object-store in namespace .* has no key cloud"):
        script.found(script.Api(), script.wanted())


def test_a_refusal_ends_the_script(
    pod: tuple[Any, str, str],
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STORE_SECRET", "custos-mysql-admin")
    assert script.main() == 2
    assert "custos-mysql-admin" in capsys.readouterr().err
