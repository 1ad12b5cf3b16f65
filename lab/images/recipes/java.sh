#!/bin/bash
# A Java run time without a desktop.
set -euo pipefail

apt-get update
mkdir -p /usr/share/man/man1 # update-alternatives of the package fails without it
apt-get install --yes --no-install-recommends openjdk-21-jre-headless
