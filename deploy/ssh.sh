# shellcheck shell=bash
# ssh.sh - one ssh connection to a board, for push.sh and selftest.sh. Sourced, never run.
#
# All channels share one connection (ControlMaster): on a board the key exchange takes a second. The
# socket is in a folder of this run, so no master that was there before, alive or dead, is met.

# shellcheck disable=SC2034  # EXIT_LOST and TOKEN are for those who source this
EXIT_USAGE=2
EXIT_LOST=3
SSH_OPTIONS=()  # ssh takes the first value of an option: those of the command line come first
TARGET=
SCRATCH=
TOKEN=          # drawn for this run: what nobody on the board can know beforehand

wrong_use() {
  printf '%s: %s (see --help)\n' "${0##*/}" "$*" >&2
  exit $EXIT_USAGE
}

# value OPTION VALUE - fails with a sentence where the command line ends behind OPTION.
value() { [ -n "${2-}" ] || wrong_use "$1 needs a value"; }

# ssh_option OPTION VALUE - take one of ssh's own options. 1: it is none.
ssh_option() {
  case $1 in
    -p | -i | -F | -o) value "$1" "${2-}" && SSH_OPTIONS+=("$1" "$2") ;;
    *) return 1 ;;
  esac
}

# ssh_scratch - a folder for this run, gone at its end, and with it the connection. A socket's path may
# have a hundred bytes.
ssh_scratch() {
  SCRATCH=$(mktemp -d)
  [ ${#SCRATCH} -lt 70 ] || { rmdir "$SCRATCH"; SCRATCH=$(TMPDIR=/tmp mktemp -d); }
  trap ssh_end EXIT
  TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  ssh_defaults
  SSH_OPTIONS+=(-o BatchMode=yes -o "ControlPath=$SCRATCH/ssh")
}

# ssh_defaults - notice a link that is gone, unless the user's settings say when to.
ssh_defaults() {
  local settings
  settings=$(ssh -G "${SSH_OPTIONS[@]}" -- "$TARGET" 2>/dev/null) || return 0
  ! grep -qx 'connecttimeout none' <<<"$settings" || SSH_OPTIONS+=(-o ConnectTimeout=15)
  ! grep -qx 'serveraliveinterval 0' <<<"$settings" ||
    SSH_OPTIONS+=(-o ServerAliveInterval=5 -o ServerAliveCountMax=6)
}

ssh_end() {
  timeout 5 ssh "${SSH_OPTIONS[@]}" -O exit -- "$TARGET" 2>/dev/null || true
  rm -rf "$SCRATCH"
}

# printable - standard input without what could command a terminal.
printable() { LC_ALL=C sed -u 's/[^ -~\t]/?/g'; }

# why_unreachable FILE - what ssh said, and what to do about it. For standard error.
why_unreachable() {
  say "cannot work on $TARGET:"
  printable <"$1" | sed 's/^/   /'
  if grep -q 'REMOTE HOST IDENTIFICATION HAS CHANGED' "$1"; then
    say "   its key is another one than before. If you know why, as after a new card, remove the old one"
    say "   (ssh-keygen -R, see above), log in once by hand and compare the fingerprint. If not, somebody"
    say "   else may be answering"
  elif grep -q 'Host key verification failed' "$1"; then
    say "   log in once by hand (ssh $TARGET), compare the fingerprint and say yes; then try again"
  elif grep -q 'Permission denied' "$1"; then
    say "   copy your key there first: ssh-copy-id $TARGET"
  elif grep -q 'sudo: ' "$1"; then
    say "   this needs root there: log in as root, or let sudo run without a password"
  fi
}

# find_release ARCH - where cross.sh leaves it.
find_release() {
  local target release
  case $1 in
    arm64) target=rpi-64 ;;
    armhf) target=rpi-32 ;;
    *) die "cross.sh does not build for ${1//[^ -~]/?}; give a folder with --from" ;;
  esac
  release=$ROOT/build/$target/release
  [ -d "$release" ] || die "there is no $release: run ./deploy/cross.sh $target first"
  say "$release"
}
