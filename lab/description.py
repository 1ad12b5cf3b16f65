"""The description of a lab: lab.yaml, read, checked and typed."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from lab import quantity
from lab.errors import LabError

SCHEMA = Path(__file__).parent / "lab.schema.yaml"
# Neither works on an overlay: containerd's snapshots are overlays themselves, and so may pods' volumes be.
OWN_DISKS = ("/var/lib/containerd", "/var/lib/kubelet")


@dataclass(frozen=True)
class ObjectStore:
    """An object store on a machine: its port, its one bucket, and the disk that it keeps all on."""

    port: int
    bucket: str
    path: str


@dataclass(frozen=True)
class Machine:
    """One machine: its address in the subnet, its limits (bytes, processors), the folders that are disks.

    `sizes` has the bytes of those disks that are no larger than that; others share this computer's room.
    """

    name: str
    address: ipaddress.IPv4Address
    memory: int | None
    cpus: float | None
    disks: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...] = ()
    object_store: ObjectStore | None = None


@dataclass(frozen=True)
class Lab:
    """A lab; `needs_memory` and `needs_disk` are the bytes that it takes of this computer."""

    name: str
    bridge: str
    subnet: ipaddress.IPv4Network
    needs_memory: int
    needs_disk: int
    artifacts: str | None
    machines: tuple[Machine, ...]

    @property
    def gateway(self) -> ipaddress.IPv4Address:
        """This computer's address in the lab."""
        return self.subnet[1]

    def machine(self, name: str) -> Machine:
        """The machine called `name`. Raises LabError with the names there are."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise LabError(
            f"the lab has no machine {name!r}", f"its machines are {', '.join(m.name for m in self.machines)}"
        )


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(path: Path) -> Lab:
    """Read and check the lab's file. Raises LabError that names every finding with its path in the file."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LabError(f"{path} cannot be read: {error}", "mend the file or name another with --file") from None
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    errors = jsonschema.Draft202012Validator(schema).iter_errors(data)
    findings = [f"{'.'.join(map(str, error.absolute_path)) or 'the file'}: {error.message}" for error in errors]
    findings = findings or list(_conflicts(data))
    if findings:
        raise LabError(
            f"{path} does not describe a lab:\n  " + "\n  ".join(findings),
            f"{SCHEMA.name} says what is allowed",
        )
    try:
        return _build(data)
    except ValueError as error:
        raise LabError(f"{path} does not describe a lab: {error}", f"{SCHEMA.name} says what is allowed") from None


def _conflicts(data: dict[str, Any]) -> Iterator[str]:
    """What a schema cannot say: addresses that fit the subnet and are given once, stores that have a disk."""
    for name, machine in data["machines"].items():
        store = machine.get("objectStore")
        if store and store["path"] not in map(_path, machine.get("volumes", ())):
            yield f"machines.{name}.objectStore.path: {store['path']} is none of the machine's volumes"
    try:
        subnet = ipaddress.IPv4Network(data["network"]["subnet"])
    except ValueError as error:
        yield f"network.subnet: {error}"
        return
    if subnet.num_addresses < 8:
        yield f"network.subnet: {subnet} is too small, at least /29 is needed"
        return
    owners = {subnet[0]: "the network", subnet[1]: "this computer", subnet[-1]: "broadcasts"}
    for name, machine in data["machines"].items():
        where = f"machines.{name}.address"
        try:
            address = ipaddress.IPv4Address(machine["address"])
        except ValueError as error:
            yield f"{where}: {error}"
            continue
        if address not in subnet:
            yield f"{where}: {address} is not in network.subnet {subnet}"
        elif address in owners:
            yield f"{where}: {address} belongs to {owners[address]}"
        owners.setdefault(address, name)


def _build(data: dict[str, Any]) -> Lab:
    machines = tuple(
        Machine(
            name=name,
            address=ipaddress.IPv4Address(facts["address"]),
            memory=quantity.parse(facts["memory"]) if "memory" in facts else None,
            cpus=facts.get("cpus"),
            disks=OWN_DISKS + tuple(_path(volume) for volume in facts.get("volumes", ())),
            sizes=tuple(
                (volume["path"], quantity.parse(volume["size"]))
                for volume in facts.get("volumes", ())
                if isinstance(volume, dict)
            ),
            object_store=ObjectStore(**facts["objectStore"]) if "objectStore" in facts else None,
        )
        for name, facts in data["machines"].items()
    )
    return Lab(
        name=data["name"],
        bridge=data["network"]["bridge"],
        subnet=ipaddress.IPv4Network(data["network"]["subnet"]),
        needs_memory=quantity.parse(data["requires"]["memory"]),
        needs_disk=quantity.parse(data["requires"]["disk"]),
        artifacts=data.get("artifacts"),
        machines=machines,
    )


def _path(volume: str | dict[str, str]) -> str:
    return volume if isinstance(volume, str) else volume["path"]
