"""Rules that hold for every object of every way to install the chart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal

import pytest

from generator import quantity
from tests.chart.conftest import Case
from tests.chart.helm import Object, containers, kind, name, pod_templates, selects

DNS_LABEL = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
}
SELECTOR_LABELS = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
SET_BY_AGENTS = ("role", "vault-active")  # labels that a running pod gets
LONG_LIVED = ("Deployment", "StatefulSet")
VELERO = "velero"  # its namespace


def of_velero(item: Object, *components: str) -> bool:
    """Whether an object is of the backups, and of one of these components where any is named."""
    labels = item["metadata"]["labels"]
    component = labels.get("app.kubernetes.io/component")
    return labels["app.kubernetes.io/name"] == "velero" and (not components or component in components)


def wanted_secrets(objects: list[Object]) -> dict[str, Object]:
    """What the Secrets Job makes, by name."""
    config = next(i for i in kind(objects, "ConfigMap") if "wanted.json" in i.get("data", {}))
    return {entry["name"]: entry for entry in json.loads(config["data"]["wanted.json"])}


def keys_made(entry: Object) -> set[str]:
    """The keys of a Secret that the Secrets Job makes."""
    if "keys" in entry:
        return set(entry["keys"])
    return {
        "authority": {"ca.crt", "ca.key"},
        "certificate": {"tls.crt", "tls.key", "ca.crt"},
        "truststore": {"ca.crt", "password", "truststore.p12", "public.p12"},
    }[next(kind for kind in ("authority", "certificate", "truststore") if kind in entry)]


def test_names_fit_and_are_unique(objects: list[Object]) -> None:
    seen = set()
    for item in objects:
        limit = 52 if item["kind"] == "StatefulSet" else 63
        own = item["metadata"]["name"]
        assert len(own) <= limit and DNS_LABEL.match(own), name(item)
        assert name(item) not in seen, f"{name(item)} is there twice"
        seen.add(name(item))


def test_no_request_is_above_its_limit(objects: list[Object]) -> None:
    """The API server refuses it, in the middle of an upgrade."""
    for item, pod in pod_templates(objects):
        for container in containers(pod):
            resources = container["resources"]
            for resource, limit in resources.get("limits", {}).items():
                asked = quantity.parse(resources.get("requests", {}).get(resource, "0")) or 0
                assert asked <= (quantity.parse(limit) or 0), f"{name(item)}, {container['name']}: {resource}"


def requested(template: Object, resource: str) -> Decimal:
    """What the scheduler reserves for a pod: its containers together, or its largest init container."""

    def of(container: Object) -> Decimal:
        return quantity.parse(container["resources"]["requests"].get(resource, "0")) or Decimal(0)

    spec = template["spec"]
    inits = spec.get("initContainers", [])
    beside = [c for c in inits if c.get("restartPolicy") == "Always"]
    running = sum(map(of, [*spec["containers"], *beside]), Decimal(0))
    return max([running, *(of(c) for c in inits if c not in beside)])


@pytest.mark.parametrize(("resource", "most"), [("memory", "12Gi"), ("cpu", "2")])
def test_the_lab_fits_a_small_computer(lab: list[Object], resource: str, most: str) -> None:
    """All that runs for long, every replica of it."""
    total = sum(
        (
            requested(template, resource) * item["spec"].get("replicas", 1)
            for item, template in pod_templates(lab)
            if item["kind"] in LONG_LIVED
        ),
        Decimal(0),
    )
    assert 0 < total <= (quantity.parse(most) or 0)


def test_container_volume_and_port_names_fit(objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        for container in containers(pod):
            assert len(container["name"]) <= 63
            for port in container.get("ports", []):
                assert re.match(r"^[a-z][a-z0-9-]{0,14}$", port["name"]), f"{name(item)}: {port}"


def test_labels_are_there_and_fit(objects: list[Object]) -> None:
    for item in objects:
        labels = item["metadata"].get("labels", {})
        assert labels.keys() >= LABELS, f"{name(item)} lacks {LABELS - labels.keys()}"
    for item, pod in pod_templates(objects):
        assert pod["metadata"]["labels"].keys() >= LABELS, name(item)
    for metadata in (*(i["metadata"] for i in objects), *(p["metadata"] for _, p in pod_templates(objects))):
        for key, value in metadata["labels"].items():
            assert len(value) <= 63, f"{metadata}: {key}"
            assert re.match(r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", value), f"{metadata}: {key}={value}"


def test_only_veleros_objects_name_a_namespace(objects: list[Object]) -> None:
    for item in objects:
        namespace = item["metadata"].get("namespace")
        assert namespace is None or (namespace == VELERO and of_velero(item)), name(item)


def test_selectors_hold_only_what_never_changes(objects: list[Object]) -> None:
    for item in kind(objects, *LONG_LIVED):
        assert set(item["spec"]["selector"]["matchLabels"]) == SELECTOR_LABELS, name(item)
        assert selects(item["spec"]["selector"], item["spec"]["template"]["metadata"]["labels"]), name(item)


def test_pods_carry_no_version(objects: list[Object]) -> None:
    """Else a new version of the chart alone restarts every pod."""
    for item in kind(objects, *LONG_LIVED):
        assert "helm.sh/chart" not in item["spec"]["template"]["metadata"]["labels"], name(item)


def test_each_selector_means_one_workload(objects: list[Object]) -> None:
    workloads = kind(objects, *LONG_LIVED)
    for item in workloads:
        matched = [
            other
            for other in workloads
            if selects(item["spec"]["selector"], other["spec"]["template"]["metadata"]["labels"])
        ]
        assert matched == [item], name(item)


# --- References


def test_services_select_pods_and_their_ports(objects: list[Object]) -> None:
    pods = [pod for _, pod in pod_templates(objects)]
    for service in kind(objects, "Service"):
        selector = {k: v for k, v in service["spec"]["selector"].items() if k not in SET_BY_AGENTS}
        matched = [pod for pod in pods if selects({"matchLabels": selector}, pod["metadata"]["labels"])]
        assert matched, f"{name(service)} selects no pod"
        for pod in matched:
            named = {port["name"]: port["containerPort"] for c in containers(pod) for port in c.get("ports", [])}
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                assert target in named or target in named.values(), f"{name(service)}: {target} is no port of the pod"


def config_maps_used(pod: Object) -> Iterator[tuple[str, set[str]]]:
    for volume in pod["spec"].get("volumes", []):
        sources = [volume, *volume.get("projected", {}).get("sources", [])]
        for source in sources:
            if "configMap" in source:
                yield source["configMap"]["name"], {i["key"] for i in source["configMap"].get("items", [])}
    for container in containers(pod):
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                yield source["configMapRef"]["name"], set()


def secrets_used(pod: Object) -> Iterator[tuple[str, set[str]]]:
    for volume in pod["spec"].get("volumes", []):
        if "secret" in volume:
            yield volume["secret"]["secretName"], {i["key"] for i in volume["secret"].get("items", [])}
        for source in volume.get("projected", {}).get("sources", []):
            if "secret" in source:
                yield source["secret"]["name"], {i["key"] for i in source["secret"].get("items", [])}
    for container in containers(pod):
        for entry in container.get("env", []):
            if reference := entry.get("valueFrom", {}).get("secretKeyRef"):
                yield reference["name"], {reference["key"]}


def test_config_maps_exist_with_their_keys(objects: list[Object]) -> None:
    there = {i["metadata"]["name"]: {*i.get("data", {}), *i.get("binaryData", {})} for i in kind(objects, "ConfigMap")}
    there["kube-root-ca.crt"] = {"ca.crt"}  # Kubernetes makes it in every namespace
    for item, pod in pod_templates(objects):
        for wanted, keys in config_maps_used(pod):
            assert wanted in there, f"{name(item)} needs ConfigMap {wanted}"
            assert keys <= there[wanted], f"{name(item)} needs {keys - there[wanted]} of ConfigMap {wanted}"


def test_secrets_are_made_by_the_job_or_named_by_the_operator(case: Case, objects: list[Object]) -> None:
    made = wanted_secrets(objects)
    operators = {f"custos-{n}" for n in ("mysql-users", "mysql-ca", "keycloak", "vault", "cilogon", "smtp")}
    for item, pod in pod_templates(objects):
        for wanted, keys in secrets_used(pod):
            if wanted in made:
                missing = keys - keys_made(made[wanted])
                assert not missing, f"{name(item)} needs {missing} of Secret {wanted}"
            else:
                assert case.name == "external" and wanted in operators, f"{name(item)}: nobody makes Secret {wanted}"


def test_no_object_is_a_secret(objects: list[Object]) -> None:
    """The Job makes them; a Secret in a template would be a password in the release's history."""
    assert kind(objects, "Secret") == []


def test_service_accounts_exist(objects: list[Object]) -> None:
    there = {i["metadata"]["name"] for i in kind(objects, "ServiceAccount")}
    used = {pod["spec"]["serviceAccountName"] for _, pod in pod_templates(objects)}
    assert used == there
    for binding in kind(objects, "RoleBinding"):
        assert {s["name"] for s in binding["subjects"]} <= there, name(binding)
        assert binding["roleRef"]["name"] in {i["metadata"]["name"] for i in kind(objects, "Role")}


def test_volumes_are_mounted_and_mounts_have_volumes(objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        mounted = {m["name"] for c in containers(pod) for m in c.get("volumeMounts", [])}
        claims = {c["metadata"]["name"] for c in item["spec"].get("volumeClaimTemplates", [])}
        assert mounted == {v["name"] for v in pod["spec"].get("volumes", [])} | claims, name(item)
        for container in containers(pod):
            paths = [m["mountPath"] for m in container.get("volumeMounts", [])]
            assert len(paths) == len(set(paths)), f"{name(item)}: two mounts at one path"


def test_mounted_paths_are_used(objects: list[Object]) -> None:
    """What is mounted below /etc or /scripts is named by somebody: command, environment or a script."""
    texts = json.dumps(kind(objects, "ConfigMap"))
    for item, pod in pod_templates(objects):
        for container in containers(pod):
            told = json.dumps([container.get(k) for k in ("command", "args", "env", "lifecycle")])
            for mount in container.get("volumeMounts", []):
                if mount["mountPath"].startswith(("/etc/custos", "/scripts")):
                    assert mount["mountPath"] in told + texts, f"{name(item)}: {mount['mountPath']}"


# --- Pods


def test_pod_security_is_restricted(objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        if of_velero(item, "node-agent"):
            continue  # test_velero.py
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] > 0, name(item)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name(item)
        assert not any(pod["spec"].get(k) for k in ("hostNetwork", "hostPID", "hostIPC")), name(item)
        for volume in pod["spec"].get("volumes", []):
            assert "hostPath" not in volume, name(item)
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, f"{name(item)}/{container['name']}"
            assert own["readOnlyRootFilesystem"] is True, f"{name(item)}/{container['name']}"
            assert own["capabilities"] == {"drop": ["ALL"]}, f"{name(item)}/{container['name']}"
            assert own.get("runAsUser", 1) > 0
            assert not any("hostPort" in port for port in container.get("ports", []))


def test_no_service_links(objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        assert pod["spec"]["enableServiceLinks"] is False, name(item)


def test_a_token_only_where_there_are_rights(objects: list[Object]) -> None:
    bound = {s["name"] for b in kind(objects, "RoleBinding") for s in b["subjects"]}
    for account in kind(objects, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False, name(account)
    for item, pod in pod_templates(objects):
        # Vault knows some services by their account: that needs a token, and no right.
        variables = {entry["name"] for container in containers(pod) for entry in container.get("env", [])}
        logs_in = "SPRING_CLOUD_VAULT_KUBERNETES_ROLE" in variables
        expected = pod["spec"]["serviceAccountName"] in bound or logs_in
        projected = any(
            "serviceAccountToken" in source
            for volume in pod["spec"].get("volumes", [])
            for source in volume.get("projected", {}).get("sources", [])
        )
        assert (pod["spec"]["automountServiceAccountToken"] or projected) is expected, name(item)


def test_roles_name_what_they_may(objects: list[Object]) -> None:
    for role in kind(objects, "Role"):
        for rule in role["rules"]:
            assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]], name(role)
            if "secrets" in rule["resources"] and rule["verbs"] != ["create"]:
                # Velero has two in its namespace; the kit is every Secret, encrypted (docs/security.md).
                everyone = role["metadata"].get("namespace") == VELERO or of_velero(role, "backup")
                assert rule.get("resourceNames") or everyone, f"{name(role)} may read every Secret"


def test_resolver_options(objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        options = {o["name"]: o["value"] for o in pod["spec"]["dnsConfig"]["options"]}
        assert options == {"ndots": "1", "timeout": "1", "attempts": "1"}, name(item)


def test_requests_and_memory_limits(objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        for container in containers(pod):
            resources = container["resources"]
            where = f"{name(item)}/{container['name']}"
            assert resources["requests"].keys() >= {"cpu", "memory"}, where
            assert mebibytes(resources["requests"]["memory"]) <= mebibytes(resources["limits"]["memory"]), where


def mebibytes(quantity: str) -> int:
    match = re.fullmatch(r"([0-9]+)(Mi|Gi)", quantity)
    assert match, f"a memory quantity that this does not know: {quantity}"
    return int(match[1]) * {"Mi": 1, "Gi": 1024}[match[2]]


@pytest.mark.parametrize(("quantity", "expected"), [("150Mi", 150), ("2Gi", 2048)])
def test_mebibytes(quantity: str, expected: int) -> None:
    assert mebibytes(quantity) == expected


def test_probes_of_what_runs_long(objects: list[Object]) -> None:
    for item in kind(objects, *LONG_LIVED):
        if of_velero(item, "backup"):
            continue  # it waits for hooks, which fail where it does not work
        for container in item["spec"]["template"]["spec"]["containers"]:
            where = f"{name(item)}/{container['name']}"
            assert container.keys() >= {"readinessProbe", "livenessProbe"}, where
            if container["name"] != "agent":
                assert "startupProbe" in container, where
                # Velero's server is called by nobody.
                assert container.get("lifecycle", {}).get("preStop") or of_velero(item), f"{where} does not drain"
            for kind_of in ("readinessProbe", "livenessProbe", "startupProbe"):
                for port in (container.get(kind_of, {}).get(h, {}).get("port") for h in ("httpGet", "tcpSocket")):
                    assert port is None or port in {p["name"] for p in container["ports"]}, f"{where}: {kind_of}"


def test_liveness_does_not_ask_for_others(objects: list[Object]) -> None:
    """A store that is down is no reason to restart those who use it."""
    for item in kind(objects, "Deployment"):
        for container in item["spec"]["template"]["spec"]["containers"]:
            path = container["livenessProbe"].get("httpGet", {}).get("path", "")
            own = ("", "/actuator/health/liveness", "/auth/health/live", "/ping", "/metrics")
            assert path in own, f"{name(item)}: {path}"


def test_shutdown_fits_into_the_grace_period(objects: list[Object]) -> None:
    for item in kind(objects, "Deployment"):
        spec = item["spec"]["template"]["spec"]
        for container in spec["containers"]:
            drain = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            assert drain + 20 <= spec["terminationGracePeriodSeconds"]


def test_every_workload_has_a_disruption_budget(objects: list[Object]) -> None:
    budgets = kind(objects, "PodDisruptionBudget")
    for item in kind(objects, *LONG_LIVED):
        labels = item["spec"]["template"]["metadata"]["labels"]
        matched = [b for b in budgets if selects(b["spec"]["selector"], labels)]
        assert len(matched) == 1, name(item)
        assert matched[0]["spec"]["maxUnavailable"] == 1, "one pod may go, or its node can never be drained"
    assert len(budgets) == len(kind(objects, *LONG_LIVED))


def test_pods_are_spread(case: Case, objects: list[Object]) -> None:
    for item in kind(objects, *LONG_LIVED):
        spec = item["spec"]["template"]["spec"]
        spread = [*spec.get("topologySpreadConstraints", []), *(spec.get("affinity") or {})]
        if item["spec"]["replicas"] > 1:
            assert spread, name(item)


def test_images_have_a_tag_that_stays(objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        for container in containers(pod):
            _, _, tag = container["image"].rpartition("/")[2].partition(":")
            assert tag and tag != "latest", f"{name(item)}: {container['image']}"


def test_a_mirror_moves_every_image(case: Case, objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        moved = [c["image"].startswith("mirror.example.org/all/") for c in containers(pod)]
        assert set(moved) == {case.name == "mirror"}, name(item)
        assert pod["spec"].get("imagePullSecrets") == ([{"name": "mirror"}] if case.name == "mirror" else None)


def test_commands_are_the_charts_own(case: Case, objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        for container in containers(pod):
            if case.name != "mends-off" or container["name"] != "service":
                assert container.get("command"), f"{name(item)}/{container['name']} relies on an entrypoint"


def test_rolling_updates_lose_no_capacity(objects: list[Object]) -> None:
    for item in kind(objects, "Deployment"):
        if of_velero(item):  # one at a time
            assert item["spec"]["strategy"] == {"type": "Recreate"}
        else:
            assert item["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, name(item)


def test_configuration_changes_roll_pods(objects: list[Object]) -> None:
    for item in kind(objects, "Deployment"):
        annotations = item["spec"]["template"]["metadata"]["annotations"]
        assert [key for key in annotations if key.startswith("checksum/")], name(item)


def test_hooks_clean_up(objects: list[Object]) -> None:
    """What a hook leaves must not be in the way of the next one."""
    for item in objects:
        annotations = item["metadata"].get("annotations", {})
        if "helm.sh/hook" in annotations:
            assert "before-hook-creation" in annotations["helm.sh/hook-delete-policy"], name(item)


def test_what_helm_test_asks_has_the_types_that_its_script_takes(objects: list[Object]) -> None:
    """An empty list that a template leaves out is null, which the script cannot go through."""
    config = next(i for i in kind(objects, "ConfigMap") if "checks.json" in i.get("data", {}))
    checks = json.loads(config["data"]["checks.json"])
    assert checks
    for check in checks:
        assert isinstance(check.pop("service"), str)
        assert isinstance(check.pop("tcp"), list)
        assert all(isinstance(check.pop(key, ""), str) for key in ("health", "reaches"))
        assert check == {}


def test_pods_notice_that_a_peers_machine_is_gone(objects: list[Object]) -> None:
    """By the kernel's keep-alive: gRPC clients of Custos ask for it, and have no other way to notice."""
    for item, pod in pod_templates(objects):
        sysctls = {s["name"]: int(s["value"]) for s in pod["spec"]["securityContext"]["sysctls"]}
        idle, interval, probes = (sysctls[f"net.ipv4.tcp_keepalive_{key}"] for key in ("time", "intvl", "probes"))
        assert idle + interval * probes <= 30, name(item)
