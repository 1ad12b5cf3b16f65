"""What static judges find in what each values file renders: nothing but what docs/security.md gives a reason for."""

from __future__ import annotations

import fnmatch
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

import tools
from tests.chart.conftest import CASES, PROJECT, Case
from tests.chart.helm import Object
from tools import venv

SECURITY = PROJECT / "docs" / "security.md"
JUDGED = [case for case in CASES if case.name in ("prod", "lab", "minimal", "external", "their-controller", "backups")]


class Accepted(NamedTuple):
    """A row of the table."""

    judge: str
    check: str
    where: str
    values: str
    reason: str


class Finding(NamedTuple):
    """What a judge says about an object (kind and name) of a values file."""

    judge: str
    check: str
    where: str
    values: str

    def is_accepted_by(self, row: Accepted) -> bool:
        """Whether the row's reason is about it."""
        here = row.values == "*" or self.values in row.values.split(", ")
        return (self.judge, self.check) == row[:2] and here and fnmatch.fnmatchcase(self.where, row.where)


def accepted() -> list[Accepted]:
    lines = SECURITY.read_text(encoding="utf-8").partition("## What the judges find")[2].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [Accepted(*row) for row in rows[2:]]


def manifest(objects: list[Object]) -> str:
    """The objects for a judge; the scripts in ConfigMaps, of which no judge reads a word, take the longest to parse."""
    slim = [
        {**item, "data": dict.fromkeys(item.get("data", {}), "")} for item in objects if item["kind"] == "ConfigMap"
    ]
    rest = [item for item in objects if item["kind"] != "ConfigMap"]
    return yaml.dump_all([*rest, *slim], Dumper=yaml.CSafeDumper)


def kube_score(objects: list[Object], values: str) -> Iterator[Finding]:
    command = [
        str(tools.ensure("kube-score")),
        "score",
        "--output-format",
        "json",
        "--kubernetes-version",
        "v1.34",
        "-",
    ]
    # It ends with 1 where it finds anything.
    done = subprocess.run(command, input=manifest(objects), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    for judged in json.loads(done.stdout):
        where = f"{judged['type_meta']['kind']}/{judged['object_meta']['name']}"
        for check in judged["checks"]:
            if not check["skipped"] and check["grade"] < 10:
                yield Finding("kube-score", check["check"]["id"], where, values)


def checkov(folder: Path) -> Iterator[tuple[str, str, str]]:
    """File, check and object of each finding in the manifests of a folder: one run, for it takes its time to start."""
    program = str(venv.make(venv.JUDGE) / "bin" / "checkov")
    how = ["--framework", "kubernetes", "--output", "json", "--compact", "--quiet", "--skip-download"]
    # It ends with 1 where it finds anything.
    done = subprocess.run(
        [program, "--directory", str(folder), *how], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    for failed in json.loads(done.stdout)["results"]["failed_checks"]:
        kind, _, name = failed["resource"].split(".", 2)
        yield failed["file_path"].strip("/"), failed["check_id"], f"{kind}/{name}"


@pytest.fixture(scope="module")
def findings(
    objects_of: Callable[[Case], list[Object]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, set[Finding]]:
    folder = tmp_path_factory.mktemp("judged")
    for case in JUDGED:
        (folder / f"{case.name}.yaml").write_text(manifest(objects_of(case)), encoding="utf-8")
    found = {case.name: set(kube_score(objects_of(case), case.values)) for case in JUDGED}
    values = {case.name: case.values for case in JUDGED}
    for file, check, where in checkov(folder):
        case_name = file.removesuffix(".yaml")
        found[case_name].add(Finding("checkov", check, where, values[case_name]))
    return found


@pytest.mark.parametrize("case", [case.name for case in JUDGED])
def test_every_finding_has_its_reason(findings: dict[str, set[Finding]], case: str) -> None:
    rows = accepted()
    judges = {finding.judge for finding in findings[case]}
    assert judges == {"kube-score", "checkov"}, "a judge that finds nothing at all was not asked"
    new = sorted(f for f in findings[case] if not any(f.is_accepted_by(row) for row in rows))
    assert not new, f"mend it, or give a reason in {SECURITY.relative_to(PROJECT)}:\n" + "\n".join(map(str, new))


def test_every_reason_is_still_needed(findings: dict[str, set[Finding]]) -> None:
    found = set().union(*findings.values())
    idle = [row for row in accepted() if not any(f.is_accepted_by(row) for f in found)]
    assert not idle, f"nothing is found for these any more: {idle}"
    assert all(len(row.reason) > 20 for row in accepted())


def test_a_new_finding_is_seen(objects_of: Callable[[Case], list[Object]]) -> None:
    """A privileged container, which no row allows."""
    objects = json.loads(json.dumps(objects_of(JUDGED[0])))
    pod = next(item for item in objects if item["kind"] == "Deployment")
    pod["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    rows = accepted()
    new = {f.check for f in kube_score([pod], "prod") if not any(f.is_accepted_by(row) for row in rows)}
    assert "container-security-context-privileged" in new
