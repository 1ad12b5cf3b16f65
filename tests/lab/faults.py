"""What can befall the stores. A fault strikes the leaders of one or several stores at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.lab.machines import lab, on_machine
from tests.lab.stores.base import Pod, Store, name_of

Leaders = Mapping[Store, Pod]
# Ours alone, so that taking it away takes nothing else.
TABLE = "custos_partition"
VOLUMES = "/var/lib/custos-volumes"
FILL = f"""\
set -euo pipefail
mountpoint -q {VOLUMES} || {{ echo "{VOLUMES} has no size of its own: make the lab anew"; exit 1; }}
cd {VOLUMES}
fallocate -l "$(df --output=avail -B1 . | tail -1)" .custos-fill || true
dd if=/dev/zero of=.custos-fill-rest bs=4k 2>/dev/null || true
test "$(df --output=avail -B4k . | tail -1)" -eq 0
"""
FIRST_PROCESS = """\
kill -9 "$(ctr --namespace k8s.io task list | awk '$1 == "{container}" {{ print $2 }}')"
"""
RULES = """\
table inet {table} {{
    chain forward {{
        type filter hook forward priority -10
        ip saddr {address} ip daddr {{ {peers} }} drop
        ip daddr {address} ip saddr {{ {peers} }} drop
    }}
}}
"""


@dataclass(frozen=True)
class Fault:
    """A kind of fault; `strike` puts what mends it on the stack, where it does not mend itself.

    It is mended once the clients write again, or after `patience` seconds, where a store may rightly wait for the mend.
    """

    name: str
    title: str
    strike: Callable[[Leaders, ExitStack], None]
    patience: float | None = None


def machine_of(pod: Pod) -> str:
    """The machine that the pod runs on."""
    return str(pod["spec"]["nodeName"])


def kill_container(pod: Pod, name: str) -> None:
    """SIGKILL to the first process of one of the pod's containers."""
    container = next(s["containerID"] for s in pod["status"]["containerStatuses"] if s["name"] == name)
    on_machine(machine_of(pod), FIRST_PROCESS.format(container=container.partition("://")[2]))


def kill(leaders: Leaders, _: ExitStack) -> None:
    """SIGKILL to the leader's server."""
    for store, pod in leaders.items():
        command = store.kill_command()
        if command:
            store.kubectl("exec", name_of(pod), "-c", store.container, "--", *store.shell, command)
        else:
            kill_container(pod, store.container)


def delete(leaders: Leaders, _: ExitStack) -> None:
    """The leader's pod is deleted, as an eviction would."""
    for store, pod in leaders.items():
        store.kubectl("delete", "pod", "--wait=false", name_of(pod))


def delete_all(leaders: Leaders, _: ExitStack) -> None:
    """All pods are deleted at once."""
    for store in leaders:
        store.kubectl("delete", "pod", "--wait=false", *map(name_of, store.members()))


def power_off(leaders: Leaders, mends: ExitStack) -> None:
    """The machine of the first store's leader loses power, with all that runs there."""
    machine = machine_of(next(iter(leaders.values())))
    mends.callback(lab, "power-on", machine)
    lab("power-off", machine)


def wipe(leaders: Leaders, _: ExitStack) -> None:
    """One follower loses its volume, and its pod with it; it comes back on an empty one."""
    for store in leaders:
        if store.has_volumes:
            pod = store.follower()
            volumes = pod["spec"]["volumes"]
            claims = [v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v]
            store.kubectl("delete", "pvc", "--wait=false", *claims)
            store.kubectl("delete", "pod", "--wait=false", name_of(pod))


def partition(leaders: Leaders, mends: ExitStack) -> None:
    """The leader is cut off from its peers, while its clients and the Kubernetes API reach it."""
    for store, pod in leaders.items():
        machine, address = machine_of(pod), pod["status"]["podIP"]
        peers = ", ".join(peer["status"]["podIP"] for peer in store.peers(pod))
        table = f"{TABLE}_{store.name}"
        rules = RULES.format(table=table, address=address, peers=peers)
        on_machine(machine, f"nft -f - <<'RULES'\n{rules}RULES\n")
        mends.callback(on_machine, machine, f"nft delete table inet {table}")


def fill(leaders: Leaders, mends: ExitStack) -> None:
    """The volume of the leader is filled to the last byte, and all others on its machine with it."""
    for machine in sorted({machine_of(pod) for store, pod in leaders.items() if store.has_volumes}):
        mends.callback(on_machine, machine, f"rm -f {VOLUMES}/.custos-fill {VOLUMES}/.custos-fill-rest")
        on_machine(machine, FILL)


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("kill", "kill -9 of the leader's process", kill),
        Fault("delete", "the leader's pod is deleted", delete),
        Fault("power-off", "the leader's machine loses power", power_off),
        Fault("delete-all", "all pods are deleted at once", delete_all),
        Fault("wipe", "a follower's volume is wiped", wipe),
        Fault("partition", "the leader is cut off from its peers", partition),
        Fault("fill", "the leader's volume is filled to the last byte", fill, patience=60),
    )
}


def machines_struck(fault: Fault, leaders: Leaders) -> Sequence[str]:
    """Machines that clients had better not run on."""
    machines = [machine_of(pod) for pod in leaders.values()]
    return machines[:1] if fault.name == "power-off" else sorted(set(machines))
