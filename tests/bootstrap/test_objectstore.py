"""Backups as they lie in the object store, read from a real S3 server: whole ones, wrong places, damaged ones."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bootstrap.clients.s3 import Unreachable, read_login
from bootstrap.errors import Problem
from bootstrap.objectstore import Damaged, ObjectStore
from bootstrap.velero import Velero
from tests.bootstrap.object_store import BUCKET, KIT, Server, archive, login, write_backup

LOG = r"""time="2026-11-28T06:17:04Z" level=info msg="running exec hook" hookContainer=mysql name=custos-backup-0
time="2026-11-28T06:17:05Z" level=info msg="stderr: mysqldump: Got error: 2003: \"Can't connect\" when trying to connect\n" hookContainer=mysql
time="2026-11-28T06:17:05Z" level=error msg="Error executing hook" error="command terminated with exit code 2" hookContainer=mysql hookPhase=pre
time="2026-11-28T06:17:05Z" level=error msg="Error backing up item" error="command terminated with exit code 2" name=custos-backup-0
time="2026-11-28T06:17:05Z" level=error msg="Error backing up item" error="command terminated with exit code 2" name=custos-backup-0
time="2026-11-28T06:17:06Z" level=warning msg="something else"
"""  # noqa: E501 - lines as Velero writes them


@pytest.fixture
def place(s3: Server) -> Iterator[Velero]:
    """The bucket, empty."""
    yield Velero("custos", "custos", "velero", s3.url, BUCKET, "", "us-east-1", "", "", False, 1800, 14400)
    shutil.rmtree(s3.folder)
    s3.folder.mkdir()


@pytest.fixture
def store(s3: Server, place: Velero) -> ObjectStore:
    """It, with the right login."""
    return ObjectStore(place, s3.credentials)


def test_backups_are_listed_newest_first_with_how_they_ended(store: ObjectStore, s3: Server) -> None:
    write_backup(s3.folder, "custos-b", 6)
    write_backup(s3.folder, "custos-a", 12, "PartiallyFailed", errors=2)
    (s3.folder / "backups" / "custos-c").mkdir()
    (s3.folder / "backups" / "custos-c" / "custos-c-logs.gz").write_bytes(b"")
    found = store.backups()
    assert [(b.name, b.state, b.errors, b.good) for b in found] == [
        ("custos-a", "PartiallyFailed", 2, False),
        ("custos-b", "Completed", 0, True),
        ("custos-c", "damaged: has no velero-backup.json: it is being written, or was cut off", 0, False),
    ]
    assert found[1].started == datetime(2026, 11, 28, 6, 17, tzinfo=UTC)
    assert found[1].expires == datetime(2026, 12, 28, tzinfo=UTC)
    assert [store.look(backup).state for backup in found[:2]] == ["PartiallyFailed", "whole, 12,345 bytes"]
    assert store.look(found[1]).sealed_for == "00"


def test_latest_is_the_newest_good_one_of_this_release(store: ObjectStore, s3: Server) -> None:
    write_backup(s3.folder, "custos-old", 1)
    write_backup(s3.folder, "custos-good", 6)
    write_backup(s3.folder, "custos-bad", 12, "Failed")
    write_backup(s3.folder, "others", 13, schedule="others")
    newest, passed_over = store.newest()
    assert (newest.name, [backup.name for backup in passed_over]) == ("custos-good", ["custos-bad"])
    assert store.named("others").phase == "Completed"
    with pytest.raises(Problem, match="has no backup nothing; there are others, custos-bad, custos-good, custos-old"):
        store.named("nothing")


def test_without_a_good_one_latest_says_what_there_is(store: ObjectStore, s3: Server) -> None:
    write_backup(s3.folder, "custos-bad", 12, "Failed")
    with pytest.raises(Problem, match=r"no whole backup of release custos; there are custos-bad \(Failed\)"):
        store.newest()


def test_a_backup_gives_its_objects_bytes_and_errors(store: ObjectStore, s3: Server) -> None:
    write_backup(s3.folder, "custos-a", 6, kit={"certificate": "ab"}, copied=2048, log=LOG)
    assert store.member("custos-a", KIT)["data"] == {"certificate": "ab"}
    assert store.copied("custos-a") == 2048
    assert store.log_errors("custos-a") == [
        "container mysql: Error executing hook: command terminated with exit code 2\n"
        'mysqldump: Got error: 2003: "Can\'t connect" when trying to connect',
        "Error backing up item: command terminated with exit code 2",
    ]


def test_a_prefix_is_a_place_of_its_own(store: ObjectStore, s3: Server, place: Velero) -> None:
    write_backup(s3.folder / "sites" / "one", "custos-a", 6)
    inside = ObjectStore(replace(place, prefix="sites/one"), s3.credentials)
    assert [b.name for b in inside.backups()] == ["custos-a"]
    assert inside.copied("custos-a") == 12_345
    with pytest.raises(Problem, match=rf"{BUCKET} holds no backup; found: sites"):
        store.backups()


def test_an_empty_place_is_told_from_a_foreign_one(store: ObjectStore, s3: Server) -> None:
    with pytest.raises(Problem, match=rf"^{s3.url}/{BUCKET} holds no backup; found: nothing at all"):
        store.backups()
    (s3.folder / "backups" / "photos").mkdir(parents=True)
    (s3.folder / "backups" / "photos" / "one.jpg").write_bytes(b"x")
    with pytest.raises(Problem, match=r"holds nothing that Velero made: photos has no velero-backup\.json"):
        store.backups()


@pytest.mark.parametrize(
    ("key", "secret", "code"), [("key", "guessed", "SignatureDoesNotMatch"), ("other", "guessed", "InvalidAccessKeyId")]
)
def test_a_login_that_is_refused_names_its_file(
    s3: Server, place: Velero, tmp_path: Path, key: str, secret: str, code: str
) -> None:
    file = login(tmp_path / "wrong", key, secret)
    with pytest.raises(Problem) as refused:
        ObjectStore(place, file).backups()
    assert refused.value.what.startswith(f"the object store {s3.url} refuses the login of {file} for bucket {BUCKET}")
    assert code in refused.value.what
    assert secret not in str(refused.value)


def test_a_bucket_that_is_missing_is_named(s3: Server, place: Velero) -> None:
    with pytest.raises(Problem, match=f"the object store {s3.url} has no bucket nowhere"):
        ObjectStore(replace(place, bucket="nowhere"), s3.credentials).backups()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1", "the object store http://127.0.0.1:1 does not answer: .*Connection refused"),
        ("http://no.such.host.invalid", "does not answer: .*Failed to resolve"),
    ],
)
def test_a_store_that_does_not_answer_is_told_at_once(s3: Server, place: Velero, url: str, said: str) -> None:
    with pytest.raises(Unreachable, match=said):
        ObjectStore(replace(place, url=url), s3.credentials, timeout=2).backups()


def test_tls_to_a_store_without_it_is_no_traceback(s3: Server, place: Velero) -> None:
    url = s3.url.replace("http:", "https:")
    with pytest.raises(Unreachable, match=f"the object store {url} does not answer: .*SSL"):
        ObjectStore(replace(place, url=url), s3.credentials, timeout=2).backups()


def test_a_web_server_is_no_object_store(s3: Server, place: Velero) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><p>welcome")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{web.server_port}"
        with pytest.raises(Unreachable, match=f"{url} answers, but not as an S3 store does"):
            ObjectStore(replace(place, url=url), s3.credentials).backups()
        web.shutdown()


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flipped(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


@pytest.mark.parametrize("damage", [_cut, _flipped, lambda _: b"", lambda _: b"not gzip"])
def test_a_damaged_archive_names_the_newest_that_is_whole(store: ObjectStore, s3: Server, damage: object) -> None:
    assert callable(damage)
    write_backup(s3.folder, "custos-oldest", 1)
    write_backup(s3.folder, "custos-older", 2)
    for name, hour in (("custos-broken", 5), ("custos-new", 6)):
        file = write_backup(s3.folder, name, hour) / f"{name}.tar.gz"
        file.write_bytes(damage(file.read_bytes()))
    write_backup(s3.folder, "custos-failed", 4, "Failed")
    with pytest.raises(Damaged) as told:
        store.member("custos-new", KIT)
    assert told.value.what.startswith("backup custos-new is damaged: custos-new.tar.gz cannot be read: ")
    assert told.value.remedy == "take custos-older, the newest that is whole"


def test_a_backup_without_its_data_is_none(store: ObjectStore, s3: Server) -> None:
    own = write_backup(s3.folder, "custos-a", 6)
    (own / "custos-a.tar.gz").write_bytes(archive({"metadata/version": "1.1.0"}))
    with pytest.raises(Damaged, match=f"backup custos-a does not hold {KIT}"):
        store.member("custos-a", KIT)
    (own / "custos-a.tar.gz").unlink()
    with pytest.raises(Damaged, match=r"backup custos-a has no custos-a\.tar\.gz"):
        store.member("custos-a", KIT)
    write_backup(s3.folder, "custos-b", 7, copied=0)
    with pytest.raises(Damaged, match="backup custos-b holds no data: no volume was copied"):
        store.copied("custos-b")
    shutil.rmtree(s3.folder / "kopia")
    with pytest.raises(Damaged, match=f"backup custos-a holds no data: {s3.url}/{BUCKET}/kopia/custos is gone") as told:
        store.copied("custos-a")
    assert told.value.remedy == "there is no other whole backup in this place"


def test_a_state_that_is_no_json_is_damage(store: ObjectStore, s3: Server) -> None:
    write_backup(s3.folder, "custos-a", 6)
    (write_backup(s3.folder, "custos-b", 7) / "velero-backup.json").write_text("{")
    assert [(b.name, b.good) for b in store.backups()] == [("custos-a", True), ("custos-b", False)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file or directory (backups.credentials)"),
        ("", "has no default (backups.credentials)"),
        ("[default]\naws_access_key_id=a\n", "has no aws_secret_access_key (backups.credentials)"),
        ("[default]\naws_access_key_id=a\naws_secret_access_key=\n", "aws_secret_access_key is empty"),
        ("key,secret", "is no ini file (backups.credentials)"),
    ],
)
def test_a_login_file_says_what_it_lacks(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "credentials"
    if text is not None:
        file.write_text(text)
    with pytest.raises(Problem) as wrong:
        read_login(file)
    assert said in wrong.value.what and str(file) in wrong.value.what
    assert "[default], aws_access_key_id=…, aws_secret_access_key=…" in wrong.value.remedy
