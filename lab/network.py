"""The lab's network: one bridge on this computer, and nothing is forwarded beyond it."""

import ipaddress
import json
import shutil
import subprocess
import time
from pathlib import Path

from lab.commands import run
from lab.description import Lab
from lab.errors import LabError

UNPLUG_SECONDS = 120.0  # the kernel does it in the background; minutes were seen at a load of 100 and more


def exists(bridge: str) -> bool:
    """Is there a network device of this name?"""
    return Path("/sys/class/net", bridge).exists()


def refuse_taken(lab: Lab) -> None:
    """Raise LabError if something else has the bridge's name or the subnet; call it before the lab exists."""
    if exists(lab.bridge):
        raise LabError(
            f"network.bridge: this computer has a network device {lab.bridge} that is not this lab's",
            f"name another bridge in the lab's file, or remove it: `ip link delete {lab.bridge}`",
        )
    for route in json.loads(run(["ip", "-json", "-4", "route", "show", "table", "main"])):
        if route["dst"] != "default" and lab.subnet.overlaps(ipaddress.IPv4Network(route["dst"])):
            raise LabError(
                f"network.subnet: {lab.subnet} overlaps {route['dst']}, reached by {route.get('dev', '?')}",
                "choose a free subnet in the lab's file, and the machines' addresses in it",
            )


def ensure(lab: Lab) -> bool:
    """Make the bridge with this computer's address on it; True if something was missing."""
    address = f"{lab.gateway}/{lab.subnet.prefixlen}"
    if exists(lab.bridge):
        (link,) = json.loads(run(["ip", "-json", "address", "show", "dev", lab.bridge]))
        has = [f"{entry['local']}/{entry['prefixlen']}" for entry in link["addr_info"]]
        if address in has and "UP" in link["flags"]:
            return False
    else:
        run(["ip", "link", "add", "name", lab.bridge, "type", "bridge"])
    run(["ip", "address", "replace", address, "dev", lab.bridge])
    _let_through(lab.bridge)
    run(["ip", "link", "set", lab.bridge, "up"])  # last: it is the sign that all is done
    return True


def _rule(bridge: str) -> list[str]:
    return ["FORWARD", "--in-interface", bridge, "--out-interface", bridge, "--jump", "ACCEPT"]


def _let_through(bridge: str) -> None:
    """Let machines reach each other where this computer's firewall drops what it forwards, as with Docker.

    A bridge's own frames pass that firewall while net.bridge.bridge-nf-call-iptables is on.
    """
    if shutil.which("iptables") is None:
        return
    if "-P FORWARD ACCEPT" in run(["iptables", "--list-rules", "FORWARD"]):
        return
    _forbid(bridge)
    run(["iptables", "--insert", *_rule(bridge)])


def _forbid(bridge: str) -> None:
    """Take back `_let_through`."""
    if shutil.which("iptables") is None:
        return
    command = ["iptables", "--delete", *_rule(bridge)]
    while subprocess.run(command, check=False, capture_output=True).returncode == 0:
        pass


def await_unplugged(bridge: str, machines: int) -> None:
    """Wait until no more than `machines` cards are plugged into the bridge.

    The kernel takes a dead machine's card away a little later than its processes; until then a new one of its
    name cannot be made. Raises LabError after UNPLUG_SECONDS.
    """
    ports = Path("/sys/class/net", bridge, "brif")
    deadline = time.monotonic() + UNPLUG_SECONDS
    while ports.exists() and len(found := [port.name for port in ports.iterdir()]) > machines:
        if time.monotonic() > deadline:
            raise LabError(
                f"{bridge} has the cards {', '.join(sorted(found))}, but only {machines} machines have power",
                f"see what holds them (`ip link show master {bridge}`), remove it, run again",
            )
        time.sleep(0.02)


def remove(bridge: str) -> bool:
    """Remove the bridge, when all machines are off; True if it was there. Its routes go with it."""
    if not exists(bridge):
        return False
    await_unplugged(bridge, 0)
    _forbid(bridge)
    run(["ip", "link", "delete", bridge])
    return True
