"""Where the platform's images come from: a registry, or what the lab built and gave to its machines."""

from __future__ import annotations

from bootstrap.context import Context

MEANING = {"registry": "official ones, pulled", "lab": "the lab's own, brought to the machines"}
_NOTE = ", images from "  # in the words of the release's revision


def source(context: Context) -> str:
    """registry or lab, as `--images` says; auto takes the registry if every machine reaches all that are named."""
    if context.images != "auto":
        return context.images
    if not context.inventory.platform.lab_only or not context.inventory.machines:
        return "registry"
    return "lab" if _away(context) else "registry"


def reason(context: Context) -> str:
    """One line: which was taken, and why."""
    taken = source(context)
    said = f"images: {taken} ({MEANING[taken]})"
    if context.images != "auto":
        return f"{said}, as asked"
    if taken == "lab":
        away = "; ".join(f"{', '.join(machines)} cannot reach {name}" for name, machines in _away(context).items())
        return f"{said}, because {away}"
    return f"{said}, because every machine reaches {', '.join(_ways(context))}"


def note(taken: str) -> str:
    """What a release's description says about its images."""
    return _NOTE + taken if taken else ""


def noted(description: str) -> str:
    """registry, lab, or nothing: what `note` wrote into a release's description."""
    taken = description.rpartition(_NOTE)[2]
    return taken if taken in MEANING else ""


def _away(context: Context) -> dict[str, list[str]]:
    """Each registry that is not reached by every machine -> the machines that do not."""
    away: dict[str, list[str]] = {}
    for machine, facts in context.facts.items():
        for name, url in facts.registries.items():
            if url is None:
                away.setdefault(name, []).append(machine)
    return away


def _ways(context: Context) -> list[str]:
    """Each registry, and the mirrors that machines reach it by."""
    ways: dict[str, set[str]] = {}
    for facts in context.facts.values():
        for name, url in facts.registries.items():
            mirrored = url in context.inventory.mirrors(name)
            ways.setdefault(name, set()).update([url] if mirrored else [])
    return [f"{name} by {' and '.join(sorted(urls))}" if urls else name for name, urls in ways.items()]
