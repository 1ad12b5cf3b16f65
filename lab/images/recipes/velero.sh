#!/bin/bash
# The official image is built on paketobuildpacks/run-jammy-tiny: its user, certificates, and no program but Velero's own.
set -euo pipefail

groupadd --gid 1000 cnb
useradd --uid 1002 --gid 1000 --home-dir /home/cnb --create-home --shell /sbin/nologin cnb

rm -rf /etc/apt /etc/perl /usr/share/perl /usr/share/perl5 /usr/lib/x86_64-linux-gnu/perl /usr/lib/x86_64-linux-gnu/perl-base
# The root that this runs in wants its policy-rc.d removed afterwards, and does so without anything of ours.
find /usr/bin /usr/sbin -xdev -mindepth 1 -not -name policy-rc.d -delete
