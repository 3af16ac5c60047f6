#!/usr/bin/env bash
# run.sh - check the models of a lane and of the outbox with Spin.
#
# Usage: ./tests/model/run.sh quick [MODEL]      every claim in small configurations; under a minute
#        ./tests/model/run.sh mutants [MODEL]    seeded faults, each of which has to be caught; a minute
#        ./tests/model/run.sh full [MODEL]       larger ones; an hour or two, and up to 4 GB of memory
#
# MODEL is lane or outbox; without it both. One line for each configuration; the macros are explained in
# MODEL.pml. Exit code 0: the models hold everywhere (quick, full), or miss no fault (mutants). Needs
# spin and gcc. Works in a folder of its own under TMPDIR, and removes it.

set -euo pipefail

# ---- lane: T callers, NS slots, of which ROOM may be idle; newcomers barge past K times.
lane_quick() {
  cat <<'RUNS'
T=2 NS=1 K=0 ROUNDS=3
T=2 NS=1 K=1 ROUNDS=3
T=2 NS=1 K=2 ROUNDS=4
T=3 NS=1 K=0 ROUNDS=2
T=3 NS=1 K=1 ROUNDS=2
T=3 NS=2 K=1
T=3 NS=1 K=1 TIMED=3
T=3 NS=1 K=1 TIMED=1 SPURIOUS
T=2 NS=1 K=0 TIMED=1 SHUT
T=2 NS=2 K=1 SHUT BROKEN MARKS=1
T=2 NS=1 K=1 MARKS=2 ROUNDS=2
T=3 NS=1 K=0 MARKS=1 AGING
T=2 NS=2 K=1 MARKS=1 AGING KEEPER=1
T=3 NS=2 ROOM=1 K=1 BROKEN
T=2 NS=2 K=1 KEEPER=3 TIMED=1
T=2 NS=2 K=1 SHUT KEEPER=1
T=2 NS=3 K=1 KEEPER=3
T=2 NS=2 ROOM=1 K=1 ROUNDS=2 BROKEN TIMED=2
T=2 NS=2 K=0 MARKS=1 AGING
RUNS
}

# Each fault in a configuration where it matters.
lane_mutants() {
  cat <<'RUNS'
M_PUSH_IGNORES_CLOSED T=2
M_PUSH_IGNORES_FULL T=2 NS=2 ROOM=1
M_CLOSE_BY_FLAG T=2 NS=2 KEEPER=1
M_OPEN_WITH_WAITERS T=2
M_OPEN_FORGETS_A_SLOT T=1 NS=2 KEEPER=1
M_OPEN_WITH_A_MARKED_SLOT T=2 ROUNDS=2 MARKS=1
M_OPEN_AFTER_SHUTDOWN T=1 SHUT
M_NO_EPOCH_AT_POP T=2 MARKS=1
M_NO_EPOCH_AT_PUSH T=2 MARKS=1
M_EPOCH_RAISED_AFTER_OPENING T=2 MARKS=1
M_UNUSED_RETURN_WITHOUT_CLOSING T=2 NS=2 AGING
M_UNUSED_RETURN_TELLS_NO_WAITER T=2 K=0 AGING
M_UNUSED_RETURN_FORGETS_THE_SHUTDOWN T=1 AGING SHUT
M_NODE_TOUCHED_AFTER_GRANT T=2 K=0
M_TIME_OUT_DECIDED_OUTSIDE_THE_LOCK T=2 K=0 TIMED=1
M_NO_WAKE T=2
M_FIRST_NEVER_TOLD T=2
M_SPARE_LOST_AT_TIME_OUT T=3 TIMED=1 ROUNDS=2
M_BARGED_NEVER_RESET T=3 ROUNDS=2
M_BARGED_NEVER_COUNTED T=2 ROUNDS=3
M_RECHECKER_TAKES T=3 ROUNDS=2 SPURIOUS
RUNS
}

lane_full() {
  local k more
  for k in 0 1 2; do
    for more in "" TIMED=1 TIMED=3 SPURIOUS MARKS=1 "MARKS=1 AGING" "KEEPER=2" "BROKEN TIMED=1" \
      SHUT "SHUT TIMED=1" AGING; do
      echo "T=3 NS=1 K=$k $more"
      echo "T=3 NS=2 K=$k $more"
      echo "T=3 NS=2 ROOM=1 K=$k $more"
    done
    echo "T=2 NS=1 K=$k ROUNDS=3 TIMED=1 MARKS=2"
    echo "T=2 NS=2 K=$k ROUNDS=2 MARKS=2 AGING KEEPER=2"
    echo "T=2 NS=2 K=$k ROUNDS=2 MARKS=1 AGING SHUT"
    echo "T=2 NS=3 K=$k ROUNDS=2 KEEPER=4"
    echo "T=3 NS=1 K=$k ROUNDS=2 TIMED=2 SPURIOUS"
    echo "T=3 NS=2 K=$k ROUNDS=2 BROKEN"
    echo "T=4 NS=1 K=$k"
    echo "T=4 NS=1 K=$k TIMED=1"
    echo "T=4 NS=2 K=$k"
    echo "T=4 NS=3 K=$k"
  done
}

# ---- outbox: N numbers; CUTS of the power, calls LOST, the server goes BACK, FRESH before the rest. ----

outbox_quick() {
  cat <<'RUNS'
N=4 LOST=2
N=3 CUTS=1 LOST=1
N=3 LOST=1 BACK=2
N=3 CUTS=1 BACK=1 HOLES
N=3 FRESH=1 CUTS=1 BACK=1
N=4 FRESH=2 LOST=1
N=3 FRESH=1 LOST=1 BACK=1 LOWER
N=3 FRESH=1 CUTS=1 LOWER
N=3 BACK=1 SETTLED FULL
N=2 CUTS=1 LOST=1 SETTLED FULL HOLES
N=2 CUTS=1 BACK=1 SETTLED FULL
N=2 CUTS=2 LOST=1 SETTLED
N=3 FRESH=1 BACK=1 SETTLED FORGET
N=2 FRESH=1 CUTS=1 LOST=1 SETTLED FORGET
RUNS
}

outbox_mutants() {
  cat <<'RUNS'
M_THE_ACKNOWLEDGEMENT_IS_TRUSTED N=2 BACK=1
M_THE_MARK_IS_NOT_LOOKED_AT N=2 LOST=1
M_NOBODY_ASKS_AT_A_NEW_CONNECTION N=3 FRESH=1 BACK=1
M_FINISHED_SEGMENTS_ARE_NOT_ASKED_FOR N=3 FRESH=1 BACK=1
M_MARK_OUTSIDE_THE_TRANSACTION N=2 BACK=1
M_SERVER_TAKES_WHAT_IT_HAS N=2 LOST=1
M_SERVER_TAKES_WHAT_COMES_LATER N=2 LOST=1 BACK=1
M_UNSEALED_READINGS_LEAVE N=2 CUTS=1
M_NUMBERS_FROM_THE_READINGS N=2 SETTLED
M_THE_CUT_LEAVES_A_HOLE N=3 FRESH=1 LOST=1
M_THE_CUT_IS_NOT_SEALED N=3 FRESH=1 CUTS=1 LOWER
M_THE_CUT_IS_BELOW_WHAT_HAS_LEFT N=3 FRESH=1 LOST=1 LOWER
M_NEWEST_OF_THE_READINGS N=3 FRESH=1 LOST=1 SETTLED FULL
M_GAPS_OF_THE_NEXT_EPOCH_UNSEEN N=3 CUTS=1 FULL
M_DELETED_BY_TIME N=2 SETTLED
M_SETTLED_WHEN_IT_LEAVES N=2 LOST=1 SETTLED
M_GAP_IN_ANOTHER_TRANSACTION N=2 CUTS=1 FULL
M_ACKED_GOES_BACK N=2 BACK=1 SETTLED
M_FORGOTTEN_BY_WHAT_WAS_ACKNOWLEDGED N=3 FRESH=1 BACK=1 SETTLED FORGET
M_FORGOTTEN_BEFORE_ASKING N=3 FRESH=1 BACK=1 SETTLED FORGET
RUNS
}

outbox_full() {
  cat <<'RUNS'
N=4 CUTS=1 LOST=1 BACK=1
N=4 FRESH=2 LOST=1 BACK=2
N=3 FRESH=1 CUTS=1 BACK=1 SETTLED
N=3 CUTS=1 LOST=1 SETTLED FULL
N=3 CUTS=1 BACK=1 SETTLED FULL
N=3 FRESH=1 BACK=1 SETTLED FULL
N=2 FRESH=1 CUTS=1 LOST=1 BACK=1 SETTLED FULL
N=2 CUTS=2 LOST=1 BACK=1 SETTLED
N=3 FRESH=1 CUTS=1 BACK=1 LOWER
N=2 FRESH=1 CUTS=1 BACK=1 SETTLED FORGET
RUNS
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# check_run OPTIMISATION LIMIT PAN-ARGUMENTS MACRO... - leaves what pan says in $SCRATCH/log. Fails when
# the model could not be built, or pan has not ended in time.
check_run() {
  local level=$1 limit=$2 pan_arguments=$3 macro spin_arguments=()
  shift 3
  for macro in "$@"; do spin_arguments+=("-D$macro"); done
  rm -rf -- "$SCRATCH/pan"
  mkdir "$SCRATCH/pan"
  # shellcheck disable=SC2086  # arguments of pan
  (
    cd "$SCRATCH/pan" && spin -a "${spin_arguments[@]}" "$MODELS/$MODEL.pml" &&
      gcc "$level" -w -DSAFETY -DNOFAIR -DCOLLAPSE -DMEMLIM=4000 -o pan pan.c &&
      timeout "$limit" ./pan $pan_arguments
  ) >"$SCRATCH/log" 2>&1
}

# verdict WANTED - "ok", "caught" or what is wrong, from the log. WANTED: holds or fails.
verdict() {
  local errors
  errors=$(sed -n 's/^State-vector.*errors: \([0-9]*\)$/\1/p' "$SCRATCH/log")
  if [ -z "$errors" ] || grep -q 'max search depth too small\|out of memory' "$SCRATCH/log"; then
    echo UNFINISHED
  elif [ "$1" = holds ]; then
    [ "$errors" = 0 ] && echo ok || echo FAILED
  else
    [ "$errors" != 0 ] && echo caught || echo MISSED
  fi
}

# run_all WANTED OPTIMISATION LIMIT PAN-ARGUMENTS - a configuration for each line of standard input.
run_all() {
  local wanted=$1 result states reason bad=0 macros
  shift
  while read -r -a macros; do
    check_run "$@" "${macros[@]}" || true
    result=$(verdict "$wanted")
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$SCRATCH/log")
    reason=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' "$SCRATCH/log")
    printf '%-10s %9s states  %s%s\n' "$result" "${states:-?}" "${macros[*]}" "${reason:+: $reason}"
    case $result in
      ok | caught) ;;
      UNFINISHED)
        bad=$((bad + 1))
        tail -n 5 "$SCRATCH/log"
        ;;
      *) bad=$((bad + 1)) ;;
    esac
  done
  [ "$bad" = 0 ] || die "$bad of these are not as they should be"
}

main() {
  local tool models=(lane outbox)
  case ${1-} in
    quick | mutants | full) [ $# -le 2 ] || die "quick, mutants or full, and a model" ;;
    -h | --help)
      awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
      return
      ;;
    *) die "say quick, mutants or full (see --help)" ;;
  esac
  case ${2-} in
    '') ;;
    lane | outbox) models=("$2") ;;
    *) die "there is no model $2: lane, outbox" ;;
  esac
  for tool in spin gcc; do
    command -v "$tool" >/dev/null || die "needs $tool: apt-get install spin gcc libc6-dev"
  done
  MODELS=$(cd "$(dirname "$0")" && pwd)
  SCRATCH=$(mktemp -d)
  trap 'rm -rf -- "$SCRATCH"' EXIT
  for MODEL in "${models[@]}"; do
    case $1 in
      quick) "${MODEL}_quick" | run_all holds -O0 60 '-m20000 -w20' ;;
      mutants) "${MODEL}_mutants" | run_all fails -O0 60 '-m20000 -w18' ;;
      full) "${MODEL}_full" | run_all holds -O2 900 '-m1000000 -w24' ;;
    esac
  done
}
main "$@"
