#!/bin/bash
# What every script of a member shares: where things lie, messages, quoting.
# The paths can be set from outside, which the tests do.
# shellcheck disable=SC2034  # what is set here is used by the scripts that read this file

: "${RUN_DIR:=/var/run/mysqld}"               # in memory, shared by both containers: socket, credentials, signals
: "${VOLUME_DIR:=/var/lib/mysql}"             # the member's volume
: "${CONFIG_FILE:=/etc/custos/config/my.cnf}"
: "${SETTINGS_DIR:=/etc/custos/settings}"     # what may change without a restart
: "${ADMIN_DIR:=/etc/custos/admin}"           # passwords of our own accounts
: "${TLS_DIR:=/etc/custos/tls}"

readonly MYSQL_PORT=3306
readonly GROUP_PORT=33061 # for the members among themselves

DATA_DIR=$VOLUME_DIR/data
SOCKET=$RUN_DIR/mysqld.sock
readonly DATA_DIR SOCKET
readonly AGENT_USER=custos_agent REPLICATION_USER=custos_replication

# log MESSAGE…: one line on standard error, with the time in UTC to the millisecond: what a fail-over takes is read from these lines.
log() {
  local TZ=UTC now=$EPOCHREALTIME
  printf '%(%Y-%m-%dT%H:%M:%S)T.%sZ %s\n' "${now%???????}" "${now: -6:3}" "$*" >&2
}

# die MESSAGE…: log and end the script with 1.
die() {
  log "$*"
  exit 1
}

# fail MESSAGE…: as die, where it is mysqld's container that ends: the agent makes an event of it.
fail() {
  printf '%s' "$*" >"$RUN_DIR/failure"
  die "$@"
}

# due NAME SECONDS: true at most once in that many seconds.
declare -A last_time=()
due() {
  ((SECONDS - ${last_time[$1]:--1000} >= $2)) || return
  last_time[$1]=$SECONDS
}

# sql_quote TEXT: TEXT as a string of SQL, with its quotes.
sql_quote() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}

# json_quote TEXT: TEXT as a string of JSON, with its quotes.
json_quote() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\t'/\\t}
  text=${text//$'\r'/\\r}
  printf '"%s"' "$text"
}

# endpoint ADDRESS PORT: both as MySQL's options want them; an IPv6 address stands in brackets.
endpoint() {
  if [[ $1 == *:* ]]; then
    printf '[%s]:%s' "$1" "$2"
  else
    printf '%s:%s' "$1" "$2"
  fi
}

# ordinal_of POD: the number at the end of a StatefulSet's pod name.
ordinal_of() {
  printf '%s' "${1##*-}"
}

# secret_sql KEY: the password of one of our own accounts as a string of SQL; false where it is missing or empty, for an account without a
# password would let everybody in. A caller has to pass that on: the end of a subshell is not the end of the script.
secret_sql() {
  local text
  text=$(secret "$ADMIN_DIR/$1") || return
  sql_quote "$text"
}

# secret FILE: what a mounted Secret's file holds; ends the script where it is missing or empty.
secret() {
  local text
  [[ -r $1 ]] || die "the Secret's file $1 is missing; the Secret of this volume must hold that key"
  text=$(<"$1")
  [[ -n $text ]] || die "the Secret's file $1 is empty"
  printf '%s' "$text"
}
