"""Who reaches whom: asked from this computer, a stranger in the lab's network, machines, and inside pods."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.lab.cluster import run
from tests.lab.machines import on_machine

PROGRAM = Path(__file__).with_name("scan.py")
Port = tuple[str, int]
EVERY_PORT = range(1, 65536)
SCAN_SECONDS = 600
# On a machine: a scan from the network of each of the pods, whose first process is found by its container.
FROM_PODS = """\
set -euo pipefail
mkdir -p /run/custos-test
cat > /run/custos-test/scan.py <<'PROGRAM'
{program}
PROGRAM
cat > /run/custos-test/ports.json <<'QUESTION'
{ports}
QUESTION
python3 - <<'ALL'
import json, subprocess
tasks = subprocess.run(["ctr", "--namespace", "k8s.io", "task", "list"], capture_output=True, text=True, check=True)
processes = dict(line.split()[:2] for line in tasks.stdout.splitlines()[1:])
ports = open("/run/custos-test/ports.json").read()
answers = {{}}
for pod, container in json.loads('''{pods}''').items():
    inside = ["nsenter", f"--net=/proc/{{processes[container]}}/ns/net"] if container else []
    scan = [*inside, "python3", "/run/custos-test/scan.py"]
    said = subprocess.run(scan, input=ports, capture_output=True, text=True, check=True)
    answers[pod] = json.loads(said.stdout)
print(json.dumps(answers))
ALL
rm -r /run/custos-test
"""


def from_here(ports: Iterable[Port], prefix: Iterable[str] = ()) -> set[Port]:
    """Those that answer this computer; `prefix` is a command that goes elsewhere first (ip netns exec …)."""
    answered = run([*prefix, sys.executable, str(PROGRAM)], stdin=json.dumps(list(ports)), seconds=SCAN_SECONDS)
    return {(address, port) for address, port in json.loads(answered)}


def from_pods(machine: str, containers: Mapping[str, str], ports: Iterable[Port]) -> dict[str, set[Port]]:
    """Those that answer each of the pods (name to the id of one of its containers; "" for the machine itself)."""
    script = FROM_PODS.format(
        program=PROGRAM.read_text(encoding="utf-8"), ports=json.dumps(list(ports)), pods=json.dumps(dict(containers))
    )
    answers = json.loads(on_machine(machine, script))
    return {pod: {(address, port) for address, port in answered} for pod, answered in answers.items()}


@contextmanager
def stranger(bridge: str, address: str, routes: Mapping[str, str]) -> Iterator[list[str]]:
    """A machine in the lab's network that nobody knows: the command that goes there. `routes`: networks, by whom."""
    name, here, there = "custos-stranger", "custos-str0", "custos-str1"
    inside = ["ip", "netns", "exec", name]
    run(["ip", "netns", "add", name])
    try:
        run(["ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", name])
        run(["ip", "link", "set", here, "master", bridge, "up"])
        run([*inside, "ip", "address", "add", f"{address}/24", "dev", there])
        run([*inside, "ip", "link", "set", there, "up"])
        for network, way in routes.items():
            run([*inside, "ip", "route", "add", network, "via", way])
        yield inside
    finally:
        run(["ip", "netns", "delete", name])
