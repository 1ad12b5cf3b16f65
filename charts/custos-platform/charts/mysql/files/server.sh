#!/bin/bash
# Talking to mysqld: the local one through its socket, the others over TLS. Needs basics.sh.
# shellcheck disable=SC2034  # the queries are used by group.sh and agent.sh

# What one loop needs to know of the local member, in one line.
readonly STATE_QUERY="SELECT CONCAT_WS('|',
  COALESCE(MAX(IF(member_id = @@server_uuid, member_state, NULL)), 'OFFLINE'),
  COALESCE(MAX(IF(member_id = @@server_uuid, member_role, NULL)), ''),
  @@super_read_only, COUNT(*), COALESCE(SUM(member_state = 'UNREACHABLE'), 0))
  FROM performance_schema.replication_group_members;"

# The ordinals of the members in the own view, as SQL; the names of pods end with them.
readonly ORDINALS="GROUP_CONCAT(REGEXP_SUBSTR(SUBSTRING_INDEX(member_host, '.', 1), '[0-9]+\$') SEPARATOR ' ')"

# The ordinals of all members in the view of a primary that has the majority; nothing where this member is none.
readonly VIEW_QUERY="SELECT IF(SUM(member_state = 'UNREACHABLE') * 2 < COUNT(*)
  AND SUM(member_id = @@server_uuid AND member_state = 'ONLINE' AND member_role = 'PRIMARY') = 1, $ORDINALS, '')
  FROM performance_schema.replication_group_members;"

# The ordinals of all other members in the own view.
readonly OTHERS_QUERY="SELECT COALESCE($ORDINALS, '') FROM performance_schema.replication_group_members WHERE member_id <> @@server_uuid;"

# All transactions that a member has: executed, or received and certified but not yet applied.
readonly SET_QUERY="REPLACE(GTID_SUBTRACT(CONCAT(@@gtid_executed, ',', COALESCE((SELECT received_transaction_set
  FROM performance_schema.replication_connection_status WHERE channel_name = 'group_replication_applier'), '')), ''), '\\n', '')"

# write_credentials: the option files by which the clients log in; passwords stand in no list of processes.
agent_password='' # the one in use
write_credentials() {
  mkdir -p "$RUN_DIR/agent"
  agent_password=$(secret "$ADMIN_DIR/agent-password")
  [[ $agent_password != *[\"\\]* ]] || die "agent-password must not hold quotes or backslashes"
  write_client local "$agent_password" "socket=$SOCKET"
  write_client peer "$agent_password" "port=$MYSQL_PORT" protocol=tcp ssl-mode=VERIFY_CA "ssl-ca=$TLS_DIR/ca.crt"
}

# write_client NAME PASSWORD OPTION…: one option file. Written under another name first, for probes may read it at any time.
write_client() {
  local file=$RUN_DIR/agent/$1.cnf
  (umask 077 && printf '[client]\nuser=%s\npassword="%s"\n' "$AGENT_USER" "$2" >"$file.new" && printf '%s\n' "${@:3}" >>"$file.new")
  mv "$file.new" "$file"
}

# take_password: takes over an agent-password that has changed in its Secret, once mysqld accepts it: people set it there first, keeping the former
# one. One that mysqld refuses is told before anybody restarts a pod, whose agent would not come in any more.
take_password() {
  local password
  password=$(cat "$ADMIN_DIR/agent-password" 2>/dev/null) || return 0
  [[ $password != "$agent_password" ]] || return 0
  if [[ -n $password && $password != *[\"\\]* ]]; then
    write_client candidate "$password" "socket=$SOCKET"
    if mysql --defaults-file="$RUN_DIR/agent/candidate.cnf" --connect-timeout=5 --execute='SELECT 1' >/dev/null 2>&1; then
      write_credentials
      event Normal AgentPasswordTaken "the agent logs in with the new agent-password"
      return 0
    fi
  fi
  ! due password-event 300 || event Warning AgentPasswordRefused "mysqld does not accept the agent-password that the Secret has now: a pod that restarts would not come back. Put the former one back, or give the account the new one first"
}

# The client for the loop's questions stays connected: a new one four times a second would cost more than the rest of the agent.
client_pid='' client_in='' client_out=''

client_open() {
  client_close
  rm -f "$WORK_DIR"/client.{in,out}
  mkfifo -m 0600 "$WORK_DIR"/client.{in,out}
  mysql --defaults-file="$RUN_DIR/agent/local.cnf" --batch --raw --unbuffered --skip-column-names --skip-reconnect \
    --connect-timeout=5 <"$WORK_DIR/client.in" >"$WORK_DIR/client.out" 2>"$WORK_DIR/client.error" &
  client_pid=$!
  exec {client_in}>"$WORK_DIR/client.in" {client_out}<"$WORK_DIR/client.out"
}

client_close() {
  [[ -n $client_pid ]] || return 0
  exec {client_in}>&- {client_out}<&-
  kill "$client_pid" 2>/dev/null || true
  wait "$client_pid" 2>/dev/null || true
  client_pid=''
}

# ask QUERY: sets ANSWER to the one line that the local mysqld answers; false where it does not answer within 5 s.
ANSWER=''
ask() {
  [[ -n $client_pid ]] || client_open
  if { printf '%s\n' "$1" >&"$client_in"; } 2>/dev/null && IFS= read -r -t 5 -u "$client_out" ANSWER; then
    return 0
  fi
  client_close
  return 1
}

# local_sql: runs the SQL of standard input on the local mysqld, prints what it answers.
local_sql() {
  mysql --defaults-file="$RUN_DIR/agent/local.cnf" --batch --raw --skip-column-names --connect-timeout=5 2>&1
}

# peer_sql ADDRESS SQL: asks another member; prints its answer.
peer_sql() {
  timeout 8 mysql --defaults-file="$RUN_DIR/agent/peer.cnf" --host="$1" --batch --raw --skip-column-names --connect-timeout=3 --execute="$2" 2>&1
}

# take_certificates: lets mysqld take over certificates that have changed in their files, without a restart; connections that are open stay so. Once
# also at the start of this script, for mysqld may have started with others. A key that does not fit changes nothing in mysqld.
certificates_sum=''
take_certificates() {
  local sum output
  sum=$(cat "$TLS_DIR"/{ca.crt,tls.crt,tls.key} | sha256sum) || return 0
  [[ $sum != "$certificates_sum" ]] || return 0
  if ! output=$(local_sql <<<'ALTER INSTANCE RELOAD TLS;'); then
    ! due certificates-event 300 || event Warning CertificateRefused "mysqld keeps its certificate, for it cannot use the one in the Secret: ${output##*$'\n'}"
    return 0
  fi
  [[ -z $certificates_sum ]] || event Normal CertificateTaken "mysqld has taken over the certificate that has changed in its Secret"
  certificates_sum=$sum
}

# subset A B: true when the set of transactions A is contained in B.
subset() {
  ask "SELECT GTID_SUBSET($(sql_quote "$1"), $(sql_quote "$2"));" && [[ $ANSWER == 1 ]]
}
