#!/bin/bash
# Python where the official image has it; openssl comes with the base.
set -euo pipefail

apt-get update
apt-get install --yes --no-install-recommends python3.13 netbase tzdata
for name in python python3 python3.13; do
  ln -s /usr/bin/python3.13 "/usr/local/bin/$name"
done
