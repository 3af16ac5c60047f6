#!/usr/bin/env bash
# fuzz.sh - make up inputs for the parsers of foreign bytes until the time is over or one is wrong.
#
# Usage: tests/fuzz/fuzz.sh [SECONDS [TARGET...]]    10 seconds for each target unless told otherwise
#        tests/fuzz/fuzz.sh --list                   the targets
#
# Needs roost_fuzz of the preset asan-ubsan, and sql_server_fuzz and mysql_server_fuzz of the preset dev to be
# built. The targets are the folders of tests/fuzz/corpus, and sql_server and mysql_server: the SQL lexers
# beside real servers.
# What is found is left in build/fuzz/found/TARGET: copy it into the corpus once it is understood. With
# ROOST_FUZZ_GO_ON=1 a target goes on behind a finding. The exit code is 1 when there was one.
#
# Up to 10 seconds the inputs are made up from the same beginning each time, and their number does not
# depend on how fast the machine is: the same code gives the same answer everywhere. For longer the time
# counts, and each run begins elsewhere.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HERE=$ROOT/tests/fuzz
FUZZER=$ROOT/build/asan-ubsan/tests/fuzz/roost_fuzz
SERVER_FUZZERS=$ROOT/build/dev/tests/fuzz
list() { (cd "$HERE/corpus" && printf '%s\n' * && echo sql_server && echo mysql_server); }
if [ "${1-}" = --list ]; then
  list
  exit
fi
SECONDS_EACH=${1:-10}
shift || true
TARGETS=("$@")
# How many inputs of each target a PC tries in a second.
declare -A RATES=([addresses]=25000 [answers]=4000 [config]=30000 [conninfo]=25000 [errors]=12000 [lines]=8000
  [parameters]=60000 [requests]=6000 [rows]=20000 [sql]=30000 [status]=20000 [values]=90000 [sql_server]=450
  [mysql_sql]=30000 [mysql_server]=300)
SHORT=
if [ "$SECONDS_EACH" -le 10 ]; then SHORT=1; fi
[ ${#TARGETS[@]} -gt 0 ] || mapfile -t TARGETS < <(list)

# What libFuzzer says of a run, in one line.
summary() {
  awk '/^stat::number_of_executed_units/ { runs += $2 }
       /^#[0-9]+: cov:/ { sub(/^#/, ""); forked = $1 + 0 }
       END { print (runs + 0 > forked + 0 ? runs : forked) + 0 }' "$1"
}

# Each kind of finding with its count, told by the inputs themselves.
what_was_found() {
  local input told
  find "$2" -type f | head -n 100 | while read -r input; do
    told=$(timeout 20 "$FUZZER" --target="$1" "$input" 2>&1 |
      grep -a "^$1: \|runtime error\|ERROR: " | head -n 1) || true
    printf '%s\n' "${told:-$1: $input}"
  done | sed 's/^==[0-9]*==//; s/[0-9][0-9][0-9]*/N/g; s/-N/N/g' | sort | uniq -c | sort -rn |
    head -n 20
}

run_target() {
  local target=$1 work=$ROOT/build/fuzz/work/$1 found=$ROOT/build/fuzz/found/$1 log options=()
  log=$ROOT/build/fuzz/found/$target.log
  rm -rf "$found"
  if [ -n "$SHORT" ]; then rm -rf "$work"; fi  # what another run kept is another beginning
  mkdir -p "$work" "$found"
  if [ "${ROOST_FUZZ_GO_ON:-}" = 1 ]; then
    options=(-fork=1 -ignore_crashes=1 -ignore_timeouts=1 -ignore_ooms=1)
  fi
  # A short run ends with its last input; the time only tells that it hangs.
  if [ -n "$SHORT" ]; then
    options+=(-seed=1 -runs=$((RATES[$target] * SECONDS_EACH)) -max_total_time=$((60 * SECONDS_EACH)))
  else
    options+=(-max_total_time="$SECONDS_EACH")
  fi
  "$FUZZER" --target="$target" -timeout=5 -max_len=4096 \
    -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 -dict="$HERE/dict/$target.dict" \
    -artifact_prefix="$found/" "${options[@]}" "$work" "$HERE/corpus/$target" >"$log" 2>&1 || true
  local count
  count=$(find "$found" -type f | wc -l)
  printf '%-12s %9s runs, %s findings\n' "$target" "$(summary "$log")" "$count"
  if [ "$count" != 0 ]; then
    what_was_found "$target" "$found"
    return 1
  fi
  # A fuzzer that could not start has found nothing either.
  [ "$(summary "$log")" -gt 0 ] || { tail -n 5 "$log"; return 1; }
}

run_server() {
  local target=$1 log=$ROOT/build/fuzz/found/$1.log code=0 options
  if [ -n "$SHORT" ]; then
    options=(--seed 1 --texts $((RATES[$target] * SECONDS_EACH)) --seconds $((60 * SECONDS_EACH)))
  else
    options=(--seconds "$SECONDS_EACH")
  fi
  mkdir -p "${log%/*}"
  "$SERVER_FUZZERS/${target}_fuzz" "${options[@]}" >"$log" 2>&1 || code=1
  printf '%-12s %s\n' "$target" "$(tail -n 1 "$log")"
  [ "$code" = 0 ] || head -n 9 "$log"
  return "$code"
}

FAILED=0
for target in "${TARGETS[@]}"; do
  case $target in
    *_server) run_server "$target" || FAILED=1 ;;
    *) run_target "$target" || FAILED=1 ;;
  esac
done
exit "$FAILED"
