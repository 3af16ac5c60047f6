#!/usr/bin/env bash
# run.sh - build roostpool and run its sensor node on this machine for a moment.
#
# Installs what is missing (Debian packages, as root or through sudo), builds the release, and runs
# roost-node with real readings of this machine into a local SQLite pool of the Raspberry Pi profile
# (size 2, overflow 1). Ends by itself and says what it did.
#
# Usage: ./deploy/run.sh [FOLDER] [-- FLAGS OF ROOST-NODE]
#   FOLDER   where the database goes (default: ./out)
#   FLAGS    replace the default `--for 10s --every 500ms`; see roost-node --help
# Example: ./deploy/run.sh /tmp/node -- --for 1m --every 1s

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

LOG=$ROOT/build/run.log

main() {
  local folder=$PWD/out node flags=(--for 10s --every 500ms)
  case ${1-} in
    -h | --help) usage && exit ;;
    -- | '') ;;
    -*) die "unknown argument: $1 (flags of roost-node go after --; see --help)" ;;
    *) folder=$(realpath -m -- "$1") && shift ;;
  esac
  if [ $# -gt 0 ]; then
    [ "$1" = -- ] || die "one folder only; what is \"$1\"? (flags of roost-node go after --)"
    shift
    [ $# = 0 ] || flags=("$@")
  fi
  mkdir -p "$folder" "$ROOT/build"
  : >"$LOG"

  step "1 of 3: packages"
  need_packages "$LOG" "${PACKAGES_BUILD[@]}" "${PACKAGES_RUN[@]}" || exit 1

  step "2 of 3: build (the log is $LOG)"
  cd "$ROOT"
  # A newer compiler's new warning is no reason not to run.
  build "$LOG" release roost-node -- -DROOST_PROFILE=raspberry_pi -DROOST_WERROR=OFF || { tail_of "$LOG"; die "the build failed"; }
  node=$(find build/release -name roost-node -type f -perm -u+x)
  say "built $node"

  step "3 of 3: run"
  say "roost-node --db $folder/node.db ${flags[*]}"
  "$node" --db "$folder/node.db" "${flags[@]}"

  step "done: the readings are in $folder/node.db"
  say "Look at them, also while the node runs:"
  say "  sqlite3 -readonly $folder/node.db 'SELECT * FROM readings ORDER BY seq DESC LIMIT 5'"
  sqlite3 -readonly -box "$folder/node.db" 'SELECT * FROM readings ORDER BY seq DESC LIMIT 5'
}
main "$@"
