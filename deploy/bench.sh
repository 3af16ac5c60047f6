#!/usr/bin/env bash
# bench.sh - measure the pool beside others, compare with the project's bars, write a report.
#
# Installs what is missing (Debian packages, as root or through sudo), builds the release with the
# benchmarks, and runs all of them in under ten minutes. Prints one table of ratios. Times are only
# worth as much as the machine is quiet: runs that others disturbed are thrown away and counted.
#
# Usage: ./deploy/bench.sh               everything that is installed; installs peers in C++ and Python
#        ./deploy/bench.sh --languages   also installs Java with HikariCP and Go (700 MB)
#        ./deploy/bench.sh --quick       a moment of everything: its times mean nothing
#        ./deploy/bench.sh --aarch64     only the instructions of the core on a Pi, through QEMU
#        ./deploy/bench.sh --no-install  with what is here
#
# Leaves build/bench/report.html (one file, needs no network) and build/bench/report.json.

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

LOG=$ROOT/build/bench.log
OUT=$ROOT/build/bench
# Without one of these its rows say so.
PEERS=(libzdb-dev libsoci-dev libsoci-sqlite3-4.0 libsoci-postgresql4.0 libpqxx-dev libboost-dev
  libpoco-dev libcppdb-dev libcppdb-sqlite3-0 python3-sqlalchemy)
LANGUAGE_PEERS=(default-jdk-headless libhikaricp-java libxerial-sqlite-jdbc-java libslf4j-java
  libpostgresql-jdbc-java golang-go golang-github-mattn-go-sqlite3-dev golang-github-jackc-pgx-v4-dev
  python3-psycopg2)
QUICK='' LANGUAGES='' ONLY_AARCH64='' INSTALL=1

parse() {
  local argument
  for argument in "$@"; do
    case $argument in
      -h | --help) usage && exit ;;
      --quick) QUICK=1 ;;
      --languages) LANGUAGES=1 ;;
      --aarch64) ONLY_AARCH64=1 ;;
      --no-install) INSTALL='' ;;
      *) die "unknown argument: $argument (see --help)" ;;
    esac
  done
}

# install_all - without the build's packages nothing goes; peers are had as far as they can be.
install_all() {
  local package peers=("${PEERS[@]}")
  [ -z "$LANGUAGES" ] || peers+=("${LANGUAGE_PEERS[@]}")
  need_packages "$LOG" "${PACKAGES_BUILD[@]}" "${PACKAGES_BENCH[@]}" || exit 1
  need_packages "$LOG" "${peers[@]}" && return
  say "not all peers can be had here; trying one by one"
  for package in "${peers[@]}"; do
    need_packages "$LOG" "$package" || true
  done
}

# executed PROGRAM KIND N - instructions that QEMU executes for N cycles. One a line in its log.
executed() {
  qemu-aarch64-static -singlestep -d nochain,exec -D "$SCRATCH/trace" "$1" "$2" "$3"
  grep -c '^Trace' "$SCRATCH/trace"
}

# core_instructions CPU FLAG... - per cycle: floor, idle stack (2 + 1).
core_instructions() {
  local cpu=$1 program kind short long
  shift
  program=$SCRATCH/core-$cpu
  logged "$LOG" aarch64-linux-gnu-g++ -std=c++20 -O2 -DNDEBUG -static -fno-exceptions -fno-rtti \
    "-mcpu=$cpu" "$@" -I"$ROOT" -I"$ROOT/include" -o "$program" "$ROOT/tests/bench/core_count.cc" ||
    { tail_of "$LOG"; die "core_count does not compile for $cpu"; }
  for kind in floor core; do
    short=$(executed "$program" "$kind" 100)
    long=$(executed "$program" "$kind" 1100)
    printf '%s %s %s\n' "$cpu" "$kind" $(((long - short) / 1000))
  done
}

# count_aarch64 - one instruction per translated block, so that blocks executed are instructions.
count_aarch64() {
  if ! command -v qemu-aarch64-static >/dev/null || ! command -v aarch64-linux-gnu-g++ >/dev/null; then
    say "no cross-compiler or QEMU here: aarch64 is left out"
    return
  fi
  {
    core_instructions cortex-a76
    core_instructions cortex-a72 -mno-outline-atomics
  } | tee "$SCRATCH/counts"
  awk '{ printf "%s\"%s.%s\": %d", (NR > 1 ? ", " : "{"), $1, $2, $3 } END { print "}" }' \
    "$SCRATCH/counts" >"$OUT/aarch64.json"
}

# build_all - as for a board: Abseil from its archives, unused code dropped. A newer compiler's new
# warning is no reason not to measure.
build_all() {
  logged "$LOG" cmake -S "$ROOT" -B "$OUT" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG -ffunction-sections -fdata-sections" \
    -DCMAKE_EXE_LINKER_FLAGS=-Wl,--gc-sections -DROOST_STATIC_ABSL=ON -DROOST_WERROR=OFF \
    -DROOST_INSTALL=OFF -DROOST_BUILD_TOOLS=ON -DROOST_PROFILE=raspberry_pi || return
  with_progress "$LOG" cmake --build "$OUT" -j "$(jobs_here)" --target bench_programs roost-node first_row \
    sync_clock
}

main() {
  parse "$@"
  mkdir -p "$OUT"
  : >"$LOG"
  SCRATCH=$(mktemp -d)
  trap 'rm -rf "$SCRATCH"' EXIT

  step "1 of 4: packages"
  if [ -n "$INSTALL" ]; then install_all; fi
  step "2 of 4: instructions of the core for aarch64: Pi 5 (A76), Pi 4 (A72, no LSE)"
  count_aarch64
  [ -z "$ONLY_AARCH64" ] || exit 0

  step "3 of 4: build (the log is $LOG)"
  build_all || { tail_of "$LOG"; die "the build failed"; }

  step "4 of 4: measure; load now: $(cut -d ' ' -f 1-3 /proc/loadavg)"
  python3 -B "$ROOT/tests/bench/bench.py" "$OUT/tests/bench" "$OUT" ${QUICK:+--quick} \
    --aarch64 "$OUT/aarch64.json"
  say "the start of roost-node, and SIGPWR:"
  python3 -B "$ROOT/tests/bench/node_start.py" "$OUT" ${QUICK:+--starts 2}
  say "the report: $OUT/report.html and $OUT/report.json"
}
main "$@"
