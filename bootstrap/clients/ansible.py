"""Work on machines: playbooks run by ansible-core through ansible-runner, told as changes."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import ansible_runner

from bootstrap.console import Console
from bootstrap.errors import Interrupted, Problem
from bootstrap.inventory import Inventory, Machine
from bootstrap.steps import Change

FOLDER = Path(__file__).resolve().parent.parent / "ansible"
# One connection a machine for the whole run, which notices within 20 s that the machine is gone.
_SSH = (
    "-o ControlMaster=auto -o ControlPersist=60s -o ConnectTimeout=10"
    " -o ServerAliveInterval=5 -o ServerAliveCountMax=4 -o BatchMode=yes"
)
_SETTINGS = {
    "ANSIBLE_PIPELINING": "True",
    "ANSIBLE_FORKS": "20",
    "ANSIBLE_SSH_ARGS": _SSH,
    "ANSIBLE_HOST_KEY_CHECKING": "True",
    "ANSIBLE_GATHERING": "explicit",
    "ANSIBLE_NOCOLOR": "True",
    "ANSIBLE_LOCALHOST_WARNING": "False",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
    "ANSIBLE_DEPRECATION_WARNINGS": "False",
    "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
    "ANSIBLE_DIFF_ALWAYS": "True",
    "ANSIBLE_JINJA2_NATIVE_WARNING": "False",
    "ANSIBLE_ROLES_PATH": str(FOLDER / "roles"),
    "LC_ALL": "C.UTF-8",
}


@dataclass
class Outcome:
    """What a playbook did: its changes, and by machine what a task registered as its answer (`custos_answer`)."""

    changes: list[Change] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)


class Ansible:
    """Runs the playbooks of bootstrap/ansible on the inventory's machines; `folder` keeps what Ansible said last."""

    def __init__(self, inventory: Inventory, folder: Path, console: Console) -> None:
        self._inventory = inventory
        self._folder = folder
        self._console = console

    def end_orphans(self) -> list[int]:
        """End what a killed bootstrap left running in this folder; only for whoever holds the cluster's lock."""
        orphans = [pid for pid, words in _processes() if f"{self._folder}/inventory" in words]
        for pid in orphans:
            _end(pid)
        return orphans

    def run(
        self,
        playbook: str,
        variables: Mapping[str, Any],
        *,
        check: bool = False,
        machines: Sequence[Machine] | None = None,
        host_variables: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Outcome:
        """Run `playbook` (a name without .yml) with `variables`; `check` only asks what would change.

        Raises Problem that names every machine that could not be reached or failed, Interrupted after Ctrl-C.
        """
        outcome = Outcome()
        chosen = self._inventory.machines if machines is None else machines
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What a killed run left would be read as if it were ours.
        shutil.rmtree(self._folder / "env", ignore_errors=True)
        with _Interrupt() as interrupt:
            runner = ansible_runner.run(
                private_data_dir=str(self._folder),
                playbook=str(FOLDER / f"{playbook}.yml"),
                inventory={"all": self._group(chosen, host_variables or {})},
                extravars=json.loads(json.dumps(dict(variables))),
                cmdline="--diff" + (" --check" if check else ""),
                envvars={**_SETTINGS, "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"},
                settings={"pexpect_timeout": 1, "suppress_ansible_output": True},
                quiet=True,
                rotate_artifacts=10,
                event_handler=lambda event: self._event(event, outcome, check),
                cancel_callback=interrupt.asked,
            )
        if interrupt.asked():
            raise Interrupted(
                "stopped by Ctrl-C while machines were worked on", "run `apply` again: it goes on where it stopped"
            )
        if outcome.unreachable:
            raise Problem(
                "cannot be reached by SSH:\n" + "\n".join(sorted(outcome.unreachable)),
                "see that the machine is up and that `ssh` with the inventory's user, key and known hosts works;"
                " then run again",
            )
        if outcome.failures:
            raise Problem(
                "\n".join(outcome.failures),
                f"mend what the machine says and run again; all that Ansible said: {runner.config.artifact_dir}/stdout",
            )
        if runner.rc != 0:
            raise Problem(
                f"ansible-playbook ended with {runner.rc}: {_tail(Path(runner.config.artifact_dir) / 'stdout')}",
                f"its whole output: {runner.config.artifact_dir}/stdout",
            )
        return outcome

    def _group(self, machines: Sequence[Machine], host_variables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return {
            "hosts": {m.name: {**_connection(m), **host_variables.get(m.name, {})} for m in machines},
            "vars": {"ansible_connection": "ssh"},
        }

    def _event(self, event: dict[str, Any], outcome: Outcome, check: bool) -> bool:
        data = event.get("event_data", {})
        kind, machine = event.get("event"), str(data.get("host", ""))
        result = data.get("res") or {}
        if kind == "playbook_on_task_start":
            self._console.activity(str(data.get("task")))
        elif kind == "runner_on_ok":
            facts = result.get("ansible_facts") or {}
            if "custos_answer" in facts:
                outcome.answers[machine] = facts["custos_answer"]
            if result.get("changed"):
                outcome.changes.append(_change(machine, data, result))
        elif kind == "runner_on_failed" and not data.get("ignore_errors"):
            outcome.failures.append(f"{data.get('task')} failed on {machine}: {_reason(result)}")
        elif kind == "runner_on_unreachable":
            address = next((m.address for m in self._inventory.machines if m.name == machine), "")
            said = str(result.get("msg", "")).strip().rpartition("reached over ssh: ")[2]
            outcome.unreachable.append(f"{machine} ({address}): {said}")
        stdout = str(event.get("stdout") or "")
        if stdout and self._console.verbose:
            for line in stdout.splitlines():
                self._console.detail(line.rstrip())
        return False  # nothing of it is kept as files


def _processes() -> Iterator[tuple[int, str]]:
    """Every process with its command line."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:  # it has ended
                continue


def _end(pid: int) -> None:
    """End a process and wait until it is gone, at most ten seconds; Ansible passes it on to its own."""
    deadline = time.monotonic() + 10
    try:
        os.kill(pid, signal.SIGTERM)
        # One that has ended and that nobody has asked for yet has no command line any more.
        while Path(f"/proc/{pid}/cmdline").read_bytes():
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.1)
    except (ProcessLookupError, FileNotFoundError):
        return


class _Interrupt:
    """Turns Ctrl-C (and TERM) into a question that the runner asks, so that Ansible is ended in order."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()

    def asked(self) -> bool:
        """Whether the run should end."""
        return self._event.is_set()


def _connection(machine: Machine) -> dict[str, Any]:
    ssh = machine.ssh
    options = []
    if ssh.known_hosts_file:
        options += ["-o", f"UserKnownHostsFile={ssh.known_hosts_file}", "-o", "StrictHostKeyChecking=yes"]
    variables: dict[str, Any] = {
        "ansible_host": machine.address,
        "ansible_port": ssh.port,
        "ansible_user": ssh.user,
    }
    if ssh.private_key_file:
        variables["ansible_ssh_private_key_file"] = str(ssh.private_key_file)
        options += ["-o", "IdentitiesOnly=yes"]
    if options:
        variables["ansible_ssh_common_args"] = " ".join(options)
    return variables


def _change(machine: str, data: Mapping[str, Any], result: Mapping[str, Any]) -> Change:
    """A changed task as a sentence: its name, or its own words where it is a `debug` that stands for a command."""
    what = str(data.get("task"))
    if str(data.get("task_action", "")).endswith("debug"):
        messages = [result, *result.get("results", ())]
        what = "; ".join(str(item["msg"]) for item in messages if "msg" in item and item.get("changed", True))
    diffs = [result.get("diff"), *(item.get("diff") for item in result.get("results", ()))]
    return Change(machine, what, "".join(_diff(diff) for diff in diffs))


def _diff(diff: Any) -> str:
    if isinstance(diff, list):
        return "".join(_diff(part) for part in diff)
    if not isinstance(diff, dict):
        return ""
    if "prepared" in diff:
        return str(diff["prepared"])
    before, after = (
        side if isinstance(side, str) else json.dumps(side, indent=1, sort_keys=True) + "\n"
        for side in (diff.get("before", ""), diff.get("after", ""))
    )
    header = str(diff.get("after_header") or diff.get("before_header") or "")
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", header or "after", lineterm="", n=1)
    return "".join(f"{line}\n" for line in lines)


def _reason(result: Mapping[str, Any]) -> str:
    """What a failed task says, of a loop the items that failed."""
    failed = [item for item in result.get("results", ()) if item.get("failed")]
    if failed:
        return "; ".join(f"{item.get('item', '')}: {_reason({**item, 'results': ()})}" for item in failed)
    parts = [str(result.get(key, "")).strip() for key in ("msg", "stderr", "module_stderr", "stdout")]
    return "\n".join(dict.fromkeys(part[-1500:] for part in parts if part)) or "it does not say why"


def _tail(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines() if path.exists() else []
    return "\n".join(lines[-5:])
