#!/usr/bin/env bash
# run.sh - the whole story of a node on an emulated board: packages, deployment, bad updates, power
# cuts, reboot, self-test.
#
# Usage: tests/board/run.sh [OPTION...]
#   --machine M   virt (default) or raspi3b; see boot.sh
#   --cpu CPU     of virt; see boot.sh
#   --cuts N      how often the plug is pulled in mid-write (default: 10)
#   --only NAMES  some chapters, in quotes: package push bad trial upgrade cut cuts hang reboot uninstall
#                 security selftest; all from bad on need push
#   --no-build    take what is in build/rpi-64/release and build/packages
#   --release F   as --no-build, and the release is in the folder F
#   --keep        leave the board running
#
# Prints what is done and what the board answers; "ok" and "FAILED" lines are the verdicts, the last
# lines count them. Takes 15 to 40 minutes. Needs root for the first card's image.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

HERE=$ROOT/tests/board
RELEASE=$ROOT/build/rpi-64/release
MACHINE=virt CPU=cortex-a53 CUTS=10 BUILD=1 KEEP='' ONLY=''
NAME=story
CONFIG=$(run_folder $NAME)/ssh_config
PASSED=0 FAILED=0
WORK='' FINISHED=''

# ---- telling ----------------------------------------------------------------------------------------

ok() {
  PASSED=$((PASSED + 1))
  say "   ok      $*"
}

failed() {
  FAILED=$((FAILED + 1))
  say "   FAILED  $*"
}

# verify WHAT COMMAND... - COMMAND says whether it holds.
verify() {
  local what=$1
  shift
  if "$@"; then ok "$what"; else failed "$what"; fi
}

# shown COMMAND... - a command with its output, for whoever reads along.
shown() {
  local status=0
  say "\$ ${*/#push/./deploy/push.sh pi@BOARD}"
  "$@" </dev/null 2>&1 | sed -u 's/^/  | /' || status=${PIPESTATUS[0]}
  return "$status"
}

# here COMMAND... - on the board, with its output.
here() {
  local status=0
  say "board\$ $*"
  on_board $NAME "$*" </dev/null 2>&1 | sed -u 's/^/  | /' || status=${PIPESTATUS[0]}
  return "$status"
}

# expect CODE WHAT COMMAND... - a command of this machine, with its exit code. said knows what it said.
expect() {
  local code=$1 what=$2 status=0
  shift 2
  shown "$@" | tee "$WORK/said" || status=$?
  verify "$what (exit code $status)" [ "$status" = "$code" ]
}

said() { grep -qF -- "$1" "$WORK/said"; }

push() { "$ROOT/deploy/push.sh" --from "$RELEASE" -F "$CONFIG" "$@" board; }

# ---- what the board can be asked --------------------------------------------------------------------

# until_true SECONDS COMMAND... - a condition of the board; the limit only ends a hang.
until_true() {
  local limit=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$limit" ] || return
    sleep 1
  done
}

status_says() { on_board $NAME "grep -q '$1' /run/roost/status.json" 2>/dev/null; }
is_healthy() { on_board $NAME roostctl status >/dev/null 2>&1; }
is_active() { on_board $NAME systemctl is-active --quiet roost-node 2>/dev/null; }
is_enabled() { on_board $NAME systemctl is-enabled --quiet roost-node 2>/dev/null; }
runs_version() { status_says "\"version\": \"$1\""; }
main_pid() { on_board $NAME systemctl show --property MainPID --value roost-node; }
boot_id() { on_board $NAME cat /proc/sys/kernel/random/boot_id; }
query() { on_board $NAME "sudo sqlite3 -readonly /var/lib/roost/node.db '$1'"; }
readings() { query 'select count(*) from reading'; }

# Conditions: of the service, of its process, of the board since its start.
will_stay() { is_active && is_enabled; }
is_healthy_version() { is_healthy && runs_version "$1"; }
is_another_process_than() { is_healthy && [ "$(main_pid)" != "$1" ]; }
has_gone_back_to() { on_board $NAME readlink /opt/roost/current | grep -q "/$1"; }
has_started_since() { [ "$(boot_id 2>/dev/null || say "$1")" != "$1" ]; }

# ---- versions ---------------------------------------------------------------------------------------

# variant VERSION NAME - the release as VERSION, with its programs changed (variant.py).
variant() {
  local folder=$WORK/$1
  cp -a "$RELEASE" "$folder"
  python3 "$HERE/variant.py" "$2" "$folder"/bin/*
  sed -i "s/^version .*/version $1/; /^commit /d" "$folder/VERSION"
}

make_versions() {
  variant 0.1.1 0.1.1
  variant 0.1.2-no-schema no-schema
  variant 0.1.2-no-insert no-insert
  variant 0.1.2-no-ready no-ready
}

# ---- chapters ---------------------------------------------------------------------------------------

boot() { "$HERE/boot.sh" --machine "$MACHINE" --cpu "$CPU" --name $NAME "$@"; }

chapter_boot() {
  if [ "$MACHINE" = virt ]; then boot --warm; else boot --fresh; fi
  here 'tr -d "\000" </proc/device-tree/model; echo; uname -srm; grep -c ^processor /proc/cpuinfo'
}

chapter_package() {
  local package
  # shellcheck disable=SC2012  # names of ours
  package=$(ls -t "$ROOT"/build/packages/roostpool-node_*_arm64.deb 2>/dev/null | head -n 1) ||
    die "no package in build/packages: run ./deploy/cross.sh rpi-64"
  say "copying $(basename "$package"), $(stat -c %s "$package") bytes"
  on_board $NAME 'cat >node.deb' <"$package"
  verify "the package installs" here sudo dpkg --install node.deb
  verify "the service runs, and will after a restart" will_stay
  verify "the node is healthy" until_true 60 is_healthy
  here systemctl --no-pager --lines 0 status roost-node || true
  verify "the package is purged" here sudo dpkg --purge roostpool-node
  # shellcheck disable=SC2016  # for the board
  verify "neither program nor service nor settings are left" on_board $NAME \
    'test -z "$(ls -d /usr/bin/roost* /lib/systemd/system/roost* /etc/roost 2>/dev/null)"'
  verify "the readings are kept" on_board $NAME sudo test -s /var/lib/roost/node.db
  on_board $NAME sudo rm -r /var/lib/roost
}

chapter_push() {
  expect 0 "the first push" push
  verify "the service is enabled" is_enabled
  verify "roostctl is in the path" here roostctl --version
  here systemctl --no-pager --lines 0 status roost-node || true
  expect 0 "the same again restarts nothing" push
}

chapter_bad() {
  local pid
  pid=$(main_pid)
  expect 0 "a dry run" push --from "$WORK/0.1.1" --dry-run
  verify "has changed nothing" \
    [ "$(main_pid)" = "$pid" ]
  expect 1 "a build that cannot make its tables (no-schema) is refused" push --from "$WORK/0.1.2-no-schema"
  verify "it was tried out, and that was all" said "nothing that runs was changed"
  verify "the old version runs on, in the same process" [ "$(main_pid)" = "$pid" ]
  expect 1 "a build that is ready and seals nothing (no-insert) is rolled back" push --from "$WORK/0.1.2-no-insert"
  verify "because it seals nothing" said "NOT HEALTHY: node"
  verify "because its database refuses" said "the database refuses"
  verify "the old version is healthy" is_healthy_version 0.1.0
  expect 1 "a build that is never ready (no-ready) is rolled back" push --from "$WORK/0.1.2-no-ready" --wait 40
  verify "because it was not ready in time" said "NOT HEALTHY: the service is activating"
  verify "the old version is healthy" is_healthy_version 0.1.0
}

# A cut between switch and check: the board goes back by itself.
# shellcheck disable=SC2016  # for the board
chapter_trial() {
  push --from "$WORK/0.1.1" >"$WORK/said" 2>&1 </dev/null &
  until_true 120 said "restarting the service" || true
  "$HERE/stop.sh" --cut $NAME
  wait $! || true
  boot
  verify "after a power cut before the check the version before runs" until_true 120 is_healthy_version 0.1.0
  here sudo journalctl --unit roost-guard --boot --no-pager --output cat || true
  verify "nothing is on trial any more" on_board $NAME '! test -e /opt/roost/trial'
  expect 0 "a dry run" push --from "$WORK/0.1.1" --dry-run
  verify "says what was given up" said "went back by itself: 0.1.1"
  expect 0 "the same push again" push --from "$WORK/0.1.1"
  # A node that crashes as soon as it runs, in a version that was healthy a moment before.
  here 'printf "[Service]\nExecStartPost=/bin/sh -c \"sleep 1; kill -SEGV $MAINPID\"\nRestartSec=1\n" |
    sudo tee /run/crash.conf >/dev/null && sudo mkdir -p /run/systemd/system/roost-node.service.d &&
    sudo mv /run/crash.conf /run/systemd/system/roost-node.service.d/ && sudo systemctl daemon-reload &&
    sudo systemctl kill --signal SEGV roost-node'
  verify "three crashes within ten minutes, and the version before is current" until_true 120 has_gone_back_to 0.1.0
  here 'sudo rm /run/systemd/system/roost-node.service.d/crash.conf && sudo systemctl daemon-reload &&
    sudo systemctl reset-failed roost-node; sudo systemctl restart roost-node'
  verify "it is healthy" until_true 60 is_healthy_version 0.1.0
}

chapter_upgrade() {
  local before
  before=$(readings)
  expect 0 "an upgrade" push --from "$WORK/0.1.1"
  verify "the new version is healthy" is_healthy_version 0.1.1
  verify "the readings are still there" [ "$(readings)" -ge "$before" ]
  expect 0 "back by hand" push --rollback
  verify "the old version is healthy" is_healthy_version 0.1.0
}

# A cut right after an upgrade: what push.sh reported as done is on the card.
chapter_cut() {
  expect 0 "an upgrade" push --from "$WORK/0.1.1" --settle 0
  "$HERE/stop.sh" --cut $NAME
  boot
  verify "after a power cut the new version is healthy" \
    until_true 120 is_healthy_version 0.1.1
}

# write_often - a configuration under which the card is always being written to. The next version of
# the configuration will leave it alone: it was changed by hand.
write_often() {
  printf 'every = 20ms\nseal-every = 100ms\nstatus-every = 100ms\nquiet = true\n' |
    on_board $NAME 'sudo tee /etc/roost/roost-node.conf >/dev/null && sync && sudo systemctl restart roost-node'
}

# pull_the_plug N - in mid-write, and see what is left. The node says in its status file how many
# readings it has sealed; the last number that came through must be there afterwards.
pull_the_plug() {
  local epoch sealed after gaps
  until_true 120 is_healthy || true
  epoch=$(query 'select epoch from reading order by seq desc limit 1')
  rm -f "$WORK/sealed"
  on_board $NAME 'while sed -n "s/.*\"sealed\": \([0-9]*\).*/\1/p" /run/roost/status.json; do sleep 0.1; done' \
    >"$WORK/sealed" 2>/dev/null &
  until_true 60 [ -s "$WORK/sealed" ] || true
  sleep $((RANDOM % 5 + 2)).$((RANDOM % 1000))
  "$HERE/stop.sh" --cut $NAME >/dev/null
  wait $! || true
  sealed=$(grep -x '[0-9]\+' "$WORK/sealed" | tail -n 1)
  boot >/dev/null
  after=$(query "select count(*) from reading where epoch = $epoch")
  gaps=$(query "select max(seq) - min(seq) + 1 - count(*) from reading where epoch = $epoch")
  verify "cut $1: ${sealed:-?} readings were known to be sealed, $after are there, $gaps missing between" \
    [ "$gaps:$((after >= ${sealed:-after + 1}))" = 0:1 ]
  verify "cut $1: the database is intact" [ "$(query 'PRAGMA integrity_check')" = ok ]
}

chapter_cuts() {
  local n
  write_often
  for ((n = 1; n <= CUTS; n++)); do pull_the_plug "$n"; done
  verify "the node is healthy after all of them" until_true 120 is_healthy
}

chapter_hang() {
  local pid
  pid=$(main_pid)
  verify "the node is stopped (SIGSTOP)" here sudo systemctl kill --signal STOP roost-node
  verify "the watchdog ends it and systemd starts another" until_true 180 is_another_process_than "$pid"
}

chapter_reboot() {
  local id
  id=$(boot_id)
  here sudo systemctl reboot || true
  verify "the board comes back" until_true 300 has_started_since "$id"
  verify "the node is healthy by itself" until_true 120 is_healthy
}

# The exposure that systemd computes has to stay at or below 2.0.
chapter_security() {
  local line
  line=$(on_board $NAME systemd-analyze security --no-pager roost-node | tail -n 1)
  say "board\$ systemd-analyze security roost-node | tail -n 1"
  say "  | $line"
  verify "the exposure is 2.0 or less" awk -v line="$line" \
    'BEGIN { match(line, /[0-9]+\.[0-9]+/); exit !(RLENGTH > 0 && substr(line, RSTART, RLENGTH) <= 2.0) }'
}

chapter_selftest() {
  local status=0
  say "\$ ./deploy/selftest.sh pi@BOARD"
  "$ROOT/deploy/selftest.sh" -F "$CONFIG" board </dev/null || status=$?
  verify "the self-test finds this board fit (exit code $status)" [ "$status" = 0 ]
}

chapter_uninstall() {
  expect 0 "removing the service keeps the readings" push --uninstall
  verify "they are there" on_board $NAME sudo test -s /var/lib/roost/node.db
  # As on a new card, where the account may have got another number.
  on_board $NAME sudo chown -R 4711:4711 /var/lib/roost
  expect 0 "a first push takes them over" push
  verify "the node is healthy" is_healthy
}

# journal_field FIELD MATCH... - of the latest entry of the node that matches.
journal_field() {
  local field=$1
  shift
  on_board $NAME "sudo journalctl --unit roost-node --output json --no-pager --lines 1 $*" |
    python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())[sys.argv[1]])' "$field" 2>/dev/null
}
journal_says() { [ "$(journal_field "$1" "${@:3}")" = "$2" ]; }
# explained MATCH... - the entry's MESSAGE_ID is one of the catalogue's.
explained() { grep -qF -- "-- $(journal_field MESSAGE_ID "$@")" "$ROOT/deploy/systemd/roostpool.catalog"; }

# journal_explains MATCH... - journalctl itself, with the board's catalogue, about the latest entry.
journal_explains() { on_board $NAME "sudo journalctl --catalog --lines 1 --no-pager $*" | grep -q 'Defined-By: roostpool'; }
# journal_entries MATCH... - how many, of the process that runs.
journal_entries() {
  on_board $NAME "sudo journalctl --quiet --output cat --no-pager _PID=\$(systemctl show -P MainPID roost-node) $*" | wc -l
}

# What the node tells the journal has fields to select by. Nobody serves this remote.
chapter_journal() {
  here "echo 'remote = postgresql://nobody@127.0.0.1:1/none?sslmode=disable' |
    sudo tee -a /etc/roost/roost-node.conf >/dev/null && sudo systemctl restart roost-node"
  verify "how the node is has a field" until_true 60 journal_says ROOST_STATE degraded ROOST_STATE=degraded
  verify "and the catalogue explains it" explained ROOST_STATE=degraded
  verify "the pool's event is found by its fields" \
    until_true 60 journal_says ROOST_CODE unavailable ROOST_POOL=remote ROOST_EVENT=connect_failed
  verify "and the catalogue explains it" explained ROOST_POOL=remote ROOST_EVENT=connect_failed
  verify "the board has the catalogue" journal_explains ROOST_POOL=remote ROOST_EVENT=connect_failed
  until_true 60 status_says '"open_failures": [3-9]' || true
  verify "tries that fail in the same way are one entry" \
    [ "$(journal_entries ROOST_POOL=remote ROOST_EVENT=connect_failed)" = 1 ]
  verify "it is a warning of the node's own" journal_says PRIORITY 4 ROOST_POOL=remote SYSLOG_IDENTIFIER=roost-node
  here "sudo journalctl --unit roost-node --output verbose --no-pager --lines 1 ROOST_POOL=remote"
}

# ---- all of it --------------------------------------------------------------------------------------

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --machine) [ -n "${2-}" ] || die "--machine needs a name"; MACHINE=$2; shift ;;
      --cpu) [ -n "${2-}" ] || die "--cpu needs a name"; CPU=$2; shift ;;
      --cuts) [ -n "${2-}" ] || die "--cuts needs a number"; CUTS=$2; shift ;;
      --only) [ -n "${2-}" ] || die "--only needs names"; ONLY=$2; shift ;;
      --no-build) BUILD='' ;;
      --release) [ -d "${2-}" ] || die "--release needs a folder"; RELEASE=$(realpath "$2"); BUILD=''; shift ;;
      --keep) KEEP=1 ;;
      -h | --help) usage && exit ;;
      *) die "unknown argument: $1 (see --help)" ;;
    esac
    shift
  done
}

prepare() {
  local log=$BOARD_CACHE/run.log
  mkdir -p "$BOARD_CACHE"
  : >"$log"
  need_packages "$log" "${PACKAGES_BOARD[@]}"
  "$HERE/image.sh"
  [ -z "$BUILD" ] || logged "$log" "$ROOT/deploy/cross.sh" rpi-64 --no-tests ||
    { tail_of "$log"; die "the cross-build failed"; }
  [ -d "$RELEASE" ] || die "there is no $RELEASE: run this without --no-build"
  make_versions
}

end() {
  [ -n "$FINISHED" ] || say "   FAILED  the story ended early" >&2
  [ -n "$KEEP" ] || "$HERE/stop.sh" --cut $NAME >/dev/null
  rm -rf "$WORK"
}

# chapter NAME TITLE - if it is wanted.
chapter() {
  local begin=$SECONDS
  [ -z "$ONLY" ] || [[ " $ONLY " == *" $1 "* ]] || return 0
  step "$2"
  "chapter_$1"
  say "   ($((SECONDS - begin)) s)"
}

main() {
  parse "$@"
  WORK=$(mktemp -d)
  trap end EXIT
  step "card, cross-build, versions"
  prepare
  step "a board"
  chapter_boot
  chapter package "the Debian package"
  chapter push "push.sh"
  chapter bad "bad updates"
  chapter trial "a power cut between switch and check, and three crashes"
  chapter upgrade "upgrade and back"
  chapter cut "a power cut right after an upgrade"
  chapter cuts "the plug is pulled in mid-write"
  chapter hang "a node that hangs"
  chapter reboot "reboot"
  chapter uninstall "uninstall, and install again"
  chapter security "hardening"
  chapter selftest "the self-test, as the board prints it"
  chapter journal "the journal's fields"
  step "summary"
  FINISHED=1
  say "$PASSED passed, $FAILED failed, $((SECONDS / 60)) minutes"
  [ "$FAILED" = 0 ]
}
main "$@"
