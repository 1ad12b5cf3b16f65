"""The front door on the lab: every public route through edge, Traefik and TLS, and only so."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bootstrap.inventory import Inventory
from generator.catalogue import load_catalogue
from tests.lab.cluster import Cluster, CommandFailed, is_ready, run, wait_for
from tests.lab.faults import kill_container, machine_of
from tests.lab.front_door import FrontDoor, authority, check_of, requests
from tests.lab.machines import lab, on_machine

HOST = "custos.lab.internal"
NAMESPACE = "custos"
CATALOGUE = load_catalogue().services
REST = [name for name, facts in CATALOGUE.items() if facts["public"] and "sidecar" in facts]
WEB = [name for name, facts in CATALOGUE.items() if facts["public"] and facts["kind"] == "web"]
METHODS = {grpc: name for name in REST for grpc in CATALOGUE[name]["grpc"]}
PODS = "app.kubernetes.io/name=ingress"
STEADY = "/auth/realms/master/.well-known/openid-configuration"


@pytest.fixture(scope="module")
def door(cluster: Cluster, inventory: Inventory, tmp_path_factory: pytest.TempPathFactory) -> FrontDoor:
    """A client on this computer, which is the lab's world outside."""
    (edge,) = inventory.edges
    secret = cluster.secret("custos-ingress-tls", NAMESPACE)
    return FrontDoor(HOST, edge.address, authority(secret, tmp_path_factory.mktemp("door")))


@pytest.mark.parametrize("service", REST)
def test_rest(door: FrontDoor, service: str) -> None:
    answer = door.ask(f"{CATALOGUE[service]['rest']['path']}/v1.0.0/anything")
    assert answer.status == 200, answer
    assert json.loads(answer.body), "the service's own answer, by way of its sidecar"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("service", WEB)
def test_rest_of_a_service_that_does_not_know_its_path(door: FrontDoor, service: str) -> None:
    answer = door.ask(f"{CATALOGUE[service]['rest']['path']}/actuator/health/liveness")
    assert (answer.status, json.loads(answer.body)["status"]) == (200, "UP")


@pytest.mark.parametrize("grpc", METHODS)
def test_grpc(door: FrontDoor, grpc: str) -> None:
    answer = door.grpc(f"/{grpc}/Check", check_of(grpc))
    assert (answer.status, answer.headers.get("grpc-status")) == (200, "0"), answer
    assert answer.body == b"\0\0\0\0\2\x08\1", "one message: SERVING"


def test_grpc_web(door: FrontDoor) -> None:
    grpc = next(iter(METHODS))
    page = ["--header", "Origin: https://portal.example.org", "--header", "X-Grpc-Web: 1"]
    answer = door.grpc(f"/{grpc}/Check", check_of(grpc), "application/grpc-web+proto", *page)
    assert answer.status == 200 and answer.headers["content-type"].startswith("application/grpc-web"), answer
    assert answer.body.startswith(b"\0\0\0\0\2\x08\1")
    assert b"grpc-status: 0" in answer.body.lower()
    assert answer.headers["access-control-allow-origin"] in ("*", "https://portal.example.org")
    asks = ["--header", "Access-Control-Request-Method: POST", "--header", "Access-Control-Request-Headers: x-grpc-web"]
    before = door.ask(f"/{grpc}/Check", "--request", "OPTIONS", *page[:2], *asks)
    assert before.status in (200, 204) and "access-control-allow-origin" in before.headers, before


def test_keycloak_knows_its_public_address(door: FrontDoor) -> None:
    assert json.loads(door.ask(STEADY).body)["issuer"] == f"https://{HOST}/auth/realms/master"


def test_what_has_no_route_is_not_there(door: FrontDoor) -> None:
    assert door.ask("/core/anything").status == 404
    assert door.ask("/scimitar").status == 404, "a path is whole segments"


def test_another_name_is_told_nothing(door: FrontDoor) -> None:
    assert door.ask("/", "--insecure", host="another.example.org").status == 421


def test_http_leads_to_https(door: FrontDoor) -> None:
    how = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code} %{redirect_url}"]
    said = run(["curl", *how, f"http://{door.address}/user-management?x=1"])
    assert said == f"301 https://{HOST}/user-management?x=1"


def test_old_tls_is_refused(door: FrontDoor) -> None:
    with pytest.raises(CommandFailed, match=r"alert|protocol|handshake"):
        door.ask("/", "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")


@pytest.mark.parametrize("claim", [None, "10.231.0.1", "10.231.0.1, 10.231.0.31"])
def test_administration_is_the_operators_only(door: FrontDoor, claim: str | None) -> None:
    """Whatever somebody else says of himself; a worker stands for the world here, this computer is the operator's."""
    said = ["--header", f"X-Forwarded-For: {claim}"] if claim else []
    command = ["curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}", *said]
    command += ["--resolve", f"{HOST}:443:{door.address}", f"https://{HOST}/auth/admin/master/console/"]
    assert on_machine("worker1", shlex.join(command)).strip() == "403"
    assert door.ask("/auth/admin/master/console/", *said).status == 200


def test_nodes_let_the_edge_in_and_nobody_else(door: FrontDoor, cluster: Cluster, inventory: Inventory) -> None:
    ports = cluster.get("service", "custos-ingress", "-n", NAMESPACE)["spec"]["ports"]
    port = next(each["nodePort"] for each in ports if each["name"] == "https")
    served = {pod["spec"]["nodeName"] for pod in cluster.pods(NAMESPACE, PODS) if is_ready(pod)}
    machine = next(each for each in inventory.workers if each.name in served)
    url = f"https://{HOST}:{port}{STEADY}"
    how = ["curl", "--silent", "--insecure", "--max-time", "5", "--output", "/dev/null", "--write-out", "%{http_code}"]
    command = [*how, "--resolve", f"{HOST}:{port}:{machine.address}", url]
    assert on_machine("edge", shlex.join(command)).strip() == "200"
    with pytest.raises(CommandFailed, match=r"exit (7|28)"):
        run(command)


def test_nothing_up_is_said_honestly(door: FrontDoor, cluster: Cluster) -> None:
    """A page with 503 for browsers, UNAVAILABLE for gRPC; and all is well again by itself."""
    scale = ["scale", "deployment/custos-ingress", "-n", NAMESPACE]
    replicas = cluster.get("deployment", "custos-ingress", "-n", NAMESPACE)["spec"]["replicas"]
    grpc = next(iter(METHODS))
    try:
        cluster.kubectl(*scale, "--replicas=0")
        wait_for("Traefik's pods to end", lambda: not cluster.pods(NAMESPACE, PODS), seconds=120)
        answer = door.ask("/user-management/v1.0.0/anything")
        assert answer.status == 503 and b"Custos is not available" in answer.body
        assert answer.headers["retry-after"] == "30"
        assert door.grpc(f"/{grpc}/Check", check_of(grpc)).headers.get("grpc-status") == "14"
    finally:
        cluster.kubectl(*scale, f"--replicas={replicas}")
        cluster.kubectl("rollout", "status", "deployment/custos-ingress", "-n", NAMESPACE, "--timeout=300s")
    wait_for("the front door to answer again", lambda: door.ask(STEADY).status == 200, seconds=60)


def _kill_a_replica(cluster: Cluster) -> None:
    victim = cluster.pods(NAMESPACE, PODS)[0]
    kill_container(victim, "traefik")
    name = victim["metadata"]["name"]

    def back() -> bool:
        pod = cluster.get("pod", name, "-n", NAMESPACE)
        return is_ready(pod) and pod["status"]["containerStatuses"][0]["restartCount"] > 0

    wait_for("the replica to be back", back, seconds=120)


def _roll(cluster: Cluster) -> None:
    cluster.kubectl("rollout", "restart", "deployment/custos-ingress", "-n", NAMESPACE)
    cluster.kubectl("rollout", "status", "deployment/custos-ingress", "-n", NAMESPACE, "--timeout=300s")


Disturbance = Callable[[Cluster], None]


@pytest.mark.parametrize(
    "disturb", [pytest.param(_kill_a_replica, id="a replica is killed"), pytest.param(_roll, id="a rolling upgrade")]
)
def test_requests_go_on(door: FrontDoor, cluster: Cluster, disturb: Disturbance) -> None:
    with requests(door, STEADY) as stream:
        wait_for("a hundred requests", lambda: stream.sent >= 100, seconds=60)
        disturb(cluster)
        so_far = stream.sent
        wait_for("a hundred more", lambda: stream.sent >= so_far + 100, seconds=60)
    print(f"{stream.sent} requests; failed at first: {dict(stream.first)}; after one retry: {dict(stream.again)}")
    assert not stream.again


@pytest.fixture
def powered() -> Iterator[dict[str, Any]]:
    """Gives back the power that a test has taken."""
    state: dict[str, Any] = {}
    yield state
    if "off" in state:
        lab("power-on", state["off"])


@pytest.mark.drill
def test_requests_go_on_without_a_worker(door: FrontDoor, cluster: Cluster, powered: dict[str, Any]) -> None:
    """The worker with one of Traefik's pods, and with a third of all else."""
    victim = machine_of(cluster.pods(NAMESPACE, PODS)[0])
    with requests(door, "/auth/realms/master") as stream:
        wait_for("a hundred requests", lambda: stream.sent >= 100, seconds=60)
        powered["off"] = victim
        lab("power-off", victim)
        so_far = stream.sent
        wait_for("a minute of requests", lambda: stream.sent >= so_far + 1200, seconds=120)
    print(f"{stream.sent} requests; failed at first: {dict(stream.first)}; after one retry: {dict(stream.again)}")
    assert sum(stream.again.values()) <= stream.sent * 0.2
