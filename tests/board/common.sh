# shellcheck shell=bash
# common.sh - what the scripts of the emulated board share. Sourced, never run.
#
# Everything they make is in $BOARD_CACHE (default: build/board), about 1.5 GB:
#   image/      the card as it comes from the factory, kernel, initrd, device tree
#   ssh/        keys made here, for emulated boards only
#   run/NAME/   one board: its card, console, ssh_config

# shellcheck source=SCRIPTDIR/../../deploy/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/common.sh"

BOARD_CACHE=${BOARD_CACHE:-$ROOT/build/board}
# shellcheck disable=SC2034  # for those who source this
IMAGE=$BOARD_CACHE/image
# shellcheck disable=SC2034
KEYS=$BOARD_CACHE/ssh

# run_folder NAME
run_folder() { say "$BOARD_CACHE/run/$1"; }

# alive NAME - does the QEMU of this board run? A process that merely has its number does not count.
alive() {
  local run pid
  run=$(run_folder "$1")
  [ -s "$run/pid" ] || return
  pid=$(cat "$run/pid")
  grep -qsF -- "$run/pid" "/proc/$pid/cmdline" && ! grep -qs '^[0-9]* (.*) Z' "/proc/$pid/stat"
}

# on_board NAME COMMAND... - run it there as pi.
on_board() {
  local name=$1
  shift
  ssh -F "$(run_folder "$name")/ssh_config" board "$@"
}
