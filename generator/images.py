"""The names of the images that the chart takes where the values name no others."""

from __future__ import annotations

from generator.catalogue import Catalogue


def full_name(repository: str) -> str:
    """The repository with its registry, as container runtimes complete it: mysql -> docker.io/library/mysql."""
    first, slash, _ = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return repository
    return f"docker.io/{repository}" if slash else f"docker.io/library/{repository}"


def third_party(catalogue: Catalogue) -> list[str]:
    """Full reference of each image that is not Custos' own: stores and tools."""
    return [
        f"{full_name(image['repository'])}:{image['tag']}"
        for image in catalogue.images.values()
        if image["repository"]  # Custos' own stand with the services
    ]


def custos(catalogue: Catalogue) -> list[str]:
    """Full reference of each service's image and of each sidecar's."""
    tag = catalogue.images["custos"]["tag"]
    own = [service["image"] for service in catalogue.services.values()]
    beside = [service["sidecar"]["image"] for service in catalogue.services.values() if "sidecar" in service]
    return [f"{full_name(repository)}:{tag}" for repository in [*own, *beside]]


def registries(catalogue: Catalogue) -> list[str]:
    """The hosts of the registries that have these images, sorted."""
    return sorted({reference.partition("/")[0] for reference in [*third_party(catalogue), *custos(catalogue)]})
