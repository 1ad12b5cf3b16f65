"""The baseline of `make up`: the kubeadm, kubectl and helm commands that one would type, timed by phase.

Needs the lab's machines switched on and bare, and leaves a cluster on them that `make down` takes away.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from bootstrap import manifests
from bootstrap.chart import rendered
from bootstrap.clients.kube import Manifest
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.errors import Problem
from bootstrap.inventory import Machine
from bootstrap.journal import NoJournal
from tests.bench import lab
from tests.bench.configuration import INIT, JOIN, NETWORK_UNIT, Configuration
from tests.bench.errors import BenchError
from tests.bench.remote import everywhere, put, ssh
from tests.bench.results import Result, loaded
from tests.lab.cluster import Cluster, CommandFailed, wait_for

TOPIC = "up-by-hand"
_ADDRESSES_SECONDS = 120
_NODES_SECONDS = 600
_KUBEADM = "/usr/local/bin/kubeadm"
_BARE = "`make down && python -m lab up` gives bare machines"


def measure() -> Result:
    """Seconds of each phase. Raises BenchError where the machines are not bare, or a command fails."""
    result = Result(
        TOPIC,
        "The same by hand",
        "Seconds of the kubeadm, kubectl and helm commands that do by hand what `make up` does, without the time "
        "to type them; machines are worked on at the same time, configuration files were written before. One run.",
    )
    context = Context(lab.described(), Console(quiet=True), NoJournal())
    try:
        _refuse_used(context)
        with tempfile.TemporaryDirectory() as folder, loaded(result):
            for phase, work in Hand(context, Path(folder)).phases().items():
                started = time.monotonic()
                work()
                result.add(phase, "s", time.monotonic() - started)
    except Problem as problem:
        raise BenchError(problem.what, problem.remedy) from problem
    except CommandFailed as failure:
        raise BenchError(f"by hand: {failure}", _BARE) from failure
    result.add("all", "s", sum(figure.value for figure in result.figures))
    return result


class Hand:
    """Types the commands; `folder` is for the kubeconfig. Methods raise CommandFailed."""

    def __init__(self, context: Context, folder: Path) -> None:
        self._context, self._inventory = context, context.inventory
        self._cluster = Cluster(folder / "kubeconfig")
        self._configuration = Configuration(context)
        self._files = {machine.name: self._configuration.machine(machine) for machine in context.inventory.nodes}

    def phases(self) -> dict[str, Callable[[], None]]:
        """What is done in each of bootstrap's phases."""
        return {
            "machines": self._prepare,
            "cluster": self._form,
            "storage": self._storage,
            "platform": self._install,
            "verify": self._verify,
        }

    def _prepare(self) -> None:
        script = Path(__file__).with_name("prepare.sh").read_bytes()

        def prepare(machine: Machine) -> None:
            put(machine, self._files[machine.name])
            ssh(machine, "sudo", "bash", "-s", "--", self._inventory.artifacts, stdin=script)

        everywhere(self._inventory.nodes, prepare)

    def _form(self) -> None:
        first = self._inventory.control_planes[0]
        ssh(first, "sudo", _KUBEADM, "init", f"--config={INIT}", "--skip-token-print")
        self._cluster.kubeconfig.touch(0o600)
        self._cluster.kubeconfig.write_text(ssh(first, "sudo", "cat", "/etc/kubernetes/admin.conf"))
        # As root has it on a control plane: its kubeconfig.
        token = ["sudo", "env", "KUBECONFIG=/etc/kubernetes/admin.conf", _KUBEADM, "token", "create"]
        invitation = ssh(first, *token, "--ttl=15m", "--print-join-command")

        def join(machine: Machine) -> None:
            put(machine, self._configuration.join(machine, invitation))
            ssh(machine, "sudo", _KUBEADM, "join", f"--config={JOIN}")

        everywhere([machine for machine in self._inventory.nodes if machine is not first], join)
        self._connect()
        self._apply(manifests.cluster(self._inventory))
        ready = ["wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={_NODES_SECONDS}s"]
        self._cluster.kubectl(*ready, seconds=_NODES_SECONDS + 60)

    def _connect(self) -> None:
        ranges: dict[str, str] = {}

        def known() -> bool:
            nodes = self._cluster.get("nodes")["items"]
            ranges.update({n["metadata"]["name"]: n["spec"]["podCIDR"] for n in nodes if "podCIDR" in n["spec"]})
            return len(ranges) == len(self._inventory.nodes)

        wait_for("pod addresses of all nodes", known, seconds=_ADDRESSES_SECONDS)

        def connect(machine: Machine) -> None:
            put(machine, self._configuration.network(machine, ranges))
            ssh(machine, "sudo", "systemctl", "daemon-reload")
            ssh(machine, "sudo", "systemctl", "enable", "--quiet", "--now", NETWORK_UNIT)

        everywhere(self._inventory.nodes, connect)

    def _storage(self) -> None:
        self._apply(manifests.storage(self._inventory))

    def _install(self) -> None:
        platform = self._inventory.platform
        self._apply(manifests.namespace(self._inventory))
        chart = rendered(self._context).folder
        install = ["upgrade", "--install", platform.release, str(chart), "--namespace", platform.namespace]
        wait = ["--wait", "--timeout", f"{platform.timeout}s"]
        self._cluster.helm(*install, *wait, seconds=platform.timeout + 60)

    def _verify(self) -> None:
        platform = self._inventory.platform
        self._cluster.helm("test", platform.release, "--namespace", platform.namespace, "--timeout", "10m")

    def _apply(self, objects: list[Manifest]) -> None:
        self._cluster.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(objects))


def _refuse_used(context: Context) -> None:
    """Only machines that bootstrap's artifacts lie on and that run no Kubernetes yet."""
    used = [name for name, facts in context.facts.items() if any(facts.kubernetes.values())]
    if used:
        raise BenchError(f"{', '.join(used)}: there is Kubernetes on it already", _BARE)
    lacking = [name for name, facts in context.facts.items() if facts.missing_packages]
    if lacking or not context.inventory.artifacts:
        raise BenchError("by hand only the lab is prepared: machines with all packages and the artifacts", _BARE)
