#!/usr/bin/env bash
# version.sh - which build this is: the same for the same sources, another one for others.
#
# Usage: ./deploy/version.sh             three lines, as cmake and cross.sh read them:
#          version 0.1.0+15.g0123456789ab   the newest tag vX.Y.Z, the commits since, which one it is
#          commit 0123456789ab...
#          epoch 1764446432                 when that was, for SOURCE_DATE_EPOCH
#        ./deploy/version.sh >VERSION    for sources that leave git, as in an archive: read from there
#
# Without a tag the version is that of CMakeLists.txt, with all commits; for apt the first tag then has to
# be a higher one. Files that differ from the commit add "dirty" and a hash of the difference. A
# SOURCE_DATE_EPOCH of the environment counts more.
# Without git and without a file VERSION there is no answer but a sentence, and exit code 1.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

ours() { git -C "$ROOT" "$@"; }

# is_clone - are these the sources of a clone of their own, not a folder in somebody else's?
is_clone() {
  [ "$(ours rev-parse --show-toplevel 2>/dev/null)" = "$(realpath "$ROOT")" ] &&
    ours rev-parse --quiet --verify HEAD >/dev/null 2>&1
}

from_git() {
  local tag since commit version
  commit=$(ours rev-parse HEAD)
  tag=$(ours describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null) || tag=''
  if [[ $tag =~ ^v[0-9]+(\.[0-9]+)*$ ]]; then
    version=${tag#v} since=$tag..HEAD
  else
    version=$(sed -n 's/^project(roostpool VERSION \([0-9.]*\).*/\1/p' "$ROOT/CMakeLists.txt") since=HEAD
  fi
  if [ "$(ours rev-parse --is-shallow-repository)" = true ]; then
    say "version.sh: this clone is shallow, so nobody can count its commits, and apt cannot order its" \
      "builds; mend it with: git fetch --unshallow --tags" >&2
    version+=+0.g${commit:0:12}
  elif [ "$since" = HEAD ] || [ "$(ours rev-list --count "$since")" != 0 ]; then
    version+=+$(ours rev-list --count "$since").g${commit:0:12}
  fi
  ours diff --quiet HEAD 2>/dev/null ||
    version+=.dirty$(ours diff --binary --no-ext-diff HEAD | sha256sum | cut -c1-8)
  printf 'version %s\ncommit %s\nepoch %s\n' "$version" "$commit" \
    "${SOURCE_DATE_EPOCH:-$(ours log -1 --format=%ct)}"
}

# told NAME PATTERN - a line of VERSION.
told() { sed -n "s/^$1 \($2\)\$/\1/p" "$ROOT/VERSION" | head -n 1; }

from_file() {
  local version epoch
  version=$(told version '[0-9][0-9A-Za-z.+~]*')
  epoch=$(told epoch '[0-9]*')
  [ -n "${version:+$epoch}" ] || die "$ROOT/VERSION does not say \"version X\" and \"epoch N\";" \
    "make it in the clone that these sources are from: ./deploy/version.sh >VERSION"
  printf 'version %s\ncommit %s\nepoch %s\n' "$version" "$(told commit '[0-9a-f]*')" \
    "${SOURCE_DATE_EPOCH:-$epoch}"
}

main() {
  case ${1-} in
    '') ;;
    -h | --help) usage && exit ;;
    *) die "unknown argument: $1 (see --help)" ;;
  esac
  if is_clone; then
    from_git
  elif [ -e "$ROOT/VERSION" ]; then
    from_file
  else
    die "nobody knows which version this is: $ROOT has no file VERSION (make it in the clone that these" \
      "sources are from: ./deploy/version.sh >VERSION) and is no clone that git reads:" \
      "$(ours rev-parse --show-toplevel 2>&1 | head -n 1)"
  fi
}
main "$@"
