#!/bin/bash
# PostgreSQL and Patroni with the paths, users and programs of Spilo. Patroni's wheel lies in /tmp/wheels; what it imports is Debian's.
set -euo pipefail

# Spilo's numbers; Debian's packages take the user that they find.
groupadd --system --gid 103 postgres
useradd --system --uid 101 --gid 103 --home-dir /home/postgres --no-create-home --shell /bin/bash postgres

apt-get update
apt-get install --yes --no-install-recommends postgresql-common
sed -ri 's/#(create_main_cluster) .*$/\1 = false/' /etc/postgresql-common/createcluster.conf
apt-get install --yes --no-install-recommends postgresql-17 curl \
  python3 python3-psycopg2 python3-urllib3 python3-yaml python3-click python3-prettytable python3-dateutil python3-psutil python3-ydiff

packages=$(python3 -c 'import sysconfig; print("/usr/local/lib/python%s/dist-packages" % sysconfig.get_python_version())')
install -d "$packages"
for wheel in /tmp/wheels/*.whl; do
  python3 -m zipfile -e "$wheel" "$packages"
done
# Compiled once here: nobody can write into the root later. The files' times change, so their content must count.
python3 -m compileall -q --invalidation-mode unchecked-hash "$packages"
# program MODULE FUNCTION NAME: what pip makes of an entry point.
program() {
  local lines=(
    '#!/usr/bin/python3' 'import sys' "from $1 import $2" '' '' "if __name__ == '__main__':" "    sys.exit($2())"
  )
  printf '%s\n' "${lines[@]}" > "/usr/local/bin/$3"
  chmod 0755 "/usr/local/bin/$3"
}
program patroni.__main__ main patroni
program patroni.ctl ctl patronictl

install -d -o postgres -g postgres -m 0775 /home/postgres
install -d -o postgres -g postgres -m 0700 /home/postgres/pgdata
rm -rf /var/lib/postgresql /etc/postgresql

# The official image has neither Perl nor, at run time, a use of Debian's package tools: what is tried here must not lean on them.
rm -rf /etc/apt /etc/perl /usr/share/perl /usr/share/perl5 /usr/lib/x86_64-linux-gnu/perl /usr/lib/x86_64-linux-gnu/perl-base
find /usr/bin /usr/sbin -xdev \( -name 'perl*' -o -name 'apt*' -o -name 'dpkg*' \) -delete
