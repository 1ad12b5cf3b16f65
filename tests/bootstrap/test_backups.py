"""Backups on a real API server, with the tests in Velero's place: before the release, phase, command, status."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

import tools
from bootstrap import backup, backupstatus, sealing, velero
from bootstrap.backup import TakeBackup, default_name
from bootstrap.chart import RenderedChart
from bootstrap.errors import Problem
from bootstrap.paths import PROJECT
from bootstrap.phases.backups import (
    Await,
    BackupSecrets,
    Definitions,
    RecoveryKey,
    TakeLogin,
    check_files,
    kit_remedy,
    kit_trouble,
)
from tests.bootstrap.object_store import BUCKET, Server, archive, login, write_backup
from tests.bootstrap.site import CRDS, HOOK, LABELS, VOLUME, Site


def test_velero_has_its_definitions_before_helm_asks(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "chart"
    shutil.copytree(CRDS, folder / "charts" / "velero" / "crds")
    monkeypatch.setattr("bootstrap.phases.backups.rendered", lambda _: RenderedChart(folder, "one"))
    step = Definitions("definitions")
    step.change(site.context)
    step.verify(site.context)
    assert step.check(site.context) == []
    newer = folder / "charts" / "velero" / "crds" / "velero.io_restores.yaml"
    newer.write_text(newer.read_text().replace("annotations:\n", "annotations:\n    newer: 'yes'\n", 1))
    assert [c.what for c in step.check(site.context)] == ["change CustomResourceDefinition restores.velero.io"]
    assert len(step.change(site.context)) == 1
    step.verify(site.context)


def test_the_recovery_key_is_made_once_and_only_its_certificate_goes_into_the_cluster(
    site: Site,
) -> None:
    file = site.context.state / "recovery.pem"
    step, secrets = RecoveryKey("key"), BackupSecrets("Secrets")
    assert [c.what for c in step.check(site.context)] == [f"make the recovery key {file}"]
    step.change(site.context)
    assert site.notes[0].startswith(
        f"{file} is the only key that opens this platform's backups: copy it to a place far"
    )
    sealing.check_key(file)
    before = file.read_bytes()
    assert step.check(site.context) == () and step.change(site.context) == () and file.read_bytes() == before

    names = ["custos-object-store", "custos-recovery-key", "custos-site"]
    space = site.settings.release_namespace
    assert [c.what for c in secrets.change(site.context)] == [f"made Secret {space}/{name}" for name in names]
    assert secrets.check(site.context) == []
    assert site.data("custos-recovery-key", "tls.crt") == sealing.certificate(file)
    assert site.data("custos-object-store", "cloud").splitlines()[1] == "aws_access_key_id=key"
    assert site.data("custos-site", "inventory.yaml") == site.context.inventory.file.read_text()
    assert "objectStore" in site.data("custos-site", "values.yaml")
    stored = site.kube.get(f"/api/v1/namespaces/{space}/secrets/custos-recovery-key")
    assert set(stored["data"]) == {"tls.crt"}


def test_another_login_is_shown_without_what_is_in_it(site: Site) -> None:
    RecoveryKey("key").change(site.context)
    step = BackupSecrets("Secrets")
    step.change(site.context)
    assert site.context.inventory.backups
    login(site.context.inventory.backups.credentials, "key", "newer")
    change = step.check(site.context)
    assert [(c.what.split("/")[-1], c.diff) for c in change] == [("custos-object-store", "")]


def test_another_recovery_key_is_told_with_both_fingerprints(site: Site) -> None:
    file = site.context.state / "recovery.pem"
    RecoveryKey("key").change(site.context)
    step = BackupSecrets("Secrets")
    step.change(site.context)
    old = sealing.fingerprint(sealing.certificate(file))
    sealing.make_key(file, "theirs")
    new = sealing.fingerprint(sealing.certificate(file))
    assert [c.what for c in step.check(site.context)][
        -1
    ] == f"seal those to come for {new}; older ones need the key of {old}"


def test_a_key_that_somebody_keeps_elsewhere_is_not_made_anew(site: Site) -> None:
    file = site.context.state / "recovery.pem"
    RecoveryKey("key").change(site.context)
    BackupSecrets("Secrets").change(site.context)
    kept = sealing.certificate(file)
    file.unlink()
    assert RecoveryKey("key").check(site.context) == ()
    assert BackupSecrets("Secrets").check(site.context) == []
    assert f"sealed for the certificate {sealing.fingerprint(kept)}, whose key somebody has to have" in site.notes[-1]
    assert site.data("custos-recovery-key", "tls.crt") == kept


def test_a_login_that_others_bring_is_theirs(site: Site) -> None:
    values = site.context.inventory.platform.values
    values.write_text(values.read_text().replace("url:", "existingSecret: theirs\n    url:"))
    names = [m["metadata"]["name"] for m in BackupSecrets("Secrets").manifests(site.context)]
    assert names == ["custos-site"], "there is no recovery key yet either"


def test_files_that_cannot_be_used_are_told_before_anything_is_changed(site: Site) -> None:
    check_files(site.context)
    assert site.context.inventory.backups
    file, key = site.context.inventory.backups.credentials, site.context.inventory.backups.recovery_key
    file.write_text("[default]\n")
    file.chmod(0o644)
    with pytest.raises(Problem) as wrong:
        check_files(site.context)
    lines = wrong.value.what.splitlines()
    assert lines[0].startswith(f"the object store's login {file} has no aws_access_key_id (backups.credentials); ")
    assert lines[1] == f"{file} can be read by others: chmod 600 {file}"
    login(file, "key", "secret")
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text("nothing")
    key.chmod(0o600)
    with pytest.raises(Problem, match="holds no certificate that can be read"):
        check_files(site.context)


def test_velero_is_started_anew_for_another_login(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    step, space = TakeLogin("login"), site.settings.namespace
    assert step.check(site.context) == (), "there is none yet"
    site.secret(site.settings.release_namespace, "custos-object-store", cloud="new")
    site.secret(space, "velero-credentials", cloud="old")
    pod = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "velero", "image": "example.org/none:1"}]}}
    spec = {"selector": {"matchLabels": LABELS}, "template": pod}
    metadata = {"name": "velero", "namespace": space}
    site.kube.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    step.change(site.context)
    path = f"/apis/apps/v1/namespaces/{space}/deployments/velero"
    assert "kubectl.kubernetes.io/restartedAt" in site.kube.get(path)["spec"]["template"]["metadata"]["annotations"]
    # The pod's first container, which copies the login, and the controllers are not here.
    monkeypatch.setattr("bootstrap.phases.backups.unready_workloads", lambda *_: [])
    later = threading.Timer(0.5, lambda: site.secret(space, "velero-credentials", cloud="new"))
    later.start()
    step.verify(site.context)
    later.join()
    assert step.check(site.context) == ()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({}, "Velero has not looked at the object store yet"),
        (
            {"phase": "Unavailable", "message": "bucket does not exist"},
            "the object store is Unavailable to Velero: bucket does not exist",
        ),
        ({"phase": "Available"}, ""),
    ],
)
def test_the_place_of_backups_has_to_be_available(site: Site, status: dict[str, str], said: str) -> None:
    site.location(**status)
    step = Await("place", velero.location_trouble, velero.location_remedy, 0.1)
    assert [c.what for c in step.check(site.context)] == ([f"wait: {said}"] if said else [])
    if said:
        with pytest.raises(Problem, match=said) as told:
            step.change(site.context)
        assert f"that it has the bucket {BUCKET}" in told.value.remedy
    else:
        assert step.change(site.context) == ()


def test_without_a_location_its_absence_is_said(site: Site) -> None:
    said = velero.location_trouble(site.kube, site.settings)
    assert said == f"namespace {site.settings.namespace} has no BackupStorageLocation default"


def test_the_kit_has_to_be_sealed_for_the_operators_key(site: Site) -> None:
    def trouble() -> str:
        return kit_trouble(site.kube, site.settings)

    def kit(certificate: str) -> None:
        metadata = {"name": "custos-recovery-kit", "namespace": site.settings.release_namespace}
        data = {"certificate": certificate}
        site.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    assert trouble().startswith("Secret custos-recovery-key, ")
    RecoveryKey("key").change(site.context)
    BackupSecrets("Secrets").change(site.context)
    assert trouble() == "ConfigMap custos-recovery-kit, the sealed Secrets, is not there"
    assert "logs custos-backup-0 --container kit" in kit_remedy(site.settings)
    kit("00")
    assert trouble().startswith("ConfigMap custos-recovery-kit is sealed for the certificate 00, ")
    kit(sealing.fingerprint(sealing.certificate(site.context.state / "recovery.pem")))
    assert trouble() == ""


def _plays(site: Site, name: str, phase: str, copied: int, **status: Any) -> threading.Thread:
    """Velero, for one backup: it takes it up, copies, and ends it."""

    def work() -> None:
        path = site.settings.path("backups", name)
        while not any(b.name == name for b in velero.known(site.kube, site.settings)):
            time.sleep(0.05)
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        site.kube.patch(path, {"status": {"phase": "InProgress", "startTimestamp": now}})
        if copied >= 0:
            progress = {"bytesDone": copied, "totalBytes": copied}
            labels = {velero.OF_BACKUP: name}
            done = {"phase": "Completed", "progress": progress}
            site.put("PodVolumeBackup", f"{name}-x", labels=labels, spec=VOLUME, status=done)
        time.sleep(0.3)
        site.kube.patch(path, {"status": {"phase": phase, **status}})

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.fixture
def ready(site: Site, s3: Server, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Installed, and the object store answers."""
    monkeypatch.setattr("bootstrap.context.POLL", 0.1)
    site.location(phase="Available")
    site.schedule()
    return site


def test_a_backup_is_made_by_the_schedules_template_and_read_back(ready: Site, s3: Server) -> None:
    space = ready.settings.release_namespace
    folder = s3.folder / ready.settings.prefix
    own = write_backup(folder, "by-hand", 6, copied=4096, log="")
    _in_namespace(own, "by-hand", space)
    step = backup.phase(ready.context.inventory, "by-hand").steps[0]
    playing = _plays(ready, "by-hand", "Completed", 4096)
    changes = step.change(ready.context)
    step.verify(ready.context)
    playing.join()
    assert changes[0].what.startswith("by-hand: 4,096 bytes of dumps copied in ")
    made = ready.kube.get(ready.settings.path("backups", "by-hand"))
    assert made["metadata"]["labels"] == {**LABELS, velero.SCHEDULED: "custos"}
    assert made["spec"]["includedNamespaces"] == [space]
    assert made["spec"]["hooks"]["resources"][0]["pre"] == [HOOK]
    where = f"{s3.url}/{BUCKET}/{ready.settings.prefix}"
    assert ready.notes == [f"{where} holds it: 4,096 bytes, Secrets sealed for the certificate ab"]


def _in_namespace(own: Path, name: str, namespace: str) -> None:
    """The kit of another namespace than the usual one."""
    path = f"resources/configmaps/namespaces/{namespace}/custos-recovery-kit.json"
    (own / f"{name}.tar.gz").write_bytes(archive({path: {"data": {"certificate": "ab"}}}))


def test_what_the_store_does_not_give_back_is_no_backup(ready: Site, s3: Server) -> None:
    write_backup(s3.folder / ready.settings.prefix, "by-hand", 6)
    step = TakeBackup("backup by-hand", "by-hand")
    with pytest.raises(Problem, match="backup by-hand does not hold resources/configmaps/namespaces/"):
        step.verify(ready.context)


def test_a_hook_that_fails_is_told_with_what_it_said(ready: Site, s3: Server) -> None:
    log = (
        'level=info msg="stderr: mysqldump: Access denied" hookContainer=mysql\n'
        'level=error msg="Error executing hook" error="command terminated with exit code 2" hookContainer=mysql\n'
    )
    write_backup(s3.folder / ready.settings.prefix, "by-hand", 6, "PartiallyFailed", log=log)
    playing = _plays(ready, "by-hand", "PartiallyFailed", -1, errors=1)
    with pytest.raises(Problem) as failed:
        TakeBackup("backup by-hand", "by-hand").change(ready.context)
    playing.join()
    assert failed.value.what == (
        "backup by-hand ended as PartiallyFailed:\n"
        "container mysql: Error executing hook: command terminated with exit code 2\nmysqldump: Access denied"
    )
    assert failed.value.remedy == "mend what it names and back up once more; earlier backups are as they were"


def test_a_backup_that_velero_refuses_says_why_even_where_its_log_is_away(ready: Site) -> None:
    values = ready.context.inventory.platform.values
    values.write_text(values.read_text().replace(ready.settings.url, "http://127.0.0.1:1"))
    playing = _plays(ready, "by-hand", "FailedValidation", -1, validationErrors=["no such location"])
    with pytest.raises(Problem) as failed:
        TakeBackup("backup by-hand", "by-hand").change(ready.context)
    playing.join()
    assert failed.value.what.splitlines()[:2] == ["backup by-hand ended as FailedValidation:", "no such location"]
    assert "its log could not be read from here: the object store http://127.0.0.1:1 does not answer" in str(
        failed.value
    )


@pytest.mark.parametrize("copied", [-1, 0])
def test_a_backup_of_nothing_is_none(ready: Site, copied: int) -> None:
    playing = _plays(ready, "by-hand", "Completed", copied)
    with pytest.raises(Problem, match="backup by-hand ended as Completed:\nno volume was copied"):
        TakeBackup("backup by-hand", "by-hand").change(ready.context)
    playing.join()


@pytest.mark.parametrize("phase", ["New", "InProgress", "WaitingForPluginOperations", "Finalizing"])
def test_a_second_backup_at_once_is_refused(ready: Site, phase: str) -> None:
    ready.made("custos-first", phase, datetime.now(UTC), schedule="")
    with pytest.raises(Problem, match=f"backup custos-first is {phase}: a second would dump into the same volume"):
        TakeBackup("backup by-hand", "by-hand").change(ready.context)
    assert [b.name for b in velero.known(ready.kube, ready.settings)] == ["custos-first"]


def _no_schedule(site: Site) -> str:
    site.kube.delete(site.settings.path("schedules", "custos"))
    return "has no Schedule custos: nothing says what a backup holds"


def _no_place(site: Site) -> str:
    site.location(phase="Unavailable", message="no route")
    return "the object store is Unavailable to Velero: no route"


def _name_taken(site: Site) -> str:
    site.made("by-hand", "Failed", datetime.now(UTC))
    return "there is a backup by-hand already"


@pytest.mark.parametrize("prepare", [_no_schedule, _no_place, _name_taken])
def test_what_cannot_begin_is_told_at_once(ready: Site, prepare: Callable[[Site], str]) -> None:
    said = prepare(ready)
    with pytest.raises(Problem, match=said):
        TakeBackup("backup by-hand", "by-hand").change(ready.context)


def test_names_fit_into_a_label() -> None:
    for release in ("custos", "a" * 53, "a" * 46 + "-" + "b" * 6):
        name = default_name(release)
        assert len(name) <= 63 and backup.NAME.fullmatch(name), name


NOW = datetime(2027, 1, 10, 12, 30, tzinfo=UTC)  # 12:17 and 06:17 were due


def _told(site: Site, now: datetime = NOW) -> list[str]:
    return [what for what, _ in backupstatus.wrong(site.context, now) if "whole" in what]


def test_status_says_how_old_the_newest_whole_backup_is(ready: Site) -> None:
    ready.made("custos-a", "Completed", NOW - timedelta(hours=3))
    ready.made("others", "Completed", NOW, schedule="others")
    assert _told(ready) == []
    assert backupstatus.newest(ready.context, NOW) == "newest backup: custos-a, 3 hours ago"


def test_status_fails_where_two_that_were_due_are_not_there(ready: Site) -> None:
    ready.made("custos-a", "Completed", NOW - timedelta(hours=7))
    ready.made("custos-b", "PartiallyFailed", NOW - timedelta(minutes=13))
    assert _told(ready) == [
        "the newest whole backup, custos-a, was made 7 hours ago; two have been due since (17 */6 * * *); the last,"
        " custos-b, is PartiallyFailed"
    ]


def test_status_fails_where_there_is_none_an_hour_after_the_installation(ready: Site) -> None:
    now = datetime.now(UTC)
    assert _told(ready, now + timedelta(minutes=50)) == []
    assert _told(ready, now + timedelta(minutes=70)) == ["there is no backup that is whole"]
    assert backupstatus.newest(ready.context) == "there is no backup yet"


def test_status_fails_where_velero_cannot_use_its_place(site: Site) -> None:
    site.location(phase="Unavailable", message="Access Denied")
    told = dict(backupstatus.wrong(site.context))
    assert "the object store is Unavailable to Velero: Access Denied" in told
    assert f"namespace {site.settings.namespace} has no Schedule custos" in told


@pytest.mark.parametrize(
    ("release", "name"),
    [("custos", "custos-site"), ("site", "site"), ("a" * 53, "a" * 53 + "-site"), ("a.b", "a-b-site")],
)
def test_objects_are_called_as_the_chart_calls_them(release: str, name: str) -> None:
    assert velero.own(release, "site") == name


@pytest.mark.parametrize("release", ["custos", "a" * 40, "a" * 46, "a" * 53])
def test_the_pod_is_called_as_the_chart_calls_it(release: str, site: Site) -> None:
    values = ["velero.enabled=true", "velero.objectStore.bucket=b-1"]
    options = [word for value in values for word in ("--set", value)]
    chart = PROJECT / "charts/custos-platform"
    command = ["template", release, str(chart), "--show-only", "templates/backup/statefulset.yaml", *options]
    done = subprocess.run([str(tools.ensure("helm")), *command], capture_output=True, text=True, check=True)
    assert yaml.safe_load(done.stdout)["metadata"]["name"] == replace(site.settings, release=release).workload


def test_a_name_that_is_too_long_ends_in_its_sum() -> None:
    assert velero.own("a" * 53, "recovery-key") == "a" * 53 + "-8ed31c84", "as `helm template` writes it"


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("4h", 14400), ("1h30m5s", 5405)])
def test_times_are_read_as_go_writes_them(text: str, seconds: int) -> None:
    assert velero.seconds(text) == seconds
