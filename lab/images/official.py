"""The lab's images under the names that production's registries have them under."""

from __future__ import annotations

from generator import images
from generator.catalogue import Catalogue
from lab.images.recipes import recipes

STANDIN = "custos-standin"  # the recipe that plays every Custos service and its sidecar


def official(catalogue: Catalogue) -> dict[str, str]:
    """Reference of each image that the chart names by default -> the recipe that plays it.

    An image that no recipe makes is left out.
    """
    ours = {_repository(recipe.image.reference): name for name, recipe in recipes().items() if recipe.image}
    found = {
        reference: ours[_repository(reference)]
        for reference in images.third_party(catalogue)
        if _repository(reference) in ours
    }
    return found | dict.fromkeys(images.custos(catalogue), STANDIN)


def _repository(reference: str) -> str:
    return reference.rpartition(":")[0]
