#!/bin/sh
# Takes snapshots of everything that Consul holds: keys, policies, tokens. Only a snapshot that `consul snapshot inspect` can read counts; of these the
# newest KEEP stay.
#   snapshot.sh        goes on for ever, one every INTERVAL_MINUTES
#   snapshot.sh now    takes one and ends
#   snapshot.sh fresh  whether there is one that is not too old (readiness)
#   snapshot.sh alive  whether the endless one goes on (liveness)
# The token comes by CONSUL_HTTP_TOKEN_FILE, the server by CONSUL_HTTP_ADDR.
set -eu

: "${INTERVAL_MINUTES:?}" "${KEEP:?}"
folder=/snapshots
pulse=/tmp/pulse
# Where a try fails, the next one comes sooner.
retry_seconds=15
longest_seconds=600

# snapshots: their files, the oldest first; the names are their times.
snapshots() {
  find "$folder" -maxdepth 1 -name 'consul-*.snap' | sort
}

take() {
  part="$folder/.part"
  rm -f "$part"
  timeout "$longest_seconds" consul snapshot save "$part" || return 1
  consul snapshot inspect "$part" >/dev/null || return 1
  new="$folder/consul-$(date -u +%Y%m%dT%H%M%SZ).snap"
  mv "$part" "$new"
  sync
  echo "took $new"
  surplus=$(($(snapshots | wc -l) - KEEP))
  snapshots | while read -r old; do
    [ "$surplus" -gt 0 ] || break
    surplus=$((surplus - 1))
    rm -f "$old"
    echo "removed $old"
  done
}

case ${1:-} in
  now)
    take
    exit
    ;;
  fresh)
    find "$folder" -maxdepth 1 -name 'consul-*.snap' -mmin "-$((2 * INTERVAL_MINUTES + 5))" | grep -q .
    exit
    ;;
  alive)
    find "$pulse" -mmin "-$((INTERVAL_MINUTES + longest_seconds / 30))" | grep -q .
    exit
    ;;
esac

trap 'exit 0' TERM INT
while true; do
  touch "$pulse"
  pause=$retry_seconds
  if take; then
    pause=$((INTERVAL_MINUTES * 60))
  fi
  touch "$pulse"
  # In the background: a signal must not wait for the sleep.
  sleep "$pause" &
  wait $!
done
