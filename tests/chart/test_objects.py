"""The objects of production, written out: what is not here is a surprise, and so is what is missing."""

from __future__ import annotations

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
EXPECTED = {
    "ConfigMap": [
        "custos-configuration",
        "custos-grpc-web-proxy-config",
        "custos-keycloak-config",
        "custos-keycloak-providers",
        "custos-lenient-json",
        "custos-mysql-options",
        "custos-mysql-scripts",
        "custos-mysql-settings",
        "custos-postgresql-scripts",
        "custos-postgresql-settings",
        "custos-scripts",
        "custos-secrets",
        "custos-test",
    ],
    "Deployment": [*SERVICES, "custos-keycloak"],
    "Job": ["custos-secrets"],
    "NetworkPolicy": [
        *SERVICES,
        "custos-default-deny",
        "custos-keycloak",
        "custos-mysql",
        "custos-postgresql",
        "custos-secrets",
        "custos-test",
    ],
    "Pod": ["custos-test"],
    "PodDisruptionBudget": [*SERVICES, "custos-keycloak", "custos-mysql", "custos-postgresql"],
    "Role": ["custos-cluster-management-core-service", "custos-mysql", "custos-postgresql", "custos-secrets"],
    "RoleBinding": ["custos-cluster-management-core-service", "custos-mysql", "custos-postgresql", "custos-secrets"],
    "Service": [
        *SERVICES,
        "custos-keycloak",
        *("custos-mysql", "custos-mysql-primary", "custos-mysql-replicas"),
        *("custos-postgresql", "custos-postgresql-primary", "custos-postgresql-replicas"),
    ],
    "ServiceAccount": [
        *SERVICES,
        *("custos-keycloak", "custos-mysql", "custos-postgresql", "custos-secrets", "custos-test"),
    ],
    "StatefulSet": ["custos-mysql", "custos-postgresql"],
}


def test_objects_of_production(prod: list[Object]) -> None:
    found: dict[str, list[str]] = {}
    for item in prod:
        found.setdefault(item["kind"], []).append(item["metadata"]["name"])
    assert {kind: sorted(names) for kind, names in found.items()} == {
        kind: sorted(names) for kind, names in EXPECTED.items()
    }
    assert len(SERVICES) == 24
