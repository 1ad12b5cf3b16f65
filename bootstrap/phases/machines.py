"""Phase `machines`: what every machine needs before Kubernetes, and who may reach it."""

from __future__ import annotations

from collections.abc import Sequence

from bootstrap import firewall
from bootstrap.context import Context
from bootstrap.engines import Engine
from bootstrap.errors import Problem
from bootstrap.inventory import Inventory
from bootstrap.steps import Change, CheckOnly, MachineWork, Phase, Step

# Seconds after which rules that nobody confirmed are taken back. A new connection has 20 of them.
TRIAL = 60


def phase(inventory: Inventory, engine: Engine) -> Phase:
    """What the engine needs; the firewall comes before the cluster, which then is formed through it."""
    walls: list[Step] = []
    if inventory.machines and inventory.firewall.enabled:
        walls = [CheckOnly("the firewall lets you in", _check_way_in), Walls("firewall")]
    elif inventory.machines:
        walls = [NoWalls("no firewall of ours")]
    return Phase("machines", [*engine.machines(), *walls])


class Walls(MachineWork):
    """Ansible's role firewall. New rules have to let a new connection through, or the machine takes them back."""

    def run(self, context: Context, *, check: bool) -> Sequence[Change]:
        """The playbook's changes, with the rules that come and go."""
        inventory = context.inventory
        return context.ansible.run(
            "firewall",
            {"custos_firewall_trial": TRIAL},
            check=check,
            host_variables={
                machine.name: {
                    "probe": context.facts[machine.name].raw,
                    "custos_firewall": firewall.wanted(inventory, machine),
                }
                for machine in inventory.machines
            },
        ).changes


class NoWalls(Step):
    """Where the inventory switched it off, ours goes."""

    def check(self, context: Context) -> Sequence[Change]:
        """Machines that still have it."""
        return [
            Change(machine.name, "take the firewall off")
            for machine in context.inventory.machines
            if context.facts[machine.name].firewall
        ]

    def change(self, context: Context) -> Sequence[Change]:
        """Stop it and remove its files."""
        changes = context.ansible.run("open", {}).changes
        context.forget_facts()
        return changes


def _check_way_in(context: Context) -> None:
    """Rules that would lock the operator out are refused before any machine is touched."""
    inventory = context.inventory
    wrong = []
    for machine in inventory.machines:
        asked = context.facts[machine.name].asked_from
        if not asked:
            continue
        address, port = asked["address"], asked["port"]
        if not firewall.lets_in(inventory, address):
            networks = ", ".join(inventory.firewall.operators)
            wrong.append(f"{machine.name}: you come from {address}, and firewall.operators lets in {networks} only")
        elif port != machine.ssh.port:
            wrong.append(f"{machine.name}: its SSH listens on port {port}, and {machine.ssh.port} would be open")
    if wrong:
        raise Problem(
            "the firewall would lock you out:\n" + "\n".join(wrong),
            "add your network to firewall.operators, or a port that is reached under another number to firewall.open;"
            " nothing was changed",
        )
