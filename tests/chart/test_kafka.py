"""Kafka's own objects: who votes, which listeners are open to whom, what its options promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chart.conftest import LONGEST_RELEASE, Case
from tests.chart.helm import Object, find, kind
from tests.chart.test_rules import wanted_secrets

ObjectsOf = Callable[[Case], list[Object]]
HOST = "custos-kafka-nodes.custos.svc.cluster.local"
CONTROLLERS = "custos-kafka-controllers.custos.svc.cluster.local"


def environment(objects: list[Object], name: str) -> dict[str, str]:
    """The plain variables of a StatefulSet's container."""
    container = find(objects, "StatefulSet", name)["spec"]["template"]["spec"]["containers"][0]
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def options(objects: list[Object]) -> dict[str, str]:
    """Kafka's options; what stands later wins."""
    text = find(objects, "ConfigMap", "custos-kafka-options")["data"]["server.properties"]
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize(
    ("settings", "voters"),
    [
        ((), [f"{i}@custos-kafka-{i}.{HOST}" for i in range(3)]),
        (("kafka.replicas=1",), [f"0@custos-kafka-0.{HOST}"]),
        (("kafka.replicas=5",), [f"{i}@custos-kafka-{i}.{HOST}" for i in range(3)]),
        (("kafka.replicas=5", "kafka.controllers.replicas=5"), [f"{i}@custos-kafka-{i}.{HOST}" for i in range(5)]),
        (
            ("kafka.controllers.separate=true",),
            [f"{1000 + i}@custos-kafka-controllers-{i}.{CONTROLLERS}" for i in range(3)],
        ),
    ],
)
def test_who_votes(objects_of: ObjectsOf, settings: tuple[str, ...], voters: list[str]) -> None:
    """More brokers do not change the voters, which are fixed when the cluster is formed."""
    objects = objects_of(Case("voters", "prod", settings=settings))
    for item in kind(objects, "StatefulSet"):
        if item["metadata"]["name"].startswith("custos-kafka"):
            assert environment(objects, item["metadata"]["name"])["VOTERS"].split(",") == voters


@pytest.mark.parametrize(("replicas", "copies", "in_sync"), [(1, "1", "1"), (3, "3", "2"), (5, "3", "2")])
def test_copies_of_a_record(objects_of: ObjectsOf, replicas: int, copies: str, in_sync: str) -> None:
    found = options(objects_of(Case("copies", "prod", settings=(f"kafka.replicas={replicas}",))))
    for key in ("default", "offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        assert found[f"{key}.replication.factor"] == copies, key
    for key in ("min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr"):
        assert found[key] == in_sync, key
    assert found["unclean.leader.election.enable"] == "false"


def test_an_option_of_the_values_wins(objects_of: ObjectsOf) -> None:
    case = Case("options", "prod", settings=("kafka.config.num\\.partitions=6", "kafka.config.num\\.io\\.threads=8"))
    found = options(objects_of(case))
    assert (found["num.partitions"], found["num.io.threads"]) == ("6", "8")


def test_members_know_each_other_by_the_name_in_their_certificate(objects_of: ObjectsOf) -> None:
    """The longest release's name: a certificate's common name holds 64 letters."""
    objects = objects_of(Case("long", "prod", release=LONGEST_RELEASE))
    certificate = next(
        entry["certificate"]
        for entry in wanted_secrets(objects).values()
        if entry.get("certificate", {}).get("commonName", "").startswith(f"{LONGEST_RELEASE}-kafka.")
    )
    texts = (item.get("data", {}).get("server.properties") for item in kind(objects, "ConfigMap"))
    text = next(filter(None, texts))
    assert f"super.users=User:{certificate['commonName'][:64]};User:admin\n" in text


def test_without_the_plaintext_listener_nobody_reaches_its_port(objects_of: ObjectsOf) -> None:
    objects = objects_of(Case("no plaintext", "prod", settings=("kafka.plaintext.enabled=false",)))
    assert environment(objects, "custos-kafka")["LISTENERS"] == "INTERNAL:9091,SCRAM:9094"
    assert "9092" not in str(find(objects, "NetworkPolicy", "custos-kafka"))
    assert all("9092" not in str(item["spec"]) for item in kind(objects, "Service"))


def test_plaintext_is_open_to_custos_producer_and_the_test_alone(prod: list[Object]) -> None:
    policy = find(prod, "NetworkPolicy", "custos-kafka")
    rules = [rule for rule in policy["spec"]["ingress"] if {"protocol": "TCP", "port": 9092} in rule["ports"]]
    assert len(rules) == 1 and rules[0]["ports"] == [{"protocol": "TCP", "port": 9092}]
    who = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in rules[0]["from"]]
    assert sorted(who) == ["custos-messaging-core-service", "test"]


def test_an_outside_kafka_deploys_nothing(external: list[Object]) -> None:
    assert not [item for item in external if "kafka" in item["metadata"]["name"]]
