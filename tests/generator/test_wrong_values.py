"""Values that the schema refuses: what stands in the file → the message, word by word."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jsonschema import Draft202012Validator

from generator.schema import ValuesSchema

Findings = Callable[[str | bytes], list[str]]

QUANTITY = "allowed: a Kubernetes quantity such as 500m, 0.5, 256Mi or 28Gi"
HOST = "allowed: a host name or IP address without scheme, port or path, or empty"
URL = "allowed: http:// or https://, a host and perhaps a port and path, without a slash at the end"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            "mysql: {replicas: 4}",
            "mysql.replicas: is none of the values there are; found 4; allowed: 1, 3, 5, 7, 9; "
            "mend: take an odd number; an even one survives no more losses than the odd one below it",
            id="even voter count",
        ),
        pytest.param(
            "kafka: {controllers: {replicas: 4}}",
            "kafka.controllers.replicas: is none of the values there are; found 4; allowed: 0, 1, 3, 5; "
            "mend: take an odd number; an even one survives no more losses than the odd one below it",
            id="even number of Kafka's voters",
        ),
        pytest.param(
            "mysql: {persistence: {size: 28GB}}",
            'mysql.persistence.size: has the wrong form; found "28GB"; '
            "allowed: a size such as 28Gi or 500Mi; did you mean 28G?",
            id="28GB",
        ),
        pytest.param(
            "mysql: {resources: {limits: {memory: 2 Gi}}}",
            f'mysql.resources.limits.memory: has the wrong form; found "2 Gi"; {QUANTITY}',
            id="quantity with a blank",
        ),
        pytest.param(
            "mysql: {resources: {limits: {cpu: -1}}}",
            f"mysql.resources.limits.cpu: is out of range; found -1; {QUANTITY}",
            id="negative quantity",
        ),
        pytest.param(
            "mysql: {resources: {limits: {cpu: .inf}}}",
            f'mysql.resources.limits.cpu: has the wrong form; found ".inf"; {QUANTITY}',
            id="infinite quantity",
        ),
        pytest.param(
            "mysql: {replica: 3}",
            "mysql.replica: unknown key; allowed: enabled, replicas, persistence, resources, agent, "
            "scheduling, image, bufferPoolSize, config, invisiblePrimaryKey, recovery; "
            "did you mean mysql.replicas?",
            id="misspelt key",
        ),
        pytest.param(
            "mysql: {size: 28Gi}",
            "mysql.size: unknown key; allowed: enabled, replicas, persistence, resources, agent, "
            "scheduling, image, bufferPoolSize, config, invisiblePrimaryKey, recovery; "
            "did you mean mysql.persistence.size?",
            id="key in the wrong place",
        ),
        pytest.param(
            "mysqll: {}",
            "mysqll: unknown key; allowed: global, mysql, postgresql, kafka, consul, vault, keycloak, ingress, "
            "custos, secrets, velero; did you mean mysql?",
            id="misspelt section",
        ),
        pytest.param(
            "velero: {uploader: restic}",
            'velero.uploader: is none of the values there are; found "restic"; allowed: kopia; '
            "mend: take kopia; Velero removed restic's backup in 1.17 and its restore in 1.19",
            id="restic",
        ),
        pytest.param(
            "velero: {objectStore: {url: s3.example.org}}",
            'velero.objectStore.url: has the wrong form; found "s3.example.org"; '
            "allowed: http:// or https://, a host and perhaps a port, without a path, or empty for Amazon S3",
            id="an object store without a scheme",
        ),
        pytest.param(
            "velero: {objectStore: {url: https://s3.example.org/bucket}}",
            'velero.objectStore.url: has the wrong form; found "https://s3.example.org/bucket"; '
            "allowed: http:// or https://, a host and perhaps a port, without a path, or empty for Amazon S3",
            id="an object store with a path",
        ),
        pytest.param(
            "velero: {objectStore: {bucket: Backups}}",
            'velero.objectStore.bucket: has the wrong form; found "Backups"; '
            "allowed: a bucket's name (3 to 63 small letters, digits, . and -), or empty",
            id="a bucket's name",
        ),
        pytest.param(
            "velero: {objectStore: {caCert: MIIB}}",
            'velero.objectStore.caCert: has the wrong form; found "MIIB"; '
            "allowed: one or more certificates as PEM (-----BEGIN CERTIFICATE-----…), or empty",
            id="a CA that is no PEM",
        ),
        pytest.param(
            "velero: {retention: 30d}",
            'velero.retention: has the wrong form; found "30d"; '
            "allowed: a time in hours, minutes or seconds, such as 30m, 1h30m or 720h (30 days)",
            id="days for a duration",
        ),
        pytest.param(
            "velero: {schedule: hourly}",
            'velero.schedule: has the wrong form; found "hourly"; '
            "allowed: a cron line of five fields, such as 30 2 * * * (every day at 02:30)",
            id="no cron line",
        ),
        pytest.param(
            "mysql: {enabled: 'yes'}",
            'mysql.enabled: has the wrong type; found "yes"; allowed: true or false; mend: write yes without quotes',
            id="text for a boolean",
        ),
        pytest.param(
            "custos: {replicas: '2'}",
            'custos.replicas: has the wrong type; found "2"; allowed: a whole number; mend: write 2 without quotes',
            id="text for a number",
        ),
        pytest.param(
            "custos: {image: {tag: 1.1}}",
            "custos.image.tag: has the wrong type; found 1.1; "
            "allowed: an image's tag (letters, digits, _ . -), or empty; "
            'mend: write "1.1" with quotes',
            id="number for a text",
        ),
        pytest.param(
            "mysql: [enabled]",
            'mysql: has the wrong type; found ["enabled"]; allowed: a mapping of keys',
            id="list for a mapping",
        ),
        pytest.param(
            "mysql:",
            "mysql: has the wrong type; found null; allowed: a mapping of keys",
            id="nothing for a mapping",
        ),
        pytest.param(
            "global: 3",
            "global: has the wrong type; found 3; allowed: a mapping of keys",
            id="number for a mapping",
        ),
        pytest.param(
            "mysql: {scheduling: {spread: hosts}}",
            'mysql.scheduling.spread: is none of the values there are; found "hosts"; '
            "allowed: host, preferHost, none; did you mean host?",
            id="misspelt choice",
        ),
        pytest.param(
            "mysql: {image: {digest: 'sha256:12'}}",
            'mysql.image.digest: has the wrong form; found "sha256:12"; '
            "allowed: sha256: followed by 64 hexadecimal digits, or empty",
            id="digest that is none",
        ),
        pytest.param(
            "mysql: {image: {repository: 'mysql:9'}}",
            'mysql.image.repository: has the wrong form; found "mysql:9"; '
            "allowed: an image's repository in small letters, without a tag, or empty",
            id="repository with a tag",
        ),
        pytest.param(
            "global: {mysql: {port: 70000}}",
            "global.mysql.port: is out of range; found 70000; allowed: a port, 1 to 65535",
            id="port that is none",
        ),
        pytest.param(
            "global: {mysql: {host: 'tcp://db.example.org'}}",
            f'global.mysql.host: has the wrong form; found "tcp://db.example.org"; {HOST}',
            id="host with a scheme",
        ),
        pytest.param(
            "global: {mysql: {host: 'db.example.org:3306'}}",
            f'global.mysql.host: has the wrong form; found "db.example.org:3306"; {HOST}',
            id="host with a port",
        ),
        pytest.param(
            "global: {publicUrl: custos.example.org}",
            f'global.publicUrl: has the wrong form; found "custos.example.org"; {URL}',
            id="address without a scheme",
        ),
        pytest.param(
            "custos: {services: {iam-admin-service: {enabled: true}}}",
            "custos.services.iam-admin-service: unknown key; allowed: custos-configuration-service, "
            "tenant-profile-core-service, credential-store-core-service, iam-admin-core-service, "
            "identity-core-service, federated-authentication-core-service, user-profile-core-service, "
            "sharing-core-service and 16 more; did you mean custos.services.iam-admin-core-service?",
            id="service that the catalogue lacks",
        ),
        pytest.param(
            "custos: {services: {custos-logging: {env: {'A B': x}}}}",
            "custos.services.custos-logging.env.A B: the key has the wrong form; "
            'found "A B"; allowed: a variable\'s name (letters, digits, _)',
            id="variable name",
        ),
        pytest.param(
            "custos: {withoutStores: [mysql]}",
            'custos.withoutStores[0]: is none of the values there are; found "mysql"; '
            "allowed: keycloak, vault, kafka, smtp, cilogon",
            id="MySQL cannot be left out",
        ),
        pytest.param(
            "custos: {withoutStores: [kafka, kafka, keycloak, vault, smtp, cilogon]}",
            "custos.withoutStores: has an item twice; "
            'found ["kafka", "kafka", "keycloak", "vault", "smtp", "cilogon"]; mend: keep one of them',
            id="a store twice",
        ),
        pytest.param(
            "global: {imagePullSecrets: [{nam: x}]}",
            "global.imagePullSecrets[0]: the key `name` is missing; mend: add `name: …`",
            id="key that is missing",
        ),
        pytest.param(
            "secrets: {certificates: {days: 7}}",
            "secrets.certificates.days: is out of range; found 7; allowed: 30 to 7300",
            id="number out of range",
        ),
        pytest.param(
            f"global: {{clusterDomain: {'a.' * 130}b}}",
            f'global.clusterDomain: is too long; found "{"a." * 39}…; '
            "allowed: a DNS name in small letters, such as cluster.local",
            id="name too long",
        ),
    ],
)
def test_message(findings_of: Findings, content: str, message: str) -> None:
    assert f"values.yaml:1: {message}" in findings_of(content)


def test_all_findings_in_one_run_in_the_files_order(findings_of: Findings) -> None:
    content = """
global: {publicUrl: nowhere}
mysql:
  replicas: 2
  resources:
    requests: {memory: 2Gi}
  persistance: {size: 1Gi}
custos:
  replicas: none
"""
    assert [finding.partition(": ")[0] for finding in findings_of(content)] == [
        f"values.yaml:{line}" for line in (2, 4, 6, 7, 9)
    ]


def test_a_misspelt_list_does_not_blame_the_stores_in_it(findings_of: Findings) -> None:
    findings = findings_of("custos: {withoutStore: [kafka, smtp, cilogon]}")
    assert len(findings) == 1
    assert findings[0].endswith("did you mean custos.withoutStores?")


@pytest.mark.parametrize("content", ["global: {team: infrastructure}", "global: {parent: {deep: [1, 2]}}"])
def test_global_stays_open(findings_of: Findings, content: str) -> None:
    stores = "\ncustos: {withoutStores: [smtp, cilogon]}"
    assert findings_of(content + stores) == []


@pytest.mark.parametrize(
    ("definition", "good", "bad"),
    [
        (
            "quantity",
            [1, 0.5, 0, "0", "500m", "1.5", ".5", "28Gi", "1e3", "128974848", "100k", None],
            ["28GB", "1 Gi", "Gi", "1.Gi", "-1", "1gi", "", "0x10", "1Mib", True],
        ),
        ("size", ["28Gi", "500Mi", "1000000"], ["0", "28GB", "1.5Gi", "", 28, None]),
        ("port", [1, 443, 65535], [0, 65536, "443", 1.5, None, True]),
        (
            "host",
            ["", "db", "db.example.org", "db.example.org.", "10.0.0.1", "fd00::1", "A-1.b"],
            ["db:3306", "http://db", "db/x", "-db", "db-", "a b", "a..b", "x" * 64, 1],
        ),
        ("secretName", ["", "custos-users", "a.b-c"], ["Custos", "a_b", "-a", "a-", "a b", "x" * 254]),
        ("duration", ["30m", "1h30m", "720h", "90s"], ["", "30", "30d", "1.5h", "0h", "-1h", "1h 30m", 30, None]),
        (
            "cron",
            ["0 2 * * *", "*/15 0-6,12 1,15 * 1-5", "@daily", "59 23 31 12 6"],
            [
                *("", "0 2 * *", "0 2 * * * *", "60 2 * * *", "0 24 * * *", "0 2 0 * *", "0 2 * 13 *"),
                # Sunday is 0 alone: Kubernetes and Velero read cron lines with the same library (robfig/cron).
                *("0 2 * * 7", "daily", "@never", "a b c d e", "0 2 * * */0"),
            ],
        ),
    ],
)
def test_form(schema: ValuesSchema, definition: str, good: list[object], bad: list[object]) -> None:
    validator = Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": schema.root["$defs"]})
    assert [value for value in good if not validator.is_valid(value)] == []
    assert [value for value in bad if validator.is_valid(value)] == []


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("tag", ["", "9.7.2", "3.13-slim-trixie", "_x"], ["-x", "a b", "a:b", "x" * 129]),
        ("digest", ["", "sha256:" + "0a" * 32], ["sha256:0A" + "0a" * 31, "0a" * 32, "sha512:" + "0a" * 32]),
        (
            "repository",
            ["", "mysql", "apachecustos/custos-logging", "registry.example.org:5000/a/b", "a.b/c_d"],
            ["MySQL", "mysql:9", "mysql@sha256", "https://a/b", "/a", "a b"],
        ),
    ],
)
def test_form_of_images(schema: ValuesSchema, key: str, good: list[object], bad: list[object]) -> None:
    validator = Draft202012Validator(schema.root["$defs"]["image"]["properties"][key])
    assert [value for value in good if not validator.is_valid(value)] == []
    assert [value for value in bad if validator.is_valid(value)] == []
