#!/bin/bash
# Runs a recipe's script in the root that the layers below make, so that its changes land in a folder of their own.
# Runs within namespaces of its own (unshare --mount --pid): every mount and process here ends with it, however it ends.
#   enter.sh LOWER UPPER WORK MERGED APT SCRIPT WHEELS
#   LOWER  folders of the layers below, topmost first, joined by ':'
#   APT    package lists and downloads, kept from one recipe to the next
#   WHEELS a folder that the script sees as /tmp/wheels
set -euo pipefail

lower=$1 upper=$2 work=$3 merged=$4 apt=$5 script=$6 wheels=$7

# Without these options the layer would hold what only this overlay understands.
mount -t overlay overlay "$merged" \
  -o "lowerdir=$lower,upperdir=$upper,workdir=$work,redirect_dir=off,metacopy=off,index=off"
mount -t proc proc "$merged/proc"
mount -t tmpfs -o mode=755 tmpfs "$merged/dev"
for device in null zero full random urandom tty; do
  : > "$merged/dev/$device"
  mount --bind "/dev/$device" "$merged/dev/$device"
done
ln -s /proc/self/fd "$merged/dev/fd"
mount -t tmpfs tmpfs "$merged/tmp"
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
mount --bind "$apt/lists" "$merged/var/lib/apt/lists"
mount --bind "$apt/archives" "$merged/var/cache/apt/archives"
mount --bind /etc/resolv.conf "$merged/etc/resolv.conf"
install -m 0755 "$script" "$merged/tmp/recipe.sh"
mkdir "$merged/tmp/wheels"
mount --bind "$wheels" "$merged/tmp/wheels"
# No package may start a service here.
printf '#!/bin/sh\nexit 101\n' > "$merged/tmp/policy-rc.d"
chmod 0755 "$merged/tmp/policy-rc.d"
ln -s /tmp/policy-rc.d "$merged/usr/sbin/policy-rc.d"

chroot "$merged" /bin/bash /tmp/recipe.sh < /dev/null

rm -f "$merged/usr/sbin/policy-rc.d"
