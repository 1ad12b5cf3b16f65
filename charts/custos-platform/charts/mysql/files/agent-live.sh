#!/bin/bash
# Liveness probe of the agent: its loop has turned within the last five minutes (entering a group may hold it up for one or two).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=basics.sh
source "${BASH_SOURCE[0]%/*}/basics.sh"

beat=$(<"$RUN_DIR/agent/heartbeat")
((EPOCHSECONDS - beat < 300)) || die "the agent's loop has not turned for $((EPOCHSECONDS - beat)) s"
