"""What steps work with: the inventory, and the ways to machines, cluster and Helm, made when first needed."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tools
from bootstrap import paths
from bootstrap.clients.ansible import Ansible
from bootstrap.clients.helm import Helm
from bootstrap.clients.kube import Kube
from bootstrap.console import Console
from bootstrap.errors import NotYet, Problem
from bootstrap.inventory import Inventory
from bootstrap.journal import NoJournal, Recorder, Unfinished
from bootstrap.probe import Facts, look

POLL = 1.0  # seconds between two looks at what is waited for
# And between those after the first half minute: a cluster that starts has better to do than to answer.
POLL_LATER, LATER = 3.0, 30.0


@dataclass
class Context:
    """One run. `images` is auto, registry or lab: where the platform's images come from."""

    inventory: Inventory
    console: Console
    journal: Recorder
    images: str = "auto"
    left: Unfinished | None = None  # the run before this one, if it was cut off
    restoring: str = ""  # the backup that `restore` brings back: until that is done, the platform's stores run empty

    @property
    def state(self) -> Path:
        """The folder of all that belongs to this cluster."""
        return paths.state(self.inventory.cluster.name)

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig: the user's own, or the one that was fetched from the control plane."""
        return self.inventory.cluster.kubeconfig or self.state / "kubeconfig"

    @functools.cached_property
    def ansible(self) -> Ansible:
        """The way to the machines. Only the run that holds the lock uses the cluster's own folder."""
        if isinstance(self.journal, NoJournal):
            self._folder = tempfile.TemporaryDirectory(prefix="custos-platform-")
            return Ansible(self.inventory, Path(self._folder.name), self.console)
        return Ansible(self.inventory, self.state / "ansible", self.console)

    @functools.cached_property
    def facts(self) -> dict[str, Facts]:
        """What the machines look like, by name: asked once a run, and again after `forget_facts`."""
        return look(self.inventory, self.ansible)

    def forget_facts(self) -> None:
        """The machines were changed: the next question asks them anew."""
        self.__dict__.pop("facts", None)

    @functools.cached_property
    def kube(self) -> Kube:
        """The way to the cluster. Raises NotYet where there is no kubeconfig yet."""
        if not self.kubeconfig.exists():
            if self.inventory.cluster.kubeconfig:
                raise Problem(
                    f"there is no kubeconfig {self.kubeconfig}",
                    "write its path into the inventory as cluster.kubeconfig, or set KUBECONFIG",
                )
            raise NotYet("the cluster has not been formed yet")
        return Kube(self.kubeconfig, self.inventory.cluster.context)

    @functools.cached_property
    def helm(self) -> Helm:
        """The way to the release."""
        return Helm(tools.ensure("helm"), self.kubeconfig, self.inventory.cluster.context)

    def forget_cluster(self) -> None:
        """The kubeconfig was written anew: the next question uses it."""
        self.__dict__.pop("kube", None)
        self.__dict__.pop("helm", None)

    def wait(self, what: str, timeout: float, state: Callable[[], str], remedy: Callable[[], str]) -> None:
        """Look until `state` returns nothing; until then it says what is still missing, which people are shown.

        Raises Problem with the last state and the `remedy` after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        started = time.monotonic()
        while missing := state():
            if time.monotonic() > deadline:
                raise Problem(f"{what}: not within {timeout:.0f} s; {missing}", remedy())
            self.console.progress(self._progress(what, missing, started))
            time.sleep(POLL if time.monotonic() - started < LATER else POLL_LATER)

    def _progress(self, what: str, missing: str, started: float) -> str:
        passed = f" ({time.monotonic() - started:.0f} s)" if self.console.interactive else ""
        return f"waiting for {what}{passed}: {missing}"
