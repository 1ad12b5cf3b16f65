"""The facts of services, stores and images, read from catalogue/ and resolved: nothing stays implied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from generator.errors import Finding, FindingsError, KeyPath
from generator.loading import Document, load_mapping
from generator.messages import join, nearest, schema_findings

ROOT = Path(__file__).parent
CATALOGUE = ROOT / "catalogue"

# MySQL's own limit for the name of an account; the account is called like the schema.
MAX_ACCOUNT = 32
# MiB that a service takes besides its Java heap: 80 to 150 were measured with -XX:+UseSerialGC -XX:TieredStopAtLevel=1,
# and a peak while it starts.
BESIDE_HEAP = 120
BESIDE_HEAP_AT_MOST = 250
# A service's name becomes a DNS label and the value of a label.
_NAME = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"

_STRINGS = {"type": "array", "items": {"type": "string"}}
_PORTS = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z][a-z0-9-]{0,14}$", "x-allowed": "a port's name, 15 small letters"},
    "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 65535},
}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


_SERVICES_SCHEMA = _closed(
    {
        "kinds": {
            "type": "object",
            "additionalProperties": _closed(
                {
                    "ports": _PORTS,
                    "readiness": {"type": "string"},
                    "sidecar": {"type": "boolean"},
                    "public": {"type": "boolean"},
                },
                "ports",
                "sidecar",
                "public",
            ),
        },
        "sidecar": _closed({"ports": _PORTS, "imageSuffix": {"type": "string"}}, "ports", "imageSuffix"),
        "peerPrefixes": {"type": "object", "additionalProperties": {"type": "string"}},
        # Only hold anchors.
        "settings": {"type": "object"},
        "secrets": {"type": "object"},
        "services": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": _NAME, "x-allowed": "small letters, digits and -, at most 63"},
            "additionalProperties": _closed(
                {
                    "kind": {"type": "string"},
                    "application": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9]*$"},
                    "configClient": {"type": "boolean"},
                    "image": {"type": "string", "minLength": 1},
                    "heap": {"type": "integer", "minimum": 32, "maximum": 65536},
                    "memory": {"type": "string"},
                    "mysql": _closed(
                        {
                            "schema": {
                                "type": "string",
                                "pattern": "^[a-z][a-z0-9_]*$",
                                "maxLength": MAX_ACCOUNT,
                                "x-allowed": f"small letters, digits and _, at most {MAX_ACCOUNT}",
                            },
                            "characterSet": {"type": "string", "pattern": "^[a-z0-9]+$"},
                        },
                        "schema",
                    ),
                    "vault": _closed({"mount": {"type": "string"}}, "mount"),
                    "grpc": _STRINGS,
                    "rest": _closed(
                        {
                            "path": {"type": "string", "pattern": "^/[a-z0-9/-]+$"},
                            "strip": {"type": "boolean"},
                        },
                        "path",
                    ),
                    "needs": _STRINGS,
                    "lenientJson": {"type": "boolean"},
                    "peers": _STRINGS,
                    "settings": {"type": "object", "additionalProperties": {"type": "string"}},
                    "secrets": {
                        "type": "object",
                        "additionalProperties": _closed(
                            {"secret": {"type": "string"}, "key": {"type": "string"}}, "secret", "key"
                        ),
                    },
                    "rbac": {
                        "type": "array",
                        "items": _closed(
                            {
                                "apiGroups": _STRINGS,
                                "resources": _STRINGS,
                                "resourceNames": _STRINGS,
                                "verbs": _STRINGS,
                            },
                            "apiGroups",
                            "resources",
                            "verbs",
                        ),
                    },
                },
                "kind",
            ),
        },
    },
    "kinds",
    "sidecar",
    "services",
)


@dataclass(frozen=True)
class Catalogue:
    """`services` by name in the catalogue's order, each with every fact; `config` names the config server."""

    services: dict[str, dict[str, Any]]
    config: str
    stores: dict[str, dict[str, Any]]
    images: dict[str, dict[str, Any]]

    @property
    def schemas(self) -> list[dict[str, str]]:
        """Schema and account of each service that has one."""
        return [{"service": name, **service["mysql"]} for name, service in self.services.items() if "mysql" in service]

    @property
    def mounts(self) -> list[dict[str, str]]:
        """Vault's mount of each service that has one."""
        return [{"service": name, **service["vault"]} for name, service in self.services.items() if "vault" in service]

    @property
    def here(self) -> dict[str, dict[str, Any]]:
        """How clients reach each store that this chart can run."""
        return {name: store["here"] for name, store in self.stores.items() if store["deployable"] and "here" in store}

    def clients(self, store: str) -> list[str]:
        """The services that need the store `store`."""
        return [name for name, service in self.services.items() if store in service["needs"]]

    @property
    def optional_stores(self) -> list[str]:
        """Stores that an installation may do without."""
        return [name for name, store in self.stores.items() if store["optional"]]


def load_catalogue(folder: Path = CATALOGUE) -> Catalogue:
    """The catalogue in `folder`. Raises FindingsError with everything that is wrong with it."""
    images = load_mapping(folder / "images.yaml").data
    stores = load_mapping(folder / "stores.yaml").data
    document = load_mapping(folder / "services.yaml")
    findings = schema_findings(document, Draft202012Validator(_SERVICES_SCHEMA))
    if not findings:
        findings = _references(document, stores)
    if findings:
        raise FindingsError(findings)
    facts = document.data
    services = {name: _resolve(name, service, facts, images) for name, service in facts["services"].items()}
    for name, service in services.items():
        for peer in service["peers"]:
            services[peer["service"]]["callers"].append(name)
    config = next(name for name, service in services.items() if service["kind"] == "config")
    return Catalogue(services=services, config=config, stores=stores, images=images)


def _resolve(name: str, service: dict[str, Any], facts: dict[str, Any], images: dict[str, Any]) -> dict[str, Any]:
    """Every fact of a service; lists and maps are there even when empty, other keys only where they apply."""
    kind = facts["kinds"][service["kind"]]
    image = service.get("image", f"{images['custos']['prefix']}/{name}")
    resolved: dict[str, Any] = {"kind": service["kind"]}
    for key in ("application", "heap", "lenientJson"):
        if key in service:
            resolved[key] = service[key]
    resolved["memory"] = _memory(service)
    if "application" in service:
        resolved["configClient"] = service["kind"] != "config" and service.get("configClient", True)
    resolved |= {"image": image, "ports": kind["ports"], "public": kind["public"]}
    if kind["sidecar"]:
        sidecar = facts["sidecar"]
        resolved["sidecar"] = {"image": image + sidecar["imageSuffix"], "ports": sidecar["ports"]}
    if "readiness" in kind:
        resolved["readiness"] = kind["readiness"] + (",vault" if "vault" in service else "")
    if "mysql" in service:
        schema = service["mysql"]["schema"]
        resolved["mysql"] = {"schema": schema, "user": schema, **service["mysql"]}
    if "vault" in service:
        resolved["vault"] = service["vault"]
    if "rest" in service:
        resolved["rest"] = {"strip": False, **service["rest"]}
    resolved["grpc"] = service.get("grpc", [])
    own_stores = [store for store in ("mysql", "vault") if store in service]
    resolved["needs"] = own_stores + service.get("needs", [])
    prefixes = facts.get("peerPrefixes", {})
    resolved["peers"] = [
        {"service": peer, "prefix": prefixes[peer]} if peer in prefixes else {"service": peer}
        for peer in service.get("peers", [])
    ]
    resolved["callers"] = []
    for key, empty in (("settings", {}), ("secrets", {}), ("rbac", [])):
        resolved[key] = service.get(key, empty)
    return resolved


def _memory(service: dict[str, Any]) -> dict[str, str]:
    """What a service asks for and may use where the values do not say."""
    if "heap" not in service:
        return {"requests": service["memory"], "limits": service["memory"]}
    heap = service["heap"]
    return {"requests": f"{heap + BESIDE_HEAP}Mi", "limits": f"{heap + BESIDE_HEAP_AT_MOST}Mi"}


def _references(document: Document, stores: dict[str, Any]) -> list[Finding]:
    """What a schema cannot see: names that mean other entries, and names that must be unique."""
    facts = document.data
    services = facts["services"]
    findings: list[Finding] = []

    def report(path: KeyPath, message: str, found: str, allowed: list[str], **more: Any) -> None:
        findings.append(
            Finding(
                file=document.file,
                line=document.line(path),
                key=path,
                message=message,
                found=found,
                allowed=join(allowed) or None,
                nearest=nearest(found, allowed),
                **more,
            )
        )

    for peer in facts.get("peerPrefixes", {}):
        if peer not in services:
            report(("peerPrefixes", peer), "no such service", peer, list(services))
    seen: dict[tuple[str, str], str] = {}
    for name, service in services.items():
        at: KeyPath = ("services", name)
        if service["kind"] not in facts["kinds"]:
            report((*at, "kind"), "no such kind", service["kind"], list(facts["kinds"]))
        for index, peer in enumerate(service.get("peers", [])):
            if peer not in services:
                report((*at, "peers", index), "no such service", peer, list(services))
        for index, store in enumerate(service.get("needs", [])):
            if store not in stores:
                report((*at, "needs", index), "no such store", store, list(stores))
        unique = {"mysql": "schema", "vault": "mount", "rest": "path"}
        values = {(key, service[key][inner]): (key, inner) for key, inner in unique.items() if key in service}
        if "application" in service:
            values["application", service["application"]] = ("application",)  # type: ignore[assignment]
        for value, where in values.items():
            if value in seen:
                report(
                    (*at, *where),
                    f"already belongs to {seen[value]}",
                    value[1],
                    [],
                    mend="each service needs its own",
                )
            seen.setdefault(value, name)
    configs = [name for name, service in services.items() if service["kind"] == "config"]
    if len(configs) != 1:
        report(("services",), "one service must be the config server", ", ".join(configs) or "none", [])
    return findings
