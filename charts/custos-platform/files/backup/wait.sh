#!/bin/sh
# Keeps a container there for Velero's hooks, which run in it. Ends at once when it is told to.
set -eu

trap 'exit 0' TERM INT
while true; do
  # In the background: a signal must not wait for the sleep.
  sleep 3600 &
  wait $!
done
