#!/bin/sh
# systemd_in_a_box.sh - a systemd that is alone: process 1 of namespaces of its own, with the units below
# /etc/systemd/system there and no others. Nothing of this machine can be written to: the file system is
# mounted read-only, what has to be written is in memory.
#
# Usage: unshare --pid --fork --mount --uts --ipc systemd_in_a_box.sh CGROUP
#   CGROUP   an empty control group for it, which it is moved into
set -eu
v1=/sys/fs/cgroup/systemd
echo 0 >"$1/cgroup.procs"
# The group's namespace, once the process is in the group.
[ "${2-}" = again ] || exec unshare --cgroup "$0" "$1" again
mount --make-rprivate /
version=cgroup2
[ ! -d $v1 ] || version=cgroup
umount --recursive --lazy /sys/fs/cgroup
if [ $version = cgroup2 ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mkdir $v1
  mount -t cgroup -o none,name=systemd cgroup $v1
fi
mount -o remount,bind,ro /
mount -t tmpfs tmpfs /run
mkdir /run/lock /run/dev /run/etc
for node in null zero full random urandom; do
  : >/run/dev/$node
  mount --bind /dev/$node /run/dev/$node
done
mount --rbind /run/dev /dev
cp /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache /run/etc/
mount --bind /run/etc /etc
for folder in /tmp /var/tmp /opt; do
  mount -t tmpfs tmpfs $folder
done
mkdir -p /etc/systemd/system
for unit in default basic sysinit shutdown multi-user; do
  printf '[Unit]\nDefaultDependencies=no\n' >/etc/systemd/system/$unit.target
done
mount -t proc proc /proc
unset NOTIFY_SOCKET
export container=lxc SYSTEMD_UNIT_PATH=/etc/systemd/system SYSTEMD_LOG_TARGET=console
exec /lib/systemd/systemd --system --show-status=no
