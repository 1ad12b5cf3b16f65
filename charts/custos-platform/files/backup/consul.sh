#!/bin/sh
# What dump and load share. Environment: CONSUL_HTTP_ADDR, CONSUL_CACERT.
# shellcheck disable=SC2034  # the constants are used by the scripts that read this one
set -eu

: "${CONSUL_HTTP_ADDR:?}"
FILE=/dumps/consul.snap
SUM=/dumps/consul.sum
# A load has begun; and the sum of what it put there.
LOADING=/dumps/consul.loading
LOADED=/dumps/consul.loaded
# Snapshots want a token that may manage all.
export CONSUL_HTTP_TOKEN_FILE=/etc/custos/consul/management-token

# shellcheck source-path=SCRIPTDIR source=alone.sh
. "${0%/*}/alone.sh"

# keys: how many keys Consul holds; Vault's are below vault/. Fails where Consul does not answer.
keys() {
  if list=$(consul kv get -keys -separator= '' 2>&1); then
    echo "$list" | grep -c . || true
    return
  fi
  case $list in
    *'No key exists'*) echo 0 ;;
    *)
      echo "$list" >&2
      return 1
      ;;
  esac
}

# sum: one number over all keys with their values, as Consul has them now. Fails where Consul does not answer.
sum() {
  consul kv export '' >/dumps/consul.export.part || return
  of_all=$(sha256sum </dumps/consul.export.part)
  rm -f /dumps/consul.export.part
  echo "${of_all%% *}"
}
