#!/bin/bash
# The Kubernetes API, as far as a member needs it. Needs basics.sh. What is read from its answers is read by patterns: in JSON a quote
# inside of a string is always escaped, so `"key":"value"` is found only where it really is a key.

: "${ACCOUNT_DIR:=/var/run/secrets/kubernetes.io/serviceaccount}"
: "${API_SECONDS:=4}"

API_STATUS=''
API_BODY=''

# api_url: where the API is; by address, so that it does not depend on DNS.
api_url() {
  local host=${KUBERNETES_SERVICE_HOST:?}
  [[ $host != *:* ]] || host="[$host]"
  printf 'https://%s:%s' "$host" "${KUBERNETES_SERVICE_PORT:?}"
}

# api METHOD PATH [BODY] [CONTENT-TYPE]: sets API_STATUS (000 without an answer) and API_BODY; true for 2xx. The token goes through a file
# descriptor: it shows in no list of processes.
api() {
  local method=$1 path=$2 body=${3:-} type=${4:-application/json} answer
  local -a data=()
  [[ -z $body ]] || data=(--header "Content-Type: $type" --data-binary @-)
  API_STATUS=000 API_BODY=''
  answer=$(curl --silent --show-error --request "$method" --max-time "$API_SECONDS" --connect-timeout 2 \
    --cacert "$ACCOUNT_DIR/ca.crt" --config <(printf 'header = "Authorization: Bearer %s"\n' "$(<"$ACCOUNT_DIR/token")") \
    --write-out '\n%{http_code}' "${data[@]}" "$(api_url)$path" 2>"$WORK_DIR/api.error" <<<"$body") || return 1
  API_STATUS=${answer##*$'\n'}
  API_BODY=${answer%$'\n'*}
  [[ $API_STATUS == 2?? ]]
}

# api_error: in a few words why the last call failed.
api_error() {
  if [[ $API_STATUS == 000 ]]; then
    printf 'the Kubernetes API does not answer (%s)' "$(tr -d '\n' <"$WORK_DIR/api.error")"
  else
    printf 'the Kubernetes API answers %s: %s' "$API_STATUS" "$(json_text message <<<"$API_BODY")"
  fi
}

# json_text KEY: the first string of that key in the JSON on standard input, or nothing.
json_text() {
  local json key=\"$1\"
  json=$(</dev/stdin)
  if [[ $json =~ $key:[[:space:]]*\"(([^\"\\]|\\.)*)\" ]]; then
    printf '%s' "${BASH_REMATCH[1]}"
  fi
}

pod_path() {
  printf '/api/v1/namespaces/%s/pods/%s' "$NAMESPACE" "$STATEFULSET-$1"
}

# address_of ORDINAL: the address of that member's pod; from the API, or from DNS where the API does not tell.
address_of() {
  local address=''
  if api GET "$(pod_path "$1")"; then
    address=$(json_text podIP <<<"$API_BODY")
  elif [[ $API_STATUS != 404 ]]; then
    address=$(timeout 2 getent ahosts "$STATEFULSET-$1.$HEADLESS_HOST") || true
    address=${address%% *}
  fi
  [[ -n $address ]] && printf '%s' "$address"
}

# leaves ORDINAL: true where that pod is being deleted, or is gone.
leaves() {
  if api GET "$(pod_path "$1")"; then
    [[ $API_BODY =~ \"deletionTimestamp\": ]]
  else
    [[ $API_STATUS == 404 ]]
  fi
}

# role_of ORDINAL: the label `role` of that pod.
role_of() {
  api GET "$(pod_path "$1")" || return
  [[ ! $API_BODY =~ \"labels\":[[:space:]]*\{([^}]*)\} ]] || json_text role <<<"${BASH_REMATCH[1]}"
}

# may_serve ORDINAL: true unless that pod is known not to be a primary that works: it is gone, labelled otherwise, or not Ready.
may_serve() {
  api GET "$(pod_path "$1")" || { [[ $API_STATUS != 404 ]]; return; }
  [[ $API_BODY =~ \"labels\":[[:space:]]*\{([^}]*)\} && $(json_text role <<<"${BASH_REMATCH[1]}") == primary ]] || return
  [[ $API_BODY =~ \"type\":[[:space:]]*\"Ready\"[^}]*\"status\":[[:space:]]*\"True\" ]]
}

# patch_role ORDINAL ROLE: sets the label `role` of that pod; an empty role takes it away.
patch_role() {
  local role=null
  [[ -z $2 ]] || role=$(json_quote "$2")
  api PATCH "$(pod_path "$1")" "{\"metadata\":{\"labels\":{\"role\":$role}}}" application/merge-patch+json
}

# event TYPE REASON MESSAGE: logs the message and puts it where `kubectl describe pod` shows it. Without the API only logs.
event() {
  local now
  log "$2: $3"
  now=$(TZ=UTC printf '%(%Y-%m-%dT%H:%M:%SZ)T' -1)
  api POST "/api/v1/namespaces/$NAMESPACE/events" "{
    \"metadata\": {\"generateName\": \"$POD_NAME.\", \"namespace\": \"$NAMESPACE\"},
    \"involvedObject\": {\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"namespace\": \"$NAMESPACE\", \"name\": \"$POD_NAME\", \"uid\": \"$POD_UID\"},
    \"type\": \"$1\", \"reason\": \"$2\", \"message\": $(json_quote "${3:0:1000}"), \"count\": 1,
    \"firstTimestamp\": \"$now\", \"lastTimestamp\": \"$now\", \"source\": {\"component\": \"mysql-agent\"}}" ||
    log "that event could not be written: $(api_error)"
}
