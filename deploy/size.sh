#!/usr/bin/env bash
# size.sh - how many bytes a node pays, and whether that is within the budget.
#
# Prints the sections of each library and program (code and constants: text; data; zeroed data: bss),
# the size of each program's file without symbols, the depth that its stack reached, and the bytes of
# PoolFor<P> for every profile. Compares with deploy/size-budget.txt; a figure over its limit fails. So
# does a shared library that a program names and uses no symbol of.
#
# The stacks' figures are measured (deploy/stack_water.c), through QEMU for a board: the high-water mark
# of the main thread (stack) and of the deepest other one (thread), and how many there were at once
# (threads), while roost-node stores the readings of 3 s, without a remote database and with one whose
# name is looked up and that refuses, and while roostctl answers `size`. They hold for these runs and
# are no bound.
#
# Usage: ./deploy/size.sh [host|rpi-64|rpi-32] [--update]
#   host      this machine, built for the least flash (-Os, unused code dropped): the default
#   rpi-64, rpi-32   what ./deploy/cross.sh has built
#   --update  write the limits anew: what was measured and 5 % (pools, threads and shared libraries:
#             exactly that)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

BUDGET=$ROOT/deploy/size-budget.txt
TOOLS=(roost-node roostctl)

# cached BUILD NAME - a variable of BUILD's CMake cache.
cached() { sed -n "s/^$2:[A-Z]*=//p" "$1/CMakeCache.txt"; }

# sections SIZE FILE NAME - "NAME.text N" and so on.
sections() {
  "$1" --totals "$2" | awk -v name="$3" \
    '/TOTALS/ { printf "%s.text %d\n%s.data %d\n%s.bss %d\n", name, $1, name, $2, name, $3 }'
}

# prepare BUILD - RUN: how to run a program of BUILD here; PRELOAD: the same, looking at its stack.
prepare() {
  local build=$1 emulator water
  emulator=$(cached "$build" ROOST_EMULATOR)
  water=$build/deploy/libstack_water.so
  RUN=(env) PRELOAD=(env LD_PRELOAD="$water" STACK_WATER="$SCRATCH/water")
  if [ -n "$emulator" ]; then
    RUN=("$emulator" -L "$(cached "$build" ROOST_SYSROOT)")
    PRELOAD=("${RUN[@]}" -E LD_PRELOAD="$water" -E STACK_WATER="$SCRATCH/water")
  fi
}

# stack NAME PROGRAM ARGUMENT... - "NAME.stack N", "NAME.threads N", and where there was more than one
# "NAME.thread N".
stack() {
  local name=$1
  shift
  "${PRELOAD[@]}" "$@" >/dev/null 2>"$SCRATCH/errors" </dev/null ||
    { cat "$SCRATCH/errors" >&2; die "$name did not run"; }
  awk -v name="$name" '
    $1 == "main" { print name ".stack " $2 }
    $1 == "thread" && $2 > 0 || $1 == "threads" { print name "." $1 " " $2 }' "$SCRATCH/water"
}

# needed PROGRAM - the shared libraries that it names.
needed() { readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# symbols DEFINED|UND FILE - names of its dynamic symbols.
symbols() {
  readelf --dyn-syms -W "$2" | awk -v want="$1" '
    $1 ~ /^[0-9]+:$/ && $8 != "" && ($7 == "UND") == (want == "UND") { sub(/@.*/, "", $8); print $8 }' | sort -u
}

# unneeded SYSROOT PROGRAM - those of its libraries that it uses no symbol of.
unneeded() {
  local sysroot=$1 program=$2 library file
  for library in $(needed "$program"); do
    [[ $library != ld-linux* ]] || continue
    file=$(find "$sysroot/usr/lib" "$sysroot/lib/" -maxdepth 2 -name "$library" 2>/dev/null | head -n 1)
    [ -n "$file" ] || die "$program needs $library, which is not in ${sysroot:-this system}"
    [ -n "$(comm -12 <(symbols UND "$program") <(symbols DEFINED "$file"))" ] || say "$library"
  done
}

# libraries BUILD - prints what each program needs; fails when it uses nothing of one.
libraries() {
  local build=$1 program path idle bad=0 sysroot=''
  [ -z "$(cached "$build" ROOST_EMULATOR)" ] || sysroot=$(cached "$build" ROOST_SYSROOT)
  for program in "${TOOLS[@]}"; do
    path=$build/src/tools/$program/$program
    say "$program needs $(needed "$path" | tr '\n' ' ')"
    idle=$(unneeded "$sysroot" "$path")
    [ -z "$idle" ] || { say "NOT NEEDED $program uses nothing of ${idle//$'\n'/ }"; bad=1; }
  done
  return "$bad"
}

# figures BUILD - every figure, one a line: NAME BYTES.
figures() {
  local build=$1 strip size library program path
  strip=$(cached "$build" CMAKE_STRIP)
  size=${strip%strip}size
  for library in "$build"/src/*/libroost_*.a "$build"/src/backends/*/libroost_*.a \
    "$build"/platform/libroost_platform.a; do
    # Parts of the tools are in the figures of the tools.
    [ ! -e "$library" ] || [[ $library == */src/tools/* ]] || sections "$size" "$library" "$(basename "$library" .a)"
  done
  for program in "${TOOLS[@]}"; do
    path=$build/src/tools/$program/$program
    "$strip" -o "$SCRATCH/program" "$path"
    sections "$size" "$path" "$program"
    printf '%s.libraries %d\n' "$program" "$(needed "$path" | wc -l)"
    printf '%s.file %d\n' "$program" "$(stat -c %s "$SCRATCH/program")"
  done
  stack roost-node "$build/src/tools/roost-node/roost-node" --db "$SCRATCH/node.db" --for 3s --every 100ms
  stack roost-node+remote "$build/src/tools/roost-node/roost-node" --db "$SCRATCH/remote.db" --for 3s \
    --every 100ms --remote postgresql://node@localhost:1/nobody
  stack roostctl "$build/src/tools/roostctl/roostctl" size --requests 100 --query 50ms --wait 100ms
  "${RUN[@]}" "$build/src/tools/roostctl/roostctl" profiles |
    awk 'NR > 1 && NF == 0 { exit } NR > 1 {
      print "PoolFor<" $1 ">.bytes " $(NF - 1)
      print "SqliteMemoryFor<" $1 ">.bytes " $NF
    }'
}

# table - the figures on standard input as rows of what they belong to.
table() {
  awk '
    { dot = match($1, /\.[a-z]*$/); name = substr($1, 1, dot - 1); figure[name, substr($1, dot + 1)] = $2 }
    !(name in seen) { seen[name] = 1; names[++count] = name }
    function cell(name, kind) { return (name, kind) in figure ? figure[name, kind] : "-" }
    END {
      form = "%-30s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n"
      printf form, "bytes", "text", "data", "bss", "file", "stack", "thread", "threads", "shared", "object"
      for (i = 1; i <= count; ++i) {
        name = names[i]
        printf form, name, cell(name, "text"), cell(name, "data"), cell(name, "bss"),
          cell(name, "file"), cell(name, "stack"), cell(name, "thread"), cell(name, "threads"),
          cell(name, "libraries"), cell(name, "bytes")
      }
    }'
}

# limits TARGET - lines of the budget for the figures on standard input.
limits() {
  awk -v target="$1" '
    { limit = $1 ~ /\.(bytes|threads|libraries)$/ ? $2 : int(($2 * 1.05 + 1023) / 1024) * 1024
      printf "%-7s %-42s %8d\n", target, $1, limit }'
}

# compare TARGET - each figure on standard input against its limit; fails when one is over, has none,
# or when a limit has no figure.
compare() {
  awk -v target="$1" '
    NR == FNR { if ($1 == target) limit[$2] = $3; next }
    !($1 in limit) { printf "NO LIMIT  %s is %d\n", $1, $2; bad = 1; next }
    $2 > limit[$1] { printf "OVER      %s is %d, the limit is %d (%.1f %% over)\n",
                     $1, $2, limit[$1], 100 * ($2 - limit[$1]) / limit[$1]; bad = 1 }
    { delete limit[$1] }
    END { for (name in limit) { printf "NO FIGURE %s has a limit and was not measured\n", name; bad = 1 }
          exit bad }' "$BUDGET" -
}

update() {
  { grep -v "^$1 " "$BUDGET"; limits "$1"; } >"$SCRATCH/budget"
  cat "$SCRATCH/budget" >"$BUDGET"
  say "wrote the limits of $1 into $BUDGET"
}

main() {
  local log target=host build update=''
  while [ $# -gt 0 ]; do
    case $1 in
      host | rpi-64 | rpi-32) target=$1 ;;
      --update) update=1 ;;
      -h | --help) usage && exit ;;
      *) die "unknown argument: $1 (see --help)" ;;
    esac
    shift
  done
  log=$ROOT/build/size-$target.log build=$ROOT/build/$target
  mkdir -p "$ROOT/build"
  : >"$log"
  cd "$ROOT"
  if [ "$target" = host ]; then
    build=$ROOT/build/size
    need_packages "$log" "${PACKAGES_BUILD[@]}" || exit 1
    build "$log" size all stack_water || { tail_of "$log"; die "the build failed"; }
  else
    [ -e "$build/CMakeCache.txt" ] || die "nothing is built in $build: run ./deploy/cross.sh $target first"
    with_progress "$log" cmake --build "$build" --target "${TOOLS[@]}" stack_water ||
      { tail_of "$log"; die "the build failed"; }
  fi
  SCRATCH=$(mktemp -d)
  trap 'rm -rf "$SCRATCH"' EXIT
  prepare "$build"
  figures "$build" >"$SCRATCH/figures"

  say "-- sizes of $target, in bytes"
  table <"$SCRATCH/figures"
  libraries "$build" || die "a library that nothing uses costs memory and start-up time"
  if [ -n "$update" ]; then
    update "$target" <"$SCRATCH/figures"
  elif ! compare "$target" <"$SCRATCH/figures"; then
    say "Make it smaller. Where the growth is meant: ./deploy/size.sh $target --update, and say in the"
    say "commit what the bytes are for."
    die "sizes of $target are not within $BUDGET"
  else
    say "all within deploy/size-budget.txt"
  fi
}
main "$@"
