#!/bin/sh
# Puts the backup's snapshot into a Consul without keys, which takes all of it or nothing, and compares the keys with those of the backup. What an earlier
# load that was cut off has left is replaced as a whole.
set -eu

# shellcheck source-path=SCRIPTDIR source=consul.sh
. "${0%/*}/consul.sh"
expected=unknown
[ ! -s "$SUM" ] || expected=$(cat "$SUM")

there=$(keys)
if [ "$there" != 0 ] && [ ! -e "$LOADING" ]; then
  now=$(sum)
  if [ "$now" = "$expected" ] || { [ -s "$LOADED" ] && [ "$now" = "$(cat "$LOADED")" ]; }; then
    echo 'Consul holds what is in the backup already'
    exit 0
  fi
  echo "Consul holds $there keys already: nothing was loaded. A restore goes into empty stores only." >&2
  exit 3
fi
: >"$LOADING"
consul snapshot restore "$FILE" >/dev/null
there=$(keys)
now=$(sum)
if [ "$expected" != unknown ] && [ "$now" != "$expected" ]; then
  echo "Consul: the $there keys that were loaded are not those of the backup" >&2
  exit 4
fi
echo "$now" >"$LOADED"
rm "$LOADING"
if [ "$expected" = unknown ]; then
  echo "Consul: $there keys from the snapshot; Vault wrote all the while it was taken, so there was nothing to compare them with"
else
  echo "Consul: $there keys, the same as in the backup"
fi
