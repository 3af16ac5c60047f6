#!/usr/bin/env bash
# sysroot.sh - unpack a board's headers and libraries, to cross-compile against.
#
# A folder, not an installation: libpq-dev and others cannot be installed for two architectures at
# once. Installs mmdebstrap when it is missing; needs no root otherwise.
#
# Usage: ./deploy/sysroot.sh [--arch arm64] [--out DIR] [--force]
#   --arch ARCH   Debian's name of the architecture (default: arm64)
#   --out DIR     where (default: build/sysroot-ARCH, where toolchains/ look)
#   --force       make it anew when it is there
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SYSROOT_PACKAGES=libc6-dev,libstdc++-12-dev,libabsl-dev,libsqlite3-dev,libcli11-dev,nlohmann-json3-dev
SYSROOT_PACKAGES+=,libgtest-dev,libgmock-dev

# unpack DIR LOG ARCH OPTION... - the packages and what they depend on, unpacked, nothing run.
unpack() {
  local dir=$1 log=$2 arch=$3
  shift 3
  rm -rf "$dir"
  logged "$log" mmdebstrap --architectures="$arch" --variant=extract --include="$SYSROOT_PACKAGES" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr "$@" bookworm "$dir"
}

# Absolute links would lead to this machine's libraries.
relative_links() {
  local link
  find "$1" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
    ln -sfnr "$1$(readlink "$link")" "$link"
  done
}

main() {
  local arch=arm64 out='' force='' log
  while [ $# -gt 0 ]; do
    case $1 in
      --arch) arch=${2:?--arch needs a name} && shift ;;
      --out) out=${2:?--out needs a folder} && shift ;;
      --force) force=1 ;;
      -h | --help) usage && exit ;;
      *) die "unknown argument: $1 (see --help)" ;;
    esac
    shift
  done
  out=${out:-$ROOT/build/sysroot-$arch}
  if [ -e "$out/.complete" ] && [ -z "$force" ]; then
    say "the sysroot is in $out"
    return
  fi
  mkdir -p "$(dirname "$out")"
  log=$(realpath "$out").log
  : >"$log"
  need_packages "$log" mmdebstrap || exit 1
  # A mirror's index of security updates may not match its signature for a while. Headers and
  # libraries to link against can do without them.
  # shellcheck disable=SC2016
  unpack "$out" "$log" "$arch" ||
    unpack "$out" "$log" "$arch" --setup-hook='sed -i /security/d "$1/etc/apt/sources.list"' ||
    { tail_of "$log"; die "could not make the sysroot"; }
  relative_links "$out"
  rm -rf "$out"/usr/share/{doc,man,locale}
  touch "$out/.complete"
  say "the sysroot is in $out ($(du -sh "$out" | cut -f1))"
}
main "$@"
