#!/usr/bin/env bash
# stop.sh - stop an emulated board.
#
# Usage: tests/board/stop.sh [--cut] [NAME]
#   --cut   pull the plug: what the board had only in memory, or in its disk's cache, is gone
#   NAME    the board's name (default: virt)
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

main() {
  local cut='' name run pid waited
  case ${1-} in
    -h | --help) usage && exit ;;
    --cut) cut=1 && shift ;;
  esac
  name=${1:-virt}
  run=$(run_folder "$name")
  alive "$name" || { say "board $name does not run"; return; }
  pid=$(cat "$run/pid")
  if [ -n "$cut" ]; then
    kill -KILL "$pid"
  else
    on_board "$name" sudo systemctl poweroff >/dev/null 2>&1 || true
    for ((waited = 0; waited < 120; waited++)); do
      alive "$name" || break
      sleep 0.5
    done
    ! alive "$name" || { say "board $name did not power off"; kill -TERM "$pid"; }
  fi
  # Its files are unlocked only when it is gone.
  while alive "$name"; do sleep 0.1; done
  rm -f "$run/pid" "$run/monitor.sock"
  say "board $name stopped"
}
main "$@"
