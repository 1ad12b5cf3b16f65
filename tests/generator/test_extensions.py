"""The jars in the chart are what their sources give, byte for byte."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import PROJECT

EXTENSIONS = PROJECT / "generator/extensions"
JARS = {
    "kafka-node": ("kafka-node.jar", "charts/kafka"),
    "keycloak": ("keycloak-extension.jar", "charts/keycloak"),
    "lenient-json": ("lenient-json.jar", "charts/custos"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources in which Maven has built all."""
    copy = tmp_path_factory.mktemp("built") / "extensions"
    shutil.copytree(EXTENSIONS, copy, ignore=shutil.ignore_patterns("target"))
    done = subprocess.run(
        ["mvn", "--batch-mode", "--quiet", "package"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return copy


@pytest.mark.parametrize(("project", "jar", "chart"), [(name, *facts) for name, facts in JARS.items()], ids=list(JARS))
def test_the_committed_jar_is_what_its_source_gives(project: str, jar: str, chart: str, built: Path) -> None:
    committed = PROJECT / "generator/blueprint" / chart / "files" / jar
    mend = f"cd generator/extensions && mvn package && cp {project}/target/{jar} {committed}"
    assert (built / project / "target" / jar).read_bytes() == committed.read_bytes(), mend


def test_every_project_is_compared() -> None:
    assert {path.parent.name for path in EXTENSIONS.glob("*/pom.xml")} == set(JARS)
