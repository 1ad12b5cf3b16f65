"""The objects of production, written out: what is not here is a surprise, and so is what is missing."""

from __future__ import annotations

from collections.abc import Callable

from tests.chart.conftest import BACKUPS, Case
from tests.chart.helm import Object

SERVICES = [
    "custos-agent-management-service",
    "custos-agent-profile-core-service",
    "custos-cluster-management-core-service",
    "custos-configuration-service",
    "custos-credential-store-core-service",
    "custos-federated-authentication-core-service",
    "custos-group-management-service",
    "custos-grpc-web-proxy",
    "custos-iam-admin-core-service",
    "custos-identity-core-service",
    "custos-identity-management-service",
    "custos-integration-services-swagger",
    "custos-log-management-service",
    "custos-logging",
    "custos-messaging-core-service",
    "custos-resource-secret-core-service",
    "custos-resource-secret-management-service",
    "custos-scim-service",
    "custos-sharing-core-service",
    "custos-sharing-management-service",
    "custos-tenant-management-service",
    "custos-tenant-profile-core-service",
    "custos-user-management-service",
    "custos-user-profile-core-service",
]
# The platform itself and the services, then what each store adds.
PLATFORM = {
    "ConfigMap": [
        "custos-configuration",
        "custos-grpc-web-proxy-config",
        "custos-scripts",
        "custos-secrets",
        "custos-secrets-renewal",
        "custos-test",
    ],
    "CronJob": ["custos-secrets-renewal"],
    "Deployment": SERVICES,
    "Job": ["custos-secrets"],
    "NetworkPolicy": [
        *SERVICES,
        "custos-default-deny",
        "custos-secrets",
        "custos-secrets-renewal",
        "custos-test",
    ],
    "Pod": ["custos-test"],
    "PodDisruptionBudget": SERVICES,
    "Role": ["custos-cluster-management-core-service", "custos-secrets", "custos-secrets-renewal"],
    "RoleBinding": ["custos-cluster-management-core-service", "custos-secrets", "custos-secrets-renewal"],
    "Service": SERVICES,
    "ServiceAccount": [*SERVICES, "custos-secrets", "custos-secrets-renewal", "custos-test"],
}
MYSQL = {
    "ConfigMap": ["custos-mysql-options", "custos-mysql-scripts", "custos-mysql-settings"],
    "NetworkPolicy": ["custos-mysql"],
    "PodDisruptionBudget": ["custos-mysql"],
    "Role": ["custos-mysql"],
    "RoleBinding": ["custos-mysql"],
    "Service": ["custos-mysql", "custos-mysql-primary", "custos-mysql-replicas"],
    "ServiceAccount": ["custos-mysql"],
    "StatefulSet": ["custos-mysql"],
}
POSTGRESQL = {
    "ConfigMap": ["custos-postgresql-scripts", "custos-postgresql-settings"],
    "NetworkPolicy": ["custos-postgresql"],
    "PodDisruptionBudget": ["custos-postgresql"],
    "Role": ["custos-postgresql"],
    "RoleBinding": ["custos-postgresql"],
    "Service": ["custos-postgresql", "custos-postgresql-primary", "custos-postgresql-replicas"],
    "ServiceAccount": ["custos-postgresql"],
    "StatefulSet": ["custos-postgresql"],
}
KAFKA = {
    "ConfigMap": ["custos-kafka-options", "custos-kafka-program"],
    "NetworkPolicy": ["custos-kafka"],
    "PodDisruptionBudget": ["custos-kafka"],
    "Service": ["custos-kafka", "custos-kafka-nodes"],
    "ServiceAccount": ["custos-kafka"],
    "StatefulSet": ["custos-kafka"],
}
CONSUL = {
    "ConfigMap": ["custos-consul-config", "custos-consul-wanted"],
    "NetworkPolicy": ["custos-consul", "custos-consul-snapshot"],
    "PodDisruptionBudget": ["custos-consul", "custos-consul-snapshot"],
    "Service": ["custos-consul"],
    "ServiceAccount": ["custos-consul", "custos-consul-snapshot"],
    "StatefulSet": ["custos-consul", "custos-consul-snapshot"],
}
VAULT = {
    "ClusterRoleBinding": ["custos-custos-vault-token-review"],
    "ConfigMap": ["custos-vault-config", "custos-vault-wanted"],
    "NetworkPolicy": ["custos-vault"],
    "PodDisruptionBudget": ["custos-vault"],
    "Role": ["custos-vault"],
    "RoleBinding": ["custos-vault"],
    "Service": ["custos-vault", "custos-vault-internal"],
    "ServiceAccount": ["custos-vault"],
    "StatefulSet": ["custos-vault"],
}
KEYCLOAK = {
    "ConfigMap": ["custos-keycloak-config", "custos-keycloak-providers", "custos-lenient-json"],
    "Deployment": ["custos-keycloak"],
    "NetworkPolicy": ["custos-keycloak"],
    "PodDisruptionBudget": ["custos-keycloak"],
    "Service": ["custos-keycloak"],
    "ServiceAccount": ["custos-keycloak"],
}
INGRESS = {
    "ConfigMap": ["custos-ingress-options", "custos-ingress-routes"],
    "Deployment": ["custos-ingress"],
    "NetworkPolicy": ["custos-ingress"],
    "PodDisruptionBudget": ["custos-ingress"],
    "Service": ["custos-ingress"],
    "ServiceAccount": ["custos-ingress"],
}
# What backups add in the release's namespace, and in the cluster; then in Velero's.
BACKUP = {
    "ClusterRole": ["custos-custos-velero", "custos-custos-velero-node-agent"],
    "ClusterRoleBinding": ["custos-custos-velero", "custos-custos-velero-node-agent"],
    "ConfigMap": ["custos-backup-scripts"],
    "Namespace": ["velero"],
    "NetworkPolicy": ["custos-backup"],
    "PodDisruptionBudget": ["custos-backup"],
    "Role": ["custos-backup", "custos-velero", "custos-velero-node-agent"],
    "RoleBinding": ["custos-backup", "custos-velero", "custos-velero-node-agent"],
    "ServiceAccount": ["custos-backup"],
    "StatefulSet": ["custos-backup"],
}
VELERO = {
    "BackupStorageLocation": ["default"],
    "ConfigMap": ["copy-credentials", "node-agent", "repository-maintenance", "repository-options"],
    "DaemonSet": ["node-agent"],
    "Deployment": ["velero"],
    "NetworkPolicy": ["velero"],
    "PodDisruptionBudget": ["velero"],
    "Role": ["node-agent", "velero"],
    "RoleBinding": ["node-agent", "velero"],
    "Schedule": ["custos"],
    "ServiceAccount": ["node-agent", "velero"],
}
PARTS = [PLATFORM, MYSQL, POSTGRESQL, KAFKA, CONSUL, VAULT, KEYCLOAK, INGRESS]


Names = dict[str, list[str]]


def names_by_kind(objects: list[Object]) -> Names:
    found: Names = {}
    for item in objects:
        found.setdefault(item["kind"], []).append(item["metadata"]["name"])
    return {kind: sorted(names) for kind, names in found.items()}


def together(parts: list[Names]) -> Names:
    kinds = {kind for part in parts for kind in part}
    return {kind: sorted(name for part in parts for name in part.get(kind, [])) for kind in kinds}


def test_objects_of_production(prod: list[Object]) -> None:
    assert names_by_kind(prod) == together(PARTS)
    assert len(SERVICES) == 24


def test_objects_of_backups(objects_of: Callable[[Case], list[Object]]) -> None:
    objects = objects_of(Case("backups", "prod", settings=BACKUPS))
    own = [item for item in objects if "namespace" in item["metadata"]]
    assert names_by_kind(own) == together([VELERO])
    assert names_by_kind([item for item in objects if item not in own]) == together([*PARTS, BACKUP])
