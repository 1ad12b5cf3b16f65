"""Renders the chart into a fresh folder and swaps it in: an error leaves the old chart as it was."""

from __future__ import annotations

import fcntl
import os
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from generator import emit
from generator.catalogue import CATALOGUE, ROOT, Catalogue, load_catalogue
from generator.checks import cross_findings
from generator.errors import Finding, FindingsError, UsageError
from generator.schema import GENERATED, ValuesSchema
from generator.values import Values, read_values

PROJECT = ROOT.parent
BLUEPRINT = ROOT / "blueprint"
CHART = PROJECT / "charts" / "custos-platform"
CHART_NAME = "custos-platform"


@dataclass(frozen=True)
class Sources:
    """What a chart is made of; the defaults are the project's own."""

    catalogue: Path = CATALOGUE
    blueprint: Path = BLUEPRINT


@dataclass(frozen=True)
class RenderResult:
    """The chart's folder, how many files it holds, and whether any byte of it is new."""

    chart: Path
    files: int
    changed: bool


def render(values_file: Path | str, output: Path | str = CHART, sources: Sources | None = None) -> RenderResult:
    """Renders the chart for `values_file` into the folder `output`, replacing a chart that is there.

    Raises FindingsError where the values, the catalogue or the blueprint are wrong, UsageError where `output`
    holds something that no render made. Either leaves `output` as it was.
    """
    output = Path(output).absolute()
    files = chart_files(values_file, sources)
    _refuse_foreign(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with _locked(output.parent):
            changed = read_chart(output) != files
            if changed:
                _swap_in(output, files)
    except OSError as error:
        raise UsageError(f"{error.filename or output}: cannot be written: {error.strerror}") from error
    return RenderResult(chart=output, files=len(files), changed=changed)


def chart_files(values_file: Path | str, sources: Sources | None = None) -> dict[str, bytes]:
    """The whole chart in memory: bytes by path inside it. Raises FindingsError."""
    sources = sources or Sources()
    catalogue = load_catalogue(sources.catalogue)
    schema = ValuesSchema(catalogue)
    values, findings = read_values(values_file, schema)
    findings += cross_findings(values, catalogue, complete=not findings)
    if findings:
        raise FindingsError(findings)
    files = dict(sorted(_files(sources, catalogue, schema, values)))
    _refuse_incomplete(files, sources.blueprint)
    return files


def read_chart(folder: Path) -> dict[str, bytes]:
    """The files of a chart on disk, by path inside it; empty where there is none."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def _files(sources: Sources, catalogue: Catalogue, schema: ValuesSchema, values: Values) -> Iterator[tuple[str, bytes]]:
    context = {
        "platform": platform(catalogue),
        "catalogue": catalogue,
        "stores": catalogue.stores,
        "images": catalogue.images,
        "schema": schema,
        "values": values.effective,
    }
    charts = [path.name for path in sorted((sources.blueprint / "charts").glob("*")) if path.is_dir()]
    yield from _blueprint(sources.blueprint, context)
    for chart in (None, *charts):
        folder = "" if chart is None else f"charts/{chart}/"
        section = values.effective if chart is None else values.effective.get(chart, {})
        if chart is None or chart in schema.charts():
            about = "Values of the platform." if chart is None else f"Values of the subchart {chart}."
            yield f"{folder}values.yaml", emit.values_yaml(schema, section, about, chart).encode()
            yield f"{folder}values.schema.json", schema.as_json(chart).encode()
            yield f"{folder}README.md", _readme(schema, section, chart).encode()
    if "custos" in charts:
        facts = {"config": catalogue.config, "services": catalogue.services}
        about = "Every fact of every service, resolved; the templates read it."
        yield "charts/custos/files/catalogue.yaml", emit.generated_yaml(facts, about).encode()
        # A file of its own: templates read it some hundred times, and to parse all services each time takes long.
        about = "How the stores that this chart runs are reached."
        yield "charts/custos/files/stores.yaml", emit.generated_yaml(catalogue.here, about).encode()
    if "keycloak" in charts:
        about = "The services that Keycloak lets in."
        clients = [name for name, service in catalogue.services.items() if "keycloak" in service["needs"]]
        yield "charts/keycloak/files/clients.yaml", emit.generated_yaml(clients, about).encode()
    if "mysql" in charts:
        about = "The schemas and accounts that the group keeps, one for each service."
        yield "charts/mysql/files/schemas.yaml", emit.generated_yaml(catalogue.schemas, about).encode()
    if "kafka" in charts:
        about = "The services that use this store."
        yield "charts/kafka/files/clients.yaml", emit.generated_yaml(catalogue.clients("kafka"), about).encode()
    if "vault" in charts:
        about = "The mounts that Vault has, one for each service."
        yield "charts/vault/files/mounts.yaml", emit.generated_yaml(catalogue.mounts, about).encode()


def _refuse_incomplete(files: dict[str, bytes], blueprint: Path) -> None:
    """Raises FindingsError where the chart or a subchart has no Chart.yaml, which only helm would notice."""
    folders = {"", *(f"charts/{name.split('/')[1]}/" for name in files if name.startswith("charts/"))}
    findings = [
        Finding(str(blueprint / folder), "the blueprint has no Chart.yaml or Chart.yaml.j2")
        for folder in sorted(folders)
        if f"{folder}Chart.yaml" not in files
    ]
    if findings:
        raise FindingsError(findings)


def platform(catalogue: Catalogue) -> dict[str, str]:
    """Name and version of the platform, and the version of Custos that it installs."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "name": str(project["name"]),
        "version": str(project["version"]),
        "description": str(project["description"]),
        "appVersion": str(catalogue.images["custos"]["tag"]),
    }


def _blueprint(folder: Path, context: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # nothing here is HTML
    )
    environment.filters["yaml"] = emit.text
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        if path.suffix != ".j2":
            yield name, path.read_bytes()
            continue
        try:
            yield name.removesuffix(".j2"), environment.get_template(name).render(context).encode()
        except jinja2.TemplateSyntaxError as error:
            raise FindingsError([Finding(str(path), f"{error.message}", line=error.lineno)]) from error
        except jinja2.TemplateError as error:
            raise FindingsError([Finding(str(path), f"cannot be rendered: {error.message}")]) from error


_INSTALL = """Apache Airavata Custos with the stores that it needs, highly available.

```
helm install custos charts/custos-platform --namespace custos --create-namespace
```

The defaults are the values that the chart was rendered from; `-f` and `--set` change them."""


def _readme(schema: ValuesSchema, values: dict[str, Any], chart: str | None) -> str:
    about = _INSTALL
    if chart:
        section = schema.root["properties"][chart]
        about = f"{section['description']} Part of {CHART_NAME}; its values stand under `{chart}` there."
    table = emit.values_table(schema, values, chart)
    return f"<!-- {GENERATED} -->\n# {chart or CHART_NAME}\n\n{about}\n\n## Values\n\n{table}"


def _refuse_foreign(output: Path) -> None:
    """A folder that no render made is somebody's data."""
    if output.is_symlink():
        raise UsageError(f"{output} is a symbolic link; name the folder itself")
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"{output} is a file; the chart needs a folder")
    marked = [output / name for name in ("values.yaml", "values.schema.json", "README.md", "Chart.yaml")]
    ours = any(file.is_file() and GENERATED in file.read_text(encoding="utf-8", errors="replace") for file in marked)
    if not ours and any(output.iterdir()):
        raise UsageError(
            f"{output} holds something that this generator did not make and would be replaced: "
            "name a new or empty folder"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lets one render at a time into `folder`; the lock ends with the process, however it ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _swap_in(output: Path, files: dict[str, bytes]) -> None:
    """Writes `files` beside `output` and renames; what a killed run left behind is taken up first."""
    fresh = output.with_name(f".{output.name}.new")
    old = output.with_name(f".{output.name}.old")
    _tidy(output, fresh, old)
    try:
        for name, content in files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        # Whatever the umask says: the chart is not secret and nothing in it runs.
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        if output.exists():
            output.rename(old)
        fresh.rename(output)
    finally:
        _tidy(output, fresh, old)


def _tidy(output: Path, fresh: Path, old: Path) -> None:
    """Puts the old chart back where the second of the two renames did not happen, and removes the rest."""
    if old.exists() and not output.exists():
        old.rename(output)
    for leftover in (fresh, old):
        if leftover.exists():
            shutil.rmtree(leftover)
