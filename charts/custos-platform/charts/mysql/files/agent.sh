#!/bin/bash
# Main process of the container `agent`: watches the mysqld beside it, brings it into the group, says by the pod's label `role` what it is, and
# makes schemas and accounts where it is the primary.
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
# shellcheck source-path=SCRIPTDIR source=basics.sh
source "$here/basics.sh"
# shellcheck source-path=SCRIPTDIR source=kubernetes.sh
source "$here/kubernetes.sh"
# shellcheck source-path=SCRIPTDIR source=lease.sh
source "$here/lease.sh"
# shellcheck source-path=SCRIPTDIR source=server.sh
source "$here/server.sh"
# shellcheck source-path=SCRIPTDIR source=group.sh
source "$here/group.sh"
# shellcheck source-path=SCRIPTDIR source=accounts.sh
source "$here/accounts.sh"

: "${POD_NAME:?}" "${POD_UID:?}" "${POD_HOST:?}" "${NAMESPACE:?}" "${STATEFULSET:?}" "${HEADLESS_HOST:?}"
: "${LEASE:?}" "${MARKER_NAME:?}" "${OBJECT_LABELS:?}"
: "${WORK_DIR:=/tmp}"

# Seconds between two looks at mysqld. While a change is on its way each look is part of the pause that it costs; a calm group is looked at less
# often: ten looks a second at each of three members took bash alone 0.075 of one of the lab's processors. Seconds before a dead member is taken
# out of the group, the others see it as unreachable.
readonly ALERT_INTERVAL=0.1 CALM_INTERVAL=0.3

me=$(ordinal_of "$POD_NAME")
role='' label=unknown # what this member is, and what its pod's label says
member_state='' member_role='' read_only='' members=0 unreachable=0
failures=0

# set_label ROLE: makes the pod's label say so, once.
set_label() {
  [[ $label != "$1" ]] || return 0
  due label-error 1 || [[ $label != failed ]] || return 1
  if patch_role "$me" "$1"; then
    log "label role: ${1:-none}"
    label=$1
    last_time[relabel]=$SECONDS
  else
    label=failed
    log "the label could not be set: $(api_error)"
    return 1
  fi
}

# strip_others: takes the primary's label from every other pod. The label of a machine that died would lead clients into the void until
# Kubernetes notices.
strip_others() {
  local i
  for ((i = 0; i < $(span); i++)); do
    if ((i != me)) && [[ $(role_of "$i") == primary ]]; then
      if patch_role "$i" ''; then
        log "$STATEFULSET-$i is no longer the primary: label taken"
      else
        log "the label of $STATEFULSET-$i still says primary: $(api_error)"
      fi
    fi
  done
}

# observe: asks the local mysqld what it is; false where it does not answer.
observe() {
  ask "$STATE_QUERY" || return
  IFS='|' read -r member_state member_role read_only members unreachable <<<"$ANSWER"
}

has_majority() {
  ((unreachable * 2 < members))
}

# record: writes down what the group is; true when that is done.
recorded_members=0 # how many members the group had then
record() {
  local status=0
  ask 'SELECT @@group_replication_group_name;' || return
  group_record "$ANSWER" "$me" || status=$?
  if ((status == 0)); then
    recorded_members=$members
    return
  elif ((status == 2)); then
    set_label '' || true
    event Warning GroupSuperseded "this group is given up: another one has been started since (ConfigMap $MARKER_NAME says $MARKER_GROUP)"
    restart 'its group is not the recorded one'
  else
    ! due record-error 10 || log "the group could not be recorded: $(api_error)"
  fi
  return 1
}

# read_ahead: a member sees that another is unreachable and may be the primary in a second: it asks the marker now. Until it is removed from the group
# there is nothing else to do, and afterwards each question lengthens the pause.
read_ahead=-1000 # when the marker last named our group
read_marker_ahead() {
  due ahead 5 || return 0
  marker_read && ask 'SELECT @@group_replication_group_name;' || return 0
  [[ $MARKER != yes || $ANSWER != "$MARKER_GROUP" ]] || read_ahead=$SECONDS
}

# lead: this member is the primary. The label comes last: whoever reaches the primary finds his schema. One that cannot be made does not keep the
# others from theirs.
lead() {
  if [[ $label != primary ]]; then
    accounts_apply || ((${#APPLIED[@]})) || return 0
    if ((SECONDS - read_ahead <= 3)); then
      set_label primary || return 0
      record || return 0
    else
      record || return 0
      set_label primary || return 0
    fi
    strip_others
    last_time[strip]=$SECONDS
    return 0
  fi
  if due strip 10; then
    [[ $(role_of "$me") == primary ]] || label=unknown
    strip_others
  fi
  # As long as the API hangs each question costs seconds; where members come and go the record follows soon.
  if due record 15 || { [[ $members != "$recorded_members" || -n $PENDING ]] && due changes 2; }; then
    record || return 0
  fi
  if due accounts 15; then
    accounts_want
    accounts_apply || true
  fi
}

# dismiss_clients: ends the clients' connections. A pool keeps those it has to a former primary, and every write on them fails.
dismiss_clients() {
  local kills
  kills=$(local_sql <<<"SELECT CONCAT('KILL ', id, ';') FROM performance_schema.processlist
    WHERE user NOT IN ('root', '$AGENT_USER', '$REPLICATION_USER', 'event_scheduler', 'system user') AND user NOT LIKE 'mysql.%';") || return 0
  [[ -z $kills ]] || mysql --defaults-file="$RUN_DIR/agent/local.cnf" --force --batch <<<"$kills" >/dev/null 2>&1 || true
}

# follow: this member is a secondary. For a few seconds after it was the primary it sends clients away, until they find the new one.
follow() {
  [[ $role != primary ]] || last_time[demoted]=$SECONDS
  ((unreachable == 0)) || read_marker_ahead
  set_label replica || true
  if [[ -n ${last_time[demoted]:-} ]] && ((SECONDS - last_time[demoted] < 8)) && due dismiss 1; then
    dismiss_clients
  fi
  ! due relabel 30 || label=unknown
  ! due accounts 15 || accounts_want
}

# restart REASON: a fresh mysqld. Quicker and surer than STOP GROUP_REPLICATION, which takes half a minute and may leave the next START failing.
restart() {
  log "restarting mysqld: $1"
  local_sql <<<'RESTART;' || true
  client_close
}

# failed REASON: a fresh mysqld after something that should not be; an event at most every five minutes, for it may happen again and again.
failed() {
  volume_full || true
  ! due failed 300 || event Warning MemberFailed "$1 (volume: ${SPACE:-unknown}); the log of the container mysql says why. It tries again by itself"
  restart "$1"
}

# deserted: this member sees no majority. Where every other one of its view answers that it is in no group, waiting for them is in vain.
deserted() {
  local i others
  set_label '' || true
  due deserted 2 || return 0
  ask "$OTHERS_QUERY" || return 0
  others=$ANSWER
  survey || return 0
  for i in $others; do
    [[ ${STATE[$i]:-} == OFFLINE ]] || return 0
  done
  # A kill: a shutdown would try for half a minute to take its leave of a majority that is not there. Nothing acknowledged is lost by it.
  log 'the majority is gone and every other member is in no group: having mysqld killed'
  have_killed 'the majority is gone'
}

# volume_full: true where this member's volume is full: fewer than 64 MiB are free, or since then not yet 128. Sets FREE to the MiB and SPACE to words
# for them. For room for its binary log mysqld waits as long as it takes, and while the primary waits, nobody can write.
full='' FREE=0 SPACE=''
volume_full() {
  local free size mib=$((1024 * 1024))
  read -r free size 2>/dev/null <"$RUN_DIR/space" || return
  FREE=$((free / mib))
  SPACE="$FREE of $((size / mib)) MiB are free"
  if ((FREE < 64)); then
    full=yes
  elif ((FREE >= 128)); then
    full=''
  fi
  [[ -n $full ]]
}

# make_way: this member's volume is full. Where two others are there to go on, it leaves; the primary hands its role over before, to one that has
# room. A kill: what waits for room cannot be ended otherwise, and was not acknowledged. False where it has to stay.
make_way() {
  local i replica=''
  ! due full-event 300 || event Warning VolumeFull "the volume is full ($SPACE). Make the claim larger (mysql.persistence.size; the StorageClass must allow it) or make room; until then this member leaves the group where the others can go on without it"
  ((members >= 3 && unreachable == 0)) || return 1
  if [[ $member_role == PRIMARY ]]; then
    for ((i = 0; i < $(span); i++)); do
      ((i == me)) || [[ $(role_of "$i") != replica ]] || replica=$i
    done
    [[ -n $replica ]] || return 1
    ((FREE < 4)) || hand_over # where there is nothing left, all writes wait already, and handing over would wait for them
  fi
  set_label '' || true
  have_killed 'its volume is full'
}

# have_killed REASON: has mysqld killed by the container that can.
have_killed() {
  timeout 2 tee "$RUN_DIR/kill" <<<"$1" >/dev/null || log 'nobody took that word'
  client_close
}

# hand_over: gives the primary's role to a member that stays and does a replica's work; nothing where there is none.
hand_over() {
  local id host output
  while IFS='|' read -r id host; do
    host=${host%%.*}
    if ! leaves "$(ordinal_of "$host")" && [[ $(role_of "$(ordinal_of "$host")") == replica ]]; then
      log "handing the primary's role to $host"
      output=$(timeout 7 mysql --defaults-file="$RUN_DIR/agent/local.cnf" --batch --skip-column-names \
        --execute="SELECT group_replication_set_as_primary('$id', 1)" 2>&1) || log "the role could not be handed over: ${output##*$'\n'}"
      return 0
    fi
  done < <(local_sql <<<"SELECT CONCAT(member_id, '|', member_host) FROM performance_schema.replication_group_members
    WHERE member_state = 'ONLINE' AND member_id <> @@server_uuid ORDER BY member_host;")
  log 'no other member stays: the role is not handed over'
}

# leave: the pod is being deleted.
leave() {
  [[ ! -e $RUN_DIR/left ]] || return 0
  if [[ $member_state == ONLINE && $member_role == PRIMARY ]] && has_majority; then
    hand_over
  fi
  : >"$RUN_DIR/left"
  marker_leave "$me"
}

# step: one look at the local member, and what follows from it.
step() {
  local was=$role
  if ! observe; then
    role=''
    set_label '' || true
    [[ ! -s $RUN_DIR/failure ]] || ! due failure 300 || event Warning MysqldStopped "$(<"$RUN_DIR/failure")"
    return 0
  fi
  if [[ -e $RUN_DIR/leaving ]]; then
    leave
    observe || return 0
  fi
  if due secrets 5; then
    take_certificates
    take_password
  fi
  role=''
  case $member_state in
    ONLINE)
      failures=0
      if ! has_majority; then
        deserted
      elif volume_full && make_way; then
        :
      elif [[ $member_role != PRIMARY ]]; then
        role=$was
        follow
        role=replica
      elif [[ $read_only == 0 ]]; then
        role=primary
        lead
      fi
      ;;
    OFFLINE)
      set_label '' || true
      [[ ! -e $RUN_DIR/leaving ]] && due seek 1 || return 0
      if volume_full; then
        stuck "stop: the volume is full ($SPACE), and the member stays outside. Make the claim larger (mysql.persistence.size; the StorageClass must allow it) or make room"
        return 0
      fi
      if ! seek "$me" && ((++failures >= 3)); then
        failures=0
        failed 'three attempts to enter the group have failed'
      fi
      ;;
    ERROR)
      set_label '' || true
      [[ -e $RUN_DIR/leaving ]] || failed 'the member has left the group with an error'
      ;;
    *) set_label '' || true ;; # RECOVERING: data is coming
  esac
}

# interval: how long to wait until the next look.
interval() {
  if [[ -z $role || $role != "$label" ]] || ((unreachable > 0)); then
    REPLY=$ALERT_INTERVAL
  else
    REPLY=$CALM_INTERVAL
  fi
}

main() {
  trap 'client_close; exit 0' TERM INT
  trap '' PIPE
  rm -f "$WORK_DIR/idle"
  write_credentials
  local idle
  mkfifo -m 0600 "$WORK_DIR/idle"
  exec {idle}<>"$WORK_DIR/idle" # never written: reading it is a pause that starts no process
  log "member $me of $(replicas)"
  while :; do
    printf '%s' "$EPOCHSECONDS" >"$RUN_DIR/agent/heartbeat"
    step
    interval
    read -r -t "$REPLY" -u "$idle" || true
  done
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || main
