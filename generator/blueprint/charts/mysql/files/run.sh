#!/bin/bash
# Main process of the container `mysql`: keeps mysqld running on the member's volume. mysqld starts without a group; the agent beside it
# decides what it joins. A loop instead of the kubelet's restarts: SQL RESTART, the end of a clone and a crash then cost no back-off.
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
# shellcheck source-path=SCRIPTDIR source=basics.sh
source "$here/basics.sh"
# shellcheck source-path=SCRIPTDIR source=volume.sh
source "$here/volume.sh"

: "${POD_NAME:?}" "${POD_IP:?}" "${POD_HOST:?}"
: "${SHUTDOWN_SECONDS:=25}"

readonly RESTART_STATUS=16 # mysqld's exit status for SQL RESTART
readonly QUICK_SECONDS=30  # a mysqld that lives shorter has failed to start
readonly QUICK_FAILURES=5  # so many in a row are the kubelet's business, where people see them

child=''
stopping=''

# member_options: what differs from member to member. Addresses, not names: the group's communication has one thread, which must never
# wait for DNS.
member_options() {
  printf '%s\n' \
    --server-id="$(($(ordinal_of "$POD_NAME") + 1))" \
    --report-host="$POD_HOST" \
    --loose-group-replication-local-address="$(endpoint "$POD_IP" "$GROUP_PORT")" \
    --loose-group-replication-advertise-recovery-endpoints="$(endpoint "$POD_IP" "$MYSQL_PORT")"
}

stop() {
  stopping=yes
  if [[ -n $child ]]; then
    kill -TERM "$child" 2>/dev/null || true
  fi
}

# await CHILD: its exit status; a signal to this script does not end the waiting.
await() {
  local status=0
  while :; do
    status=0
    wait "$1" || status=$?
    kill -0 "$1" 2>/dev/null || break
    [[ -z $stopping ]] || limit "$1"
  done
  return "$status"
}

# limit CHILD: ends a shutdown that takes too long. The last member of a group that stops all at once waits a minute for a majority that
# no longer exists; with a durable redo and binary log the kill costs nothing but the recovery at the next start.
limit() {
  [[ -z ${limited:-} ]] || return 0
  limited=yes
  (
    for ((i = 0; i < SHUTDOWN_SECONDS * 5; i++)); do
      sleep 0.2
      kill -0 "$1" 2>/dev/null || exit 0
    done
    log "mysqld has not ended after $SHUTDOWN_SECONDS s: killing it"
    kill -KILL "$1"
  ) &
}

# obey: waits in the background for the agent's word that mysqld is to be killed, which it has no other way to do: each container sees its own
# processes only.
obey() {
  rm -f "$RUN_DIR/kill"
  mkfifo -m 0600 "$RUN_DIR/kill"
  local reason
  while :; do
    IFS= read -r reason <"$RUN_DIR/kill" || continue
    log "killing mysqld: $reason"
    : >"$RUN_DIR/killed"
    kill -KILL "$(<"$RUN_DIR/child")" || true
  done &
}

# watch_space: in the background writes down how many bytes of the volume are free and how many it has, for the agent, which does not see it.
watch_space() {
  local free blocks size
  while :; do
    if read -r free blocks size < <(stat --file-system --format='%a %b %S' "$VOLUME_DIR"); then
      printf '%s %s\n' "$((free * size))" "$((blocks * size))" >"$RUN_DIR/space"
    fi
    sleep 1
  done &
}

main() {
  local -a options
  local status started failures=0
  trap stop TERM INT
  umask 027
  rm -f "$RUN_DIR"/{leaving,left,failure}
  obey
  watch_space
  mapfile -t options < <(member_options)
  while [[ -z $stopping ]]; do
    rm -f "$RUN_DIR"/{mysqld.sock,mysqld.sock.lock,mysqld.pid,answered,killed}
    printf '%s' "$EPOCHSECONDS" >"$RUN_DIR/started"
    prepare_volume
    started=$SECONDS
    status=0
    MYSQLD_PARENT_PID=$$ mysqld --defaults-file="$CONFIG_FILE" --datadir="$DATA_DIR" --socket="$SOCKET" "${options[@]}" &
    child=$!
    printf '%s' "$child" >"$RUN_DIR/child"
    [[ -z $stopping ]] || stop # asked before there was a child
    await "$child" || status=$?
    child=''
    [[ -z $stopping ]] || break
    log "mysqld ended with status $status after $((SECONDS - started)) s: starting it again"
    if ((status == RESTART_STATUS || SECONDS - started >= QUICK_SECONDS)); then
      failures=0
    elif [[ -e $RUN_DIR/killed ]]; then
      : # by the agent: it did start
    elif ((++failures >= QUICK_FAILURES)); then
      fail "mysqld has ended $failures times within $QUICK_SECONDS s of its start, the last time with status $status ($(free_space)); its messages in the log of the container mysql say why"
    else
      sleep "$failures"
    fi
  done
  log "mysqld has ended, status $status"
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || main
