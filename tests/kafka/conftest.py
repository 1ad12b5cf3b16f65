"""Kafka's own jars, and ours beside them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
JAR = PROJECT / "generator/blueprint/charts/kafka/files/kafka-node.jar"


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kafka's own jars, those of the lab's image."""
    folder = tmp_path_factory.mktemp("kafka")
    shutil.copy(PROJECT / "lab/images/recipes/kafka/pom.xml", folder)
    done = subprocess.run(
        ["mvn", "--batch-mode", "--quiet", "package"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return folder / "target/libs"


def properties(file: Path, content: dict[str, str]) -> None:
    """Write a properties file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{key}={value}\n" for key, value in content.items()))
