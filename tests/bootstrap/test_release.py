"""Releases on a real API server: installed once, left alone when nothing changed, taken up after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import tools
from bootstrap.clients.helm import Helm
from bootstrap.clients.kube import Kube
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.errors import Problem
from bootstrap.inventory import load
from bootstrap.journal import NoJournal, Unfinished
from bootstrap.phases.platform import InstallRelease
from tests.bootstrap.conftest import Write, trial_chart

HOOK = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: never-ends
  annotations: {"helm.sh/hook": pre-install}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: example.org/none:1}]
"""


@pytest.fixture
def helm(kubeconfig: Path) -> Helm:
    """Helm on that API server."""
    return Helm(tools.ensure("helm"), kubeconfig, "")


@pytest.fixture
def context(write: Write, kubeconfig: Path, kube: Kube, state: Path) -> Context:
    """A run on that API server with the values of `minimal`."""
    text = f"""\
        cluster: {{name: theirs, engine: existing, kubeconfig: {kubeconfig}}}
        platform: {{release: trial, namespace: trials, values: values/minimal.yaml}}
        """
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "trials"}})
    return Context(load(write(text)), Console(), NoJournal())


def _chart(folder: Path, text: str, hook: str = "") -> Path:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "trial"}, "data": {"text": text}}
    return trial_chart(folder, config=yaml.safe_dump(config), hook=hook)


def test_a_release_tells_what_was_installed(helm: Helm, kube: Kube, context: Context, tmp_path: Path) -> None:
    assert helm.release("told", "trials") is None
    chart = _chart(tmp_path, "one")
    helm.upgrade("told", "trials", chart, "chart 1", 60, lambda: None)
    found = helm.release("told", "trials")
    assert found and (found.status, found.description, found.revision) == ("deployed", "chart 1", 1)
    assert [m["metadata"]["name"] for m in found.objects] == ["trial"]
    assert helm.template("told", "trials", chart)[0]["data"] == {"text": "one"}
    assert found.age < 120
    kube.delete("/api/v1/namespaces/trials/configmaps/trial")


def test_what_helm_says_reaches_the_user(helm: Helm, context: Context, tmp_path: Path) -> None:
    chart = _chart(tmp_path, '{{ fail "a reason" }}')
    with pytest.raises(Problem, match="a reason"):
        helm.upgrade("wrong", "trials", chart, "chart 1", 60, lambda: None)


KILLED = """
import sys
from pathlib import Path
from bootstrap.clients.helm import Helm
helm = Helm(Path(sys.argv[1]), Path(sys.argv[2]), "")
helm.upgrade("trial", "trials", Path(sys.argv[3]), "chart 1", 600, lambda: print("waits", flush=True))
"""


def _cut_off(helm: Helm, kubeconfig: Path, chart: Path) -> None:
    """Begin an install whose hook never ends, and kill it with all its processes."""
    command = [sys.executable, "-c", KILLED, str(tools.ensure("helm")), str(kubeconfig), str(chart)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    found = helm.release("trial", "trials")
    while not (found and found.pending) and time.monotonic() < deadline:
        time.sleep(0.2)
        found = helm.release("trial", "trials")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert found and found.status == "pending-install"


def test_an_install_that_was_killed_is_taken_up_and_then_left_alone(
    helm: Helm, kube: Kube, kubeconfig: Path, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cut_off(helm, kubeconfig, _chart(tmp_path / "first", "one", HOOK))
    step = InstallRelease("release")

    # Somebody else may be at it: that is not ours to end.
    with pytest.raises(Problem, match="release trial is pending-install since"):
        step.change(context)

    # The journal says that it was ours.
    context.left = Unfinished("me@here", "now", "platform: release")
    chart = _chart(tmp_path / "second", "two")
    monkeypatch.setattr("bootstrap.phases.platform.rendered", lambda _: _Rendered(chart))
    assert step.check(context)[0].what == "revision 1 was cut off (pending-install): go on with chart second"
    step.change(context)
    step.verify(context)
    assert kube.get("/api/v1/namespaces/trials/configmaps/trial")["data"] == {"text": "two"}
    assert step.check(context) == []

    # What somebody deleted is made again, what is another chart is an upgrade.
    kube.delete("/api/v1/namespaces/trials/configmaps/trial")
    assert [c.what for c in step.check(context)] == ["make ConfigMap trial again, which is gone"]
    step.change(context)
    chart = _chart(tmp_path / "third", "three")
    changes = [c.what for c in step.check(context)]
    assert changes == ["upgrade to chart third", "change ConfigMap trial"]


class _Rendered:
    """A chart that the test wrote instead of the generator."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.digest = folder, folder.name
        self.description = f"custos-platform chart {self.digest}"
