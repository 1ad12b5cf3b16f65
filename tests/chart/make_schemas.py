"""Writes tests/chart/schemas: what the Kubernetes API accepts, for the kinds that the chart uses.

    python -m tests.chart.make_schemas

Sources: api/openapi-spec/swagger.json of the Go module k8s.io/kubernetes (Apache-2.0), and Velero's definitions in the
chart's own crds/. Descriptions are left out; unknown fields are errors, as with `kubectl --validate=strict`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).parent / "schemas"
VELERO = Path(__file__).parents[2] / "generator/blueprint/charts/velero/crds"
# The oldest that the chart allows, the lab's, and the newest.
VERSIONS = ["v1.32.13", "v1.34.4", "v1.37.2"]
KINDS = {
    "ClusterRole": ("rbac.authorization.k8s.io", "v1"),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io", "v1"),
    "ConfigMap": ("", "v1"),
    "CronJob": ("batch", "v1"),
    "DaemonSet": ("apps", "v1"),
    "Deployment": ("apps", "v1"),
    "Ingress": ("networking.k8s.io", "v1"),
    "Job": ("batch", "v1"),
    "Namespace": ("", "v1"),
    "NetworkPolicy": ("networking.k8s.io", "v1"),
    "Pod": ("", "v1"),
    "PodDisruptionBudget": ("policy", "v1"),
    "Role": ("rbac.authorization.k8s.io", "v1"),
    "RoleBinding": ("rbac.authorization.k8s.io", "v1"),
    "Secret": ("", "v1"),
    "Service": ("", "v1"),
    "ServiceAccount": ("", "v1"),
    "StatefulSet": ("apps", "v1"),
}
# Kinds of Velero's definitions, by their plural.
CUSTOM = ("backupstoragelocations", "schedules")
# Types that the API reads from numbers too, which OpenAPI calls strings.
NUMBERS_TOO = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ["string", "number"],
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ["string", "integer"],
}


def swagger(version: str, folder: Path) -> dict[str, Any]:
    """The OpenAPI description of one Kubernetes version, through the Go module proxy."""
    environment = {**os.environ, "GOMODCACHE": str(folder), "GOFLAGS": "-modcacherw"}
    done = subprocess.run(
        ["go", "mod", "download", "-json", f"k8s.io/kubernetes@{version}"],
        cwd=folder, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    source = Path(json.loads(done.stdout)["Dir"]) / "api/openapi-spec/swagger.json"
    document: dict[str, Any] = json.loads(source.read_text())
    return document


def strict(schema: Any) -> Any:
    """The schema without descriptions and extensions, closed against unknown fields."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: strict(inner) for name, inner in value.items()}
        elif key not in ("description", "format", "default") and not key.startswith("x-"):
            result[key] = strict(value)
    if "properties" in result:
        result.setdefault("additionalProperties", False)
    return result


def references(schema: Any) -> set[str]:
    """Names of the definitions that a schema refers to."""
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"].removeprefix("#/definitions/")} if isinstance(schema.get("$ref"), str) else set()
    return own.union(*map(references, schema.values()))


def of_kind(document: dict[str, Any], kind: str, group: str, version: str) -> dict[str, Any]:
    """The schema of one kind with every definition that it needs."""
    wanted = {"group": group, "version": version, "kind": kind}
    definitions = document["definitions"]
    root = next(
        name for name, schema in definitions.items() if wanted in schema.get("x-kubernetes-group-version-kind", [])
    )
    needed: dict[str, Any] = {}
    open_names = {root}
    while open_names:
        name = open_names.pop()
        schema = {"type": NUMBERS_TOO[name]} if name in NUMBERS_TOO else strict(definitions[name])
        needed[name] = schema
        open_names |= references(schema) - needed.keys()
    needed[root]["required"] = sorted({*needed[root].get("required", []), "apiVersion", "kind", "metadata"})
    return {"$ref": f"#/definitions/{root}", "definitions": dict(sorted(needed.items()))}


def of_definition(file: Path) -> tuple[str, dict[str, Any]]:
    """File name and schema of the one version that a CustomResourceDefinition has."""
    definition = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
    (version,) = definition["versions"]
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    group = definition["group"].partition(".")[0]
    return f"{definition['names']['singular']}-{group}-{version['name']}.json", schema


def main() -> None:
    """Write every schema of every version."""
    definitions = [of_definition(VELERO / f"velero.io_{plural}.yaml") for plural in CUSTOM]
    for version in VERSIONS:
        with tempfile.TemporaryDirectory() as folder:
            document = swagger(version, Path(folder))
        target = SCHEMAS / version
        target.mkdir(parents=True, exist_ok=True)
        for kind, (group, api) in KINDS.items():
            short = group.partition(".")[0]
            name = "-".join(part for part in (kind.lower(), short, api) if part)
            text = json.dumps(of_kind(document, kind, group, api), separators=(",", ":"))
            (target / f"{name}.json").write_text(text + "\n")
        for name, schema in definitions:
            (target / name).write_text(json.dumps(schema, separators=(",", ":")) + "\n")
        print(f"{target}: {len(KINDS) + len(definitions)} kinds")


if __name__ == "__main__":
    main()
