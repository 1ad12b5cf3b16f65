#!/bin/bash
# Liveness probe of the agent: each of its loops has turned within the last two minutes.
set -euo pipefail

for loop in "$@"; do
  age=$((EPOCHSECONDS - $(stat --format %Y "/run/custos/beat-$loop")))
  ((age < 120)) || {
    echo "the agent's loop $loop has not turned for $age s" >&2
    exit 1
  }
done
