#!/usr/bin/env bash
# push.sh - put roost-node on a board over ssh, and go back by itself if it does not run well there.
#
# Usage: ./deploy/push.sh [OPTION...] USER@HOST     install the version that cross.sh has built
#        ./deploy/push.sh [OPTION...] --hosts FILE  the same, board after board
#   -p PORT, -i KEY, -F FILE, -o OPTION   as for ssh
#   --from FOLDER   what to install, as cross.sh leaves it: bin/, systemd/, VERSION
#                   (default: build/rpi-64/release or build/rpi-32/release, as the board needs)
#   --arch ARCH     the board has to be one of these (arm64, armhf)
#   --keep N        versions to keep on the board besides the running and the previous one (3)
#   --wait S        how long the new version may take to get healthy (60)
#   --settle S      after that, look once more S seconds later (10)
#   --hosts FILE    one board a line: USER@HOST and, if need be, -p PORT and the like; # comments.
#                   Stops at the first board that fails
#   --dry-run       look and say what would be done; change nothing
#   --rollback      run the previous version again
#   --uninstall     stop and remove it; keeps the readings and the configuration
#   --purge-data    with --uninstall: remove these, too
#   --help          this
#
# Healthy means: the service is active, its watchdog is fed, a reading is sealed, and --settle seconds
# later the same process says so still. Otherwise the version before is put back.
#
# Exit codes: 0 done; 1 not done, the board runs what it ran before; 2 the arguments are wrong;
#             3 the board cannot be reached, or the connection was cut; 4 the board needs help: what
#             runs there, if anything, is not healthy
#
# On the board: a Debian with systemd and root, directly or by sudo without a password.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=SCRIPTDIR/ssh.sh
. "$(dirname "${BASH_SOURCE[0]}")/ssh.sh"

EXIT_USAGE=2
EXIT_LOST=3
EXIT_UNHEALTHY=4
ACTION=push
FROM='' ARCH='' HOSTS='' DRY_RUN=''
PURGE=keep KEEP=3 WAIT=60 SETTLE=10
ID='' CONTENT='' BUNDLE_SHA=''
# Runs what follows it as root on the board, whatever the login shell there.
# shellcheck disable=SC2016
AS_ROOT='sh -c '\''if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -n "$@"; fi'\'' as_root'
declare -A FACT=()

wrong_use() {
  printf '%s: %s (see --help)\n' "${0##*/}" "$*" >&2
  exit $EXIT_USAGE
}

# fail CODE TEXT - the end; nothing that ran on the board was touched.
fail() {
  say "${TARGET:+$TARGET: }$2" >&2
  exit "$1"
}

# ---- the shell on the board -------------------------------------------------------------------------

# open_board - start the root shell that runs board.sh. It lives as long as this script, and so does
# the lock that it takes.
open_board() {
  coproc BOARD { exec ssh "${SSH_OPTIONS[@]}" -M "$TARGET" "$AS_ROOT sh -s" 2>"$SCRATCH/ssh.err"; }
  exec {TO_BOARD}>&"${BOARD[1]}" {FROM_BOARD}<&"${BOARD[0]}"
  trap '' PIPE
  { cat "$ROOT/deploy/board.sh" >&"$TO_BOARD"; } 2>/dev/null || true
  read_board && return
  why_unreachable "$SCRATCH/ssh.err" >&2
  exit $EXIT_LOST
}

# read_board - up to the end of a function there: facts into FACT, the rest to whoever watches.
read_board() {
  local line name
  while IFS= read -r line <&"$FROM_BOARD"; do
    case $line in
      @ready) return 0 ;;
      '@end '*) return "${line#@end }" ;;
      '@fact '*)
        line=${line#@fact }
        name=${line%% *}
        FACT[$name]=${FACT[$name]:+${FACT[$name]} }${line#"$name" }
        ;;
      *) say "   $line" ;;
    esac
  done
  return 255
}

# board FUNCTION ARGUMENT... - run a function of board.sh. ARGUMENTs are words without quotes.
board() {
  local status=0
  { printf 'run %s\n' "$*" >&"$TO_BOARD"; } 2>/dev/null || true
  read_board || status=$?
  [ "$status" != 255 ] || lost
  return "$status"
}

lost() {
  cat "$SCRATCH/ssh.err" >&2
  fail $EXIT_LOST "the connection was cut; run the same command again, it goes on from where it was"
}

look() {
  FACT=()
  board probe
  local what=${FACT[model]:-${FACT[arch]}}
  say "   $what, glibc ${FACT[glibc]}, systemd ${FACT[systemd]}, ${FACT[free_kib]} KiB free in /opt"
  say "   runs ${FACT[current]:-nothing of ours}${FACT[current]:+ ($(health))}"
}

health() { say "${FACT[trouble]:-healthy}"; }

# ---- what is pushed ---------------------------------------------------------------------------------

# version_of NAME - a line of VERSION.
version_of() { sed -n "s/^$1 //p" "$FROM/VERSION" 2>/dev/null || true; }

# elf_arch FILE - Debian's name for what a program was built for.
elf_arch() {
  case $(od -An -tu2 -j18 -N2 "$1" | tr -d ' ') in
    183) say arm64 ;;
    40) say armhf ;;
    62) say amd64 ;;
    *) say unknown ;;
  esac
}

# glibc_of FILE... - the youngest glibc that the programs ask for.
glibc_of() { grep -aoh 'GLIBC_2\.[0-9]*' "$@" | sed 's/GLIBC_//' | sort -uV | tail -n 1; }

# make_bundle - SCRATCH/bundle.tgz and its name: version, revision, hash of the content. The same
# content gives the same bytes, so that a cut upload can go on.
make_bundle() {
  local release=$SCRATCH/release commit
  rm -rf "$release"
  mkdir -p "$release/bin"
  install -m 755 "$FROM"/bin/roost-node "$FROM"/bin/roostctl "$release/bin/"
  install -m 644 "$FROM"/systemd/roost-node.conf "$FROM"/systemd/roost.sysusers "$release/"
  # A package has the programs in /usr/bin.
  sed 's|/usr/bin/roost|/opt/roost/current/bin/roost|g' "$FROM"/systemd/roost-node.service \
    >"$release/roost-node.service"
  (cd "$release" && sha256sum bin/* roost*) >"$SCRATCH/sums"
  mv "$SCRATCH/sums" "$release/SHA256SUMS"
  tar -C "$release" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c . |
    gzip -n >"$SCRATCH/bundle.tgz"
  CONTENT=$(sha256sum <"$release/SHA256SUMS" | cut -c1-12)
  BUNDLE_SHA=$(sha256sum <"$SCRATCH/bundle.tgz" | cut -d' ' -f1)
  commit=$(version_of commit)
  ID=$(version_of version)${commit:+-g$commit}-$CONTENT
}

# check_fit - will it run there? Asked before anything is sent.
check_fit() {
  local need_glibc arch size
  arch=$(elf_arch "$SCRATCH/release/bin/roost-node")
  [ "$arch" = "${FACT[arch]}" ] ||
    fail 1 "this build is for $arch, the board is ${FACT[arch]}: nothing was changed"
  need_glibc=$(glibc_of "$SCRATCH"/release/bin/*)
  [ "$(printf '%s\n' "$need_glibc" "${FACT[glibc]}" | sort -V | tail -n 1)" = "${FACT[glibc]}" ] ||
    fail 1 "this build needs glibc $need_glibc, the board has ${FACT[glibc]}: nothing was changed"
  size=$(du -sk "$SCRATCH/release" | cut -f1)
  [ "${FACT[free_kib]}" -gt $((size * 3 + 4096)) ] ||
    fail 1 "too little room: ${FACT[free_kib]} KiB free, $((size * 3 + 4096)) needed; nothing was changed"
}

check_no_package() {
  [ -z "${FACT[package]}" ] ||
    fail 1 "the package roostpool-node ${FACT[package]} is installed there: update it by apt, or remove it first"
}

check_writable() {
  [ -z "${FACT[overlay]-}" ] ||
    fail 1 "the root file system there is an overlay in memory: switch that off (raspi-config), restart, push, switch it on again"
}

# ---- the steps --------------------------------------------------------------------------------------

upload() {
  local size sent have
  size=$(stat -c %s "$SCRATCH/bundle.tgz")
  FACT[have]=
  board have_bytes "$BUNDLE_SHA"
  have=${FACT[have]}
  [ "$have" -le "$size" ] || have=0
  [ "$have" = 0 ] || say "   $have of $size bytes are there from before; going on"
  sent=$((size - have))
  # shellcheck disable=SC2016,SC2029
  tail -c "$sent" "$SCRATCH/bundle.tgz" | ssh "${SSH_OPTIONS[@]}" "$TARGET" \
    "$AS_ROOT sh -c '"'cat >>"${ROOST_ROOT-}/opt/roost/incoming/'"$BUNDLE_SHA\"'" \
    2>>"$SCRATCH/ssh.err" || lost
  say "   $sent bytes in $((SECONDS - ${1:-SECONDS})) s"
}

# conclude CODE - what the board's switch says, for people and scripts.
conclude() {
  case $1 in
    0) say "$TARGET: $ID runs and is healthy" ;;
    1) fail 1 "$ID did not run well; rolled back, ${FACT[current]} runs and is healthy" ;;
    *) fail $EXIT_UNHEALTHY "$ID did not run well, and nothing healthy runs there now" ;;
  esac
}

push() {
  step "$TARGET: looking at the board"
  look
  check_no_package
  check_writable
  [ -z "$ARCH" ] || [ "$ARCH" = "${FACT[arch]}" ] ||
    fail 1 "the board is ${FACT[arch]}, not $ARCH: nothing was changed"
  [ -n "$FROM" ] || FROM=$(find_release "${FACT[arch]}")
  make_bundle
  say "   to push: $ID ($FROM)"
  if [ "${FACT[current]##*-}" = "$CONTENT" ] && [ -z "${FACT[trouble]}" ]; then
    say "$TARGET: ${FACT[current]} is already running, healthy"
    return
  fi
  check_fit
  if [ -n "$DRY_RUN" ]; then
    say "$TARGET: would upload $(stat -c %s "$SCRATCH/bundle.tgz") bytes, switch from" \
      "${FACT[current]:-nothing} to $ID and restart the service"
    return
  fi
  bring_and_switch
}

bring_and_switch() {
  local status=0
  board take_lock || fail 1 "nothing was changed"
  if [ "${FACT[current]##*-}" = "$CONTENT" ]; then
    ID=${FACT[current]}  # there, but not healthy: a restart may help
  else
    step "$TARGET: uploading"
    upload $SECONDS
    step "$TARGET: installing beside the running version"
    board unpack "$ID" "$BUNDLE_SHA" || fail 1 "nothing that runs was changed"
  fi
  step "$TARGET: switching to $ID"
  board switch "$ID" "$KEEP" "$WAIT" "$SETTLE" || status=$?
  conclude $status
}

rollback() {
  local status=0
  step "$TARGET: looking at the board"
  look
  ID=${FACT[previous]}
  [ -n "$ID" ] || fail 1 "there is no previous version to go back to"
  [ -z "$DRY_RUN" ] || { say "$TARGET: would switch from ${FACT[current]} to $ID"; return; }
  board take_lock || fail 1 "nothing was changed"
  step "$TARGET: switching to $ID"
  board switch "$ID" "$KEEP" "$WAIT" "$SETTLE" || status=$?
  conclude $status
}

uninstall() {
  step "$TARGET: looking at the board"
  look
  check_no_package
  [ -z "$DRY_RUN" ] || { say "$TARGET: would remove ${FACT[current]:-nothing} ($PURGE the data)"; return; }
  board take_lock || fail 1 "nothing was changed"
  step "$TARGET: removing"
  board uninstall "$PURGE" || fail 1 "could not remove everything"
}

# each_host - the same for every line of HOSTS.
each_host() {
  local line words status=0 done_hosts=() rest=()
  while IFS= read -r line || [ -n "$line" ]; do
    read -ra words <<<"${line%%#*}"
    [ ${#words[@]} -gt 0 ] || continue
    if [ "$status" != 0 ]; then
      rest+=("${words[*]}")
      continue
    fi
    "$0" "$@" "${words[@]}" </dev/null || status=$?
    done_hosts+=("$(printf '%-40s exit code %d' "${words[*]}" "$status")")
  done <"$HOSTS"
  step "summary"
  [ ${#done_hosts[@]} = 0 ] || printf '%s\n' "${done_hosts[@]}"
  [ ${#rest[@]} = 0 ] || printf '%-40s not tried\n' "${rest[@]}"
  exit "$status"
}

# number OPTION VALUE - VALUE, if it is one.
number() {
  [[ ${2-} =~ ^[0-9]{1,5}$ ]] || wrong_use "$1 needs a number"
  say "$2"
}

main() {
  local all=("$@") pass=() i
  while [ $# -gt 0 ]; do
    case $1 in
      --from) [ -r "${2-}" ] || wrong_use "--from needs a file or a folder"; FROM=$2; shift ;;
      --arch) [ -n "${2-}" ] || wrong_use "--arch needs a name"; ARCH=$2; shift ;;
      --hosts) [ -r "${2-}" ] || wrong_use "--hosts needs a file"; HOSTS=$2; shift ;;
      --keep) KEEP=$(number "$1" "${2-}") || exit; shift ;;
      --wait) WAIT=$(number "$1" "${2-}") || exit; shift ;;
      --settle) SETTLE=$(number "$1" "${2-}") || exit; shift ;;
      --dry-run) DRY_RUN=1 ;;
      --rollback) ACTION=rollback ;;
      --uninstall) ACTION=uninstall ;;
      --purge-data) PURGE=purge ;;
      -h | --help) usage && exit ;;
      -*) ssh_option "$1" "${2-}" || wrong_use "unknown option $1"; shift ;;
      *) [ -z "$TARGET" ] || wrong_use "two boards: $TARGET and $1; use --hosts"; TARGET=$1 ;;
    esac
    shift
  done
  [ "$PURGE" = keep ] || [ "$ACTION" = uninstall ] || wrong_use "--purge-data goes with --uninstall"
  if [ -n "$HOSTS" ]; then
    [ -z "$TARGET" ] || wrong_use "either USER@HOST or --hosts"
    for ((i = 0; i < ${#all[@]}; i++)); do
      if [ "${all[i]}" = --hosts ]; then i=$((i + 1)); else pass+=("${all[i]}"); fi
    done
    each_host ${pass[@]:+"${pass[@]}"}
  fi
  [ -n "$TARGET" ] || wrong_use "which board? USER@HOST"
  ssh_scratch
  open_board
  "$ACTION"
}
main "$@"
