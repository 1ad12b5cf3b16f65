#!/bin/bash
# Loads the backup's dump into an empty database, in one transaction, then dumps it again: both have to be the same, byte for byte. Data that is there is
# never touched; a load that was cut off has left nothing.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=postgresql.sh
source "${BASH_SOURCE[0]%/*}/postgresql.sh"

# difference: where the database and the dump part; fails where they do.
difference() {
  dump | cmp - "$FILE" 2>&1
}

if [[ $(sql "$TABLES") != 0 ]]; then
  if difference >/dev/null; then
    echo 'PostgreSQL holds what is in the backup already'
    exit 0
  fi
  echo "the database $PGDATABASE holds $(sql "$TABLES") tables already: nothing was loaded. A restore goes into empty stores only." >&2
  exit 3
fi
psql --no-psqlrc --quiet --single-transaction --set=ON_ERROR_STOP=1 --file="$FILE" >/dev/null
if ! parted=$(difference); then
  echo "PostgreSQL: what was loaded is not what the dump holds: $parted" >&2
  exit 4
fi
echo "PostgreSQL: $(sql "$TABLES") tables, the same as in the backup, byte for byte"
