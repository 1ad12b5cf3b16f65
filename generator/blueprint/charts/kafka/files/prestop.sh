#!/bin/bash
# Waits, before Kafka is told to end, until no partition needs this broker to stay writable. SECONDS_AT_MOST is the longest wait: a broker
# that stays forever would only be killed.
set -euo pipefail

port=$1
seconds_at_most=$2

# The answer of the health check: status on the first line, text on the last. Alpine's image has no curl.
ask() {
  exec 3<> "/dev/tcp/127.0.0.1/$port"
  printf 'GET /leave HTTP/1.0\r\n\r\n' >&3
  timeout 10 cat <&3
  exec 3<&- 3>&-
}

said=""
while ((SECONDS < seconds_at_most)); do
  if ! answer=$(ask 2> /dev/null); then
    exit 0 # the process is gone, or too broken to ask
  fi
  if [[ $answer == HTTP/*' 200 '* ]]; then
    exit 0
  fi
  reason=${answer##*$'\n'}
  if [[ $reason != "$said" ]]; then
    printf 'custos: not leaving yet: %s\n' "$reason" > /proc/1/fd/1
    said=$reason
  fi
  sleep 1
done
printf 'custos: leaving all the same after %s s: %s\n' "$SECONDS" "$said" > /proc/1/fd/1
