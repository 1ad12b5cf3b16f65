#!/bin/bash
# Loads the backup's dump into an empty MySQL, then dumps the same schemata again: both have to be the same, byte for byte. Data that is there is never
# touched, but what an earlier load that was cut off has left behind is loaded anew: the dump drops each table before it makes it.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=mysql.sh
source "${BASH_SOURCE[0]%/*}/mysql.sh"

# The dump's own: today's values may name more, which the platform has made and nobody has filled.
# shellcheck disable=SC2016  # MySQL's quotes
dumped=$(sed --quiet --regexp-extended 's/^CREATE DATABASE .* `([^`]+)` .*/\1/p' "$FILE")

# difference: where the server and the dump part; fails where they do.
difference() {
  dump "$dumped" | cmp - "$FILE" 2>&1
}

if [[ $(sql "$TABLES") != 0 && -z $(sql "SHOW DATABASES LIKE '${LOADING//_/\\_}'") ]]; then
  if difference >/dev/null; then
    echo 'MySQL holds what is in the backup already'
    exit 0
  fi
  echo "MySQL holds $(sql "$TABLES") tables already: nothing was loaded. A restore goes into empty stores only." >&2
  exit 3
fi
sql "CREATE DATABASE IF NOT EXISTS $LOADING"
mysql --defaults-extra-file="$options" <"$FILE"
if ! parted=$(difference); then
  echo "MySQL: what was loaded is not what the dump holds: $parted" >&2
  exit 4
fi
sql "DROP DATABASE $LOADING"
echo "MySQL: $(sql "$TABLES") tables, the same as in the backup, byte for byte"
