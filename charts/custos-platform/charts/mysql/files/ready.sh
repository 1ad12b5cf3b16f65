#!/bin/bash
# Readiness probe: this member is ONLINE in its group.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=basics.sh
source "${BASH_SOURCE[0]%/*}/basics.sh"

state=$(mysql --defaults-file="$RUN_DIR/agent/local.cnf" --skip-column-names --batch --connect-timeout=4 --execute="
  SELECT member_state FROM performance_schema.replication_group_members WHERE member_id = @@server_uuid" 2>&1) ||
  die "mysqld does not answer: ${state##*$'\n'}"
[[ $state == ONLINE ]] || die "the member is ${state:-OFFLINE}"
