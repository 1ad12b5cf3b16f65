"""Ansible takes the playbooks, which use its own modules only; readers take the files that they write."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.clients.ansible import FOLDER
from bootstrap.engines.playbooks import variables
from bootstrap.inventory import Inventory

PLAYBOOKS = sorted(path.stem for path in FOLDER.glob("*.yml"))
ENVIRONMENT = {
    **os.environ,
    "ANSIBLE_ROLES_PATH": str(FOLDER / "roles"),
    "ANSIBLE_LOCALHOST_WARNING": "False",
    "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
}


def _ansible(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "ansible-playbook"
    return subprocess.run([str(program), *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_there_are_playbooks() -> None:
    assert {"probe", "machines", "cluster", "network", "reset"} <= set(PLAYBOOKS)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_ansible_understands_the_playbook(playbook: str) -> None:
    given = json.dumps({"custos_first": "localhost", "custos_join": []})
    done = _ansible("--syntax-check", "-i", "localhost,", "-e", given, str(FOLDER / f"{playbook}.yml"))
    assert done.returncode == 0, done.stderr


def test_only_modules_that_come_with_ansible_core_are_used() -> None:
    used = set()
    for file in FOLDER.rglob("*.yml"):
        used |= set(re.findall(r"^\s+([a-z_]+\.[a-z_]+\.[a-z0-9_]+):", file.read_text(), re.MULTILINE))
    assert used and all(name.startswith("ansible.builtin.") for name in used), used


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Writes templates of the project by Ansible itself, all in one go, with these variables."""

    def _write(templates: dict[str, str], given: dict[str, Any]) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("written")
        tasks = [
            {"ansible.builtin.template": {"src": str(FOLDER / path), "dest": str(folder / name), "mode": "0600"}}
            for name, path in templates.items()
        ]
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        (folder / "play.yml").write_text(json.dumps([play]))
        (folder / "given.json").write_text(json.dumps(given))
        done = _ansible("-i", "localhost,", "-e", f"@{folder / 'given.json'}", str(folder / "play.yml"))
        assert done.returncode == 0, done.stdout + done.stderr
        return {name: (folder / name).read_text() for name in templates}

    return _write


TOKEN = "abcdef.0123456789abcdef"
TEMPLATES = {
    "config.toml": "roles/containerd/templates/config.toml.j2",
    "kubelet.service": "roles/kubernetes/templates/kubelet.service.j2",
    "sysctl.conf": "roles/base/templates/sysctl.conf.j2",
    "hosts": "roles/base/templates/hosts.j2",
    "conflist": "roles/network/templates/custos-platform.conflist.j2",
    "network.service": "roles/network/templates/custos-pod-network.service.j2",
    "init.yaml": "templates/init.yaml.j2",
    "join.yaml": "templates/join.yaml.j2",
}


@pytest.fixture
def files(written: Any, inventory: Inventory) -> dict[str, str]:
    """All of them for a machine named localhost."""
    return dict(
        written(
            TEMPLATES,
            {
                **variables(inventory),
                "cgroup_driver": "systemd",
                "custos_roles": ["control-plane"],
                "ansible_host": "10.9.0.1",
                "custos_kubelet_configuration": {"failSwapOn": False},
                "custos_pod_ranges": {"localhost": "10.244.0.0/24", "worker1": "10.244.1.0/24"},
                "custos_addresses": {"localhost": "10.9.0.1", "worker1": "10.9.0.2"},
                "pod_range": "10.244.0.0/24",
                "words": ["join", "--token", TOKEN, "--discovery-token-ca-cert-hash", "sha256:00"],
            },
        )
    )


def test_every_file_that_is_written_is_right_for_its_reader(files: dict[str, str]) -> None:
    runtime = tomllib.loads(files["config.toml"])["plugins"]["io.containerd.grpc.v1.cri"]
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True
    assert runtime["restrict_oom_score_adj"] is False
    assert runtime["sandbox_image"] == "registry.k8s.io/pause:3.10.1"

    bridge, _ = json.loads(files["conflist"])["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.244.0.0/24"}]]

    init, cluster, kubelet, proxy = yaml.safe_load_all(files["init.yaml"])
    assert init["localAPIEndpoint"]["advertiseAddress"] == "10.9.0.1"
    assert "taints" not in init["nodeRegistration"]
    assert cluster["controlPlaneEndpoint"] == "10.9.0.1:6443"
    assert kubelet == {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failSwapOn": False,
    }
    assert (proxy["kind"], proxy["mode"]) == ("KubeProxyConfiguration", "nftables")

    join = yaml.safe_load(files["join.yaml"])["discovery"]["bootstrapToken"]
    assert join["token"] == TOKEN
    assert join["caCertHashes"] == ["sha256:00"]

    assert "10.9.0.1 cp1\n10.9.0.2 worker1\n" in files["hosts"]
    assert "net.ipv4.ip_forward = 1\n" in files["sysctl.conf"]
    assert "net.ipv4.icmp_ratelimit = 20\n" in files["sysctl.conf"]


def test_mirrors_are_written_as_containerd_reads_them(written: Any) -> None:
    item = {"key": "docker.io", "value": ["http://10.9.0.9:5000", "https://harbor.example.org/v2/dockerhub"]}
    template = {"hosts.toml": "roles/containerd/templates/hosts.toml.j2"}
    hosts = tomllib.loads(written(template, {"item": item})["hosts.toml"])["host"]
    assert list(hosts) == item["value"], "asked in the inventory's order"
    assert hosts["http://10.9.0.9:5000"] == {"capabilities": ["pull", "resolve"]}
    assert hosts["https://harbor.example.org/v2/dockerhub"]["override_path"] is True


def test_a_machine_has_routes_to_the_others_and_none_to_itself(files: dict[str, str]) -> None:
    routes = [line for line in files["network.service"].splitlines() if "route replace" in line]
    assert routes == ["ExecStart=/usr/sbin/ip route replace 10.244.1.0/24 via 10.9.0.2 proto 142"]


def test_no_token_is_ever_shown_or_part_of_a_command_line() -> None:
    plays = yaml.safe_load((FOLDER / "cluster.yml").read_text())
    tasks = [task for play in plays for task in _flat(play["tasks"])]
    secret = [task for task in tasks if "invitation" in str(task) or "join.yaml" in str(task)]
    for task in secret:
        words = task.get("ansible.builtin.command", {}).get("argv", ())
        assert not any("{{ words" in word or "invitation" in word for word in words), task
        if "ansible.builtin.template" in task or task.get("register") == "invitation":
            assert task.get("no_log") is True, task


def _flat(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for task in tasks:
        found += _flat(task["block"] + task.get("always", [])) if "block" in task else [task]
    return found


def test_rules_of_a_node_and_of_the_edge(written: Any) -> None:
    """What nft itself says of them is tests/lab's: it is not on every computer."""
    opening = {"why": "SSH: operators", "protocol": "tcp", "ports": "22", "sources": ["10.8.0.0/16", "10.7.0.1"]}
    door = {"why": "users: HTTPS", "protocol": "tcp", "ports": "443", "sources": []}
    cluster = {
        "inside": ["10.9.0.1", "10.244.0.0/16"],
        "pods": "10.244.0.0/16",
        "services": "10.96.0.0/12",
        "anyone": False,
        "door": [],
    }
    template = {"firewall.nft": "roles/firewall/templates/firewall.nft.j2"}

    def rules(**own: Any) -> list[str]:
        text = written(template, {"custos_firewall": {"openings": [opening, door], "cluster": None, **own}})
        return [line.strip() for line in text["firewall.nft"].splitlines()]

    edge = rules()
    assert edge[2:4] == ["add table inet custos", "delete table inet custos"], "replaced in one go, whatever was there"
    assert "ip saddr { 10.8.0.0/16, 10.7.0.1 } tcp dport 22 accept" in edge
    assert "tcp dport 443 accept" in edge
    assert not [line for line in edge if "chain forward" in line]
    node = rules(cluster=cluster)
    assert "fib daddr type local udp dport 30000-32767 reject" in node, "there is nobody who may"
    assert "fib daddr type local tcp dport 30000-32767 ip saddr != { 10.9.0.9 } reject" in rules(
        cluster={**cluster, "door": ["10.9.0.9"]}
    )
    assert not [line for line in rules(cluster={**cluster, "anyone": True}) if "30000" in line]
    assert "ip daddr 10.244.0.0/16 ip saddr != { 10.9.0.1, 10.244.0.0/16 } reject" in node
