"""Faults of MySQL and of machines under a client that writes every 50 ms: for the tests and for the benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lab.cluster import Cluster, CommandFailed, is_ready, wait_for

PROJECT = Path(__file__).resolve().parents[2]
WRITER = PROJECT / "tests" / "mysql" / "writer.py"
WRITERS_SERVICE = "custos-logging"  # whose account and schema the writer borrows
WRITERS_SCHEMA = "core_logging"
TRANSACTIONS = "SELECT REPLACE(@@gtid_executed, '\n', '')"
TABLES = (
    "SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE'"
    " AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1"
)


@dataclass(frozen=True)
class Report:
    """What the writer saw; times in seconds."""

    acknowledged: int
    missing: list[int]
    gap: float
    gaps: list[list[float]]
    errors: dict[str, int]


@dataclass(frozen=True)
class Group:
    """The MySQL group of one release."""

    cluster: Cluster
    release: str
    namespace: str
    size: int = 3

    @property
    def selector(self) -> str:
        """Label selector of the members."""
        return f"app.kubernetes.io/name=mysql,app.kubernetes.io/instance={self.release}"

    def members(self) -> list[dict[str, Any]]:
        """The members' pods, by name."""
        return sorted(self.cluster.pods(self.namespace, self.selector), key=lambda pod: str(pod["metadata"]["name"]))

    def primaries(self) -> list[dict[str, Any]]:
        """The pods whose label says that they are the primary."""
        return [pod for pod in self.members() if pod["metadata"]["labels"].get("role") == "primary"]

    def primary(self) -> dict[str, Any]:
        """The one primary. Raises AssertionError where there is none, or more than one."""
        primaries = self.primaries()
        assert len(primaries) == 1, f"{len(primaries)} primaries: {[p['metadata']['name'] for p in primaries]}"
        return primaries[0]

    def replica(self) -> dict[str, Any]:
        """One of the replicas."""
        return next(pod for pod in self.members() if pod["metadata"]["labels"].get("role") == "replica")

    def is_whole(self) -> bool:
        """Whether every member is ready and exactly one is the primary."""
        try:
            members = self.members()
        except CommandFailed:
            return False
        staying = [pod for pod in members if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]
        roles = sorted(pod["metadata"]["labels"].get("role", "") for pod in staying)
        return roles == ["primary"] + ["replica"] * (self.size - 1)

    def wait_until_whole(self, seconds: float = 420) -> float:
        """Wait until the group is whole and stays so; returns the seconds that took.

        For a moment after a fault the labels and conditions are still those of before, hence the staying.
        """
        what = f"{self.size} ready members, one of them primary"
        return wait_for(what, self.is_whole, seconds=seconds, steady=15)

    def divergence(self, seconds: float = 120) -> list[str]:
        """What differs between the members in the rows of any table; empty where nothing does.

        Members that are behind are waited for: compared is once all have executed the same transactions before and
        after their tables were read. Raises TimeoutError where that does not happen within `seconds`.
        """
        names = [_name(pod) for pod in self.members()]
        deadline = time.monotonic() + seconds
        while True:
            before = {self._sql(name, TRANSACTIONS) for name in names}
            rows = {name: self._rows(name) for name in names}
            after = {name: self._sql(name, TRANSACTIONS) for name in names}
            if before == set(after.values()) and len(before) == 1:
                return differences(rows)
            if time.monotonic() > deadline:
                raise TimeoutError(f"the members have not executed the same transactions within {seconds:g} s: {after}")

    def _rows(self, pod: str) -> dict[str, str]:
        """The checksum of each table that is not MySQL's own, as this member has it."""
        tables = self._sql(pod, TABLES).splitlines()
        if not tables:
            return {}
        answer = self._sql(pod, f"CHECKSUM TABLE {', '.join(tables)}")
        return dict(line.split("\t", 1) for line in answer.splitlines())

    def _sql(self, pod: str, query: str) -> str:
        """What the pod's own mysqld answers, asked with the agent's account."""
        client = ("mysql", "--defaults-file=/var/run/mysqld/agent/local.cnf", "--batch", "--skip-column-names")
        return self._kubectl("exec", pod, "-c", "mysql", "--", *client, f"--execute={query}").strip()

    def kill_mysqld(self) -> None:
        """kill -9 of the primary's mysqld."""
        self._kubectl(
            "exec",
            _name(self.primary()),
            "-c",
            "mysql",
            "--",
            "bash",
            "-c",
            "kill -9 $(< /var/run/mysqld/mysqld.pid)",
        )

    def delete(self, *pods: dict[str, Any]) -> None:
        """Delete the pods, as an eviction would."""
        self._kubectl("delete", "pod", "--wait=false", *map(_name, pods))

    def wipe(self, pod: dict[str, Any]) -> None:
        """Take the pod's volume away and the pod with it: it comes back on an empty one."""
        claim = next(
            v["persistentVolumeClaim"]["claimName"] for v in pod["spec"]["volumes"] if "persistentVolumeClaim" in v
        )
        self._kubectl("delete", "pvc", "--wait=false", claim)
        self.delete(pod)
        self.cluster.kubectl("wait", "-n", self.namespace, "--for=delete", f"pod/{_name(pod)}", "--timeout=240s")

    def _kubectl(self, verb: str, *arguments: str) -> str:
        return self.cluster.kubectl(verb, "-n", self.namespace, *arguments)

    @contextmanager
    def writing(self, avoid: str) -> Iterator[Callable[[], Report]]:
        """A writer through the primary Service, on another machine than `avoid`, that has begun to write.

        Gives a function that waits until rows are acknowledged again, ends the writer and returns its report.
        """
        name = f"writer-{time.time_ns():x}"
        objects = yaml.safe_dump_all(list(self._writer(name, avoid)))
        self.cluster.kubectl("apply", "-f", "-", stdin=objects)
        try:
            wait_for("the writer's first rows", lambda: self._progress(name) > 0, seconds=180, steady=3)

            def finish() -> Report:
                called = time.time()  # not earlier: a row from before the fault proves nothing
                resumed = "acknowledged writes after the fault"
                wait_for(resumed, lambda: self._progress(name) > called, seconds=300, steady=3)
                self._kubectl("exec", name, "--", "python3", "-c", "import os; os.kill(1, 15)")
                wait_for("the writer's report", lambda: self._phase(name) in ("Succeeded", "Failed"), seconds=180)
                return Report(**_report(self._kubectl("logs", name)))

            yield finish
        finally:
            self._kubectl("delete", "pod,configmap", name, "--ignore-not-found", "--grace-period=1")

    def settle(self, finish: Callable[[], Report], seconds: float = 420) -> tuple[Report, float]:
        """Wait until the group is whole again, then end the writer: its report, the seconds until whole."""
        whole = self.wait_until_whole(seconds)
        return finish(), whole

    def _progress(self, name: str) -> float:
        """When the newest row was acknowledged, in seconds since 1970 on the computer's one clock; 0 before."""
        try:
            return float(self._kubectl("exec", name, "--", "cat", "/tmp/progress") or 0)
        except CommandFailed:
            return 0

    def _phase(self, name: str) -> str:
        return str(self.cluster.get("pod", name, "-n", self.namespace)["status"].get("phase"))

    def _writer(self, name: str, avoid: str) -> Iterator[dict[str, Any]]:
        metadata = {
            "name": name,
            "namespace": self.namespace,
            # The network policies let the pods of `helm test` reach everything.
            "labels": {
                "app.kubernetes.io/name": "custos-platform",
                "app.kubernetes.io/instance": self.release,
                "app.kubernetes.io/component": "test",
            },
        }
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"writer.py": WRITER.read_text()},
        }
        toolbox = next(
            container["image"]
            for pod in self.cluster.pods(self.namespace)
            for container in pod["spec"].get("initContainers", [])
            if container["name"] == "wait"
        )
        host = f"{self.release}-mysql-primary.{self.namespace}.svc.cluster.local."
        restricted = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        elsewhere = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [avoid]}
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {
                "restartPolicy": "Never",
                "enableServiceLinks": False,
                "automountServiceAccountToken": False,
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [{"matchExpressions": [elsewhere]}]
                        }
                    }
                },
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 1000,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "dnsConfig": {"options": [{"name": n, "value": "1"} for n in ("ndots", "timeout", "attempts")]},
                "containers": [
                    {
                        "name": "writer",
                        "image": toolbox,
                        "command": ["python3", "-u", "/writer/writer.py", "--host", host],
                        "args": [
                            *("--user", WRITERS_SCHEMA, "--database", WRITERS_SCHEMA),
                            *("--ca", "/trust/ca.crt", "--progress", "/tmp/progress"),
                        ],
                        "env": [
                            {
                                "name": "MYSQL_PASSWORD",
                                "valueFrom": {
                                    "secretKeyRef": {
                                        "name": f"{self.release}-mysql-users",
                                        "key": WRITERS_SERVICE,
                                    }
                                },
                            }
                        ],
                        "securityContext": restricted,
                        "volumeMounts": [
                            {"name": "writer", "mountPath": "/writer"},
                            {"name": "trust", "mountPath": "/trust"},
                            {"name": "tmp", "mountPath": "/tmp"},
                        ],
                    }
                ],
                "volumes": [
                    {"name": "writer", "configMap": {"name": name}},
                    {
                        "name": "trust",
                        "secret": {
                            "secretName": f"{self.release}-truststore",
                            "items": [{"key": "ca.crt", "path": "ca.crt"}],
                        },
                    },
                    {"name": "tmp", "emptyDir": {}},
                ],
            },
        }


def differences(rows: dict[str, dict[str, str]]) -> list[str]:
    """A line for each table whose checksum is not the same at all members; `rows` has member, table, checksum."""
    tables = sorted({table for found in rows.values() for table in found})
    states = {table: {member: found.get(table, "no such table") for member, found in rows.items()} for table in tables}
    return [f"{table}: {found}" for table, found in states.items() if len(set(found.values())) > 1]


def lab(*arguments: str) -> None:
    """`python -m lab …`: power of a machine. Raises CommandFailed with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "lab", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise CommandFailed(f"lab {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")


def _name(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def _report(log: str) -> dict[str, Any]:
    """The writer's report is the last line of its log."""
    report: dict[str, Any] = json.loads(log.strip().splitlines()[-1])
    return {key: report[key] for key in ("acknowledged", "missing", "gap", "gaps", "errors")}
