#!/bin/bash
# Schemas and accounts of the services, and the account of backups: made by the primary, replicated to all. Needs basics.sh and server.sh.

: "${USERS_DIR:=/etc/custos/users}" # one file a service: its password
readonly BACKUP_USER=custos_backup

# sum_of TEXT…: by which the group remembers what has been made, and with which password.
sum_of() {
  local sum
  sum=$(sha256sum <<<"$*")
  printf '%s' "${sum%% *}"
}

# service_sql SERVICE SCHEMA USER CHARSET PASSWORD: the SQL that brings one service's schema and account to what the settings say (CHARSET may be -);
# may be run again and again. A new password leaves the former one valid beside it, for pods that know only that, until the next change. Where the
# password is the same nothing of this may be said: the former one would be forgotten.
service_sql() {
  local schema=$2 charset=$4 password name sum
  password=$(sql_quote "$5")
  name=$(sql_quote "$3")@\'%\'
  sum=$(sum_of "$3" "$5")
  [[ $charset != - ]] || charset=utf8mb4
  # In a grant an underscore of the schema's name would stand for any character.
  cat <<SQL
CREATE DATABASE IF NOT EXISTS \`$schema\` CHARACTER SET $charset;
CREATE USER IF NOT EXISTS $name IDENTIFIED BY $password;
SQL
  [[ ${APPLIED["password:$3"]:-} == "$sum" ]] || printf 'ALTER USER %s IDENTIFIED BY %s RETAIN CURRENT PASSWORD;\n' "$name" "$password"
  cat <<SQL
ALTER USER $name REQUIRE SSL ACCOUNT UNLOCK;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES ON \`${schema//_/\\_}\`.* TO $name;
REPLACE INTO custos_platform.applied VALUES ($(sql_quote "password:$3"), '$sum'), ($(sql_quote "service:$1"), '$(sum_of "$@")');
SQL
}

# backup_sql PASSWORD RESTORING: the SQL for the account of backups, which reads everything, and writes only while a restore brings data back (RESTORING is
# true); may be run again and again.
backup_sql() {
  local rights='SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS' password name
  password=$(sql_quote "$1")
  name=$(sql_quote "$BACKUP_USER")@\'%\'
  [[ $2 != true ]] ||
    rights+=', INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, SET_ANY_DEFINER'
  cat <<SQL
CREATE USER IF NOT EXISTS $name IDENTIFIED BY $password;
ALTER USER $name IDENTIFIED BY $password REQUIRE SSL ACCOUNT UNLOCK;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM $name;
GRANT $rights ON *.* TO $name;
REPLACE INTO custos_platform.applied VALUES ('backup', '$(sum_of "$@")');
SQL
}

# accounts_want: sets accounts_sum to the checksum of all that the settings and Secrets say. Every member does this now and then, so that one that
# becomes the primary has it at hand.
accounts_sum=''
accounts_want() {
  accounts_sum=$({
    cat "$SETTINGS_DIR/schemas" "$SETTINGS_DIR/restoring"
    sha256sum "$USERS_DIR"/* "$ADMIN_DIR/backup-password"
  } 2>/dev/null | sha256sum) || true
  accounts_sum=${accounts_sum%% *}
}

# accounts_read: sets APPLIED to what the group remembers: the checksum of all under `accounts`, of each service, of each password. False, with
# the reason in ACCOUNTS_ERROR, where that table can neither be read nor made.
declare -A APPLIED=()
ACCOUNTS_ERROR=''
accounts_read() {
  local output name sum
  APPLIED=()
  output=$(
    local_sql <<SQL
CREATE DATABASE IF NOT EXISTS custos_platform;
CREATE TABLE IF NOT EXISTS custos_platform.applied (name VARCHAR(64) PRIMARY KEY, checksum CHAR(64) NOT NULL);
SELECT name, checksum FROM custos_platform.applied;
SQL
  ) || {
    ACCOUNTS_ERROR=$(error_of "$output")
    return 1
  }
  while IFS=$'\t' read -r name sum; do
    [[ -z $name ]] || APPLIED["$name"]=$sum
  done <<<"$output"
}

# accounts_apply: makes what accounts_want found where the group has not had it yet. The group itself remembers that, so that a new primary needs
# one question and no change. False where something is missing; the others are made nevertheless, and APPLIED says what there is.
# The settings' file `schemas` has one line a service: service, schema, user, character set (or -).
accounts_apply() {
  local service schema user charset password failed=''
  [[ -n $accounts_sum ]] || accounts_want
  if ask "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'custos_platform' AND table_name = 'applied';" && [[ $ANSWER == 1 ]]; then
    ask "SELECT COUNT(*) FROM custos_platform.applied WHERE name = 'accounts' AND checksum = '$accounts_sum';" || return 1
    [[ $ANSWER == 0 ]] || return 0
  fi
  accounts_read || { accounts_failed "$ACCOUNTS_ERROR"; return 1; }
  while read -r service schema user charset; do
    [[ -n $service ]] || continue
    if [[ ! -s $USERS_DIR/$service ]]; then
      failed+="; $service: the Secret of the services' passwords has no key $service, and its account is left as it is"
      continue
    fi
    password=$(<"$USERS_DIR/$service")
    [[ ${APPLIED["service:$service"]:-} == "$(sum_of "$service" "$schema" "$user" "$charset" "$password")" ]] ||
      service_apply "$service" "$schema" "$user" "$charset" "$password" || failed+="; $service: $ACCOUNTS_ERROR"
  done <"$SETTINGS_DIR/schemas"
  backup_apply || failed+="; backups: $ACCOUNTS_ERROR"
  if [[ -n $failed ]]; then
    accounts_failed "${failed#; }"
    return 1
  fi
  local_sql >/dev/null <<<"REPLACE INTO custos_platform.applied VALUES ('accounts', '$accounts_sum');"
}

# service_apply SERVICE SCHEMA USER CHARSET PASSWORD: makes one service's schema and account; false, with the reason in ACCOUNTS_ERROR, where that fails.
service_apply() {
  local output known=${APPLIED["password:$3"]:-}
  log "making schema and account of $1"
  output=$(service_sql "$@" | local_sql) || {
    ACCOUNTS_ERROR=$(error_of "$output")
    return 1
  }
  APPLIED["service:$1"]=made
  [[ -n $known && $known != "$(sum_of "$3" "$5")" ]] || return 0
  event Normal PasswordChanged "$1 has a new password in MySQL; the former one stays valid until the next change. Restart the service's pods now"
}

# backup_apply: makes the account of backups; false, with the reason in ACCOUNTS_ERROR, where that fails.
backup_apply() {
  local output password restoring=false
  # A Secret of before there were backups is completed by the next upgrade.
  [[ -s $ADMIN_DIR/backup-password ]] || return 0
  password=$(<"$ADMIN_DIR/backup-password")
  [[ ! -s $SETTINGS_DIR/restoring ]] || restoring=$(<"$SETTINGS_DIR/restoring")
  [[ ${APPLIED[backup]:-} != "$(sum_of "$password" "$restoring")" ]] || return 0
  log "making the account of backups (restoring: $restoring)"
  output=$(backup_sql "$password" "$restoring" | local_sql) || {
    ACCOUNTS_ERROR=$(error_of "$output")
    return 1
  }
  APPLIED[backup]=made
}

# error_of OUTPUT: the last line of what the client said, without the part of a statement that it may quote: that could be a password.
error_of() {
  local line=${1##*$'\n'}
  printf '%s' "${line%% near *}"
}

# accounts_failed WHAT: tells what could not be made; an event every five minutes.
accounts_failed() {
  local text="schemas and accounts that could not be made: $1"
  if due accounts-event 300; then
    event Warning AccountsFailed "$text"
  else
    log "$text"
  fi
}
