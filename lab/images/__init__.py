"""Images and programs for the lab's machines, made from package registries (recipes.yaml), without Docker."""

from lab.images.bundle import bundle_path, ensure_bundle

__all__ = ["bundle_path", "ensure_bundle"]
