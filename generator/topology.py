"""Who talks to whom: the graph of an installation, from the catalogue and the values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from generator.catalogue import Catalogue
from generator.inventory import Machine
from generator.values import Values


@dataclass(frozen=True)
class Service:
    """A service that runs. `public` is how users reach it, empty where they do not."""

    name: str
    kind: str
    replicas: int
    ports: tuple[str, ...]
    public: tuple[str, ...]
    calls: tuple[str, ...]
    needs: tuple[str, ...]
    configured: bool


@dataclass(frozen=True)
class Store:
    """A store that some service needs: `here` (in the release), `outside` or `absent`, and where it is."""

    name: str
    title: str
    state: str
    detail: str


@dataclass(frozen=True)
class Topology:
    """Services in the catalogue's order, the stores they need, and the machines of an inventory, if any."""

    services: list[Service]
    config: str
    stores: list[Store]
    machines: list[Machine]
    placement: list[str]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def topology(values: Values, catalogue: Catalogue, machines: list[Machine]) -> Topology:
    """The topology of an installation with these values, on these machines where there are any."""
    switches = values.get("custos.services") if values.get("custos.enabled") else {}
    running = {
        name: facts for name, facts in catalogue.services.items() if switches.get(name, {}).get("enabled", False)
    }
    services = [
        Service(
            name=name,
            kind=facts["kind"],
            replicas=switches[name].get("replicas") or values.get("custos.replicas"),
            ports=tuple(f"{port} {number}" for port, number in _ports(facts).items()),
            public=_public(facts),
            calls=tuple(peer["service"] for peer in facts["peers"] if peer["service"] in running),
            needs=tuple(facts["needs"]),
            configured=facts.get("configClient", False),
        )
        for name, facts in running.items()
    ]
    needed = {need for service in services for need in service.needs}
    stores = [
        _store(name, facts, values)
        for name, facts in catalogue.stores.items()
        if name in needed or (facts["deployable"] and values.get(f"{name}.enabled"))
    ]
    return Topology(services, catalogue.config, stores, machines, _placement(values, catalogue, running))


def _ports(facts: dict[str, Any]) -> dict[str, int]:
    sidecar = facts.get("sidecar", {}).get("ports", {})
    return {name: port for name, port in {**facts["ports"], **sidecar}.items() if name != "admin"}


def _public(facts: dict[str, Any]) -> tuple[str, ...]:
    if not facts["public"]:
        return ()
    ways = [facts["rest"]["path"]] if "rest" in facts else []
    return tuple(ways + (["gRPC"] if facts["grpc"] else [] if ways else ["gRPC-web"]))


def _store(name: str, facts: dict[str, Any], values: Values) -> Store:
    if facts["deployable"] and values.get(f"{name}.enabled"):
        replicas = values.get(f"{name}.replicas")
        size = values.get(f"{name}.persistence.size")
        return Store(name, facts["title"], "here", f"{replicas} pods, {size} each")
    if name in values.get("custos.withoutStores"):
        return Store(name, facts["title"], "absent", "not there yet")
    where = values.get(facts["address"]) or "nowhere"
    return Store(name, facts["title"], "outside", where.split("://")[-1])


def _placement(values: Values, catalogue: Catalogue, running: dict[str, Any]) -> list[str]:
    """How the pods spread over machines, in words."""
    rules = {"host": "at most one a machine", "preferHost": "spread over machines", "none": "anywhere"}
    parts = [
        f"{facts['title']}: {values.get(f'{name}.replicas')} pods, {rules[values.get(f'{name}.scheduling.spread')]}"
        for name, facts in catalogue.stores.items()
        if facts["deployable"] and values.get(f"{name}.enabled")
    ]
    if running:
        spread = rules[values.get("custos.scheduling.spread")]
        replicas = values.get("custos.replicas")
        parts.append(f"{len(running)} services: {replicas} pod{'s' if replicas > 1 else ''} each, {spread}")
    return parts
