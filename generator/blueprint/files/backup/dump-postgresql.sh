#!/bin/bash
# Writes Keycloak's database to the backup's volume. Roles and passwords are not in it: the platform makes them from its Secrets.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=postgresql.sh
source "${BASH_SOURCE[0]%/*}/postgresql.sh"

rm -f "$FILE" "$FILE.part"
dump >"$FILE.part"
mv "$FILE.part" "$FILE"
echo "PostgreSQL: $(stat -c %s "$FILE") bytes"
