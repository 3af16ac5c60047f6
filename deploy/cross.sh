#!/usr/bin/env bash
# cross.sh - build roostpool for a Raspberry Pi on this machine.
#
# Installs what is missing (Debian packages, as root or through sudo), makes the sysroot once, builds
# the release, runs its tests through QEMU, packs it, and compares its sizes with the budget.
#
# Usage: ./deploy/cross.sh rpi-64|rpi-32 [OPTION...]
#   rpi-64            64-bit system: Zero 2 W, 3, 4, 5
#   rpi-32            32-bit system (ARMv7): 2, Zero 2 W, 3, 4
#   --board BOARD     build for one board of platform/boards alone, such as rpi_4 (default: for all)
#   --clang           build with clang++
#   --no-tests        neither build the tests nor run them
#   --release N       Debian's part of the packages' version, for another build of the same commit (1)
#   --maintainer WHO  who answers for the packages: "NAME <ADDRESS>"
#
# The version is that of version.sh: another one for each commit. Times in the packages are those of
# the commit.
#
# Leaves, for deploy/push.sh, in build/TARGET/release/:
#   bin/roost-node bin/roostctl   stripped
#   systemd/                      unit, configuration, system user
#   VERSION                       version, commit and its time, architecture, board, compiler
# and for apt, in build/packages/: libroostpool-dev, libroostpool0.1, roostpool-node, and SHA256SUMS.
# With --board or --clang, TARGET is rpi-64-rpi_4, rpi-64-clang and the like; sizes are compared for a
# build with neither.

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

TARGET='' BOARD='' COMPILER=gnu TESTS=ON PACKAGE_RELEASE=1 MAINTAINER='' VERSION=''

# value OPTION VALUE WHAT - VALUE, if there is one.
value() {
  [ -n "$2" ] || die "$1 needs $3"
  say "$2"
}

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      rpi-64 | rpi-32) TARGET=$1 ;;
      --board) BOARD=$(value "$1" "${2-}" "a name, such as rpi_4") || exit; shift ;;
      --release) PACKAGE_RELEASE=$(value "$1" "${2-}" "a number") || exit; shift ;;
      --maintainer) MAINTAINER=$(value "$1" "${2-}" "NAME <ADDRESS>") || exit; shift ;;
      --clang) COMPILER=clang ;;
      --no-tests) TESTS=OFF ;;
      -h | --help) usage && exit ;;
      *) die "unknown argument: $1 (see --help)" ;;
    esac
    shift
  done
  [ -n "$TARGET" ] || die "for which target: rpi-64 or rpi-32? (see --help)"
}

# check_arguments - before anything is installed or built.
check_arguments() {
  local boards
  boards=$(cd "$ROOT/platform/boards" && printf '%s\n' rpi_*.h | sed 's/\.h$//')
  [ -z "$BOARD" ] || grep -qxF -- "$BOARD" <<<"$boards" ||
    die "there is no board $BOARD; there are: ${boards//$'\n'/ }"
  [[ $PACKAGE_RELEASE =~ ^[0-9]+[0-9A-Za-z.~]*$ ]] || die "--release $PACKAGE_RELEASE: it begins with a number"
  [ -z "$MAINTAINER" ] || [[ $MAINTAINER =~ ^[^\<\>]+\ \<[^\<\>\ ]+@[^\<\>\ ]+\>$ ]] ||
    die "--maintainer $MAINTAINER: it is NAME <ADDRESS>"
  VERSION=$("$ROOT/deploy/version.sh") || exit
  SOURCE_DATE_EPOCH=$(sed -n 's/^epoch //p' <<<"$VERSION")
  export SOURCE_DATE_EPOCH
}

# release BUILD ARCH TRIPLET - what goes onto the board, in BUILD/release.
release() {
  local build=$1 arch=$2 triplet=$3 new=$1/release.new program
  rm -rf "$new"
  mkdir -p "$new/bin"
  for program in roost-node roostctl; do
    "$triplet-strip" -o "$new/bin/$program" "$(find "$build/src/tools" -name "$program" -type f)"
  done
  install -D -m 644 -t "$new/systemd" deploy/systemd/roost*
  printf '%s\narchitecture %s\nboard %s\ncompiler %s\n' "$VERSION" "$arch" "${BOARD:-all}" "$COMPILER" \
    >"$new/VERSION"
  rm -rf "$build/release"
  mv -T "$new" "$build/release"
  find "$build/release" -type f -printf '%p  %s bytes\n'
}

# board_of PACKAGE - the end of its version, which names the board that it is for alone.
board_of() {
  local revision=${1%_*}
  revision=${revision##*-}
  say "${revision#"${revision%%+*}"}"
}

# packages BUILD LOG - the packages of BUILD, into build/packages, instead of those of an earlier version
# for the same boards.
packages() {
  local build=$1 log=$2 out=$ROOT/build/packages package old name
  rm -rf "$build/cpack"
  (umask 022 && cd "$build" && logged "$log" cpack --config CPackConfig.cmake -B "$build/cpack") ||
    { tail_of "$log"; die "the packages were not built"; }
  mkdir -p "$out"
  for package in "$build"/cpack/*.deb; do
    name=$(basename "$package")
    for old in "$out/${name%%_*}"_*"_${name##*_}"; do
      [ "$(board_of "$old")" != "$(board_of "$name")" ] || rm -f "$old"
    done
    mv "$package" "$out/"
    package=$out/$(basename "$package")
    say "$package  $(stat -c %s "$package") bytes"
    say "   Depends: $(dpkg-deb --field "$package" Depends)"
  done
  (cd "$out" && sha256sum -- *.deb >SHA256SUMS)
}

main() {
  local log arch triplet compiler name build options=()
  parse "$@"
  check_arguments
  case $TARGET in
    rpi-64) arch=arm64 triplet=aarch64-linux-gnu compiler=g++-aarch64-linux-gnu ;;
    rpi-32) arch=armhf triplet=arm-linux-gnueabihf compiler=g++-arm-linux-gnueabihf ;;
  esac
  name=$TARGET${BOARD:+-$BOARD}
  [ "$COMPILER" = gnu ] || name+=-clang
  build=$ROOT/build/$name
  log=$ROOT/build/cross-$name.log
  mkdir -p "$ROOT/build"
  : >"$log"
  cd "$ROOT"

  step "what this machine needs"
  need_packages "$log" "${PACKAGES_BUILD[@]}" dpkg-dev mmdebstrap qemu-user-static \
    "$compiler" || exit 1
  [ "$COMPILER" = gnu ] || need_packages "$log" "${PACKAGES_CLANG[@]}" || exit 1
  [ "$TESTS" = OFF ] || need_packages "$log" python3 lintian make pkgconf mariadb-server openssl || exit 1

  step "sysroot"
  ./deploy/sysroot.sh --arch "$arch"

  step "build (the log is $log)"
  options=(-B "$build" -DROOST_COMPILER="$COMPILER" -DROOST_BUILD_TESTS="$TESTS"
    -DROOST_PACKAGE_RELEASE="$PACKAGE_RELEASE")
  if [ -n "$MAINTAINER" ]; then
    options+=(-DROOST_PACKAGE_MAINTAINER="$MAINTAINER")
  else
    options+=(-UROOST_PACKAGE_MAINTAINER)  # that of an earlier call
  fi
  [ -z "$BOARD" ] || options+=(-DROOST_BOARD="$BOARD")
  use_ccache
  if ! logged "$log" cmake --preset "$TARGET" "${options[@]}" ||
    ! with_progress "$log" cmake --build "$build" -j "$(jobs_here)"; then
    tail_of "$log"
    die "the build failed"
  fi

  if [ "$TESTS" = ON ]; then
    step "tests, through QEMU"
    ctest --test-dir "$build" -j "$(nproc)" --output-on-failure </dev/null ||
      die "tests failed; one of them: ctest --test-dir $build -R NAME --output-on-failure"
  fi

  step "release"
  release "$build" "$arch" "$triplet"

  step "packages"
  packages "$build" "$log"

  [ "$name" = "$TARGET" ] || return 0
  step "sizes"
  ./deploy/size.sh "$TARGET"
}
main "$@"
