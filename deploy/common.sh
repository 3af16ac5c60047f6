# shellcheck shell=bash
# common.sh - what the scripts of this folder share. Sourced, never run.

# shellcheck disable=SC2034  # the variables are for those who source this

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Packages of Debian 12, by what they are for.
PACKAGES_BUILD=(g++ cmake ninja-build libabsl-dev libsqlite3-dev libpq-dev libcli11-dev nlohmann-json3-dev)
PACKAGES_RUN=(sqlite3)
PACKAGES_TEST=(libgtest-dev libgmock-dev libbenchmark-dev python3 sqlite3 systemd libpq-dev postgresql-15
  pgbouncer openssl iproute2 nftables openssh-client python3-asyncssh)
PACKAGES_CLANG=(clang)
PACKAGES_MODEL=(spin gcc libc6-dev)
PACKAGES_LINT=(clang-tidy clang-format shellcheck git)
PACKAGES_PACKAGE=(dpkg-dev lintian python3)
PACKAGES_BENCH=(libbenchmark-dev libgtest-dev libgmock-dev python3 valgrind strace qemu-user-static
  g++-aarch64-linux-gnu)
PACKAGES_CROSS=(mmdebstrap g++-aarch64-linux-gnu g++-arm-linux-gnueabihf qemu-user-static)
PACKAGES_BOARD=(mmdebstrap qemu-user-static arch-test kmod cpio e2fsprogs openssh-client
  qemu-system-arm qemu-utils python3)

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# usage - the comment that the calling script begins with.
usage() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# as_root COMMAND... - run it as root: directly, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -- "$@"
  else
    say "needs root for: $* (run this as root, or install sudo)" >&2
    return 1
  fi
}

# need_packages LOG PACKAGE... - install those that are missing. Touches no network when none is.
need_packages() {
  local log=$1 package missing=()
  shift
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then
    say "all packages are installed"
    return
  fi
  if ! command -v apt-get >/dev/null; then
    say "please install: ${missing[*]}"
    return 1
  fi
  say "installing: ${missing[*]}"
  # An update may fail where a mirror is away and the packages are in the cache: the install tells.
  logged "$log" as_root apt-get update -q || say "apt-get update failed; trying with the old lists"
  logged "$log" as_root "$ROOT/deploy/install.sh" "${missing[@]}" ||
    { tail_of "$log"; say "could not install: ${missing[*]}"; return 1; }
}

# logged LOG COMMAND... - run it with its output at the end of LOG.
logged() {
  local log=$1
  shift
  printf '+ %s\n' "$*" >>"$log"
  "$@" >>"$log" 2>&1 </dev/null
}

# tail_of LOG - the last lines, where somebody will look.
tail_of() {
  say "-- the last lines of $1:" >&2
  tail -n 40 "$1" >&2
}

# with_progress LOG COMMAND... - as logged, with the last "[12/340]" of LOG shown from time to time.
with_progress() {
  local log=$1 pid status=0 waited=0 last
  logged "$@" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    waited=$((waited + 1))
    if [ $((waited % 20)) = 0 ]; then
      last=$(grep -ao '^\[[0-9]*/[0-9]*\]' "$log" | tail -n 1) || last=
      say "   ... $last after $waited s"
    fi
  done
  wait "$pid" || status=$?
  return "$status"
}

# jobs - how many compilers at once: a core each, but no more than memory allows (1 GB each).
jobs_here() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  say $((cores < memory ? cores : memory))
}

# use_ccache - if it is here. Without the sloppiness it compiles anew what takes a precompiled header.
use_ccache() {
  command -v ccache >/dev/null || return 0
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_SLOPPINESS=pch_defines,time_macros
}

# build LOG PRESET TARGET... -- CMAKE-ARGUMENT... - configure and build in build/PRESET.
build() {
  local log=$1 preset=$2 targets=() jobs
  shift 2
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    targets+=("$1")
    shift
  done
  [ $# = 0 ] || shift
  jobs=$(jobs_here)
  use_ccache
  logged "$log" cmake --preset "$preset" "$@" || return
  with_progress "$log" cmake --build --preset "$preset" -j "$jobs" \
    ${targets[@]:+--target "${targets[@]}"}
}

# EMULATED: what ctest runs through QEMU. Not what starts programs, takes long or measures time: a
# GoogleTest program with one of these labels is not even built there (ROOST_NOT_EMULATED).
EMULATED=(--label-exclude 'host|bench|stress|exhaustive|exec')
