#!/bin/sh
# keep-on.sh COMMAND…: run nspawn again when its machine reboots. With --keep-unit it ends with 133 then, and leaves
# the restart to whoever started it (systemd-nspawn(1), "Exit status").
set -u
while "$@"; [ $? -eq 133 ]; do :; done
