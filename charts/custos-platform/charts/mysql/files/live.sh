#!/bin/bash
# Liveness and startup probe: does mysqld answer? `live.sh startup` waits for the first answer; without it a mysqld that is still
# starting (crash recovery, the restart after a clone) is left alone for an hour, and only one that has answered before must go on doing so.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=basics.sh
source "${BASH_SOURCE[0]%/*}/basics.sh"

# Without a password: mysqladmin also calls a server alive that refuses it.
if mysqladmin --no-defaults --socket="$SOCKET" --connect-timeout=4 --silent ping >/dev/null 2>&1; then
  : >"$RUN_DIR/answered"
  exit 0
fi
[[ ${1:-} != startup ]] || die "mysqld does not answer yet"
[[ ! -e $RUN_DIR/answered ]] || die "mysqld has answered before and does not now"
started=$(<"$RUN_DIR/started")
((EPOCHSECONDS - started < 3600)) || die "mysqld has not answered for an hour since its start"
