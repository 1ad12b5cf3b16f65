"""Phase `platform`: the namespace, and the release in it with all its pods ready."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from bootstrap import images, manifests, restoremark
from bootstrap.chart import rendered
from bootstrap.clients.helm import Manifest, Release
from bootstrap.clients.kube import placed, readable, title
from bootstrap.context import Context
from bootstrap.doors import is_there
from bootstrap.engines import Engine
from bootstrap.errors import NotYet, Problem
from bootstrap.inventory import Inventory
from bootstrap.objects import WORKLOADS, ApplyObjects
from bootstrap.phases import backups
from bootstrap.recovery import unfinished
from bootstrap.steps import Change, CheckOnly, Phase, Step
from bootstrap.versions import keep_apart
from bootstrap.volumes import GrowVolumes
from bootstrap.workloads import Trouble, troubles, unready_workloads

# Seconds after which an operation that Helm takes to be under way is taken for one that was cut off.
ABANDONED = 15 * 60
# So many workloads that do not run are named with their reason while people wait.
SHOWN = 3


def phase(inventory: Inventory, _engine: Engine) -> Phase:
    """Namespace, what an upgrade has to heed, release, pods."""
    return Phase(
        "platform",
        [
            ApplyObjects("namespace", manifests.namespace),
            CheckOnly("front door", is_there),
            CheckOnly("versions", keep_apart),
            CheckOnly("no restore has stopped half-way", unfinished),
            GrowVolumes("volumes"),
            *before_release(inventory),
            InstallRelease("release"),
            PodsReady("pods are ready"),
            EndOfRestore("no restore is under way"),
        ],
    )


def before_release(inventory: Inventory) -> Sequence[Step]:
    """What has to be in the cluster before the release, whether it is installed or brought back from a backup."""
    return backups.before_release(inventory)


class InstallRelease(Step):
    """`helm upgrade --install` of the rendered chart, when it is another than the one that is installed."""

    def check(self, context: Context) -> Sequence[Change]:
        """What would be added, changed, removed; nothing when the same chart is installed and its objects are there."""
        platform = context.inventory.platform
        chart = rendered(context)
        if platform.lab_only:
            context.console.detail(images.reason(context))
        where = f"release {platform.release}"
        context.kube  # noqa: B018 - raises NotYet where there is no cluster
        found = context.helm.release(platform.release, platform.namespace)
        if found and found.status == "deployed" and found.description == chart.description:
            return [Change(where, f"make {name} again, which is gone") for name in _gone(context, found)]
        wanted = context.helm.template(platform.release, platform.namespace, chart.folder)
        head = Change(where, f"install chart {chart.digest}") if not found else _head(where, found, chart.digest)
        return [head, *(_differences(found, wanted) if found else ())]

    def change(self, context: Context) -> Sequence[Change]:
        """Run Helm; an operation that was cut off is forgotten first, its objects stay."""
        platform = context.inventory.platform
        changes = self.check(context)
        chart = rendered(context)
        if platform.lab_only:
            context.console.note(f"    {images.reason(context)}")
        found = context.helm.release(platform.release, platform.namespace)
        if found and found.pending:
            self._forget(context, found)

        def working() -> None:
            context.console.progress("; ".join(map(str, _troubles(context, shown=2))) or "Helm works")

        try:
            context.helm.upgrade(
                platform.release, platform.namespace, chart.folder, chart.description, platform.timeout, working
            )
        except Problem as problem:
            raise _with_logs(context, problem) from problem
        return changes

    def verify(self, context: Context) -> None:
        """Helm says that it is deployed."""
        platform = context.inventory.platform
        found = context.helm.release(platform.release, platform.namespace)
        if not found or found.status != "deployed":
            raise Problem(
                f"the release {platform.release} is {found.status if found else 'not there'}",
                f"see `helm history {platform.release} --namespace {platform.namespace}`",
            )

    def _forget(self, context: Context, found: Release) -> None:
        """Take away Helm's record of an operation that was cut off; Helm then takes over what it had made."""
        platform = context.inventory.platform
        ours = context.left is not None and context.left.step.startswith(("platform:", "restore:"))
        if not ours and found.age < ABANDONED:
            raise Problem(
                f"release {platform.release} is {found.status} since {found.age:.0f} s, by somebody else",
                "wait until that has ended; if it was cut off, run this again in"
                f" {(ABANDONED - found.age) / 60:.0f} minutes",
            )
        record = f"sh.helm.release.v1.{platform.release}.v{found.revision}"
        context.kube.delete(f"/api/v1/namespaces/{platform.namespace}/secrets/{record}")
        context.console.note(
            f"    revision {found.revision} was cut off ({found.status}): its record goes, its objects are taken over"
        )


class PodsReady(Step):
    """Every Deployment, StatefulSet and DaemonSet of the release fully runs."""

    def check(self, context: Context) -> Sequence[Change]:
        """The workloads that do not."""
        mine = self._workloads(context)
        return [Change("cluster", f"wait for {line}") for line in unready_workloads(context.kube, mine)]

    def change(self, context: Context) -> Sequence[Change]:
        """Wait, naming what holds it up."""
        # Helm is asked once: it would take a good part of a processor that the pods are waiting for.
        mine = self._workloads(context)
        context.wait(
            "the platform's pods",
            context.inventory.platform.timeout,
            lambda: self._state(context, mine),
            lambda: next((t.remedy for t in _troubles(context, shown=1)), "see `kubectl get pods`"),
        )
        return ()

    def _state(self, context: Context, mine: list[Manifest]) -> str:
        unready = unready_workloads(context.kube, mine, explained=SHOWN)
        return f"{len(unready)} of its workloads do not fully run: {'; '.join(unready[:SHOWN])}" if unready else ""

    def _workloads(self, context: Context) -> list[Manifest]:
        platform = context.inventory.platform
        context.kube  # noqa: B018 - raises NotYet where there is no cluster
        found = context.helm.release(platform.release, platform.namespace)
        if not found:
            raise NotYet("all pods of the release, once it is installed")
        return workloads(found, platform.namespace)


class EndOfRestore(Step):
    """The platform runs on data that a restore has brought back: the note of it has served."""

    def check(self, context: Context) -> Sequence[Change]:
        """Whether there is such a note; as long as the stores wait for data no run comes here."""
        mark = restoremark.read(context)
        return [Change("cluster", f"the restore of {mark.backup} has ended")] if mark else ()

    def change(self, context: Context) -> Sequence[Change]:
        """Take the note away."""
        changes = self.check(context)
        restoremark.remove(context)
        return changes


def workloads(release: Release, namespace: str) -> list[Manifest]:
    """The release's Deployments, StatefulSets and DaemonSets."""
    return [placed(found, namespace) for found in release.objects if found["kind"] in WORKLOADS]


def _gone(context: Context, found: Release) -> list[str]:
    """Objects of the release that are not in the cluster; one list for each kind."""
    namespace = context.inventory.platform.namespace
    gone, lists = [], {}
    for manifest in found.objects:
        there = placed(manifest, namespace)
        folder = context.kube.path(there).rpartition("/")[0]
        if folder not in lists:
            lists[folder] = {item["metadata"]["name"] for item in context.kube.items(folder)}
        if there["metadata"]["name"] not in lists[folder]:
            gone.append(title(manifest))
    return gone


def _head(where: str, found: Release, digest: str) -> Change:
    if found.pending:
        return Change(where, f"revision {found.revision} was cut off ({found.status}): go on with chart {digest}")
    if found.status != "deployed":
        return Change(where, f"revision {found.revision} is {found.status}: install chart {digest}")
    return Change(where, f"upgrade to chart {digest}")


def _differences(found: Release, wanted: Sequence[Manifest]) -> list[Change]:
    before, after = ({title(m): m for m in manifests} for manifests in (found.objects, wanted))
    changes = [Change("release", f"add {name}") for name in after if name not in before]
    changes += [Change("release", f"remove {name}") for name in before if name not in after]
    for name in after:
        if name in before and before[name] != after[name]:
            old, new = (readable(side[name]).splitlines() for side in (before, after))
            lines = difflib.unified_diff(old, new, "before", "after", lineterm="", n=1)
            shown = "" if after[name]["kind"] == "Secret" else "".join(f"{line}\n" for line in lines)
            changes.append(Change("release", f"change {name}", shown))
    return changes


def _troubles(context: Context, shown: int) -> list[Trouble]:
    return troubles(context.kube, context.kube.pods(context.inventory.platform.namespace), shown)


def _with_logs(context: Context, problem: Problem) -> Problem:
    """What Helm says, and the last lines of pods that failed: Helm names the hook, not its reason."""
    namespace = context.inventory.platform.namespace
    said = []
    for pod in context.kube.pods(namespace):
        for container in pod.get("status", {}).get("containerStatuses", ()):
            ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
            if ended and ended.get("exitCode"):
                name = pod["metadata"]["name"]
                previous = "terminated" not in container.get("state", {})
                log = context.kube.log(namespace, name, container["name"], previous=previous).strip()
                said.append(f"pod {name}, container {container['name']}, ended with {ended['exitCode']}:\n{log}")
    return Problem("\n".join([problem.what, *said[:3]]), problem.remedy)
