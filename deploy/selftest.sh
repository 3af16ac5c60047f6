#!/usr/bin/env bash
# selftest.sh - ask a board over ssh whether it is fit: `roostctl selftest`, run there.
#
# Usage: ./deploy/selftest.sh [OPTION...] USER@HOST [-- ARGUMENT OF roostctl selftest...]
#   -p PORT, -i KEY, -F FILE, -o OPTION   as for ssh
#   --from FOLDER   where roostctl is, for a board that has none: bin/, as cross.sh leaves it
#                   (default: build/rpi-64/release or build/rpi-32/release, as the board needs)
#   --help          this
#
#   ./deploy/selftest.sh pi@10.0.0.7 -- --quick --json
#
# Runs the roostctl that push.sh or the package has installed, as the user of the service where that
# is possible. On a board that has none it is copied into a temporary folder and removed afterwards.
#
# Output and exit code are those of roostctl: 0 fit, 1 a check failed, 2 the arguments are wrong; and
# 3: the board cannot be reached.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=SCRIPTDIR/ssh.sh
. "$(dirname "${BASH_SOURCE[0]}")/ssh.sh"

EXIT_NONE_THERE=86  # of a script over there; roostctl has no such code
FROM=''

# quoted WORD... - for the shell over there.
quoted() {
  local word
  for word in "$@"; do printf " '%s'" "${word//\'/\'\\\'\'}"; done
}

# remote SCRIPT WORD... - run SCRIPT there with sh, WORDs as its arguments.
remote() {
  ssh "${SSH_OPTIONS[@]}" -o ControlMaster=auto -o ControlPersist=60 -- "$TARGET" \
    "sh -c$(quoted "$1" selftest "${@:2}")"
}

# FIND sets roostctl, over there, to the one that is installed; or, where $1 says so, to the copy. What
# the board prints is never taken for a path or a command.
# shellcheck disable=SC2016  # for the shell over there
FIND='
  copy=${TMPDIR:-/tmp}/roost-selftest-$1; shift; roostctl=
  for path in "$copy/roostctl" "${ROOST_ROOT-}/opt/roost/current/bin/roostctl" "${ROOST_ROOT-}/usr/bin/roostctl"; do
    if [ -x "$path" ]; then roostctl=$path; break; fi
  done
  [ -n "$roostctl" ] || exit 86;'

# find_roostctl - is there one, or where it is missing, a copy of ours? COPIED: it has to be removed.
COPIED=''
find_roostctl() {
  local status=0
  remote "$FIND exit 0" "$TOKEN" >/dev/null 2>"$SCRATCH/ssh.err" || status=$?
  case $status in
    0) return ;;
    "$EXIT_NONE_THERE") copy_roostctl ;;
    *) why_unreachable "$SCRATCH/ssh.err" >&2; exit $EXIT_LOST ;;
  esac
}

copy_roostctl() {
  local arch
  # shellcheck disable=SC2016
  arch=$(remote 'echo "$1 $(dpkg --print-architecture 2>/dev/null || uname -m)"' "$TOKEN" |
    sed -n "s/^.*$TOKEN \([0-9a-z_-]*\)\$/\1/p")
  [ -n "$FROM" ] || FROM=$(find_release "$arch")
  [ -r "$FROM/bin/roostctl" ] || die "there is no $FROM/bin/roostctl"
  COPIED=1
  # shellcheck disable=SC2016
  remote 'copy=${TMPDIR:-/tmp}/roost-selftest-$1; umask 022
    mkdir "$copy" && cat >"$copy/roostctl" && chmod 755 "$copy/roostctl"' \
    "$TOKEN" <"$FROM/bin/roostctl" || { remove_copy; die "could not copy roostctl there"; }
}

remove_copy() {
  # shellcheck disable=SC2016
  [ -z "$COPIED" ] || remote 'rm -rf "${TMPDIR:-/tmp}/roost-selftest-$1"' "$TOKEN" || true
}

# The account of the service sees what the service sees. Where it is not to be had, the checks that
# need it say so.
run_selftest() {
  # shellcheck disable=SC2016
  remote "$FIND"'
    cd /
    set -- "$roostctl" selftest "$@"
    if ! getent passwd roost >/dev/null; then exec "$@"; fi
    if [ "$(id -u)" = 0 ]; then exec runuser -u roost -- "$@"; fi
    if sudo -n -u roost true 2>/dev/null; then exec sudo -n -u roost -- "$@"; fi
    exec "$@"' "$TOKEN" "$@" </dev/null
}

main() {
  local status=0
  while [ $# -gt 0 ]; do
    case $1 in
      --from) [ -d "${2-}" ] || wrong_use "--from needs a folder"; FROM=$2; shift ;;
      --) shift && break ;;
      -h | --help) usage && exit ;;
      -*) ssh_option "$1" "${2-}" || wrong_use "unknown option $1"; shift ;;
      *) [ -z "$TARGET" ] || wrong_use "two boards: $TARGET and $1 (arguments of the self-test come after --)"; TARGET=$1 ;;
    esac
    shift
  done
  [ -n "$TARGET" ] || wrong_use "which board? USER@HOST"
  ssh_scratch
  find_roostctl
  { run_selftest "$@" 2>&3 | printable; } 3> >(printable >&2) || status=$?
  remove_copy
  [ "$status" != 255 ] || status=$EXIT_LOST
  exit "$status"
}
main "$@"
