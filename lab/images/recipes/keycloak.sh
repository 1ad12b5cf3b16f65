#!/bin/bash
# The user of Keycloak's official image. Its root holds no more than Java, bash and the small programs that kc.sh calls.
set -euo pipefail

echo "keycloak:x:1000:0:keycloak user:/opt/keycloak:/sbin/nologin" >> /etc/passwd
echo "keycloak:x:0:root" >> /etc/group
