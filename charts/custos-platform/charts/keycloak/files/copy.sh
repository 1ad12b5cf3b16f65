#!/bin/bash
# First init container: takes what a build changes out of the image, whose root nobody writes, and puts our providers beside it.
#   copy.sh BUILT
#   BUILT  a writable folder; quarkus/ and providers/ in it are mounted over the image's own afterwards
set -euo pipefail

built=$1
rm -rf "$built/quarkus" "$built/providers"
cp -r /opt/keycloak/lib/quarkus "$built/quarkus"
cp -r /opt/keycloak/providers "$built/providers"
# A ConfigMap's files are links that move; the build remembers each provider's time.
if [ -d /custos/providers ]; then
  cp -L /custos/providers/*.jar "$built/providers/"
fi
