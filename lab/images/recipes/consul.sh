#!/bin/bash
# Consul's user and folders where the official image has them. Its shell is busybox's: what is tried here may use of Debian's programs only
# what busybox has too (sh, cat, date, grep, ls, mv, rm, sleep, tail).
set -euo pipefail

groupadd --gid 1000 consul
useradd --uid 100 --gid 1000 --home-dir /home/consul --no-create-home --shell /usr/sbin/nologin consul
install -d -o consul -g consul /consul/data /consul/config

# The official image has neither bash, Perl, openssl nor Debian's package tools.
rm -rf /etc/apt /etc/perl /usr/share/perl /usr/share/perl5 /usr/lib/x86_64-linux-gnu/perl /usr/lib/x86_64-linux-gnu/perl-base
find /usr/bin /usr/sbin -xdev \( -name 'perl*' -o -name 'apt*' -o -name 'dpkg*' -o -name 'openssl' \) -delete
rm -f /usr/bin/bash /usr/bin/rbash
