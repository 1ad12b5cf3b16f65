#!/bin/bash
# A member's volume: made once, recognised afterwards. Needs basics.sh.

# accounts_of_a_member: the SQL that makes our own accounts on an empty volume, one statement a line. Every member makes the
# same ones before it listens anywhere; nothing of it is written to a binary log, so that an empty member has no transactions.
# CONNECTION_ADMIN: the members find each other also where clients have taken all connections.
accounts_of_a_member() {
  local root replication agent
  root=$(secret_sql root-password) || return
  replication=$(secret_sql replication-password) || return
  agent=$(secret_sql agent-password) || return
  cat <<SQL
ALTER USER 'root'@'localhost' IDENTIFIED BY $root;
CREATE USER '$AGENT_USER'@'localhost' IDENTIFIED BY $agent;
GRANT ALL PRIVILEGES ON *.* TO '$AGENT_USER'@'localhost' WITH GRANT OPTION;
CREATE USER '$AGENT_USER'@'%' IDENTIFIED BY $agent REQUIRE SSL;
GRANT SELECT ON performance_schema.* TO '$AGENT_USER'@'%';
GRANT CONNECTION_ADMIN ON *.* TO '$AGENT_USER'@'%';
CREATE USER '$REPLICATION_USER'@'%' IDENTIFIED BY $replication REQUIRE SSL;
GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO '$REPLICATION_USER'@'%';
SQL
}

# initialise DIRECTORY: a new, empty data directory with our accounts.
initialise() {
  local accounts=$RUN_DIR/accounts.sql status=0
  (umask 077 && accounts_of_a_member >"$accounts") || { rm -f "$accounts"; return 1; }
  mysqld --defaults-file="$CONFIG_FILE" --initialize-insecure --datadir="$1" --init-file="$accounts" || status=$?
  rm -f "$accounts"
  return "$status"
}

# prepare_volume: sees to it that the data directory exists and is whole. It is made under another name and renamed when complete, so
# what a killed run left behind is recognised by its name and what has the right name is never deleted.
prepare_volume() {
  rmdir "$DATA_DIR" 2>/dev/null || true # only an empty one goes
  if [[ -d $DATA_DIR ]]; then
    [[ -e $DATA_DIR/mysql.ibd ]] ||
      die "$DATA_DIR holds files but is no data directory of MySQL. Look at them; to let this member begin anew, delete its claim and its pod."
    return
  fi
  log "the volume is empty: making a data directory"
  rm -rf "$DATA_DIR.new"
  mkdir -m 0750 "$DATA_DIR.new"
  initialise "$DATA_DIR.new" || die "the data directory could not be made; the messages above say why"
  sync -f "$DATA_DIR.new"
  mv "$DATA_DIR.new" "$DATA_DIR"
  sync -f "$VOLUME_DIR"
}
