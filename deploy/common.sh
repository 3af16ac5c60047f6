# shellcheck shell=bash
# common.sh - what the scripts of this folder share. Sourced, never run.

# shellcheck disable=SC2034  # the variables are for those who source this

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Packages of Debian 12, by what they are for.
PACKAGES_BUILD=(g++ cmake ninja-build libabsl-dev libsqlite3-dev libpq-dev libmariadb-dev libcli11-dev nlohmann-json3-dev
  libncurses-dev)
PACKAGES_RUN=(sqlite3)
PACKAGES_TEST=(libgtest-dev libgmock-dev libbenchmark-dev python3 sqlite3 systemd libpq-dev postgresql-15 mariadb-server
  pgbouncer openssl iproute2 nftables openssh-client python3-asyncssh python3-prometheus-client python3-pyte prometheus prometheus-node-exporter python3-jsonschema make meson pkgconf zlib1g-dev mandoc man-db zsh fish)
PACKAGES_CLANG=(clang)
PACKAGES_MODEL=(spin gcc libc6-dev)
PACKAGES_LINT=(clang-tidy clang-format shellcheck git doxygen mkdocs-material reprepro gpg
  gpg-agent)
PACKAGES_PACKAGE=(dpkg-dev lintian python3)
PACKAGES_BENCH=(libbenchmark-dev libgtest-dev libgmock-dev python3 valgrind strace qemu-user-static
  g++-aarch64-linux-gnu postgresql-15)
PACKAGES_CROSS=(mmdebstrap g++-aarch64-linux-gnu g++-arm-linux-gnueabihf qemu-user-static mariadb-server openssl)
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

# with_progress LOG COMMAND... - as logged, and from time to time how far it is by the last "[12/340]" of
# LOG, and how long the rest takes if it goes on so.
with_progress() {
  local log=$1 pid status=0 start=$SECONDS shown=0 waited before
  before=$(wc -l <"$log")
  logged "$@" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    waited=$((SECONDS - start))
    if [ $((waited / 20)) -gt "$shown" ]; then
      shown=$((waited / 20))
      say "   ... $(progress "$log" "$before" "$waited")"
    fi
  done
  wait "$pid" || status=$?
  return "$status"
}

# progress LOG LINE SECONDS - "12 of 340 after 20 s, some 9 min left", by what LOG has behind LINE.
progress() {
  tail -n "+$(($2 + 1))" "$1" | grep -ao '^\[[0-9]*/[0-9]*\]' | awk -F '[][/]' -v waited="$3" '
    { done = $2; all = $3 }
    END {
      if (!all) { print waited " s"; exit }
      left = waited * (all - done) / done
      estimate = left < 90 ? int(left + 0.5) " s" : int(left / 60 + 0.5) " min"
      print done " of " all " after " waited " s" (done * 20 < all ? "" : ", some " estimate " left")
    }'
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

CONFIGURED=''  # presets that build() has configured
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
  CONFIGURED+=" $preset"
  with_progress "$log" cmake --build --preset "$preset" -j "$jobs" \
    ${targets[@]:+--target "${targets[@]}"}
}
