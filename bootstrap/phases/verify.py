"""Phase `verify`: the platform says of itself that it works."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bootstrap.chart import rendered
from bootstrap.context import Context
from bootstrap.engines import Engine
from bootstrap.errors import NotYet, Problem
from bootstrap.inventory import Inventory
from bootstrap.steps import Change, CheckOnly, Phase, Step
from bootstrap.workloads import Trouble, lasting, troubles

SETTLE_SECONDS = 600  # a Java service of a busy machine needs some of them to start again
SHOWN = 3


def phase(_inventory: Inventory, _engine: Engine) -> Phase:
    """Pods, then `helm test` if this revision has not passed it."""
    return Phase("verify", [PodsSettle("every pod of the namespace"), HelmTest("helm test")])


def full() -> Phase:
    """The same for `verify`, which always tests."""
    return Phase("verify", [CheckOnly("every pod of the namespace", check_pods), HelmTest("helm test", always=True)])


def check_pods(context: Context) -> None:
    """Raises Problem that names every pod which is not well, and what to do."""
    if found := _unwell(context):
        raise Problem("\n".join(map(str, found)), "\n".join(dict.fromkeys(trouble.remedy for trouble in found)))


class PodsSettle(Step):
    """Every pod is well; what a phase before has disturbed, as on machines that are busy, gets time to come back."""

    def check(self, context: Context) -> Sequence[Change]:
        """The pods that are not."""
        return [Change("cluster", f"wait for {trouble}") for trouble in _unwell(context)]

    def change(self, context: Context) -> Sequence[Change]:
        """Wait for them, unless one is in a state that waiting does not mend."""

        def state() -> str:
            found = _unwell(context)
            if any(trouble.hard for trouble in found):
                check_pods(context)
            return "; ".join(map(str, found[:SHOWN]))

        context.wait(
            "every pod",
            SETTLE_SECONDS,
            state,
            lambda: "\n".join(dict.fromkeys(trouble.remedy for trouble in _unwell(context))),
        )
        return ()


class HelmTest(Step):
    """`helm test`: each service reaches what it needs. A revision that has passed is remembered."""

    def __init__(self, title: str, *, always: bool = False) -> None:
        super().__init__(title)
        self._always = always

    def check(self, context: Context) -> Sequence[Change]:
        """Whether this revision has still to pass."""
        revision = self._revision(context)
        passed = context.state / "tested.json"
        if not self._always and passed.exists() and json.loads(passed.read_text(encoding="utf-8")) == revision:
            return ()
        return [Change("release", "test that each service reaches what it needs")]

    def change(self, context: Context) -> Sequence[Change]:
        """Run the tests."""
        platform = context.inventory.platform

        def working() -> None:
            pods = context.kube.pods(platform.namespace)
            context.console.progress("; ".join(map(str, troubles(context.kube, pods, shown=2))) or "tests run")

        # Custos gives a call to Keycloak ten seconds, and all has only just started: what failed is asked once more.
        for tries_left in range(0 if self._always else 1, -1, -1):
            try:
                context.helm.test(platform.release, platform.namespace, platform.timeout, working)
                break
            except Problem as problem:
                failed = _failed(context)
                if not tries_left:
                    raise Problem("\n".join([problem.what, *failed]), problem.remedy) from problem
                lines = [line for text in failed for line in text.splitlines() if line.startswith("FAIL")]
                context.console.note("\n".join(["    failed once, and is asked once more:", *lines]))
        (context.state / "tested.json").write_text(json.dumps(self._revision(context)), encoding="utf-8")
        return ()

    def _revision(self, context: Context) -> dict[str, object]:
        platform = context.inventory.platform
        context.kube  # noqa: B018 - raises NotYet where there is no cluster
        found = context.helm.release(platform.release, platform.namespace)
        if not found:
            raise NotYet("helm test, once the release is installed")
        return {"revision": found.revision, "chart": rendered(context).digest, "installed": found.updated.isoformat()}


def _unwell(context: Context) -> list[Trouble]:
    return troubles(context.kube, lasting(context.kube.pods(context.inventory.platform.namespace)))


def _failed(context: Context) -> list[str]:
    """The last lines of each test's container that failed."""
    namespace = context.inventory.platform.namespace
    lines = []
    for pod in context.kube.pods(namespace):
        if "test" not in pod["metadata"].get("annotations", {}).get("helm.sh/hook", ""):
            continue
        for container in pod.get("status", {}).get("containerStatuses", ()):
            if container.get("state", {}).get("terminated", {}).get("exitCode"):
                name = pod["metadata"]["name"]
                log = context.kube.log(namespace, name, container["name"], 40).strip()
                lines.append(f"test {name}, container {container['name']}:\n{log}")
    return lines
