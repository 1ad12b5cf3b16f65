#!/bin/bash
# Two objects by which the members agree: a Lease, which the member holds that starts the group, and a ConfigMap that says a group has been
# started here. Needs basics.sh and kubernetes.sh.
# shellcheck disable=SC2034  # MARKER and its kin are read by group.sh and agent.sh

readonly LEASE_SECONDS=60

lease_seen='' # the holder's version that we have seen…
lease_since=0 # …since this second of ours: clocks of machines are not compared

lease_path() {
  printf '/apis/coordination.k8s.io/v1/namespaces/%s/leases' "$NAMESPACE"
}

# lease_body HOLDER VERSION: the Lease as JSON; an empty holder releases it.
lease_body() {
  local now holder='' version=''
  now=$(TZ=UTC printf '%(%Y-%m-%dT%H:%M:%S)T.000000Z' -1)
  [[ -z $1 ]] || holder="\"holderIdentity\": $(json_quote "$1"), \"acquireTime\": \"$now\","
  [[ -z $2 ]] || version="\"resourceVersion\": \"$2\","
  printf '{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
    "metadata": {"name": "%s", %s "labels": %s},
    "spec": {%s "renewTime": "%s", "leaseDurationSeconds": %s}}' "$LEASE" "$version" "$OBJECT_LABELS" "$holder" "$now" "$LEASE_SECONDS"
}

# lease_acquire: true when this member holds the Lease now. A foreign holder is replaced only after it has not moved for the Lease's length.
lease_acquire() {
  local holder version
  if ! api GET "$(lease_path)/$LEASE"; then
    [[ $API_STATUS == 404 ]] || { log "no Lease: $(api_error)"; return 1; }
    api POST "$(lease_path)" "$(lease_body "$POD_NAME" '')"
    return
  fi
  holder=$(json_text holderIdentity <<<"$API_BODY")
  version=$(json_text resourceVersion <<<"$API_BODY")
  if [[ -n $holder && $holder != "$POD_NAME" ]]; then
    if [[ $lease_seen != "$holder $version" ]]; then
      lease_seen="$holder $version"
      lease_since=$SECONDS
    fi
    if ((SECONDS - lease_since < LEASE_SECONDS)); then
      log "$holder holds the Lease $LEASE: it starts the group"
      return 1
    fi
  fi
  api PUT "$(lease_path)/$LEASE" "$(lease_body "$POD_NAME" "$version")"
}

# lease_release: gives the Lease back, if it is still ours.
lease_release() {
  api GET "$(lease_path)/$LEASE" || return 0
  [[ $(json_text holderIdentity <<<"$API_BODY") == "$POD_NAME" ]] || return 0
  api PUT "$(lease_path)/$LEASE" "$(lease_body '' "$(json_text resourceVersion <<<"$API_BODY")")" || log "the Lease stays ours: $(api_error)"
}

marker_path() {
  printf '/api/v1/namespaces/%s/configmaps' "$NAMESPACE"
}

# marker_read: sets MARKER to yes or no, MARKER_GROUP to the group's name and MARKER_OVERRIDE to the override that has been used; false where
# the API does not say.
MARKER='' MARKER_GROUP='' MARKER_OVERRIDE='' MARKER_VERSION=''
marker_read() {
  if api GET "$(marker_path)/$MARKER_NAME"; then
    MARKER=yes
    MARKER_GROUP=$(json_text group <<<"$API_BODY")
    MARKER_OVERRIDE=$(json_text override <<<"$API_BODY")
    MARKER_VERSION=$(json_text resourceVersion <<<"$API_BODY")
  elif [[ $API_STATUS == 404 ]]; then
    MARKER=no MARKER_GROUP='' MARKER_OVERRIDE='' MARKER_VERSION=''
  else
    return 1
  fi
}

# marker_write GROUP OVERRIDE: records that the group exists and which override has been used up. Needs a marker_read before; false also where
# somebody has changed the marker since then.
marker_write() {
  local body method=POST path version=''
  path=$(marker_path)
  if [[ $MARKER == yes ]]; then
    method=PUT path=$path/$MARKER_NAME version="\"resourceVersion\": \"$MARKER_VERSION\","
  fi
  body=$(printf '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "%s", %s "labels": %s},
    "data": {"group": "%s", "override": "%s"}}' "$MARKER_NAME" "$version" "$OBJECT_LABELS" "$1" "$2")
  api "$method" "$path" "$body"
}
