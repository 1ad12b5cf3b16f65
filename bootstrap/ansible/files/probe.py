"""Looks at the machine that it runs on and prints what it finds as JSON; changes nothing.

Sent to the machine's Python on standard input, with what to look for as JSON in the first argument. Standard library
only, Python 3.8 and newer; unlike the rest of the project it runs on machines that have nothing of ours.
"""

import filecmp
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Any, Dict, List, Optional, Tuple

Facts = Dict[str, Any]

UNREADABLE = (OSError, UnicodeDecodeError)


def read(path: str) -> Optional[str]:
    """The file's text without the last newline, None where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().rstrip("\n")
    except UNREADABLE:
        return None


def output(*command: str) -> str:
    """What a command prints; empty where it fails or does not exist."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def release() -> Facts:
    """ID and VERSION_ID of /etc/os-release."""
    pairs = [line.partition("=")[::2] for line in (read("/etc/os-release") or "").splitlines()]
    facts = {key: value.strip('"') for key, value in pairs}
    return {"id": facts.get("ID", ""), "version": facts.get("VERSION_ID", "")}


def asked_from() -> Optional[Facts]:
    """The address that asks by SSH, and the port that it asked; None where nobody does.

    sudo takes the variable away, so that it is read from the processes above this one.
    """
    process = os.getppid()
    while process > 1:
        for variable in (read("/proc/%d/environ" % process) or "").split("\0"):
            if variable.startswith("SSH_CONNECTION="):
                words = variable.partition("=")[2].split()
                return {"address": words[0], "port": int(words[3])}
        # The name in parentheses may hold blanks.
        status = (read("/proc/%d/stat" % process) or "").rpartition(")")[2].split()
        process = int(status[1]) if status else 0
    return None


def memory() -> Tuple[int, int]:
    """Bytes of memory and of swap."""
    lines = (read("/proc/meminfo") or "").splitlines()
    kib = {key: int(value.split()[0]) for key, value in (line.split(":", 1) for line in lines if ":" in line)}
    return kib.get("MemTotal", 0) * 1024, max(len((read("/proc/swaps") or "").splitlines()) - 1, 0)


def missing_packages(names: List[str]) -> List[str]:
    """Those of the Debian packages that are not installed."""
    if not names:
        return []
    listed = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    ).stdout.decode()
    there = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in there]


def module(name: str) -> str:
    """loaded, loadable or absent; what is built in counts as loaded."""
    loaded = [line.split()[0] for line in (read("/proc/modules") or "").splitlines()]
    built_in = read("/lib/modules/" + platform.release() + "/modules.builtin") or ""
    if name in loaded or os.path.isdir("/sys/module/" + name) or "/" + name + ".ko" in built_in:
        return "loaded"
    try:
        return "absent" if subprocess.call(["modprobe", "--dry-run", "--quiet", name]) else "loadable"
    except OSError:
        return "absent"


def listening() -> List[int]:
    """The TCP ports that something listens on."""
    ports = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (read(path) or "").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return sorted(ports)


def volume(path: str) -> Facts:
    """Free and whole bytes of the file system that holds `path` (or will), and if it is a mount."""
    there = path
    while not os.path.isdir(there):
        there = os.path.dirname(there)
    usage = shutil.disk_usage(there)
    return {"free": usage.free, "size": usage.total, "mount": os.path.ismount(path), "exists": os.path.isdir(path)}


def default_route() -> bool:
    """Whether there is one."""
    rows = [line.split() for line in (read("/proc/net/route") or "").splitlines()[1:]]
    return any(row[1] == "00000000" and row[7] == "00000000" for row in rows)


def same(left: str, right: str) -> bool:
    """Whether two files have the same bytes."""
    try:
        return filecmp.cmp(left, right, shallow=False)
    except OSError:
        return False


def artifacts(path: str) -> Facts:
    """Of the artifacts: are they there, which programs differ from them, which archives hold missing images."""
    text = read(os.path.join(path, "manifest.json"))
    if text is None:
        return {"present": False, "programs": [], "archives": [], "outdated": [], "kubernetes": ""}
    manifest = json.loads(text)
    programs = [
        name
        for name in sorted(os.listdir(os.path.join(path, "bin")))
        if not same(os.path.join(path, "bin", name), "/usr/local/bin/" + name)
    ]
    images = {}
    for line in output("ctr", "--namespace", "k8s.io", "images", "list").splitlines()[1:]:
        fields = line.split()
        images[fields[0]] = fields[2]
    # containerd also lists an image under the digest of its configuration, which is what the manifest knows.
    missing = [i for i in manifest["images"] if images.get(i["reference"], "") != images.get("sha256:" + i["id"])]
    return {
        "present": True,
        "programs": programs,
        "archives": sorted({image["archive"] for image in missing}),
        "outdated": [image["reference"] for image in missing if image["reference"] in images],
        "kubernetes": manifest.get("kubernetes", ""),
    }


def reached(registries: Dict[str, List[str]]) -> Facts:
    """Of each registry the first of its addresses that answers within three seconds (asking for a login counts)."""
    answered: Dict[str, bool] = {}

    def ask(url: str) -> None:
        try:
            # An address with a path names /v2 itself (a folder of a registry that plays several).
            urllib.request.urlopen(url.split("/v2", 1)[0].rstrip("/") + "/v2/", timeout=3)
            answered[url] = True
        except urllib.error.HTTPError as error:
            answered[url] = error.code in (401, 403)
        except (OSError, ValueError):
            answered[url] = False

    every = sorted({url for urls in registries.values() for url in urls})
    threads = [threading.Thread(target=ask, args=(url,), daemon=True) for url in every]
    for thread in threads:
        thread.start()
    # The name may be looked up for longer than any timeout of the connection.
    deadline = time.monotonic() + 4
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return {name: next((url for url in urls if answered.get(url)), None) for name, urls in registries.items()}


def kubernetes() -> Facts:
    """What of Kubernetes is on the machine."""
    home = "/etc/kubernetes"
    return {
        "admin": os.path.exists(home + "/admin.conf"),
        "joined": os.path.exists(home + "/kubelet.conf"),
        "initialised": os.path.exists(home + "/custos-platform/initialised"),
        "ca": os.path.exists(home + "/pki/ca.crt"),
        "leftovers": sorted(os.listdir(home + "/manifests")) if os.path.isdir(home + "/manifests") else [],
        "etcd": os.path.isdir("/var/lib/etcd/member"),
    }


def main() -> None:
    """Prints everything."""
    wanted = json.loads(sys.argv[1])
    total, swap = memory()
    facts = {
        "os": release(),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "memory": total,
        "swap": swap,
        "hostname": platform.node(),
        "machine_id": read("/etc/machine-id") or "",
        "time": time.time(),
        "root": os.geteuid() == 0,
        "asked_from": asked_from(),
        "firewall": bool(output("nft", "list", "table", "inet", "custos")),
        "systemd": os.path.isdir("/run/systemd/system"),
        "cgroup": 2 if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else 1,
        "default_route": default_route(),
        "listening": listening(),
        "missing_packages": missing_packages(wanted["packages"]),
        "modules": {name: module(name) for name in wanted["modules"]},
        "sysctls": {name: read("/proc/sys/" + name.replace(".", "/")) for name in wanted["sysctls"]},
        "volumes": {path: volume(path) for path in wanted["volumes"]},
        "active": [unit for unit in wanted["units"] if output("systemctl", "is-active", unit).strip() == "active"],
        "kubernetes": kubernetes(),
        "kubelet_config": read("/var/lib/kubelet/config.yaml") or "",
        "registries": reached(wanted["registries"]),
        "artifacts": artifacts(wanted["artifacts"]) if wanted["artifacts"] else None,
    }
    print(json.dumps(facts))


main()
