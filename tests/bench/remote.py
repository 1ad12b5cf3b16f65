"""Commands and files on the lab's machines, as a person with ssh has them."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from bootstrap.inventory import Machine
from tests.bench.configuration import archive
from tests.lab.cluster import CommandFailed

SECONDS = 1200  # the longest command imports all images


def ssh(machine: Machine, *command: str, stdin: bytes = b"") -> str:
    """Run a command on a machine and return what it printed. Raises CommandFailed with what it said."""
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-p", str(machine.ssh.port)]
    if machine.ssh.private_key_file:
        options += ["-i", str(machine.ssh.private_key_file)]
    if machine.ssh.known_hosts_file:
        options += ["-o", f"UserKnownHostsFile={machine.ssh.known_hosts_file}"]
    target = f"{machine.ssh.user}@{machine.address}"
    done = subprocess.run(
        ["ssh", *options, target, shlex.join(command)],
        input=stdin,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise CommandFailed(f"{machine.name}: `{shlex.join(command)}` ended with {done.returncode}: {said}")
    return done.stdout.decode()


def put(machine: Machine, files: Mapping[str, str]) -> None:
    """Write files, given as text by path, to a machine."""
    ssh(machine, "sudo", "tar", "--extract", "--directory=/", "--file=-", stdin=archive(files))


def everywhere(machines: Sequence[Machine], work: Callable[[Machine], None]) -> None:
    """Do something on all machines at the same time. Raises what the first that failed raised."""
    with ThreadPoolExecutor(max(len(machines), 1)) as pool:
        list(pool.map(work, machines))
