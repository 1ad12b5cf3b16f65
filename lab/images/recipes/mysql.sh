#!/bin/bash
# MySQL with the official image's paths, users and programs. VERSION 9.7.4 is the only 9.x that Debian has, in sid.
set -euo pipefail

groupadd --system --gid 999 mysql
useradd --system --uid 999 --gid 999 --home-dir /var/lib/mysql --no-create-home mysql

cat > /etc/apt/sources.list.d/sid.list <<LIST
deb [check-valid-until=no] $DEBIAN_MIRROR sid main
LIST
apt-get update
apt-get install --yes --no-install-recommends --target-release sid \
  'mysql-server-core=9.7.4*' 'mysql-client-core=9.7.4*' curl openssl

# The official image's server looks for plugins where its package puts them; the options that name that place hold here too.
install -d /usr/lib64/mysql
ln -s /usr/lib/mysql/plugin /usr/lib64/mysql/plugin
install -d -o mysql -g mysql -m 1777 /var/lib/mysql /var/run/mysqld
install -d -o mysql -g mysql -m 0750 /var/lib/mysql-files /var/lib/mysql-keyring
install -d /etc/mysql/conf.d
rm -f /etc/mysql/my.cnf

# The official image has neither Perl nor Debian's package tools: what is tried here must not lean on them.
rm -rf /etc/apt /etc/perl /usr/share/perl /usr/share/perl5 /usr/lib/x86_64-linux-gnu/perl /usr/lib/x86_64-linux-gnu/perl-base
find /usr/bin /usr/sbin -xdev \( -name 'perl*' -o -name 'apt*' -o -name 'dpkg*' \) -delete
