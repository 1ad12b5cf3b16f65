"""A 25th service is one entry in the catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from generator.catalogue import load_catalogue
from generator.drawing import draw
from generator.errors import FindingsError
from generator.render import Sources, render
from generator.schema import ValuesSchema
from generator.topology import topology
from generator.values import read_values

from .conftest import PROD

ENTRY = """
  billing-management-service:
    kind: integration
    application: billingManagementService
    heap: 130
    mysql: {schema: integration_billing}
    rest: {path: /billing-management}
    grpc: [org.example.custos.billing.BillingService]
    needs: [kafka]
    peers: [user-profile-core-service]
"""
NAME = "billing-management-service"


@pytest.fixture
def extended(sources: Sources) -> Sources:
    with (sources.catalogue / "services.yaml").open("a") as file:
        file.write(ENTRY)
    return sources


def test_it_is_everywhere(extended: Sources, tmp_path: Path) -> None:
    chart = render(PROD, tmp_path / "chart", extended).chart

    values = yaml.safe_load((chart / "values.yaml").read_text())
    assert values["custos"]["services"][NAME]["enabled"] is True
    assert len(values["custos"]["services"]) == 25

    for name, path in (("values.schema.json", ["custos"]), ("charts/custos/values.schema.json", [])):
        schema = json.loads((chart / name).read_text())
        for part in path:
            schema = schema["properties"][part]
        assert NAME in schema["properties"]["services"]["properties"]

    facts = yaml.safe_load((chart / "charts/custos/files/catalogue.yaml").read_text())["services"]
    assert facts[NAME] == {
        "kind": "integration",
        "application": "billingManagementService",
        "heap": 130,
        "memory": {"requests": "250Mi", "limits": "380Mi"},
        "image": f"apachecustos/{NAME}",
        "configClient": True,
        "ports": {"http": 8080, "grpc": 7000},
        "public": True,
        "sidecar": {"image": f"apachecustos/{NAME}-sidecar", "ports": {"rest": 50000, "admin": 9901}},
        "readiness": "ping",
        "mysql": {"schema": "integration_billing", "user": "integration_billing"},
        "rest": {"strip": False, "path": "/billing-management"},
        "grpc": ["org.example.custos.billing.BillingService"],
        "needs": ["mysql", "kafka"],
        "peers": [{"service": "user-profile-core-service", "prefix": "user.profile.core.service"}],
        "callers": [],
        "settings": {},
        "secrets": {},
        "rbac": [],
    }
    assert NAME in facts["user-profile-core-service"]["callers"]

    schemas = yaml.safe_load((chart / "charts/mysql/files/schemas.yaml").read_text())
    assert {"service": NAME, "schema": "integration_billing", "user": "integration_billing"} in schemas


def test_it_is_drawn_with_its_edges(extended: Sources) -> None:
    catalogue = load_catalogue(extended.catalogue)
    values, findings = read_values(PROD, ValuesSchema(catalogue))
    assert findings == []
    picture = draw(topology(values, catalogue, []), "Title")
    assert f">{NAME}<" in picture
    for other in ("user-profile-core-service", "mysql", "kafka"):
        assert f"<title>{NAME} → {other}</title>" in picture


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "{kind: core, peers: [user-profile-core-servise]}",
            "services.new.peers[0]: no such service; found user-profile-core-servise; allowed: "
            "custos-configuration-service, tenant-profile-core-service, credential-store-core-service, "
            "iam-admin-core-service, identity-core-service, federated-authentication-core-service, "
            "user-profile-core-service, sharing-core-service and 17 more; "
            "did you mean user-profile-core-service?",
        ),
        (
            "{kind: cor}",
            "services.new.kind: no such kind; found cor; allowed: core, integration, web, config, proxy; "
            "did you mean core?",
        ),
        (
            "{kind: core, needs: [keycloack]}",
            "services.new.needs[0]: no such store; found keycloack; "
            "allowed: mysql, postgresql, keycloak, consul, vault, kafka, smtp, cilogon; did you mean keycloak?",
        ),
        (
            "{kind: core, mysql: {schema: core_iam}}",
            "services.new.mysql.schema: already belongs to iam-admin-core-service; found core_iam; "
            "mend: each service needs its own",
        ),
        (
            "{kind: core, application: scimService}",
            "services.new.application: already belongs to scim-service; found scimService; "
            "mend: each service needs its own",
        ),
        (
            "{kind: core, mysql: {schema: a_schema_with_a_name_of_over_32_letters}}",
            'services.new.mysql.schema: is too long; found "a_schema_with_a_name_of_over_32_letters"; '
            "allowed: small letters, digits and _, at most 32",
        ),
        (
            "{kind: core, heep: 130}",
            "services.new.heep: unknown key; allowed: kind, application, configClient, image, heap, memory, mysql, "
            "vault, grpc, rest, needs, lenientJson, peers, settings, secrets, rbac; did you mean services.new.heap?",
        ),
        (
            "{kind: config, application: another}",
            "services: one service must be the config server; found custos-configuration-service, new",
        ),
        ("{application: x}", "services.new: the key `kind` is missing; mend: add `kind: …`"),
    ],
)
def test_a_wrong_entry_is_named(sources: Sources, entry: str, message: str) -> None:
    with (sources.catalogue / "services.yaml").open("a") as file:
        file.write(f"\n  new: {entry}\n")
    with pytest.raises(FindingsError) as error:
        load_catalogue(sources.catalogue)
    assert [str(finding).split(": ", 1)[1] for finding in error.value.findings] == [message]
