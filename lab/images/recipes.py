"""The table of images (recipes.yaml) as typed records, and the keys under which what they make is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.table import go_architecture, table, tool_of

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
# Part of every key: raise it when the code that makes layers or archives changes what they contain.
FORMAT = 1


@dataclass(frozen=True)
class Image:
    """What a recipe's layers get as an image: name, archive, configuration (OCI image specification)."""

    reference: str
    archive: str
    config: dict[str, Any]


@dataclass(frozen=True)
class Maven:
    """A Maven project of the checkout; paths are relative to the checkout, `makes` to the project."""

    project: str
    reads: tuple[str, ...]
    makes: str  # a jar, or a folder whose content goes to `to`
    to: str  # in the image
    owner: str = "0:0"  # uid:gid of what it makes

    def sources(self) -> list[Path]:
        """Every file that the build reads, absolute, in a fixed order."""
        home = CHECKOUT / self.project
        code = sorted(path for path in (home / "src/main").rglob("*") if path.is_file())
        return [home / "pom.xml", *code, *(CHECKOUT / name for name in self.reads)]


@dataclass(frozen=True)
class Recipe:
    """One layer; the fields are those that the head of recipes.yaml describes."""

    name: str
    below: str | None
    raw: dict[str, Any]
    image: Image | None
    maven: Maven | None

    @property
    def script(self) -> Path | None:
        """The script that makes the layer, run inside its root."""
        return HERE / "recipes" / self.raw["script"] if "script" in self.raw else None

    @property
    def debian(self) -> dict[str, Any] | None:
        """Suite and packages of a fresh Debian root."""
        found: dict[str, Any] | None = self.raw.get("debian")
        return found

    @property
    def wheels(self) -> list[str]:
        """Packages of PyPI, NAME==VERSION, whose wheels the script finds in /tmp/wheels."""
        found: list[str] = self.raw.get("wheels", [])
        return found

    def mapping(self, kind: str) -> dict[str, str]:
        """`tools`, `files`, `modes`, `directories`, `compile`, `capability`, or {}."""
        found: dict[str, str] = self.raw.get(kind, {})
        return found


@cache
def recipes() -> dict[str, Recipe]:
    """All recipes by name, every one after those it is built on."""
    raw = yaml.safe_load((HERE / "recipes.yaml").read_text(encoding="utf-8"))
    return {name: _recipe(name, entry) for name, entry in raw.items()}


def _recipe(name: str, entry: dict[str, Any]) -> Recipe:
    image, maven = entry.get("image"), entry.get("maven")
    return Recipe(
        name=name,
        below=entry.get("from"),
        raw=entry,
        image=Image(reference(image["reference"]), image["archive"], image["config"]) if image else None,
        maven=Maven(**{**maven, "reads": tuple(maven["reads"])}) if maven else None,
    )


def reference(pattern: str) -> str:
    """An image's name with the versions of tools.yaml filled in: {name}, or {name_number} without the v."""
    versions = {name: tool.version for name, tool in table().items()}
    numbers = {f"{name}_number": tool.number for name, tool in table().items()}
    return pattern.format(**versions, **numbers)


def chain(name: str) -> list[Recipe]:
    """The recipe `name` and those below it, lowest first."""
    recipe = recipes()[name]
    return [*(chain(recipe.below) if recipe.below else []), recipe]


@cache
def layer_key(name: str) -> str:
    """What the layer `name` is kept under: changes with everything that goes into it and into those below."""
    recipe = recipes()[name]
    parts = {
        "format": FORMAT,
        "architecture": go_architecture(),
        "below": layer_key(recipe.below) if recipe.below else "",
        "recipe": {key: value for key, value in recipe.raw.items() if key not in ("from", "image")},
        "contents": [_digest(path) for path in _inputs(recipe)],
    }
    return f"{name}-{_short(parts)}"


def bundle_key(names: list[str]) -> str:
    """What a bundle of the images `names` is kept under."""
    images = [recipes()[name].image for name in names]
    parts = [(layer_key(name), vars(image)) for name, image in zip(names, images, strict=True) if image]
    return _short({"format": FORMAT, "images": parts, "machine": table()["kubernetes"].version})


def absent_input(recipe: Recipe) -> str | None:
    """What this checkout lacks to make `recipe` (a project that is not there yet), or None."""
    for each in chain(recipe.name):
        for path in each.maven.sources() if each.maven else []:
            if not path.is_file():
                return str(path.relative_to(CHECKOUT))
    return None


def _inputs(recipe: Recipe) -> list[Path]:
    """Every file whose content goes into the layer, in the table's order: a path's own order differs by checkout."""
    found = [HERE / name for kind in ("files", "compile") for name in recipe.mapping(kind)]
    found += [recipe.script] if recipe.script else []
    for program in recipe.mapping("tools"):
        found += tool_of(program).inputs
    if recipe.maven:
        found += recipe.maven.sources()
    return list(dict.fromkeys(found))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _short(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
