#!/bin/bash
# What dump and load share. Environment: MYSQL_HOST, MYSQL_PORT.
# shellcheck disable=SC2034  # the constants are used by the scripts that read this one
set -euo pipefail

: "${MYSQL_HOST:?}" "${MYSQL_PORT:?}"
readonly FILE=/dumps/mysql.sql

# shellcheck source-path=SCRIPTDIR source=alone.sh
source "${BASH_SOURCE[0]%/*}/alone.sh"

# Says that a load has begun and not ended.
readonly LOADING=custos_restore_in_progress
# Who is nobody's data: MySQL's own schemas, this note, and those of this platform's agent, which makes accounts and schemas by itself.
readonly OWN="'mysql', 'sys', 'information_schema', 'performance_schema', 'custos_platform', '$LOADING'"
readonly SCHEMATA="SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ($OWN) ORDER BY 1"
readonly TABLES="SELECT COUNT(*) FROM information_schema.tables WHERE table_schema NOT IN ($OWN)"

options=$(mktemp /tmp/mysql.XXXXXX)
trap 'rm -f "$options"' EXIT
# The password is in no list of processes: an option file in memory.
cat >"$options" <<OPTIONS
[client]
user=custos_backup
password="$(</etc/custos/mysql/backup-password)"
host=$MYSQL_HOST
port=$MYSQL_PORT
protocol=tcp
ssl-mode=VERIFY_IDENTITY
ssl-ca=/etc/custos/mysql-tls/ca.crt
[mysql]
connect-timeout=10
OPTIONS

# sql QUERY: one value a line.
sql() {
  mysql --defaults-extra-file="$options" --batch --raw --skip-column-names --execute="$1"
}

# schemata: those of the server that are data. Not by a process substitution: a server that does not answer would look like one without data.
schemata() {
  sql "$SCHEMATA"
}

# dump SCHEMATA: their data as SQL, at one moment, the same text for the same data; one name a line.
dump() {
  local -a names
  if [[ -z $1 ]]; then
    echo '-- Dump completed: there is no schema'
    return
  fi
  mapfile -t names <<<"$1"
  mysqldump --defaults-extra-file="$options" --single-transaction --quick --routines --triggers --events --hex-blob --no-tablespaces \
    --set-gtid-purged=OFF --skip-dump-date --skip-add-locks --skip-comments --databases "${names[@]}" || return
  echo '-- Dump completed'
}
