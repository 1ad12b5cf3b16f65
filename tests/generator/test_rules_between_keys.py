"""Rules between keys: values → all findings, word by word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from generator.catalogue import Catalogue
from generator.check import check_values

Findings = Callable[[str | bytes], list[str]]

WITHOUT = "custos: {withoutStores: [smtp, cilogon]"
CORE_ONLY = ", ".join(
    f"{name}: {{enabled: false}}"
    for name in (
        *(f"{name}-management-service" for name in ("tenant", "user", "identity", "group", "sharing")),
        *(f"{name}-management-service" for name in ("agent", "resource-secret", "log")),
        *("scim-service", "custos-integration-services-swagger", "custos-grpc-web-proxy"),
    )
)


@pytest.mark.parametrize(
    ("content", "findings"),
    [
        pytest.param(
            "vault: {enabled: false}\n" + WITHOUT + "}",
            [
                "values.yaml:1: vault.enabled: Vault is needed by credential-store-core-service and "
                "resource-secret-core-service, but is nowhere; found false; "
                "mend: set global.vault.host and global.vault.existingSecret, "
                "or set vault.enabled to true, or add vault to custos.withoutStores"
            ],
            id="store needed and nowhere",
        ),
        pytest.param(
            "mysql: {enabled: false}\n" + WITHOUT + "}",
            [
                "values.yaml:1: mysql.enabled: MySQL is needed by tenant-profile-core-service, "
                "credential-store-core-service, iam-admin-core-service and 9 more, but is nowhere; "
                "found false; "
                "mend: set global.mysql.host and global.mysql.existingSecret and global.mysql.caSecret, "
                "or set mysql.enabled to true"
            ],
            id="store switched off and needed",
        ),
        pytest.param(
            "mysql: {enabled: false}\nglobal: {mysql: {host: db, existingSecret: users}}\n" + WITHOUT + "}",
            [
                "values.yaml:2: global.mysql.caSecret: MySQL is needed by tenant-profile-core-service, "
                "credential-store-core-service, iam-admin-core-service and 9 more, "
                'but how to log in is not said (global.mysql.caSecret); found ""; '
                "mend: set global.mysql.caSecret, or set mysql.enabled to true"
            ],
            id="store elsewhere without its CA",
        ),
        pytest.param(
            "global: {mysql: {host: db}}\n" + WITHOUT + "}",
            [
                "values.yaml:1: global.mysql.host: "
                "MySQL runs in this release and is also said to be elsewhere; "
                'found "db"; mend: empty global.mysql.host or set mysql.enabled to false'
            ],
            id="store both here and elsewhere",
        ),
        pytest.param(
            "vault: {enabled: false}\nglobal: {vault: {host: v, existingSecret: t}}\n"
            "custos: {withoutStores: [vault, smtp, cilogon]}",
            [
                "values.yaml:3: custos.withoutStores: Vault is said to be absent, yet global.vault.host and "
                'global.vault.existingSecret is set; found "vault"; '
                "mend: take vault out of custos.withoutStores"
            ],
            id="store both absent and given",
        ),
        pytest.param(
            "custos: {withoutStores: [kafka, smtp, cilogon]}",
            [
                "values.yaml:1: custos.withoutStores: Kafka is said to be absent, yet it runs in this release; "
                'found "kafka"; mend: take kafka out of custos.withoutStores or set kafka.enabled to false'
            ],
            id="store both absent and here",
        ),
        pytest.param(
            WITHOUT + ", services: {custos-logging: {enabled: false}, " + CORE_ONLY + "}}",
            [],
            id="a service off that nobody needs",
        ),
        pytest.param(
            WITHOUT + ", services: {user-profile-core-service: {enabled: false}, " + CORE_ONLY + "}}",
            [
                "values.yaml:1: custos.services.user-profile-core-service.enabled: is off, but "
                "custos-messaging-core-service cannot do without it; found false; "
                "mend: switch it on, or switch off custos-messaging-core-service"
            ],
            id="a peer off",
        ),
        pytest.param(
            WITHOUT + ", services: {custos-configuration-service: {enabled: false}}}",
            [
                "values.yaml:1: custos.services.custos-configuration-service.enabled: is off, but "
                "iam-admin-core-service, identity-core-service, federated-authentication-core-service "
                "and 12 more cannot do without it; found false; mend: switch it on, or switch off "
                "iam-admin-core-service, identity-core-service, federated-authentication-core-service "
                "and 12 more"
            ],
            id="the config server off",
        ),
        pytest.param("mysql: {enabled: false}\ncustos: {enabled: false}", [], id="nothing on, nothing needed"),
        pytest.param(
            "vault: {enabled: false}\ncustos: {enabled: false}", [], id="Consul without Vault, for others to use"
        ),
        pytest.param(
            "consul: {enabled: false}\n" + WITHOUT + "}",
            [
                "values.yaml:1: consul.enabled: Vault keeps everything in Consul, but that is nowhere; found false; "
                "mend: set consul.enabled to true, set global.consul.host and global.consul.existingSecret, "
                "or set vault.enabled to false"
            ],
            id="Vault without its storage",
        ),
        pytest.param(
            "consul: {enabled: false}\nglobal: {consul: {host: c}}\n" + WITHOUT + "}",
            [
                "values.yaml:2: global.consul.existingSecret: Vault's storage is Consul, but how to log in is not said"
                '; found ""; mend: make a Secret with vault-token and name it here'
            ],
            id="Vault's storage elsewhere without a login",
        ),
        pytest.param(
            "consul: {enabled: false}\nglobal: {consul: {host: c, existingSecret: s}}\n" + WITHOUT + "}",
            [],
            id="Vault's storage elsewhere",
        ),
        pytest.param(
            "global: {consul: {host: c}}\n" + WITHOUT + "}",
            [
                "values.yaml:1: global.consul.host: Consul runs in this release and is also said to be elsewhere; "
                'found "c"; mend: empty global.consul.host or set consul.enabled to false'
            ],
            id="Consul both here and elsewhere",
        ),
        pytest.param(
            "vault: {seal: {type: kms}}\n" + WITHOUT + "}",
            [
                "values.yaml:1: vault.seal.options: is empty, but the seal kms has to know where its key is; "
                "mend: give what Vault's documentation of this seal asks for, "
                "or take another vault.seal.type than kms"
            ],
            id="a seal without its key",
        ),
        pytest.param(
            "vault: {seal: {type: transit, options: {key_name: k, token: t}}}\n" + WITHOUT + "}",
            [
                "values.yaml:1: vault.seal.options: lacks address, the URL of the Vault that holds the key; "
                "mend: add it, such as address: https://vault.example.org:8200",
                "values.yaml:1: vault.seal.options.token: is a secret, and values are none; "
                "mend: put it into a Secret as the environment variable that Vault knows, and name that in "
                "vault.seal.existingSecret",
            ],
            id="a seal with a secret and without an address",
        ),
        pytest.param(
            "vault: {seal: {options: {region: eu}}}\n" + WITHOUT + "}",
            [
                "values.yaml:1: vault.seal.options: is given, but the seal kubernetesSecret takes none; "
                "mend: leave it out, or set vault.seal.type to kms or transit"
            ],
            id="options for a seal that takes none",
        ),
        pytest.param(
            "mysql: {resources: {requests: {memory: 2Gi, cpu: 1}, limits: {cpu: 1000m}}}\n" + WITHOUT + "}",
            [
                'values.yaml:1: mysql.resources.requests.memory: requests more than the limit; found "2Gi"; '
                "allowed: at most 1Gi, which is mysql.resources.limits.memory; "
                "mend: lower the request or raise the limit"
            ],
            id="request above the limit, equal ones are fine",
        ),
        pytest.param(
            WITHOUT + ", resources: {limits: {cpu: 1}}, "
            "services: {custos-logging: {resources: {requests: {cpu: 1.5}}}}}",
            [
                "values.yaml:1: custos.services.custos-logging.resources.requests.cpu: "
                "requests more than the limit of custos-logging; found 1.5; "
                "allowed: at most 1, which is custos.resources.limits.cpu; "
                "mend: lower the request or raise custos.services.custos-logging.resources.limits.cpu"
            ],
            id="a service's request above the limit of all",
        ),
        pytest.param(
            WITHOUT + ", resources: {requests: {memory: 400Mi}}}",
            [
                "values.yaml:1: custos.resources.requests.memory: requests more than the limit of "
                'tenant-profile-core-service; found "400Mi"; '
                "allowed: at most 380Mi, which is the limit that tenant-profile-core-service has by its Java heap; "
                "mend: lower the request or raise "
                "custos.services.tenant-profile-core-service.resources.limits.memory"
            ],
            id="all services' request above the limit that one has by its heap",
        ),
        pytest.param(
            WITHOUT + ", services: {custos-logging: {resources: {limits: {memory: 128Mi}}}}}",
            [
                "values.yaml:1: custos.services.custos-logging.resources.limits.memory: "
                'is less than what custos-logging requests; found "128Mi"; allowed: at least 250Mi; mend: raise it'
            ],
            id="a service's limit below what it asks for by its heap",
        ),
        pytest.param(
            "mysql: {bufferPoolSize: 2G}\n" + WITHOUT + "}",
            [
                "values.yaml:1: mysql.resources.limits.memory: is too little for a buffer pool of 2G: "
                'mysqld would be killed for lack of memory; found "1Gi"; allowed: at least 2648Mi; '
                "mend: raise it or lower mysql.bufferPoolSize"
            ],
            id="buffer pool above the memory limit",
        ),
        pytest.param(
            "kafka: {heapSize: 2G}\n" + WITHOUT + "}",
            [
                "values.yaml:1: kafka.resources.limits.memory: is too little for a Java heap of 2G: "
                'Kafka would be killed for lack of memory; found "2Gi"; allowed: at least 2304Mi; '
                "mend: raise it or lower kafka.heapSize"
            ],
            id="heap above the memory limit",
        ),
        pytest.param(
            "kafka: {controllers: {separate: true, resources: {limits: {memory: 512Mi}, requests: {memory: 512Mi}}}}\n"
            + WITHOUT
            + "}",
            [
                "values.yaml:1: kafka.controllers.resources.limits.memory: is too little for a Java heap of 512M: "
                'Kafka would be killed for lack of memory; found "512Mi"; allowed: at least 768Mi; '
                "mend: raise it or lower kafka.controllers.heapSize"
            ],
            id="heap of a separate controller above its limit",
        ),
        pytest.param(
            "kafka: {replicas: 2}\n" + WITHOUT + "}",
            [
                "values.yaml:1: kafka.replicas: is more than one, yet too few for a record to be safe and its topic "
                "writable when one broker is lost; found 2; allowed: 1, or 3 and more; mend: take 3"
            ],
            id="two brokers",
        ),
        pytest.param(
            "kafka: {controllers: {replicas: 5}}\n" + WITHOUT + "}",
            [
                "values.yaml:1: kafka.controllers.replicas: is more than the 3 brokers, which vote where the "
                "controllers are not separate; found 5; "
                "mend: lower it, raise kafka.replicas, or set kafka.controllers.separate to true"
            ],
            id="more voters than brokers",
        ),
        pytest.param(
            "kafka: {replicas: 4, controllers: {replicas: 5, separate: true}}\n" + WITHOUT + "}",
            [],
            id="five controllers of their own",
        ),
        pytest.param(
            WITHOUT + ", replicas: 7}",
            [
                "values.yaml:1: custos.replicas: 96 pods, one more of each service than replicas while an upgrade "
                "rolls, with 5 connections each are more than MySQL's max_connections of 400; found 7; "
                "mend: raise mysql.config.max_connections to 490, "
                "or lower custos.mends.hikariPoolSize"
            ],
            id="more connections than MySQL takes",
        ),
        pytest.param(
            "mysql: {config: {max_connections: 490}}\n" + WITHOUT + ", replicas: 7}",
            [],
            id="as many connections as MySQL is told to take",
        ),
        pytest.param(
            "keycloak: {resources: {limits: {cpu: 500m, memory: 600Mi}, requests: {cpu: 200m, memory: 512Mi}}}\n"
            + WITHOUT
            + "}",
            [
                "values.yaml:1: keycloak.resources.limits.cpu: is too little: Custos gives a call ten seconds, and a "
                'realm takes a CPU for some of them; found "500m"; allowed: at least 1, or none; mend: leave it out',
                "values.yaml:1: keycloak.resources.limits.memory: is too little for a replica: it would be killed for "
                'lack of memory; found "600Mi"; allowed: at least 700Mi; mend: raise it',
            ],
            id="a Keycloak too small",
        ),
        pytest.param(
            "keycloak: {replicas: 4, database: {poolSize: 50}}\n" + WITHOUT + "}",
            [
                "values.yaml: postgresql.maxConnections: is too little for 5 replicas of Keycloak, one more than it "
                "has while an update rolls, with 50 connections each; found 200; allowed: at least 260; "
                "mend: raise it, or lower keycloak.database.poolSize"
            ],
            id="more connections than PostgreSQL takes",
        ),
        pytest.param(
            WITHOUT + ", mends: {explicitCommand: false}}",
            [
                "values.yaml:1: custos.mends.lenientJson: has no effect without custos.mends.explicitCommand; "
                "found true; mend: set both to true, or both to false"
            ],
            id="a mend that has no effect",
        ),
        pytest.param(
            WITHOUT + ", profile: production}",
            [
                "values.yaml:1: custos.profile: makes iam-admin and identity exit: they want Secret "
                'tls-keycloak-secret in namespace keycloak; found "production"; allowed: any other name; '
                "mend: leave it out"
            ],
            id="a profile that makes services exit",
        ),
        pytest.param(
            "global: {keycloak: {host: k, scheme: http, existingSecret: s}}\nkeycloak: {enabled: false}\n"
            "custos: {withoutStores: [smtp, cilogon]}",
            [
                'values.yaml:1: global.keycloak.scheme: does not fit port 443; found "http"; allowed: https; '
                "mend: change global.keycloak.scheme or global.keycloak.port"
            ],
            id="plaintext on the port of TLS",
        ),
        pytest.param(
            "custos: {withoutStores: [cilogon], smtp: {host: m, existingSecret: s}}",
            [
                "values.yaml:1: custos.smtp.sender: is missing although there is a mail relay; "
                'found ""; mend: set it to a mail address'
            ],
            id="mail relay without a sender",
        ),
        pytest.param(
            "global: {storageclass: fast, kafkaTopics: {a: b}}\n" + WITHOUT + "}",
            [
                "values.yaml:1: global.storageclass: is no key of this chart, but very like one; "
                "did you mean global.storageClass?; mend: correct it, or name a key of your own differently"
            ],
            id="a slip in global, which is open",
        ),
        pytest.param(
            "mysql: {recovery: {bootstrapFrom: custos-mysql-3}}\n" + WITHOUT + "}",
            [
                "values.yaml:1: mysql.recovery.bootstrapFrom: is none of MySQL's pods; "
                'found "custos-mysql-3"; allowed: <release>-mysql-0 to <release>-mysql-2'
            ],
            id="recovery from a pod that is none",
        ),
        pytest.param(
            "mysql: {recovery: {bootstrapFrom: custos-mysql-2}}\n" + WITHOUT + "}",
            [],
            id="recovery from a pod",
        ),
    ],
)
def test_findings(findings_of: Findings, content: str, findings: list[str]) -> None:
    assert findings_of(content) == findings


INVENTORY = """
cluster: {name: small, engine: kubeadm}
machines:
  - {name: a, address: 192.0.2.1, roles: [control-plane, etcd]}
  - {name: b, address: 192.0.2.2, roles: [worker]}
  - {name: c, address: 192.0.2.3, roles: [etcd, worker]}
"""


@pytest.mark.parametrize(
    ("inventory", "findings"),
    [
        pytest.param(
            INVENTORY,
            [
                "values.yaml:1: mysql.replicas: is more than the inventory's machines that run pods, "
                "and each pod wants one of its own; found 3; allowed: at most 2; "
                "mend: add workers, lower it, or set mysql.scheduling.spread to preferHost",
                "values.yaml:2: postgresql.replicas: is more than the inventory's machines that run pods, "
                "and each pod wants one of its own; found 3; allowed: at most 2; "
                "mend: add workers, lower it, or set postgresql.scheduling.spread to preferHost",
            ],
            id="too few workers",
        ),
        pytest.param("cluster: {name: theirs, engine: existing}", [], id="machines are not known"),
        pytest.param(
            "machines: 3",
            [
                "inventory.yaml:1: machines: is not a list of machines; "
                "allowed: entries with name, address and roles; "
                "mend: python -m bootstrap plan inventory.yaml says what is wrong with it"
            ],
            id="no inventory",
        ),
    ],
)
def test_against_an_inventory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inventory: str, findings: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inventory.yaml").write_text(inventory)
    stores = "mysql: {replicas: 3}\npostgresql: {replicas: 3}\nkafka: {scheduling: {spread: preferHost}}\n"
    stores += "consul: {replicas: 1}\nvault: {replicas: 2}\n"
    Path("values.yaml").write_text(stores + WITHOUT + "}")
    found = check_values([Path("values.yaml")], Path("inventory.yaml"))
    assert [str(finding) for finding in found] == findings


def test_every_store_that_a_service_needs_has_facts(catalogue: Catalogue) -> None:
    needs = {need for facts in catalogue.services.values() for need in facts["needs"]}
    assert needs <= catalogue.stores.keys()
