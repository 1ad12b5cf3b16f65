#!/bin/bash
# What dump and load share. Environment: SERVERS.
# shellcheck disable=SC2034  # the constants are used by the scripts that read this one
set -euo pipefail

: "${SERVERS:?}"
readonly FILE=/dumps/kafka.topics
export AUTHORITY=/etc/custos/kafka-tls/ca.crt PASSWORD=/etc/custos/kafka/admin-password

# shellcheck source-path=SCRIPTDIR source=alone.sh
source "${BASH_SOURCE[0]%/*}/alone.sh"

# topics dump|load FILE: by the program beside Kafka's own. A small Java: it runs for seconds.
topics() {
  java -Xmx48m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true -cp '/opt/kafka/libs/*:/custos/kafka/kafka-node.jar' \
    custos.kafka.TopicsBackup "$@"
}
