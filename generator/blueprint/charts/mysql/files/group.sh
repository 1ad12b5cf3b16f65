#!/bin/bash
# A member outside of a group: asking the others, deciding, joining, starting the group; and what the primary records of it. Needs basics.sh,
# kubernetes.sh, lease.sh, server.sh.
# shellcheck disable=SC2034  # PENDING is read by agent.sh
shopt -s extglob

# What the last survey found, by ordinal. STATE is empty for a member that did not answer.
declare -A ADDRESS=() STATE=() WORKING=() KNOWS_US=() GROUP=() SET=()

# What a member says of itself and its group; %s is the name under which the group would list us.
readonly PEER_QUERY="SELECT CONCAT_WS('|', @@server_id,
  COALESCE(MAX(IF(member_id = @@server_uuid, member_state, NULL)), 'OFFLINE'),
  COALESCE(SUM(member_state = 'UNREACHABLE') * 2 < COUNT(*) AND SUM(member_role = 'PRIMARY') = 1, 0),
  COALESCE(SUM(member_host = '%s'), 0), @@group_replication_group_name, $SET_QUERY)
  FROM performance_schema.replication_group_members"

replicas() {
  printf '%s' "$(<"$SETTINGS_DIR/replicas")"
}

# span: how many ordinals count: as many as the values say, and up to the highest in the marker. Somebody may have lowered mysql.replicas while
# those above hold the newest data.
span() {
  local i count
  count=$(replicas)
  for i in "${!MEMBERS[@]}"; do
    ((i < count)) || count=$((i + 1))
  done
  printf '%s' "$count"
}

# must_answer ORDINAL: true where that member may hold what no other does: it is in the marker. Where the marker names nobody, because no group has
# worked here yet, all count that there are to be.
must_answer() {
  if [[ $MARKER == yes ]] && ((${#MEMBERS[@]})); then
    [[ -n ${MEMBERS[$1]:-} ]]
  else
    (($1 < $(replicas)))
  fi
}

# answer_of ORDINAL QUERY: address and answer of that member, in one line. Oneself is asked through the socket.
answer_of() {
  local address=$POD_IP answer
  if (($1 == $(ordinal_of "$POD_NAME"))); then
    answer=$(local_sql <<<"$2") || { printf '%s\n' "$answer"; return 1; }
  else
    address=$(address_of "$1") && answer=$(peer_sql "$address" "$2") || return
  fi
  printf '%s|%s\n' "$address" "${answer##*$'\n'}"
}

# survey: asks every member, all at once. An address may have gone to another pod since the API named it: who answers says who it is.
survey() {
  local i query count id
  # shellcheck disable=SC2059  # the query is a format
  printf -v query "$PEER_QUERY" "$POD_HOST"
  ADDRESS=() STATE=() WORKING=() KNOWS_US=() GROUP=() SET=()
  count=$(span)
  for ((i = 0; i < count; i++)); do
    answer_of "$i" "$query" >"$WORK_DIR/member.$i" &
    asked[i]=$!
  done
  for ((i = 0; i < count; i++)); do
    wait "${asked[i]}" || continue
    IFS='|' read -r "ADDRESS[$i]" id "STATE[$i]" "WORKING[$i]" "KNOWS_US[$i]" "GROUP[$i]" "SET[$i]" <"$WORK_DIR/member.$i"
    if [[ $id != "$((i + 1))" ]]; then
      ! due "stranger-$i" 30 || log "at the address of $STATEFULSET-$i answers the server $id, not $((i + 1)): not counted"
      unset "ADDRESS[$i]" "STATE[$i]" "WORKING[$i]" "KNOWS_US[$i]" "GROUP[$i]" "SET[$i]"
    fi
  done
  find_largest
}
asked=()

# find_largest: sets LARGEST to the lowest ordinal whose transactions contain those of all that must answer, or to nothing where none has them all.
LARGEST=''
find_largest() {
  local i table=''
  LARGEST=''
  for i in "${!SET[@]}"; do
    ! must_answer "$i" || table+="${table:+ UNION ALL }SELECT $i AS o, $(sql_quote "${SET[$i]}") AS s"
  done
  [[ -n $table ]] || return 0
  ask "WITH m AS ($table) SELECT COALESCE(MIN(o), '') FROM m WHERE NOT EXISTS (SELECT 1 FROM m n WHERE NOT GTID_SUBSET(n.s, m.s));" || return
  LARGEST=${ANSWER:-}
}

# decide ME OVERRIDE: what a member outside of a group does next, from the marker and the last survey. Prints one of
#   join               there is a working group
#   bootstrap REASON   this member starts the group
#   wait REASON        something is still to come; the reason names it
#   stop REASON        people must decide
# OVERRIDE is the ordinal that people chose to start from, or empty. What stands in parentheses may change from one time to the next while the
# reason stays the same.
decide() {
  local me=$1 override=$2 i missing='' above='' filled=0 demanded=0 any='' group=''
  for i in "${!STATE[@]}"; do
    ((i != me)) || continue
    in_the_group "$i" || continue
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
  for ((i = 0; i < $(span); i++)); do
    if must_answer "$i"; then
      ((++demanded))
      [[ -z ${SET[$i]:-} ]] || ((++filled))
      if [[ -z ${STATE[$i]:-} ]]; then
        missing+=" $STATEFULSET-$i"
        ((i < $(replicas))) || above=yes
      fi
    fi
    [[ -z ${SET[$i]:-} ]] || any=yes
    if [[ ${STATE[$i]:-OFFLINE} != OFFLINE ]]; then
      echo "wait for $STATEFULSET-$i, which is ${STATE[$i]} in a group without a majority, or in another than the recorded one"
      return
    fi
  done
  if [[ -n $missing ]]; then
    if [[ $override == "$me" && -n ${SET[$me]:-} ]]; then
      echo "bootstrap: mysql.recovery.bootstrapFrom names this member, and$missing cannot be asked"
    elif [[ -n $override && $override != "$me" ]]; then
      echo "wait for $STATEFULSET-$override, which mysql.recovery.bootstrapFrom names, to start the group"
    elif [[ -n $above ]]; then
      echo "stop: no answer from$missing, and mysql.replicas is only $(replicas): members that were in the group may hold the newest data. Raise mysql.replicas to what it was until the group works, or name the member to start from in mysql.recovery.bootstrapFrom"
    else
      echo "wait for an answer from$missing: only when every member of the last group has answered is it known who has the newest data. If a member is gone for good, name the one to start from in mysql.recovery.bootstrapFrom"
    fi
    return
  fi
  if [[ -z $any ]]; then
    if [[ $MARKER == yes ]]; then
      echo "stop: every volume is empty, but a group has been started here before (ConfigMap $MARKER_NAME). If its data may be given up, or will be restored from a backup, delete that ConfigMap: then an empty group is started"
    elif ((me == 0)); then
      echo "bootstrap: every volume is empty and no group has ever been started here"
    else
      echo "wait for $STATEFULSET-0 to start the first group"
    fi
    return
  fi
  # A group that works has its newest transactions on more than half of its members; fewer volumes may all be old.
  if [[ $MARKER == yes ]] && ((filled * 2 <= demanded)); then
    if [[ $override == "$me" && -n ${SET[$me]} ]]; then
      echo "bootstrap: mysql.recovery.bootstrapFrom names this member, though only $filled of $demanded volumes hold data"
    elif [[ -n $override && $override != "$me" && -n ${SET[$override]:-} ]]; then
      echo "wait for $STATEFULSET-$override, which mysql.recovery.bootstrapFrom names, to start the group"
    else
      echo "stop: only $filled of the $demanded volumes of the last group hold data, so that the newest transactions may be on none of them ($(describe_sets)). If that data is to be kept, name the member to start from in mysql.recovery.bootstrapFrom"
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

# in_the_group ORDINAL: true where that member said that it is in the recorded group, and that its majority is there.
in_the_group() {
  [[ ${STATE[$1]:-} == ONLINE && ${WORKING[$1]} == 1 && (-z $MARKER_GROUP || ${GROUP[$1]} == "$MARKER_GROUP") ]]
}

describe_sets() {
  local i text=''
  for ((i = 0; i < $(span); i++)); do
    [[ -z ${STATE[$i]:-} ]] || text+="${text:+; }$STATEFULSET-$i: ${SET[$i]:-empty}"
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

# A member that has written itself into the marker enters within this, or not under that token; the primary waits longer before it takes out
# one that has not come.
readonly ENTER_SECONDS=10 GONE_SECONDS=30

# marker_enter ME: writes this member into the marker that was read before, with a new token. Where it names nobody, an older release of this chart
# has written it: then all count, until the primary has looked who is there.
marker_enter() {
  local started=yes i
  if ((${#MEMBERS[@]} == 0)); then
    for ((i = 0; i < $(replicas); i++)); do
      MEMBERS["$i"]=$EPOCHREALTIME
    done
  fi
  MEMBERS[$1]=$EPOCHREALTIME
  [[ $MARKER == yes ]] || started=no
  marker_write "$MARKER_GROUP" "$MARKER_OVERRIDE" "$started"
}

# join ME: enters the working group that the last survey found.
join() {
  local me=$1 i seeds='' threshold=$NEVER_CLONE began
  if [[ $MARKER == no ]]; then
    stuck "wait for the primary to record its group (ConfigMap $MARKER_NAME)"
    return 0
  fi
  for i in "${!STATE[@]}"; do
    if in_the_group "$i" && ((i != me)); then
      seeds+="${seeds:+,}$(endpoint "${ADDRESS[$i]}" "$GROUP_PORT")"
    fi
  done
  if [[ -z ${SET[$me]:-} ]]; then
    threshold=$CLONE_THRESHOLD
  elif ! subset "${SET[$me]}" "$(group_sets)"; then
    [[ -n $client_pid ]] || return 1
    stuck "stop: this member holds transactions that the group lacks (${SET[$me]}; the group: $(group_sets)) and stays outside. Save what is needed of them, then delete this pod's claim and the pod: it comes back as a copy of the group"
    return 0
  fi
  began=$SECONDS
  if ! marker_enter "$me"; then
    # Somebody else has written meanwhile: no reason to wait, only to look again.
    [[ $API_STATUS == 409 ]] || stuck "wait for the Kubernetes API to record that this member enters the group ($(api_error))"
    return 0
  fi
  ((SECONDS - began < ENTER_SECONDS)) || return 0
  log "joining the group at $seeds"
  start_group "$MARKER_GROUP" "$seeds" "$threshold" OFF
}

# rival ME: prints the first other pod that may be a working primary. A group of which this member cannot see anything may be alive.
rival() {
  local i
  for ((i = 0; i < $(span); i++)); do
    if ((i != $1)) && may_serve "$i"; then
      printf '%s' "$STATEFULSET-$i"
      return
    fi
  done
}

# bootstrap ME: starts the group with this member, under the Lease and after asking everybody once more.
bootstrap() {
  local me=$1 verdict='' name other started=yes began=$SECONDS
  lease_acquire || return 0
  if marker_read && survey; then
    verdict=$(decide "$me" "$(override)")
  fi
  if [[ $verdict == *bootstrapFrom* ]]; then
    other=$(rival "$me")
    if [[ -n $other ]]; then
      stuck "wait: mysql.recovery.bootstrapFrom names this member, but $other is labelled as the primary, and Kubernetes does not say that it has failed. If it has, delete that pod"
      verdict=''
    fi
  fi
  if [[ $verdict != bootstrap* ]]; then
    lease_release
    return 0
  fi
  # A fresh name each time: transactions are numbered under it, and a group that began again under an old name would give new transactions the
  # numbers of some that a member outside still has. Nothing would then show that the two differ.
  ask 'SELECT UUID();' || { lease_release; return 1; }
  name=$ANSWER
  # The marker is written before the group is there, from the version that the decision was made from: nobody else can have decided meanwhile,
  # and who decides later knows of this group. From here on only this member is asked for.
  MEMBERS=()
  MEMBERS["$me"]=$EPOCHREALTIME
  [[ $MARKER == yes || -n ${SET[$me]} ]] || started=no
  if ((SECONDS - began > LEASE_SECONDS / 2)); then
    log "asking took $((SECONDS - began)) s: asking again before the group is started"
    name=''
  elif ! marker_write "$name" "$(<"$SETTINGS_DIR/bootstrap-from")" "$started"; then
    log "the group is not started, for that could not be recorded: $(api_error)"
    name=''
  fi
  [[ -n $name ]] || { lease_release; return 0; }
  event Normal GroupStart "starting the group: ${verdict#bootstrap: }"
  start_group "$name" '' "$NEVER_CLONE" ON || { lease_release; return 1; }
  lease_release
}

# group_record NAME ME: what the primary does to the marker: sees to it that it names all members of the group and nobody who is gone, and that
# what mysql.recovery.bootstrapFrom says now is used up. An emptied one is recorded as well: from then on the same member can be named again.
# False where that could not be done; 2 where the marker names another group: people have had that one started instead of this. Sets PENDING
# where somebody in the marker is not in the group.
PENDING=''
declare -A absent_since=() # entries of the marker that are not in the group, and since when
group_record() {
  local setting i entry view changed=''
  marker_read || return 1
  if [[ -n $MARKER_GROUP && $MARKER_GROUP != "$1" ]]; then
    return 2
  fi
  # The marker first, the view after it: who enters has changed the marker before.
  ask "$VIEW_QUERY" || return 1
  view=" $ANSWER "
  [[ $view == *" $2 "* ]] || return 1
  PENDING=''
  for i in $view; do
    [[ -n ${MEMBERS[$i]:-} ]] || { MEMBERS["$i"]=$EPOCHREALTIME changed=yes; }
  done
  for i in "${!MEMBERS[@]}"; do
    entry="$i=${MEMBERS[$i]}"
    if [[ $view == *" $i "* ]]; then
      unset "absent_since[$entry]"
      continue
    fi
    absent_since[$entry]=${absent_since[$entry]:-$SECONDS}
    if [[ ${MEMBERS[$i]} == "$LEFT" ]] || ((SECONDS - absent_since[$entry] >= GONE_SECONDS)); then
      log "$STATEFULSET-$i has left the group"
      unset "MEMBERS[$i]" "absent_since[$entry]"
      changed=yes
    else
      PENDING=yes
    fi
  done
  setting=$(<"$SETTINGS_DIR/bootstrap-from")
  [[ -z $changed && $MARKER == yes && $MARKER_OVERRIDE == "$setting" ]] || marker_write "$1" "$setting" yes || return 1
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
  marker_read || { stuck "wait for the Kubernetes API, which says who was in the group ($(api_error))"; return 0; }
  survey || return 0
  [[ -n ${STATE[$me]:-} ]] || { stuck "wait for an answer of the own mysqld ($(<"$WORK_DIR/member.$me"))"; return 0; }
  verdict=$(decide "$me" "$(override)")
  case $verdict in
    join) join "$me" ;;
    bootstrap*) bootstrap "$me" ;;
    *) stuck "$verdict" ;;
  esac
}

# stuck REASON: logs a new reason for not being in a group; one that lasts becomes an event, and again every five minutes. What stands in
# parentheses is told, but a change of it makes no other reason.
stuck_reason='' stuck_since=0 stuck_told=0
stuck() {
  local now=$SECONDS reason=${1//\(*([^()])\)/}
  if [[ $stuck_reason != "$reason" ]]; then
    stuck_reason=$reason stuck_since=$now stuck_told=0
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
