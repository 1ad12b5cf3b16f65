"""Helm and the chart: same bytes each time, names, notes, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.chart import helm
from tests.chart.conftest import BACKUPS, LONGEST_RELEASE, PROJECT, Case
from tests.chart.helm import Object, kind

Chart = Callable[[str], Path]


def test_rendering_repeats_identically(chart: Chart) -> None:
    assert helm.template_text(chart("prod")) == helm.template_text(chart("prod"))


@pytest.mark.parametrize(
    "word", ["rand", "lookup", "genCA", "genSignedCert", "genPrivateKey", "now", "htpasswd", "uuidv4"]
)
def test_templates_hold_no_chance_and_no_look_at_the_cluster(word: str) -> None:
    """`helm template`, Argo CD and an upgrade must come to the same."""
    blueprint = PROJECT / "generator/blueprint"
    for template in (*blueprint.rglob("*.tpl"), *blueprint.rglob("templates/**/*.yaml")):
        for line in template.read_text().splitlines():
            if "{{" in line and "/*" not in line:
                assert f" {word}" not in line.replace("(", " ").replace("-", " "), f"{template}: {line}"


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("custos", "custos-logging"),  # not custos-custos-logging
        ("team-a", "team-a-custos-logging"),
        ("a.b", "a-b-custos-logging"),  # a release may have dots, a Service may not
        (LONGEST_RELEASE, LONGEST_RELEASE + "-"),  # and a hash
    ],
)
def test_names_of_objects(objects_of: Callable[[Case], list[Object]], release: str, expected: str) -> None:
    names = [s["metadata"]["name"] for s in kind(objects_of(Case("names", "prod", release)), "Service")]
    assert [n for n in names if n == expected or (n.startswith(expected) and release == LONGEST_RELEASE)]


def test_cut_names_stay_different(objects_of: Callable[[Case], list[Object]]) -> None:
    services = kind(objects_of(Case("names", "prod", LONGEST_RELEASE)), "Deployment")
    assert len({s["metadata"]["name"] for s in services}) == len(services) == 26


@pytest.mark.parametrize("scenario", sorted(p.name for p in (PROJECT / "generator/blueprint/ci").iterdir()))
def test_every_scenario_is_seen_by_chart_testing(scenario: str, chart: Chart) -> None:
    """ct takes ci/*-values.yaml and passes over anything else in silence."""
    name = scenario.removesuffix(".j2")
    assert name.endswith("-values.yaml")
    assert yaml.safe_load((chart("prod") / "ci" / name).read_text())


def test_notes_say_what_to_do_next(chart: Chart) -> None:
    notes = helm.run(
        *(
            "install",
            "custos",
            str(chart("prod")),
            "--namespace",
            "custos",
            "--dry-run=client",
            "--hide-secret",
        ),
    ).partition("NOTES:")[2]
    assert "helm test custos --namespace custos" in notes
    assert "/user-management" in notes
    assert "NOT there, and known to be so (custos.withoutStores): smtp, cilogon" in notes
    assert "WARNING" in notes and "custos-vault-unseal" in notes and "TokenReview" in notes
    assert "custos-ca" in notes and "custos-truststore" in notes
    assert "NOTHING IS BACKED UP" in notes


def test_notes_say_when_and_where_to_backups_go(chart: Chart) -> None:
    options = [option for setting in BACKUPS for option in ("--set", setting)]
    notes = helm.run(
        *("install", "custos", str(chart("prod")), "--namespace", "custos", "--dry-run=client", "--hide-secret"),
        *options,
    ).partition("NOTES:")[2]
    assert 'at "17 */6 * * *" (UTC), kept 720h, in bucket custos-backups of https://s3.example.org:9443.' in notes
    assert "kubectl --namespace velero get backupstoragelocations,backups" in notes
    assert "Secret custos-object-store, key cloud" in notes and "Secret custos-recovery-key" in notes
    assert "NOTHING IS BACKED UP" not in notes


REFUSED = [
    (
        ["mysql.enabled=false"],
        ["mysql.enabled: found false while global.mysql.host is empty", "set global.mysql.host"],
    ),
    (["mysql.enabled=false", "global.mysql.host=db"], ["global.mysql.existingSecret: found nothing"]),
    (
        ["custos.withoutStores=null"],
        [
            "3 finding(s)",
            "custos.smtp.host: found nothing while custos-messaging-core-service need smtp",
            "or put smtp into custos.withoutStores",
        ],
    ),
    (
        ["kafka.enabled=false"],
        ["global.kafka.host: found nothing while custos-messaging-core-service", "or put kafka into custos.without"],
    ),
    (["kafka.replicas=2"], ["kafka.replicas: found 2; allowed: 1, or 3 and more"]),
    (["kafka.controllers.replicas=5"], ["kafka.controllers.replicas: found 5 while there are 3 brokers"]),
    (
        ["vault.enabled=false"],
        ["global.vault.existingSecret: found nothing while credential-store-core-service, resource-"],
    ),
    (["consul.enabled=false"], ["consul.enabled: found false while vault.enabled is true"]),
    (["consul.enabled=false", "global.consul.host=c"], ["global.consul.existingSecret: found nothing while"]),
    (["global.consul.host=c"], ['global.consul.host: found "c" while consul.enabled is true']),
    (["vault.seal.type=kms"], ['vault.seal.options: found nothing while vault.seal.type is "kms"']),
    (["velero.enabled=true"], ["velero.objectStore.bucket: found nothing while velero.enabled is true"]),
    ([*BACKUPS, "velero.namespace=custos"], ['velero.namespace: found "custos", which is the release\'s']),
    (["global.restoring=true"], ["global.restoring: found true while velero.enabled is false"]),
    (["custos.profile=production"], ['custos.profile: found "production"', "keep `custos`"]),
]


@pytest.mark.parametrize(("settings", "messages"), REFUSED, ids=[" ".join(s) for s, _ in REFUSED])
def test_values_that_do_not_fit_are_refused_all_at_once(chart: Chart, settings: list[str], messages: list[str]) -> None:
    options = [option for setting in settings for option in ("--set", setting)]
    with pytest.raises(helm.HelmError) as refused:
        helm.template(chart("prod"), *options)
    for message in messages:
        assert message in str(refused.value)


def test_a_release_name_that_services_cannot_bear_is_refused(chart: Chart) -> None:
    with pytest.raises(helm.HelmError, match="begins with a letter"):
        helm.template(chart("prod"), release="9lives")


UNKNOWN = ["custos.sevices.x=1", "mysql.replicas=2", "kafka.controllers.replicas=2", "kafka.heapSize=384"]


@pytest.mark.parametrize("setting", [*UNKNOWN, "custos.replicas=many", "nonsense=1"])
def test_the_schema_refuses_what_is_unknown_or_wrong(chart: Chart, setting: str) -> None:
    with pytest.raises(helm.HelmError, match="values don't meet the specifications"):
        helm.template(chart("prod"), "--set", setting)


def test_global_is_open_to_parents(chart: Chart) -> None:
    assert helm.template(chart("prod"), "--set", "global.somebodyElse=1")
