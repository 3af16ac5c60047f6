# shellcheck shell=bash
# ssh.sh - one ssh connection to a board, for push.sh and selftest.sh. Sourced, never run.
#
# All channels share one connection (ControlMaster): on a board the key exchange takes a second.

# shellcheck disable=SC2034  # SSH_USAGE is for those who source this
SSH_OPTIONS=(-o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=5 -o ServerAliveCountMax=6)
TARGET=
SCRATCH=

# ssh_option OPTION VALUE - take one of ssh's own options. 1: it is none.
ssh_option() {
  case $1 in
    -p | -i | -F | -o) SSH_OPTIONS+=("$1" "${2:?$1 needs a value}") ;;
    *) return 1 ;;
  esac
}

# ssh_scratch - a folder for this run, gone at its end, and with it the connection.
ssh_scratch() {
  SCRATCH=$(mktemp -d)
  trap ssh_end EXIT
  SSH_OPTIONS+=(-o "ControlPath=$SCRATCH/ssh")
}

ssh_end() {
  ssh "${SSH_OPTIONS[@]}" -O exit "$TARGET" 2>/dev/null || true
  rm -rf "$SCRATCH"
}

# why_unreachable FILE - what ssh said, and what to do about it. For standard error.
why_unreachable() {
  say "cannot work on $TARGET:"
  sed 's/^/   /' "$1"
  if grep -q 'Host key verification failed' "$1"; then
    say "   log in once by hand (ssh $TARGET), compare the fingerprint and say yes; then try again"
  elif grep -q 'Permission denied' "$1"; then
    say "   copy your key there first: ssh-copy-id $TARGET"
  elif grep -q 'a password is required' "$1"; then
    say "   this needs root there: log in as root, or let sudo run without a password"
  fi
}

# find_release ARCH - where cross.sh leaves it.
find_release() {
  local target release
  case $1 in
    arm64) target=rpi-64 ;;
    armhf) target=rpi-32 ;;
    *) die "cross.sh does not build for $1; give a folder with --from" ;;
  esac
  release=$ROOT/build/$target/release
  [ -d "$release" ] || die "there is no $release: run ./deploy/cross.sh $target first"
  say "$release"
}
