#!/bin/bash
# The name under which Custos' sidecar images start; here the stand-in plays it (lab/standin/README.md).
set -euo pipefail
exec java -Xms8m -Xmx32m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp /app.jar custos.standin.sidecar.Sidecar "$@"
