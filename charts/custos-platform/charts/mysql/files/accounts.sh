#!/bin/bash
# Schemas and accounts of the services: made by the primary, replicated to all. Needs basics.sh and server.sh.

: "${USERS_DIR:=/etc/custos/users}" # one file a service: its password

# accounts_sql: the SQL that brings schemas and accounts to what the settings say; may be run again and again.
# The settings' file `schemas` has one line a service: service, schema, user, character set (or -).
accounts_sql() {
  local service schema user charset password name
  while read -r service schema user charset; do
    [[ -n $service ]] || continue
    if [[ ! -s $USERS_DIR/$service ]]; then
      log "no password for $service: its account is left as it is (Secret of the services' passwords, key $service)"
      continue
    fi
    password=$(sql_quote "$(<"$USERS_DIR/$service")")
    name=$(sql_quote "$user")@\'%\'
    [[ $charset != - ]] || charset=utf8mb4
    # In a grant an underscore of the schema's name would stand for any character.
    cat <<SQL
CREATE DATABASE IF NOT EXISTS \`$schema\` CHARACTER SET $charset;
CREATE USER IF NOT EXISTS $name IDENTIFIED BY $password;
ALTER USER $name IDENTIFIED BY $password REQUIRE SSL ACCOUNT UNLOCK;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES ON \`${schema//_/\\_}\`.* TO $name;
SQL
  done <"$SETTINGS_DIR/schemas"
}

# accounts_want: sets accounts_wanted and accounts_sum to the SQL and its checksum. Every member does this now and then, so that one that becomes
# the primary has them at hand.
accounts_wanted='' accounts_sum=''
accounts_want() {
  accounts_wanted=$(accounts_sql)
  accounts_sum=$(sha256sum <<<"$accounts_wanted")
  accounts_sum=${accounts_sum%% *}
}

# accounts_apply: applies what accounts_want found where the group has not had it yet. The group itself remembers that, so that a new primary
# needs one question and no change.
accounts_apply() {
  local output
  [[ -n $accounts_sum ]] || accounts_want
  if ask "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'custos_platform' AND table_name = 'applied';" && [[ $ANSWER == 1 ]]; then
    ask "SELECT COUNT(*) FROM custos_platform.applied WHERE name = 'accounts' AND checksum = '$accounts_sum';" || return 1
    [[ $ANSWER == 0 ]] || return 0
  fi
  log "making the services' schemas and accounts"
  output=$(
    local_sql <<SQL
$accounts_wanted
CREATE DATABASE IF NOT EXISTS custos_platform;
CREATE TABLE IF NOT EXISTS custos_platform.applied (name VARCHAR(64) PRIMARY KEY, checksum CHAR(64) NOT NULL);
REPLACE INTO custos_platform.applied VALUES ('accounts', '$accounts_sum');
SQL
  ) || {
    log "schemas and accounts could not be made: ${output##*$'\n'}"
    return 1
  }
}
