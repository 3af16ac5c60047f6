#!/usr/bin/env bash
# shlibdeps.sh - the Depends of a package with cross-built programs: which packages, from which version.
#
# dpkg-shlibdeps works that out from the symbols a program uses, but looks libraries up in this
# machine's package database. Here it gets one about the sysroot, from what sysroot.sh has kept.
#
# Usage: ./deploy/shlibdeps.sh SYSROOT PROGRAM...
# Prints one line, such as: libc6 (>= 2.34), libsqlite3-0 (>= 3.24.0)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# database SYSROOT DIR - a package database whose files are those below SYSROOT.
database() {
  local sysroot=$1 dir=$2 package arch file kind
  mkdir -p "$dir/info"
  printf '1\n' >"$dir/info/format"
  for package in "$sysroot"/.packages/*/; do
    {
      sed '1a Status: install ok installed' "$package/control"
      echo
    } >>"$dir/status"
    arch=$(sed -n 's/^Architecture: //p' "$package/control")
    file=$dir/info/$(basename "$package")
    ! grep -q '^Multi-Arch: same' "$package/control" || file+=:$arch
    # Debian's /lib is a link to usr/lib.
    sed -E "s|^\./(lib/)?|$sysroot/\1|; s|^$sysroot/lib/|$sysroot/usr/lib/|" "$package/list" >"$file.list"
    for kind in symbols shlibs; do
      [ ! -e "$package/$kind" ] || cp "$package/$kind" "$file.$kind"
    done
  done
}

main() {
  local sysroot scratch triplet arch depends programs
  case ${1-} in
    -h | --help) usage && exit ;;
  esac
  [ $# -ge 2 ] || die "for which sysroot and which programs? (see --help)"
  sysroot=$(realpath "$1")
  shift
  [ -d "$sysroot/.packages" ] ||
    die "$sysroot does not know its packages; make it anew: deploy/sysroot.sh --force"
  arch=$(sed -n 's/^Architecture: //p' "$sysroot/.packages/libc6/control")
  triplet=$(dpkg-architecture -a"$arch" -qDEB_HOST_MULTIARCH 2>/dev/null)
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder is known here, not when the trap runs
  trap "rm -rf '$scratch'" EXIT
  database "$sysroot" "$scratch/dpkg"
  mkdir "$scratch/debian"
  printf 'Source: roostpool\n\nPackage: roostpool-node\nArchitecture: any\n' >"$scratch/debian/control"
  mapfile -t programs < <(realpath "$@")
  cd "$scratch"
  # Its warnings are about packages that Debian's own tools build in other folders.
  depends=$(DEB_HOST_ARCH=$arch dpkg-shlibdeps --admindir="$scratch/dpkg" \
    -l"$sysroot/usr/lib/$triplet" -O "${programs[@]}" 2>"$scratch/log") ||
    { cat "$scratch/log" >&2; die "dpkg-shlibdeps failed"; }
  say "${depends#shlibs:Depends=}"
}
main "$@"
