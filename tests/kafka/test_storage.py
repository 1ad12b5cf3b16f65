"""What lies on a member's volume and is not its own stops it with a clear message, and stays as it was."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kafka.conftest import JAR, properties

CLUSTER = "4L6g3nShT0eMCtKa0X86sw"
SECONDS = 120
META = {"version": "1", "cluster.id": CLUSTER, "node.id": "1", "directory.id": "JEXY6aqzQY-32P5TStzaFg"}
VOTERS = "0@kafka-0.nodes,1@kafka-1.nodes,2@kafka-2.nodes"


@dataclass(frozen=True)
class Case:
    """A volume that is refused, and words of the answer."""

    files: dict[str, dict[str, str]]
    words: list[str]


REFUSED = {
    "another cluster": Case(
        {"data/meta.properties": META | {"cluster.id": "another"}},
        [
            f"meta.properties: cluster.id is another, this pod has {CLUSTER}.",
            "Restore that Secret from a backup; only if the data may be lost, delete the volume's claim",
        ],
    ),
    "another member": Case(
        {"data/meta.properties": META | {"node.id": "2"}},
        ["meta.properties: node.id is 2, this pod has 1.", "Give each pod its own claim back."],
    ),
    "other voters": Case(
        {"data/meta.properties": META, "member.properties": {"voters": "0", "state": "member"}},
        ["member.properties: voters is 0, this pod has 0,1,2.", "Set kafka.controllers back"],
    ),
    "data without its description": Case(
        {"data/topic-0/partition.metadata": {}, "data/recovery-point-offset-checkpoint": {}},
        [
            "holds recovery-point-offset-checkpoint, topic-0 but no meta.properties",
            "will not be formatted",
            "the others give it its data again",
        ],
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=list(REFUSED))
def test_a_foreign_volume_is_refused_and_left_alone(case: Case, libraries: Path, tmp_path: Path) -> None:
    volume, secret = tmp_path / "volume", tmp_path / "secret"
    for name, content in case.files.items():
        properties(volume / name, content)
    secret.mkdir()
    (secret / "cluster-id").write_text(CLUSTER)
    properties(tmp_path / "server.properties", {"min.insync.replicas": "2"})
    before = {path: path.read_bytes() for path in volume.rglob("*") if path.is_file()}
    environment = {
        **os.environ,
        "POD_NAME": "kafka-1",
        "POD_HOST": "kafka-1.nodes",
        "FIRST_ID": "0",
        "ROLES": "broker,controller",
        "LISTENERS": "INTERNAL:9091",
        "VOTERS": VOTERS,
        "SECRET_FOLDER": str(secret),
        "VOLUME": str(volume),
    }
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{libraries}/*:{JAR}", "custos.kafka.Node"]
    done = subprocess.run(
        [*command, str(tmp_path / "server.properties")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    for words in case.words:
        assert words in done.stdout
    assert {path: path.read_bytes() for path in volume.rglob("*") if path.is_file()} == before
