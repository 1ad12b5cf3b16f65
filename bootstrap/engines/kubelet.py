"""The kubelets' configuration: what it should be, and how nodes that run are given another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from bootstrap.context import Context
from bootstrap.engines.playbooks import cgroup_driver, variables
from bootstrap.steps import Change, Step

# Pods that run would lose their control groups: a node has the driver that it was formed with.
FIXED = ("cgroupDriver",)
_CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/kubelet-config"
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class Configure(Step):
    """Nodes that were formed with another inventory get this one's lines; those of a new cluster have them."""

    def check(self, context: Context) -> Sequence[Change]:
        """The lines that differ, by machine."""
        lines = _lines(context)
        return [
            Change(machine.name, f"kubelet: {path} from {show(found)} to {show(value)}")
            for machine in context.inventory.nodes
            if context.facts[machine.name].kubernetes["joined"]
            for path, value, found in differences(lines, running(context, machine.name))
        ]

    def change(self, context: Context) -> Sequence[Change]:
        """Write them into the cluster's own copy, from which kubeadm writes them on the machines."""
        changes = self.check(context)
        stored = yaml.safe_load(context.kube.get(_CONFIG_MAP)["data"]["kubelet"])
        text = yaml.safe_dump(_merged(stored, _lines(context)))
        context.kube.patch(_CONFIG_MAP, {"data": {"kubelet": text}})
        names = {change.where for change in changes}
        machines = [machine for machine in context.inventory.nodes if machine.name in names]
        context.ansible.run("kubelet", variables(context.inventory), machines=machines)
        context.forget_facts()
        return changes


def running(context: Context, machine: str) -> dict[str, Any]:
    """The configuration that the machine's kubelet was started with; empty where there is none."""
    return dict(yaml.safe_load(context.facts[machine].kubelet_config) or {})


def wanted(context: Context) -> dict[str, Any]:
    """KubeletConfiguration of the cluster; the inventory's lines win."""
    first = context.inventory.control_planes[0].name
    own: dict[str, Any] = {
        "cgroupDriver": cgroup_driver(context, first),
        # preStop hooks run when a machine is shut down, and its pods are gone from the Services at once.
        "shutdownGracePeriod": "60s",
        "shutdownGracePeriodCriticalPods": "15s",
    }
    if context.inventory.artifacts:
        # No registry could bring back an image that was cleaned up.
        own |= {"imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99}
    return own | dict(context.inventory.cluster.kubelet)


def differences(lines: Mapping[str, Any], found: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, wanted and found value of each line that the kubelet does not have."""
    for key, value in lines.items():
        there = found.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            yield from differences(value, there, f"{above}{key}.")
        elif not _same(value, there):
            yield f"{above}{key}", value, there


def show(value: Any) -> str:
    """A value for people."""
    return "nothing" if value is None else str(value)


def _lines(context: Context) -> dict[str, Any]:
    return {key: value for key, value in wanted(context).items() if key not in FIXED}


def _same(left: Any, right: Any) -> bool:
    """Equal as the kubelet understands it: 60s is 1m0s, and what is empty may be left out."""
    if left == right or (not left and right is None):
        return True
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    seconds = _seconds(left)
    return seconds is not None and seconds == _seconds(right)


def _seconds(text: str) -> int | None:
    match = _DURATION.fullmatch(text)
    if not text or not match:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        inner = both.get(key)
        both[key] = _merged(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return both
