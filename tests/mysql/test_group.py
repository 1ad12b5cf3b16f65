"""Real members of a group: what is killed, cut off, deleted or wiped comes back, and no acknowledged row is lost.

The tests of this module share one group and leave it as they found it.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.mysql.rig import NAMESPACE, PASSWORD, STATEFULSET, Member, Rig, renew, wait_for

pytestmark = pytest.mark.lab

CLONE_THRESHOLD = 1000  # of group.sh


@pytest.fixture(autouse=True)
def whole(rig: Rig) -> None:
    """Every test begins with a whole group."""
    wait_for("a whole group before the test", rig.settled)


def primary(rig: Rig) -> Member:
    """The primary, once there is exactly one."""
    member = wait_for("one primary", rig.primary)
    assert member
    return member


def secondary(rig: Rig) -> Member:
    """One of the others."""
    leader = primary(rig)
    return next(member for member in rig.members if member is not leader)


def transactions(member: Member) -> str:
    """What the member has executed."""
    return member.sql("SELECT @@gtid_executed")


def while_writing(rig: Rig, fault: Callable[[], None]) -> dict[str, object]:
    """Causes the fault while rows are written, waits until the group is whole; returns the writer's report."""
    progress = rig.folder / "progress"
    progress.unlink(missing_ok=True)
    writer = rig.writer([f"--progress={progress}"])
    wait_for("the first row", progress.exists)
    fault()
    wait_for("a whole group after the fault", rig.settled)
    before = progress.stat().st_mtime_ns
    wait_for("rows after the fault", lambda: progress.stat().st_mtime_ns > before)
    rig.run(["pkill", "-TERM", "--full", str(progress)])
    output, _ = writer.communicate(timeout=150)
    report: dict[str, object] = json.loads(output)
    assert report["missing"] == [], report
    return report


def level(rig: Rig) -> None:
    """Waits until all members have applied the same transactions."""
    wait_for("all members to be level", lambda: len({transactions(member) for member in rig.members}) == 1)


def everywhere(rig: Rig) -> set[str]:
    """The table's contents as each member has them, once all have applied the same transactions."""
    level(rig)
    table = rig.schemas[0].split()[1]
    return {member.sql(f"CHECKSUM TABLE {table}.writes_of_the_test") for member in rig.members}


def test_a_service_may_use_its_schema_over_tls_and_nothing_else(rig: Rig) -> None:
    service, schema, user, _ = rig.schemas[0].split()
    client = ["mysql", "--no-defaults", f"--host={primary(rig).address}", f"--user={user}"]
    client += [f"--password={service}-of-the-rig", "--batch", "--skip-column-names"]

    def ask(sql: str, *options: str) -> subprocess.CompletedProcess[str]:
        return rig.run(rig.members[0].inside([*client, *options]), sql, check=False)

    table = f"{schema}.tried"
    done = ask(f"CREATE TABLE {table} (name TEXT); INSERT INTO {table} VALUES ('it'); SELECT name FROM {table};")
    assert done.stdout == "it\n", done.stderr  # without a primary key too
    for sql in (
        f"DROP TABLE {table}",
        "CREATE DATABASE other",
        "SELECT * FROM mysql.user",
        "SET GLOBAL read_only = ON",
    ):
        assert "denied" in ask(sql).stderr, sql
    assert "denied" in ask("SELECT 1", "--ssl-mode=DISABLED").stderr


def test_empty_volumes_hold_no_transactions_of_their_own(rig: Rig) -> None:
    group = primary(rig).sql("SELECT @@group_replication_group_name")
    for member in rig.members:
        assert {part.split(":")[0].strip() for part in transactions(member).split(",")} == {group}


def test_mysqld_of_the_primary_is_killed(rig: Rig) -> None:
    before = primary(rig)
    while_writing(rig, before.kill_mysqld)
    assert primary(rig) is not before
    assert len(everywhere(rig)) == 1


def test_mysqld_of_a_secondary_is_killed(rig: Rig) -> None:
    before = primary(rig)
    while_writing(rig, secondary(rig).kill_mysqld)
    assert primary(rig) is before


def test_the_primary_is_cut_off(rig: Rig) -> None:
    before = primary(rig)

    def cut() -> None:
        before.cut()
        wait_for("another primary", lambda: rig.primary() not in (None, before))
        before.mend()

    while_writing(rig, cut)
    assert len(everywhere(rig)) == 1


def test_the_primary_is_deleted_and_hands_over(rig: Rig) -> None:
    before = primary(rig)

    def delete() -> None:
        before.terminate()
        before.kill()
        rig.create_pod(before)
        before.start()

    while_writing(rig, delete)
    assert "handing the primary's role to" in before.log("agent")
    assert primary(rig) is not before


def test_all_members_are_deleted_at_once(rig: Rig) -> None:
    def delete() -> None:
        for member in rig.members:
            rig.kubectl(["delete", "pod", "-n", NAMESPACE, member.name, "--wait=false", "--grace-period=100"])
        with ThreadPoolExecutor(len(rig.members)) as pool:
            list(pool.map(Member.terminate, rig.members))
        for member in rig.members:
            member.kill()
            rig.create_pod(member)
            member.start()

    while_writing(rig, delete)
    assert len(everywhere(rig)) == 1


def test_all_members_lose_power_at_once(rig: Rig) -> None:
    def cut() -> None:
        for member in rig.members:
            member.kill()
        for member in rig.members:
            member.start()

    while_writing(rig, cut)
    assert len(everywhere(rig)) == 1


def test_a_survivor_does_not_wait_for_a_majority_that_is_gone(rig: Rig) -> None:
    survivor = rig.members[2]

    def kill() -> None:
        for member in rig.members[:2]:
            member.kill_mysqld()

    while_writing(rig, kill)
    assert "killing mysqld: the majority is gone" in survivor.log("mysql")
    assert len(everywhere(rig)) == 1


def test_a_wiped_member_is_made_a_clone(rig: Rig) -> None:
    wiped = secondary(rig)
    schema = rig.schemas[0].split()[1]
    rows = "".join(f"INSERT INTO {schema}.many VALUES ({number});\n" for number in range(CLONE_THRESHOLD + 1))
    primary(rig).sql(f"CREATE TABLE {schema}.many (number INT PRIMARY KEY);\n{rows}")

    def wipe() -> None:
        wiped.terminate()
        wiped.kill()
        wiped.wipe()
        wiped.start()

    while_writing(rig, wipe)
    assert "recovery using clone" in wiped.log("mysql")
    assert len(everywhere(rig)) == 1
    assert wiped.sql(f"SELECT COUNT(*) FROM {schema}.many") == str(CLONE_THRESHOLD + 1)


def test_a_member_with_transactions_of_its_own_stays_outside_and_keeps_them(rig: Rig) -> None:
    errant = secondary(rig)
    errant.terminate()
    errant.kill()
    errant.start("mysql")
    wait_for("mysqld", lambda: errant.sql("SELECT 1", check=False) == "1")
    errant.sql("SET GLOBAL super_read_only = OFF; CREATE DATABASE errant; SET GLOBAL super_read_only = ON")
    errant.start("agent")
    wait_for("the event", lambda: any("holds transactions that the group lacks" in event for event in rig.events()))
    assert errant.sql("SHOW DATABASES LIKE 'errant'") == "errant"
    assert rig.roles()[errant.name] == ""
    # The procedure of the message: the claim and the pod are deleted.
    errant.terminate()
    errant.kill()
    errant.wipe()
    errant.start()
    wait_for("a whole group", rig.settled)
    assert errant.sql("SHOW DATABASES LIKE 'errant'") == ""


def test_an_api_server_that_is_down_disturbs_nobody_who_has_a_primary(rig: Rig) -> None:
    def stop_api() -> None:
        rig.shell("pkill -9 -x kube-apiserver")
        wait_for("writes without the API", lambda: secondary_level(rig, before))
        rig.api_start()

    leader, before = primary(rig), transactions(rig.members[0])
    report = while_writing(rig, stop_api)
    assert primary(rig) is leader
    assert report["gaps"] == []


def secondary_level(rig: Rig, before: str) -> bool:
    """True when every member has executed more than `before`."""
    return all(transactions(member) != before for member in rig.members)


def test_one_member_is_gone_for_good(rig: Rig) -> None:
    gone, rest = rig.members[2], rig.members[:2]
    for member in rig.members:
        member.kill()
    for member in rest:
        member.start()
    wait_for("the question", lambda: any("name the one to start from" in event for event in rig.events()))
    assert set(rig.roles().values()) <= {"", "primary", "replica"} and not running(rest)
    rig.set("bootstrap-from", rest[1].name)
    wait_for("a group of two", lambda: sorted(rig.roles()[member.name] for member in rest) == ["primary", "replica"])
    marker = json.loads(rig.kubectl(["get", "configmap", "-n", NAMESPACE, f"{STATEFULSET}-group", "-o", "json"]))
    assert marker["data"]["override"] == rest[1].name
    gone.start()
    wait_for("the third", rig.settled)
    # The word has been used up: at the next outage it counts no more.
    for member in rig.members:
        member.kill()
    for member in rest:
        member.start()
    wait_for("both to wait", lambda: all(waits(member) for member in rest))
    assert not running(rest)
    gone.start()
    wait_for("a whole group", rig.settled)
    rig.set("bootstrap-from", "")


def test_a_member_whose_data_was_given_up_does_not_return_unseen(rig: Rig) -> None:
    """The new group must not number its transactions as those that only the member left behind has."""
    left, rest = rig.members[2], rig.members[:2]
    primary(rig).sql("CREATE DATABASE IF NOT EXISTS numbered")  # a group that has only begun has no transaction yet
    level(rig)
    name = primary(rig).sql("SELECT @@group_replication_group_name")
    for member in rig.members:
        member.kill()
    left.start("mysql")
    wait_for("mysqld", lambda: left.sql("SELECT 1", check=False) == "1")
    newest = max(
        int(part)
        for part in left.sql(f"SELECT REGEXP_SUBSTR(@@gtid_executed, '{name}[-:0-9]*')")
        .replace(f"{name}:", "")
        .replace("-", ":")
        .split(":")
    )
    left.sql(f"SET GTID_NEXT = '{name}:{newest + 1}'; SET GLOBAL super_read_only = OFF; CREATE DATABASE left_behind")
    left.kill()
    rig.set("bootstrap-from", rest[0].name)
    for member in rest:
        member.start()
    wait_for("a group of two", lambda: sorted(rig.roles()[member.name] for member in rest) == ["primary", "replica"])
    for number in range(3):
        primary(rig).sql(f"CREATE DATABASE after_{number}")
    left.start()
    wait_for(
        "the event", lambda: f"{name}:1-{newest + 1}" in left.log("agent") and "stays outside" in left.log("agent")
    )
    assert rig.roles()[left.name] == "" and left.sql("SHOW DATABASES LIKE 'left_behind'") == "left_behind"
    left.terminate()
    left.kill()
    left.wipe()
    rig.set("bootstrap-from", "")
    left.start()
    wait_for("a whole group", rig.settled)


def running(members: list[Member]) -> bool:
    """True when one of them is in a group."""
    query = "SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE member_state = 'ONLINE'"
    return any(member.sql(query, check=False) not in ("", "0") for member in members)


def waits(member: Member) -> bool:
    """True when the newest start of the member's agent waits for answers."""
    newest = member.log("agent").rpartition(f"member {member.ordinal} of")[2]
    return "wait for an answer from" in newest


def remove(members: list[Member]) -> None:
    """What Kubernetes does to the pods of a StatefulSet that is scaled down: all at once; claims stay."""
    for member in members:
        rig = member.rig
        rig.kubectl(["delete", "pod", "-n", NAMESPACE, member.name, "--wait=false", "--grace-period=100"])
    with ThreadPoolExecutor(len(members)) as pool:
        list(pool.map(Member.terminate, members))
    for member in members:
        member.kill()
        member.rig.kubectl(
            ["delete", "pod", "-n", NAMESPACE, member.name, "--ignore-not-found", "--grace-period=0", "--force"]
        )


def bring(member: Member) -> None:
    """A new pod on the member's claim."""
    member.rig.create_pod(member)
    member.start()


def test_one_machine_is_drained_and_another_members_mysqld_ends(rig: Rig) -> None:
    """The two that remain were the whole last group: they go on without a person."""
    drained = rig.members[2]
    remove([drained])
    wait_for("the record of two", lambda: rig.recorded() == {0, 1})
    rest = rig.members[:2]
    for victim in (secondary_of(rest, rig), primary(rig)):
        crash(victim)
        wait_for("both", lambda: sorted(rig.roles()[member.name] for member in rest) == ["primary", "replica"])
    bring(drained)


def crash(member: Member) -> None:
    """kill -9 of the member's mysqld; waits until its labels are no longer those of before."""
    before = member.mysqld()
    member.kill_mysqld()
    wait_for("another mysqld", lambda: member.mysqld() not in ("", before))
    wait_for("the label to go", lambda: member.rig.roles()[member.name] == "")


def secondary_of(members: list[Member], rig: Rig) -> Member:
    """The one of these that is not the primary."""
    return next(member for member in members if member is not primary(rig))


def test_a_member_that_died_is_no_longer_waited_for(rig: Rig) -> None:
    dead, rest = rig.members[2], rig.members[:2]
    dead.kill()
    wait_for("the record of two", lambda: rig.recorded() == {0, 1})
    for member in rest:
        member.kill()
    for member in rest:
        member.start()
    wait_for("the labels of before to go", lambda: {rig.roles()[member.name] for member in rest} == {""})
    wait_for("both", lambda: sorted(rig.roles()[member.name] for member in rest) == ["primary", "replica"])
    dead.start()


def test_replicas_that_are_lowered_during_an_outage_start_nobody_without_those_above(rig: Rig) -> None:
    wait_for("the record of three", lambda: rig.recorded() == {0, 1, 2})
    for member in rig.members:
        member.kill()
    rig.set("replicas", "1")
    rig.members[0].start()
    wait_for("the refusal", lambda: any("and mysql.replicas is only 1" in event for event in rig.events()))
    assert not running(rig.members[:1])
    rig.set("replicas", "3")
    for member in rig.members[1:]:
        member.start()


def test_a_group_is_scaled_down_to_one_member_and_up_again(rig: Rig) -> None:
    one, others = rig.members[0], rig.members[1:]

    def scale() -> None:
        rig.set("replicas", "1")
        remove(others)
        wait_for("the record of one", lambda: rig.recorded() == {0})
        assert rig.primary() is one
        one.kill()
        one.start()
        wait_for("its label of before to go", lambda: rig.primary() is None)
        wait_for("the one member, by itself", lambda: rig.primary() is one)
        rig.set("replicas", "3")
        for member in others:
            bring(member)

    while_writing(rig, scale)
    assert len(everywhere(rig)) == 1
    assert rig.recorded() == {0, 1, 2}


def test_a_new_password_reaches_the_account_and_the_former_one_stays_for_a_while(rig: Rig) -> None:
    service, _, user, _ = rig.schemas[0].split()
    file = rig.folder / "etc/users" / service
    old = file.read_text()

    def accepted(password: str) -> bool:
        client = ["mysql", "--no-defaults", f"--host={primary(rig).address}", f"--user={user}"]
        command = rig.members[0].inside([*client, f"--password={password}", "--execute=SELECT 1"])
        return rig.run(command, check=False).returncode == 0

    try:
        file.write_text("second")
        wait_for("the second password", lambda: accepted("second"))
        assert accepted(old)
        wait_for("the event", lambda: any(f"{service} has a new password" in event for event in rig.events()))
        # Another setting changes: that must not end the former one.
        rig.set("schemas", rig.schemas[0] + "\nother other other -\n")
        (file.with_name("other")).write_text("p")
        wait_for("the other schema", lambda: primary(rig).sql("SHOW DATABASES LIKE 'other'") == "other")
        assert accepted(old) and accepted("second")
        # A new primary does nothing again that has been done.
        crash(primary(rig))
        wait_for("a whole group", rig.settled)
        assert accepted(old) and accepted("second")
        file.write_text("third")
        wait_for("the third password", lambda: accepted("third"))
        assert accepted("second") and not accepted(old)
    finally:
        file.write_text(old)
        wait_for("the first password", lambda: accepted(old))


def test_a_volume_of_a_newer_release_is_left_alone(rig: Rig) -> None:
    member = secondary(rig)
    member.terminate()
    member.kill()
    history = member.folder / "volume/data/mysql_upgrade_history"
    before = history.read_text()
    history.write_text(before.replace('"version":"9.', '"version":"99.'))
    member.start()
    wait_for("the event", lambda: any("no older release can open it" in event for event in rig.events()))
    member.containers["mysql"].wait(60)
    member.kill()
    history.write_text(before)
    member.start()


OWN_ACCOUNTS = {
    "root-password": ["'root'@'localhost'"],
    "agent-password": ["'custos_agent'@'localhost'", "'custos_agent'@'%'"],
    "replication-password": ["'custos_replication'@'%'"],
}


def test_our_own_passwords_are_changed_without_a_pause(rig: Rig) -> None:
    """The procedure of docs/operating.md: the accounts, then the Secret, then the end of the former passwords."""
    admin = rig.folder / "etc/admin"
    new = {key: f"new-{key}" for key in OWN_ACCOUNTS}

    def change(passwords: dict[str, str]) -> None:
        alter = "ALTER USER {} IDENTIFIED BY '{}' RETAIN CURRENT PASSWORD;"
        pairs = [(account, passwords[key]) for key, accounts in OWN_ACCOUNTS.items() for account in accounts]
        primary(rig).sql("\n".join(alter.format(*pair) for pair in pairs))
        told = sum(event.startswith("AgentPasswordTaken") for event in rig.events())
        for key, password in passwords.items():
            (admin / key).write_text(password)
        wait_for("all agents to take it", lambda: taken(told))
        primary(rig).sql("\n".join(f"ALTER USER {account} DISCARD OLD PASSWORD;" for account, _ in pairs))
        rig.root_password = passwords["root-password"]

    def taken(told: int) -> bool:
        return sum(event.startswith("AgentPasswordTaken") for event in rig.events()) == told + len(rig.members)

    old = dict(PASSWORD)
    report = while_writing(rig, lambda: change(new))
    assert report["gaps"] == [] and report["errors"] == {}
    crash(secondary(rig))  # it comes back with what the Secret says now
    wait_for("a whole group", rig.settled)
    change(old)


def test_an_agent_password_that_does_not_fit_is_told_and_disturbs_nobody(rig: Rig) -> None:
    file = rig.folder / "etc/admin/agent-password"
    old = file.read_text()
    try:
        file.write_text("does not fit")
        wait_for("the event", lambda: any(event.startswith("AgentPasswordRefused") for event in rig.events()))
        assert rig.settled()
    finally:
        file.write_text(old)


@contextmanager
def small_volume(member: Member, size: str) -> Iterator[str]:
    """The member's data on a volume of that size for a while; gives the volume's folder. The member is restarted."""
    there, original = f"{member.folder}/root/var/lib/mysql", f"{member.folder}/volume"
    member.terminate()
    member.kill()
    member.rig.shell(f"mount -t tmpfs -o size={size} tmpfs {there}; cp -a {original}/. {there}/; chown 999:999 {there}")
    member.start()
    yield there
    member.terminate()
    member.kill()
    member.rig.shell(f"rm -rf {original}/*; cp -a {there}/. {original}/; umount {there}")
    member.start()


def test_the_primarys_volume_is_filled_to_the_last_byte(rig: Rig) -> None:
    """mysqld would wait for room for ever and all clients with it: another takes over; it returns with the room."""
    full = secondary(rig)
    used = int(rig.run(["du", "-sm", f"{full.folder}/volume"]).stdout.split()[0])
    with small_volume(full, f"{used + 300}m") as volume:
        wait_for("a whole group on the small volume", rig.settled)
        uuid = full.sql("SELECT @@server_uuid")
        full.sql(f"SELECT group_replication_set_as_primary('{uuid}')")
        wait_for("it to be the primary", lambda: rig.settled() and rig.primary() is full)

        def whole_with_the_kubelet() -> bool:
            if (
                full.containers["mysql"].poll() is not None
            ):  # mysqld could not start, and the kubelet starts the container
                full.start("mysql")
            return rig.settled()

        def fill() -> None:
            rig.run(["dd", "if=/dev/zero", f"of={volume}/filler", "bs=64k"], check=False)
            wait_for("another primary", lambda: rig.primary() not in (None, full))
            wait_for("the event", lambda: any(event.startswith("VolumeFull") for event in rig.events()))
            rig.shell(f"rm {volume}/filler")
            wait_for("it to return", whole_with_the_kubelet)

        while_writing(rig, fill)
        assert len(everywhere(rig)) == 1


def test_a_new_certificate_is_taken_over_without_a_restart(rig: Rig) -> None:
    processes = [member.mysqld() for member in rig.members]

    def serial(member: Member) -> str:
        script = f"echo | openssl s_client -connect {member.address}:3306 -starttls mysql | openssl x509 -noout -serial"
        return rig.run(["bash", "-c", script], check=False).stdout.strip().partition("=")[2]

    def change() -> None:
        new = renew(rig.folder / "etc/tls")
        wait_for("the new certificate everywhere", lambda: {serial(member) for member in rig.members} == {new})

    report = while_writing(rig, change)
    assert report["gaps"] == [] and report["errors"] == {}
    assert [member.mysqld() for member in rig.members] == processes
    # A member that enters with the new one is understood by those that entered with the old one.
    member = secondary(rig)
    member.terminate()
    member.kill()
    member.start()
    wait_for("a whole group", rig.settled)


def test_empty_volumes_do_not_replace_a_group_that_was(rig: Rig) -> None:
    for member in rig.members:
        member.kill()
        member.wipe()
    for member in rig.members:
        member.start()
    wait_for("the refusal", lambda: any("every volume is empty, but" in event for event in rig.events()))
    assert not running(rig.members)
    rig.kubectl(["delete", "configmap", "-n", NAMESPACE, f"{STATEFULSET}-group"])
    wait_for("a new group", rig.settled)


def test_mysqld_is_kept_alive_by_its_loop(rig: Rig) -> None:
    member = secondary(rig)
    parent = (member.folder / "mysql.pid").read_text()
    member.sql("RESTART", check=False)
    wait_for("the restarted member", lambda: "ended with status 16" in member.log("mysql"))
    wait_for("a whole group", rig.settled)
    assert (member.folder / "mysql.pid").read_text() == parent
    rig.shell(f"kill -0 {parent}")


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_a_stopped_member_leaves_in_peace(rig: Rig, number: signal.Signals) -> None:
    member = secondary(rig)
    member.signal("mysql", number)
    assert member.containers.pop("mysql").wait(60) == 0
    member.kill()
    member.start()
