"""Whether a front door that is not ours, and that the values name, is in the cluster."""

from __future__ import annotations

from bootstrap.chart import values
from bootstrap.context import Context
from bootstrap.errors import NotYet, Problem

_CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
_GATEWAYS = "/apis/gateway.networking.k8s.io/v1/gateways"


def is_there(context: Context) -> None:
    """Raise Problem where the values name an ingress class or a Gateway that the cluster does not have.

    Kubernetes takes routes of such a one without a word, and nobody ever answers for them.
    """
    door = values(context)["ingress"]
    if not door["enabled"]:
        return
    if door["api"] == "gateway":
        _check_gateway(context, door["gateway"])
    elif door["className"]:
        names = sorted(item["metadata"]["name"] for item in context.kube.items(_CLASSES))
        if door["className"] not in names:
            raise Problem(
                f"ingress.className: the cluster has no ingress class {door['className']}; it has"
                f" {', '.join(names) or 'none'}",
                "name one of them, install the controller first, or leave className empty for this chart's own Traefik",
            )


def _check_gateway(context: Context, wanted: dict[str, str]) -> None:
    namespace = wanted["namespace"] or context.inventory.platform.namespace
    try:
        found = [f"{g['metadata']['namespace']}/{g['metadata']['name']}" for g in context.kube.items(_GATEWAYS)]
    except NotYet:
        raise Problem(
            "ingress.api: gateway, and the cluster does not know Gateways",
            "install the Gateway API and a controller for it first, or use `ingress.api: ingress`",
        ) from None
    if f"{namespace}/{wanted['name']}" not in found:
        raise Problem(
            f"ingress.gateway: there is no Gateway {wanted['name']} in namespace {namespace}; the cluster has"
            f" {', '.join(sorted(found)) or 'none'}",
            "name one of them, or make it first",
        )
