"""The lab's file: what it says, and what is said about one that cannot be."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from lab import description, paths
from lab.errors import LabError
from tests.lab_machines.conftest import DESCRIPTION


def test_the_default_lab_is_one_control_plane_three_workers_an_edge_and_a_store() -> None:
    lab = description.load(paths.DEFAULT_FILE)
    assert [machine.name for machine in lab.machines] == ["cp1", "worker1", "worker2", "worker3", "edge", "store"]
    assert lab.artifacts == "/opt/custos-artifacts"
    for machine in lab.machines:
        assert ("/var/lib/custos-volumes" in machine.disks) is (machine.name not in ("edge", "store"))
        assert machine.address in lab.subnet


def test_a_file_is_read_with_its_units(lab_file: Path) -> None:
    lab = description.load(lab_file)
    assert (lab.name, lab.bridge, lab.subnet) == ("tiny", "tiny0", IPv4Network("10.232.0.0/24"))
    assert lab.gateway == IPv4Address("10.232.0.1")
    assert (lab.needs_memory, lab.needs_disk) == (256 * 2**20, 10**9)
    first, second = lab.machines
    assert first.address == IPv4Address("10.232.0.11")
    assert (first.memory, first.cpus) == (512 * 2**20, 1)
    assert first.disks == ("/var/lib/containerd", "/var/lib/kubelet", "/var/lib/custos-volumes")
    assert first.sizes == (("/var/lib/custos-volumes", 64 * 2**20),)
    assert (second.memory, second.cpus, second.disks) == (None, None, description.OWN_DISKS)


MISTAKES = {
    "an unknown key": (
        "  t2: {address",
        "  t2: {adress: x, address",
        "machines.t2",
        "'adress' was unexpected",
    ),
    "a name twice": ("  t2:", "  t1:", "", "the key 't1' stands twice"),
    "a name with capitals": ("  t2:", "  T2:", "machines", "'T2' does not match"),
    "no quantity": ("512Mi", "512MB", "machines.t1.memory", "'512MB' does not match"),
    "a quantity and a line end": ("512Mi", '"512Mi\\n"', "", "is no amount of bytes"),
    "no address": ("10.232.0.12", "10.232.0.300", "machines.t2.address", "300"),
    "an address elsewhere": (
        "10.232.0.12",
        "10.233.0.12",
        "machines.t2.address",
        "10.233.0.12 is not in network.subnet 10.232.0.0/24",
    ),
    "an address twice": ("10.232.0.12", "10.232.0.11", "machines.t2.address", "10.232.0.11 belongs to t1"),
    "the gateway": ("10.232.0.12", "10.232.0.1", "machines.t2.address", "belongs to this computer"),
    "a subnet with host bits": ("0.0/24}", "0.5/24}", "network.subnet", "has host bits set"),
    "a subnet too small": ("0.0/24}", "0.8/30}", "network.subnet", "is too small"),
    "a long bridge": ("tiny0", "a-very-long-bridge", "network.bridge", "does not match"),
    "a volume that climbs": (
        "/var/lib/custos-volumes",
        "/var/../etc",
        "machines.t1.volumes.0.path",
        "does not match",
    ),
    "no processors": ("cpus: 1", "cpus: 0", "machines.t1.cpus", "0 is less than or equal to"),
    "no machine": (DESCRIPTION.partition("machines:")[2], " {}\n", "machines", "{}"),
    "a list": (DESCRIPTION, "[]\n", "the file", "is not of type 'object'"),
    "nothing": (DESCRIPTION, "", "the file", "None is not of type 'object'"),
    "no YAML": ("{bridge", "{{bridge", "", "cannot be read"),
}


@pytest.mark.parametrize("old, new, where, what", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_its_place(lab_file: Path, old: str, new: str, where: str, what: str) -> None:
    assert old in DESCRIPTION
    lab_file.write_text(DESCRIPTION.replace(old, new, 1))
    with pytest.raises(LabError) as caught:
        description.load(lab_file)
    assert str(lab_file) in caught.value.what
    assert where in caught.value.what
    assert what in caught.value.what
    assert caught.value.remedy


def test_all_mistakes_are_told_at_once(lab_file: Path) -> None:
    lab_file.write_text(DESCRIPTION.replace("512Mi", "much").replace("cpus: 1", "cpus: all"))
    with pytest.raises(LabError, match=r"(?s)t1\.memory.*t1\.cpus|t1\.cpus.*t1\.memory"):
        description.load(lab_file)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00binary"], ids=["missing", "binary"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabError, match=r"other\.yaml cannot be read"):
        description.load(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot be read"):
        description.load(tmp_path)


def test_an_unknown_machine_is_answered_with_the_names_there_are(lab_file: Path) -> None:
    with pytest.raises(LabError, match="its machines are t1, t2"):
        description.load(lab_file).machine("t3")
