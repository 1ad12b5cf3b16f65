#!/bin/sh
# Writes a snapshot of all that Consul holds, with all of Vault's data (which Vault has encrypted), to the backup's volume, and the sum of its keys.
set -eu

# shellcheck source-path=SCRIPTDIR source=consul.sh
. "${0%/*}/consul.sh"
tries=5

rm -f "$FILE" "$SUM" "$FILE.part" "$LOADING" "$LOADED"
# A sum that is the same before and after the snapshot is the snapshot's. Where Vault writes without a pause there is none, and the load cannot compare.
before=$(sum)
while [ "$tries" -gt 0 ]; do
  consul snapshot save "$FILE.part" >/dev/null
  after=$(sum)
  [ "$after" != "$before" ] || break
  before=$after
  after=unknown
  tries=$((tries - 1))
done
# Only one that can be read counts.
consul snapshot inspect "$FILE.part" >/dev/null
echo "$after" >"$SUM"
mv "$FILE.part" "$FILE"
echo "Consul: $(stat -c %s "$FILE") bytes"
