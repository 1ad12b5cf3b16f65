"""The lab's network: one bridge on this computer, and nothing is forwarded beyond it."""

import ipaddress
import json
from pathlib import Path

from lab.commands import run
from lab.description import Lab
from lab.errors import LabError


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
    run(["ip", "link", "set", lab.bridge, "up"])
    return True


def remove(bridge: str) -> bool:
    """Remove the bridge; True if it was there. Its routes go with it."""
    if not exists(bridge):
        return False
    run(["ip", "link", "delete", bridge])
    return True
