"""Members of MySQL's group without Kubernetes' nodes, for the tests.

Real mysqld processes of the lab's MySQL image, each with a network of its own, beside a real Kubernetes API,
all within namespaces that end with the rig. Needs root, the image's root and the tools in the cache.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import tools
from lab.images.bundle import unpacked_root

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = REPOSITORY / "generator/blueprint/charts/mysql/files"
NAMESPACE = "custos"
STATEFULSET = "custos-mysql"
HEADLESS = f"{STATEFULSET}.{NAMESPACE}.svc.cluster.local"
GATEWAY = "10.99.0.1"
SERVICE = "10.97.0.1"  # what kube-proxy would make of the primary Service
UID = 999
PASSWORD = {name: f"{name}-of-the-rig" for name in ("root-password", "replication-password", "agent-password")}

T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], T], seconds: float = 300) -> T:
    """Polls `condition` until it is true; returns its value, or raises TimeoutError naming `what`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.1)
    return value


@dataclass
class Member:
    """One member: its address, its folders, and the processes that stand for its containers."""

    rig: Rig
    ordinal: int
    containers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the pod."""
        return f"{STATEFULSET}-{self.ordinal}"

    @property
    def address(self) -> str:
        """Address of the pod."""
        return f"10.99.0.{10 + self.ordinal}"

    @property
    def folder(self) -> Path:
        """Where the member's root, volume and logs lie."""
        return self.rig.folder / self.name

    def prepare(self) -> None:
        """Makes the member's network and root; its volume stays as it is."""
        root, net = self.folder / "root", f"m{self.ordinal}"
        for part in ("upper", "work", "root", "volume", "run"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.rig.shell(f"""
            ip netns add {net}
            ip link add v{net} type veth peer name eth0 netns {net}
            ip link set v{net} master br0 up
            ip -n {net} addr add {self.address}/24 dev eth0
            ip -n {net} link set eth0 up
            ip -n {net} link set lo up
            layers=lowerdir={self.rig.image},upperdir={self.folder}/upper,workdir={self.folder}/work
            mount -t overlay overlay -o $layers {root}
            mkdir -p {root}/custos/scripts {root}/etc/custos {root}/var/lib/mysql {root}/run/mysqld
            mount --bind {self.rig.folder}/scripts {root}/custos/scripts
            mount --bind {self.rig.folder}/etc {root}/etc/custos
            mount -t tmpfs tmpfs {root}/tmp
            chmod 1777 {root}/tmp
            mount -t proc proc {root}/proc
            mount --rbind /dev {root}/dev
            mount --bind {self.folder}/volume {root}/var/lib/mysql
            mount --bind {self.folder}/run {root}/run/mysqld
            mkdir -p {root}/run/secrets/kubernetes.io/serviceaccount
            mount --bind {self.rig.folder}/account {root}/run/secrets/kubernetes.io/serviceaccount
            chown {UID}:{UID} {self.folder}/volume {self.folder}/run
        """)

    @property
    def environment(self) -> dict[str, str]:
        """What the chart gives both containers."""
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "POD_NAME": self.name,
            "POD_UID": self.rig.uids.get(self.name, ""),
            "POD_IP": self.address,
            "POD_HOST": f"{self.name}.{HEADLESS}",
            "HEADLESS_HOST": HEADLESS,
            "NAMESPACE": NAMESPACE,
            "STATEFULSET": STATEFULSET,
            "LEASE": f"{STATEFULSET}-bootstrap",
            "MARKER_NAME": f"{STATEFULSET}-group",
            "OBJECT_LABELS": '{"app.kubernetes.io/name": "mysql"}',
            "KUBERNETES_SERVICE_HOST": GATEWAY,
            "KUBERNETES_SERVICE_PORT": "6443",
        }

    def start(self, *containers: str) -> None:
        """Starts the member's containers (both unless named)."""
        scripts = {"mysql": "run.sh", "agent": "agent.sh"}
        for container in containers or tuple(scripts):
            variables = [f"{name}={value}" for name, value in self.environment.items()]
            command = ["env", "-i", *variables, "bash", f"/custos/scripts/{scripts[container]}"]
            self.containers[container] = self.rig.popen(
                self.inside(command, pid_file=self.folder / f"{container}.pid"),
                self.folder / f"{container}.log",
            )

    def inside(self, command: Sequence[str], pid_file: Path | None = None) -> list[str]:
        """The command line that runs `command` in the member's root and network, as the image's user."""
        chroot = [
            "ip",
            "netns",
            "exec",
            f"m{self.ordinal}",
            "chroot",
            f"--userspec={UID}:{UID}",
            str(self.folder / "root"),
            *command,
        ]
        if pid_file is None:
            return chroot
        return ["bash", "-c", f"echo $$ > {pid_file}; exec {shlex.join(chroot)}"]

    def signal(self, container: str, number: signal.Signals) -> None:
        """Sends a signal to the container's main process."""
        self.rig.shell(f"kill -{number.value} $(cat {self.folder}/{container}.pid)")

    def mysqld(self) -> str:
        """Process id of mysqld within the rig, or ''."""
        parent = (self.folder / "mysql.pid").read_text().strip()
        found = self.rig.run(["pgrep", "-P", parent, "-x", "mysqld"], check=False)
        return found.stdout.strip()

    def kill_mysqld(self) -> None:
        """kill -9 of mysqld alone."""
        self.rig.shell(f"kill -9 {self.mysqld()}")

    def kill(self) -> None:
        """Ends every process of the member at once, as the end of its pod's sandbox does."""
        self.rig.shell(f"kill -9 $(ip netns pids m{self.ordinal}) 2>/dev/null || true")
        for process in self.containers.values():
            process.wait()
        self.containers.clear()

    def cut(self) -> None:
        """Cuts the member's network: what others see when its machine loses power."""
        self.rig.shell(f"ip link set vm{self.ordinal} down")

    def mend(self) -> None:
        """Undoes `cut`."""
        self.rig.shell(f"ip link set vm{self.ordinal} up")

    def terminate(self, seconds: float = 120) -> float:
        """Ends the member as the kubelet does: preStop, TERM, then the sidecar. Returns the seconds taken."""
        began = time.monotonic()
        self.rig.run(
            self.inside(["env", "-i", "PATH=/usr/bin:/bin", "bash", "/custos/scripts/prestop.sh"]),
            check=False,
        )
        for container in ("mysql", "agent"):
            if container in self.containers:
                self.signal(container, signal.SIGTERM)
                self.containers.pop(container).wait(seconds)
        return time.monotonic() - began

    def wipe(self) -> None:
        """Empties the volume of a stopped member."""
        for entry in (self.folder / "volume").iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def sql(self, text: str, check: bool = True) -> str:
        """Runs SQL as root through the socket; returns what it prints."""
        client = ["mysql", "--no-defaults", "--user=root", f"--password={self.rig.root_password}"]
        done = self.rig.run(
            self.inside([*client, "--socket=/var/run/mysqld/mysqld.sock", "--batch", "--skip-column-names"]),
            text,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {done.stderr}")
        return done.stdout.strip()

    def log(self, container: str) -> str:
        """What the container has printed."""
        return (self.folder / f"{container}.log").read_text(errors="replace")


class Rig:
    """Namespaces with a bridge, a Kubernetes API on it, and members; `folder` holds all its files."""

    def __init__(
        self, folder: Path, replicas: int = 3, schemas: Sequence[str] = ("demo core_demo core_demo -",)
    ) -> None:
        self.folder = folder
        self.replicas = replicas
        self.schemas = schemas
        self.image = unpacked_root("mysql")
        self.root_password = PASSWORD["root-password"]
        self.uids: dict[str, str] = {}
        self.holder: subprocess.Popen[bytes] | None = None
        self.processes: list[subprocess.Popen[bytes]] = []
        self.members = [Member(self, ordinal) for ordinal in range(replicas)]

    def __enter__(self) -> Rig:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        if not (self.folder / "scripts").exists():  # a copy: who works on the scripts does not disturb a rig that runs
            shutil.copytree(FILES, self.folder / "scripts")
        self.holder = subprocess.Popen(
            [
                "setpriv",
                "--pdeathsig=KILL",
                "unshare",
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sleep",
                "infinity",
            ],
            start_new_session=True,
        )
        wait_for("the rig's namespaces", self._inner)
        self.shell("""
            mount -t tmpfs tmpfs /run
            ip link set lo up
            ip link add br0 type bridge
            ip addr add 10.99.0.1/24 dev br0
            ip link set br0 up
        """)
        self._settings()
        self._api()
        for member in self.members:
            member.prepare()
            self.create_pod(member)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.holder:
            os.killpg(self.holder.pid, signal.SIGKILL)
            self.holder.wait()
        for process in self.processes:  # the end of the namespaces has ended them all
            process.wait()

    def _inner(self) -> str:
        assert self.holder
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        return children[0] if children else ""

    def enter(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` within the rig."""
        return ["nsenter", f"--target={self._inner()}", "--net", "--mount", "--pid", *command]

    def run(self, command: Sequence[str], text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command within the rig."""
        return subprocess.run(self.enter(command), input=text, text=True, capture_output=True, check=check, timeout=300)

    def popen(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Starts a command within the rig; its output goes to the end of `log`."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.enter(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def shell(self, script: str) -> None:
        """Runs a shell script within the rig; raises RuntimeError with what it prints when it fails."""
        done = self.run(["bash", "-euo", "pipefail", "-c", script], check=False)
        if done.returncode:
            raise RuntimeError(f"{script}\n{done.stdout}{done.stderr}")

    def _settings(self) -> None:
        etc = self.folder / "etc"
        for part in ("config", "settings", "admin", "users", "tls"):
            (etc / part).mkdir(parents=True, exist_ok=True)
        (etc / "config/my.cnf").write_text(
            (FILES / "my.cnf").read_text() + "innodb_buffer_pool_size = 128M\nsql_generate_invisible_primary_key = ON\n"
        )
        self.set("replicas", str(self.replicas))
        self.set("bootstrap-from", "")
        self.set("schemas", "".join(f"{line}\n" for line in self.schemas))
        for line in self.schemas:
            (etc / "users" / line.split()[0]).write_text(f"{line.split()[0]}-of-the-rig")
        for name, password in PASSWORD.items():
            (etc / "admin" / name).write_text(password)
        if not (etc / "tls/ca.crt").exists():
            certificate(etc / "tls")

    def set(self, name: str, value: str) -> None:
        """Sets one of the settings that a member reads while it runs."""
        (self.folder / "etc/settings" / name).write_text(value)

    def _api(self) -> None:
        folder, account = self.folder / "api", self.folder / "account"
        folder.mkdir(exist_ok=True)
        account.mkdir(exist_ok=True)
        if not (folder / "sa.key").exists():
            subprocess.run(
                ["openssl", "genrsa", "-out", str(folder / "sa.key"), "2048"], check=True, capture_output=True
            )
        (folder / "tokens.csv").write_text('admin-of-the-rig,admin,admin,"system:masters"\n')
        self.popen(
            [str(tools.find("etcd")), f"--data-dir={folder}/etcd", "--unsafe-no-fsync", "--log-level=error"],
            folder / "etcd.log",
        )
        self.api_start()
        kube = ["create", "namespace", NAMESPACE]
        if NAMESPACE not in self.kubectl(["get", "namespaces", "-o", "name"]):
            self.kubectl(kube)

    def api_start(self) -> None:
        """Starts the Kubernetes API and waits until it answers."""
        folder = self.folder / "api"
        self.popen(
            [
                str(tools.find("kube-apiserver")),
                "--etcd-servers=http://127.0.0.1:2379",
                f"--cert-dir={folder}/certs",
                f"--bind-address={GATEWAY}",
                f"--advertise-address={GATEWAY}",
                "--service-account-issuer=https://rig",
                f"--service-account-key-file={folder}/sa.key",
                f"--service-account-signing-key-file={folder}/sa.key",
                f"--token-auth-file={folder}/tokens.csv",
                "--authorization-mode=RBAC",
                "--disable-admission-plugins=ServiceAccount",
                "--service-cluster-ip-range=10.98.0.0/24",
            ],
            folder / "api.log",
        )
        wait_for("the Kubernetes API", lambda: self._curl("/readyz") == "ok", 120)
        account = self.folder / "account"
        shutil.copy(folder / "certs/apiserver.crt", account / "ca.crt")
        (account / "token").write_text("admin-of-the-rig")

    def _curl(self, path: str) -> str:
        url = f"https://{GATEWAY}:6443{path}"
        return self.run(
            ["curl", "-sk", "-m", "5", "-H", "Authorization: Bearer admin-of-the-rig", url], check=False
        ).stdout

    def kubectl(self, arguments: Sequence[str], text: str = "") -> str:
        """Runs kubectl as the administrator; returns what it prints."""
        command = [
            str(tools.find("kubectl")),
            f"--server=https://{GATEWAY}:6443",
            "--token=admin-of-the-rig",
            "--insecure-skip-tls-verify",
        ]
        done = self.run([*command, *arguments], text, check=False)
        if done.returncode:
            raise RuntimeError(f"kubectl {shlex.join(arguments)}: {done.stderr}")
        return done.stdout

    def create_pod(self, member: Member) -> None:
        """Makes the object of a member's pod, with its address as the kubelet would report it."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": member.name,
                "namespace": NAMESPACE,
                "labels": {"app.kubernetes.io/name": "mysql"},
            },
            "spec": {
                "automountServiceAccountToken": False,
                "containers": [{"name": "mysql", "image": "mysql"}],
            },
        }
        self.kubectl(
            [
                "delete",
                "pod",
                "-n",
                NAMESPACE,
                member.name,
                "--ignore-not-found",
                "--grace-period=0",
                "--force",
            ]
        )
        self.kubectl(["create", "-f", "-"], json.dumps(pod))
        status = json.dumps(
            {"status": {"podIP": member.address, "podIPs": [{"ip": member.address}], "phase": "Running"}}
        )
        self.kubectl(["patch", "pod", "-n", NAMESPACE, member.name, "--subresource=status", "-p", status])
        self.uids[member.name] = self.kubectl(
            ["get", "pod", "-n", NAMESPACE, member.name, "-o", "jsonpath={.metadata.uid}"]
        )

    def follow_primary(self, stop: threading.Event) -> None:
        """Leads connections to SERVICE to the pod labelled primary, as kube-proxy does, until `stop`."""
        self.shell(
            f"""
            ip route add {SERVICE}/32 dev br0
            iptables -t nat -N PRIMARY
            iptables -t nat -A OUTPUT -d {SERVICE}/32 -j PRIMARY
            iptables -A OUTPUT -d {SERVICE}/32 -p tcp -j REJECT
            """
        )
        current = ""
        while not stop.wait(0.05):
            try:
                roles = self.roles()
            except json.JSONDecodeError:  # no API, no change
                continue
            labelled = [member.address for member in self.members if roles.get(member.name) == "primary"]
            chosen = labelled[0] if labelled else ""
            if chosen != current:
                rule = f"iptables -t nat -A PRIMARY -p tcp -j DNAT --to-destination {chosen}:3306" if chosen else ""
                self.shell(f"iptables -t nat -F PRIMARY; {rule}")
                current = chosen

    def writer(self, arguments: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Starts the writer against SERVICE, with the account of the first schema."""
        service, schema, user, _ = self.schemas[0].split()
        return subprocess.Popen(
            self.enter(
                [
                    sys.executable,
                    *("-m", "tests.clients.mysql"),
                    f"--host={SERVICE}",
                    f"--user={user}",
                    f"--database={schema}",
                    f"--ca={self.folder}/etc/tls/ca.crt",
                    *arguments,
                ]
            ),
            env={
                "MYSQL_PASSWORD": f"{service}-of-the-rig",
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(REPOSITORY),
            },
            stdout=subprocess.PIPE,
            text=True,
        )

    def roles(self) -> Mapping[str, str]:
        """The label `role` of every pod that has one."""
        pods = json.loads(self._curl(f"/api/v1/namespaces/{NAMESPACE}/pods"))["items"]
        return {pod["metadata"]["name"]: pod["metadata"]["labels"].get("role", "") for pod in pods}

    def recorded(self) -> frozenset[int]:
        """The members that the marker names."""
        name = f"{STATEFULSET}-group"
        marker = json.loads(self.kubectl(["get", "configmap", "-n", NAMESPACE, name, "-o", "json"]))
        return frozenset(int(entry.partition("=")[0]) for entry in marker["data"]["members"].split())

    def primary(self) -> Member | None:
        """The member whose label says primary, if it is exactly one."""
        found = [member for member in self.members if self.roles().get(member.name) == "primary"]
        return found[0] if len(found) == 1 else None

    def settled(self) -> bool:
        """True when one member is labelled primary and all others replica."""
        return sorted(self.roles().values()) == ["primary"] + ["replica"] * (self.replicas - 1)

    def events(self) -> list[str]:
        """Reason and message of every event."""
        items = json.loads(self._curl(f"/api/v1/namespaces/{NAMESPACE}/events"))["items"]
        return [f"{item['reason']}: {item['message']}" for item in items]


def renew(folder: Path) -> str:
    """Puts a new certificate of the same CA into `folder`, as the kubelet does: at once. Returns its serial number."""
    new = folder.with_name("tls.new")
    shutil.copytree(folder, new)
    subprocess.run(["bash", "-euo", "pipefail", "-c", f"cd {new}\n{ISSUE}"], check=True, capture_output=True)
    for name in ("tls.key", "tls.crt"):
        (new / name).replace(folder / name)
    shutil.rmtree(new)
    shown = ["openssl", "x509", "-in", str(folder / "tls.crt"), "-noout", "-serial"]
    return subprocess.run(shown, check=True, capture_output=True, text=True).stdout.strip().partition("=")[2]


ISSUE = """
openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj '/CN=custos-mysql'
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out tls.crt -days 30
rm -f tls.csr ca.srl
chmod 644 tls.key
"""


def certificate(folder: Path) -> None:
    """Writes ca.crt, tls.crt and tls.key of a small CA into `folder`."""
    subprocess.run(
        [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            f"""cd {folder}
            openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj '/CN=rig CA'
            {ISSUE}""",
        ],
        check=True,
        capture_output=True,
    )
