"""The program that looks at machines, run on this one, and what its answers mean to preflight."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bootstrap.clients.ansible import FOLDER
from bootstrap.inventory import Inventory
from bootstrap.phases.preflight import machine_findings, together
from bootstrap.probe import Facts

WELL: dict[str, Any] = {
    "os": {"id": "debian", "version": "13"},
    "architecture": "x86_64",
    "processors": 4,
    "memory": 8 << 30,
    "swap": 0,
    "hostname": "cp1",
    "machine_id": "1",
    "time": 1000.0,
    "root": True,
    "systemd": True,
    "default_route": True,
    "listening": [22],
    "missing_packages": [],
    "modules": {"overlay": "loaded", "br_netfilter": "loadable"},
    "volumes": {
        path: {"free": 50 << 30, "size": 100 << 30, "mount": True, "exists": True}
        for path in ("/", "/var/lib/containerd", "/var/lib/kubelet")
    },
    "kubernetes": {"admin": False, "joined": False, "initialised": False, "ca": False, "leftovers": [], "etcd": False},
    "artifacts": None,
}


def _probe(wanted: dict[str, Any]) -> dict[str, Any]:
    program = (FOLDER / "files" / "probe.py").read_bytes()
    everything = {
        "packages": [],
        "modules": [],
        "sysctls": [],
        "volumes": ["/"],
        "units": [],
        "artifacts": "",
        "registries": {},
    }
    done = subprocess.run(
        [sys.executable, "-", json.dumps({**everything, **wanted})], input=program, capture_output=True, check=True
    )
    return dict(json.loads(done.stdout))


def test_it_tells_what_this_computer_is() -> None:
    facts = _probe({"sysctls": ["kernel.ostype", "no.such.setting"], "modules": ["no_such_module"]})
    assert facts["sysctls"] == {"kernel.ostype": "Linux", "no.such.setting": None}
    assert facts["modules"] == {"no_such_module": "absent"}
    assert facts["memory"] > 1 << 20
    assert facts["processors"] >= 1
    assert abs(facts["time"] - time.time()) < 60
    assert facts["volumes"]["/"]["mount"]


def test_a_folder_that_is_not_there_yet_has_the_room_of_the_one_above(tmp_path: Path) -> None:
    path = str(tmp_path / "a" / "b")
    volume = _probe({"volumes": [path]})["volumes"][path]
    assert volume["free"] > 0
    assert (volume["mount"], volume["exists"]) == (False, False)


def test_packages_that_are_not_installed_are_named() -> None:
    assert _probe({"packages": ["dpkg", "no-such-package-at-all"]})["missing_packages"] == ["no-such-package-at-all"]


def test_artifacts_are_compared_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubeadm-of-a-test").write_text("a program")
    image = {"reference": "docker.io/library/a-test:1", "archive": "a.tar", "id": "00"}
    (tmp_path / "manifest.json").write_text(json.dumps({"kubernetes": "v1.34.4", "images": [image]}))
    assert _probe({"artifacts": str(tmp_path)})["artifacts"] == {
        "present": True,
        "programs": ["kubeadm-of-a-test"],
        "archives": ["a.tar"],
        "outdated": [],
        "kubernetes": "v1.34.4",
    }


def test_artifacts_that_are_not_there_are_told(tmp_path: Path) -> None:
    assert not _probe({"artifacts": str(tmp_path)})["artifacts"]["present"]


class _Registry(BaseHTTPRequestHandler):
    """Wants a login, as most registries do at their root."""

    def do_GET(self) -> None:
        self.send_response(401 if self.path == "/v2/" else 404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Not into the test's output."""


@pytest.fixture
def registry_that_answers() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_of_each_registry_the_first_address_that_answers_is_told(registry_that_answers: str) -> None:
    nobody = "http://127.0.0.1:9"
    wanted = {
        "docker.io": [nobody, registry_that_answers],
        "ghcr.io": [f"{registry_that_answers}/v2/folder", nobody],
        "quay.io": [nobody],
    }
    assert _probe({"registries": wanted})["registries"] == {
        "docker.io": registry_that_answers,
        "ghcr.io": f"{registry_that_answers}/v2/folder",
        "quay.io": None,
    }


def test_a_machine_that_is_well_has_no_finding(inventory: Inventory) -> None:
    assert _findings(inventory, {}) == []


def _findings(inventory: Inventory, changed: dict[str, Any]) -> list[str]:
    return list(machine_findings(inventory, inventory.machines[0], Facts({**WELL, **changed}), (1000.0, 1001.0)))


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"root": False}, "sudo does not make ubuntu root"),
        ({"systemd": False}, "does not run systemd"),
        (
            {"os": {"id": "rocky", "version": "9"}},
            "runs rocky 9; bootstrap knows debian 12, debian 13, ubuntu 22.04, ubuntu 24.04, ubuntu 26.04",
        ),
        ({"architecture": "riscv64"}, "is riscv64; images are for x86_64 and aarch64"),
        ({"processors": 1}, "has 1 processor, 2 are needed"),
        ({"memory": 1 << 30}, "has 1.0 GiB of memory, 1.7 GiB are needed for a control-plane"),
        (
            {"time": 4600.0},
            "its clock is 3599 s off this computer's: set up time synchronisation (systemd-timesyncd, chrony)",
        ),
        (
            {"time": 900.0},
            "its clock is 100 s off this computer's: set up time synchronisation (systemd-timesyncd, chrony)",
        ),
        ({"default_route": False}, "has no default route, which Kubernetes needs to choose its address"),
        ({"modules": {"br_netfilter": "absent"}}, "its kernel has no module br_netfilter"),
        (
            {"volumes": {**WELL["volumes"], "/var/lib/containerd": {"free": 1 << 30, "mount": False}}},
            "has 1.0 GiB free in /var/lib/containerd, 8.0 GiB are needed",
        ),
        ({"listening": [22, 6443]}, "something listens on port 6443, which Kubernetes needs: `ss -ltnp`"),
        (
            {"kubernetes": {**WELL["kubernetes"], "etcd": True}},
            "has data of another etcd in /var/lib/etcd: move it away if nobody needs it",
        ),
        (
            {"kubernetes": {**WELL["kubernetes"], "leftovers": ["etcd.yaml"]}},
            "has left-overs of Kubernetes in /etc/kubernetes/manifests (etcd.yaml): `kubeadm reset`",
        ),
        (
            {"artifacts": {"present": True, "kubernetes": "v1.33.1"}},
            "its artifacts are Kubernetes v1.33.1, the inventory wants v1.34.4 (cluster.version)",
        ),
    ],
)
def test_what_is_wrong_with_a_machine_is_told(inventory: Inventory, changed: dict[str, Any], finding: str) -> None:
    assert _findings(inventory, changed) == [finding]


def test_its_own_ports_are_no_finding_on_a_node(inventory: Inventory) -> None:
    changed = {"kubernetes": {**WELL["kubernetes"], "joined": True, "ca": True, "admin": True}, "listening": [6443]}
    assert _findings(inventory, changed) == []


def test_what_no_two_machines_may_share_is_told() -> None:
    facts = {name: Facts({**WELL, "hostname": "vm"}) for name in ("a", "b")}
    assert list(together(facts)) == [
        "a, b have the same machine id (/etc/machine-id): 1",
        "a, b have the same host name: vm",
    ]
