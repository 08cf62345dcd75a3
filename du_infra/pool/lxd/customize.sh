#!/bin/sh
# Runs on this machine at the end of mmdebstrap; $1 is the new root file system, the overlay lies beside us.
set -eu
root=$1
cp -a "$(dirname "$0")/overlay/." "$root/"

# The local cloud's own bridge answers DNS; nothing inside may depend on the machine that built the image.
printf 'search du\nnameserver %s\n' "$DU_DNS" >"$root/etc/resolv.conf"
printf '127.0.0.1\tlocalhost\n' >"$root/etc/hosts"
: >"$root/etc/hostname"
rm -f "$root"/etc/ssh/ssh_host_*

mkdir -p "$root/etc/nginx/conf.d" "$root/var/log/nginx" "$root/var/lib/nginx"
chown 33:4 "$root/var/log/nginx"

chroot "$root" systemctl enable systemd-networkd containerd ssh legacy-cgroup
chroot "$root" systemctl disable nginx keepalived
for unit in docker.service docker.socket; do
    [ ! -e "$root/lib/systemd/system/$unit" ] || chroot "$root" systemctl disable "$unit"
done
# A container has no kernel of its own: these can only fail or wait.
chroot "$root" systemctl mask systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
    systemd-modules-load.service cloud-init-hotplugd.socket
