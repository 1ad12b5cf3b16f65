"""What the real services of Custos 1.1 need, one test a point.

The points were found by building the services from upstream's source and running them against real stores.
The chart is made for them, not for the stand-in that the lab runs in their place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.chart.conftest import CASES, Case
from tests.chart.helm import Object, containers, environment, find, kind

CORE_WITH_KEYCLOAK = ["iam-admin-core-service", "identity-core-service"]
CORE_WITH_VAULT = ["credential-store-core-service", "resource-secret-core-service"]
SCHEMAS = {
    "tenant-profile-core-service": "core_tenant",
    "credential-store-core-service": "core_credential_store",
    "iam-admin-core-service": "core_iam",
    "identity-core-service": "core_identity",
    "federated-authentication-core-service": "core_federated_authentication",
    "user-profile-core-service": "core_user_profile",
    "sharing-core-service": "core_sharing",
    "resource-secret-core-service": "core_resource_secret",
    "agent-profile-core-service": "core_agent_profile",
    "cluster-management-core-service": "core_cluster_manager",
    "custos-logging": "core_logging",
    "custos-messaging-core-service": "core_messaging",
}
INTEGRATION = [
    "tenant-management-service",
    "user-management-service",
    "identity-management-service",
    "group-management-service",
    "sharing-management-service",
    "agent-management-service",
    "resource-secret-management-service",
    "log-management-service",
]
WEB = ["scim-service", "custos-integration-services-swagger"]
CONFIG = "custos-configuration-service"
PROXY = "custos-grpc-web-proxy"
JAVA = [CONFIG, *SCHEMAS, *INTEGRATION, *WEB]
OTHERS = [*SCHEMAS, *INTEGRATION, *WEB]
# Upstream's code of these has no client of the config server: what it would serve never reaches them.
NO_CLIENTS = [
    "tenant-profile-core-service",
    "credential-store-core-service",
    "user-profile-core-service",
    "sharing-core-service",
    "resource-secret-core-service",
    "agent-profile-core-service",
    "cluster-management-core-service",
]
CLIENTS = [service for service in OTHERS if service not in NO_CLIENTS]


def full(service: str) -> str:
    """The name of a service's objects in the release `custos`."""
    return service if service.startswith("custos-") else f"custos-{service}"


def pod(objects: list[Object], service: str) -> Object:
    result: Object = find(objects, "Deployment", full(service))["spec"]["template"]
    return result


def container(objects: list[Object], service: str, name: str = "service") -> Object:
    return next(c for c in containers(pod(objects, service)) if c["name"] == name)


def env(objects: list[Object], service: str) -> dict[str, Any]:
    return environment(container(objects, service))


def config_files(objects: list[Object]) -> dict[str, dict[str, str]]:
    """The files of the config server: name → key → value."""
    data = find(objects, "ConfigMap", "custos-configuration")["data"]
    return {name: dict(line.split("=", 1) for line in text.splitlines() if line) for name, text in data.items()}


@pytest.fixture(scope="module")
def mends_off(objects_of: Callable[[Case], list[Object]]) -> list[Object]:
    return objects_of(next(case for case in CASES if case.name == "mends-off"))


# --- Environment and config server


@pytest.mark.parametrize("service", CLIENTS)
def test_services_ask_the_config_server_and_fail_fast(prod: list[Object], service: str) -> None:
    own = env(prod, service)
    assert own["SPRING_CLOUD_CONFIG_URI"] == f"http://{CONFIG}.custos.svc.cluster.local.:9000"
    assert own["SPRING_CLOUD_CONFIG_FAILFAST"] == "true"


@pytest.mark.parametrize("service", NO_CLIENTS)
def test_services_without_a_client_take_their_settings_from_the_environment(
    prod: list[Object], catalogue: dict[str, Any], service: str
) -> None:
    own = env(prod, service)
    assert not [name for name in own if name.startswith("SPRING_CLOUD_CONFIG")]
    for key in catalogue["services"][service].get("settings", {}):
        assert re.sub(r"[.-]", "_", key).upper() in own


def test_the_config_server_serves_files_from_a_directory(prod: list[Object]) -> None:
    own = env(prod, CONFIG)
    assert own["SPRING_PROFILES_ACTIVE"] == "native"
    folder = own["SPRING_CLOUD_CONFIG_SERVER_NATIVE_SEARCHLOCATIONS"]
    mounts = {m["mountPath"]: m["name"] for m in container(prod, CONFIG)["volumeMounts"]}
    volume = next(v for v in pod(prod, CONFIG)["spec"]["volumes"] if v["name"] == mounts[folder[5:-1]])
    assert folder.startswith("file:/") and folder.endswith("/")
    assert volume["configMap"]["name"] == "custos-configuration"


def test_there_is_one_file_for_each_application_and_profile(prod: list[Object]) -> None:
    expected = {f"{env(prod, service)['SPRING_APPLICATION_NAME']}-custos.properties" for service in CLIENTS}
    assert set(config_files(prod)) == expected
    assert len(expected) == len(CLIENTS) == 15


@pytest.mark.parametrize("service", OTHERS)
def test_the_profile_is_the_files_own(prod: list[Object], service: str) -> None:
    assert env(prod, service)["SPRING_PROFILES_ACTIVE"] == "custos"


def test_no_key_stands_in_a_file_and_in_the_environment(prod: list[Object], external: list[Object]) -> None:
    """The file would win, and the Secret would be of no effect."""
    for objects in (prod, external):
        files = config_files(objects)
        for service in CLIENTS:
            own = env(objects, service)
            for key in files[f"{own['SPRING_APPLICATION_NAME']}-custos.properties"]:
                assert re.sub(r"[.-]", "_", key).upper() not in own, f"{service}: {key}"


def test_no_secret_is_on_the_config_server(external: list[Object]) -> None:
    """It has no login."""
    for name, file in config_files(external).items():
        for key in file:
            assert not re.search(r"password|secret$|token$|client\.(id|secret)$|admin\.username", key) or key in (
                "iam.server.client.id",  # admin-cli, Keycloak's public one
            ), f"{name}: {key}"


SECRET_KEYS = [
    ("IAM_SERVER_ADMIN_USERNAME", "custos-keycloak", "admin-username", CORE_WITH_KEYCLOAK),
    ("IAM_SERVER_ADMIN_PASSWORD", "custos-keycloak", "admin-password", CORE_WITH_KEYCLOAK),
    ("IAM_SERVER_TRUSTSTORE_PASSWORD", "custos-truststore", "password", CORE_WITH_KEYCLOAK),
    (
        *("CILOGON_ADMIN_CLIENT_ID", "custos-cilogon", "client-id"),
        [*CORE_WITH_KEYCLOAK, "federated-authentication-core-service"],
    ),
    (
        *("CILOGON_ADMIN_CLIENT_SECRET", "custos-cilogon", "client-secret"),
        [*CORE_WITH_KEYCLOAK, "federated-authentication-core-service"],
    ),
    ("MAIL_SENDER_PASSWORD", "custos-smtp", "password", ["custos-messaging-core-service"]),
    ("SPRING_CLOUD_VAULT_TOKEN", "custos-vault", "token", CORE_WITH_VAULT),
]


@pytest.mark.parametrize(("variable", "secret", "key", "services"), SECRET_KEYS, ids=[k[0] for k in SECRET_KEYS])
def test_secrets_come_by_environment(
    external: list[Object], variable: str, secret: str, key: str, services: list[str]
) -> None:
    for service in JAVA:
        expected = (secret, key) if service in services else None
        assert env(external, service).get(variable) == expected, service


@pytest.mark.parametrize("service", JAVA)
def test_tracing_is_off(prod: list[Object], mends_off: list[Object], service: str) -> None:
    """A public address is baked into the images."""
    assert env(prod, service)["SPRING_ZIPKIN_ENABLED"] == "false"
    assert "SPRING_ZIPKIN_ENABLED" not in env(mends_off, service)


@pytest.mark.parametrize("service", SCHEMAS)
def test_connection_pools_are_small(prod: list[Object], mends_off: list[Object], service: str) -> None:
    """Ten a pod, the default, would take most of the connections that MySQL has."""
    assert 3 <= int(env(prod, service)["SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE"]) <= 5
    assert "SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE" not in env(mends_off, service)


@pytest.mark.parametrize("service", SCHEMAS)
def test_pools_give_up_old_connections(prod: list[Object], service: str) -> None:
    assert int(env(prod, service)["SPRING_DATASOURCE_HIKARI_MAXLIFETIME"]) <= 300_000


@pytest.mark.parametrize("service", JAVA)
def test_no_open_jmx(prod: list[Object], service: str) -> None:
    own = container(prod, service)
    assert "jmx" not in str(own).lower() and "JAVA_TOOL_OPTIONS" not in environment(own)
    assert 5000 not in [port["containerPort"] for port in own["ports"]]


# --- Start order


@pytest.mark.parametrize("service", CLIENTS)
def test_services_wait_for_mysql_and_the_config_server_only(prod: list[Object], service: str) -> None:
    """Peers and Kafka are connected when they are needed."""
    waits = container(prod, service, "wait")["args"]
    application = env(prod, service)["SPRING_APPLICATION_NAME"]
    url = f"http=http://{CONFIG}.custos.svc.cluster.local.:9000/{application}/custos,"
    assert [wait for wait in waits if not wait.startswith("tcp=")] == [w for w in waits if w.startswith(url)]
    expected = ["tcp=custos-mysql-primary.custos.svc.cluster.local.:3306"] if service in SCHEMAS else []
    assert waits[1:] == expected


@pytest.mark.parametrize("service", NO_CLIENTS)
def test_services_without_a_client_wait_for_mysql_only(prod: list[Object], service: str) -> None:
    assert container(prod, service, "wait")["args"] == ["tcp=custos-mysql-primary.custos.svc.cluster.local.:3306"]


@pytest.mark.parametrize("service", CLIENTS)
def test_services_wait_for_this_releases_configuration(prod: list[Object], service: str) -> None:
    own = config_files(prod)[f"{env(prod, service)['SPRING_APPLICATION_NAME']}-custos.properties"]
    awaited = container(prod, service, "wait")["args"][0].rpartition(",")[2]
    assert own["custos.platform.revision"] == awaited
    assert pod(prod, service)["metadata"]["annotations"]["checksum/configuration"] == awaited


def test_the_config_server_waits_for_nobody(prod: list[Object]) -> None:
    assert "initContainers" not in pod(prod, CONFIG)["spec"]


# --- Images

HEAPS = {
    "iam-admin-core-service": 450,
    CONFIG: 350,
    "identity-core-service": 300,
    "user-profile-core-service": 250,
    "sharing-core-service": 250,
    "credential-store-core-service": 250,
    "resource-secret-core-service": 250,
    "custos-messaging-core-service": 250,
    "user-management-service": 250,
    "federated-authentication-core-service": 200,
}


@pytest.mark.parametrize("service", JAVA)
def test_the_heap_is_set_by_an_explicit_command(prod: list[Object], mends_off: list[Object], service: str) -> None:
    """The image's entrypoint has a heap that JAVA_TOOL_OPTIONS cannot change."""
    command = container(prod, service)["command"]
    assert command[0] == "java"
    if service != "iam-admin-core-service":
        assert command[-2:] == ["-jar", "/app.jar"]
    assert f"-Xmx{HEAPS.get(service, 130)}m" in command
    assert {"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"} <= set(command)
    assert "command" not in container(mends_off, service)


@pytest.mark.parametrize("service", JAVA)
def test_memory_fits_what_was_measured(prod: list[Object], service: str) -> None:
    """235 MB at a heap of 250m; upstream's limit of 250Mi is too small."""
    resources = container(prod, service)["resources"]
    heap = HEAPS.get(service, 130)
    assert int(resources["limits"]["memory"].removesuffix("Mi")) >= heap + 200
    assert int(resources["requests"]["memory"].removesuffix("Mi")) >= heap + 100


@pytest.mark.parametrize("service", [*JAVA, PROXY])
def test_images_are_upstreams(prod: list[Object], service: str) -> None:
    spelt = service.replace("federated-authentication", "federeted-authentication")
    assert container(prod, service)["image"] == f"apachecustos/{spelt}:1.1"


@pytest.mark.parametrize("service", INTEGRATION)
def test_sidecars_are_upstreams(prod: list[Object], service: str) -> None:
    sidecar = container(prod, service, "sidecar")
    assert sidecar["image"] == f"apachecustos/{service}-sidecar:1.1"
    assert sidecar["command"] == ["/usr/local/bin/envoy", "-c", "/etc/envoy/envoy.yaml"]
    assert {p["containerPort"] for p in sidecar["ports"]} == {50000, 9901}


def test_only_integration_services_have_a_sidecar(prod: list[Object]) -> None:
    with_sidecar = {
        item["metadata"]["name"]
        for item in kind(prod, "Deployment")
        if "sidecar" in [c["name"] for c in item["spec"]["template"]["spec"]["containers"]]
    }
    assert with_sidecar == {full(service) for service in INTEGRATION}


@pytest.mark.parametrize("service", [*JAVA, PROXY])
def test_services_run_unprivileged_with_only_tmp_to_write(prod: list[Object], service: str) -> None:
    """The images have no user and would run as root."""
    spec = pod(prod, service)["spec"]
    assert spec["securityContext"]["runAsUser"] >= 1000
    own = container(prod, service)
    assert own["securityContext"]["readOnlyRootFilesystem"] is True
    assert [m["mountPath"] for m in own["volumeMounts"] if not m.get("readOnly")] == ["/tmp"]


def test_nothing_hides_scims_schema_file(prod: list[Object]) -> None:
    """/home/ubuntu/schemas/custos_user_schema_extention.json is in its image."""
    for mount in container(prod, "scim-service")["volumeMounts"]:
        assert not "/home/ubuntu/schemas".startswith(mount["mountPath"]) or mount["mountPath"] == ""


# --- Ports


@pytest.mark.parametrize("service", JAVA)
def test_ports(prod: list[Object], service: str) -> None:
    ports = {p["name"]: p["port"] for p in find(prod, "Service", full(service))["spec"]["ports"]}
    expected = {"http": 9000} if service == CONFIG else {"http": 8080}
    if service not in [*WEB, CONFIG]:
        expected["grpc"] = 7000
    if service in INTEGRATION:
        expected["rest"] = 50000
    assert ports == expected
    assert env(prod, service)["SERVER_PORT"] == str(expected["http"])
    assert env(prod, service).get("GRPC_PORT") == (str(expected["grpc"]) if "grpc" in expected else None)


def test_the_grpc_web_proxy(prod: list[Object]) -> None:
    assert [p["port"] for p in find(prod, "Service", PROXY)["spec"]["ports"]] == [40000]
    text = find(prod, "ConfigMap", f"{PROXY}-config")["data"]["envoy.yaml"]
    config = yaml.safe_load(text)
    listener = config["static_resources"]["listeners"][0]
    assert listener["address"]["socket_address"]["port_value"] == 40000
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    routes = {
        r["match"]["prefix"]: r["route"]["cluster"] for r in manager["route_config"]["virtual_hosts"][0]["routes"]
    }
    assert routes["/org.apache.custos.user.management.service.UserManagementService/"] == "user-management-service"
    assert set(routes.values()) == set(INTEGRATION)
    clusters = {c["name"]: c for c in config["static_resources"]["clusters"]}
    assert set(clusters) == set(INTEGRATION)
    assert "envoy.filters.http.grpc_web" in [f["name"] for f in manager["http_filters"]]


# --- Health


@pytest.mark.parametrize("service", JAVA)
def test_health_groups(prod: list[Object], external: list[Object], service: str) -> None:
    for objects in (prod, external):
        own = env(objects, service)
        looks = "db" if service in SCHEMAS else "ping"
        looks += ",vault" if service in CORE_WITH_VAULT else ""
        assert own["MANAGEMENT_ENDPOINT_HEALTH_GROUP_LIVENESS_INCLUDE"] == "ping"
        assert own["MANAGEMENT_ENDPOINT_HEALTH_GROUP_READINESS_INCLUDE"] == looks
        probes = container(objects, service)
        assert probes["livenessProbe"]["httpGet"]["path"] == "/actuator/health/liveness"
        assert probes["readinessProbe"]["httpGet"]["path"] == "/actuator/health/readiness"


@pytest.mark.parametrize("service", JAVA)
def test_without_health_groups_liveness_only_asks_for_the_port(mends_off: list[Object], service: str) -> None:
    """Plain health is 503 while Vault is down."""
    own = container(mends_off, service)
    assert own["livenessProbe"]["tcpSocket"] == {"port": "http"}
    assert own["readinessProbe"]["httpGet"]["path"] == "/actuator/health"
    assert "MANAGEMENT_ENDPOINT_HEALTH_GROUP_LIVENESS_INCLUDE" not in environment(own)


@pytest.mark.parametrize("service", INTEGRATION)
def test_probes_stand_on_the_service_and_on_its_sidecar(prod: list[Object], service: str) -> None:
    """Upstream's readiness stands on the sidecar alone and asks the service's port."""
    assert container(prod, service)["readinessProbe"]["httpGet"]["port"] == "http"
    assert container(prod, service, "sidecar")["readinessProbe"]["httpGet"] == {
        "path": "/ready",
        "port": "admin",
    }


@pytest.mark.parametrize("service", JAVA)
def test_actuator_endpoints_are_closed(prod: list[Object], mends_off: list[Object], service: str) -> None:
    """env, heapdump and loggers are open without a login otherwise."""
    assert env(prod, service)["MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE"] == "health,info,prometheus"
    assert "MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE" not in env(mends_off, service)


# --- MySQL


def jdbc(objects: list[Object], service: str) -> tuple[str, dict[str, str]]:
    """Address and parameters of a service's data source."""
    address, _, query = str(env(objects, service)["SPRING_DATASOURCE_URL"]).partition("?")
    return address, dict(pair.split("=", 1) for pair in query.split("&"))


@pytest.mark.parametrize(("service", "schema"), SCHEMAS.items())
def test_each_service_has_its_own_schema_and_account(prod: list[Object], service: str, schema: str) -> None:
    address, _ = jdbc(prod, service)
    assert address == f"jdbc:mysql://custos-mysql-primary.custos.svc.cluster.local.:3306/{schema}"
    assert env(prod, service)["SPRING_DATASOURCE_USERNAME"] == schema
    assert env(prod, service)["SPRING_DATASOURCE_PASSWORD"] == ("custos-mysql-users", service)


@pytest.mark.parametrize("service", SCHEMAS)
def test_mysqls_certificate_is_checked(prod: list[Object], service: str) -> None:
    """By the CA: this driver compares a host name with the common name only; and it knows TLS 1.2 at most."""
    _, parameters = jdbc(prod, service)
    assert parameters["sslMode"] == "VERIFY_CA" and "useSSL" not in parameters
    assert parameters["trustCertificateKeyStoreType"] == "PKCS12"
    assert parameters["enabledTLSProtocols"] == "TLSv1.2"
    store = parameters["trustCertificateKeyStoreUrl"].removeprefix("file:")
    own = container(prod, service)
    mount = next(m for m in own["volumeMounts"] if store.startswith(m["mountPath"] + "/"))
    volume = next(v for v in pod(prod, service)["spec"]["volumes"] if v["name"] == mount["name"])
    assert store.rpartition("/")[2] in [item["path"] for item in volume["secret"]["items"]]
    variable = parameters["trustCertificateKeyStorePassword"].removeprefix("$(").removesuffix(")")
    assert environment(own)[variable] == (volume["secret"]["secretName"], "password")
    names = [entry["name"] for entry in own["env"]]
    assert names.index(variable) < names.index("SPRING_DATASOURCE_URL"), "Kubernetes expands only earlier ones"


@pytest.mark.parametrize("service", SCHEMAS)
def test_url_parameters_that_upstream_relies_on(prod: list[Object], service: str) -> None:
    _, parameters = jdbc(prod, service)
    assert parameters["serverTimezone"] == "UTC"
    assert parameters["useLegacyDatetimeCode"] == "false"
    assert int(parameters["socketTimeout"]) and int(parameters["connectTimeout"])


def test_mysql_outside_without_its_ca_is_still_encrypted(
    chart: Callable[[str], Any], objects_of: Callable[[Case], list[Object]]
) -> None:
    objects = objects_of(Case("no-ca", "external", settings=("global.mysql.caSecret=",)))
    _, parameters = jdbc(objects, "custos-logging")
    assert parameters["sslMode"] == "REQUIRED" and "trustCertificateKeyStoreUrl" not in parameters


def test_mysql_outside_with_its_ca(external: list[Object]) -> None:
    address, parameters = jdbc(external, "custos-logging")
    assert address == "jdbc:mysql://mysql.example.org:3306/core_logging"
    assert parameters["trustCertificateKeyStoreUrl"] == "file:/etc/custos/mysql-trust/truststore.p12"
    assert env(external, "custos-logging")["MYSQL_TRUSTSTORE_PASSWORD"] == (
        "custos-mysql-ca",
        "truststore-password",
    )


def my_cnf(objects: list[Object]) -> list[str]:
    """The lines of MySQL's options."""
    data = find(objects, "ConfigMap", "custos-mysql-options")["data"]
    return [re.sub(r"\s*=\s*", "=", line.strip()) for text in data.values() for line in text.splitlines()]


def test_tables_without_a_key_get_an_invisible_one(prod: list[Object], mends_off: list[Object]) -> None:
    """hibernate_sequence and tenant_sequence have none, and Group Replication refuses to write to such a table."""
    option = "sql_generate_invisible_primary_key"
    assert f"{option}=ON" in my_cnf(prod)
    assert not [line for line in my_cnf(mends_off) if line.startswith(option) and line.endswith("=ON")]


def test_mysql_speaks_tls_only_and_1_2_too(prod: list[Object]) -> None:
    assert "require_secure_transport=ON" in my_cnf(prod)
    assert any(line.startswith("tls_version=TLSv1.2") for line in my_cnf(prod))


def test_every_schema_is_made_beforehand_and_sharings_in_utf8mb3(prod: list[Object]) -> None:
    """A key over varchar(1000) does not fit into utf8mb4: the service is UP then, and every call fails."""
    lines = find(prod, "ConfigMap", "custos-mysql-settings")["data"]["schemas"].split("\n")
    made = {service: rest for service, *rest in (line.split() for line in lines if line)}
    expected = {service: [schema, schema, "-"] for service, schema in SCHEMAS.items()}
    expected["sharing-core-service"][2] = "utf8mb3"
    assert made == expected


def test_accounts_have_the_rights_they_need_and_no_more(prod: list[Object]) -> None:
    script = find(prod, "ConfigMap", "custos-mysql-scripts")["data"]["accounts.sh"]
    grants = re.findall(r"^GRANT (.*) ON (.*) TO", script, re.MULTILINE)
    # What the account of backups may do, tests/mysql/test_scripts.py says.
    assert [set(rights.split(", ")) for rights, _ in grants if rights != "$rights"] == [
        {"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "INDEX", "REFERENCES"}
    ]
    assert "REQUIRE SSL" in script


def test_accounts_and_services_read_the_same_passwords(prod: list[Object]) -> None:
    spec = find(prod, "StatefulSet", "custos-mysql")["spec"]["template"]["spec"]
    assert "custos-mysql-users" in str(spec["volumes"])


# --- Keycloak


def test_keycloaks_address_ends_as_the_services_insist(prod: list[Object], external: list[Object]) -> None:
    for objects in (prod, external):
        urls = [f["iam.server.url"] for f in config_files(objects).values() if "iam.server.url" in f]
        assert len(urls) == len(INTEGRATION) + len(CORE_WITH_KEYCLOAK) + 1
        assert all(url.endswith("/auth/") for url in urls)
    assert "https://keycloak.example.org:443/auth/" in urls


def test_the_profile_is_neither_production_nor_staging(prod: list[Object]) -> None:
    """With these the services look for a Secret in the namespace keycloak and exit without it."""
    assert env(prod, "iam-admin-core-service")["SPRING_PROFILES_ACTIVE"] not in ("production", "staging")


@pytest.mark.parametrize("service", CORE_WITH_KEYCLOAK)
def test_the_trust_store_file_is_there_even_without_keycloak(prod: list[Object], service: str) -> None:
    """It becomes the JVM's only trust, so it holds the public CAs too (for CILogon)."""
    file = config_files(prod)[f"{env(prod, service)['SPRING_APPLICATION_NAME']}-custos.properties"]
    path = file["iam.server.truststore.path"]
    mount = next(m for m in container(prod, service)["volumeMounts"] if path.startswith(m["mountPath"] + "/"))
    volume = next(v for v in pod(prod, service)["spec"]["volumes"] if v["name"] == mount["name"])
    assert volume["secret"]["secretName"] == "custos-truststore"
    assert path.endswith("/public.p12") and "public.p12" in [i["path"] for i in volume["secret"]["items"]]


# --- Vault


@pytest.mark.parametrize("service", CORE_WITH_VAULT)
def test_vaults_trust_store_is_always_given(prod: list[Object], external: list[Object], service: str) -> None:
    """The path that is baked into the images is relative and leads nowhere."""
    for objects in (prod, external):
        own = env(objects, service)
        assert own["SPRING_CLOUD_VAULT_SSL_TRUSTSTORE"].startswith("file:/")
        assert own["SPRING_CLOUD_VAULT_SSL_TRUSTSTOREPASSWORD"] == ("custos-truststore", "password")
        assert own["SPRING_CLOUD_VAULT_GENERIC_ENABLED"] == "false"
    assert env(external, service)["SPRING_CLOUD_VAULT_URI"] == "https://vault.example.org:8200"


def test_others_know_nothing_of_vault(external: list[Object]) -> None:
    for service in set(JAVA) - set(CORE_WITH_VAULT):
        assert not [name for name in env(external, service) if "VAULT" in name], service


# --- Kafka, mail, cluster-management


def test_kafka_is_one_host_and_port(prod: list[Object], external: list[Object]) -> None:
    key = "core.messaging.service.broker.url"
    assert config_files(external)["messagingCoreService-custos.properties"][key] == "kafka.example.org:9092"
    ours = config_files(prod)["messagingCoreService-custos.properties"][key]
    assert ours == "custos-kafka.custos.svc.cluster.local.:9092"


def test_a_kafka_that_is_not_there_has_a_name_that_resolves(objects_of: Callable[[Case], list[Object]]) -> None:
    """Its old client ends the service where the name does not resolve."""
    settings = ("kafka.enabled=false", "custos.withoutStores={kafka,smtp,cilogon}")
    files = config_files(objects_of(Case("without Kafka", "prod", settings=settings)))
    assert files["messagingCoreService-custos.properties"]["core.messaging.service.broker.url"] == "localhost:9092"


def test_cluster_management_may_get_exactly_its_secret(prod: list[Object]) -> None:
    role = find(prod, "Role", "custos-cluster-management-core-service")
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["tls-services-secret"],
            "verbs": ["get"],
        }
    ]
    own = env(prod, "cluster-management-core-service")
    assert own["CUSTOS_SERVER_SECRET_NAME"] == "tls-services-secret"
    assert own["CUSTOS_SERVER_KUBE_NAMESPACE"] == "custos"
    bound = {s["name"] for b in kind(prod, "RoleBinding") for s in b["subjects"]}
    assert {full(s) for s in [*JAVA, PROXY]} & bound == {"custos-cluster-management-core-service"}


# --- Between services


@pytest.mark.parametrize("service", [*JAVA, PROXY])
def test_a_rolling_update_drains(prod: list[Object], service: str) -> None:
    """gRPC clients hold one connection to one pod: it leaves its Service before it closes them."""
    for own in pod(prod, service)["spec"]["containers"]:
        assert own["lifecycle"]["preStop"]["sleep"]["seconds"] >= 10


def test_peers_are_pairs_of_name_and_port(prod: list[Object], catalogue: dict[str, Any]) -> None:
    for service, facts in catalogue["services"].items():
        if service not in CLIENTS:
            assert service == PROXY or not facts.get("peers"), service
            continue
        file = config_files(prod)[f"{facts['application']}-custos.properties"]
        names = {k.removesuffix(".dns.name") for k in file if k.endswith(".dns.name")}
        assert names == {catalogue["peerPrefixes"][peer] for peer in facts.get("peers", [])}
        for peer in facts.get("peers", []):
            prefix = catalogue["peerPrefixes"][peer]
            assert file[f"{prefix}.dns.name"] == f"{full(peer)}.custos.svc.cluster.local."
            assert file[f"{prefix}.port"] == "7000"


# --- What a start fails without

KEYCLOAK_KEYS = [
    "iam.server.url",
    "iam.server.client.id",
    "iam.server.admin.username",
    "iam.server.admin.password",
    "iam.server.super.admin.realm.id",
    "iam.server.truststore.path",
    "iam.server.truststore.password",
    "iam.federated.cilogon.authorization.endpoint",
    "iam.federated.cilogon.token.endpoint",
    "iam.federated.cilogon.token.userinfo.endpoint",
    "iam.federated.cilogon.issuer",
    "iam.federated.cilogon.jwksUri",
    "introspection.endpoint",
    "issuer",
    "authorization.endpoint",
    "token.endpoint",
    "end.session.endpoint",
    "user.info.endpoint",
    "jwks_uri",
    "registration.endpoint",
    "ciLogon.admin.client.id",
    "ciLogon.admin.client.secret",
    "ciLogon.admin.auth.endpoint",
]
NEEDED_AT_START = {
    "iam-admin-core-service": KEYCLOAK_KEYS,
    "identity-core-service": [
        *KEYCLOAK_KEYS,
        "custos.identity.auth.cache.enabled",
        "custos.identity.auth.cache.size",
    ],
    "federated-authentication-core-service": [
        "ciLogon.admin.client.id",
        "ciLogon.admin.client.secret",
        "ciLogon.admin.auth.endpoint",
        "ciLogon.institutions.endpoint",
    ],
    "custos-messaging-core-service": [
        "core.messaging.service.broker.url",
        "core.messaging.service.publisher.id",
        "mail.smtp.auth",
        "mail.smtp.starttls.enable",
        "mail.smtp.host",
        "mail.smtp.port",
        "mail.smtp.ssl.trust",
        "mail.sender.username",
        "mail.sender.password",
    ],
    "tenant-management-service": ["iam.server.url", "tenant.base.uri"],
    "scim-service": ["iam.server.url", "scim.resource.user.endpoint", "scim.resource.group.endpoint"],
}


@pytest.mark.parametrize(("service", "keys"), NEEDED_AT_START.items(), ids=list(NEEDED_AT_START))
def test_keys_that_a_start_fails_without(
    prod: list[Object], external: list[Object], service: str, keys: list[str]
) -> None:
    """Also where the store behind them is knowingly not there."""
    for objects in (prod, external):
        own = env(objects, service)
        file = config_files(objects)[f"{own['SPRING_APPLICATION_NAME']}-custos.properties"]
        for key in keys:
            assert key in file or re.sub(r"[.-]", "_", key).upper() in own, f"{service} lacks {key}"


def test_public_addresses(prod: list[Object]) -> None:
    files = config_files(prod)
    public = "https://custos.example.org"
    tenant = files["tenantManagementService-custos.properties"]["tenant.base.uri"]
    assert tenant == f"{public}/tenant-management/v1.0.0/oauth2/tenant"
    scim = files["scimService-custos.properties"]
    assert scim["scim.resource.user.endpoint"] == f"{public}/scim/v2/Users"
    assert scim["scim.resource.group.endpoint"] == f"{public}/scim/v2/Groups"


# --- Stores that are knowingly not there


def test_without_a_store_its_secret_is_not_needed(prod: list[Object]) -> None:
    for variable, _, _, services in SECRET_KEYS:
        for service in services:
            if not variable.startswith(("IAM_SERVER", "SPRING_CLOUD_VAULT")):  # their stores are there
                assert env(prod, service)[variable] == "absent"


def test_without_vault_readiness_and_health_do_not_look_at_it(objects_of: Callable[[Case], list[Object]]) -> None:
    without = "custos.withoutStores={vault,smtp,cilogon}"
    objects = objects_of(Case("no-vault", "prod", settings=("vault.enabled=false", without)))
    for service in CORE_WITH_VAULT:
        own = env(objects, service)
        assert own["SPRING_CLOUD_VAULT_TOKEN"] == "absent"
        assert own["MANAGEMENT_ENDPOINT_HEALTH_GROUP_READINESS_INCLUDE"] == "db"
        assert own["MANAGEMENT_HEALTH_VAULT_ENABLED"] == "false"
        assert own["SPRING_CLOUD_VAULT_URI"] == "https://vault.invalid:8200"


# --- Values of one service


def test_a_services_own_values_win(objects_of: Callable[[Case], list[Object]]) -> None:
    of = "custos.services.scim-service"
    objects = objects_of(
        Case(
            "own-values",
            "prod",
            settings=(
                f"{of}.replicas=5",
                f"{of}.resources.limits.memory=1Gi",
                f"{of}.image.repository=example/scim",
                f"{of}.image.tag=v2",
                f"{of}.env.EXTRA=yes",
                f"{of}.env.SPRING_ZIPKIN_ENABLED=on",
            ),
        )
    )
    own = container(objects, "scim-service")
    assert find(objects, "Deployment", "custos-scim-service")["spec"]["replicas"] == 5
    assert own["image"] == "example/scim:v2"
    assert own["resources"]["limits"]["memory"] == "1Gi"
    assert own["resources"]["requests"] == {"cpu": "50m", "memory": "250Mi"}
    assert environment(own)["EXTRA"] == "yes" and environment(own)["SPRING_ZIPKIN_ENABLED"] == "on"


def test_a_digest_is_pinned_and_belongs_to_its_own_tag(objects_of: Callable[[Case], list[Object]]) -> None:
    digest = "sha256:" + "a" * 64
    settings = (f"custos.image.digest={digest}", "custos.services.scim-service.image.tag=v2")
    objects = objects_of(Case("digest", "prod", settings=settings))
    assert container(objects, "custos-logging")["image"] == f"apachecustos/custos-logging:1.1@{digest}"
    assert container(objects, "scim-service")["image"] == "apachecustos/scim-service:v2"


def test_a_disabled_service_leaves_nothing(objects_of: Callable[[Case], list[Object]]) -> None:
    objects = objects_of(Case("off", "prod", settings=("custos.services.scim-service.enabled=false",)))
    assert not [i for i in objects if i["metadata"]["name"] == "custos-scim-service"]
    assert "scimService-custos.properties" not in config_files(objects)
    assert "scim-service" not in str(kind(objects, "NetworkPolicy"))
