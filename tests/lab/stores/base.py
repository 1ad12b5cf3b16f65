"""What a fault and a client must know of a store."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import yaml

from generator.catalogue import load_catalogue
from tests.lab.cluster import Cluster, CommandFailed, is_ready, wait_for

CLIENTS = Path(__file__).resolve().parents[2] / "clients"
Pod = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """What a client saw; times in seconds, points in time since 1970."""

    acknowledged: int
    missing: list[int]
    gap: float
    gap_at: float
    gaps: list[list[float]]
    errors: dict[str, int]
    attempts: list[list[Any]] = field(default_factory=list)  # [when, seconds, how many in a row, what]


@dataclass(frozen=True)
class ClientPod:
    """How the client of a store runs: a module of tests/clients, in a pod of its own."""

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # variable: (Secret, key)
    secrets: Mapping[str, str] = field(default_factory=dict)  # folder: Secret mounted there, readable by all
    image: str = ""  # the toolbox, unless the client needs more than Python's standard library
    python: str = "python3"
    user: int = 1000
    account: str = ""  # ServiceAccount whose token it has, where it logs in by that


@dataclass(frozen=True)
class Writing:
    """A client that writes."""

    store: Store
    name: str

    def progress(self) -> float:
        """When the newest number was acknowledged, in seconds since 1970 on the computer's one clock; 0 before."""
        try:
            return float(self.store.kubectl("exec", self.name, "--", "cat", "/tmp/progress") or 0)
        except CommandFailed:
            return 0

    def wait_until_resumed(self, since: float, seconds: float = 300) -> None:
        """Wait until numbers are acknowledged that were written after the time `since`, and go on to be."""
        what = f"acknowledged writes to {self.store.name} after the fault"
        wait_for(what, lambda: self.progress() > since, seconds=seconds, steady=3)

    def finish(self) -> Report:
        """End the client; its report. Raises AssertionError with what it said where it could not make one."""
        self.store.kubectl("exec", self.name, "--", "sh", "-c", "kill -TERM 1")
        wait_for("the client's report", lambda: self._phase() in ("Succeeded", "Failed"), seconds=240)
        said = self.store.kubectl("logs", self.name).strip()
        try:
            return Report(**json.loads(said.rpartition("\n")[2]))
        except ValueError:
            raise AssertionError(f"the client of {self.store.name} made no report; it said: {said[-2000:]}") from None

    def _phase(self) -> str:
        return str(self.store.cluster.get("pod", self.name, "-n", self.store.namespace)["status"].get("phase"))


@dataclass(frozen=True)
class Store(ABC):
    """One store of one release."""

    cluster: Cluster
    release: str
    namespace: str

    name: ClassVar[str]  # of its chart
    container: ClassVar[str]  # which runs the server
    shell: ClassVar[tuple[str, ...]] = ("bash", "-c")  # that of its image
    has_volumes: ClassVar[bool] = True
    leader_label: ClassVar[tuple[str, str]] = ("role", "primary")

    @abstractmethod
    def client(self) -> ClientPod:
        """The client that writes to it as the platform's own users do."""

    def kill_command(self) -> str:
        """The shell command that kills (SIGKILL) the server in its container; empty where that is its first process.

        The kernel keeps signals that come from inside away from a first process; that one is killed from its machine.
        """
        return ""

    @property
    def selector(self) -> str:
        """Label selector of the members."""
        return f"app.kubernetes.io/name={self.name},app.kubernetes.io/instance={self.release}"

    @property
    def workload(self) -> str:
        """The StatefulSet."""
        return f"{self.release}-{self.name}"

    def is_installed(self) -> bool:
        """Whether the release has it."""
        return bool(self.members())

    def members(self) -> list[Pod]:
        """The members' pods, by name."""
        return sorted(self.cluster.pods(self.namespace, self.selector), key=name_of)

    def leaders(self) -> list[Pod]:
        """The pods that are said to lead."""
        key, value = self.leader_label
        return [pod for pod in self.members() if pod["metadata"]["labels"].get(key) == value]

    def leader(self) -> Pod:
        """The one leader. Raises AssertionError where there is none, or more than one."""
        leaders = self.leaders()
        assert len(leaders) == 1, f"{self.name}: {len(leaders)} leaders: {list(map(name_of, leaders))}"
        return leaders[0]

    def follower(self) -> Pod:
        """One of those that do not lead."""
        leader = name_of(self.leader())
        return next(pod for pod in self.members() if name_of(pod) != leader)

    def peers(self, pod: Pod) -> list[Pod]:
        """Those without whom this member must not go on alone."""
        return [other for other in self.members() if name_of(other) != name_of(pod)]

    def size(self) -> int:
        """How many members there should be."""
        return int(self.cluster.get("statefulset", self.workload, "-n", self.namespace)["spec"]["replicas"])

    def is_whole(self) -> bool:
        """Whether every member is ready and exactly one leads."""
        try:
            staying = [pod for pod in self.members() if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]
            return len(staying) == self.size() and len(self.leaders()) == 1
        except CommandFailed:
            return False

    def wait_until_whole(self, seconds: float = 420) -> float:
        """Wait until it is whole and stays so; returns the seconds that took.

        For a moment after a fault the labels and conditions are still those of before, hence the staying.
        """
        return wait_for(f"a whole {self.name}", self.is_whole, seconds=seconds, steady=15)

    def divergence(self) -> list[str]:
        """What differs between the members that should not; empty where nothing does. Waits for laggards."""
        return []

    def kubectl(self, verb: str, *arguments: str, stdin: str | None = None) -> str:
        """kubectl in the store's namespace."""
        return self.cluster.kubectl(verb, "-n", self.namespace, *arguments, stdin=stdin)

    @contextmanager
    def writing(self, avoid: str) -> Iterator[Writing]:
        """A client on another machine than `avoid`, which has begun to write."""
        name = f"{self.name}-client-{time.time_ns():x}"
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(self._objects(name, avoid)))
        writing = Writing(self, name)
        try:
            wait_for(f"the first writes to {self.name}", lambda: writing.progress() > 0, seconds=180, steady=3)
            yield writing
        finally:
            self.kubectl("delete", "pod,configmap", name, "--ignore-not-found", "--grace-period=1")

    def _objects(self, name: str, avoid: str) -> list[dict[str, Any]]:
        client = self.client()
        labels = {
            # The network policies let the pods of `helm test` reach everything.
            "app.kubernetes.io/name": "custos-platform",
            "app.kubernetes.io/instance": self.release,
            "app.kubernetes.io/component": "test",
        }
        metadata = {"name": name, "namespace": self.namespace, "labels": labels}
        files = {file.name: file.read_text(encoding="utf-8") for file in sorted(CLIENTS.glob("*.py"))}
        elsewhere = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [avoid]}
        volumes: list[dict[str, Any]] = [
            {"name": "clients", "configMap": {"name": name}},
            {"name": "tmp", "emptyDir": {}},
        ]
        mounts = [{"name": "clients", "mountPath": "/app/tests/clients"}, {"name": "tmp", "mountPath": "/tmp"}]
        for number, (folder, secret) in enumerate(client.secrets.items()):
            volumes.append({"name": f"secret-{number}", "secret": {"secretName": secret}})
            mounts.append({"name": f"secret-{number}", "mountPath": folder})
        container = {
            "name": "client",
            "image": client.image or toolbox_image(),
            "workingDir": "/app",
            "command": [client.python, "-u", "-m", f"tests.clients.{client.module}"],
            "args": [*client.arguments, "--progress", "/tmp/progress"],
            "env": [
                {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
                for variable, (secret, key) in client.environment.items()
            ],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": mounts,
        }
        terms = {"nodeSelectorTerms": [{"matchExpressions": [elsewhere]}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
        spec = {
            "restartPolicy": "Never",
            "enableServiceLinks": False,
            "automountServiceAccountToken": bool(client.account),
            **({"serviceAccountName": client.account} if client.account else {}),
            "affinity": affinity if avoid else {},
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": client.user,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "dnsConfig": {"options": [{"name": n, "value": "1"} for n in ("ndots", "timeout", "attempts")]},
            "containers": [container],
            "volumes": volumes,
        }
        return [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files},
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        ]


@cache
def toolbox_image() -> str:
    """The image of the chart's helpers, which the lab has."""
    image = load_catalogue().images["toolbox"]
    return f"{image['repository']}:{image['tag']}"


def name_of(pod: Pod) -> str:
    """A pod's name."""
    return str(pod["metadata"]["name"])
