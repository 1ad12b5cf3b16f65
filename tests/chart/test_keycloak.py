"""Keycloak 26 as Custos 1.1 needs it: the mends, TLS, the cluster of its replicas, its database."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.chart.conftest import CASES, Case
from tests.chart.helm import Object, containers, environment, find, kind
from tests.chart.policies import opened
from tests.chart.test_rules import wanted_secrets

IAM = "iam-admin-core-service"


def pod(objects: list[Object]) -> Object:
    result: Object = find(objects, "Deployment", "custos-keycloak")["spec"]["template"]
    return result


def container(objects: list[Object], name: str = "keycloak") -> Object:
    return next(c for c in containers(pod(objects)) if c["name"] == name)


def env(objects: list[Object]) -> dict[str, Any]:
    return environment(container(objects))


def database(objects: list[Object]) -> tuple[str, dict[str, list[str]]]:
    """Address and parameters of the connection to PostgreSQL."""
    address, _, query = str(env(objects)["KC_DB_URL"]).partition("?")
    return address, parse_qs(query)


@pytest.fixture(scope="module")
def mends_off(objects_of: Callable[[Case], list[Object]]) -> list[Object]:
    return objects_of(next(case for case in CASES if case.name == "mends-off"))


# --- What Custos 1.1 needs


def test_attributes_that_no_profile_declares_are_kept(prod: list[Object], mends_off: list[Object]) -> None:
    option = "KC_SPI_USER_PROFILE__DECLARATIVE_USER_PROFILE__CONFIG_FILE"
    folder, _, file = str(env(prod)[option]).rpartition("/")
    assert folder in [m["mountPath"] for m in container(prod)["volumeMounts"]]
    profile = json.loads(find(prod, "ConfigMap", "custos-keycloak-config")["data"][file])
    assert profile["unmanagedAttributePolicy"] == "ENABLED"
    assert [a["name"] for a in profile["attributes"]] == ["username", "email", "firstName", "lastName"]
    assert option not in env(mends_off)


def test_every_token_gets_the_scope_openid(prod: list[Object], mends_off: list[Object]) -> None:
    option = "KC_SPI_EVENTS_LISTENER__CUSTOS_OPENID_SCOPE__ACTIVE"
    assert env(prod)[option] == "true" and env(mends_off)[option] == "false"


def classes(config_map: Object) -> set[str]:
    """The names within the one jar of a ConfigMap."""
    (encoded,) = config_map["binaryData"].values()
    return set(zipfile.ZipFile(io.BytesIO(base64.b64decode(encoded))).namelist())


def test_the_provider_is_built_in(prod: list[Object]) -> None:
    """Keycloak takes providers at its build only: the first init container brings the jar, the second builds."""
    assert "custos/platform/keycloak/OpenidScope.class" in classes(find(prod, "ConfigMap", "custos-keycloak-providers"))
    build = container(prod, "build")
    assert build["command"] == ["/opt/keycloak/bin/kc.sh", "build"]
    for each, read_only in ((build, None), (container(prod), True)):
        mounts = {m["mountPath"]: m for m in each["volumeMounts"]}
        for path, part in (("/opt/keycloak/providers", "providers"), ("/opt/keycloak/lib/quarkus", "quarkus")):
            assert (mounts[path]["name"], mounts[path]["subPath"]) == ("built", part)
            assert mounts[path].get("readOnly") is read_only


def test_iam_admin_passes_over_fields_that_it_does_not_know(prod: list[Object], mends_off: list[Object]) -> None:
    template = find(prod, "Deployment", f"custos-{IAM}")["spec"]["template"]
    own = next(c for c in template["spec"]["containers"] if c["name"] == "service")
    launcher = "org.springframework.boot.loader.PropertiesLauncher"
    assert own["command"][-4:] == ["-Dloader.path=/ext", "-cp", "/app.jar", launcher]
    mount = next(m for m in own["volumeMounts"] if m["mountPath"] == "/ext")
    volume = next(v for v in template["spec"]["volumes"] if v["name"] == mount["name"])
    names = classes(find(prod, "ConfigMap", volume["configMap"]["name"]))
    assert "META-INF/services/javax.ws.rs.ext.Providers" in names
    assert not [i for i in mends_off if i["metadata"]["name"] == "custos-lenient-json"]
    for service in kind(prod, "Deployment"):
        if service["metadata"]["name"] != f"custos-{IAM}":
            assert "/ext" not in json.dumps(service["spec"])


def test_a_call_of_ten_seconds_finds_a_cpu(prod: list[Object]) -> None:
    resources = container(prod)["resources"]
    assert resources["requests"]["cpu"] == 1 and "cpu" not in resources["limits"]


# --- How it runs


def test_it_waits_for_its_database(prod: list[Object]) -> None:
    """A start without it fails."""
    last = pod(prod)["spec"]["initContainers"][-1]
    host = "custos-postgresql-primary.custos.svc.cluster.local"
    assert last["command"] == ["/bin/bash", "/etc/custos/config/wait.sh", host, "5432"]


def test_an_answered_login_is_on_two_members(prod: list[Object]) -> None:
    """By default Keycloak does not wait for PostgreSQL's standbys where only sessions are written."""
    (server,) = find(prod, "Deployment", "custos-keycloak")["spec"]["template"]["spec"]["containers"]
    assert environment(server)["KC_SPI_CONNECTIONS_JPA__QUARKUS__ASYNC_COMMIT"] == "false"


def test_build_and_start_say_the_same(prod: list[Object]) -> None:
    """A start that is told another build option than the build was refuses to run."""
    built, started = environment(container(prod, "build")), env(prod)
    assert built and built.items() <= started.items()
    assert container(prod)["command"] == ["/opt/keycloak/bin/kc.sh", "start", "--optimized"]
    assert built["KC_HTTP_RELATIVE_PATH"] == "/auth" and built["KC_DB"] == "postgres"


def test_it_is_spoken_to_by_tls_alone(prod: list[Object]) -> None:
    own = env(prod)
    assert own["KC_HTTP_ENABLED"] == "false" and own["KC_HTTPS_CERTIFICATES_RELOAD_PERIOD"] == "1m"
    service = find(prod, "Service", "custos-keycloak")
    assert [(p["port"], p["targetPort"]) for p in service["spec"]["ports"]] == [(443, "https")]
    mount = next(m for m in container(prod)["volumeMounts"] if m["mountPath"] == "/etc/custos/tls")
    assert "subPath" not in mount, "a file mounted alone never changes"
    wanted = wanted_secrets(prod)["custos-keycloak-tls"]["certificate"]
    assert "custos-keycloak.custos.svc.cluster.local" in wanted["dnsNames"]


def test_its_address_is_the_public_one(prod: list[Object], objects_of: Callable[[Case], list[Object]]) -> None:
    assert env(prod)["KC_HOSTNAME"] == "https://custos.example.org/auth"
    assert env(prod)["KC_HOSTNAME_BACKCHANNEL_DYNAMIC"] == "true"
    own = objects_of(Case("hostname", "prod", settings=("keycloak.hostname=https://login.example.org",)))
    assert env(own)["KC_HOSTNAME"] == "https://login.example.org"


def test_headers_of_proxies_are_believed_from_named_addresses_only(
    prod: list[Object], objects_of: Callable[[Case], list[Object]]
) -> None:
    assert not [name for name in env(prod) if name.startswith("KC_PROXY")]
    own = env(objects_of(Case("proxy", "prod", settings=("keycloak.trustedProxies={10.0.0.0/8,fd00::1}",))))
    assert (own["KC_PROXY_HEADERS"], own["KC_PROXY_TRUSTED_ADDRESSES"]) == ("xforwarded", "10.0.0.0/8,fd00::1")


def test_the_databases_certificate_and_name_are_checked(prod: list[Object]) -> None:
    address, parameters = database(prod)
    assert address == "jdbc:postgresql://custos-postgresql-primary.custos.svc.cluster.local:5432/keycloak"
    assert parameters["sslmode"] == ["verify-full"]
    folder = parameters["sslrootcert"][0].rpartition("/")[0]
    mount = next(m for m in container(prod)["volumeMounts"] if m["mountPath"] == folder)
    volume = next(v for v in pod(prod)["spec"]["volumes"] if v["name"] == mount["name"])
    assert volume["secret"]["secretName"] == "custos-truststore"
    assert env(prod)["KC_DB_PASSWORD"] == ("custos-postgresql-users", "keycloak")
    assert int(parameters["connectTimeout"][0]) <= 3 and int(parameters["socketTimeout"][0]) <= 10


def test_a_database_outside(objects_of: Callable[[Case], list[Object]]) -> None:
    outside = ("global.postgresql.host=db.example.org", "global.postgresql.existingSecret=db")
    settings = (*outside, "postgresql.enabled=false")
    objects = objects_of(Case("db", "prod", settings=(*settings, "global.postgresql.caSecret=db-ca")))
    address, parameters = database(objects)
    assert address == "jdbc:postgresql://db.example.org:5432/keycloak" and parameters["sslmode"] == ["verify-full"]
    assert env(objects)["KC_DB_PASSWORD"] == ("db", "keycloak")
    assert "db-ca" in json.dumps(pod(objects)["spec"]["volumes"])
    _, parameters = database(objects_of(Case("db-no-ca", "prod", settings=settings)))
    assert parameters["sslmode"] == ["require"] and "sslrootcert" not in parameters


def test_replicas_reach_one_another_and_nobody_else_their_cluster(prod: list[Object]) -> None:
    own = pod(prod)["metadata"]["labels"]
    assert opened(prod, "ingress", own, own) & opened(prod, "egress", own, own) == {7800, 57800}
    clients = {
        item["metadata"]["name"]: opened(prod, "ingress", own, item["spec"]["template"]["metadata"]["labels"])
        for item in kind(prod, "Deployment")
        if item["metadata"]["name"] != "custos-keycloak"
    }
    assert {name: ports for name, ports in clients.items() if ports} == {
        f"custos-{IAM}": {8443},
        "custos-identity-core-service": {8443},
        "custos-ingress": {8443},
    }


def test_a_replica_on_a_dead_machine_is_replaced_soon(prod: list[Object]) -> None:
    tolerated = {t["key"]: t["tolerationSeconds"] for t in pod(prod)["spec"]["tolerations"]}
    assert tolerated == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}


def test_versions_that_must_not_meet_do_not(objects_of: Callable[[Case], list[Object]]) -> None:
    objects = objects_of(Case("recreate", "prod", settings=("keycloak.update=recreate",)))
    assert find(objects, "Deployment", "custos-keycloak")["spec"]["strategy"] == {"type": "Recreate"}
