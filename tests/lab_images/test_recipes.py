"""The table of images, and the keys that say when something has to be made anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.images import recipes as module
from lab.images.recipes import absent_input, chain, layer_key, recipes, reference
from tools.table import tool_of


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the recipes to change; the caches are emptied before and after."""
    home = tmp_path / "lab" / "images"
    shutil.copytree(module.HERE, home, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(module.CHECKOUT / "lab/standin/src/main", tmp_path / "lab/standin/src/main")
    shutil.copy(module.CHECKOUT / "lab/standin/pom.xml", tmp_path / "lab/standin/pom.xml")
    (tmp_path / "generator/catalogue").mkdir(parents=True)
    shutil.copy(module.CHECKOUT / "generator/catalogue/services.yaml", tmp_path / "generator/catalogue")
    monkeypatch.setattr(module, "HERE", home)
    monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    recipes.cache_clear()
    layer_key.cache_clear()


def keys() -> dict[str, str]:
    forget()
    return {name: layer_key(name) for name in recipes()}


def append(path: Path) -> None:
    path.write_text(path.read_text() + "\n# changed\n")


@pytest.mark.parametrize(
    ("changed", "anew"),
    [
        ("lab/images/recipes/java.sh", {"java", "custos-standin", "kafka", "keycloak-java", "keycloak"}),
        ("lab/images/recipes/mysql/my.cnf", {"mysql"}),
        ("lab/images/recipes/pause/pause.c", {"pause"}),
        ("lab/images/recipes/netfilter.sh", {"netfilter", "kube-proxy", "kube-router"}),
        ("lab/standin/pom.xml", {"custos-standin"}),
        ("lab/images/recipes/kafka/pom.xml", {"kafka"}),
        ("lab/images/recipes/keycloak/pom.xml", {"keycloak"}),
        ("generator/catalogue/services.yaml", {"custos-standin"}),
        ("lab/images/recipes.yaml", set()),
    ],
)
def test_a_changed_input_renews_its_layer_and_those_above(copied: Path, changed: str, anew: set[str]) -> None:
    before = keys()
    append(copied / changed)
    after = keys()
    assert {name for name in before if before[name] != after[name]} == anew


def test_a_new_source_file_is_an_input(copied: Path) -> None:
    before = keys()["custos-standin"]
    (copied / "lab/standin/src/main/java/New.java").write_text("class New {}\n")
    assert keys()["custos-standin"] != before


def test_a_project_that_is_not_there_is_named(copied: Path) -> None:
    (copied / "lab/standin/pom.xml").unlink()
    forget()
    assert absent_input(recipes()["custos-standin"]) == "lab/standin/pom.xml"
    assert absent_input(recipes()["mysql"]) is None


def test_every_recipe_stands_on_one_before_it_and_has_its_files() -> None:
    seen: set[str] = set()
    for name, recipe in recipes().items():
        assert recipe.below is None or recipe.below in seen, name
        assert [part.name for part in chain(name)][-1] == name
        assert recipe.script is None or recipe.script.is_file()
        for source in [*recipe.mapping("files"), *recipe.mapping("compile")]:
            assert (module.HERE / source).is_file(), source
        seen.add(name)


def test_names_are_unique_and_carry_the_tools_versions() -> None:
    names = [recipe.image.reference for recipe in recipes().values() if recipe.image]
    assert len(names) == len(set(names))
    assert reference("registry.k8s.io/etcd:{etcd_number}-0") in names
    assert all("{" not in name and not name.endswith(":latest") for name in names)


@pytest.mark.parametrize("sources", ["before", "zzz-after"], ids=["sorts-before", "sorts-after"])
def test_a_checkout_elsewhere_has_the_same_keys(copied: Path, monkeypatch: pytest.MonkeyPatch, sources: str) -> None:
    """Wherever the checkout's path sorts beside that of the tools' sources."""
    expected = keys()
    source_of = {}  # several programs may come from one source
    for program in {program for recipe in recipes().values() for program in recipe.mapping("tools")}:
        source = tool_of(program).source
        moved = copied / sources / source.name
        inputs = [moved / file.relative_to(source) for file in tool_of(program).inputs]
        for file, copy in zip(tool_of(program).inputs, inputs, strict=True):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
        source_of[program] = SimpleNamespace(inputs=inputs)
    monkeypatch.setattr(module, "tool_of", source_of.__getitem__)
    assert keys() == expected
