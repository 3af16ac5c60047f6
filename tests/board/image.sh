#!/usr/bin/env bash
# image.sh - the card of an emulated board, made of Debian packages: Debian 12 for arm64 with systemd,
# sshd, a user pi as Raspberry Pi OS has one, Debian's own kernel.
#
# Usage: tests/board/image.sh [--force]
#   --force   make it anew when it is there
#
# Takes one to three minutes. Packages are fetched and unpacked by this machine's tools; only their
# set-up scripts run under emulation, which is what takes long. Needs root: the card has files of many
# owners. The packages come from where this machine gets its own.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

ON_BOARD=usr-is-merged,systemd-sysv,udev,dbus,kmod,procps,iproute2,openssh-server,sudo,passwd,mount
ON_BOARD+=,busybox-static,libstdc++6,libsqlite3-0,libpq5,sqlite3
# Modules to reach the card and the network, and those that the system loads later.
FIRST_MODULES=(crc32c_generic ext4 sdhci-iproc bcm2835 phy-generic dwc2 usbnet cdc_ether virtio_pci
  virtio_mmio virtio_blk virtio_net)
LATER_MODULES=(bcm2835_thermal bcm2835-rng virtio-rng i6300esb autofs4 tun)

# let_arm64_run - register QEMU for programs of the board with this kernel.
let_arm64_run() {
  local dir=/proc/sys/fs/binfmt_misc
  arch-test arm64 >/dev/null 2>&1 && return
  [ -e $dir/register ] || mount -t binfmt_misc binfmt_misc $dir
  [ -e $dir/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >$dir/register
  arch-test arm64 >/dev/null || die "this kernel does not run arm64 programs through QEMU"
}

# Kept when the image is made anew: it is still the same host to ssh.
make_keys() {
  mkdir -p "$KEYS"
  chmod 700 "$KEYS"
  local key
  for key in id_ed25519 ssh_host_ed25519_key ssh_host_ecdsa_key ssh_host_rsa_key; do
    [ -e "$KEYS/$key" ] ||
      ssh-keygen -q -N '' -C board -f "$KEYS/$key" -t "$(sed -E 's/.*_(ed25519|ecdsa|rsa).*/\1/' <<<"$key")"
  done
}

# fetch ROOT - unpack the packages, keep their files. The kernel comes as a bare file: its set-up would
# make an initrd under emulation.
fetch() {
  # shellcheck disable=SC2016
  mmdebstrap --quiet --architectures=arm64 --variant=extract \
    --skip=essential/unlink,cleanup/apt/cache --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --aptopt='APT::Install-Recommends "0"' --aptopt='Acquire::Languages "none"' \
    --include='?essential' --include="$ON_BOARD" \
    --extract-hook='cd "$1/boot" && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" &&
      apt-get -q download "$(apt-cache depends linux-image-arm64 |
        sed -n "s/^ *Depends: \(linux-image-[^: ]*\).*/\1:arm64/p" | head -n 1)"' \
    bookworm "$1"
}

# set_up ROOT - let this machine's dpkg install what fetch left; only the packages' own scripts are the
# board's, which has no folder that TMPDIR may name here. In a mount namespace, whose mounts go with it.
set_up() {
  local root=$1
  cp "$KEYS"/ssh_host_* "$root/etc/ssh/"  # or sshd's set-up would make keys, slowly
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  printf '%s\n' "$(dpkg --print-architecture)" arm64 | sort -u >"$root/var/lib/dpkg/arch"
  printf 'path-exclude=/usr/share/%s/*\n' man doc locale info >"$root/etc/dpkg/dpkg.cfg.d/board"
  rm -rf "$root"/usr/share/{man,doc,locale,info}/*
  # shellcheck disable=SC2016
  DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 TMPDIR=/tmp \
    unshare --mount --propagation private bash -euc '
      root=$1 debs=$1/var/cache/apt/archives
      mount -t proc proc "$root/proc"
      mount -t tmpfs -o mode=755 dev "$root/dev"
      for node in null zero full random urandom; do cp -a /dev/$node "$root/dev/"; done
      dpkg=(dpkg --root="$root" --force-depends --force-unsafe-io --force-confnew)
      for path in man doc locale info; do dpkg+=("--path-exclude=/usr/share/$path/*"); done
      "${dpkg[@]}" --unpack "$debs"/base-passwd_*.deb "$debs"/base-files_*.deb
      "${dpkg[@]}" --unpack --skip-same-version "$debs"/*.deb
      "${dpkg[@]}" --configure base-passwd base-files
      "${dpkg[@]}" --configure -a
    ' set-up "$root"
  rm -rf "$root"/usr/sbin/policy-rc.d "$root"/var/lib/dpkg/arch "$root"/var/lib/apt/lists/* \
    "$root"/var/cache/{apt,debconf,ldconfig}/* "$root"/etc/apt/sources.list*
}

# configure ROOT - as Raspberry Pi OS is after its first start: user pi, key, sudo, network.
configure() {
  local root=$1
  chroot "$root" sh -eu <<'END'
useradd --create-home --uid 1000 --shell /bin/bash pi
for group in adm dialout video sudo gpio i2c spi systemd-journal; do
  getent group $group >/dev/null || groupadd --system $group
  usermod --append --groups $group pi
done
END
  install -d -m 700 -o 1000 -g 1000 "$root/home/pi/.ssh"
  install -m 600 -o 1000 -g 1000 "$KEYS/id_ed25519.pub" "$root/home/pi/.ssh/authorized_keys"
  install -m 440 /dev/stdin "$root/etc/sudoers.d/010_pi-nopasswd" <<<'pi ALL=(ALL) NOPASSWD: ALL'
  printf 'PasswordAuthentication no\nUseDNS no\n' >"$root/etc/ssh/sshd_config.d/board.conf"
  echo raspberrypi >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n127.0.1.1 raspberrypi\n' >"$root/etc/hosts"
  : >"$root/etc/machine-id"  # filled in at the first start
  echo '/dev/root / ext4 noatime,errors=remount-ro 0 0' >"$root/etc/fstab"
  printf '[Match]\nType=ether\n[Network]\nDHCP=ipv4\n' >"$root/etc/systemd/network/10-wired.network"
  mkdir -p "$root/etc/systemd/journald.conf.d"
  printf '[Journal]\nStorage=persistent\nSystemMaxUse=32M\n' >"$root/etc/systemd/journald.conf.d/board.conf"
  systemctl --root="$root" --quiet enable systemd-networkd.service
  systemctl --root="$root" --quiet mask systemd-networkd-wait-online.service e2scrub_reap.service \
    e2scrub_all.timer fstrim.timer dpkg-db-backup.timer getty@tty1.service
}

# module_files KERNEL VERSION MODULE... - their files, each after those that it needs.
module_files() {
  local kernel=$1 version=$2 module
  shift 2
  for module in "$@"; do
    modprobe -d "$kernel" -S "$version" --show-depends "$module" 2>/dev/null |
      sed -n 's/^insmod \([^ ]*\).*/\1/p'
  done | awk '!seen[$0]++'
}

# copy_modules TO - the module files named on standard input.
copy_modules() {
  local file
  while read -r file; do
    install -D -m 644 "$file" "$1/lib/modules/${file##*/lib/modules/}"
  done
}

# add_kernel WORK - kernel, device tree, modules, and an initrd that loads the first of them.
add_kernel() {
  local work=$1 root=$1/root kernel=$1/kernel init=$1/init version
  dpkg-deb -x "$root"/boot/linux-image-*.deb "$kernel"
  rm "$root"/boot/linux-image-*.deb
  version=$(basename "$kernel"/boot/vmlinuz-*)
  version=${version#vmlinuz-}
  depmod -b "$kernel" "$version"
  cp "$kernel/boot/vmlinuz-$version" "$work/out/kernel"
  cp "$kernel/usr/lib/linux-image-$version/broadcom/bcm2837-rpi-3-b.dtb" "$work/out/"
  module_files "$kernel" "$version" "${FIRST_MODULES[@]}" "${LATER_MODULES[@]}" | copy_modules "$root"
  cp "$kernel/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$version/"
  depmod -b "$root" "$version"
  mkdir -p "$init"/{bin,dev,proc,sys,root}
  cp "$root/bin/busybox" "$init/bin/"
  module_files "$kernel" "$version" "${FIRST_MODULES[@]}" >"$work/first"
  copy_modules "$init" <"$work/first"
  sed 's#.*/lib/modules/#/lib/modules/#' "$work/first" >"$init/modules"
  write_init >"$init/init"
  chmod 755 "$init/init"
  (cd "$init" && find . -print0 | LC_ALL=C sort -z | cpio --quiet --null -o -H newc -R 0:0) |
    gzip -9n >"$work/out/initrd.img"
}

write_init() {
  cat <<'END'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "$module" 2>/dev/null; done </modules
for word in $($b cat /proc/cmdline); do
  case $word in root=*) card=${word#root=} ;; esac
done
i=0
while [ ! -b "$card" ] && [ $i -lt 600 ]; do $b usleep 100000; i=$((i + 1)); done
$b mount -t ext4 -o rw,noatime "$card" /root || exec $b sh
$b mount --move /dev /root/dev
$b umount /sys
$b umount /proc
exec $b switch_root /root /sbin/init
END
}

make_image() {
  local work=$1 log=$2
  say "fetching packages"
  logged "$log" fetch "$work/root"
  say "installing them"
  logged "$log" set_up "$work/root"
  say "user, key, network, kernel, card"
  logged "$log" configure "$work/root"
  logged "$log" add_kernel "$work"
  truncate -s 1G "$work/out/rootfs.img"  # a card's size is a power of two
  logged "$log" mke2fs -q -F -t ext4 -L rootfs -d "$work/root" "$work/out/rootfs.img"
}

main() {
  local force='' log=$BOARD_CACHE/image.log work status=0
  case ${1-} in
    -h | --help) usage && exit ;;
    --force) force=1 ;;
    '') ;;
    *) die "unknown argument: $1 (see --help)" ;;
  esac
  if [ -e "$IMAGE/rootfs.img" ] && [ -z "$force" ]; then
    say "the card's image is in $IMAGE"
    return
  fi
  [ "$(id -u)" = 0 ] || die "run this as root (sudo tests/board/image.sh)"
  mkdir -p "$BOARD_CACHE"
  : >"$log"
  need_packages "$log" "${PACKAGES_BOARD[@]}"
  let_arm64_run
  make_keys
  work=$(mktemp -d "$BOARD_CACHE/image.XXXXXX")
  mkdir "$work/out"
  # In a process of its own, as `set -e` does not reach into what is asked for its outcome.
  (make_image "$work" "$log") &
  wait $! || status=$?
  if [ "$status" = 0 ]; then
    rm -rf "$IMAGE"
    mv "$work/out" "$IMAGE"
    say "the card's image is in $IMAGE ($(du -sh "$work/root" | cut -f1) of files)"
  fi
  rm -rf "$work"
  [ "$status" = 0 ] || { tail_of "$log"; die "could not make the image"; }
}
main "$@"
