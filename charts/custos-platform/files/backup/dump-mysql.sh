#!/bin/bash
# Writes all of MySQL's data to the backup's volume. Accounts and passwords are not in it: the platform makes them from its Secrets.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=mysql.sh
source "${BASH_SOURCE[0]%/*}/mysql.sh"

rm -f "$FILE" "$FILE.part"
all=$(schemata)
dump "$all" >"$FILE.part"
mv "$FILE.part" "$FILE"
echo "MySQL: $(stat -c %s "$FILE") bytes"
