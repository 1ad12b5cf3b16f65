#!/bin/bash
# Writes which topics Kafka has, and how each is set, to the backup's volume. Messages are not in it: docs/decisions/0070.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=kafka.sh
source "${BASH_SOURCE[0]%/*}/kafka.sh"

rm -f "$FILE" "$FILE.part"
topics dump "$FILE.part"
mv "$FILE.part" "$FILE"
