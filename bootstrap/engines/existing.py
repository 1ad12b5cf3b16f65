"""Engine `existing`: a cluster that somebody else made. It is looked at and otherwise left alone."""

from __future__ import annotations

from collections.abc import Sequence

from bootstrap.context import Context
from bootstrap.errors import Problem
from bootstrap.inventory import OLDEST_KUBERNETES, Inventory
from bootstrap.steps import CheckOnly, Step

# What `helm upgrade --install` of the platform does in its namespace.
_NEEDED = (
    ("", "secrets"),
    ("", "configmaps"),
    ("", "services"),
    ("", "serviceaccounts"),
    ("", "persistentvolumeclaims"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("batch", "jobs"),
    ("policy", "poddisruptionbudgets"),
    ("networking.k8s.io", "networkpolicies"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
)


class Existing:
    """Looks whether the cluster can carry the platform."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def preflight(self) -> Sequence[Step]:
        """Nothing that `cluster` does not look at."""
        return ()

    def machines(self) -> Sequence[Step]:
        """None."""
        return ()

    def cluster(self) -> Sequence[Step]:
        """Version, nodes, rights."""
        return (
            CheckOnly("the API server's version", _check_version),
            CheckOnly("nodes", _check_nodes),
            CheckOnly("rights in the namespace", self._check_rights),
        )

    def losses(self) -> Sequence[str]:
        """Nothing: the cluster is not ours."""
        return ()

    def reset(self) -> Sequence[Step]:
        """Nothing."""
        return ()

    def _check_rights(self, context: Context) -> None:
        namespace = self._inventory.platform.namespace
        refused = [
            f"{resource}{'.' + group if group else ''}"
            for group, resource in _NEEDED
            if not _allowed(context, namespace, group, resource)
        ]
        if refused:
            raise Problem(
                f"the kubeconfig's user may not create in namespace {namespace}: {', '.join(refused)}",
                "have an administrator bind it to the ClusterRole admin there, or use another kubeconfig than"
                f" {context.kubeconfig}",
            )


def _check_version(context: Context) -> None:
    version = context.kube.version()
    major, minor = version.removeprefix("v").split(".")[:2]
    if (int(major), int(minor)) < OLDEST_KUBERNETES:
        raise Problem(
            f"the cluster at {context.kube.server} runs Kubernetes {version}; the platform needs 1.32 or newer",
            "upgrade it, or use another cluster",
        )


def _check_nodes(context: Context) -> None:
    ready = []
    for node in context.kube.nodes():
        conditions = {c["type"]: c["status"] for c in node.get("status", {}).get("conditions", ())}
        tainted = any(t["effect"] in ("NoSchedule", "NoExecute") for t in node["spec"].get("taints", ()))
        if conditions.get("Ready") == "True" and not tainted and not node["spec"].get("unschedulable"):
            ready.append(node["metadata"]["name"])
    if not ready:
        raise Problem(
            f"the cluster at {context.kube.server} has no node that is ready and takes pods",
            "see `kubectl get nodes` and `kubectl describe node`",
        )


def _allowed(context: Context, namespace: str, group: str, resource: str) -> bool:
    review = context.kube.create(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {
                "resourceAttributes": {
                    "namespace": namespace,
                    "verb": "create",
                    "group": group,
                    "resource": resource,
                }
            },
        },
    )
    return bool(review["status"]["allowed"])
