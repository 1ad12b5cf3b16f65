#!/bin/sh
# Before this server ends: if it leads, another one shall, so that nobody waits for an election. The token comes by CONSUL_HTTP_TOKEN_FILE.
set -eu

if consul info | grep -q '^[[:space:]]*leader = true$'; then
  consul operator raft transfer-leader || echo 'nobody can take over the lead; an election will follow'
fi
