"""Every object against the schemas of the oldest, the lab's, the newest Kubernetes (see make_schemas.py)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import tools
from tests.chart.conftest import Case
from tests.chart.helm import Object
from tests.chart.make_schemas import SCHEMAS, VERSIONS


def kubeconform(objects: list[Object], version: str, folder: Path) -> str:
    """The complaints of kubeconform, or nothing."""
    manifest = folder / "objects.yaml"
    manifest.write_text(yaml.dump_all(objects, Dumper=yaml.CSafeDumper))
    location = f"{SCHEMAS}/{{{{ .NormalizedKubernetesVersion }}}}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    done = subprocess.run(
        [
            *(str(tools.ensure("kubeconform")), "-strict", "-kubernetes-version", version.removeprefix("v")),
            *("-schema-location", location, str(manifest)),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_are_what_kubernetes_accepts(
    version: str, case: Case, objects_of: Callable[[Case], list[Object]], tmp_path: Path
) -> None:
    assert kubeconform(objects_of(case), version, tmp_path) == ""


def test_the_schemas_see_a_misspelt_field(tmp_path: Path) -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"prots": []}}
    assert "prots" in kubeconform([wrong], VERSIONS[0], tmp_path)
