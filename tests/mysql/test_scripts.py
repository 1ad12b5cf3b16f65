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
RECORDED = "yes 0 1 2"  # the marker: whether a group has worked here, and who was in it
CHOSEN = "bootstrap: mysql.recovery.bootstrapFrom names this member"
DECISIONS: list[tuple[str, list[Answer], str, str, str, str]] = [
    # what is tried, answers of 0 1 2 (we are 0), largest, marker, override, decision
    ("first start", [EMPTY, EMPTY, EMPTY], "0", "no", "", "bootstrap"),
    ("first start, one is late", [EMPTY, EMPTY, None], "0", "no", "", "wait for an answer from custos-mysql-2"),
    ("a first start that came to nothing", [EMPTY, EMPTY, EMPTY], "0", "begun 0", "", "bootstrap"),
    ("all volumes lost", [EMPTY, EMPTY, EMPTY], "0", RECORDED, "", "stop: every volume is empty"),
    ("a group works", [EMPTY, ONLINE, None], "1", RECORDED, "", "join"),
    ("a group works that has us no more", [DATA, ONLINE, None], "1", "yes 1 2", "", "join"),
    ("a group works, another override", [DATA, ONLINE, None], "1", RECORDED, "0", "join"),
    ("the group lists us", [DATA, ("ONLINE", 1, 1, "u:1-9"), ONLINE], "1", RECORDED, "", "wait until the group"),
    (
        "no majority",
        [DATA, ("ONLINE", 0, 0, "u:1-9"), DATA],
        "1",
        RECORDED,
        "",
        "wait for custos-mysql-1, which is ONLINE",
    ),
    (
        "recovering",
        [DATA, ("RECOVERING", 0, 0, ""), DATA],
        "0",
        RECORDED,
        "",
        "wait for custos-mysql-1, which is RECOV",
    ),
    ("error", [DATA, ("ERROR", 0, 0, ""), DATA], "0", RECORDED, "", "wait for custos-mysql-1, which is ERROR"),
    ("outage, we have all", [DATA, DATA, DATA], "0", RECORDED, "", "bootstrap"),
    ("outage, another has more", [DATA, DATA, DATA], "2", RECORDED, "", "wait for custos-mysql-2, which has all"),
    ("outage, one wiped", [DATA, EMPTY, DATA], "0", RECORDED, "", "bootstrap"),
    (
        "two wiped, ours may be old",
        [DATA, EMPTY, EMPTY],
        "0",
        RECORDED,
        "",
        "stop: only 1 of the 3 volumes of the last",
    ),
    ("two wiped, we are chosen", [DATA, EMPTY, EMPTY], "0", RECORDED, "0", CHOSEN),
    ("two wiped, an empty one is chosen", [DATA, EMPTY, EMPTY], "0", RECORDED, "1", "stop: only 1 of the 3"),
    ("two wiped, we are empty and chosen", [EMPTY, DATA, EMPTY], "1", RECORDED, "0", "stop: only 1 of the 3"),
    (
        "two wiped, another is chosen",
        [EMPTY, DATA, EMPTY],
        "1",
        RECORDED,
        "1",
        "wait for custos-mysql-1, which mysql.rec",
    ),
    ("a restored volume without the marker", [DATA, EMPTY, EMPTY], "0", "no", "", "bootstrap"),
    ("outage without the marker", [DATA, DATA, DATA], "0", "no", "", "bootstrap"),
    ("outage, one is silent", [DATA, DATA, None], "0", RECORDED, "", "wait for an answer from custos-mysql-2"),
    ("a marker that names nobody", [DATA, DATA, None], "0", "yes", "", "wait for an answer from custos-mysql-2"),
    ("the silent one was not in the last group", [DATA, DATA, None], "0", "yes 0 1", "", "bootstrap: this member has"),
    ("we were not in the last group", [DATA, DATA, DATA], "1", "yes 1 2", "", "wait for custos-mysql-1, which has all"),
    ("we were not, and one that was is silent", [DATA, DATA, None], "1", "yes 1 2", "", "wait for an answer from"),
    ("only we were, the others are empty", [DATA, EMPTY, EMPTY], "0", "yes 0", "", "bootstrap: this member has"),
    ("only an empty one was", [EMPTY, DATA, DATA], "0", "yes 0", "", "stop: only 0 of the 1 volumes"),
    (
        "replicas were lowered to 1",
        [DATA],
        "0",
        RECORDED,
        "",
        "stop: no answer from custos-mysql-1 custos-mysql-2, and",
    ),
    ("replicas lowered, we are chosen", [DATA], "0", RECORDED, "0", CHOSEN),
    ("scaled down to 1 while it worked", [DATA], "0", "yes 0", "", "bootstrap: this member has"),
    ("one is gone for good", [DATA, DATA, None], "0", RECORDED, "0", CHOSEN),
    ("the chosen one is another", [DATA, DATA, None], "0", RECORDED, "1", "wait for custos-mysql-1, which mysql.rec"),
    ("the chosen one is empty", [EMPTY, DATA, None], "1", RECORDED, "0", "wait for an answer from custos-mysql-2"),
    ("an override does not beat who has all", [DATA, DATA, DATA], "1", RECORDED, "0", "wait for custos-mysql-1"),
    ("diverged", [DATA, DATA, DATA], "", RECORDED, "", "stop: the members' data has diverged"),
    ("diverged, we are chosen", [DATA, DATA, DATA], "", RECORDED, "0", CHOSEN),
    ("diverged, another is chosen", [DATA, DATA, DATA], "", RECORDED, "1", "stop: the members' data has diverged"),
]
GROUP_FILES = "; ".join(f"source {FILES}/{file}.sh" for file in ("kubernetes", "lease", "server", "group"))


def found(answers: list[Answer], marker: str) -> str:
    """The shell's variables after these answers and this marker."""
    state, *members = marker.split()
    lines = [f"MARKER={state}", *(f"MEMBERS[{ordinal}]=1.5" for ordinal in members)]
    for ordinal, answer in enumerate(answers):
        if answer:
            state, working, knows_us, transactions = answer
            lines.append(f"STATE[{ordinal}]={state} WORKING[{ordinal}]={working}")
            lines.append(f"KNOWS_US[{ordinal}]={knows_us} SET[{ordinal}]={transactions} GROUP[{ordinal}]=g")
    return "; ".join(lines)


@pytest.mark.parametrize(
    ("answers", "largest", "marker", "override", "decision"),
    [pytest.param(*case[1:], id=case[0]) for case in DECISIONS],
)
def test_what_a_member_outside_of_a_group_does(
    tmp_path: Path, answers: list[Answer], largest: str, marker: str, override: str, decision: str
) -> None:
    (tmp_path / "replicas").write_text(str(len(answers)))
    script = f'{GROUP_FILES}; {found(answers, marker)}; LARGEST={largest}; decide 0 "{override}"'
    done = shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)})
    assert done.stdout.startswith(decision), done.stdout + done.stderr


def test_a_group_that_is_not_the_recorded_one_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "replicas").write_text("3")
    script = f"{GROUP_FILES}; {found([DATA, ONLINE, DATA], RECORDED)}; MARKER_GROUP=another; decide 0 ''"
    done = shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)})
    assert done.stdout.startswith("wait for custos-mysql-1, which is ONLINE in a group")


def test_only_who_was_in_the_last_group_is_compared(tmp_path: Path) -> None:
    """One that was given up may have transactions of its own: it stays outside and must not keep the others from it."""
    (tmp_path / "replicas").write_text("3")
    script = f'{GROUP_FILES}; {found([DATA, DATA, DATA], "yes 0 2")}; ask() {{ echo "$1"; ANSWER=0; }}; find_largest'
    sql = shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)}).stdout
    assert "SELECT 0 AS o" in sql and "SELECT 2 AS o" in sql and "SELECT 1 AS o" not in sql
    nobody = f"{GROUP_FILES}; MARKER=yes MEMBERS[0]=1; ask() {{ echo asked; }}; find_largest && echo nobody"
    assert shell("basics.sh", nobody, {"SETTINGS_DIR": str(tmp_path)}).stdout == "nobody\n"


@pytest.mark.parametrize(
    ("answers", "counted"),
    [
        ({0: "1|OFFLINE|0|0||u:1", 1: "2|OFFLINE|0|0||u:1", 2: "3|OFFLINE|0|0||"}, "0 1 2"),
        ({0: "1|OFFLINE|0|0||u:1", 1: "3|OFFLINE|0|0||u:1", 2: "3|OFFLINE|0|0||"}, "0 2"),  # 1 has the address of 2
        ({0: "1|OFFLINE|0|0||u:1", 2: "garbage"}, "0"),
    ],
)
def test_an_answer_counts_where_it_comes_from_who_was_asked(
    tmp_path: Path, answers: dict[int, str], counted: str
) -> None:
    (tmp_path / "replicas").write_text("3")
    for ordinal, answer in answers.items():
        (tmp_path / f"answer.{ordinal}").write_text(answer)
    script = f"""{GROUP_FILES}; find_largest() {{ :; }}
        local_sql() {{ cat "$WORK_DIR/answer.0"; }}; address_of() {{ printf %s "$1"; }}
        peer_sql() {{ (($1 != 0)) || echo "itself through the network"; cat "$WORK_DIR/answer.$1"; }}
        survey; echo "${{!STATE[@]}}" """
    variables = {"SETTINGS_DIR": str(tmp_path), "WORK_DIR": str(tmp_path)}
    assert " ".join(sorted(shell("basics.sh", script, variables).stdout.split())) == counted


@pytest.mark.parametrize(
    ("first", "second", "again"),
    [
        ("stop: they differ (a:1-5; b:1). Choose", "stop: they differ (a:1-99; b:7). Choose", False),
        ("wait for custos-mysql-1", "wait for custos-mysql-2", True),
        ("wait for (x)", "wait for (y)", False),
    ],
)
def test_a_reason_whose_numbers_change_becomes_an_event_nevertheless(first: str, second: str, again: bool) -> None:
    script = f"{GROUP_FILES}; event() {{ echo told; }}; stuck '{first}'; SECONDS=$((SECONDS + 20)); stuck '{second}'"
    assert shell("basics.sh", script).stdout == ("" if again else "told\n")


@pytest.mark.parametrize(
    ("status", "address"), [("404", ""), ("000", "10.0.0.9"), ("403", "10.0.0.9"), ("500", "10.0.0.9")]
)
def test_dns_is_asked_where_the_api_does_not_say(status: str, address: str) -> None:
    script = (
        f"""api() {{ API_STATUS={status}; false; }}; timeout() {{ echo '10.0.0.9 STREAM'; }}; address_of 1 || true"""
    )
    assert shell("kubernetes.sh", script).stdout == address


# The marker's members, the view of the primary (which is 0), seconds since it saw that first, members afterwards.
RECORDS: list[tuple[str, str, int, str]] = [
    ("0=1.5 1=1.5 2=1.5", "0 1 2", 0, "0 1 2"),
    ("0=1.5", "0 1 2", 0, "0 1 2"),  # whoever is in the group stands in the marker
    ("0=1.5 1=1.5 2=1.5", "0 1", 0, "0 1 2"),  # it may be about to enter
    ("0=1.5 1=1.5 2=1.5", "0 1", 29, "0 1 2"),
    ("0=1.5 1=1.5 2=1.5", "0 1", 30, "0 1"),
    ("0=1.5 1=1.5 2=left", "0 1", 0, "0 1"),
    ("0=1.5 1=1.5 2=left", "0 1 2", 60, "0 1 2"),  # not before it has really left
    ("0=left 1=left 2=left", "0", 0, "0"),
    ("0=1.5 1=1.5 2=1.5", "", 60, "0 1 2"),  # no majority, no primary: nothing is taken out
    ("0=1.5 1=1.5 2=1.5", "1 2", 60, "0 1 2"),
]


@pytest.mark.parametrize(("members", "view", "seconds", "after"), RECORDS)
def test_the_primary_takes_out_of_the_marker_who_has_left(
    tmp_path: Path, members: str, view: str, seconds: int, after: str
) -> None:
    (tmp_path / "bootstrap-from").write_text("")
    script = f"""{GROUP_FILES}; now="{members}"
        marker_read() {{ MARKER=yes MARKER_GROUP=g MARKER_VERSION=1 MEMBERS=()
          for entry in $now; do MEMBERS[${{entry%%=*}}]=${{entry#*=}}; done; }}
        marker_write() {{ now=''; for i in "${{!MEMBERS[@]}}"; do now+="$i=${{MEMBERS[$i]}} "; done; }}
        ask() {{ ANSWER="{view}"; }}
        group_record g 0 || true; SECONDS=$((SECONDS + {seconds})); group_record g 0 || true
        for entry in $now; do echo "${{entry%%=*}}"; done"""
    done = shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)})
    assert " ".join(sorted(done.stdout.split())) == after


def test_a_member_that_enters_anew_is_given_its_time_again(tmp_path: Path) -> None:
    (tmp_path / "bootstrap-from").write_text("")
    script = f"""{GROUP_FILES}; token=1.5
        marker_read() {{ MARKER=yes MARKER_GROUP=g MARKER_VERSION=1 MEMBERS=(); MEMBERS[0]=1; MEMBERS[1]=$token; }}
        marker_write() {{ echo taken out; }}; ask() {{ ANSWER=0; }}
        group_record g 0; SECONDS=$((SECONDS + 29)); token=2.5; group_record g 0
        SECONDS=$((SECONDS + 29)); group_record g 0; echo still there; SECONDS=$((SECONDS + 1)); group_record g 0"""
    assert shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)}).stdout == "still there\ntaken out\n"


def entering(tmp_path: Path, script: str = "", marker: str = "yes 1 2") -> list[str]:
    """Runs `join 0` after `script`; what it writes to the marker and what it starts, a line each."""
    (tmp_path / "replicas").write_text("3")
    around = f"""{GROUP_FILES}; {found([DATA, ONLINE, None], marker)}; MARKER_GROUP=g ADDRESS[1]=10.0.0.7
        subset() {{ true; }}; marker_write() {{ echo "marker $1 ${{MEMBERS[0]:+with us}}"; }}
        start_group() {{ echo "start $1 $2 $4"; }}; api_error() {{ :; }}; event() {{ :; }}
        {script}"""
    variables = {"SETTINGS_DIR": str(tmp_path)}
    return shell("basics.sh", f"{around}\njoin 0", variables).stdout.splitlines()


def test_a_member_enters_only_once_the_marker_names_it(tmp_path: Path) -> None:
    assert entering(tmp_path) == ["marker g with us", "start g 10.0.0.7:33061 OFF"]
    assert entering(tmp_path, marker="yes 0 1 2") == ["marker g with us", "start g 10.0.0.7:33061 OFF"]
    for status in ("000", "403", "409", "500"):
        assert entering(tmp_path, f"marker_write() {{ API_STATUS={status}; false; }}") == []
    assert entering(tmp_path, "marker_write() { SECONDS=$((SECONDS + 10)); }") == []
    assert entering(tmp_path, marker="no") == []


def test_a_marker_of_an_older_release_that_names_nobody_comes_to_name_all(tmp_path: Path) -> None:
    script = "marker_write() { echo ${#MEMBERS[@]}; };"
    assert entering(tmp_path, script, "yes")[0] == "3"
    assert entering(tmp_path, script, "yes 1")[0] == "2"


def test_nobody_enters_or_starts_a_group_without_the_api(tmp_path: Path) -> None:
    script = f"""{GROUP_FILES}; marker_read() {{ API_STATUS=000; false; }}; survey() {{ echo asked; }}
        join() {{ echo joined; }}; bootstrap() {{ echo started; }}; api_error() {{ :; }}; seek 0"""
    done = shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)})
    assert done.stdout == "" and "wait for the Kubernetes API" in done.stderr


def test_a_member_that_leaves_says_so_in_the_marker() -> None:
    script = f"""{GROUP_FILES}
        marker_read() {{ MARKER=yes MARKER_GROUP=g MARKER_OVERRIDE=o; MEMBERS[0]=1.5 MEMBERS[1]=1.5; }}
        tries=0; marker_write() {{ echo "$* ${{MEMBERS[0]}} ${{MEMBERS[1]}}"; API_STATUS=409; ((++other == 2)); }}
        other=0; marker_leave 1"""
    assert shell("basics.sh", script).stdout == "g o yes 1.5 left\ng o yes 1.5 left\n"


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
        marker_read() { MARKER=yes MARKER_GROUP=11111111-1111-1111-1111-111111111111; MEMBERS[0]=1 MEMBERS[1]=1; }
        marker_write() { echo "marker $*: ${!MEMBERS[*]}"; }
        may_serve() { false; }
        WORK_DIR=$SETTINGS_DIR SET[0]=u:1
    """
    script = f"{GROUP_FILES}; {around} {script} bootstrap 0"
    return shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path), "decision": decision}).stdout


def test_a_group_that_begins_again_takes_a_new_name(tmp_path: Path) -> None:
    """Under its old name it would number new transactions as some that a member outside still has."""
    assert "start 22222222-2222-2222-2222-222222222222 ON\n" in bootstrap(tmp_path)


@pytest.mark.parametrize(
    ("marker", "data", "started"), [("no", "", "no"), ("no", "u:1", "yes"), ("begun", "", "no"), ("yes", "", "yes")]
)
def test_a_first_group_that_nobody_saw_at_work_does_not_count(
    tmp_path: Path, marker: str, data: str, started: str
) -> None:
    script = f"marker_read() {{ MARKER={marker}; }}; SET[0]={data};"
    assert f" {started}: 0\n" in bootstrap(tmp_path, script)


def test_a_group_is_not_started_where_the_marker_has_changed_since_the_decision(tmp_path: Path) -> None:
    script = "marker_write() { API_STATUS=409 API_BODY=; false; };"
    assert bootstrap(tmp_path, script).splitlines() == ["acquire", "release"]


@pytest.mark.parametrize("decision", [CHOSEN, "bootstrap: newest"])
@pytest.mark.parametrize("setting", ["custos-mysql-0", "custos-mysql-2", ""])
def test_each_start_of_a_group_uses_up_what_bootstrap_from_says(tmp_path: Path, decision: str, setting: str) -> None:
    done = bootstrap(tmp_path, setting=setting, decision=decision)
    name = "22222222-2222-2222-2222-222222222222"
    assert done.splitlines() == [
        "acquire",
        f"marker {name} {setting} yes: 0",  # before the group is there; from now on the others need not be asked
        f"start {name} ON",
        "release",
    ]


def test_the_chosen_member_starts_no_second_group_beside_a_working_primary(tmp_path: Path) -> None:
    script = "may_serve() { [[ $1 == 2 ]]; };"
    assert bootstrap(tmp_path, script, "custos-mysql-0", CHOSEN).splitlines() == ["acquire", "release"]


@pytest.mark.parametrize(
    ("setting", "marker", "written"),
    [
        ("", "MARKER=no", "marker g  yes"),
        ("", "MARKER=begun MARKER_GROUP=g", "marker g  yes"),
        ("custos-mysql-1", "MARKER=no", "marker g custos-mysql-1 yes"),
        ("custos-mysql-1", "MARKER=yes MARKER_GROUP=g MARKER_OVERRIDE=", "marker g custos-mysql-1 yes"),
        ("custos-mysql-1", "MARKER=yes MARKER_GROUP=g MARKER_OVERRIDE=custos-mysql-1", ""),
        ("", "MARKER=yes MARKER_GROUP=g MARKER_OVERRIDE=custos-mysql-1", "marker g  yes"),
        ("", "MARKER=yes MARKER_GROUP=another MARKER_OVERRIDE=", "not recorded: 2"),  # people chose that one
        ("", "return 1", "not recorded: 1"),
    ],
)
def test_a_working_group_uses_up_what_bootstrap_from_says(
    tmp_path: Path, setting: str, marker: str, written: str
) -> None:
    """Also a value that is set, left or emptied while the group works: it must not be armed at the next outage."""
    (tmp_path / "bootstrap-from").write_text(setting)
    script = f"""{GROUP_FILES}
        marker_read() {{ {marker}; MEMBERS[0]=1; }}; marker_write() {{ echo "marker $*"; }}; ask() {{ ANSWER=0; }}
        group_record g 0 || echo "not recorded: $?" """
    assert shell("basics.sh", script, {"SETTINGS_DIR": str(tmp_path)}).stdout.strip("\n") == written


def test_the_marker_is_not_written_over_what_another_has_written() -> None:
    script = f"""source {FILES}/basics.sh; source {FILES}/lease.sh
        api() {{ API_STATUS=200 API_BODY='{{"metadata":{{"resourceVersion":"7"}},"data":{{"group":"g",'
          API_BODY+='"members":"0=1.5 2=left"}}}}'
          [[ $1 == GET ]] || {{ echo "$1 $3"; }}; }}
        marker_read; MEMBERS[1]=2.5; marker_write h custos-mysql-1 yes"""
    method, _, body = shell("kubernetes.sh", script).stdout.partition(" ")
    assert method == "PUT"
    assert json.loads(body)["metadata"]["resourceVersion"] == "7"
    assert json.loads(body)["data"] == {
        "group": "h",
        "override": "custos-mysql-1",
        "members": "0=1.5 1=2.5 2=left",
        "started": "yes",
    }


def test_a_label_that_cannot_be_taken_does_not_end_the_new_primarys_agent(tmp_path: Path) -> None:
    (tmp_path / "replicas").write_text("3")
    script = """role_of() { printf primary; }; patch_role() { API_STATUS=500 API_BODY='{"message":"busy"}'; false; }
        strip_others; echo goes on"""
    done = shell("agent.sh", script, {"SETTINGS_DIR": str(tmp_path), "WORK_DIR": str(tmp_path)}, check=False)
    assert done.stdout == "goes on\n", done.stderr
    assert "the label of custos-mysql-2 still says primary: the Kubernetes API answers 500: busy" in done.stderr


def service_sql(line: str, applied: str = "") -> str:
    """What service_sql prints for these arguments, where the group remembers `applied`."""
    return shell("basics.sh", f"source {FILES}/accounts.sh; {applied} service_sql {line}").stdout


@pytest.mark.parametrize(
    ("restoring", "more"),
    [
        ("false", ""),
        (
            "true",
            ", INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE VIEW, CREATE ROUTINE,"
            " ALTER ROUTINE, SET_ANY_DEFINER",
        ),
    ],
)
def test_backups_read_everything_and_write_only_while_a_restore_brings_data_back(restoring: str, more: str) -> None:
    said = shell("basics.sh", f'source {FILES}/accounts.sh; backup_sql "it\'s" {restoring}').stdout
    assert said.splitlines()[:-1] == [
        r"CREATE USER IF NOT EXISTS 'custos_backup'@'%' IDENTIFIED BY 'it\'s';",
        r"ALTER USER 'custos_backup'@'%' IDENTIFIED BY 'it\'s' REQUIRE SSL ACCOUNT UNLOCK;",
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'custos_backup'@'%';",
        f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS{more} ON *.* TO 'custos_backup'@'%';",
    ]


def test_a_service_gets_its_schema_and_no_other() -> None:
    assert service_sql('custos-logging core_logging core_logging - "it\'s"').splitlines()[:-1] == [
        "CREATE DATABASE IF NOT EXISTS `core_logging` CHARACTER SET utf8mb4;",
        r"CREATE USER IF NOT EXISTS 'core_logging'@'%' IDENTIFIED BY 'it\'s';",
        r"ALTER USER 'core_logging'@'%' IDENTIFIED BY 'it\'s' RETAIN CURRENT PASSWORD;",
        "ALTER USER 'core_logging'@'%' REQUIRE SSL ACCOUNT UNLOCK;",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES"
        r" ON `core\_logging`.* TO 'core_logging'@'%';",
    ]


def test_the_same_password_is_not_set_again_for_that_would_end_the_former_one() -> None:
    same = 'APPLIED["password:u"]=$(sum_of u p);'
    assert "RETAIN" not in service_sql("one s u - p", same)
    assert "RETAIN CURRENT PASSWORD" in service_sql("one s u - another", same)


def test_a_schema_may_have_a_character_set_of_its_own() -> None:
    assert "`core_sharing` CHARACTER SET utf8mb3;" in service_sql("sharing core_sharing core_sharing utf8mb3 p")


def apply_accounts(tmp_path: Path, script: str = "") -> subprocess.CompletedProcess[str]:
    """Runs accounts_apply for the services one (without a password), two and three; prints what is made."""
    (tmp_path / "schemas").write_text("one a a -\ntwo b b -\nthree c c -\n")
    (tmp_path / "two").write_text("p")
    (tmp_path / "three").write_text("p")
    around = f"""source {FILES}/accounts.sh; ask() {{ ANSWER=0; }}; event() {{ echo "$2: $3"; }}
        local_sql() {{ local sql; sql=$(cat); [[ $sql != *SELECT\\ name* ]] || return 0
          [[ $sql != *FAILS* ]] || {{ echo "ERROR 1064 (42000) at line 1: check the manual near 'SECRET'"; return 1; }}
          [[ $sql =~ DATABASE\\ IF[^\\`]*\\`([^\\`]*) ]] && echo "made ${{BASH_REMATCH[1]}}" >&2 || true; }}
        {script}
        accounts_apply || echo "incomplete, ${{#APPLIED[@]}} made" """
    return shell("basics.sh", around, {"SETTINGS_DIR": str(tmp_path), "USERS_DIR": str(tmp_path)})


def test_a_service_that_cannot_be_made_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    done = apply_accounts(
        tmp_path, 'service_sql() { [[ $1 != two ]] || echo FAILS; echo "DATABASE IF NOT \\`$2\\`"; };'
    )
    assert "made c" in done.stderr and "made a" not in done.stderr and "made b" not in done.stderr
    assert "AccountsFailed" in done.stdout and "no key one" in done.stdout
    assert "two: ERROR 1064 (42000) at line 1: check the manual" in done.stdout
    assert "SECRET" not in done.stdout + done.stderr  # what the server quotes of a statement may be a password
    assert "incomplete, 1 made" in done.stdout


@pytest.mark.parametrize(
    ("free", "full"),  # MiB, one after the other
    [
        ([500], ["no"]),
        ([63], ["full"]),
        ([64], ["no"]),
        ([63, 127, 128, 64], ["full", "full", "no", "no"]),
        ([0], ["full"]),
    ],
)
def test_a_volume_is_full_until_there_is_room_again(tmp_path: Path, free: list[int], full: list[str]) -> None:
    looks = "; ".join(
        f'echo {mib << 20} {1 << 30} >"$RUN_DIR/space"; volume_full && echo full || echo no' for mib in free
    )
    assert shell("agent.sh", looks, {"RUN_DIR": str(tmp_path)}).stdout.split() == full
    assert shell("agent.sh", "volume_full || echo unknown", {"RUN_DIR": str(tmp_path / "none")}).stdout == "unknown\n"


@pytest.mark.parametrize(
    ("role", "members", "unreachable", "replicas", "free", "done"),
    [
        ("SECONDARY", 3, 0, "2", 30, "killed"),
        ("SECONDARY", 2, 0, "", 30, "stays"),  # the other one alone would not survive anything
        ("SECONDARY", 3, 1, "2", 30, "stays"),
        ("PRIMARY", 3, 0, "2", 30, "handed over, killed"),
        ("PRIMARY", 3, 0, "2", 0, "killed"),
        ("PRIMARY", 3, 0, "", 30, "stays"),  # the others are full as well
        ("PRIMARY", 2, 0, "2", 30, "stays"),
    ],
)
def test_who_makes_way_for_the_others_when_its_volume_is_full(
    tmp_path: Path, role: str, members: int, unreachable: int, replicas: str, free: int, done: str
) -> None:
    (tmp_path / "replicas").write_text("3")
    script = f"""member_role={role} members={members} unreachable={unreachable} FREE={free}
        event() {{ :; }}; set_label() {{ :; }}; hand_over() {{ echo handed over; }}; have_killed() {{ echo killed; }}
        role_of() {{ [[ " {replicas} " != *" $1 "* ]] || printf replica; }}; make_way || echo stays"""
    output = shell("agent.sh", script, {"SETTINGS_DIR": str(tmp_path)}).stdout
    assert ", ".join(output.splitlines()) == done


@pytest.mark.parametrize(("made", "labelled"), [("", False), ("APPLIED[accounts]=old;", True)])
def test_a_primary_without_all_accounts_serves_those_that_are_there(made: str, labelled: bool) -> None:
    script = f"""accounts_apply() {{ {made} false; }}; record() {{ :; }}; strip_others() {{ :; }}
        set_label() {{ echo "label $1"; }}; lead"""
    assert shell("agent.sh", script).stdout == ("label primary\n" if labelled else "")


@pytest.mark.parametrize(
    ("role", "label", "unreachable", "seconds"),
    [
        ("replica", "replica", 0, "0.3"),
        ("primary", "primary", 0, "0.3"),
        ("replica", "replica", 1, "0.1"),  # who may be the primary in a second
        ("primary", "replica", 0, "0.1"),
        ("replica", "unknown", 0, "0.1"),
        ("", "", 0, "0.1"),  # outside of the group
    ],
)
def test_a_change_is_looked_at_more_often(role: str, label: str, unreachable: int, seconds: str) -> None:
    script = f"role='{role}' label='{label}' unreachable={unreachable}; interval; echo $REPLY"
    assert shell("agent.sh", script).stdout == f"{seconds}\n"


def volume(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """prepare_volume on `tmp_path`, with a mysqld that makes what the real one makes."""
    script = f"""source {FILES}/volume.sh
        initialise() {{ echo initialised; echo new >"$1/mysql.ibd"; }}
        prepare_volume"""
    variables = {"VOLUME_DIR": str(tmp_path), "RUN_DIR": str(tmp_path)}
    return shell("basics.sh", script, variables, check=False)


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


HISTORY = '{"upgrade_history":[{"version":"8.4.6","initialize":true,"u":[{"version_with_update":"8.4.6.0"}]},%s]}'


@pytest.mark.parametrize(
    ("own", "newest", "refused"),
    [
        ("9.7.4", "9.7.4-2", False),
        ("9.7.3", "9.7.4-2", False),  # within one release
        ("9.10.1", "9.7.4-2", False),
        ("8.4.6", "9.7.4-2", True),
        ("9.7.4", "9.10.0", True),
        ("9.7.4", None, False),  # no list: data of before 8.4
    ],
)
def test_an_older_mysqld_does_not_touch_newer_data(tmp_path: Path, own: str, newest: str | None, refused: bool) -> None:
    (tmp_path / "data").mkdir()
    if newest:
        (tmp_path / "data/mysql_upgrade_history").write_text(HISTORY % f'{{"version":"{newest}"}}')
    script = f"""source {FILES}/volume.sh; mysqld() {{ echo "/usr/sbin/mysqld  Ver {own} for Linux on x86_64 (X)"; }}
        refuse_newer_data; echo goes on"""
    variables = {"VOLUME_DIR": str(tmp_path), "RUN_DIR": str(tmp_path)}
    done = shell("basics.sh", script, variables, check=False)
    assert (done.returncode == 1) is refused and (done.stdout == "goes on\n") is not refused, done.stderr
    if refused:
        assert "no older release can open it. Nothing has been changed" in (tmp_path / "failure").read_text()


def restarts(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Runs run.sh's main with a mysqld that is `script`; nothing in it waits."""
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    around = f"""prepare_volume() {{ :; }}; obey() {{ :; }}; watch_space() {{ :; }}; sleep() {{ echo "pause $1"; }}
        mysqld() {{ {script}; }}; main"""
    return shell("run.sh", around, {"RUN_DIR": str(run), "VOLUME_DIR": str(tmp_path)}, check=False)


def test_a_mysqld_that_is_killed_again_and_again_surfaces(tmp_path: Path) -> None:
    """As for lack of memory: the kubelet's restarts show that, a loop of ours would not."""
    done = restarts(tmp_path, "exit 137")
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith("pause")] == [
        f"pause {i}" for i in range(1, 5)
    ]
    failure = (tmp_path / "run/failure").read_text()
    assert "mysqld has ended 5 times within" in failure and "status 137" in failure and "are free" in failure


def test_a_mysqld_that_the_agent_had_killed_starts_again_at_once(tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = f"""echo x >>{count}; (($(wc -l <{count}) < 8)) || {{ kill -TERM "$MYSQLD_PARENT_PID"; exit 0; }}
        : >"$RUN_DIR/killed"; exit 137"""
    done = restarts(tmp_path, script)
    assert done.returncode == 0 and "pause 1" not in done.stdout, done.stderr
    assert len(count.read_text().split()) == 8


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


@pytest.mark.parametrize(
    ("seconds", "group", "order"),
    [(1, "g", "label record"), (4, "g", "record label"), (1, "another", "record label")],
)
def test_a_marker_read_while_the_old_primary_was_unreachable_need_not_be_read_again(
    seconds: int, group: str, order: str
) -> None:
    script = f"""marker_read() {{ MARKER=yes MARKER_GROUP=g; }}; ask() {{ ANSWER={group}; }}; accounts_apply() {{ :; }}
        record() {{ echo record; }}; set_label() {{ [[ $1 != primary ]] || echo label; }}; strip_others() {{ :; }}
        accounts_want() {{ :; }}
        unreachable=1; follow; SECONDS=$((SECONDS + {seconds})); lead"""
    assert " ".join(shell("agent.sh", script).stdout.split()) == order
