#!/bin/sh
# Writes a snapshot of all that Consul holds, with all of Vault's data (which Vault has encrypted), to the backup's volume.
set -eu

# shellcheck source-path=SCRIPTDIR source=consul.sh
. "${0%/*}/consul.sh"
export CONSUL_HTTP_TOKEN_FILE="$tokens/snapshot-token"

rm -f "$FILE" "$FILE.part"
consul snapshot save "$FILE.part" >/dev/null
# Only one that can be read counts.
consul snapshot inspect "$FILE.part" >/dev/null
mv "$FILE.part" "$FILE"
echo "Consul: $(stat -c %s "$FILE") bytes"
