#!/bin/bash
# Last init container: waits until the database accepts connections, for a start without it fails. It never gives up, and says what it waits for.
#   wait.sh HOST PORT
set -euo pipefail

host=$1 port=$2
tries=0
until timeout 3 bash -c "exec 3<>/dev/tcp/$host/$port" 2> /dev/null; do
  if ((tries++ % 10 == 0)); then
    echo "waiting for the database at $host:$port"
  fi
  sleep 1
done
echo "the database at $host:$port is there"
