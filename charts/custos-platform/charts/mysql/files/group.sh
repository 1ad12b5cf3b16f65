#!/bin/bash
# A member outside of a group: asking the others, deciding, joining, starting the group. Needs basics.sh, kubernetes.sh, lease.sh, server.sh.

# What the last survey found, by ordinal. STATE is empty for a member that did not answer.
declare -A ADDRESS=() STATE=() WORKING=() KNOWS_US=() GROUP=() SET=()

# What another member says of itself and its group; %s is the name under which the group would list us.
readonly PEER_QUERY="SELECT CONCAT_WS('|',
  COALESCE(MAX(IF(member_id = @@server_uuid, member_state, NULL)), 'OFFLINE'),
  COALESCE(SUM(member_state = 'UNREACHABLE') * 2 < COUNT(*) AND SUM(member_role = 'PRIMARY') = 1, 0),
  COALESCE(SUM(member_host = '%s'), 0), @@group_replication_group_name, $SET_QUERY)
  FROM performance_schema.replication_group_members"

replicas() {
  printf '%s' "$(<"$SETTINGS_DIR/replicas")"
}

# survey: asks every member, all at once.
survey() {
  local i query
  # shellcheck disable=SC2059  # the query is a format
  printf -v query "$PEER_QUERY" "$POD_HOST"
  ADDRESS=() STATE=() WORKING=() KNOWS_US=() GROUP=() SET=()
  for ((i = 0; i < $(replicas); i++)); do
    (
      address=$(address_of "$i") && answer=$(peer_sql "$address" "$query") && printf '%s|%s\n' "$address" "${answer##*$'\n'}"
    ) >"$WORK_DIR/member.$i" &
    asked[i]=$!
  done
  for ((i = 0; i < $(replicas); i++)); do
    wait "${asked[i]}" || continue
    IFS='|' read -r "ADDRESS[$i]" "STATE[$i]" "WORKING[$i]" "KNOWS_US[$i]" "GROUP[$i]" "SET[$i]" <"$WORK_DIR/member.$i"
  done
  find_largest
}
asked=()

# find_largest: sets LARGEST to the lowest ordinal whose transactions contain everybody else's, or to nothing where no member has them all.
LARGEST=''
find_largest() {
  local i table=''
  LARGEST=''
  for i in "${!SET[@]}"; do
    table+="${table:+ UNION ALL }SELECT $i AS o, $(sql_quote "${SET[$i]}") AS s"
  done
  ask "WITH m AS ($table) SELECT COALESCE(MIN(o), '') FROM m WHERE NOT EXISTS (SELECT 1 FROM m n WHERE NOT GTID_SUBSET(n.s, m.s));" || return
  LARGEST=${ANSWER:-}
}

# decide ME REPLICAS MARKER OVERRIDE: what a member outside of a group does next, from the last survey. Prints one of
#   join               there is a working group
#   bootstrap REASON   this member starts the group
#   wait REASON        something is still to come; the reason names it
#   stop REASON        people must decide
# MARKER is yes where a group was started here before; OVERRIDE is the ordinal that people chose to start from, or empty.
decide() {
  local me=$1 replicas=$2 marker=$3 override=$4 i missing='' filled=0 group=''
  for i in "${!STATE[@]}"; do
    [[ $i != "$me" && ${STATE[$i]} == ONLINE && ${WORKING[$i]} == 1 ]] || continue
    group=there
    [[ ${KNOWS_US[$i]} == 0 ]] || group="still lists us"
    [[ $group == there ]] || break
  done
  if [[ $group == there ]]; then
    echo join
    return
  elif [[ -n $group ]]; then
    echo "wait until the group has noticed that this member was gone"
    return
  fi
  for ((i = 0; i < replicas; i++)); do
    if [[ -z ${STATE[$i]:-} ]]; then
      missing+=" $STATEFULSET-$i"
    elif [[ ${STATE[$i]} != OFFLINE ]]; then
      echo "wait for $STATEFULSET-$i, which is ${STATE[$i]} in a group without a majority"
      return
    elif [[ -n ${SET[$i]} ]]; then
      ((++filled))
    fi
  done
  if [[ -n $missing ]]; then
    if [[ $override == "$me" && -n ${SET[$me]:-} ]]; then
      echo "bootstrap: mysql.recovery.bootstrapFrom names this member, and$missing cannot be asked"
    elif [[ -n $override && $override != "$me" ]]; then
      echo "wait for $STATEFULSET-$override, which mysql.recovery.bootstrapFrom names, to start the group"
    else
      echo "wait for an answer from$missing: only when every member has answered is it known who has the newest data. If a member is gone for good, name the one to start from in mysql.recovery.bootstrapFrom"
    fi
    return
  fi
  if ((filled == 0)); then
    if [[ $marker == yes ]]; then
      echo "stop: every volume is empty, but a group has been started here before (ConfigMap $MARKER_NAME). If its data may be given up, or will be restored from a backup, delete that ConfigMap: then an empty group is started"
    elif ((me == 0)); then
      echo "bootstrap: every volume is empty and no group has ever been started here"
    else
      echo "wait for $STATEFULSET-0 to start the first group"
    fi
    return
  fi
  # A group that works has its newest transactions on more than half of its members; fewer volumes may all be old.
  if [[ $marker == yes ]] && ((filled * 2 <= replicas)); then
    if [[ $override == "$me" && -n ${SET[$me]} ]]; then
      echo "bootstrap: mysql.recovery.bootstrapFrom names this member, though only $filled of $replicas volumes hold data"
    elif [[ -n $override && $override != "$me" && -n ${SET[$override]:-} ]]; then
      echo "wait for $STATEFULSET-$override, which mysql.recovery.bootstrapFrom names, to start the group"
    else
      echo "stop: only $filled of $replicas volumes hold data, so that the newest transactions may be on none of them ($(describe_sets)). If that data is to be kept, name the member to start from in mysql.recovery.bootstrapFrom"
    fi
    return
  fi
  if [[ -z $LARGEST ]]; then
    if [[ $override == "$me" ]]; then
      echo "bootstrap: mysql.recovery.bootstrapFrom names this member; members with transactions that it lacks will stay outside"
    else
      echo "stop: the members' data has diverged, each lacks transactions of another ($(describe_sets)). Choose the one to keep with mysql.recovery.bootstrapFrom; of the others save what is needed, then delete their claims and pods"
    fi
  elif ((LARGEST == me)); then
    echo "bootstrap: this member has all transactions of all members"
  else
    echo "wait for $STATEFULSET-$LARGEST, which has all transactions, to start the group"
  fi
}

describe_sets() {
  local i text=''
  for ((i = 0; i < $(replicas); i++)); do
    text+="${text:+; }$STATEFULSET-$i: ${SET[$i]:-empty}"
  done
  printf '%s' "$text"
}

# group_sets: the transactions of all members that are in the working group, together.
group_sets() {
  local i sets=''
  for i in "${!STATE[@]}"; do
    [[ ${STATE[$i]} == OFFLINE ]] || sets+="${sets:+,}${SET[$i]}"
  done
  printf '%s' "$sets"
}

# An empty member that lacks more transactions than this is made a clone; fewer are replayed, which is quicker and needs no restart.
readonly CLONE_THRESHOLD=1000
readonly NEVER_CLONE=9223372036854775807

# start_group NAME SEEDS THRESHOLD BOOTSTRAP: starts Group Replication here. Only an empty member is given a THRESHOLD that lets it be
# overwritten by a clone.
start_group() {
  local output password
  password=$(secret_sql replication-password) || return
  if output=$(
    local_sql <<SQL
SET PERSIST group_replication_group_name = $(sql_quote "$1");
SET GLOBAL group_replication_group_seeds = $(sql_quote "$2");
SET GLOBAL group_replication_clone_threshold = $3;
SET GLOBAL group_replication_bootstrap_group = $4;
START GROUP_REPLICATION USER = '$REPLICATION_USER', PASSWORD = $password;
SQL
  ); then
    [[ $4 == OFF ]] || local_sql <<<'SET GLOBAL group_replication_bootstrap_group = OFF;' || true
    return 0
  fi
  local_sql >/dev/null 2>&1 <<<'SET GLOBAL group_replication_bootstrap_group = OFF;' || true
  log "the group could not be entered: ${output##*$'\n'}"
  return 1
}

# join ME: enters the working group that the last survey found.
join() {
  local me=$1 i seeds='' name='' threshold=$NEVER_CLONE
  for i in "${!STATE[@]}"; do
    if [[ $i != "$me" && ${STATE[$i]} == ONLINE && ${WORKING[$i]} == 1 ]]; then
      seeds+="${seeds:+,}$(endpoint "${ADDRESS[$i]}" "$GROUP_PORT")"
      name=${GROUP[$i]}
    fi
  done
  if [[ -z ${SET[$me]:-} ]]; then
    threshold=$CLONE_THRESHOLD
  elif ! subset "${SET[$me]}" "$(group_sets)"; then
    [[ -n $client_pid ]] || return 1
    stuck "stop: this member holds transactions that the group lacks (${SET[$me]}; the group: $(group_sets)) and stays outside. Save what is needed of them, then delete this pod's claim and the pod: it comes back as a copy of the group"
    return 0
  fi
  log "joining the group at $seeds"
  start_group "$name" "$seeds" "$threshold" OFF
}

# rival ME: prints the first other pod that may be a working primary. A group of which this member cannot see anything may be alive.
rival() {
  local i
  for ((i = 0; i < $(replicas); i++)); do
    if ((i != $1)) && may_serve "$i"; then
      printf '%s' "$STATEFULSET-$i"
      return
    fi
  done
}

# bootstrap ME: starts the group with this member, under the Lease and after asking everybody once more.
bootstrap() {
  local me=$1 verdict='' name other began=$SECONDS
  lease_acquire || return 0
  if marker_read && survey; then
    verdict=$(decide "$me" "$(replicas)" "$MARKER" "$(override)")
  fi
  if [[ $verdict == *bootstrapFrom* ]]; then
    other=$(rival "$me")
    if [[ -n $other ]]; then
      stuck "wait: mysql.recovery.bootstrapFrom names this member, but $other is labelled as the primary, and Kubernetes does not say that it has failed. If it has, delete that pod"
      verdict=''
    fi
  fi
  if [[ $verdict != bootstrap* ]] || ((SECONDS - began > LEASE_SECONDS / 2)); then
    lease_release
    return 0
  fi
  event Normal GroupStart "starting the group: ${verdict#bootstrap: }"
  # A fresh name each time: transactions are numbered under it, and a group that began again under an old name would give new transactions the
  # numbers of some that a member outside still has. Nothing would then show that the two differ.
  ask 'SELECT UUID();' || { lease_release; return 1; }
  name=$ANSWER
  start_group "$name" '' "$NEVER_CLONE" ON || { lease_release; return 1; }
  until group_record "$name"; do
    log "waiting to record that the group has been started: $(api_error)"
    sleep 1
  done
  lease_release
}

# group_record NAME: sees to it that the marker says what holds while the group works: its name, and that what mysql.recovery.bootstrapFrom
# says now is used up. An emptied one is recorded as well: from then on the same member can be named again.
group_record() {
  local setting
  marker_read || return
  setting=$(<"$SETTINGS_DIR/bootstrap-from")
  [[ $MARKER == yes && $MARKER_GROUP == "$1" && $MARKER_OVERRIDE == "$setting" ]] || marker_write "$1" "$setting"
}

# override: the ordinal that mysql.recovery.bootstrapFrom names, if that word has not been used up: what was right once may lose data at the
# next outage.
override() {
  local pod
  pod=$(<"$SETTINGS_DIR/bootstrap-from")
  if [[ $pod == "$STATEFULSET"-* && $pod != "$MARKER_OVERRIDE" ]]; then
    ordinal_of "$pod"
  fi
}

# seek ME: one step of a member outside of a group. False where entering failed.
seek() {
  local me=$1 verdict
  survey || return 0
  # Where no member has data the marker is asked for each time: people may delete it to say that an empty group is wanted.
  if [[ $MARKER != yes || -n $(<"$SETTINGS_DIR/bootstrap-from") || -z $(printf '%s' "${SET[@]}") ]] && ! marker_read; then
    MARKER=''
  fi
  [[ -n ${STATE[$me]:-} ]] || { stuck "wait for an answer of the own mysqld through the network: $(<"$WORK_DIR/member.$me")"; return 0; }
  verdict=$(decide "$me" "$(replicas)" "$MARKER" "$(override)")
  case $verdict in
    join) join "$me" ;;
    bootstrap*)
      if [[ -z $MARKER ]]; then
        stuck "wait for the Kubernetes API, which must say whether a group has been started here before"
        return 0
      fi
      bootstrap "$me"
      ;;
    *) stuck "$verdict" ;;
  esac
}

# stuck REASON: logs a new reason for not being in a group; one that lasts becomes an event, and again every five minutes.
stuck_reason='' stuck_since=0 stuck_told=0
stuck() {
  local now=$SECONDS
  if [[ $stuck_reason != "$1" ]]; then
    stuck_reason=$1 stuck_since=$now stuck_told=0
    log "$1"
  fi
  if ((now - stuck_since >= 20 && (stuck_told == 0 || now - stuck_told >= 300))); then
    stuck_told=$now
    if [[ $1 == stop* ]]; then
      event Warning GroupStopped "$1"
    else
      event Warning GroupWaiting "$1"
    fi
  fi
}
