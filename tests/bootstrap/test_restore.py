"""What a restore notes, refuses and leaves behind, on a real API server with real Helm; the lab does all of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml

import tools
from bootstrap import backuppod, recovery, restore, restoremark, sealing
from bootstrap.chart import RenderedChart
from bootstrap.clients.helm import Helm
from bootstrap.errors import Problem
from bootstrap.phases.platform import EndOfRestore
from bootstrap.recovery import Recovery
from bootstrap.restoremark import Mark, Stage
from bootstrap.steps import CheckOnly
from tests.bootstrap.conftest import trial_chart
from tests.bootstrap.object_store import Server, write_backup
from tests.bootstrap.site import Site

# A ConfigMap, and one that no API server takes.
GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: trial}\n"
BAD = GOOD + "data: [wrong]\n"


@pytest.fixture
def restoring(site: Site) -> Site:
    """A run that brings backup `mine` back."""
    site.context.restoring = "mine"
    return site


def recovered(site: Site, **secrets: dict[str, str]) -> Recovery:
    """Backup `mine`, opened, with these Secrets in its kit."""
    found = Recovery(site.context, "mine")
    kept = [
        {
            "name": name.replace("_", "-"),
            "type": "Opaque",
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }
        for name, data in secrets.items()
    ]
    found.__dict__["kit"] = sealing.Kit(site.settings.release_namespace, "custos", kept, "sum")
    return found


# --- What stands in its place


def install(site: Site, chart: str) -> None:
    """The release, of a chart with that template."""
    helm = Helm(tools.ensure("helm"), site.context.kubeconfig, "")
    folder = trial_chart(site.context.state / "trial", main=chart)
    helm.upgrade("custos", site.settings.release_namespace, folder, "trial", 60, lambda: None)


def place(site: Site) -> CheckOnly:
    """The step that looks whether the place is free."""
    (phase,) = (p for p in restore.all_phases(recovered(site), site.context) if p.name == "restore")
    assert isinstance(phase.steps[0], CheckOnly)
    return phase.steps[0]


@pytest.mark.parametrize(
    ("mark", "chart", "said"),
    [
        (None, "", ""),
        (None, GOOD, "release custos is in namespace NS already (revision 1, deployed); a restore would mix"),
        (None, BAD, "release custos is in namespace NS already, failed in revision 1: whether its stores hold data"),
        (Mark("mine", Stage.BEGUN), "", ""),
        (Mark("mine", Stage.LOADING), GOOD, ""),
        (Mark("mine", Stage.LOADED), GOOD, ""),
        (Mark("other", Stage.BEGUN), GOOD, ""),
        (Mark("other", Stage.LOADING), GOOD, "the restore of other into release custos has not ended, and has put"),
        (Mark("other", Stage.LOADED), GOOD, "the restore of other into release custos has not ended, and has put"),
    ],
)
def test_only_an_empty_place_or_a_restore_that_was_cut_off_is_taken(
    restoring: Site, mark: Mark | None, chart: str, said: str
) -> None:
    if mark:
        restoremark.write(restoring.context, mark)
    if chart == BAD:
        with pytest.raises(Problem):
            install(restoring, chart)
    elif chart:
        install(restoring, chart)
    look = place(restoring)
    if not said:
        assert look.check(restoring.context) == ()
        return
    with pytest.raises(Problem) as refused:
        look.check(restoring.context)
    assert refused.value.what.startswith(said.replace("NS", restoring.settings.release_namespace))


def test_a_release_that_failed_is_never_called_one_to_uninstall(restoring: Site) -> None:
    """Its stores may hold the only data there is."""
    with pytest.raises(Problem):
        install(restoring, BAD)
    with pytest.raises(Problem) as refused:
        place(restoring).check(restoring.context)
    assert "uninstall" not in refused.value.remedy


def test_volumes_that_a_release_left_are_not_taken_for_an_empty_place(restoring: Site) -> None:
    """`helm uninstall` leaves them, and they may be newer than any backup."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-custos-mysql-0", "namespace": restoring.settings.release_namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    restoring.kube.apply(claim)
    with pytest.raises(Problem, match="has volumes already, of an earlier release custos perhaps: data-custos-mysql-0"):
        place(restoring).check(restoring.context)
    restoremark.write(restoring.context, Mark("mine", Stage.LOADING))  # they are this restore's own
    assert place(restoring).check(restoring.context) == ()


def test_two_restores_do_not_mix(restoring: Site) -> None:
    """Another, from another computer, has come between."""
    restoremark.write(restoring.context, Mark("other", Stage.LOADING))
    for step in (restore.Begin("", recovered(restoring)), restore.UntilLoaded(restore.Load("load"))):
        with pytest.raises(Problem, match="the restore of other into release custos has not ended"):
            step.check(restoring.context)


def test_the_note_stays_until_all_is_proven(restoring: Site) -> None:
    phases = restore.all_phases(recovered(restoring), restoring.context)
    assert [(p.name, [type(s) for s in p.steps].count(EndOfRestore)) for p in phases][-4:] == [
        ("platform", 0),
        ("backups", 0),
        ("verify", 0),
        ("restored", 1),
    ]


# --- The note in the cluster, and the Secrets


def test_the_note_is_there_before_the_first_secret(restoring: Site) -> None:
    mine = recovered(restoring, custos_mysql={"password": "one"}, custos_site={"values.yaml": "of then"})
    begin, secrets = restore.Begin("", mine), restore.Secrets("", mine)
    assert [c.what for c in begin.check(restoring.context)] == ["note that the stores wait for backup mine"]
    begin.change(restoring.context)
    assert restoremark.read(restoring.context) == Mark("mine", Stage.BEGUN)
    assert begin.check(restoring.context) == ()
    assert [c.what for c in secrets.change(restoring.context)] == ["made Secret custos-mysql"]
    assert restoring.data("custos-mysql", "password") == "one"
    assert list(secrets.check(restoring.context)) == []


def test_anothers_secret_is_refused_before_anything_is_noted(restoring: Site) -> None:
    restoring.secret(restoring.settings.release_namespace, "custos-mysql", password="another")
    with pytest.raises(Problem, match=r"Secret custos-mysql is in namespace .* already, with another content"):
        restore.Begin("", recovered(restoring, custos_mysql={"password": "one"})).check(restoring.context)
    assert restoremark.read(restoring.context) is None


def test_what_the_chart_added_to_a_secret_is_no_difference(restoring: Site) -> None:
    restoring.secret(restoring.settings.release_namespace, "custos-mysql", password="one", newer="two")
    mine = recovered(restoring, custos_mysql={"password": "one"})
    assert len(restore.Begin("", mine).check(restoring.context)) == 1


def test_what_the_chart_renewed_since_is_left(restoring: Site) -> None:
    mine = recovered(restoring, custos_mysql={"password": "one"})
    restore.Begin("", mine).change(restoring.context)
    restoring.secret(restoring.settings.release_namespace, "custos-mysql", password="renewed")
    assert restore.Begin("", mine).check(restoring.context) == ()
    assert list(restore.Secrets("", mine).check(restoring.context)) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [({"backup": "mine", "stage": "done"}, "does not say how far"), ({"stage": "begun"}, "does not say how far")],
)
def test_a_note_that_cannot_be_read_stops_everything(restoring: Site, data: dict[str, str], said: str) -> None:
    metadata = {"name": "custos-restore", "namespace": restoring.settings.release_namespace}
    restoring.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    with pytest.raises(Problem, match=said):
        recovery.unfinished(restoring.context)


# --- What comes after


@pytest.mark.parametrize(("stage", "refused"), [(Stage.BEGUN, True), (Stage.LOADING, True), (Stage.LOADED, False)])
def test_services_start_only_once_all_is_loaded(site: Site, stage: Stage, refused: bool) -> None:
    recovery.unfinished(site.context)
    restoremark.write(site.context, Mark("mine", stage))
    if refused:
        with pytest.raises(Problem, match=r"the restore of mine has not ended: .* services may not start"):
            recovery.unfinished(site.context)
    else:
        recovery.unfinished(site.context)


def test_the_note_goes_once_the_platform_runs(site: Site) -> None:
    step = EndOfRestore("end")
    assert step.check(site.context) == ()
    restoremark.write(site.context, Mark("mine", Stage.LOADED))
    assert [c.what for c in step.change(site.context)] == ["the restore of mine has ended"]
    assert restoremark.read(site.context) is None


@pytest.mark.parametrize(("stage", "works"), [(Stage.BEGUN, True), (Stage.LOADING, True), (Stage.LOADED, False)])
def test_nothing_is_loaded_twice(restoring: Site, stage: Stage, works: bool) -> None:
    """Services may have written since the last load."""
    restoremark.write(restoring.context, Mark("mine", stage))
    assert bool(restore.UntilLoaded(restore.Load("load")).check(restoring.context)) is works


def test_no_backup_is_tidied_away_right_after_a_restore(restoring: Site) -> None:
    now, settings, kube = datetime.now(UTC), restoring.settings, restoring.kube
    for name, days in (("long-gone", -20), ("mine", -1), ("fresh", 25)):
        expires = f"{now + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
        restoring.put("Backup", name, spec={}, status={"phase": "Completed", "expiration": expires})
    restore.Loaded("loaded").change(restoring.context)
    ends = {
        item["metadata"]["name"]: datetime.fromisoformat(item["status"]["expiration"]) - now
        for item in kube.items(settings.path("backups"))
    }
    assert all(timedelta(days=6.9) < ends[name] < timedelta(days=7.1) for name in ("long-gone", "mine")), ends
    assert ends["fresh"] > timedelta(days=24)
    assert restoremark.read(restoring.context) == Mark("mine", Stage.LOADED)
    assert restoring.context.restoring == ""


# --- The pod that Velero makes of the backup


@pytest.fixture
def rendered_as(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A chart whose pod for the dumps is there only where no restore is under way, as in the real one."""
    spec = {
        "template": {
            "metadata": {"labels": {"app": "backup"}},
            "spec": {
                "containers": [{"name": "kit", "image": "new.example.org/kit:2"}],
                "volumes": [{"name": "scripts", "configMap": {"name": "scripts"}}],
                "nodeSelector": {"zone": "new"},
            },
        },
        "volumeClaimTemplates": [
            {"metadata": {"name": "dumps", "labels": {"a": "b"}}, "spec": {"storageClassName": "new"}}
        ],
    }
    pod = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "custos-backup"}, "spec": spec}
    usual = trial_chart(site.context.state / "usual", main=yaml.safe_dump(pod))
    without = trial_chart(site.context.state / "restoring", main=GOOD)
    monkeypatch.setattr(
        "bootstrap.backuppod.rendered", lambda context: RenderedChart(without if context.restoring else usual, "one")
    )
    yield site


def test_pod_and_claim_are_todays_and_not_those_of_the_cluster_that_is_gone(rendered_as: Site) -> None:
    context = replace(rendered_as.context, restoring="mine")
    template, claim = backuppod.wanted(context)
    space = rendered_as.settings.release_namespace
    assert claim["metadata"] == {"name": "dumps-custos-backup-0", "namespace": space, "labels": {"a": "b"}}
    assert claim["spec"] == {"storageClassName": "new"}
    (rule,) = backuppod.modifier(context, template)["resourceModifierRules"]
    assert rule["conditions"]["resourceNameRegex"] == "^custos-backup-0$"
    (patch,) = rule["mergePatches"]
    spec = json.loads(patch["patchData"])["spec"]
    assert spec["containers"] == [{"name": "kit", "image": "new.example.org/kit:2"}]
    assert [volume["name"] for volume in spec["volumes"]] == ["scripts", "dumps"]
    assert spec["nodeSelector"] == {"zone": "new"}
    assert spec["tolerations"] is None and spec["affinity"] is None  # whatever the old ones were


# --- Which backups there are


def test_a_backup_that_this_key_does_not_open_is_called_so(site: Site, s3: Server) -> None:
    assert site.context.inventory.backups
    key = site.context.inventory.backups.recovery_key
    key.parent.mkdir(parents=True)
    sealing.make_key(key, "theirs")
    mine = sealing.fingerprint(sealing.certificate(key))
    path = s3.folder / site.settings.prefix
    for name, hour, seal in (("custos-a", 6, mine), ("custos-b", 7, "another")):
        folder = write_backup(path, name, hour, kit={"certificate": seal}, namespace=site.settings.release_namespace)
        assert folder.is_dir()
    assert [(each.name, each.state, each.kept_until, each.usable) for each in recovery.listed(site.context)] == [
        ("custos-b", "whole, 12,345 bytes; sealed for another key (another)", "2026-12-28", False),
        ("custos-a", "whole, 12,345 bytes", "2026-12-28", True),
    ]


@pytest.mark.parametrize(("stage", "taken"), [(Stage.BEGUN, "custos-b"), (Stage.LOADING, "custos-a")])
def test_latest_goes_on_with_what_has_been_loaded(site: Site, s3: Server, stage: Stage, taken: str) -> None:
    path, space = s3.folder / site.settings.prefix, site.settings.release_namespace
    write_backup(path, "custos-a", 6, namespace=space)
    write_backup(path, "custos-b", 7, namespace=space)
    restoremark.write(site.context, Mark("custos-a", stage))
    assert Recovery(site.context, "latest").backup.name == taken


def test_latest_says_which_it_passes_over(site: Site, s3: Server) -> None:
    path, space = s3.folder / site.settings.prefix, site.settings.release_namespace
    write_backup(path, "custos-a", 6, namespace=space)
    (write_backup(path, "custos-b", 7, namespace=space) / "custos-b.tar.gz").write_bytes(b"not gzip")
    assert Recovery(site.context, "latest").backup.name == "custos-a"
    assert site.notes[0].startswith("latest: passed over custos-b, which is damaged: backup custos-b is damaged")
