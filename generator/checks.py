"""Rules that one key's schema cannot see, collected and reported all at once."""

from __future__ import annotations

from generator.catalogue import Catalogue
from generator.errors import Finding
from generator.values import Values


def cross_findings(values: Values, catalogue: Catalogue, nodes: int | None = None) -> list[Finding]:
    """What is wrong between keys; `nodes` is the number of machines that run pods, where it is known."""
    return []
