#!/bin/sh
# Puts the backup's snapshot into a Consul without keys, which takes all of it or nothing, and compares the keys with those of the backup.
set -eu

# shellcheck source-path=SCRIPTDIR source=consul.sh
. "${0%/*}/consul.sh"
expected=unknown
[ ! -s "$SUM" ] || expected=$(cat "$SUM")

there=$(keys)
if [ "$there" != 0 ]; then
  if [ "$(sum)" = "$expected" ]; then
    echo 'Consul holds what is in the backup already'
    exit 0
  fi
  echo "Consul holds $there keys already: nothing was loaded. A restore goes into empty stores only." >&2
  exit 3
fi
consul snapshot restore "$FILE" >/dev/null
there=$(keys)
if [ "$expected" = unknown ]; then
  echo "Consul: $there keys from the snapshot; Vault wrote all the while it was taken, so there was nothing to compare them with"
  exit 0
fi
if [ "$(sum)" != "$expected" ]; then
  echo "Consul: the $there keys that were loaded are not those of the backup" >&2
  exit 4
fi
echo "Consul: $there keys, the same as in the backup"
