"""An inventory: read, checked against inventory.schema.yaml and against itself, typed."""

from __future__ import annotations

import functools
import ipaddress
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from bootstrap import paths
from generator.errors import Finding, FindingsError, KeyPath
from generator.loading import Document, load_mapping
from generator.messages import schema_findings, show

SCHEMA = Path(__file__).parent / "inventory.schema.yaml"
# The chart's own floor (kubeVersion).
OLDEST_KUBERNETES = (1, 32)
# Words for networks in `firewall.open`.
SOURCES = ("nodes", "operators", "everybody")


@dataclass(frozen=True)
class Ssh:
    """How a machine is reached; None means what ssh itself would take."""

    user: str
    port: int
    private_key_file: Path | None
    known_hosts_file: Path | None


@dataclass(frozen=True)
class Volume:
    """A folder that is to be a volume; `minimum` is the free room asked for, in bytes."""

    path: str
    purpose: str
    minimum: int


@dataclass(frozen=True)
class Machine:
    """A machine and what it is for."""

    name: str
    address: str
    roles: tuple[str, ...]
    ssh: Ssh
    labels: Mapping[str, str]
    volumes: tuple[Volume, ...]

    @property
    def is_control_plane(self) -> bool:
        """Whether it runs the Kubernetes control plane."""
        return "control-plane" in self.roles

    @property
    def is_node(self) -> bool:
        """Whether it is part of the cluster."""
        return self.is_control_plane or "worker" in self.roles or "etcd" in self.roles


@dataclass(frozen=True)
class Network:
    """The cluster's own networks."""

    plugin: str
    pod_cidr: str
    service_cidr: str
    domain: str
    masquerade: bool

    @property
    def dns_address(self) -> str:
        """Address of the cluster's DNS Service: the tenth, as kubeadm has it."""
        return str(ipaddress.IPv4Network(self.service_cidr)[10])


@dataclass(frozen=True)
class Cluster:
    """The cluster that is formed or used."""

    name: str
    engine: str
    version: str
    api_address: str
    kubeconfig: Path | None
    context: str
    ignore_preflight_errors: tuple[str, ...]
    kubelet: Mapping[str, Any]
    kube_proxy: Mapping[str, Any]
    network: Network


@dataclass(frozen=True)
class Storage:
    """Volumes of the stores."""

    provisioner: str
    class_name: str
    path: str
    reclaim_policy: str


@dataclass(frozen=True)
class Edge:
    """The front door's machines; no `certificate` means that of the platform's own front door."""

    certificate: Path | None
    key: Path | None
    requests_per_second: int
    connections: int
    body_size: str


@dataclass(frozen=True)
class OpenPorts:
    """Ports that are open besides those that the platform needs; `sources` are networks or words for them."""

    ports: str
    protocol: str
    sources: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Firewall:
    """Who may reach the machines; networks as CIDRs."""

    enabled: bool
    operators: tuple[str, ...]
    node_ports: tuple[str, ...]
    open: tuple[OpenPorts, ...]


@dataclass(frozen=True)
class Platform:
    """The release; `timeout` is in seconds, `lab_only` are keys of the values that hold for images of the lab."""

    release: str
    namespace: str
    values: Path
    lab_only: tuple[str, ...]
    timeout: int


@dataclass(frozen=True)
class Backups:
    """What backups need from here: the object store's login, and the file of the recovery key, made where missing."""

    credentials: Path
    recovery_key: Path


@dataclass(frozen=True)
class Inventory:
    """All of it; `backups` is None where the values take none.

    `artifacts` is the machines' folder of binaries and images, empty where packages are used.
    """

    file: Path
    cluster: Cluster
    machines: tuple[Machine, ...]
    artifacts: str
    containerd: Mapping[str, Any]
    storage: Storage
    edge: Edge
    firewall: Firewall
    platform: Platform
    backups: Backups | None

    @property
    def edges(self) -> tuple[Machine, ...]:
        """The machines at which users arrive."""
        return tuple(machine for machine in self.machines if "edge" in machine.roles)

    @property
    def workers(self) -> tuple[Machine, ...]:
        """The machines that run the platform's pods."""
        return tuple(machine for machine in self.machines if "worker" in machine.roles)

    @property
    def nodes(self) -> tuple[Machine, ...]:
        """The machines that are in the cluster."""
        return tuple(machine for machine in self.machines if machine.is_node)

    @property
    def control_planes(self) -> tuple[Machine, ...]:
        """The machines that run the control plane, the first of which starts the cluster."""
        return tuple(machine for machine in self.machines if machine.is_control_plane)

    def mirrors(self, registry: str) -> tuple[str, ...]:
        """The addresses that are asked before the registry itself, in that order."""
        every = self.containerd["mirrors"]
        return tuple(every.get(registry, every.get("_default", ())))


@functools.cache
def schema() -> dict[str, Any]:
    """inventory.schema.yaml."""
    return dict(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))


def load(file: Path | str) -> Inventory:
    """The inventory in `file`. Raises FindingsError with everything that is wrong with it."""
    document = load_mapping(file)
    validator = jsonschema.Draft202012Validator(schema(), format_checker=_formats())
    findings = schema_findings(document, validator)
    if findings:
        raise FindingsError(findings)
    data = _with_defaults(document.data, schema())
    rules = _Rules(document, data)
    findings = sorted(rules.findings(), key=lambda finding: (finding.line or 0, finding.path))
    if findings:
        raise FindingsError(findings)
    return _build(Path(file), data)


def _formats() -> jsonschema.FormatChecker:
    checker = jsonschema.FormatChecker(formats=["ipv4"])
    checker.checks("ipv4network", raises=ValueError)(
        lambda text: not isinstance(text, str) or bool(ipaddress.IPv4Network(text))
    )
    return checker


def _with_defaults(value: Any, node: Mapping[str, Any]) -> Any:
    """`value` with the defaults of the schema `node` where nothing is said."""
    if "$ref" in node:
        node = {**schema()["$defs"][node["$ref"].rsplit("/", 1)[1]], **node}
    if isinstance(value, dict) and "properties" in node:
        filled = {}
        for key, child in node["properties"].items():
            if key in value or "default" in child:
                filled[key] = _with_defaults(value.get(key, child.get("default")), child)
        return filled
    if isinstance(value, list) and "items" in node:
        return [_with_defaults(item, node["items"]) for item in value]
    return value


class _Rules:
    """What a schema cannot say, each rule with its reason and mend."""

    def __init__(self, document: Document, data: dict[str, Any]) -> None:
        self._document = document
        self._data = data
        self._cluster: dict[str, Any] = data["cluster"]
        self._machines: list[dict[str, Any]] = data["machines"]

    def findings(self) -> Iterator[Finding]:
        """Everything at once."""
        engine = self._cluster["engine"]
        yield from self._paths()
        yield from self._backups()
        yield from self._names()
        if engine == "existing":
            yield from self._existing()
            return
        yield from self._version()
        yield from self._reach()
        yield from self._quorum()
        yield from self._edge()
        yield from self._firewall()
        yield from self._networks()
        if engine == "kubeadm":
            yield from self._kubeadm()
        else:
            yield self._finding(
                ("cluster", "engine"),
                "the engine is not part of this release",
                found=show(engine),
                allowed="kubeadm, existing",
                mend="write `engine: kubeadm`, or form the cluster with Rancher yourself and write `engine: existing`",
            )

    def _finding(self, key: KeyPath, message: str, **facts: Any) -> Finding:
        line = self._document.line(key)
        return Finding(file=self._document.file, line=line, key=key, message=message, **facts)

    def _names(self) -> Iterator[Finding]:
        for key in ("name", "address"):
            first: dict[str, int] = {}
            for index, machine in enumerate(self._machines):
                before = first.setdefault(machine[key], index)
                if before != index:
                    yield self._finding(
                        ("machines", index, key),
                        f"two machines have the same {key}",
                        found=f"{show(machine[key])}, as machines[{before}]",
                        mend="each machine needs its own",
                    )

    def _existing(self) -> Iterator[Finding]:
        if self._machines:
            yield self._finding(
                ("machines",),
                "the engine `existing` touches no machine",
                found=f"{len(self._machines)} machines",
                mend="remove `machines`, or choose the engine kubeadm",
            )

    def _version(self) -> Iterator[Finding]:
        version = self._cluster["version"]
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_KUBERNETES:
            yield self._finding(
                ("cluster", "version"),
                "the platform needs a newer Kubernetes",
                found=show(version),
                allowed="1.32.0 and newer",
            )

    def _reach(self) -> Iterator[Finding]:
        if not self._machines:
            yield self._finding(
                ("machines",),
                "there are no machines",
                allowed="at least one with the role control-plane and one with the role worker",
                mend="list them, or choose the engine existing to use a cluster that there is",
            )
        for index, machine in enumerate(self._machines):
            if "user" not in machine["ssh"] and "user" not in self._data["ssh"]:
                yield self._finding(
                    ("machines", index, "ssh"),
                    "nothing says as which user the machine is reached",
                    mend="set `ssh.user` for all machines, or for this one",
                )

    def _quorum(self) -> Iterator[Finding]:
        count = {role: sum(role in m["roles"] for m in self._machines) for role in ("control-plane", "etcd", "worker")}
        if self._machines and not count["control-plane"]:
            yield self._finding(
                ("machines",), "no machine has the role control-plane", mend="add it to the roles of one machine"
            )
        if self._machines and not count["worker"]:
            yield self._finding(
                ("machines",), "no machine has the role worker", mend="add it to the roles of the machines that serve"
            )
        members = count["etcd"] or count["control-plane"]
        if members and members % 2 == 0:
            lost = members // 2 - 1
            yield self._finding(
                ("machines",),
                f"an even number of etcd members outlives no more losses than one member less: of {members}, "
                f"{members // 2 + 1} must agree, so {lost or 'none'} may be lost, as of {members - 1}",
                found=f"{members} etcd members",
                allowed="1, 3 or 5",
                mend="add `etcd` to the roles of one more machine (a worker can carry it), or take it from one",
            )

    def _edge(self) -> Iterator[Finding]:
        edge = self._data["edge"]
        for index, machine in enumerate(self._machines):
            others = [role for role in machine["roles"] if role != "edge"]
            if others and "edge" in machine["roles"]:
                yield self._finding(
                    ("machines", index, "roles"),
                    "the edge stands alone: what the world reaches is no part of the cluster",
                    found=show(machine["roles"]),
                    allowed="edge, or other roles",
                    mend="give the edge a machine of its own",
                )
        if bool(edge["certificate"]) != bool(edge["key"]):
            there, missing = ("certificate", "key") if edge["certificate"] else ("key", "certificate")
            yield self._finding(
                ("edge", there),
                f"a {there} without its {missing}",
                found=show(edge[there]),
                mend=f"set edge.{missing}, or leave both out for the certificate of the platform's own front door",
            )
        for key in ("certificate", "key"):
            if edge[key] and not paths.expand(edge[key]).is_file():
                yield self._finding(("edge", key), "there is no such file", found=show(edge[key]))

    def _firewall(self) -> Iterator[Finding]:
        wall = self._data["firewall"]
        for key in ("operators", "nodePorts"):
            yield from self._overlaps(("firewall", key), wall[key])
        for index, extra in enumerate(wall["open"]):
            path: KeyPath = ("firewall", "open", index)
            ports = [int(port) for port in extra["ports"].split("-")]
            if not 1 <= ports[0] <= ports[-1] <= 65535:
                yield self._finding(
                    (*path, "ports"),
                    "is no port, and no range from a lower to a higher one",
                    found=show(extra["ports"]),
                    allowed="1 to 65535",
                )
            for number, source in enumerate(extra["from"]):
                if source not in SOURCES and not _formats().conforms(source, "ipv4network"):
                    yield self._finding(
                        (*path, "from", number),
                        "is no network",
                        found=show(source),
                        allowed=f"{', '.join(SOURCES)}, or a network such as 10.0.0.0/8",
                    )

    def _overlaps(self, path: KeyPath, networks: list[str]) -> Iterator[Finding]:
        """A network within another says nothing, and is a mistake as often as not."""
        for index, text in enumerate(networks):
            for before in networks[:index]:
                one, other = ipaddress.IPv4Network(before), ipaddress.IPv4Network(text)
                if one.overlaps(other):
                    yield self._finding(
                        (*path, index),
                        "two networks overlap",
                        found=f"{before} and {text}",
                        mend="leave out the one that lies in the other",
                    )

    def _kubeadm(self) -> Iterator[Finding]:
        planes = sum("control-plane" in machine["roles"] for machine in self._machines)
        if planes > 1:
            yield self._finding(
                ("machines",),
                "kubeadm with several control planes is not part of this release",
                found=f"{planes} machines with the role control-plane",
                allowed="one",
                mend="leave the role to one machine and make the others workers",
            )
        for index, machine in enumerate(self._machines):
            if "etcd" in machine["roles"] and "control-plane" not in machine["roles"]:
                yield self._finding(
                    ("machines", index, "roles"),
                    "kubeadm runs etcd on control planes only",
                    found=show(machine["roles"]),
                    mend="take `etcd` from the roles, or add `control-plane`",
                )
            other = [role for role in machine["roles"] if role in ("rancher", "backup")]
            if other:
                yield self._finding(
                    ("machines", index, "roles"),
                    "the role is not part of this release",
                    found=show(other[0]),
                    allowed="control-plane, etcd, worker, edge",
                    mend="leave the machine out of the inventory for now",
                )

    def _networks(self) -> Iterator[Finding]:
        network = self._cluster["network"]
        pods, services = (ipaddress.IPv4Network(network[key]) for key in ("podCidr", "serviceCidr"))
        if pods.overlaps(services):
            yield self._finding(
                ("cluster", "network", "podCidr"),
                "pods and Services share addresses",
                found=f"{pods} and {services}",
                mend="choose ranges that do not overlap",
            )
        nodes = sum(machine["roles"] != ["edge"] for machine in self._machines)
        ranges = 2 ** max(24 - pods.prefixlen, 0) if pods.prefixlen <= 24 else 0
        if ranges < nodes:
            yield self._finding(
                ("cluster", "network", "podCidr"),
                "has no /24 for each machine",
                found=f"{pods}: {ranges} for {nodes} machines",
                mend="choose a larger range",
            )
        for index, machine in enumerate(self._machines):
            for key, range_ in (("podCidr", pods), ("serviceCidr", services)):
                if ipaddress.IPv4Address(machine["address"]) in range_:
                    yield self._finding(
                        ("machines", index, "address"),
                        f"lies in the cluster's own {key}",
                        found=f"{machine['address']} in {range_}",
                        mend=f"choose another cluster.network.{key}",
                    )

    def _paths(self) -> Iterator[Finding]:
        """Variables that are not set, and values files that are not there."""
        where: list[tuple[KeyPath, str]] = [(("platform", "values"), self._data["platform"]["values"])]
        if self._cluster["engine"] == "existing":
            where.append((("cluster", "kubeconfig"), self._cluster["kubeconfig"]))
        where += [(("backups", key), self._data["backups"][key]) for key in ("credentials", "recoveryKey")]
        for base, ssh in (
            (("ssh",), self._data["ssh"]),
            *((("machines", i, "ssh"), m["ssh"]) for i, m in enumerate(self._machines)),
        ):
            where += [((*base, key), ssh[key]) for key in ("privateKeyFile", "knownHostsFile") if ssh.get(key)]
        for path, text in where:
            try:
                file = paths.expand(text)
            except KeyError as error:
                yield self._finding(
                    path,
                    f"the environment variable {error.args[0]} is not set",
                    found=show(text),
                    mend="set it, or give a default: ${NAME:-default}",
                )
                continue
            if path[0] == "platform" and text and not file.is_file():
                yield self._finding(path, "there is no such file", found=show(text), allowed=", ".join(_values_files()))

    def _backups(self) -> Iterator[Finding]:
        values = self._data["platform"]["values"]
        if _takes_backups(values) and not self._data["backups"]["credentials"]:
            yield self._finding(
                ("backups", "credentials"),
                "the values take backups, and nothing says how to log in at the object store",
                found=f"velero.enabled: true in {values}",
                allowed="an AWS credentials file: [default], aws_access_key_id=…, aws_secret_access_key=…",
                mend="name it, or set velero.enabled to false",
            )


def _takes_backups(values: str) -> bool:
    """Whether a values file switches backups on; what else is wrong with it is told where it is used."""
    try:
        section = load_mapping(paths.expand(values)).data.get("velero")
    except (KeyError, FindingsError):
        return False
    return isinstance(section, dict) and section.get("enabled") is True


def _values_files() -> list[str]:
    return sorted(str(file.relative_to(paths.PROJECT)) for file in (paths.PROJECT / "values").glob("*.yaml"))


def _build(file: Path, data: dict[str, Any]) -> Inventory:
    cluster, network, storage, platform = data["cluster"], data["cluster"]["network"], data["storage"], data["platform"]
    edge, wall = data["edge"], data["firewall"]
    existing = cluster["engine"] == "existing"
    return Inventory(
        file=file,
        cluster=Cluster(
            name=cluster["name"],
            engine=cluster["engine"],
            version=cluster["version"],
            api_address=cluster["apiAddress"],
            kubeconfig=_first_kubeconfig(cluster["kubeconfig"]) if existing else None,
            context=cluster["context"] if existing else "",
            ignore_preflight_errors=tuple(cluster["ignorePreflightErrors"]),
            kubelet=cluster["kubelet"],
            kube_proxy=cluster["kubeProxy"],
            network=Network(
                plugin=network["plugin"],
                pod_cidr=network["podCidr"],
                service_cidr=network["serviceCidr"],
                domain=network["domain"],
                masquerade=network["masquerade"],
            ),
        ),
        machines=tuple(_machine(machine, data["ssh"]) for machine in data["machines"]),
        artifacts=data["artifacts"]["path"],
        containerd=data["containerd"],
        storage=Storage(
            provisioner="existing" if existing and "storage" not in data else storage["provisioner"],
            class_name=storage["className"],
            path=storage["path"],
            reclaim_policy=storage["reclaimPolicy"],
        ),
        edge=Edge(
            certificate=paths.expand(edge["certificate"]) if edge["certificate"] else None,
            key=paths.expand(edge["key"]) if edge["key"] else None,
            requests_per_second=edge["requestsPerSecond"],
            connections=edge["connections"],
            body_size=edge["bodySize"],
        ),
        firewall=Firewall(
            enabled=wall["enabled"],
            operators=tuple(wall["operators"]),
            node_ports=tuple(wall["nodePorts"]),
            open=tuple(
                OpenPorts(extra["ports"], extra["protocol"], tuple(extra["from"]), tuple(extra["roles"]))
                for extra in wall["open"]
            ),
        ),
        platform=Platform(
            release=platform["release"],
            namespace=platform["namespace"],
            values=paths.expand(platform["values"]),
            lab_only=tuple(platform["labOnly"]),
            timeout=platform["timeout"] * 60,
        ),
        backups=_backups(data) if _takes_backups(platform["values"]) else None,
    )


def _backups(data: dict[str, Any]) -> Backups:
    given, state = data["backups"], paths.state(data["cluster"]["name"])
    key = paths.expand(given["recoveryKey"]) if given["recoveryKey"] else state / "recovery.pem"
    return Backups(paths.expand(given["credentials"]), key)


def _first_kubeconfig(text: str) -> Path:
    """kubectl merges the files of a list; one is enough here."""
    return paths.expand(text.split(os.pathsep)[0] if "$" not in text else str(paths.expand(text)).split(os.pathsep)[0])


def _machine(data: dict[str, Any], common: dict[str, Any]) -> Machine:
    ssh = {"port": 22, **common, **data["ssh"]}
    key, known = (paths.expand(ssh[name]) if ssh.get(name) else None for name in ("privateKeyFile", "knownHostsFile"))
    return Machine(
        name=data["name"],
        address=data["address"],
        roles=tuple(data["roles"]),
        ssh=Ssh(ssh["user"], ssh["port"], key, known),
        labels=data["labels"],
        volumes=tuple(Volume(v["path"], v["purpose"], _bytes(v["minimum"])) for v in data["volumes"]),
    )


def _bytes(text: str) -> int:
    exponent = {"Mi": 20, "Gi": 30, "Ti": 40}[text[-2:]]
    return int(text[:-2]) << exponent
