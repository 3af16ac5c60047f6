#!/usr/bin/env bash
# size.sh - how many bytes a node pays: code, data, and the pool of each profile.
#
# Builds the preset size (-Os, unused code dropped) and prints the sections of each library, the size
# of each program with and without its symbols, and the bytes of PoolFor<P> for every profile.
#
# Usage: ./deploy/size.sh

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

main() {
  local log=$ROOT/build/size.log programs libraries program library scratch
  case ${1-} in
    '') ;;
    -h | --help) usage && exit ;;
    *) die "unknown argument: $1 (see --help)" ;;
  esac
  mkdir -p "$ROOT/build"
  : >"$log"
  cd "$ROOT"
  need_packages "$log" "${PACKAGES_BUILD[@]}" || exit 1
  build "$log" size || { tail_of "$log"; die "the build failed"; }
  mapfile -t libraries < <(find build/size -name 'libroost_*.a' | sort)
  mapfile -t programs < <(find build/size/src/tools -type f \( -name roostctl -o -name roost-node \))
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder is known here, not when the trap runs
  trap "rm -rf '$scratch'" EXIT

  say "-- libraries: bytes of code and constants (text), data, zeroed data (bss)"
  printf '%-26s %8s %8s %8s\n' library text data bss
  for library in "${libraries[@]}"; do
    size --totals "$library" |
      awk -v name="$(basename "$library")" '/TOTALS/ { printf "%-26s %8d %8d %8d\n", name, $1, $2, $3 }'
  done
  say "-- programs: bytes of the file, stripped"
  for program in "${programs[@]}"; do
    strip -o "$scratch/program" "$program"
    printf '%-26s %8d\n' "$(basename "$program")" "$(stat -c %s "$scratch/program")"
  done
  say "-- profiles: see the column bytes"
  "$(find build/size -name roostctl -type f)" profiles
}
main "$@"
