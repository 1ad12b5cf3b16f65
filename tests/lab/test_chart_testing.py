"""chart-testing as a maintainer of charts runs it: lint, then install and test every ci scenario."""

from __future__ import annotations

import os
import subprocess

import tools
from tests.lab.cluster import Cluster
from tests.lab.conftest import ROOT


def test_ct_installs_and_tests_every_scenario(cluster: Cluster) -> None:
    scenarios = sorted(path.name for path in (ROOT / "charts/custos-platform/ci").glob("*-values.yaml"))
    assert scenarios, "no ci scenario"
    programs = {name: tools.ensure(name) for name in ("ct", "helm", "kubectl")}
    path = os.pathsep.join(dict.fromkeys(str(program.parent) for program in programs.values()))
    environment = {
        **os.environ,
        "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
        "KUBECONFIG": str(cluster.kubeconfig),
    }
    done = subprocess.run(
        [str(programs["ct"]), "install", "--config", "ct.yaml"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2400,
        check=False,
    )
    # Helm's note of the subcharts, which no render makes: `generator check` would find it.
    (ROOT / "charts/custos-platform/Chart.lock").unlink(missing_ok=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for scenario in scenarios:
        assert scenario in done.stdout, f"ct did not install {scenario}"
