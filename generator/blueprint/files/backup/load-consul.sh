#!/bin/sh
# Puts the backup's snapshot into a Consul without keys. Loading it once more is the same again, so a load that was cut off is no matter.
set -eu

# shellcheck source-path=SCRIPTDIR source=consul.sh
. "${0%/*}/consul.sh"
export CONSUL_HTTP_TOKEN_FILE="$tokens/management-token"
loading=custos-platform/restore-in-progress
restored=custos-platform/restored-snapshot

sum=$(sha256sum "$FILE")
sum=${sum%% *}
there=$(keys)
if [ "$there" != 0 ] && [ "$(consul kv get "$restored" 2>/dev/null || true)" = "$sum" ]; then
  echo 'Consul holds what is in the backup already'
  exit 0
fi
if [ "$there" != 0 ] && ! consul kv get "$loading" >/dev/null 2>&1; then
  echo "Consul holds $there keys already: nothing was loaded. A restore goes into empty stores only." >&2
  exit 3
fi
consul kv put "$loading" . >/dev/null
# The snapshot replaces everything, the note of before too.
consul snapshot restore "$FILE" >/dev/null
echo "Consul: $(keys) keys from the snapshot"
consul kv put "$restored" "$sum" >/dev/null
