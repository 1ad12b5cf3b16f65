#!/bin/bash
# Kafka with the official image's paths, users and programs: its libraries come from Maven. The official image has Java of its own in
# /opt/java/openjdk, bash, and Kafka's programs in /opt/kafka/bin; each of ours is one line that names the same class.
set -euo pipefail

groupadd --gid 1000 appuser
useradd --uid 1000 --gid 1000 --home-dir /home/appuser --create-home --shell /bin/bash appuser
install -d /opt/java /opt/kafka/bin /opt/kafka/libs
ln -s "$(dirname "$(dirname "$(readlink -f /usr/bin/java)")")" /opt/java/openjdk
install -d -o appuser -g root -m 0775 /var/lib/kafka /var/lib/kafka/data /etc/kafka /etc/kafka/secrets
install -d -o appuser -g appuser /opt/kafka/config /usr/logs /mnt/shared/config

program() { # program NAME CLASS
  # shellcheck disable=SC2016 # the program's own variables
  printf '#!/bin/bash\nexec java ${KAFKA_HEAP_OPTS:--Xmx256M} ${KAFKA_OPTS:-} -cp "/opt/kafka/libs/*${CLASSPATH:+:$CLASSPATH}" %s "$@"\n' "$2" \
    > "/opt/kafka/bin/$1"
  chmod 0755 "/opt/kafka/bin/$1"
}
# shellcheck disable=SC2016
printf '#!/bin/bash\nexec java ${KAFKA_HEAP_OPTS:--Xmx256M} ${KAFKA_OPTS:-} -cp "/opt/kafka/libs/*${CLASSPATH:+:$CLASSPATH}" "$@"\n' \
  > /opt/kafka/bin/kafka-run-class.sh
chmod 0755 /opt/kafka/bin/kafka-run-class.sh
program kafka-acls.sh kafka.admin.AclCommand
program kafka-configs.sh kafka.admin.ConfigCommand
program kafka-console-consumer.sh org.apache.kafka.tools.consumer.ConsoleConsumer
program kafka-console-producer.sh org.apache.kafka.tools.ConsoleProducer
program kafka-consumer-groups.sh org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
program kafka-metadata-quorum.sh org.apache.kafka.tools.MetadataQuorumCommand
program kafka-reassign-partitions.sh org.apache.kafka.tools.reassign.ReassignPartitionsCommand
program kafka-server-start.sh kafka.Kafka
program kafka-storage.sh kafka.tools.StorageTool
program kafka-topics.sh org.apache.kafka.tools.TopicCommand
program kafka-verifiable-consumer.sh org.apache.kafka.tools.VerifiableConsumer
program kafka-verifiable-producer.sh org.apache.kafka.tools.VerifiableProducer
