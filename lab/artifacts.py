"""The bundle of binaries and image archives that the machines see as a site's medium; made by lab.images."""

import importlib
import importlib.util
from typing import Any

from lab.errors import LabError


def ensure() -> bool:
    """Make the bundle that the machines see, if it is missing or old; True if it was made."""
    spec = importlib.util.find_spec("lab.images")
    if spec is None or spec.origin is None:
        return False
    images: Any = importlib.import_module("lab.images")
    try:
        before = images.bundle_path().resolve()
        images.ensure_bundle()
        return bool(before != images.bundle_path().resolve())
    except OSError as error:
        raise LabError(
            f"the bundle of artifacts could not be made: {error}", "mend what it names, run again"
        ) from None
