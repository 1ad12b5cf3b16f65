"""A copy of the generator whose catalogue has made-up services besides the real ones."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import yaml

from tests.bench.errors import BenchError
from tests.bench.machine import PROJECT

VALUES = Path("values/prod.yaml")
_CONNECTIONS = 20  # a service, at most: its pods' pools and some to spare
_ONCE = ("config", "proxy")  # kinds that a platform has one of
_COPIED = ("generator", "tools", "values", "pyproject.toml")


def project(folder: Path, services: int) -> Path:
    """Copy what `python -m generator` needs to `folder`, with a catalogue of that many services.

    Returns the folder: current directory and PYTHONPATH of the command. Raises BenchError.
    """
    folder.mkdir(parents=True)
    for name in _COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    file = folder / "generator" / "catalogue" / "services.yaml"
    text = file.read_text(encoding="utf-8")
    missing = services - len(yaml.safe_load(text)["services"])
    if missing < 0:
        raise BenchError(f"the catalogue has {-missing} services more than the {services} asked for", "ask for more")
    if missing:
        file.write_text(grown(text, missing), encoding="utf-8")
        _allow_connections(folder / VALUES, services)
    return folder


def grown(catalogue: str, more: int) -> str:
    """The catalogue's text with `more` services, modelled in turn on the real ones."""
    facts: dict[str, Any] = yaml.safe_load(catalogue)
    models = {name: s for name, s in facts["services"].items() if s["kind"] not in _ONCE}
    facts["services"] |= dict(islice(_variants(models), more))
    return yaml.safe_dump(facts, sort_keys=False, width=2**16)


def _allow_connections(values: Path, services: int) -> None:
    """The generator refuses more pools of connections than MySQL would take."""
    data = yaml.safe_load(values.read_text(encoding="utf-8"))
    data.setdefault("mysql", {}).setdefault("config", {})["max_connections"] = str(services * _CONNECTIONS)
    values.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def _variants(models: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for number, (name, model) in zip(count(1), cycle(models.items()), strict=False):
        service = copy.deepcopy(model)
        service["application"] += str(number)
        service.pop("image", None)
        for key, inner, unique in (
            ("mysql", "schema", f"extra_{number}"),
            ("vault", "mount", f"extra{number}"),
            ("rest", "path", f"/extra-{number}"),
        ):
            if key in service:
                service[key][inner] = unique
        service["grpc"] = [f"{path}{number}" for path in service.get("grpc", [])]
        yield f"{name}-{number}", service
