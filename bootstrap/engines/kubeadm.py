"""Engine `kubeadm`: Kubernetes on the inventory's machines, without Rancher."""

from __future__ import annotations

from collections.abc import Sequence

from bootstrap import manifests, paths
from bootstrap.context import Context
from bootstrap.engines import kubelet
from bootstrap.engines.playbooks import cgroup_driver, variables
from bootstrap.errors import NotYet, Problem
from bootstrap.inventory import Inventory, Machine
from bootstrap.objects import ApplyObjects
from bootstrap.steps import Change, CheckOnly, MachineWork, Step

# Seconds. A control plane was up after 20 to 50 s on two quiet cores, ten times that on busy ones.
NODES_TIMEOUT = 600


class Kubeadm:
    """Prepares machines by Ansible, forms the cluster by kubeadm, and gives it DNS and a network."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def preflight(self) -> Sequence[Step]:
        """The machines are looked at by the phase itself; here a cluster that has been formed before."""
        return (CheckOnly("version of the cluster", _check_version),)

    def machines(self) -> Sequence[Step]:
        """One playbook for all of them."""
        return (PrepareMachines("packages, kernel, containerd, kubelet"),)

    def cluster(self) -> Sequence[Step]:
        """Control plane and nodes, their network, DNS; then all nodes are ready."""
        routed = self._inventory.cluster.network.plugin == "routed-bridge"
        network: list[Step] = [PodNetwork("pod network")] if routed else []
        return (
            FormCluster("control plane and nodes"),
            kubelet.Configure("kubelets' configuration"),
            *network,
            ApplyObjects("DNS on each node" + (", network policies" if routed else ""), manifests.cluster),
            NodesReady("nodes are ready"),
        )

    def losses(self) -> Sequence[str]:
        """The cluster with everything in it, but not what lies in the machines' volume folders."""
        nodes = ", ".join(machine.name for machine in self._inventory.nodes)
        return (
            f"the cluster {self._inventory.cluster.name} on {nodes}: all its objects, Secrets and passwords too",
            f"(the stores' files in {self._inventory.storage.path} stay, useless without the Secrets)",
        )

    def reset(self) -> Sequence[Step]:
        """Take the cluster off the machines."""
        return (TakeOff("take Kubernetes off the machines"),)


class PrepareMachines(MachineWork):
    """Ansible's roles base, containerd and kubernetes; Ansible itself changes only what is not right."""

    def verify(self, context: Context) -> None:
        """containerd runs everywhere, and nothing is missing any more."""
        for machine in context.inventory.nodes:
            name, facts = machine.name, context.facts[machine.name]
            missing = [*facts.missing_packages]
            if facts.artifacts:
                missing += facts.artifacts["programs"] + facts.artifacts["archives"]
            if missing:
                raise Problem(f"{name} still lacks {', '.join(missing)}", "--verbose shows what the machine says")
            if "containerd.service" not in facts.active:
                raise Problem(f"containerd does not run on {name}", f"see `journalctl -u containerd` on {name}")

    def run(self, context: Context, *, check: bool) -> Sequence[Change]:
        """The playbook's changes."""
        hosts = {name: {"probe": facts.raw} for name, facts in context.facts.items()}
        return context.ansible.run(
            "machines",
            variables(context.inventory),
            check=check,
            machines=context.inventory.nodes,
            host_variables={
                name: {**given, "cgroup_driver": cgroup_driver(context, name)} for name, given in hosts.items()
            },
        ).changes


class FormCluster(Step):
    """kubeadm init on the first control plane, kubeadm join on the others."""

    def check(self, context: Context) -> Sequence[Change]:
        """What is not in the cluster yet, asked of the machines and of the cluster."""
        first = context.inventory.control_planes[0]
        changes = []
        if not context.facts[first.name].kubernetes["initialised"]:
            changes.append(Change(first.name, "start the control plane (kubeadm init)"))
        elif not _answers(context):
            changes.append(Change("this computer", f"fetch the kubeconfig to {context.kubeconfig}"))
        changes += [Change(m.name, "join the cluster (kubeadm join)") for m in self._to_join(context)]
        return changes + self._labels(context)

    def change(self, context: Context) -> Sequence[Change]:
        """Start, fetch the kubeconfig, join, label."""
        changes = list(self.check(context))
        self._run(context)
        context.forget_facts()
        labels = self._labels(context, wait=True)
        for machine in context.inventory.nodes:
            if machine.labels:
                context.kube.patch(f"/api/v1/nodes/{machine.name}", {"metadata": {"labels": dict(machine.labels)}})
        return changes + [change for change in labels if change not in changes]

    def verify(self, context: Context) -> None:
        """Every machine is a node."""
        known = {node["metadata"]["name"] for node in context.kube.nodes()}
        absent = [machine.name for machine in context.inventory.nodes if machine.name not in known]
        if absent:
            raise Problem(
                f"joined, but not among the cluster's nodes: {', '.join(absent)}",
                f"see `journalctl -u kubelet` on {absent[0]}; was another machine of this name a node before?",
            )

    def _run(self, context: Context) -> None:
        inventory = context.inventory
        fetched = context.state / "admin.conf"
        try:
            context.ansible.run(
                "cluster",
                {
                    **variables(inventory),
                    "custos_first": inventory.control_planes[0].name,
                    "custos_join": [machine.name for machine in self._to_join(context)],
                    "custos_fetched": str(fetched),
                },
                machines=inventory.nodes,
                host_variables={
                    m.name: {
                        "probe": context.facts[m.name].raw,
                        "custos_roles": list(m.roles),
                        "cgroup_driver": cgroup_driver(context, m.name),
                        "custos_kubelet_configuration": kubelet.wanted(context),
                    }
                    for m in inventory.nodes
                },
            )
            paths.write_private(context.kubeconfig, fetched.read_bytes())
        finally:
            fetched.unlink(missing_ok=True)
        context.forget_cluster()

    def _to_join(self, context: Context) -> list[Machine]:
        """The machines that kubeadm has not joined; a node that the cluster has forgotten is joined by hand."""
        others = context.inventory.nodes
        first = context.inventory.control_planes[0]
        return [m for m in others if m is not first and not context.facts[m.name].kubernetes["joined"]]

    def _labels(self, context: Context, *, wait: bool = False) -> list[Change]:
        if not any(machine.labels for machine in context.inventory.nodes):
            return []
        try:
            nodes = {node["metadata"]["name"]: node["metadata"].get("labels", {}) for node in context.kube.nodes()}
        except NotYet:
            nodes = {}
        return [
            Change(machine.name, f"label the node {key}={value}")
            for machine in context.inventory.nodes
            for key, value in machine.labels.items()
            if nodes.get(machine.name, {}).get(key) != value
        ]


class PodNetwork(Step):
    """The bridge and the routes, once the cluster has given each node its range of pod addresses."""

    self_checking = True

    def check(self, context: Context) -> Sequence[Change]:
        """What `ansible-playbook --check --diff` shows."""
        return self._run(context, _ranges(context), check=True)

    def change(self, context: Context) -> Sequence[Change]:
        """Wait for the ranges, then run the playbook."""
        inventory = context.inventory

        def missing() -> str:
            without = [m.name for m in inventory.nodes if m.name not in _known_ranges(context)]
            return f"no range of pod addresses yet for {', '.join(without)}" if without else ""

        context.wait(
            "the cluster to give out pod addresses",
            120,
            missing,
            lambda: "see `kubectl -n kube-system logs -l component=kube-controller-manager`",
        )
        return self._run(context, _ranges(context), check=False)

    def _run(self, context: Context, ranges: dict[str, str], *, check: bool) -> Sequence[Change]:
        inventory = context.inventory
        return context.ansible.run(
            "network",
            {
                **variables(inventory),
                "custos_pod_ranges": ranges,
                "custos_without_network": [] if check else _without_network(context),
                "custos_addresses": {machine.name: machine.address for machine in inventory.nodes},
            },
            check=check,
            machines=inventory.nodes,
            host_variables={machine.name: {"pod_range": ranges[machine.name]} for machine in inventory.nodes},
        ).changes


class NodesReady(Step):
    """All nodes are ready, and the pods of kube-system run."""

    def check(self, context: Context) -> Sequence[Change]:
        """The nodes that are not ready."""
        return [Change("cluster", line) for line in _not_ready(context)]

    def change(self, context: Context) -> Sequence[Change]:
        """There is nothing to do but wait."""
        context.wait(
            "nodes",
            NODES_TIMEOUT,
            lambda: "; ".join(_not_ready(context)),
            lambda: "see `kubectl describe node` and `journalctl -u kubelet` on the machine",
        )
        return ()


class TakeOff(Step):
    """kubeadm reset on every machine, and no file, route or rule of ours is left."""

    def check(self, context: Context) -> Sequence[Change]:
        """Machines that still have something of Kubernetes."""
        return [
            Change(machine.name, "take Kubernetes off (kubeadm reset)")
            for machine in context.inventory.nodes
            if any(context.facts[machine.name].kubernetes.values())
        ]

    def change(self, context: Context) -> Sequence[Change]:
        """Workers and control planes at once: nothing of the cluster is kept."""
        inventory = context.inventory
        hosts = {machine.name: {"probe": context.facts[machine.name].raw} for machine in inventory.nodes}
        changes = context.ansible.run(
            "reset", variables(inventory), machines=inventory.nodes, host_variables=hosts
        ).changes
        context.forget_facts()
        context.kubeconfig.unlink(missing_ok=True)
        context.forget_cluster()
        return changes


def _check_version(context: Context) -> None:
    """New programs under a cluster of another version would be an upgrade without its order and its drains."""
    try:
        running = context.kube.version()
    except Problem:
        return  # it has not been formed, or does not answer: later steps form it, or say so
    wanted = f"v{context.inventory.cluster.version}"
    if running != wanted:
        raise Problem(
            f"the cluster runs Kubernetes {running}, the inventory wants {wanted} (cluster.version)",
            f"upgrading is not part of this release: write `version: {running.removeprefix('v')}`",
        )


def _answers(context: Context) -> bool:
    try:
        return context.kube.ready()
    except NotYet:
        return False


def _known_ranges(context: Context) -> dict[str, str]:
    return {n["metadata"]["name"]: n["spec"]["podCIDR"] for n in context.kube.nodes() if n["spec"].get("podCIDR")}


def _ranges(context: Context) -> dict[str, str]:
    """The range of each machine's pods. Raises NotYet where the cluster has not given it out."""
    known = _known_ranges(context)
    if any(machine.name not in known for machine in context.inventory.nodes):
        raise NotYet("bridge and routes on each machine, as soon as the nodes have their pod addresses")
    return {machine.name: known[machine.name] for machine in context.inventory.nodes}


def _without_network(context: Context) -> list[str]:
    """The nodes whose container runtime says that it has no network."""
    return [
        node["metadata"]["name"]
        for node in context.kube.nodes()
        for condition in node.get("status", {}).get("conditions", ())
        if condition["type"] == "Ready" and "NetworkPluginNotReady" in condition.get("message", "")
    ]


def _not_ready(context: Context) -> list[str]:
    waiting = []
    nodes = {node["metadata"]["name"]: node for node in context.kube.nodes()}
    for machine in context.inventory.nodes:
        node = nodes.get(machine.name)
        if node is None:
            waiting.append(f"{machine.name} is no node yet")
            continue
        conditions = {c["type"]: c for c in node.get("status", {}).get("conditions", ())}
        ready = conditions.get("Ready", {})
        if ready.get("status") != "True":
            why = ready.get("message") or "its kubelet has not reported yet"
            waiting.append(f"node {machine.name} is not ready: {why}")
    return waiting
