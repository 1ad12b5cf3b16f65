"""`render`: the whole chart or nothing, the same bytes each time, and nobody's data lost."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator.catalogue import Catalogue
from generator.errors import FindingsError, UsageError
from generator.render import Sources, read_chart, render
from generator.schema import GENERATED

from .conftest import PROD, PROJECT


def load(chart: Path, name: str) -> Any:
    return yaml.safe_load((chart / name).read_text())


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(PROD, tmp_path_factory.mktemp("render") / "custos-platform").chart


def test_again_gives_the_same_bytes(chart: Path, tmp_path: Path) -> None:
    assert read_chart(render(PROD, tmp_path / "again").chart) == read_chart(chart)


def test_again_in_place_changes_nothing(chart: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in chart.rglob("*")}
    assert not render(PROD, chart).changed
    assert {path: path.stat().st_mtime_ns for path in chart.rglob("*")} == before


def test_a_different_locale_and_hash_seed_give_the_same_bytes(chart: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONHASHSEED": "7", "PYTHONUTF8": "0", "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-m", "generator", "render", str(PROD), "--output", str(tmp_path / "chart")]
    subprocess.run(command, env=environment, cwd=PROJECT, check=True, capture_output=True)
    assert read_chart(tmp_path / "chart") == read_chart(chart)


def test_files_can_be_read_by_all_and_run_by_none(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        made = render(PROD, tmp_path / "chart").chart
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in made.rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert {stat.S_IMODE(path.stat().st_mode) for path in [made, *made.rglob("*")] if path.is_dir()} == {0o755}


def test_generated_files_say_so(chart: Path) -> None:
    generated = [path for path in chart.rglob("*") if path.name in ("values.yaml", "README.md")]
    assert len(generated) >= 2
    assert [path for path in generated if GENERATED not in path.read_text().splitlines()[0]] == []
    assert json.loads((chart / "values.schema.json").read_text())["$comment"] == GENERATED


def test_umbrella_and_subcharts_agree_on_the_values(chart: Path) -> None:
    umbrella = load(chart, "values.yaml")
    for name in ("custos", "mysql"):
        assert load(chart, f"charts/{name}/values.yaml") == umbrella[name]


def test_the_values_file_is_baked_in(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        "mysql: {replicas: 5, scheduling: {nodeSelector: {disk: fast}}}\ncustos: {withoutStores: [smtp, cilogon]}\n"
    )
    made = load(render(values, tmp_path / "chart").chart, "values.yaml")
    assert made["mysql"]["replicas"] == 5
    assert made["mysql"]["scheduling"] == {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [],
        "spread": "host",
    }


def test_the_catalogue_file_holds_every_fact(chart: Path, catalogue: Catalogue) -> None:
    facts = load(chart, "charts/custos/files/catalogue.yaml")
    assert facts == {"config": "custos-configuration-service", "services": catalogue.services}
    assert load(chart, "charts/custos/files/stores.yaml") == catalogue.here
    assert len(facts["services"]) == 24
    assert facts["services"]["federated-authentication-core-service"]["image"] == (
        "apachecustos/federeted-authentication-core-service"
    )
    tenant = facts["services"]["tenant-management-service"]
    assert tenant["sidecar"] == {
        "image": "apachecustos/tenant-management-service-sidecar",
        "ports": {"rest": 50000, "admin": 9901},
    }
    assert tenant["peers"][0] == {
        "service": "tenant-profile-core-service",
        "prefix": "tenant.profile.core.service",
    }
    assert facts["services"]["resource-secret-core-service"]["readiness"] == "db,vault"


def test_each_schema_belongs_to_one_service(chart: Path) -> None:
    schemas = load(chart, "charts/mysql/files/schemas.yaml")
    assert len(schemas) == len({entry["schema"] for entry in schemas}) == 12
    assert {
        "service": "sharing-core-service",
        "schema": "core_sharing",
        "user": "core_sharing",
        "characterSet": "utf8mb3",
    } in schemas
    assert all(len(entry["user"]) <= 32 for entry in schemas)


# --- an error leaves the old chart as it was


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A chart that is there already, from other values than production's."""
    return render(PROJECT / "values" / "minimal.yaml", tmp_path / "charts" / "custos-platform").chart


def assert_untouched(old: Path, before: dict[str, bytes]) -> None:
    assert read_chart(old) == before
    assert [path.name for path in old.parent.iterdir()] == [old.name]


def test_wrong_values_leave_the_old_chart(old: Path, tmp_path: Path) -> None:
    before = read_chart(old)
    (tmp_path / "values.yaml").write_text("mysql: {replicas: 2}")
    with pytest.raises(FindingsError):
        render(tmp_path / "values.yaml", old)
    assert_untouched(old, before)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% if %}", "Expected an expression, got 'end of statement block'"),
        ("a: 1\nb: {{ platform.nothing }}\n", "cannot be rendered: 'dict object' has no attribute 'nothing'"),
        ("{{ nobody }}", "cannot be rendered: 'nobody' is undefined"),
    ],
)
def test_a_broken_template_leaves_the_old_chart(old: Path, sources: Sources, template: str, message: str) -> None:
    before = read_chart(old)
    broken = sources.blueprint / "zz-last.yaml.j2"
    broken.write_text(template)
    with pytest.raises(FindingsError) as error:
        render(PROD, old, sources)
    assert [finding.message for finding in error.value.findings] == [message]
    assert error.value.findings[0].file == str(broken)
    assert_untouched(old, before)


def test_a_subchart_without_its_chart_yaml_is_refused(old: Path, sources: Sources) -> None:
    before = read_chart(old)
    (sources.blueprint / "charts" / "extra").mkdir()
    (sources.blueprint / "charts" / "extra" / "note.txt").touch()
    with pytest.raises(FindingsError) as error:
        render(PROD, old, sources)
    assert [str(finding) for finding in error.value.findings] == [
        f"{sources.blueprint}/charts/extra: the blueprint has no Chart.yaml or Chart.yaml.j2"
    ]
    assert_untouched(old, before)


def test_a_disk_that_fails_in_the_middle_leaves_the_old_chart(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_chart(old)
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "values.yaml":
            raise OSError(28, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match=r"values.yaml: cannot be written: No space left on device"):
        render(PROD, old)
    assert_untouched(old, before)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_a_rename_that_fails_leaves_the_old_chart(
    old: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    before = read_chart(old)
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name.endswith(".new"):
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises((UsageError, KeyboardInterrupt)):
        render(PROD, old)
    assert_untouched(old, before)


def test_a_first_render_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError):
        render(PROD, tmp_path / "chart")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_behind_is_taken_up(old: Path) -> None:
    wanted = read_chart(render(PROD, old.parent / "other").chart)
    shutil.rmtree(old.parent / "other")
    # Killed between the two renames, with a half-written fresh folder of another run.
    old.rename(old.with_name(f".{old.name}.old"))
    half = old.with_name(f".{old.name}.new")
    half.mkdir()
    (half / "half").touch()
    render(PROD, old)
    assert_untouched(old, wanted)


def waits_for_a_lock(pid: int) -> bool:
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f" {pid} " in line for line in lines)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def test_two_renders_do_not_meet(tmp_path: Path) -> None:
    """A second render waits for the first one's lock."""
    target = tmp_path / "charts" / "custos-platform"
    target.parent.mkdir()
    command = [sys.executable, "-m", "generator", "render", str(PROD), "--output", str(target)]
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE)
        until(lambda: waits_for_a_lock(process.pid))
        assert list(target.parent.iterdir()) == []
    finally:
        os.close(handle)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (target / "values.yaml").is_file()


# --- nobody's data is replaced


def test_a_folder_that_no_render_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="holds something that this generator did not make"):
        render(PROD, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert render(PROD, tmp_path / "empty").changed


@pytest.mark.parametrize("make", ["file", "link", "below a file"])
def test_what_is_no_folder_is_refused(tmp_path: Path, make: str) -> None:
    target = tmp_path / "target"
    if make == "link":
        (tmp_path / "real").mkdir()
        target.symlink_to(tmp_path / "real")
    else:
        target.write_text("text")
    with pytest.raises(UsageError):
        render(PROD, target / "chart" if make == "below a file" else target)
    assert target.is_symlink() or target.read_text() == "text"


def test_the_lock_file_of_helm_does_not_make_it_foreign(old: Path) -> None:
    (old / "Chart.lock").write_text("generated: now")
    assert render(PROD, old).changed
    assert not (old / "Chart.lock").exists()
