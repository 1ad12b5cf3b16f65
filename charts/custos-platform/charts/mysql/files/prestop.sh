#!/bin/bash
# preStop of the container `mysql`: asks the agent to hand the primary's role over, and waits for its answer at most 8 s.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=basics.sh
source "${BASH_SOURCE[0]%/*}/basics.sh"

: >"$RUN_DIR/leaving"
deadline=$((SECONDS + 8))
until [[ -e $RUN_DIR/left ]] || ((SECONDS >= deadline)); do
  sleep 0.1
done
