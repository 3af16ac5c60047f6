#!/usr/bin/env bash
# run.sh - check the model of a lane with Spin.
#
# Usage: ./tests/model/run.sh quick      every claim in small configurations; under a minute
#        ./tests/model/run.sh mutants    21 seeded faults, each of which has to be caught; half a minute
#        ./tests/model/run.sh full       larger ones; an hour or two, and up to 4 GB of memory
#
# One line for each configuration; the macros are explained in lane.pml. Exit code 0: the model
# holds everywhere (quick, full), or misses no fault (mutants). Needs spin and gcc. Works in a folder
# of its own under TMPDIR, and removes it.

set -euo pipefail

# Macros of lane.pml. T callers, NS slots, of which ROOM may be idle; newcomers barge past K times.
quick_runs() {
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
mutant_runs() {
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

full_runs() {
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
    cd "$SCRATCH/pan" && spin -a "${spin_arguments[@]}" "$MODEL" &&
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
  local tool
  case ${1-} in
    quick | mutants | full) [ $# = 1 ] || die "one argument: quick, mutants or full" ;;
    -h | --help)
      awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
      return
      ;;
    *) die "say quick, mutants or full (see --help)" ;;
  esac
  for tool in spin gcc; do
    command -v "$tool" >/dev/null || die "needs $tool: apt-get install spin gcc libc6-dev"
  done
  MODEL=$(cd "$(dirname "$0")" && pwd)/lane.pml
  SCRATCH=$(mktemp -d)
  trap 'rm -rf -- "$SCRATCH"' EXIT
  case $1 in
    quick) quick_runs | run_all holds -O0 60 '-m20000 -w20' ;;
    mutants) mutant_runs | run_all fails -O0 60 '-m20000 -w18' ;;
    full) full_runs | run_all holds -O2 900 '-m1000000 -w24' ;;
  esac
}
main "$@"
