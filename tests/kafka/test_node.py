"""One real node on loopback: users and rights, passwords and certificates that change while it runs.

Marked `lab`: it takes Kafka's own ports (9080, 9091 to 9094) of this computer.
"""

from __future__ import annotations

import argparse
import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.chart.test_secrets import load_script
from tests.clients import kafka
from tests.clients.pulse import Refused
from tests.kafka.conftest import JAR, PROJECT, properties
from tests.ports import free_port

pytestmark = pytest.mark.lab
make_secrets = load_script()
SECONDS = 300
HOST = "localhost"
SCRAM, PLAINTEXT = 9094, 9092
# Of Kafka's protocol.
CREATE_TOPICS, DELETE_TOPICS = (19, 2), (20, 1)
TOPIC_NOT_ALLOWED = 29
NODE_TOPIC = "made-by-writing"


class Running:
    """The node, and the folders that a pod would have mounted."""

    def __init__(self, folder: Path) -> None:
        self.tls, self.secret, self.volume = (folder / name for name in ("tls", "secret", "volume"))
        self._work = folder / "work"
        for path in (self.tls, self.secret, self.volume, self._work):
            path.mkdir()
        self._authority = make_secrets.make_authority({"commonName": "test CA", "days": 1}, self._work)
        self.new_certificate()
        self.set_password("first")
        (self.secret / "admin-password").write_text("root")
        (self.secret / "cluster-id").write_text("4L6g3nShT0eMCtKa0X86sw")

    def new_certificate(self) -> None:
        """Replace the mounted certificate."""
        wanted = {"commonName": "kafka.test", "dnsNames": [HOST], "days": 1}
        for name, content in make_secrets.make_certificate(wanted, self._authority, self._work).items():
            fresh = self._work / f"new-{name}"
            fresh.write_bytes(content)
            fresh.rename(self.tls / name)

    def set_password(self, password: str) -> None:
        """Replace the mounted password of the user custos."""
        (self.secret / "custos-password").write_text(password)

    def certificate(self) -> str:
        """The certificate that the listener for users shows."""
        return ssl.get_server_certificate((HOST, SCRAM), ca_certs=str(self.tls / "ca.crt"))

    def log_in(self, password: str) -> kafka.Connection:
        """A connection of the user custos. Raises Refused."""
        os.environ["KAFKA_PASSWORD"] = password
        options = argparse.Namespace(ca=str(self.tls / "ca.crt"), timeout=30, user="custos")
        return kafka.Connection((HOST, SCRAM), HOST, options)


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {SECONDS} s"
        time.sleep(0.5)


def is_ready() -> bool:
    """What the readiness probe is told."""
    try:
        with urllib.request.urlopen("http://localhost:9080/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def node(libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A node that is ready; at the end it goes by SIGTERM."""
    folder = tmp_path_factory.mktemp("node")
    running = Running(folder)
    source = (PROJECT / "generator/blueprint/charts/kafka/files/server.properties").read_text()
    copies = ("default", "offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    properties(folder / "more", {"super.users": "User:kafka.test;User:admin", "min.insync.replicas": "1"})
    properties(folder / "copies", {f"{name}.replication.factor": "1" for name in copies})
    options = folder / "server.properties"
    options.write_text(source + (folder / "more").read_text() + (folder / "copies").read_text())
    environment = {
        **os.environ,
        "POD_NAME": "kafka-0",
        "POD_HOST": HOST,
        "FIRST_ID": "0",
        "ROLES": "broker,controller",
        "LISTENERS": "INTERNAL:9091,PLAINTEXT:9092,SCRAM:9094",
        "VOTERS": f"0@{HOST}",
        "TLS_FOLDER": str(running.tls),
        "SECRET_FOLDER": str(running.secret),
        "VOLUME": str(running.volume),
    }
    command = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{libraries}/*:{JAR}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "custos.kafka.Node", str(options)], env=environment, stdout=log, stderr=log
        )
    try:
        until(f"ready (see {folder / 'log'})", lambda: is_ready() or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        yield running
    finally:
        process.terminate()
        process.wait(SECONDS)
    assert (running.volume / "member.properties").read_text().count("state=member") == 1


def test_a_changed_password_is_taken_over(node: Running) -> None:
    node.log_in("first").close()
    with pytest.raises(Refused, match="login"):
        node.log_in("second")
    node.set_password("second")

    def taken_over() -> bool:
        try:
            node.log_in("second").close()
        except Refused:
            return False
        return True

    until("the new password", taken_over)
    with pytest.raises(Refused, match="login"):
        node.log_in("first")


def test_a_changed_certificate_is_taken_over(node: Running) -> None:
    before = node.certificate()
    node.new_certificate()
    until("the new certificate", lambda: node.certificate() != before)
    assert node.certificate().split() == (node.tls / "tls.crt").read_text().split()
    assert is_ready()


def test_an_anonymous_client_writes_and_does_nothing_else(node: Running) -> None:
    one = (1).to_bytes(4, "big")

    def ask(kind: tuple[int, int], body: bytes) -> kafka.Reader:
        with closing(socket.create_connection((HOST, PLAINTEXT), 30)) as plain:
            plain.sendall(kafka.request(kind, body))
            answer = plain.makefile("rb")
            length = int.from_bytes(answer.read(4), "big")
            return kafka.Reader(answer.read(length)[4:])

    def made() -> bool:
        try:
            reader = ask(kafka.METADATA, one + kafka.text(NODE_TOPIC) + b"\1")
            return kafka.metadata(reader.data)[1].leader == 0
        except Refused:
            return False

    until("a topic made by asking for it", made)
    record = kafka.batch(b"value", 0)
    head = (-1).to_bytes(2, "big", signed=True) * 2 + (30000).to_bytes(4, "big")
    reader = ask(kafka.PRODUCE, head + one + kafka.text(NODE_TOPIC) + one + bytes(4) + kafka.raw(record))
    reader.take(4), reader.text(), reader.take(8)
    assert reader.number("h") == 0
    reader = ask(DELETE_TOPICS, one + kafka.text(NODE_TOPIC) + (30000).to_bytes(4, "big"))
    reader.take(8), reader.text()
    assert reader.number("h") == TOPIC_NOT_ALLOWED
    internal = ask(kafka.PRODUCE, head + one + kafka.text("__consumer_offsets") + one + bytes(4) + kafka.raw(record))
    internal.take(4), internal.text(), internal.take(8)
    assert internal.number("h") == TOPIC_NOT_ALLOWED


HEAD = "# Kafka's topics, form 1: name, partitions, copies, options; tabs between\n"
KEPT = "backup-compacted\t3\t1\tcleanup.policy=compact\tretention.ms=1000\nbackup-plain\t1\t1\n"


def topics(node: Running, libraries: Path, work: str, file: Path, port: int = SCRAM) -> tuple[int, str]:
    """Run the program that the backup's pod runs; its exit code and what it said."""
    environment = {
        **os.environ,
        "SERVERS": f"{HOST}:{port}",
        "AUTHORITY": str(node.tls / "ca.crt"),
        "PASSWORD": str(node.secret / "admin-password"),
    }
    command = ["java", "-Xmx48m", "-cp", f"{libraries}/*:{JAR}", "custos.kafka.TopicsBackup", work, str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.returncode, done.stdout + done.stderr


def test_topics_come_back_as_they_were_set(node: Running, libraries: Path, tmp_path: Path) -> None:
    kept, again = tmp_path / "kept", tmp_path / "again"
    kept.write_text(HEAD + KEPT)
    assert topics(node, libraries, "load", kept) == (0, "Kafka: 2 topics, the same as in the backup\n")
    assert topics(node, libraries, "dump", again)[0] == 0
    mine = [line for line in again.read_text().splitlines(keepends=True) if line.startswith(("#", "backup-"))]
    assert "".join(mine) == HEAD + KEPT
    assert topics(node, libraries, "load", kept)[0] == 0  # there already, and the same


def test_fewer_brokers_keep_fewer_copies(node: Running, libraries: Path, tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_text(f"{HEAD}backup-of-three\t1\t3\n")
    assert topics(node, libraries, "load", file)[0] == 0


def test_a_topic_that_is_another_stops_a_load_before_anything_is_made(
    node: Running, libraries: Path, tmp_path: Path
) -> None:
    file = tmp_path / "kept"
    file.write_text(f"{HEAD}backup-other\t1\t1\n")
    assert topics(node, libraries, "load", file)[0] == 0
    file.write_text(f"{HEAD}backup-never-made\t1\t1\nbackup-other\t2\t1\n")
    code, said = topics(node, libraries, "load", file)
    assert code == 3
    assert "Kafka has topic backup-other\t1\t1 already; the backup has backup-other\t2\t1\n" in said
    assert topics(node, libraries, "dump", file)[0] == 0
    assert "backup-never-made" not in file.read_text()


def test_a_kafka_that_does_not_answer_gives_no_empty_list(node: Running, libraries: Path, tmp_path: Path) -> None:
    code, said = topics(node, libraries, "dump", tmp_path / "none", port=free_port())
    assert code == 1, said
    assert said.startswith("Kafka: ") and not (tmp_path / "none").exists()
