#!/bin/bash
# What kube-proxy and kube-router call: iptables on nftables (the kernel of a lab need not have the old tables).
set -euo pipefail

apt-get update
apt-get install --yes --no-install-recommends conntrack ethtool iproute2 ipset iptables kmod nftables
