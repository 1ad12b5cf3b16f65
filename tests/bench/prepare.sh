#!/bin/bash
# What one types on a machine before Kubernetes, with the configuration files already in place: run as root.
# Usage: prepare.sh ARTIFACTS (the folder of binaries and images)
set -euo pipefail
artifacts=$1

xargs --no-run-if-empty modprobe --all < /etc/modules-load.d/custos-platform.conf
sysctl --quiet --load=/etc/sysctl.d/90-custos-platform.conf
systemctl enable --quiet containerd
systemctl restart containerd
install --mode=0755 --target-directory=/usr/local/bin "$artifacts"/bin/kube{adm,let,ctl}
for archive in "$artifacts"/images/*.tar; do
  ctr --namespace k8s.io images import "$archive" > /dev/null
done
systemctl daemon-reload
systemctl enable --quiet kubelet
