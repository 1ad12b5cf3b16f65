"""Inventories as cases: each wrong one with its exact message, all of them at once, and what a right one means."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.inventory import load
from bootstrap.paths import PROJECT
from generator.errors import FindingsError
from tests.bootstrap.conftest import ONE_PLANE, Write


def _findings(file: Path) -> list[str]:
    with pytest.raises(FindingsError) as wrong:
        load(file)
    return [str(finding).removeprefix(f"{file}:").lstrip() for finding in wrong.value.findings]


HEAD = "cluster: {name: trial, engine: kubeadm}\nssh: {user: ubuntu}\nmachines:\n"
PLANE = "  - {name: cp1, address: 10.9.0.1, roles: [control-plane]}\n"
WORKER = "  - {name: w1, address: 10.9.0.2, roles: [worker]}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the key `cluster` is missing; mend: add `cluster: …`"),
        (
            "cluster: {name: a, engine: kubadm}",
            '1: cluster.engine: is none of the values there are; found "kubadm"; '
            "allowed: kubeadm, existing, rancher; did you mean kubeadm?",
        ),
        ("cluster: {name: a}", "1: cluster: the key `engine` is missing; mend: add `engine: …`"),
        (
            "cluster: {name: Lab, engine: existing}",
            '1: cluster.name: has the wrong form; found "Lab"; allowed: at most 40 small letters, digits and hyphens',
        ),
        (
            HEAD + PLANE + WORKER + "storage: {reclaim: Keep}",
            "6: storage.reclaim: unknown key; allowed: provisioner, "
            "className, path, reclaimPolicy; did you mean storage.reclaimPolicy?",
        ),
        (
            HEAD + PLANE + "  - {name: w1, address: 10.9.0, roles: [worker]}",
            "5: machines[1].address: '10.9.0' is not a 'ipv4'; found \"10.9.0\"",
        ),
        (
            HEAD + PLANE + "  - {name: w1, address: 10.9.0.2, roles: [master]}",
            '5: machines[1].roles[0]: is none of the values there are; found "master"; '
            "allowed: control-plane, etcd, worker, rancher, edge, backup",
        ),
        (
            HEAD + PLANE + "  - {name: cp1, address: 10.9.0.2, roles: [worker]}",
            '5: machines[1].name: two machines have the same name; found "cp1", as machines[0]; '
            "mend: each machine needs its own",
        ),
        (
            HEAD + PLANE + "  - {name: w1, address: 10.9.0.1, roles: [worker]}",
            '5: machines[1].address: two machines have the same address; found "10.9.0.1", as machines[0]; '
            "mend: each machine needs its own",
        ),
        (HEAD + WORKER, "3: machines: no machine has the role control-plane; mend: add it to the roles of one machine"),
        (
            HEAD + PLANE,
            "3: machines: no machine has the role worker; mend: add it to the roles of the machines that serve",
        ),
        (
            "cluster: {name: a, engine: kubeadm}",
            "machines: there are no machines; allowed: at least one with the role "
            "control-plane and one with the role worker; mend: list them, or choose the engine existing to use a "
            "cluster that there is",
        ),
        (
            "cluster: {name: a, engine: rancher}\nssh: {user: u}\nmachines:\n" + PLANE + WORKER,
            '1: cluster.engine: the engine is not part of this release; found "rancher"; allowed: kubeadm, existing; '
            "mend: write `engine: kubeadm`, or form the cluster with Rancher yourself and write `engine: existing`",
        ),
        (
            "cluster: {name: a, engine: kubeadm}\nmachines:\n"
            + PLANE
            + WORKER.replace("roles", "ssh: {user: u}, roles"),
            "3: machines[0].ssh: nothing says as which user the machine is reached; "
            "mend: set `ssh.user` for all machines, or for this one",
        ),
        (
            "cluster: {name: a, engine: existing}\nssh: {user: u}\nmachines:\n" + WORKER,
            "3: machines: the engine `existing` touches no machine; found 1 machines; "
            "mend: remove `machines`, or choose the engine kubeadm",
        ),
        (
            HEAD.replace("kubeadm", "kubeadm, version: 1.31.4") + PLANE + WORKER,
            '1: cluster.version: the platform needs a newer Kubernetes; found "1.31.4"; allowed: 1.32.0 and newer',
        ),
        (
            HEAD
            + PLANE
            + "  - {name: w1, address: 10.9.0.2, roles: [worker, etcd]}\n"
            + "  - {name: w2, address: 10.9.0.3, roles: [etcd, worker]}\n"
            + "  - {name: w3, address: 10.9.0.4, roles: [etcd, worker]}\n",
            '5: machines[1].roles: kubeadm runs etcd on control planes only; found ["worker", "etcd"]; '
            "mend: take `etcd` from the roles, or add `control-plane`",
        ),
        (
            HEAD + PLANE + WORKER + "  - {name: lb, address: 10.9.0.3, roles: [backup]}",
            '6: machines[2].roles: the role is not part of this release; found "backup"; '
            "allowed: control-plane, etcd, worker, edge; mend: leave the machine out of the inventory for now",
        ),
        (
            HEAD + PLANE + WORKER + "  - {name: lb, address: 10.9.0.3, roles: [worker, edge]}",
            "6: machines[2].roles: the edge stands alone: what the world reaches is no part of the cluster; "
            'found ["worker", "edge"]; allowed: edge, or other roles; mend: give the edge a machine of its own',
        ),
        (
            HEAD + PLANE + WORKER + "firewall: {operators: [10.9.0.300]}",
            "6: firewall.operators[0]: '10.9.0.300' is not a 'ipv4network'; found \"10.9.0.300\"",
        ),
        (
            HEAD + PLANE + WORKER + "firewall: {operators: [10.0.0.0/8, 10.9.0.0/24]}",
            "6: firewall.operators[1]: two networks overlap; found 10.0.0.0/8 and 10.9.0.0/24; "
            "mend: leave out the one that lies in the other",
        ),
        (
            HEAD + PLANE + WORKER + 'firewall: {open: [{ports: "8010-8000", from: [nodes]}]}',
            "6: firewall.open[0].ports: is no port, and no range from a lower to a higher one; "
            'found "8010-8000"; allowed: 1 to 65535',
        ),
        (
            HEAD + PLANE + WORKER + 'firewall: {open: [{ports: "8000", from: [10.0.0.1/8]}]}',
            '6: firewall.open[0].from[0]: is no network; found "10.0.0.1/8"; '
            "allowed: nodes, operators, everybody, or a network such as 10.0.0.0/8",
        ),
        (
            HEAD + PLANE + WORKER + "edge: {certificate: pyproject.toml}",
            '6: edge.certificate: a certificate without its key; found "pyproject.toml"; '
            "mend: set edge.key, or leave both out for the certificate of the platform's own front door",
        ),
        (
            HEAD + PLANE + WORKER + "edge: {certificate: pyproject.toml, key: nowhere.key}",
            '6: edge.key: there is no such file; found "nowhere.key"',
        ),
        (
            HEAD.replace("kubeadm", "kubeadm, network: {podCidr: 10.96.0.0/16}") + PLANE + WORKER,
            "1: cluster.network.podCidr: pods and Services share addresses; found 10.96.0.0/16 and 10.96.0.0/12; "
            "mend: choose ranges that do not overlap",
        ),
        (
            HEAD.replace("kubeadm", "kubeadm, network: {podCidr: 10.244.0.0/24}") + PLANE + WORKER,
            "1: cluster.network.podCidr: has no /24 for each machine; found 10.244.0.0/24: 1 for 2 machines; "
            "mend: choose a larger range",
        ),
        (
            HEAD.replace("kubeadm", "kubeadm, network: {podCidr: 10.9.0.0/16}")
            + PLANE
            + "  - {name: w1, address: 10.1.0.2, roles: [worker]}",
            "4: machines[0].address: lies in the cluster's own podCidr; found 10.9.0.1 in 10.9.0.0/16; "
            "mend: choose another cluster.network.podCidr",
        ),
        (
            HEAD.replace("kubeadm", "kubeadm, network: {podCidr: 10.244.1.0/16}") + PLANE + WORKER,
            "1: cluster.network.podCidr: '10.244.1.0/16' is not a 'ipv4network'; found \"10.244.1.0/16\"",
        ),
        (
            HEAD.replace("user: ubuntu", "user: ubuntu, port: 70000") + PLANE + WORKER,
            "2: ssh.port: is out of range; found 70000; allowed: 1 to 65535",
        ),
        (
            HEAD.replace("user: ubuntu", 'user: ubuntu, privateKeyFile: "${NOBODY_SETS_THIS}/key"') + PLANE + WORKER,
            "2: ssh.privateKeyFile: the environment variable NOBODY_SETS_THIS is not set; "
            'found "${NOBODY_SETS_THIS}/key"; '
            "mend: set it, or give a default: ${NAME:-default}",
        ),
        (
            HEAD + PLANE + WORKER + "platform: {timeout: 0}",
            "6: platform.timeout: is out of range; found 0; allowed: 1 to 240",
        ),
        (
            HEAD + PLANE + WORKER + "artifacts: {path: artifacts}",
            '6: artifacts.path: has the wrong form; found "artifacts"; allowed: a path that begins with /, or nothing',
        ),
        (
            HEAD + PLANE + WORKER + 'backups: {credentials: "${NOBODY_SETS_THIS}/credentials"}',
            "6: backups.credentials: the environment variable NOBODY_SETS_THIS is not set; "
            'found "${NOBODY_SETS_THIS}/credentials"; mend: set it, or give a default: ${NAME:-default}',
        ),
        (
            HEAD + PLANE + WORKER + "backups: {key: a.pem}",
            "6: backups.key: unknown key; allowed: credentials, recoveryKey",
        ),
        (
            HEAD + PLANE + WORKER + "backups: {recoveryKey: [a.pem]}",
            '6: backups.recoveryKey: has the wrong type; found ["a.pem"]; allowed: a text',
        ),
        (
            "cluster: {name: a, name: b, engine: existing}",
            "1: cluster.name: the key stands twice; found first on line 1; mend: keep one of them",
        ),
        ("- cluster", "1: the file is not a mapping of keys to values; found a list; allowed: `key: value` lines"),
    ],
)
def test_a_wrong_inventory_is_refused_with_its_reason(write: Write, text: str, message: str) -> None:
    assert message in _findings(write(text))


def test_two_members_of_etcd_are_refused_with_the_reason(write: Write) -> None:
    planes = PLANE + "  - {name: cp2, address: 10.9.0.3, roles: [control-plane]}\n"
    found = _findings(write(HEAD + planes + WORKER))
    assert (
        "3: machines: an even number of etcd members outlives no more losses than one member less: of 2, 2 must agree, "
        "so none may be lost, as of 1; found 2 etcd members; allowed: 1, 3 or 5; mend: add `etcd` to the roles of one "
        "more machine (a worker can carry it), or take it from one"
    ) in found


def test_everything_that_is_wrong_is_told_at_once(write: Write) -> None:
    found = _findings(write("cluster: {nam: a, engine: kubeadm, version: newest}\nssh: {port: no}\nstorag: {}"))
    assert len(found) == 5, found


def test_a_values_file_that_is_missing_is_named_with_those_that_there_are(write: Write) -> None:
    found = _findings(write(HEAD + PLANE + WORKER + "platform: {values: values/production.yaml}"))
    assert found[0].startswith('6: platform.values: there is no such file; found "values/production.yaml"; allowed: ')
    assert "values/prod.yaml" in found[0]


@pytest.fixture
def with_backups(tmp_path: Path) -> Path:
    """A values file that takes backups."""
    file = tmp_path / "values.yaml"
    file.write_text("velero: {enabled: true, objectStore: {bucket: b}}\n")
    return file


@pytest.mark.parametrize(("given", "line"), [("", ""), ("backups: {recoveryKey: a.pem}\n", "7: ")])
def test_backups_need_a_login(write: Write, with_backups: Path, given: str, line: str) -> None:
    found = _findings(write(HEAD + PLANE + WORKER + f"platform: {{values: {with_backups}}}\n" + given))
    assert found == [
        f"{line}backups.credentials: the values take backups, and nothing says how to log in at the object store; "
        f"found velero.enabled: true in {with_backups}; allowed: an AWS credentials file: [default], "
        "aws_access_key_id=…, aws_secret_access_key=…; mend: name it, or set velero.enabled to false"
    ]


def test_a_cluster_that_exists_needs_a_login_for_backups_too(write: Write, with_backups: Path) -> None:
    found = _findings(write(f"cluster: {{name: a, engine: existing}}\nplatform: {{values: {with_backups}}}"))
    assert len(found) == 1 and found[0].startswith("backups.credentials: the values take backups"), found


def test_the_recovery_key_lies_beside_the_journal_or_where_it_is_said_to(
    write: Write, with_backups: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = HEAD + PLANE + WORKER + f"platform: {{values: {with_backups}}}\n"
    found = load(write(text + "backups: {credentials: ~/login}")).backups
    assert found and found.credentials == Path.home() / "login"
    assert found.recovery_key == state / "custos-platform" / "trial" / "recovery.pem"
    monkeypatch.setenv("VAULTED", "/media/stick")
    found = load(write(text + 'backups: {credentials: a, recoveryKey: "${VAULTED:-/nowhere}/key.pem"}')).backups
    assert found and found.recovery_key == Path("/media/stick/key.pem")


def test_without_backups_in_the_values_there_are_none(write: Write, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("velero: {enabled: false}\n")
    text = HEAD + PLANE + WORKER + f"platform: {{values: {tmp_path / 'values.yaml'}}}\nbackups: {{credentials: a}}"
    assert load(write(text)).backups is None


def test_what_is_not_said_has_its_default(write: Write) -> None:
    inventory = load(write(ONE_PLANE))
    assert inventory.cluster.network.pod_cidr == "10.244.0.0/16"
    assert inventory.cluster.network.dns_address == "10.96.0.10"
    assert inventory.storage.reclaim_policy == "Retain"
    assert inventory.platform.timeout == 20 * 60
    assert inventory.machines[0].ssh.port == 22
    assert [machine.name for machine in inventory.control_planes] == ["cp1"]


def test_a_machine_may_be_reached_in_its_own_way(write: Write) -> None:
    text = ONE_PLANE.replace("roles: [worker]", "ssh: {port: 2222, privateKeyFile: ~/other}, roles: [worker]")
    cp1, worker1 = load(write(text)).machines
    assert (cp1.ssh.port, cp1.ssh.private_key_file) == (22, None)
    assert (worker1.ssh.user, worker1.ssh.port) == ("ubuntu", 2222)
    assert worker1.ssh.private_key_file == Path.home() / "other"


@pytest.mark.parametrize("name", sorted(file.name for file in (PROJECT / "inventories").glob("*.yaml")))
def test_the_projects_own_inventories_are_right(name: str) -> None:
    assert load(PROJECT / "inventories" / name).cluster.name
