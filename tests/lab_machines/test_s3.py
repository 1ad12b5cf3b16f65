"""The object store of the lab: what its machine gets, and the server itself with the very arguments of its unit."""

from __future__ import annotations

import configparser
import io
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from minio import Minio
from minio.error import MinioException

from lab import access, description, disks, s3
from lab.description import Lab
from lab.errors import LabError
from tests.lab_machines.conftest import DESCRIPTION, ROOT, Command
from tests.ports import answers, free_port
from tools import ensure

BUCKET = "custos-backups"
STORE = (
    "  t2: {address: 10.232.0.12, memory: 512Mi, volumes: [{path: /var/lib/object-store, size: 256Mi}],\n"
    f"    objectStore: {{port: 9000, bucket: {BUCKET}, path: /var/lib/object-store}}}}\n"
)
MIB = 2**20


@pytest.fixture
def lab_file(tmp_path: Path) -> Path:
    """The small lab, its second machine with an object store."""
    path = tmp_path / "lab.yaml"
    path.write_text(DESCRIPTION.replace("  t2: {address: 10.232.0.12}\n", STORE))
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A lab's state with the store's keys."""
    path = tmp_path / "state"
    path.mkdir()
    assert s3.ensure_keys(path)
    return path


def keys(state: Path) -> dict[str, str]:
    parser = configparser.ConfigParser()
    parser.read(s3.credentials(state))
    return dict(parser["default"])


def client(address: str, state: Path, **other: str) -> Minio:
    found = {**keys(state), **other}
    return Minio(
        address,
        access_key=found["aws_access_key_id"],
        secret_key=found["aws_secret_access_key"],
        secure=False,
        region="us-east-1",
    )


def test_keys_are_made_once_for_their_owner_alone(state: Path) -> None:
    before = s3.credentials(state).read_text()
    assert not s3.ensure_keys(state)
    assert s3.credentials(state).read_text() == before
    assert s3.credentials(state).stat().st_mode & 0o777 == 0o600
    assert s3.credentials(state).parent.stat().st_mode & 0o077 == 0
    assert set(keys(state)) == {"aws_access_key_id", "aws_secret_access_key"}
    s3.remove(state)
    assert not list(state.iterdir())


def test_a_store_has_a_disk_of_its_own(lab_file: Path) -> None:
    lab_file.write_text(lab_file.read_text().replace("path: /var/lib/object-store}}", "path: /var/lib/elsewhere}}"))
    with pytest.raises(LabError, match=r"t2\.objectStore\.path: /var/lib/elsewhere is none of the machine's volumes"):
        description.load(lab_file)


def test_the_labs_own_store_is_where_its_inventory_and_values_look_for_it() -> None:
    lab = description.load(ROOT / "lab/lab.yaml")
    store = lab.machine("store")
    assert store.object_store
    assert s3.url(store) == "http://10.231.0.41:9000"
    assert store.object_store.bucket == BUCKET


@pytest.fixture
def installed(lab_file: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Lab, Path]:
    """The small lab's store installed, made without root; where its disk lies."""
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setattr(s3, "find", lambda _: Path("/bin/true"))
    lab = description.load(lab_file)
    access.ensure_key(state)
    assert disks.ensure(state, lab, lab.machine("t2"))
    return lab, state / "machines/t2/upper"


def test_the_secret_is_in_one_file_that_root_alone_reads(installed: tuple[Lab, Path], state: Path) -> None:
    _, upper = installed
    secret = keys(state)["aws_secret_access_key"]
    holders = [path for path in upper.rglob("*") if path.is_file() and secret in path.read_text(errors="replace")]
    assert holders == [upper / s3.KEYS.lstrip("/")]
    assert holders[0].stat().st_mode & 0o777 == 0o600


def test_its_unit_is_enabled_and_starts_the_program_that_is_there(installed: tuple[Lab, Path]) -> None:
    _, upper = installed
    unit = upper / "etc/systemd/system" / s3.UNIT
    assert (unit.parent / "multi-user.target.wants" / s3.UNIT).resolve() == unit
    (start,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    program, *_, folder = start.removeprefix("ExecStart=").split()
    assert (upper / program.lstrip("/")).stat().st_mode & 0o111
    assert folder == "/var/lib/object-store/buckets"
    assert f"{folder}/{BUCKET}" in unit.read_text()
    assert "{" not in unit.read_text()


@pytest.fixture
def served(tmp_path: Path, state: Path) -> Iterator[str]:
    """host:port of the real server on this computer."""
    folder = tmp_path / "buckets"
    (folder / BUCKET).mkdir(parents=True)
    port = free_port()
    name, _, value = s3.environment(state).partition("=")
    # Quoted as systemd.exec(5) reads it: the outer quotes are not part of the value.
    environment = {**os.environ, name: value.strip("'")}
    command = s3.command(str(ensure(s3.TOOL)), f"127.0.0.1:{port}", str(folder))
    log = tmp_path / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_the_server_keeps_what_it_is_given(served: str, state: Path) -> None:
    store = client(served, state)
    assert [bucket.name for bucket in store.list_buckets()] == [BUCKET]
    for size in (0, 3, 40 * MIB):
        content = os.urandom(size)
        store.put_object(BUCKET, f"folder/{size}", io.BytesIO(content), size, part_size=8 * MIB)
        answer = store.get_object(BUCKET, f"folder/{size}")
        assert answer.read() == content
        answer.close()
    assert {found.object_name for found in store.list_objects(BUCKET, "folder/")} == {
        "folder/0",
        "folder/3",
        f"folder/{40 * MIB}",
    }
    for found in list(store.list_objects(BUCKET, recursive=True)):
        store.remove_object(BUCKET, str(found.object_name))
    assert store.bucket_exists(BUCKET)


@pytest.mark.parametrize("wrong", [{"aws_secret_access_key": "guessed"}, {"aws_access_key_id": "somebody"}])
def test_the_server_refuses_other_keys(served: str, state: Path, wrong: dict[str, str]) -> None:
    other = client(served, state, **wrong)
    for attempt in (lambda: other.list_buckets(), lambda: list(other.list_objects(BUCKET))):
        # The server calls its XML text/xml, for which this client has no S3Error.
        with pytest.raises(MinioException, match=r"(?s)403.*(SignatureDoesNotMatch|InvalidAccessKeyId)"):
            attempt()


def test_veleros_plugin_does_what_velero_asks_of_it(served: str, state: Path) -> None:
    """The plugin's own test in Go (lab/velero-plugin/store_test.go) against the server."""
    environment = {
        **os.environ,
        "STORE_URL": f"http://{served}",
        "STORE_BUCKET": BUCKET,
        "STORE_CREDENTIALS": str(s3.credentials(state)),
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
    }
    done = subprocess.run(
        # Compiled as the program itself is, so that Go's cache has all but the test.
        ["go", "test", "-count=1", "-trimpath", "-vet=off", "-ldflags=-s -w", "."],
        cwd=ROOT / "lab/velero-plugin",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.lab
def test_objects_outlive_a_power_cut_and_other_keys_stay_out(lab: Command, environment: dict[str, str]) -> None:
    """On machines: `up` makes the keys, the store answers to them alone, and a power cut takes nothing."""
    if os.geteuid() != 0:
        pytest.fail("the lab's machines need root: run `make test-lab` as root")
    state, address = Path(environment["CUSTOS_LAB_STATE"]), "10.232.0.12:9000"
    content = os.urandom(20 * MIB)
    try:
        up = lab("up")
        assert up.returncode == 0, up.stderr
        assert f"object store: http://{address}, bucket {BUCKET}" in up.stdout
        store = client(address, state)  # its HTTP client asks again for a few seconds
        store.put_object(BUCKET, "kept", io.BytesIO(content), len(content), part_size=8 * MIB)
        with pytest.raises(MinioException, match="SignatureDoesNotMatch"):
            client(address, state, aws_secret_access_key="guessed").list_buckets()
        secret = keys(state)["aws_secret_access_key"]
        seen = lab("ssh", "t2", f"ps auxe; systemctl show {s3.UNIT}; cat /etc/systemd/system/{s3.UNIT}; ls -R /etc")
        assert s3.PROGRAM in seen.stdout and secret not in seen.stdout
        assert lab("ssh", "t2", f"ps -o user= -C {Path(s3.PROGRAM).name}").stdout.strip() == s3.USER
        assert lab("power-off", "t2").returncode == 0
        assert lab("power-on", "t2").returncode == 0
        answer = store.get_object(BUCKET, "kept")
        assert answer.read() == content
        answer.close()
    finally:
        assert lab("down").returncode == 0
    assert not state.exists()
