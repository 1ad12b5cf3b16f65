#!/bin/bash
# What dump and load share. Environment: PGHOST, PGPORT, PGUSER, PGDATABASE.
# shellcheck disable=SC2034  # the constants are used by the scripts that read this one
set -euo pipefail

: "${PGHOST:?}" "${PGPORT:?}" "${PGUSER:?}" "${PGDATABASE:?}"
readonly FILE=/dumps/postgresql.sql

# shellcheck source-path=SCRIPTDIR source=alone.sh
source "${BASH_SOURCE[0]%/*}/alone.sh"

readonly TABLES="SELECT COUNT(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
PGPASSWORD=$(<"/etc/custos/postgresql/$PGUSER")
export PGPASSWORD PGSSLMODE=verify-full PGSSLROOTCERT=/etc/custos/postgresql-tls/ca.crt PGCONNECT_TIMEOUT=10
# Spilo's PATH does not lead to the programs of its newest version.
for folder in /usr/lib/postgresql/*/bin; do
  PATH=$folder:$PATH
done

# sql QUERY: one value a line.
sql() {
  psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --command="$1"
}

# dump: Keycloak's database as SQL, at one moment, the same text for the same data. The key that newer versions put around it is another each time.
dump() {
  pg_dump --no-owner --no-privileges --no-comments | sed --regexp-extended '/^\\(un)?restrict /d'
}
