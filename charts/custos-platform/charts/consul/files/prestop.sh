#!/bin/sh
# Before this server ends: if it leads, another one shall, so that nobody waits for an election. Where all end at once nobody can; then it is not tried for
# long. The token comes by CONSUL_HTTP_TOKEN_FILE.
set -eu

if timeout 3 consul info | grep -q '^[[:space:]]*leader = true$'; then
  timeout 5 consul operator raft transfer-leader || echo 'nobody can take over the lead; an election will follow'
fi
