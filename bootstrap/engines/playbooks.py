"""What the playbooks of bootstrap/ansible are told."""

from __future__ import annotations

from typing import Any

from bootstrap import manifests
from bootstrap.context import Context
from bootstrap.inventory import Inventory
from bootstrap.probe import MODULES, SYSCTLS

# How long kube-proxy collects changes before it writes them. Its own second would be part of every fail-over, whose
# new primary is a change of a Service's endpoints.
SERVICE_SYNC = "100ms"


def variables(inventory: Inventory) -> dict[str, Any]:
    """What the playbooks are told about the whole cluster."""
    cluster = inventory.cluster
    network = cluster.network
    return {
        "custos_cluster": cluster.name,
        "custos_version": cluster.version,
        "custos_api_address": cluster.api_address or inventory.control_planes[0].address,
        "custos_artifacts": inventory.artifacts,
        "custos_program_folder": "/usr/local/bin" if inventory.artifacts else "/usr/bin",
        "custos_machines": [{"name": m.name, "address": m.address} for m in inventory.machines],
        "custos_modules": list(MODULES),
        "custos_sysctls": dict(SYSCTLS),
        "custos_sandbox_image": manifests.images()["pause"],
        "custos_restrict_oom_score_adj": inventory.containerd["restrictOomScoreAdj"],
        "custos_cni_bin_dir": inventory.containerd["cniBinDir"],
        "custos_mirrors": inventory.containerd["mirrors"],
        "custos_ignore_preflight_errors": list(cluster.ignore_preflight_errors),
        "custos_kubelet": dict(cluster.kubelet),
        # Changes of one Service are written alone; iptables' rules are read and written as a whole, while the policy
        # controller does the same.
        "custos_kube_proxy": {
            "mode": "nftables",
            **{mode: {"minSyncPeriod": SERVICE_SYNC} for mode in ("nftables", "iptables")},
            **cluster.kube_proxy,
        },
        "custos_network": {
            "podCidr": network.pod_cidr,
            "serviceCidr": network.service_cidr,
            "domain": network.domain,
            "masquerade": network.masquerade,
        },
    }


def cgroup_driver(context: Context, machine: str) -> str:
    """systemd or cgroupfs for this machine: the inventory's word, or what its version of cgroups asks for."""
    wanted = str(context.inventory.containerd["cgroupDriver"])
    return wanted if wanted != "auto" else ("systemd" if context.facts[machine].cgroup == 2 else "cgroupfs")
