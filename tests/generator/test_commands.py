"""The commands as people and machines use them: exit codes, what is printed, and where."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generator import cli
from generator.check import check_chart
from generator.diff import diff
from generator.render import Sources, render
from tools import ToolMissing, find

from .conftest import PROD, PROJECT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as error:
            code = int(str(error.code))
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text("mysql: {replicas: 4}\ncustos: {replicas: '[red]2[/red]'}\n")
    return file


# --- exit codes


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "--no-chart"], 0),
        (["check", "--no-chart", "{prod}"], 0),
        (["check", "--no-chart", "{bad}"], 1),
        (["check", "--no-chart", "{prod}", "{bad}"], 1),
        (["check", "--no-chart", "/nowhere.yaml"], 1),
        (["check", "--no-chart", "--inventory", "/nowhere.yaml"], 1),
        (["render", "{prod}", "--output", "{tmp}/chart"], 0),
        (["render", "{bad}", "--output", "{tmp}/chart"], 1),
        (["render", "{prod}", "--output", "{tmp}"], 2),
        (["render"], 2),
        (["render", "{prod}", "{prod}"], 2),
        (["draw", "{prod}"], 0),
        (["draw", "{bad}"], 1),
        (["draw", "{prod}", "--output", "/nowhere/x.svg"], 2),
        (["diff", "{prod}", "--chart", "/nowhere"], 1),
        (["publish"], 2),
        ([], 2),
        (["--help"], 0),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_exit_code(run: Run, tmp_path: Path, bad: Path, arguments: list[str], code: int, as_json: bool) -> None:
    filled = [argument.format(prod=PROD, bad=bad, tmp=tmp_path) for argument in arguments]
    if as_json and filled and filled[0] in ("check", "render", "draw", "diff"):
        filled.append("--json")
    assert run(*filled)[0] == code


def test_json_answers_are_json(run: Run, tmp_path: Path, bad: Path) -> None:
    answers: list[Any] = []
    for arguments in (
        ("render", PROD, "--output", tmp_path / "chart"),
        ("render", bad, "--output", tmp_path / "other"),
        ("render", PROD, "--output", tmp_path),
        ("check", "--no-chart"),
        ("draw",),
    ):
        _, out, err = run(*arguments, "--json")
        answers.append(json.loads(out))
        assert err == ""
    chart, findings, error, fine, graph = answers
    assert chart["changed"] is True and chart["files"] > 10
    assert findings["findings"][0] == {
        "file": str(bad),
        "line": 1,
        "path": "mysql.replicas",
        "message": "is none of the values there are",
        "found": "4",
        "allowed": "1, 3, 5, 7, 9",
        "mend": "take an odd number; an even one survives no more losses than the odd one below it",
    }
    assert "did not make" in error["error"]
    assert fine == {"findings": []}
    assert len(graph["services"]) == 24


def test_people_get_a_table_on_standard_error(run: Run, bad: Path) -> None:
    code, out, err = run("check", "--no-chart", bad)
    assert (code, out) == (1, "")
    assert "2 findings" in err
    assert "mysql.replicas" in err
    # What the file holds is not taken for markup.
    assert "[red]2[/red]" in err


def test_as_a_program_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_bytes(b"\x00\xff")
    command = [sys.executable, "-m", "generator", "check", "--no-chart", str(tmp_path / "values.yaml")]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr + result.stdout
    assert "is not text in UTF-8" in result.stderr.replace("\n", " ") or "UTF-8" in result.stderr


def test_drawing_to_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text("machines: [{name: m1, address: 192.0.2.1, roles: [worker]}]")
    picture = tmp_path / "topology.svg"
    code, _, _ = run("draw", PROD, "--inventory", tmp_path / "inventory.yaml", "--output", picture)
    assert code == 0
    assert "m1" in "".join(ElementTree.parse(picture).getroot().itertext())


# --- is the committed chart current?


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    return render(PROD, tmp_path / "custos-platform").chart


def test_a_fresh_chart_is_current(chart: Path) -> None:
    assert check_chart(chart, PROD) == []


def test_what_is_not_current_is_named(chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(chart.parent)
    here = Path(chart.name)
    (here / "charts/custos/README.md").unlink()
    (here / "extra.txt").touch()
    values = here / "values.yaml"
    values.write_text(values.read_text().replace("  replicas: 3\n", "  replicas: 5\n"))
    line = values.read_text().splitlines().index("  replicas: 5") + 1
    mend = f"mend: python -m generator render {PROD}"
    assert [str(finding) for finding in check_chart(here, PROD)] == [
        f"custos-platform/charts/custos/README.md: is missing in the chart; {mend}",
        f"custos-platform/extra.txt: is in the chart, but no render makes it; {mend}",
        f"custos-platform/values.yaml:{line}: is not what render gives; "
        f'found "replicas: 5"; allowed: "replicas: 3"; {mend}',
    ]


def test_no_chart_at_all(tmp_path: Path) -> None:
    findings = check_chart(tmp_path / "nothing", PROD)
    assert [finding.message for finding in findings] == ["there is no chart"]


def test_a_changed_blueprint_makes_it_stale(chart: Path, sources: Sources) -> None:
    (sources.blueprint / "extra.txt").write_text("new")
    assert [finding.message for finding in check_chart(chart, PROD, sources)] == ["is missing in the chart"]


# --- what would change?

TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-pods
data:
  replicas: {{ .Values.mysql.replicas | quote }}
  text: |
    always
    replicas={{ .Values.mysql.replicas }}
{{- if .Values.mysql.persistence.storageClass }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-storage
{{- end }}
"""


@pytest.fixture
def small(sources: Sources) -> Sources:
    """A blueprint of one template, so that the test is about `diff` alone."""
    shutil.rmtree(sources.blueprint)
    (sources.blueprint / "templates").mkdir(parents=True)
    (sources.blueprint / "Chart.yaml").write_text("{apiVersion: v2, name: small, version: 0.1.0}\n")
    (sources.blueprint / "templates" / "pods.yaml").write_text(TEMPLATE)
    return sources


def test_by_key_and_by_object(small: Sources, tmp_path: Path) -> None:
    try:
        find("helm")
    except ToolMissing as error:
        pytest.skip(str(error))
    chart = render(PROD, tmp_path / "chart", small).chart
    values = tmp_path / "values.yaml"
    values.write_text(
        "mysql: {replicas: 5, persistence: {storageClass: fast}}\ncustos: {withoutStores: [smtp, cilogon]}\n"
    )
    assert diff(chart, values, small).as_json() == {
        "keys": [
            {"path": "mysql.replicas", "old": 3, "new": 5},
            {"path": "mysql.persistence.storageClass", "old": "", "new": "fast"},
        ],
        "objects": [
            {
                "name": "ConfigMap/custos-pods",
                "what": "changed",
                "changes": [
                    {"path": "data.replicas", "old": "3", "new": "5"},
                    {"path": "data.text", "old": "replicas=3", "new": "replicas=5"},
                ],
            },
            {"name": "ConfigMap/custos-storage", "what": "added", "changes": []},
        ],
        "note": None,
    }


def test_by_key_where_there_is_no_helm(small: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    chart = render(PROD, tmp_path / "chart", small).chart
    difference = diff(chart, PROJECT / "values" / "minimal.yaml", small)
    assert "mysql.replicas" in [change.path for change in difference.keys]
    assert difference.objects is None
    assert difference.note and "python -m tools install helm" in difference.note


def test_nothing_changes(run: Run, small: Sources, tmp_path: Path) -> None:
    chart = render(PROD, tmp_path / "chart", small).chart
    assert diff(chart, PROD, small).keys == []
