"""Where the platform's images come from: a registry, or what the lab built and gave to its machines."""

from __future__ import annotations

from bootstrap.context import Context


def source(context: Context) -> str:
    """registry or lab, as `--images` says; auto takes the registry if every machine reaches it."""
    if context.images != "auto":
        return context.images
    away = [name for name, facts in context.facts.items() if not facts.registry]
    if not context.inventory.platform.lab_only or not context.inventory.machines:
        return "registry"
    return "lab" if away else "registry"


def reason(context: Context) -> str:
    """One line: which was taken, and why."""
    taken = source(context)
    if context.images != "auto":
        return f"images: {taken}, as asked"
    away = [name for name, facts in context.facts.items() if not facts.registry]
    if taken == "lab":
        return f"images: the lab's own, because {', '.join(away)} reach no registry"
    return "images: official ones, every machine reaches their registry"
