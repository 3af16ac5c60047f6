#!/usr/bin/env bash
# push.sh - put roost-node on a board over ssh, and go back by itself if it does not run well there.
#
# Usage: ./deploy/push.sh [OPTION...] USER@HOST     install the version that cross.sh has built
#        ./deploy/push.sh [OPTION...] --hosts FILE  the same, board after board
#   -p PORT, -i KEY, -F FILE, -o OPTION   as for ssh; they count more than what this script would set
#   --from FOLDER   what to install, as cross.sh leaves it: bin/, systemd/, VERSION
#                   (default: build/rpi-64/release or build/rpi-32/release, as the board needs)
#   --arch ARCH     the board has to be one of these (arm64, armhf)
#   --keep N        versions to keep on the board in all (3); the running one and the newest other one
#                   that was healthy stay in any case
#   --wait S        how many seconds the new version may take to get healthy (60)
#   --settle S      after that, look once more S seconds later (10)
#   --hosts FILE    one board a line: USER@HOST and, if need be, -p PORT and the like; # comments.
#                   Stops at the first board that fails. A line may have every option, such as
#                   --uninstall or -o ProxyCommand=...: whoever writes the file decides what is run,
#                   there and here
#   --dry-run       look and say what would be done; change nothing
#   --rollback      run the newest other version that was healthy
#   --uninstall     stop and remove it; keeps the readings and the configuration
#   --purge-data    with --uninstall: remove these, too
#   --help          this
#
# Healthy means: the service is active, its watchdog is fed, a reading is sealed, and --settle seconds
# later the same process says so still. Otherwise the version before is put back. So it is, by the board
# alone, when the board restarts in between, or the new version crashes three times in ten minutes.
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

EXIT_UNHEALTHY=4
BEAT_S=5  # how often the board hears of this script
ACTION=push
FROM='' ARCH='' HOSTS='' DRY_RUN=''
PURGE=keep KEEP=3 WAIT=60 SETTLE=10
ID='' CONTENT='' BUNDLE_SHA=''
# Runs what follows it as root on the board, whatever the login shell there.
# shellcheck disable=SC2016
AS_ROOT='sh -c '\''if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -n "$@"; fi'\'' as_root'
declare -A FACT=()

# fail CODE TEXT - the end; nothing that ran on the board was touched.
fail() {
  say "${TARGET:+$TARGET: }$2" >&2
  exit "$1"
}

# show LINE - of the board, without what could command a terminal.
show() {
  local LC_ALL=C
  say "   ${1//[^ -~]/?}"
}

# is_id WORD - may it name a version? As guard.sh has it.
is_id() {
  local LC_ALL=C
  [[ $1 =~ ^[0-9A-Za-z][0-9A-Za-z.+~-]*$ ]]
}

# ---- the shell on the board -------------------------------------------------------------------------

# board_script - what the root shell there is fed.
# shellcheck disable=SC2016
board_script() {
  printf 'token=%s\nguard_text() {\ncat <<"%s"\n' "$TOKEN" "$TOKEN"
  cat "$ROOT/deploy/guard.sh"
  printf '%s\n}\neval "$(guard_text)"\n' "$TOKEN"
  cat "$ROOT/deploy/board.sh"
  # In one line, as a shell may read its script line by line, and serve reads on from there.
  printf '{ serve; exit; }\n'
}

# open_board - start the root shell that runs board.sh. It lives as long as this script, and so does
# the lock that it takes.
open_board() {
  coproc BOARD { exec ssh "${SSH_OPTIONS[@]}" -M -- "$TARGET" "$AS_ROOT sh -s" 2>"$SCRATCH/ssh.err"; }
  exec {TO_BOARD}>&"${BOARD[1]}" {FROM_BOARD}<&"${BOARD[0]}"
  trap '' PIPE
  { board_script >&"$TO_BOARD"; } 2>/dev/null || true
  read_board && return
  why_unreachable "$SCRATCH/ssh.err" >&2
  exit $EXIT_LOST
}

tell_board() { { printf '%s\n' "$1" >&"$TO_BOARD"; } 2>/dev/null || true; }

# read_board - up to the end of a function there: facts into FACT, the rest to whoever watches. What is
# no output of a program stands behind the token.
read_board() {
  local line='' part status
  while :; do
    status=0
    IFS= read -r -t "$BEAT_S" part <&"$FROM_BOARD" || status=$?
    line+=$part
    if [ "$status" -gt 128 ]; then
      tell_board beat
      continue
    fi
    if [[ $line == *"$TOKEN "* ]]; then
      # A program may have left its last line without an end.
      [ -z "${line%%"$TOKEN "*}" ] || show "${line%%"$TOKEN "*}"
      line=${line#*"$TOKEN "}
      case $line in
        ready) return 0 ;;
        end\ [0-9] | end\ [0-9][0-9] | end\ [0-9][0-9][0-9]) return "${line#end }" ;;
        fact\ *) line=${line#fact } && take_fact "${line%% *}" "${line#* }" ;;
        *) fail 1 "what the board answers cannot be understood" ;;
      esac
    elif [ -n "$line" ] || [ "$status" = 0 ]; then
      show "$line"
    fi
    [ "$status" = 0 ] || return 255
    line=''
  done
}

# take_fact NAME VALUE - each is taken once, and only if it looks as it should.
take_fact() {
  local LC_ALL=C pattern
  case $1 in
    arch) pattern='^[a-z0-9_-]+$' ;;
    glibc) pattern='^[0-9.]+$' ;;
    systemd | free_kib | have) pattern='^[0-9]{1,15}$' ;;
    current | previous | now) pattern='^([0-9A-Za-z][0-9A-Za-z.+~-]*)?$' ;;
    good | overlay) pattern='^(yes)?$' ;;
    package) pattern='^[0-9A-Za-z.+~:-]*$' ;;
    trouble | gave_up | model) pattern='^[ -~]*$' ;;
    *) fail 1 "the board tells what nobody asked for" ;;
  esac
  [ -z "${FACT[$1]+taken}" ] || fail 1 "the board tells its $1 twice"
  [[ $2 =~ $pattern ]] || fail 1 "the board does not tell its $1: \"${2//[^ -~]/?}\""
  FACT[$1]=$2
}

# board FUNCTION ARGUMENT... - run a function of board.sh. ARGUMENTs are words of a few characters.
board() {
  local status=0
  tell_board "run $*"
  read_board || status=$?
  [ "$status" != 255 ] || lost
  return "$status"
}

lost() {
  printable <"$SCRATCH/ssh.err" >&2
  fail $EXIT_LOST "the connection was cut; run the same command again, it goes on from where it was"
}

# who - for others who find the board locked.
who() {
  local LC_ALL=C name
  name=$(id -un)@$(uname -n)
  say "${name//[^0-9A-Za-z._@-]/_}"
}

look() {
  FACT=()
  board probe || fail 1 "cannot look at the board"
  local name what doubt=''
  for name in arch glibc systemd free_kib current previous good package trouble gave_up overlay model; do
    [ -n "${FACT[$name]+told}" ] || fail 1 "the board does not tell its $name"
  done
  what=${FACT[model]:-${FACT[arch]}}
  [ -n "${FACT[good]}" ] || doubt=', never confirmed'
  say "   $what, glibc ${FACT[glibc]}, systemd ${FACT[systemd]}, ${FACT[free_kib]} KiB free in /opt"
  say "   runs ${FACT[current]:-nothing of ours}${FACT[current]:+ (${FACT[trouble]:-healthy}$doubt)}"
  [ -z "${FACT[gave_up]}" ] || say "   went back by itself: ${FACT[gave_up]}"
}

# ---- what is pushed ---------------------------------------------------------------------------------

# version_of NAME - a line of VERSION.
version_of() {
  sed -n "s/^$1 //p" "$FROM/VERSION" | head -n 1
}

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

# check_release - is there all that is needed, and does it say what it is?
check_release() {
  local file
  for file in VERSION bin/roost-node bin/roostctl systemd/roost-node.service systemd/roost-node.conf \
    systemd/roost.sysusers; do
    [ -r "$FROM/$file" ] || fail 1 "there is no $FROM/$file: this is not what cross.sh leaves; nothing was changed"
  done
  is_id "$(version_of version)" ||
    fail 1 "$FROM/VERSION names no version of letters, digits and . + ~ -; nothing was changed"
}

# make_bundle - SCRATCH/bundle.tgz and its name: version, revision, hash of the content. The same
# content gives the same bytes, so that a cut upload can go on; the account of the service can read it,
# whatever the umask here.
make_bundle() {
  local release=$SCRATCH/release version commit
  check_release
  rm -rf "$release"
  mkdir -p "$release/bin"
  install -m 755 "$FROM"/bin/roost-node "$FROM"/bin/roostctl "$release/bin/"
  install -m 644 "$FROM"/systemd/roost-node.conf "$FROM"/systemd/roost.sysusers "$release/"
  [ ! -r "$FROM/systemd/roostpool.catalog" ] || install -m 644 "$FROM/systemd/roostpool.catalog" "$release/"
  # A package has the programs in /usr/bin.
  sed 's|/usr/bin/roost|/opt/roost/current/bin/roost|g' "$FROM"/systemd/roost-node.service \
    >"$release/roost-node.service"
  (cd "$release" && sha256sum bin/* roost*) >"$SCRATCH/sums"
  mv "$SCRATCH/sums" "$release/SHA256SUMS"
  tar -C "$release" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -c . |
    gzip -n >"$SCRATCH/bundle.tgz"
  CONTENT=$(sha256sum <"$release/SHA256SUMS" | cut -c1-12)
  BUNDLE_SHA=$(sha256sum <"$SCRATCH/bundle.tgz" | cut -d' ' -f1)
  version=$(version_of version)
  commit=$(version_of commit)
  is_id "$commit" && [[ $version != *"$commit"* ]] || commit=''
  ID=$version${commit:+-g$commit}-$CONTENT
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
  [ -z "${FACT[overlay]}" ] ||
    fail 1 "the root file system there is an overlay in memory: switch that off (raspi-config), restart, push, switch it on again"
}

# ---- the steps --------------------------------------------------------------------------------------

# receive SHA256 - what takes an upload over there. It ends, too, when nothing comes any more: a link
# that went silent must not come back to life beside the next upload.
receive() {
  # shellcheck disable=SC2016
  printf '%s' 'f="${ROOST_ROOT-}/opt/roost/incoming/'"$1"'"; n=$(stat -c %s "$f" 2>/dev/null || echo 0); ' \
    'while timeout -s KILL 45 head -c 32768 >>"$f"; do ' \
    'o=$n; n=$(stat -c %s "$f"); [ "$n" = "$o" ] && exit 0; done; exit 1'
}

upload() {
  local size sent have pid start=$SECONDS part='' status
  size=$(stat -c %s "$SCRATCH/bundle.tgz")
  unset 'FACT[have]'
  board have_bytes "$BUNDLE_SHA" || fail 1 "cannot look for an earlier upload"
  have=${FACT[have]}
  [ "$have" -le "$size" ] || have=0
  [ "$have" = 0 ] || say "   $have of $size bytes are there from before; going on"
  sent=$((size - have))
  # shellcheck disable=SC2029
  tail -c "$sent" "$SCRATCH/bundle.tgz" |
    ssh "${SSH_OPTIONS[@]}" -- "$TARGET" "$AS_ROOT sh -c '$(receive "$BUNDLE_SHA")'" >/dev/null 2>>"$SCRATCH/ssh.err" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    status=0
    IFS= read -r -t 0.1 part <&"$FROM_BOARD" || status=$?
    [ "$status" != 0 ] || show "$part"
    [ "$status" != 1 ] || lost
    if [ $(((SECONDS - start) % BEAT_S)) = 0 ]; then tell_board beat; fi
  done
  status=0
  wait "$pid" || status=$?
  [ "$status" != 255 ] || lost
  [ "$status" = 0 ] || { printable <"$SCRATCH/ssh.err" >&2; fail 1 "the upload failed; nothing that runs was changed"; }
  say "   $sent bytes in $((SECONDS - start)) s"
}

# conclude CODE - what the board's switch says, for people and scripts.
conclude() {
  case $1 in
    0) say "$TARGET: $ID runs and is healthy" ;;
    3) fail 1 "the switch to $ID could not begin; nothing that runs was changed" ;;
    1) fail 1 "$ID did not run well; rolled back, ${FACT[now]-what was there before} runs and is healthy" ;;
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
  if [ "${FACT[current]##*-}" = "$CONTENT" ] && [ -z "${FACT[trouble]}" ] && [ -n "${FACT[good]}" ]; then
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

take_lock() { board take_lock "$(who)" || fail 1 "nothing was changed"; }

# switch - to ID.
switch() {
  local status=0
  step "$TARGET: switching to $ID"
  board switch "$ID" "$KEEP" "$WAIT" "$SETTLE" || status=$?
  conclude $status
}

bring_and_switch() {
  take_lock
  if [ "${FACT[current]##*-}" = "$CONTENT" ]; then
    ID=${FACT[current]}  # there, but not healthy, or never confirmed: a restart tells
  else
    step "$TARGET: uploading"
    upload
    step "$TARGET: installing beside the running version"
    board unpack "$ID" "$BUNDLE_SHA" || fail 1 "nothing that runs was changed"
  fi
  switch
}

rollback() {
  step "$TARGET: looking at the board"
  look
  ID=${FACT[previous]}
  [ -n "$ID" ] || fail 1 "there is no previous version to go back to"
  [ -z "$DRY_RUN" ] || { say "$TARGET: would switch from ${FACT[current]} to $ID"; return; }
  take_lock
  switch
}

uninstall() {
  step "$TARGET: looking at the board"
  look
  check_no_package
  [ -z "$DRY_RUN" ] || { say "$TARGET: would remove ${FACT[current]:-nothing} ($PURGE the data)"; return; }
  take_lock
  step "$TARGET: removing"
  board uninstall "$PURGE" || fail 1 "could not remove everything"
}

# ---- many boards ------------------------------------------------------------------------------------

# read_hosts - into LINES, without comments. Before the first board: are there any, and is it a text file
# of this system?
LINES=()
read_hosts() {
  local line number=0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    [[ $line != *$'\r' ]] ||
      wrong_use "line $number of $HOSTS ends in CR LF, as Windows has it; to mend it: sed -i 's/\r\$//' $HOSTS"
    line=${line%%#*}
    [[ $line =~ ^[[:space:]]*$ ]] || LINES+=("$line")
  done <"$HOSTS"
  [ ${#LINES[@]} -gt 0 ] || wrong_use "there is no board in $HOSTS"
}

# each_host - the same for every line of HOSTS.
each_host() {
  local line words status=0 done_hosts=() rest=()
  read_hosts
  for line in "${LINES[@]}"; do
    read -ra words <<<"$line"
    if [ "$status" != 0 ]; then
      rest+=("${words[*]}")
      continue
    fi
    "$0" "$@" "${words[@]}" </dev/null || status=$?
    done_hosts+=("$(printf '%-40s exit code %d' "${words[*]}" "$status")")
  done
  step "summary"
  [ ${#done_hosts[@]} = 0 ] || printf '%s\n' "${done_hosts[@]}"
  [ ${#rest[@]} = 0 ] || printf '%-40s not tried\n' "${rest[@]}"
  exit "$status"
}

# number OPTION VALUE - VALUE, if it is one.
number() {
  [[ ${2-} =~ ^[0-9]{1,5}$ ]] || wrong_use "$1 needs a number"
  say "$((10#$2))"
}

main() {
  local all=("$@") pass=() i
  while [ $# -gt 0 ]; do
    case $1 in
      --from) [ -d "${2-}" ] || wrong_use "--from needs a folder"; FROM=$2; shift ;;
      --arch) value "$1" "${2-}"; ARCH=$2; shift ;;
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
