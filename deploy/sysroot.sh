#!/usr/bin/env bash
# sysroot.sh - unpack a board's headers and libraries, to cross-compile against.
#
# A folder, not an installation: libpq-dev and others cannot be installed for two architectures at
# once. Made once; made anew when the list of packages has changed. mmdebstrap, which unpacks, is
# installed when it is missing; needs root or sudo.
#
# Usage: ./deploy/sysroot.sh [--arch arm64|armhf] [--out DIR] [--force]
#   --arch ARCH   Debian's name of the architecture (default: arm64)
#   --out DIR     where (default: build/sysroot-ARCH, where toolchains/ look)
#   --force       make it anew when it is there
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SYSROOT_PACKAGES=libc6-dev,libstdc++-12-dev,libabsl-dev,libsqlite3-dev,libpq-dev
SYSROOT_PACKAGES+=,libmariadb-dev,libcli11-dev,nlohmann-json3-dev,libncurses-dev,libgtest-dev,libgmock-dev

# unpack DIR LOG ARCH OPTION... - the packages and what they depend on, unpacked, nothing run. The
# package files stay, for keep_control.
unpack() {
  local dir=$1 log=$2 arch=$3
  shift 3
  as_root rm -rf "$dir"
  logged "$log" as_root mmdebstrap --mode=root --architectures="$arch" --variant=extract \
    --include="$SYSROOT_PACKAGES" --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --skip=essential/unlink,download/unlink,cleanup/apt/cache "$@" bookworm "$dir"
}

# keep_control DIR - from each package file what dpkg-shlibdeps asks for (deploy/shlibdeps.sh): its
# control files and the list of its files. Then the package files go.
keep_control() {
  local deb name
  for deb in "$1"/var/cache/apt/archives/*.deb; do
    name=$(dpkg-deb --field "$deb" Package)
    mkdir -p "$1/.packages/$name"
    dpkg-deb --control "$deb" "$1/.packages/$name"
    dpkg-deb --fsys-tarfile "$deb" | tar --list >"$1/.packages/$name/list"
  done
  rm -rf "$1/var/cache/apt"
}

# Absolute links would lead to this machine's libraries.
relative_links() {
  local link
  find "$1" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
    ln -sfnr "$1$(readlink "$link")" "$link"
  done
}

main() {
  local arch=arm64 out='' force='' log new
  while [ $# -gt 0 ]; do
    case $1 in
      --arch) [ -n "${2-}" ] || die "--arch needs a name"; arch=$2; shift ;;
      --out) [ -n "${2-}" ] || die "--out needs a folder"; out=$2; shift ;;
      --force) force=1 ;;
      -h | --help) usage && exit ;;
      *) die "unknown argument: $1 (see --help)" ;;
    esac
    shift
  done
  [[ $arch =~ ^(arm64|armhf)$ ]] || die "--arch $arch: it is arm64 or armhf"
  out=$(realpath -m "${out:-$ROOT/build/sysroot-$arch}")
  if [ -z "$force" ] && [ "$(cat "$out/.complete" 2>/dev/null)" = "$SYSROOT_PACKAGES" ]; then
    say "the sysroot is in $out"
    return
  fi
  mkdir -p "$(dirname "$out")"
  log=$out.log new=$out.new
  : >"$log"
  need_packages "$log" mmdebstrap || exit 1
  # A mirror's index of security updates may not match its signature for a while. Headers and
  # libraries to link against can do without them.
  # shellcheck disable=SC2016
  unpack "$new" "$log" "$arch" ||
    unpack "$new" "$log" "$arch" --setup-hook='sed -i /security/d "$1/etc/apt/sources.list"' ||
    { tail_of "$log"; die "could not make the sysroot"; }
  as_root chown -R "$(id -u):$(id -g)" "$new"
  keep_control "$new"
  relative_links "$new"
  rm -rf "$new"/usr/share/{doc,man,locale}
  printf '%s\n' "$SYSROOT_PACKAGES" >"$new/.complete"
  as_root rm -rf "$out"
  mv -T "$new" "$out"
  say "the sysroot is in $out ($(du -sh "$out" | cut -f1))"
}
main "$@"
