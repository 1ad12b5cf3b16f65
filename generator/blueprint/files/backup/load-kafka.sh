#!/bin/bash
# Makes the backup's topics in a Kafka that does not have them, and compares them with the backup. A topic that is there and is another stops it.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=kafka.sh
source "${BASH_SOURCE[0]%/*}/kafka.sh"

topics load "$FILE"
