"""The names under which a registry has what the lab's images play."""

from __future__ import annotations

import pytest

from generator.catalogue import load_catalogue
from generator.images import full_name, registries
from lab.images.official import STANDIN, official


@pytest.mark.parametrize(
    ("repository", "full"),
    [
        ("mysql", "docker.io/library/mysql"),
        ("apache/kafka", "docker.io/apache/kafka"),
        ("quay.io/keycloak/keycloak", "quay.io/keycloak/keycloak"),
        ("localhost/a", "localhost/a"),
        ("registry:5000/a", "registry:5000/a"),
    ],
)
def test_names_are_completed_as_container_runtimes_do_it(repository: str, full: str) -> None:
    assert full_name(repository) == full


def test_every_service_and_sidecar_is_played_under_its_own_name() -> None:
    catalogue = load_catalogue()
    found = official(catalogue)
    tag = catalogue.images["custos"]["tag"]
    assert len([name for name in found.values() if name == STANDIN]) == len(catalogue.services) + sum(
        "sidecar" in service for service in catalogue.services.values()
    )
    assert found[f"docker.io/apachecustos/identity-management-service:{tag}"] == STANDIN
    assert found[f"docker.io/apachecustos/identity-management-service-sidecar:{tag}"] == STANDIN
    # Upstream's own spelling.
    assert f"docker.io/apachecustos/federeted-authentication-core-service:{tag}" in found


def test_stores_have_the_tag_of_production_and_not_that_of_the_lab() -> None:
    catalogue = load_catalogue()
    assert official(catalogue)[f"docker.io/library/mysql:{catalogue.images['mysql']['tag']}"] == "mysql"


def test_the_registries_that_a_site_has_to_reach_are_known() -> None:
    assert {"docker.io", "ghcr.io"} <= set(registries(load_catalogue()))
