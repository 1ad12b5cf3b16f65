"""What is wrong now and what to do, and what runs where; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bootstrap import backupstatus, images
from bootstrap.clients.kube import Manifest
from bootstrap.context import Context
from bootstrap.engines import kubelet
from bootstrap.engines.playbooks import cgroup_driver
from bootstrap.errors import NotYet, Problem
from bootstrap.phases.edge import door
from bootstrap.workloads import lasting, troubles


@dataclass(frozen=True)
class Trouble:
    """Something that is not well: what, and what to do."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Workload:
    """One Deployment, StatefulSet or DaemonSet: pods that are ready of those wanted, and where they run."""

    name: str
    kind: str
    ready: int
    wanted: int
    nodes: tuple[str, ...]


def running(context: Context) -> list[Workload]:
    """The platform's workloads, by name. Raises NotYet where there is no cluster."""
    namespace = context.inventory.platform.namespace
    pods = context.kube.pods(namespace)
    found = []
    for kind, plural in (("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")):
        for live in context.kube.items(f"/apis/apps/v1/namespaces/{namespace}/{plural}"):
            labels = live["spec"]["selector"].get("matchLabels", {})
            mine = [pod for pod in pods if labels.items() <= pod["metadata"].get("labels", {}).items()]
            nodes = sorted({pod["spec"]["nodeName"] for pod in mine if pod["spec"].get("nodeName")})
            status = live.get("status", {})
            ready = status.get("numberReady", 0) if kind == "DaemonSet" else status.get("readyReplicas", 0)
            wanted = status.get("desiredNumberScheduled", 0) if kind == "DaemonSet" else live["spec"].get("replicas", 1)
            found.append(Workload(live["metadata"]["name"], kind, ready, wanted, tuple(nodes)))
    return sorted(found, key=lambda workload: workload.name)


def address(context: Context) -> str:
    """Where users reach the platform: by the edge, by any node, or not at all from outside."""
    try:
        found = door(context)
    except (NotYet, Problem):
        forward = f"kubectl --namespace {context.inventory.platform.namespace} port-forward service/NAME 50000:rest"
        return f"no front door of its own; http://localhost:50000 after `KUBECONFIG={context.kubeconfig} {forward}`"
    if edges := context.inventory.edges:
        return f"https://{found.host} at {', '.join(machine.address for machine in edges)}"
    return f"https://{found.host} at port {found.port} of every node"


def images_of(context: Context) -> str:
    """registry or lab: where the release's images come from; nothing where the inventory leaves no choice."""
    platform = context.inventory.platform
    try:
        context.kube  # noqa: B018 - raises NotYet where there is no cluster
    except NotYet:
        return ""
    found = context.helm.release(platform.release, platform.namespace)
    return images.noted(found.description) if found else ""


def wrong(context: Context) -> Iterator[Trouble]:
    """Everything that is not well in cluster, release and pods."""
    platform = context.inventory.platform
    try:
        nodes = context.kube.nodes()
    except NotYet as absent:
        yield Trouble(absent.what, "form it with `apply`")
        return
    yield from _nodes(context, nodes)
    yield from _machines(context)
    for namespace in ("kube-system", "local-path-storage"):
        yield from (
            Trouble(f"{namespace}: {t}", t.remedy) for t in troubles(context.kube, context.kube.pods(namespace))
        )
    found = context.helm.release(platform.release, platform.namespace)
    if not found:
        yield Trouble(f"the release {platform.release} is not installed", "install it with `apply`")
        return
    if found.status != "deployed":
        yield Trouble(f"the release {platform.release} is {found.status}: {found.description}", "go on with `apply`")
    for trouble in troubles(context.kube, lasting(context.kube.pods(platform.namespace))):
        yield Trouble(str(trouble), trouble.remedy)
    yield from (Trouble(what, remedy) for what, remedy in backupstatus.wrong(context))


def _machines(context: Context) -> Iterator[Trouble]:
    try:
        context.facts  # noqa: B018 - asked for all machines at once
    except Problem as problem:
        yield Trouble(problem.what, problem.remedy)
        return
    yield from _drivers(context)
    yield from _edges(context)
    yield from _walls(context)


def _edges(context: Context) -> Iterator[Trouble]:
    for machine in context.inventory.edges:
        if "nginx.service" not in context.facts[machine.name].active:
            remedy = f"see `journalctl -u nginx` on {machine.name}; `apply` sets it up"
            yield Trouble(f"Nginx does not run on the edge {machine.name}: users reach nothing", remedy)


def _walls(context: Context) -> Iterator[Trouble]:
    for machine in context.inventory.machines if context.inventory.firewall.enabled else ():
        if not context.facts[machine.name].firewall:
            yield Trouble(
                f"{machine.name} has no firewall: whoever reaches it reaches all its ports", "`apply` sets it up"
            )


def _drivers(context: Context) -> Iterator[Trouble]:
    """Kubelets that keep pods in other control groups than containerd: limits then do not hold."""
    for machine in context.inventory.nodes:
        found = kubelet.running(context, machine.name).get("cgroupDriver")
        wanted = cgroup_driver(context, machine.name)
        if found and found != wanted:
            yield Trouble(
                f"the kubelet of {machine.name} has the cgroup driver {found}, containerd {wanted}",
                "`reset` and `apply` form the cluster anew; it cannot be changed under pods that run",
            )


def _nodes(context: Context, nodes: list[Manifest]) -> Iterator[Trouble]:
    names = {node["metadata"]["name"] for node in nodes}
    for machine in context.inventory.nodes:
        if machine.name not in names:
            yield Trouble(f"{machine.name} is no node of the cluster", "let it join with `apply`")
    for node in nodes:
        name = node["metadata"]["name"]
        conditions = {c["type"]: c for c in node.get("status", {}).get("conditions", ())}
        ready = conditions.get("Ready", {})
        if ready.get("status") != "True":
            yield Trouble(
                f"node {name} is not ready: {ready.get('message', 'it has not reported')}",
                f"see that {name} is up, and `journalctl -u kubelet` there",
            )
        for pressure in ("MemoryPressure", "DiskPressure", "PIDPressure"):
            if conditions.get(pressure, {}).get("status") == "True":
                yield Trouble(f"node {name} has {pressure}: {conditions[pressure]['message']}", f"free some on {name}")
        if node["spec"].get("unschedulable"):
            yield Trouble(
                f"node {name} takes no new pods (cordoned)", f"`kubectl uncordon {name}` when its work is done"
            )


def show(context: Context) -> None:
    """The table of what runs where, and the address to use."""
    try:
        workloads = running(context)
    except NotYet:
        return
    if not workloads:
        return
    rows = [(w.name, f"{w.ready}/{w.wanted}", ", ".join(w.nodes)) for w in workloads]
    context.console.table(("what runs", "ready", "where"), rows)
    taken = images_of(context)
    if taken:
        context.console.note(f"images: {taken} ({images.MEANING[taken]})")
    newest = backupstatus.newest(context)
    if newest:
        context.console.note(newest)
    context.console.note(f"address to use: {address(context)}")


def check(context: Context) -> None:
    """Raises Problem that lists all that `wrong` finds."""
    found = list(wrong(context))
    if found:
        raise Problem(
            "\n".join(trouble.what for trouble in found), "\n".join(dict.fromkeys(trouble.remedy for trouble in found))
        )
