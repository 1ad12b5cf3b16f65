#!/bin/sh
# What dump and load share. Environment: CONSUL_HTTP_ADDR, CONSUL_CACERT.
# shellcheck disable=SC2034  # the constants are used by the scripts that read this one
set -eu

: "${CONSUL_HTTP_ADDR:?}"
FILE=/dumps/consul.snap
tokens=/etc/custos/consul

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
