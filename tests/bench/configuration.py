"""The configuration files that bootstrap would write, rendered from its own templates for one who types."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Any

import jinja2
from ansible.plugins.filter.core import FilterModule

from bootstrap.clients.ansible import FOLDER
from bootstrap.context import Context
from bootstrap.engines import kubelet
from bootstrap.engines.playbooks import cgroup_driver, variables
from bootstrap.inventory import Machine

INIT = "/etc/kubernetes/custos-platform/init.yaml"
JOIN = "/etc/kubernetes/custos-platform/join.yaml"
NETWORK_UNIT = "custos-pod-network.service"
_FILTERS = ("bool", "combine", "to_json", "to_nice_yaml")


class Configuration:
    """The files of each machine, as text by path."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._variables = variables(context.inventory)
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,  # as Ansible has it
            keep_trailing_newline=True,
        )
        ansible = FilterModule().filters()
        self._templates.filters |= {name: ansible[name] for name in _FILTERS}

    def machine(self, machine: Machine) -> dict[str, str]:
        """What a machine needs before Kubernetes; on the first also what kubeadm starts the cluster from."""
        files = {
            "/etc/modules-load.d/custos-platform.conf": "\n".join(self._to_load(machine)) + "\n",
            "/etc/sysctl.d/90-custos-platform.conf": self._text("roles/base/templates/sysctl.conf.j2", machine),
            "/etc/containerd/config.toml": self._text("roles/containerd/templates/config.toml.j2", machine),
            "/etc/systemd/system/kubelet.service": self._text("roles/kubernetes/templates/kubelet.service.j2", machine),
        }
        if machine is self._context.inventory.control_planes[0]:
            files[INIT] = self._text("templates/init.yaml.j2", machine)
        return files

    def join(self, machine: Machine, invitation: str) -> dict[str, str]:
        """What kubeadm joins from; `invitation` is the command that `kubeadm token create` printed."""
        return {JOIN: self._text("templates/join.yaml.j2", machine, words=invitation.split())}

    def network(self, machine: Machine, ranges: Mapping[str, str]) -> dict[str, str]:
        """Bridge and routes, once each machine's range of pod addresses is known."""
        addresses = {other.name: other.address for other in self._context.inventory.nodes}
        known: dict[str, Any] = {
            "pod_range": ranges[machine.name],
            "custos_pod_ranges": ranges,
            "custos_addresses": addresses,
        }
        folder = "roles/network/templates"
        return {
            "/etc/cni/net.d/10-custos-platform.conflist": self._text(
                f"{folder}/custos-platform.conflist.j2", machine, **known
            ),
            f"/etc/systemd/system/{NETWORK_UNIT}": self._text(
                f"{folder}/custos-pod-network.service.j2", machine, **known
            ),
        }

    def _to_load(self, machine: Machine) -> list[str]:
        modules: dict[str, str] = self._context.facts[machine.name].modules
        return [name for name, state in modules.items() if state == "loadable"]

    def _text(self, template: str, machine: Machine, **known: Any) -> str:
        return self._templates.get_template(template).render(
            self._variables
            | {
                "inventory_hostname": machine.name,
                "ansible_host": machine.address,
                "roles": list(machine.roles),
                "cgroup_driver": cgroup_driver(self._context, machine.name),
                "custos_kubelet_configuration": kubelet.wanted(self._context),
            }
            | known
        )


def archive(files: Mapping[str, str]) -> bytes:
    """A tar of the files, to be unpacked in /."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), 0o600 if path == JOIN else 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
