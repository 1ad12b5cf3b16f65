#!/bin/bash
# Two objects by which the members agree: a Lease, which the member holds that starts the group, and a ConfigMap, the marker, that says which
# group has been started here and who is in it. Needs basics.sh and kubernetes.sh.
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

# What the marker says. MARKER is `no` (there is none), `begun` (the first group was to be started, and nobody has seen it work) or `yes`.
# MEMBERS has the ordinals of all that may be in the group, each with the token of its last entry. What makes it right:
#   A member writes itself in, with a new token, before each START GROUP_REPLICATION. So whoever is in the group is in MEMBERS.
#   Only the primary takes one out, and only one that is out of its view and will not enter under that token any more.
#   Each change names the version that it was made from: of two that are made from the same, the later fails.
# Whoever is not in MEMBERS was not in the last group, and nothing acknowledged is on its volume alone.
MARKER='' MARKER_GROUP='' MARKER_OVERRIDE='' MARKER_VERSION=''
declare -A MEMBERS=()
readonly LEFT=left # the token of a member that has gone in peace: it writes another before it enters again

# marker_read: sets all that; false where the API does not say.
marker_read() {
  local entry
  local -a entries=()
  MARKER='' MARKER_GROUP='' MARKER_OVERRIDE='' MARKER_VERSION='' MEMBERS=()
  if ! api GET "$(marker_path)/$MARKER_NAME"; then
    [[ $API_STATUS == 404 ]] || return 1
    MARKER=no
    return 0
  fi
  MARKER=yes
  [[ $(json_text started <<<"$API_BODY") != no ]] || MARKER=begun
  MARKER_GROUP=$(json_text group <<<"$API_BODY")
  MARKER_OVERRIDE=$(json_text override <<<"$API_BODY")
  MARKER_VERSION=$(json_text resourceVersion <<<"$API_BODY")
  read -ra entries <<<"$(json_text members <<<"$API_BODY")" || true
  for entry in "${entries[@]}"; do
    MEMBERS[${entry%%=*}]=${entry#*=}
  done
}

# marker_write GROUP OVERRIDE STARTED: records the group, MEMBERS, which override has been used up, and whether the group has been seen at work (yes
# or no). Needs a marker_read before; false also where somebody has changed the marker since then.
marker_write() {
  local body method=POST path version='' i members=''
  path=$(marker_path)
  if [[ -n $MARKER_VERSION ]]; then
    method=PUT path=$path/$MARKER_NAME version="\"resourceVersion\": \"$MARKER_VERSION\","
  fi
  for i in $(printf '%s\n' "${!MEMBERS[@]}" | sort -n); do
    members+="${members:+ }$i=${MEMBERS[$i]}"
  done
  body=$(printf '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "%s", %s "labels": %s},
    "data": {"group": "%s", "override": "%s", "members": "%s", "started": "%s"}}' \
    "$MARKER_NAME" "$version" "$OBJECT_LABELS" "$1" "$2" "$members" "$3")
  api "$method" "$path" "$body"
}

# marker_leave ME: says in the marker that this member goes and enters under its present token no more, so that it need not be waited for.
marker_leave() {
  local tries=0 started=yes
  while ((++tries <= 3)); do
    marker_read || break
    [[ -n ${MEMBERS[$1]:-} && ${MEMBERS[$1]} != "$LEFT" ]] || return 0
    MEMBERS[$1]=$LEFT
    [[ $MARKER == yes ]] || started=no
    ! marker_write "$MARKER_GROUP" "$MARKER_OVERRIDE" "$started" || return 0
    [[ $API_STATUS == 409 ]] || break
  done
  log "that this member leaves could not be recorded: $(api_error)"
}
