#!/usr/bin/env bash
# run.sh - build roostpool and run its sensor node on this machine for a moment.
#
# Installs what is missing (Debian packages, as root or through sudo), builds the release, and runs
# roost-node with real readings of this machine into a local SQLite pool of the Raspberry Pi profile
# (size 2, overflow 1). Builds roostctl, too. Ends by itself, says what it did and what to type next.
#
# Usage: ./deploy/run.sh [FOLDER] [-- FLAGS OF ROOST-NODE]
#   FOLDER   where the database goes (default: ./out)
#   FLAGS    replace the default `--for 10s --every 500ms`; see roost-node --help
# Example: ./deploy/run.sh /tmp/node -- --for 1m --every 1s

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

LOG=$ROOT/build/run.log

main() {
  local folder=$PWD/out node roostctl flags=(--for 10s --every 500ms)
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
  build "$LOG" release roost-node roostctl -- -DROOST_PROFILE=raspberry_pi -DROOST_WERROR=OFF || { tail_of "$LOG"; die "the build failed"; }
  node=$(find build/release -name roost-node -type f -perm -u+x)
  roostctl=$(find build/release -name roostctl -type f -perm -u+x)
  say "built $node"
  say "built $roostctl"

  step "3 of 3: run"
  say "roost-node --db $folder/node.db ${flags[*]}"
  "$node" --db "$folder/node.db" "${flags[@]}"

  step "done: the readings are in $folder/node.db"
  sqlite3 -readonly -box "$folder/node.db" 'SELECT * FROM readings ORDER BY seq DESC LIMIT 5'

  # A session has a folder for the node's socket; without one its status file says how it is.
  local status='' look=status
  if [ -z "${XDG_RUNTIME_DIR-}" ]; then
    status=" --status-file $folder/status.json"
    look="status --file $folder/status.json"
  fi
  step "next, to type in $ROOT"
  say "  $node --db $folder/node.db$status    # runs until Ctrl-C"
  say "  $roostctl $look --watch    # meanwhile, in another terminal"
  say "  $roostctl selftest --quick --db $folder    # is this machine fit for a node?"
}
main "$@"
