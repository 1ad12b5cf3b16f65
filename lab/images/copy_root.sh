#!/bin/bash
# Copies the root that stacked layers make into a folder. Runs in a mount namespace of its own.
#   copy_root.sh LOWER TARGET     LOWER: folders of the layers, topmost first, joined by ':'
set -euo pipefail

view=$(mktemp -d)
trap 'umount "$view"; rmdir "$view"' EXIT
if [[ $1 == *:* ]]; then
  mount -t overlay overlay "$view" -o "lowerdir=$1"
else
  mount --bind "$1" "$view"
fi
cp --archive "$view/." "$2"
# A chroot has no others.
mknod --mode=666 "$2/dev/null" c 1 3
mknod --mode=666 "$2/dev/zero" c 1 5
mknod --mode=666 "$2/dev/random" c 1 8
mknod --mode=666 "$2/dev/urandom" c 1 9
