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

# free_space: how much of the volume is free, for messages.
free_space() {
  local size free
  read -r size free < <(df --block-size=M --output=size,avail "$VOLUME_DIR" | tail -1) || true
  printf '%s of %s of the volume are free' "${free:-?}" "${size:-?}"
}

# refuse_newer_data: ends where a newer release of MySQL than this image's has worked on the data. mysqld would refuse it as well, but says so in
# words of its own and is tried five times. MySQL keeps the list of releases in the data directory since 8.4; within one release (9.7.4, 9.7.5)
# both ways are allowed.
refuse_newer_data() {
  local file=$DATA_DIR/mysql_upgrade_history own newest
  [[ -r $file ]] || return 0
  newest=$(grep -Eo '"version":"[0-9]+\.[0-9]+' "$file" | cut -d'"' -f4 | sort -V | tail -1) || return 0
  own=$(mysqld --no-defaults --version)
  [[ $own =~ Ver\ ([0-9]+\.[0-9]+) ]] || return 0
  own=${BASH_REMATCH[1]}
  [[ $(printf '%s\n%s\n' "$newest" "$own" | sort -V | tail -1) == "$own" ]] ||
    fail "this image is MySQL $own, and MySQL $newest has worked on this volume: no older release can open it. Nothing has been changed. Put the image of MySQL $newest or a newer one back (mysql.image)"
}

# prepare_volume: sees to it that the data directory exists and is whole. It is made under another name and renamed when complete, so
# what a killed run left behind is recognised by its name and what has the right name is never deleted.
prepare_volume() {
  rmdir "$DATA_DIR" 2>/dev/null || true # only an empty one goes
  if [[ -d $DATA_DIR ]]; then
    [[ -e $DATA_DIR/mysql.ibd ]] ||
      fail "$DATA_DIR holds files but is no data directory of MySQL. Look at them; to let this member begin anew, delete its claim and its pod."
    refuse_newer_data
    return
  fi
  log "the volume is empty: making a data directory"
  rm -rf "$DATA_DIR.new"
  mkdir -m 0750 "$DATA_DIR.new"
  initialise "$DATA_DIR.new" || fail "the data directory could not be made ($(free_space)); the messages of mysqld in the log of the container mysql say why"
  sync -f "$DATA_DIR.new"
  mv "$DATA_DIR.new" "$DATA_DIR"
  sync -f "$VOLUME_DIR"
}
