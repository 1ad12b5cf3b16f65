#!/bin/sh
# Ends the script where another dump or load is at work in this container: a hook that Velero gave up, or a load whose connection was cut, goes on by itself.
set -eu

exec 9>/tmp/at-work
if ! flock -n 9; then
  echo 'an earlier dump or load is still at work in this pod: nothing was done; run it again once that has ended' >&2
  exit 1
fi
