"""Removes the packet filter's rules and address sets of kube-proxy and kube-router from this machine; others stay.

Standard library only: it runs on machines that have nothing of ours. Prints `removed` when there were any.
"""

import subprocess

OURS = ("KUBE-", "kube-router", "custos-platform")


def rules(command: str) -> bool:
    """Rewrite the tables of iptables or ip6tables without our rules; True if there were any."""
    saved = subprocess.run([command + "-save"], stdout=subprocess.PIPE, check=True).stdout.decode()
    kept = [line for line in saved.splitlines() if not any(name in line for name in OURS)]
    if len(kept) == len(saved.splitlines()):
        return False
    subprocess.run([command + "-restore"], input=("\n".join(kept) + "\n").encode(), check=True)
    return True


def sets() -> bool:
    """Destroy our address sets; True if there were any."""
    try:
        listed = subprocess.run(["ipset", "list", "-name"], stdout=subprocess.PIPE, check=True).stdout.decode()
    except OSError:
        return False
    ours = [name for name in listed.split() if name.startswith(("KUBE-", "kube-router", "inet6:KUBE-"))]
    for name in ours:
        subprocess.run(["ipset", "destroy", name], check=False)
    return bool(ours)


def tables() -> bool:
    """Delete kube-proxy's own tables of nftables; True if there were any."""
    try:
        listed = subprocess.run(["nft", "list", "tables"], stdout=subprocess.PIPE, check=True).stdout.decode()
    except OSError:
        return False
    ours = [line.split()[1:] for line in listed.splitlines() if line.split()[-1] == "kube-proxy"]
    for family, name in ours:
        subprocess.run(["nft", "delete", "table", family, name], check=True)
    return bool(ours)


if any([rules("iptables"), rules("ip6tables"), sets(), tables()]):
    print("removed")
