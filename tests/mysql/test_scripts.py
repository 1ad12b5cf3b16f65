"""The scripts of a member, function by function, in the shell that runs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[2] / "generator/blueprint/charts/mysql/files"
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "POD_NAME": "custos-mysql-0",
    "POD_UID": "uid",
    "POD_IP": "10.0.0.1",
    "POD_HOST": "custos-mysql-0.custos-mysql.custos.svc.cluster.local",
    "NAMESPACE": "custos",
    "STATEFULSET": "custos-mysql",
    "HEADLESS_HOST": "custos-mysql.custos.svc.cluster.local.",
    "LEASE": "custos-mysql-bootstrap",
    "MARKER_NAME": "custos-mysql-group",
    "OBJECT_LABELS": '{"app.kubernetes.io/name":"mysql"}',
}


def shell(
    source: str, script: str, variables: Mapping[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs `script` after reading the file `source`, as strictly as the scripts run."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"source {FILES}/{source}; {script}"],
        env={**ENVIRONMENT, **(variables or {})},
        capture_output=True,
        text=True,
        check=check,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", "'plain'"),
        ("it's", r"'it\'s'"),
        ("back\\slash", r"'back\\slash'"),
        ('"', "'\"'"),
        ("", "''"),
    ],
)
def test_text_becomes_a_string_of_sql(text: str, quoted: str) -> None:
    assert shell("basics.sh", 'sql_quote "$text"', {"text": text}).stdout == quoted


@pytest.mark.parametrize("text", ["plain", 'a "quote"', "back\\slash", "two\nlines\tand tabs\r", "ünïcode"])
def test_text_becomes_a_string_of_json(text: str) -> None:
    assert json.loads(shell("basics.sh", 'json_quote "$text"', {"text": text}).stdout) == text


@pytest.mark.parametrize(("address", "shown"), [("10.0.0.1", "10.0.0.1:3306"), ("fd00::1", "[fd00::1]:3306")])
def test_an_address_becomes_an_endpoint(address: str, shown: str) -> None:
    assert shell("basics.sh", f"endpoint {address} 3306").stdout == shown


@pytest.mark.parametrize(("pod", "ordinal"), [("custos-mysql-0", "0"), ("a-1-mysql-12", "12")])
def test_the_ordinal_of_a_pod(pod: str, ordinal: str) -> None:
    assert shell("basics.sh", f"ordinal_of {pod}").stdout == ordinal


@pytest.mark.parametrize(("content", "complaint"), [(None, "is missing"), ("", "is empty")])
def test_a_secret_that_is_not_there_is_named(tmp_path: Path, content: str | None, complaint: str) -> None:
    file = tmp_path / "root-password"
    if content is not None:
        file.write_text(content)
    done = shell("basics.sh", f"secret {file}", check=False)
    assert done.returncode == 1
    assert str(file) in done.stderr and complaint in done.stderr


POD = {
    "metadata": {
        "annotations": {"trap": '"podIP":"6.6.6.6" "role":"primary" "deletionTimestamp":"x"'},
        "labels": {"app": "mysql", "role": "replica"},
    },
    "spec": {"env": [{"fieldRef": {"fieldPath": "status.podIP"}}]},
    "status": {"podIP": "10.0.0.7"},
}


@pytest.mark.parametrize("spaces", [True, False])
@pytest.mark.parametrize(("key", "value"), [("podIP", "10.0.0.7"), ("fieldPath", "status.podIP"), ("none", "")])
def test_a_text_is_found_in_json(spaces: bool, key: str, value: str) -> None:
    answer = json.dumps(POD, separators=None if spaces else (",", ":"))
    assert shell("kubernetes.sh", f'json_text {key} <<<"$answer"', {"answer": answer}).stdout == value


@pytest.mark.parametrize(("function", "result"), [("role_of 0", "replica"), ("leaves 0 || echo stays", "stays\n")])
def test_what_a_pod_says_of_itself(function: str, result: str) -> None:
    script = f"api() {{ API_STATUS=200 API_BODY=$answer; }}; {function}"
    answer = json.dumps(POD, separators=(",", ":"))
    assert shell("kubernetes.sh", script, {"answer": answer}).stdout == result


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        ("200", '{"metadata":{"deletionTimestamp":"2026-11-24T10:00:00Z"}}', "leaves"),
        ("200", '{"metadata":{}}', "stays"),
        ("404", "{}", "leaves"),
        ("000", "", "stays"),
    ],
)
def test_a_pod_leaves_when_it_is_being_deleted_or_gone(status: str, body: str, result: str) -> None:
    script = (
        "api() { API_STATUS=$status API_BODY=$body; [[ $status == 200 ]]; };"
        "if leaves 1; then echo leaves; else echo stays; fi"
    )
    assert shell("kubernetes.sh", script, {"status": status, "body": body}).stdout.strip() == result


@pytest.mark.parametrize(("holder", "version"), [("custos-mysql-0", ""), ("custos-mysql-0", "17"), ("", "17")])
def test_the_lease_is_json(holder: str, version: str) -> None:
    lease = json.loads(shell("basics.sh", f'source {FILES}/lease.sh; lease_body "{holder}" "{version}"').stdout)
    assert lease["spec"].get("holderIdentity", "") == holder
    assert lease["metadata"].get("resourceVersion", "") == version
    assert lease["metadata"]["labels"] == {"app.kubernetes.io/name": "mysql"}


def lease(holder: str, script: str) -> str:
    """Runs `script` with an API that has a Lease of `holder` and accepts every change; returns what it prints."""
    fake = """
        api() {
          API_STATUS=200
          API_BODY='{"metadata":{"resourceVersion":"5"},"spec":{"holderIdentity":"'$found'"}}'
          [[ $1 == GET ]] || echo "$1"
        }
    """
    return shell(
        "kubernetes.sh",
        f"source {FILES}/basics.sh; source {FILES}/lease.sh; {fake} {script}",
        {"found": holder},
    ).stdout


def test_a_lease_of_our_own_or_nobodys_is_taken_at_once() -> None:
    assert lease("custos-mysql-0", "lease_acquire") == "PUT\n"
    assert lease("", "lease_acquire") == "PUT\n"


def test_a_foreign_lease_is_left_alone_until_it_has_not_moved_for_its_length() -> None:
    script = "lease_acquire || echo no; SECONDS=$((SECONDS + LEASE_SECONDS - 1)); lease_acquire || echo no;"
    assert lease("custos-mysql-1", script) == "no\nno\n"
    assert lease("custos-mysql-1", f"{script} SECONDS=$((SECONDS + 1)); lease_acquire") == "no\nno\nPUT\n"


# A member: state, whether its group works, whether that group lists us, its transactions; None = it did not answer.
Answer = tuple[str, int, int, str] | None
EMPTY: Answer = ("OFFLINE", 0, 0, "")
DATA: Answer = ("OFFLINE", 0, 0, "u:1-5")
ONLINE: Answer = ("ONLINE", 1, 0, "u:1-9")
DECISIONS: list[tuple[str, list[Answer], str, str, str, str]] = [
    # what is tried, answers of 0 1 2 (we are 0), largest, marker, override, decision
    ("first start", [EMPTY, EMPTY, EMPTY], "0", "no", "", "bootstrap"),
    (
        "first start, one is late",
        [EMPTY, EMPTY, None],
        "0",
        "no",
        "",
        "wait for an answer from custos-mysql-2",
    ),
    ("all volumes lost", [EMPTY, EMPTY, EMPTY], "0", "yes", "", "stop: every volume is empty"),
    ("a group works", [EMPTY, ONLINE, None], "1", "yes", "", "join"),
    ("a group works, another override", [DATA, ONLINE, None], "1", "yes", "0", "join"),
    (
        "the group still lists us",
        [DATA, ("ONLINE", 1, 1, "u:1-9"), ONLINE],
        "1",
        "yes",
        "",
        "wait until the group",
    ),
    (
        "no majority",
        [DATA, ("ONLINE", 0, 0, "u:1-9"), DATA],
        "1",
        "yes",
        "",
        "wait for custos-mysql-1, which is ONLINE",
    ),
    (
        "recovering",
        [DATA, ("RECOVERING", 0, 0, ""), DATA],
        "0",
        "yes",
        "",
        "wait for custos-mysql-1, which is RECOV",
    ),
    ("error", [DATA, ("ERROR", 0, 0, ""), DATA], "0", "yes", "", "wait for custos-mysql-1, which is ERROR"),
    ("outage, we have all", [DATA, DATA, DATA], "0", "yes", "", "bootstrap"),
    (
        "outage, another has more",
        [DATA, DATA, DATA],
        "2",
        "yes",
        "",
        "wait for custos-mysql-2, which has all",
    ),
    ("outage, one wiped", [DATA, EMPTY, DATA], "0", "yes", "", "bootstrap"),
    ("outage, two wiped, ours may be old", [DATA, EMPTY, EMPTY], "0", "yes", "", "stop: only 1 of 3 volumes hold data"),
    ("two wiped, we are chosen", [DATA, EMPTY, EMPTY], "0", "yes", "0", "bootstrap: mysql.recovery.bootstrapFrom"),
    ("two wiped, an empty one is chosen", [DATA, EMPTY, EMPTY], "0", "yes", "1", "stop: only 1 of 3 volumes hold data"),
    (
        "two wiped, we are empty and chosen",
        [EMPTY, DATA, EMPTY],
        "1",
        "yes",
        "0",
        "stop: only 1 of 3 volumes hold data",
    ),
    ("two wiped, another is chosen", [EMPTY, DATA, EMPTY], "1", "yes", "1", "wait for custos-mysql-1, which mysql.rec"),
    ("a restored volume without the marker", [DATA, EMPTY, EMPTY], "0", "no", "", "bootstrap"),
    ("outage without the marker", [DATA, DATA, DATA], "0", "no", "", "bootstrap"),
    ("outage, one is silent", [DATA, DATA, None], "0", "yes", "", "wait for an answer from custos-mysql-2"),
    ("one is gone for good", [DATA, DATA, None], "0", "yes", "0", "bootstrap: mysql.recovery.bootstrapFrom"),
    (
        "the chosen one is another",
        [DATA, DATA, None],
        "0",
        "yes",
        "1",
        "wait for custos-mysql-1, which mysql.rec",
    ),
    (
        "the chosen one is empty",
        [EMPTY, DATA, None],
        "1",
        "yes",
        "0",
        "wait for an answer from custos-mysql-2",
    ),
    ("an override does not beat who has all", [DATA, DATA, DATA], "1", "yes", "0", "wait for custos-mysql-1"),
    ("diverged", [DATA, DATA, DATA], "", "yes", "", "stop: the members' data has diverged"),
    (
        "diverged, we are chosen",
        [DATA, DATA, DATA],
        "",
        "yes",
        "0",
        "bootstrap: mysql.recovery.bootstrapFrom",
    ),
    (
        "diverged, another is chosen",
        [DATA, DATA, DATA],
        "",
        "yes",
        "1",
        "stop: the members' data has diverged",
    ),
]


@pytest.mark.parametrize(
    ("answers", "largest", "marker", "override", "decision"),
    [pytest.param(*case[1:], id=case[0]) for case in DECISIONS],
)
def test_what_a_member_outside_of_a_group_does(
    tmp_path: Path, answers: list[Answer], largest: str, marker: str, override: str, decision: str
) -> None:
    (tmp_path / "replicas").write_text(str(len(answers)))
    lines = [f"LARGEST={largest}"]
    for ordinal, answer in enumerate(answers):
        if answer:
            state, working, knows_us, transactions = answer
            lines.append(f"STATE[{ordinal}]={state} WORKING[{ordinal}]={working}")
            lines.append(f"KNOWS_US[{ordinal}]={knows_us} SET[{ordinal}]={transactions}")
    read = f"source {FILES}/server.sh; source {FILES}/group.sh"
    script = f'{read}; {"; ".join(lines)}; decide 0 3 {marker} "{override}"'
    done = shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)})
    assert done.stdout.startswith(decision), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("setting", "used", "override"),
    [
        ("", "", ""),
        ("custos-mysql-2", "", "2"),
        ("custos-mysql-2", "custos-mysql-1", "2"),
        ("custos-mysql-2", "custos-mysql-2", ""),  # used up: at the next outage it could lose data
        ("another-2", "", ""),
    ],
)
def test_an_override_counts_once(tmp_path: Path, setting: str, used: str, override: str) -> None:
    (tmp_path / "bootstrap-from").write_text(setting)
    script = f"source {FILES}/server.sh; source {FILES}/group.sh; MARKER_OVERRIDE={used}; override"
    assert shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)}).stdout == override


PRIMARY = '{"metadata":{"labels":{"role":"primary"}},"status":{"conditions":[%s]}}'
READY = '{"type":"Ready","observedGeneration":1,"status":"%s"}'


@pytest.mark.parametrize(
    ("status", "body", "serves"),
    [
        ("200", PRIMARY % (READY % "True"), True),
        ("200", PRIMARY % (READY % "False"), False),
        ("200", PRIMARY % '{"type":"ContainersReady","status":"True"},{"type":"Ready","status":"False"}', False),
        ("200", PRIMARY % '{"type":"Ready","status":"Unknown"},{"type":"PodScheduled","status":"True"}', False),
        ("200", (PRIMARY % (READY % "True")).replace('"primary"', '"replica"'), False),
        ("404", "{}", False),
        ("000", "", True),  # not known, and a second group would be worse than waiting
        ("500", "{}", True),
    ],
)
def test_a_pod_may_be_a_working_primary(status: str, body: str, serves: bool) -> None:
    script = (
        "api() { API_STATUS=$status API_BODY=$body; [[ $status == 200 ]]; };"
        "if may_serve 1; then echo serves; else echo no; fi"
    )
    found = shell("kubernetes.sh", script, {"status": status, "body": body}).stdout.strip()
    assert found == ("serves" if serves else "no")


def bootstrap(tmp_path: Path, script: str = "", setting: str = "", decision: str = "bootstrap: newest") -> str:
    """Runs `bootstrap 0` after `script`; returns what it does to the group, the marker and the Lease, a line each."""
    (tmp_path / "replicas").write_text("3")
    (tmp_path / "bootstrap-from").write_text(setting)
    around = """
        lease_acquire() { echo acquire; }
        lease_release() { echo release; }
        survey() { GROUP[0]=11111111-1111-1111-1111-111111111111; }
        decide() { echo "$decision"; }
        event() { :; }
        ask() { ANSWER=22222222-2222-2222-2222-222222222222; }
        start_group() { echo "start $1 $4"; }
        marker_read() { MARKER=yes MARKER_GROUP=11111111-1111-1111-1111-111111111111; }
        marker_write() { echo "marker $*"; }
        may_serve() { false; }
        WORK_DIR=$SETTINGS_DIR
    """
    files = "; ".join(f"source {FILES}/{file}.sh" for file in ("kubernetes", "lease", "server", "group"))
    script = f"{files}; {around} {script} bootstrap 0"
    return shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path), "decision": decision}).stdout


def test_a_group_that_begins_again_takes_a_new_name(tmp_path: Path) -> None:
    """Under its old name it would number new transactions as some that a member outside still has."""
    assert "start 22222222-2222-2222-2222-222222222222 ON\n" in bootstrap(tmp_path)


@pytest.mark.parametrize(("sets", "decision"), [(("", "", ""), "marker no"), (("", "u:1", ""), "marker yes")])
def test_a_marker_that_was_deleted_is_noticed_where_all_volumes_are_empty(
    tmp_path: Path, sets: tuple[str, ...], decision: str
) -> None:
    (tmp_path / "replicas").write_text("3")
    (tmp_path / "bootstrap-from").write_text("")
    found = " ".join(f"SET[{i}]={transactions} STATE[{i}]=OFFLINE" for i, transactions in enumerate(sets))
    script = f"""source {FILES}/kubernetes.sh; source {FILES}/lease.sh; source {FILES}/server.sh
        source {FILES}/group.sh
        survey() {{ {found}; }}; marker_read() {{ MARKER=no; }}; decide() {{ echo "marker $3"; }}
        stuck() {{ echo "$1"; }}; MARKER=yes; seek 0"""
    assert shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)}).stdout.strip() == decision


CHOSEN = "bootstrap: mysql.recovery.bootstrapFrom names this member"


@pytest.mark.parametrize("decision", [CHOSEN, "bootstrap: newest"])
@pytest.mark.parametrize("setting", ["custos-mysql-0", "custos-mysql-2", ""])
def test_each_start_of_a_group_uses_up_what_bootstrap_from_says(tmp_path: Path, decision: str, setting: str) -> None:
    done = bootstrap(tmp_path, setting=setting, decision=decision)
    name = "22222222-2222-2222-2222-222222222222"
    assert done.splitlines() == [
        "acquire",
        f"start {name} ON",
        f"marker {name} {setting}",
        "release",
    ]


def test_the_chosen_member_starts_no_second_group_beside_a_working_primary(tmp_path: Path) -> None:
    script = "may_serve() { [[ $1 == 2 ]]; };"
    assert bootstrap(tmp_path, script, "custos-mysql-0", CHOSEN).splitlines() == ["acquire", "release"]


@pytest.mark.parametrize(
    ("setting", "marker", "written"),
    [
        ("", "MARKER=no", "marker g "),
        ("custos-mysql-1", "MARKER=no", "marker g custos-mysql-1"),
        ("custos-mysql-1", "MARKER=yes MARKER_GROUP=g MARKER_OVERRIDE=", "marker g custos-mysql-1"),
        ("custos-mysql-1", "MARKER=yes MARKER_GROUP=g MARKER_OVERRIDE=custos-mysql-1", ""),
        ("", "MARKER=yes MARKER_GROUP=g MARKER_OVERRIDE=custos-mysql-1", "marker g "),
        ("", "MARKER=yes MARKER_GROUP=old MARKER_OVERRIDE=", "marker g "),
        ("", "return 1", "not recorded"),
    ],
)
def test_a_working_group_uses_up_what_bootstrap_from_says(
    tmp_path: Path, setting: str, marker: str, written: str
) -> None:
    """Also a value that is set, left or emptied while the group works: it must not be armed at the next outage."""
    (tmp_path / "bootstrap-from").write_text(setting)
    script = f"""source {FILES}/server.sh; source {FILES}/group.sh
        marker_read() {{ {marker}; }}; marker_write() {{ echo "marker $*"; }}
        group_record g || echo not recorded"""
    assert shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)}).stdout.strip("\n") == written


def test_the_marker_is_not_written_over_what_another_has_written() -> None:
    script = f"""source {FILES}/basics.sh; source {FILES}/lease.sh
        api() {{ API_STATUS=200 API_BODY='{{"metadata":{{"resourceVersion":"7"}},"data":{{"group":"g"}}}}'
          [[ $1 == GET ]] || {{ echo "$1 $3"; }}; }}
        marker_read; marker_write h custos-mysql-1"""
    method, _, body = shell("kubernetes.sh", script).stdout.partition(" ")
    assert method == "PUT"
    assert json.loads(body)["metadata"]["resourceVersion"] == "7"
    assert json.loads(body)["data"] == {"group": "h", "override": "custos-mysql-1"}


def test_a_label_that_cannot_be_taken_does_not_end_the_new_primarys_agent(tmp_path: Path) -> None:
    (tmp_path / "replicas").write_text("3")
    script = """role_of() { printf primary; }; patch_role() { API_STATUS=500 API_BODY='{"message":"busy"}'; false; }
        strip_others; echo goes on"""
    done = shell("agent.sh", script, {"SETTINGS_DIR": str(tmp_path), "WORK_DIR": str(tmp_path)}, check=False)
    assert done.stdout == "goes on\n", done.stderr
    assert "the label of custos-mysql-2 still says primary: the Kubernetes API answers 500: busy" in done.stderr


def accounts(tmp_path: Path, schemas: str, passwords: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What accounts_sql prints for these settings."""
    (tmp_path / "schemas").write_text(schemas)
    for service, password in passwords.items():
        (tmp_path / service).write_text(password)
    variables = {"SETTINGS_DIR": str(tmp_path), "USERS_DIR": str(tmp_path)}
    return shell("basics.sh", f"source {FILES}/accounts.sh; accounts_sql", variables)


def test_a_service_gets_its_schema_and_no_other(tmp_path: Path) -> None:
    sql = accounts(tmp_path, "custos-logging core_logging core_logging -\n", {"custos-logging": "it's"}).stdout
    assert sql.splitlines() == [
        "CREATE DATABASE IF NOT EXISTS `core_logging` CHARACTER SET utf8mb4;",
        r"CREATE USER IF NOT EXISTS 'core_logging'@'%' IDENTIFIED BY 'it\'s';",
        r"ALTER USER 'core_logging'@'%' IDENTIFIED BY 'it\'s' REQUIRE SSL ACCOUNT UNLOCK;",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES"
        r" ON `core\_logging`.* TO 'core_logging'@'%';",
    ]


def test_a_schema_may_have_a_character_set_of_its_own(tmp_path: Path) -> None:
    sql = accounts(tmp_path, "sharing core_sharing core_sharing utf8mb3\n", {"sharing": "p"}).stdout
    assert "`core_sharing` CHARACTER SET utf8mb3;" in sql


def test_a_service_without_a_password_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    done = accounts(tmp_path, "one a a -\ntwo b b -\n", {"two": "p"})
    assert "`a`" not in done.stdout and "`b`" in done.stdout
    assert "no password for one" in done.stderr


def volume(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """prepare_volume on `tmp_path`, with a mysqld that makes what the real one makes."""
    script = f"""source {FILES}/volume.sh
        initialise() {{ echo initialised; echo new >"$1/mysql.ibd"; }}
        prepare_volume"""
    return shell("basics.sh", script, {"VOLUME_DIR": str(tmp_path)}, check=False)


@pytest.mark.parametrize("there", ["nothing", "an empty data directory", "lost+found"])
def test_an_empty_volume_is_initialised(tmp_path: Path, there: str) -> None:
    if there != "nothing":
        (tmp_path / ("data" if there.endswith("directory") else there)).mkdir()
    assert volume(tmp_path).stdout == "initialised\n"
    assert (tmp_path / "data/mysql.ibd").read_text() == "new\n"


def test_what_a_killed_initialisation_left_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new/half").write_text("")
    assert volume(tmp_path).stdout == "initialised\n"
    assert not (tmp_path / "data/half").exists() and not (tmp_path / "data.new").exists()


@pytest.mark.parametrize("missing", ["root-password", "replication-password", "agent-password"])
@pytest.mark.parametrize("content", [None, ""])
def test_no_account_is_made_without_its_password(tmp_path: Path, missing: str, content: str | None) -> None:
    """An account with an empty password would let everybody in; mysqld must not even be started."""
    (tmp_path / "volume").mkdir()
    for key in ("root-password", "replication-password", "agent-password"):
        (tmp_path / key).write_text("p")
    if content is None:
        (tmp_path / missing).unlink()
    else:
        (tmp_path / missing).write_text(content)
    variables = {"VOLUME_DIR": str(tmp_path / "volume"), "RUN_DIR": str(tmp_path), "ADMIN_DIR": str(tmp_path)}
    script = f"source {FILES}/volume.sh; mysqld() {{ echo started; }}; prepare_volume"
    done = shell("basics.sh", script, variables, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert missing in done.stderr
    assert not (tmp_path / "volume/data").exists() and not (tmp_path / "accounts.sql").exists()


def test_a_member_does_not_start_a_group_without_the_password_of_replication(tmp_path: Path) -> None:
    script = f"""source {FILES}/server.sh; source {FILES}/group.sh; local_sql() {{ echo started >&2; }}
        if start_group name seeds 1 OFF; then echo entered; fi"""
    done = shell("basics.sh", script, {"ADMIN_DIR": str(tmp_path)})
    assert "entered" not in done.stdout and "started" not in done.stderr
    assert "replication-password is missing" in done.stderr


def test_a_member_can_be_asked_where_clients_have_taken_all_connections(tmp_path: Path) -> None:
    for key in ("root-password", "replication-password", "agent-password"):
        (tmp_path / key).write_text("p")
    sql = shell("basics.sh", f"source {FILES}/volume.sh; accounts_of_a_member", {"ADMIN_DIR": str(tmp_path)}).stdout
    assert "GRANT CONNECTION_ADMIN ON *.* TO 'custos_agent'@'%';" in sql.splitlines()


def test_a_volume_with_data_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/mysql.ibd").write_text("old\n")
    assert volume(tmp_path).stdout == ""
    assert (tmp_path / "data/mysql.ibd").read_text() == "old\n"


def test_files_that_are_no_data_are_neither_used_nor_deleted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/treasure").write_text("")
    done = volume(tmp_path)
    assert done.returncode == 1 and "no data directory of MySQL" in done.stderr
    assert (tmp_path / "data/treasure").exists()


@pytest.mark.parametrize("file", sorted(path.name for path in FILES.glob("*.sh")))
def test_every_script_is_strict_or_only_read_by_one_that_is(file: str) -> None:
    text = (FILES / file).read_text()
    read_by_others = any(f'source "$here/{file}"' in (FILES / main).read_text() for main in ("run.sh", "agent.sh"))
    assert "set -euo pipefail" in text or read_by_others
