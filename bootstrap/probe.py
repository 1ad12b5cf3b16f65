"""What the machines look like: asked by one small program for all of them at once, typed here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bootstrap.inventory import Inventory, Machine
from generator import images
from generator.catalogue import load_catalogue

if TYPE_CHECKING:
    from bootstrap.clients.ansible import Ansible

# What a node needs of its distribution; the names are the same in Debian and Ubuntu.
PACKAGES = (
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "ethtool",
    "ipset",
    "iproute2",
    "iptables",
    "kmod",
    "nftables",
    "socat",
    "util-linux",
)
# And a machine that stands before the cluster.
EDGE_PACKAGES = ("ca-certificates", "nftables", "nginx")
# deb822_repository and apt on the machine need them; only where Kubernetes itself comes as packages.
PACKAGES_FOR_REPOSITORY = ("gnupg", "python3-apt", "python3-debian")
MODULES = ("overlay", "br_netfilter", "nf_conntrack")
SYSCTLS = {
    "net.ipv4.ip_forward": 1,
    "net.bridge.bridge-nf-call-iptables": 1,
    # Milliseconds between two refusals for one address. A Service without endpoints refuses by ICMP: at the default of
    # 1000 a client that tries again hears nothing most of the time, and waits for its own TCP (docs/decisions/0063).
    # A whole number of the kernel's ticks at each of their usual lengths: others are read back as another number.
    "net.ipv4.icmp_ratelimit": 20,
    # At the default of 128 the kubelets and log readers of a busy machine run out of them.
    "fs.inotify.max_user_instances": 8192,
    "fs.inotify.max_user_watches": 524288,
}
# Where containerd finds a registry that is not under its own name.
REGISTRIES = {"docker.io": "https://registry-1.docker.io"}
UNITS = ("containerd.service", "kubelet.service", "custos-pod-network.service", "nginx.service")


@dataclass(frozen=True)
class Facts:
    """What one machine answered; `raw` is all of it, as bootstrap/ansible/files/probe.py writes it."""

    raw: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.raw[name]
        except KeyError:
            raise AttributeError(name) from None


def look(inventory: Inventory, ansible: Ansible) -> dict[str, Facts]:
    """Ask all machines. Raises Problem that names those that cannot be reached."""
    wanted = {machine.name: json.loads(json.dumps(_wanted(inventory, machine))) for machine in inventory.machines}
    answers = ansible.run("probe", {"custos_wanted": wanted}).answers
    return {name: Facts(answers[name]) for name in (machine.name for machine in inventory.machines)}


def _wanted(inventory: Inventory, machine: Machine) -> dict[str, Any]:
    packages = [*PACKAGES, *(() if inventory.artifacts else PACKAGES_FOR_REPOSITORY)] if machine.is_node else []
    packages += EDGE_PACKAGES if "edge" in machine.roles else ()
    return {
        "packages": packages,
        "modules": MODULES if machine.is_node else (),
        "sysctls": list(SYSCTLS) if machine.is_node else [],
        "volumes": ["/", "/var/lib/containerd", "/var/lib/kubelet", *(volume.path for volume in machine.volumes)],
        "units": UNITS,
        "registries": {
            name: [*inventory.mirrors(name), REGISTRIES.get(name, f"https://{name}")]
            for name in images.registries(load_catalogue())
            if machine.is_node
        },
        "artifacts": inventory.artifacts if machine.is_node else "",
    }
