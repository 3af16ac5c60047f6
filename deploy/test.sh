#!/usr/bin/env bash
# test.sh - install what is missing, build, run the tests, sum up.
#
# Usage: ./deploy/test.sh               every functional test
#        ./deploy/test.sh --all         every stage down to rpi-32
#        ./deploy/test.sh --board       the story of a node on an emulated board (half an hour)
#        ./deploy/test.sh --stage NAME  one stage (may be given several times)
#
# --fuzz-seconds N: the stage fuzz makes up inputs for N seconds for each target, of which there are
#        some ten, and not for 10: --stage fuzz --fuzz-seconds 1200 takes four hours.
# --write-budget: also writes the seconds of these stages into deploy/time-budget.txt, where they
#        passed. For a quiet machine.
#
# Stages:
#   functional     g++: every functional test, the documents
#   deploy         what is delivered: the installed package, its examples, what links it; push.sh and
#                  selftest.sh against an ssh server here; beside them every state of the core
#   asan           clang++: the tests under the address and undefined-behaviour sanitizers; of those that
#                  start servers the contract suite alone; clang's check of the lock annotations
#   fuzz           inputs made up for the parsers of foreign bytes, under the sanitizers, and for the SQL
#                  lexer beside a real server; what is found is left in build/fuzz/found
#   tsan           the tests in which threads meet, under the thread sanitizer; the stress also with
#                  clang's
#   models         models of the lock-free lane and of the outbox, and faults that it has to catch
#   lint           clang-format, clang-tidy, shellcheck; a comment for each public name; the site of the
#                  documents, in build/site, and its links; the recipes for other build systems
#   rpi-64         cross-build for a 64-bit Raspberry Pi: tests under emulation, packages, sizes
#   rpi-32         the same for a 32-bit one (ARMv7), with the tests of core, statements and contracts
#   size           bytes of code and of each profile's pool on this machine; see deploy/size.sh (not in
#                  --all, where rpi-64 and rpi-32 look at those on boards)
#   thread-safety  clang's check of the lock annotations alone (not in --all: asan has it)
#   refute         breaks each promise of a public header by a patch and looks whether its test fails
#                  (an hour or more; not in --all, where `functional` looks whether the patches apply)
#   clang          clang++ without a sanitizer: what asan has, and what it has not (not in --all)
#   outbox         300 lives of a node with a real server between faults, and 10,000 simulated ones: each
#                  reading arrives once (not in --all, which has 50 and 10,000)
#   day            a day of a node and its server, to read: outage, lossy failover, bad row, full card
#                  (takes root; not in --all)
#   galera         a pool over a MariaDB cluster of three nodes, of which one dies (not in --all)
#   board          the same as --board; see tests/board/README.md
#
# A stage that fails does not stop the others. Logs: build/test-STAGE.log. A stage ends with a table of
# where its time went, beside deploy/time-budget.txt: what took longer than that, and the longest; the
# whole table is in the log. Nothing fails for being slow. The last line is "N passed, N failed"; the exit
# code is 0 when nothing failed.

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

ALL_STAGES=(functional deploy asan fuzz tsan models lint rpi-64 rpi-32)
MORE_STAGES=(size thread-safety refute clang outbox day galera board)
# Tests of dev, by their labels, that the stage deploy has.
NOT_FUNCTIONAL='^(delivery|exhaustive)$'
BUDGET=$ROOT/deploy/time-budget.txt
PASSED=0
FAILED=0
SUMMARY=()
STAGE=''        # the one that runs
TIMES=''        # a file: name and seconds of what has run in it
WRITE_BUDGET='' # set: the budget is written anew
FUZZ_SECONDS=10 # of each target

# took NAME SECONDS - for the table of times. A name in the budget is STAGE/NAME.
took() { printf '%s %s\n' "$STAGE/${1//[ :,]/-}" "$2" >>"$TIMES"; }

# usual_time NAME - what it took when the budget was written, in words; nothing if that is not known.
usual_time() {
  awk -v name="$1" '$1 == name { printf "; usually %s", $3 < 120 ? $3 " s" : int($3 / 60 + 0.5) " min" }' "$BUDGET"
}

# check NAME LOG COMMAND... - one test that is a command.
check() {
  local name=$1 log=$2 start=$SECONDS status=0
  shift 2
  logged "$log" "$@" || status=$?
  took "$name" $((SECONDS - start))
  if [ "$status" = 0 ]; then
    PASSED=$((PASSED + 1))
    say "   ok      $name"
  else
    FAILED=$((FAILED + 1))
    say "   FAILED  $name"
    tail_of "$log"
    return 1
  fi
}

# check_each LOG TITLE COMMAND... -- WORD... - one test for each word, "TITLE WORD", which is COMMAND with the
# word behind it: as many at a time as there are processors.
check_each() {
  local log=$1 title=$2 command=() word folder seconds status
  shift 2
  while [ "$1" != -- ]; do command+=("$1") && shift; done
  shift
  folder=$(mktemp -d)
  for word; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
    (
      start=$SECONDS status=0
      logged "$folder/$word.log" "${command[@]}" "$word" || status=$?
      echo "$((SECONDS - start)) $status" >"$folder/$word.end"
    ) &
  done
  wait
  for word; do
    cat "$folder/$word.log" >>"$log"
    read -r seconds status <"$folder/$word.end"
    took "$title $word" "$seconds"
    if [ "$status" = 0 ]; then
      PASSED=$((PASSED + 1))
      say "   ok      $title $word: $(tail -n 1 "$folder/$word.log")"
    else
      FAILED=$((FAILED + 1))
      say "   FAILED  $title $word"
      tail_of "$folder/$word.log"
    fi
  done
  rm -r "$folder"
}

# build_or_fail LOG PRESET ARGUMENT... - a build that fails is one failed test.
build_or_fail() {
  local start=$SECONDS
  say "building ($2; the log is $1$(usual_time "$STAGE/build-$2"))"
  if build "$@"; then
    say "   built in $((SECONDS - start)) s"
    took "build-$2" $((SECONDS - start))
    return
  fi
  FAILED=$((FAILED + 1))
  say "   FAILED  the build of $2"
  tail_of "$1"
  return 1
}

# run_tests LOG PRESET CTEST-ARGUMENT... - run and count. PREFIX: a command to run ctest under. SUITE: a
# word before the programs' names in the budget.
#
# Most tests keep a processor busy: as many of them run at once as there are processors, which CTest is
# told to give out. Tests with the label waits ask for none, and fill the rest.
PREFIX=()
SUITE=''
run_tests() {
  local log=$1 preset=$2 totals before name seconds
  before=$(wc -l <"$log")
  shift 2
  processors >build/processors.json
  ${PREFIX[@]:+"${PREFIX[@]}"} ctest --preset "$preset" -j $((3 * $(nproc))) \
    --resource-spec-file "$ROOT/build/processors.json" "$@" </dev/null 2>&1 |
    tee -a "$log" | grep -av --line-buffered '^ *Start \|^Test project\|^$' || true
  totals=$(sed -n 's/^.* tests passed, \([0-9]*\) tests\? failed out of \([0-9]*\)$/\1 \2/p' \
    <(tail -n "+$((before + 1))" "$log") | tail -n 1)
  if [ -z "$totals" ]; then
    FAILED=$((FAILED + 1))
    say "   FAILED  ctest ran no test"
    return 1
  fi
  FAILED=$((FAILED + ${totals% *}))
  PASSED=$((PASSED + ${totals#* } - ${totals% *}))
  while read -r name seconds; do
    took "$SUITE$name" "$seconds"
  done < <(tail -n "+$((before + 1))" "$log" |
    sed -n 's/^ *[0-9]*\/[0-9]* Test *#[0-9]*: \([^ ]*\) .* \([0-9.]*\) sec *$/\1 \2/p')
}

# processors - those of this machine, as CTest wants to be told.
processors() {
  local slots
  slots=$(seq -f '{"id": "%.0f"}' -s ', ' "$(nproc)")
  printf '{"version": {"major": 1, "minor": 0}, "local": [{"cpus": [%s]}]}\n' "$slots"
}

stage_functional() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" || return
  build_or_fail "$1" dev || return
  run_tests "$1" dev --label-exclude "$NOT_FUNCTIONAL"
}

# Half of these wait for a board, the other half for a processor.
stage_deploy() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" || return
  build_or_fail "$1" dev || return
  run_tests "$1" dev --label-regex "$NOT_FUNCTIONAL"
}

# This stage is also the one of the second compiler: what clang refuses or compiles otherwise than g++
# shows here, as does what the sanitizers see. It leaves out what brings nothing twice (asan_tests in
# deploy/cmake/tests.cmake), but looks at how clang words a wrong profile. The sanitizers end a program
# with 86, which no test expects of one.
stage_asan() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_CLANG[@]}" || return
  build_or_fail "$1" asan-ubsan asan_tests || return
  ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:exitcode=86 \
    UBSAN_OPTIONS=print_stacktrace=1:exitcode=86 \
    run_tests "$1" asan-ubsan --label-regex '^asan$'
  run_tests "$1" asan-ubsan --tests-regex '^(profile|pool)_errors_test$'
}

# The libraries are those of the stage asan, and the server's fuzzer is of the stage functional.
stage_fuzz() {
  local targets
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_CLANG[@]}" || return
  build_or_fail "$1" asan-ubsan roost_fuzz || return
  build_or_fail "$1" dev sql_server_fuzz mysql_server_fuzz || return
  mapfile -t targets < <("$ROOT/tests/fuzz/fuzz.sh" --list)
  check_each "$1" fuzz "$ROOT/tests/fuzz/fuzz.sh" "$FUZZ_SECONDS" -- "${targets[@]}"
}

# The sanitizers of both compilers see the same races, but not the same code: where threads do nothing
# but race, both look.
stage_tsan() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_CLANG[@]}" || return
  # The thread sanitizer of g++ 12 and clang 14 cannot place its shadow memory where the kernel
  # spreads addresses over more than 28 bits. Where a container forbids setarch, try without.
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    PREFIX=(setarch "$(uname -m)" -R)
  fi
  export TSAN_OPTIONS=second_deadlock_stack=1:exitcode=86
  if build_or_fail "$1" tsan threaded_tests; then
    run_tests "$1" tsan --label-regex '^threads$'
  fi
  if build_or_fail "$1" tsan-clang stress_tests; then
    SUITE=clang/
    run_tests "$1" tsan-clang --label-regex '^threads$' --tests-regex '^stress_'
    SUITE=''
  fi
  PREFIX=()
  unset TSAN_OPTIONS
}

stage_clang() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_CLANG[@]}" || return
  build_or_fail "$1" clang || return
  run_tests "$1" clang --label-exclude 'bench|stress'
}

# In a clone of what is committed, because the patches change it.
stage_refute() {
  local tree=$ROOT/build/refute counts
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" || return
  if [ -d "$tree/.git" ]; then
    logged "$1" git -C "$tree" fetch --quiet "$ROOT" HEAD && logged "$1" git -C "$tree" checkout --quiet --force FETCH_HEAD
  else
    logged "$1" git clone --quiet "$ROOT" "$tree"
  fi || return
  (cd "$tree" && logged "$1" cmake --preset dev) || return
  python3 -B "$tree/tests/refute/refute.py" "$tree" run "$tree/build/dev" 2>&1 | tee -a "$1" || true
  counts=$(sed -n 's/^\([0-9]*\) of \([0-9]*\) patches make their test fail$/\1 \2/p' "$1" | tail -n 1)
  [ -n "$counts" ] || return
  PASSED=$((PASSED + ${counts% *}))
  FAILED=$((FAILED + ${counts#* } - ${counts% *}))
}

stage_thread-safety() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_CLANG[@]}" || return
  build_or_fail "$1" thread-safety || return
  PASSED=$((PASSED + 1))
  say "   ok      clang finds no lock missing"
}

stage_models() {
  need_packages "$1" "${PACKAGES_MODEL[@]}" || return
  check_each "$1" model "$ROOT/tests/model/run.sh" -- quick mutants
}

stage_size() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" || return
  check "deploy/size.sh" "$1" "$ROOT/deploy/size.sh" || return
  sed -n '/^-- /,$p' "$1"
}

stage_lint() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_CLANG[@]}" "${PACKAGES_LINT[@]}" || return
  local sources scripts units examples
  mapfile -t sources < <(git ls-files '*.cc' '*.h')
  mapfile -t scripts < <(git ls-files '*.sh' .ci/run 'deploy/debian/p*' \
    'tests/deploy/session/*' ':!tests/deploy/session/systemctl')
  mapfile -t examples < <(git ls-files 'tests/examples/*.cc')
  mapfile -t units < <(git ls-files 'src/*.cc' 'platform/linux/*.cc' ':!src/tools/')
  [ ${#sources[@]} -gt 0 ] || return  # not a clone
  check "clang-format" "$1" clang-format --dry-run -Werror "${sources[@]}"
  check "shellcheck" "$1" shellcheck --external-sources "${scripts[@]}"
  [[ " $CONFIGURED " == *" thread-safety "* ]] || logged "$1" cmake --preset thread-safety
  # Of our examples with every warning of clang's; the rest is about other standards and the layout of files.
  check "the examples, by clang" "$1" \
    clang++ -std=c++20 -fsyntax-only -Weverything -Werror -Wno-c++98-compat -Wno-c++98-compat-pedantic \
    -Wno-c++20-compat -Wno-padded -Wno-weak-vtables -Wno-missing-prototypes -Wno-exit-time-destructors \
    -isystem include "${examples[@]}"
  check "the site: comments, pages, links" "$1" python3 -B deploy/docs/site.py build/site
  check "the site finds what is wrong" "$1" python3 -B deploy/docs/site_test.py
  check "the recipes" "$1" python3 -B deploy/recipes/recipes_test.py
  check "clang-tidy" "$1" python3 -B deploy/tidy.py build/thread-safety "${units[@]}"
}

# board_stage LOG PRESET ARCH - build for a board, test through QEMU, pack, compare the sizes.
board_stage() {
  local log=$1 preset=$2 arch=$3
  need_packages "$log" "${PACKAGES_BUILD[@]}" "${PACKAGES_CROSS[@]}" "${PACKAGES_PACKAGE[@]}" || return
  check "the sysroot" "$log" "$ROOT/deploy/sysroot.sh" --arch "$arch" || return
  build_or_fail "$log" "$preset" || return
  run_tests "$log" "$preset"
  # The tests are built and have run.
  check "deploy/cross.sh: release, packages, sizes" "$log" \
    "$ROOT/deploy/cross.sh" "$preset" --no-tests || return
  sed -n '/^== packages/,$p' "$log"
}

stage_rpi-64() { board_stage "$1" rpi-64 arm64; }
stage_rpi-32() { board_stage "$1" rpi-32 armhf; }

stage_outbox() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" || return
  build_or_fail "$1" dev forward_law_test outbox_conservation_test || return
  check "a node, a server, a link: 300 lives" "$1" \
    env ROOST_FORWARD_RUNS=300 build/dev/tests/tools/forward_law_test
  check "the same, simulated: 10,000 lives" "$1" \
    env ROOST_OUTBOX_SEEDS=10000 build/dev/tests/outbox/outbox_conservation_test
}

stage_day() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" || return
  build_or_fail "$1" dev roost-node roostctl || return
  if python3 -B tests/outbox/day.py build/dev 2>&1 | tee -a "$1"; then
    PASSED=$((PASSED + 1))
  else
    FAILED=$((FAILED + 1))
  fi
}

stage_galera() {
  need_packages "$1" "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" galera-4 || return
  build_or_fail "$1" dev mysql_galera_test || return
  check "a cluster of MariaDB" "$1" build/dev/tests/mysql/mysql_galera_test
}

# It tells its own story, and counts in its last lines.
stage_board() {
  local totals
  "$ROOT/tests/board/run.sh" </dev/null 2>&1 | tee -a "$1" || true
  totals=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, .*/\1 \2/p' "$1" | tail -n 1)
  [ -n "$totals" ] || return
  PASSED=$((PASSED + ${totals% *}))
  FAILED=$((FAILED + ${totals#* }))
}

# time_table - rows of TIMES beside the budget: name, budget, seconds; the longest first.
time_table() {
  awk 'FNR == NR { if (!/^#/ && NF) budget[$1] = $2; next }
       { took[$1] += $2 }
       END { for (name in took)
               printf "%s %s %.1f\n", name, (name in budget ? budget[name] : 1), took[name] }' \
    "$BUDGET" "$TIMES" | sort -k 3,3nr -k 1,1
}

# show_times LOG - what took longer than its budget, and the ten longest; all of it into LOG.
show_times() {
  {
    printf '%-44s %14s %14s\n' name 'budget seconds' 'seconds here'
    time_table | awk '{ printf "%-44s %14s %14s%s\n", $1, $2, $3, ($3 > $2 ? "  over" : "") }'
  } >>"$1.times"
  say "-- time:" >>"$1"
  tee -a "$1" <"$1.times" | awk 'NR <= 11 || /  over$/'
  rm "$1.times"
}

# write_budget - the times of the stage that has run, with half as much again; others stay as they are.
write_budget() {
  {
    sed -n '/^#/p' "$BUDGET"
    {
      awk -v stage="$STAGE" '!/^#/ && NF && $1 != stage && index($1, stage "/") != 1' "$BUDGET"
      time_table | awk '$3 >= 1 { printf "%-44s %6d %8.0f\n", $1, int($3 * 1.5) + 1, $3 }'
    } | LC_ALL=C sort -k 1,1
  } >"$BUDGET.new"
  mv "$BUDGET.new" "$BUDGET"
  say "   written: $BUDGET"
}

run_stage() {
  local stage=$1 log=$ROOT/build/test-$1.log passed=$PASSED failed=$FAILED start=$SECONDS outcome
  STAGE=$stage
  : >"$TIMES"
  step "stage $stage$(usual_time "$stage")"
  : >"$log"
  # A stage that stops early without a failed test, for want of a package, has failed all the same.
  if ! "stage_$stage" "$log" && [ "$FAILED" = "$failed" ]; then
    FAILED=$((FAILED + 1))
    say "   FAILED  stage $stage could not run"
  fi
  printf '%s %s\n' "$stage" $((SECONDS - start)) >>"$TIMES"
  show_times "$log"
  if [ -n "$WRITE_BUDGET" ] && [ "$FAILED" = "$failed" ]; then write_budget; fi
  outcome="$stage: $((PASSED - passed)) passed, $((FAILED - failed)) failed, $((SECONDS - start)) s"
  SUMMARY+=("$outcome")
  step "$outcome"
}

main() {
  local stages=() stage
  while [ $# -gt 0 ]; do
    case $1 in
      --all) stages=("${ALL_STAGES[@]}") ;;
      --board) stages+=(board) ;;
      --write-budget) WRITE_BUDGET=1 ;;
      --fuzz-seconds)
        [[ ${2-} =~ ^[1-9][0-9]{0,5}$ ]] || die "--fuzz-seconds takes a number of seconds"
        FUZZ_SECONDS=$2 && shift
        ;;
      --stage)
        [[ " ${ALL_STAGES[*]} ${MORE_STAGES[*]} " == *" ${2-} "* ]] ||
          die "no stage \"${2-}\"; the stages are: ${ALL_STAGES[*]} ${MORE_STAGES[*]}"
        stages+=("$2") && shift
        ;;
      -h | --help) usage && exit ;;
      *) die "unknown argument: $1 (see --help)" ;;
    esac
    shift
  done
  [ ${#stages[@]} -gt 0 ] || stages=(functional)
  cd "$ROOT"
  mkdir -p build
  TIMES=$(mktemp)
  trap 'rm -f "$TIMES"' EXIT
  for stage in "${stages[@]}"; do
    run_stage "$stage"
  done
  step "summary"
  printf '%s\n' "${SUMMARY[@]}"
  say "$PASSED passed, $FAILED failed"
  [ "$FAILED" = 0 ] && [ "$PASSED" -gt 0 ]
}
main "$@"
