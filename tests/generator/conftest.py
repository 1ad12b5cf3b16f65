"""What several tests of the generator share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from generator.catalogue import CATALOGUE, Catalogue, load_catalogue
from generator.check import check_values
from generator.render import BLUEPRINT, Sources
from generator.schema import ValuesSchema

PROJECT = Path(__file__).parents[2]
PROD = PROJECT / "values" / "prod.yaml"


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="session")
def schema(catalogue: Catalogue) -> ValuesSchema:
    return ValuesSchema(catalogue)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """The project's sources, copied so that a test may change them."""
    copied = Sources(tmp_path / "catalogue", tmp_path / "blueprint")
    shutil.copytree(CATALOGUE, copied.catalogue)
    shutil.copytree(BLUEPRINT, copied.blueprint)
    return copied


@pytest.fixture
def findings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | bytes], list[str]]:
    """All findings in a values file with this content, each as one line of text."""
    monkeypatch.chdir(tmp_path)

    def findings(content: str | bytes) -> list[str]:
        Path("values.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
        return [str(finding) for finding in check_values([Path("values.yaml")])]

    return findings
