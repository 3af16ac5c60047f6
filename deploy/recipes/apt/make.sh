#!/usr/bin/env bash
# make.sh - puts Debian packages into an apt repository whose metadata is signed.
#
# Usage: make.sh FOLDER KEY PACKAGE.deb...
#
# FOLDER is what a web server shows; it is made if it is not there, and packages are added to it. KEY names a
# secret key of gpg. Needs reprepro and gpg. Ends with what to write on a board.

set -euo pipefail

if [ $# -lt 3 ]; then
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit 2
fi
folder=$1 key=$2
shift 2
for package in "$@"; do
  [ -f "$package" ] || { printf 'make.sh: there is no package %s\n' "$package" >&2; exit 1; }
done
fingerprint=$(gpg --batch --with-colons --list-secret-keys "$key" 2>/dev/null | awk -F: '/^fpr/ { print $10; exit }') || true
[ -n "$fingerprint" ] || { printf 'make.sh: gpg has no secret key "%s"\n' "$key" >&2; exit 1; }

mkdir -p "$folder/conf"
folder=$(cd "$folder" && pwd)
cat >"$folder/conf/distributions" <<END
Origin: roostpool
Label: roostpool
Suite: stable
Codename: bookworm
Architectures: amd64 arm64 armhf
Components: main
Description: roostpool for Debian 12
SignWith: $fingerprint
END
reprepro --basedir "$folder" --silent includedeb bookworm "$@"
gpg --batch --yes --export --output "$folder/roostpool.gpg" "$fingerprint"

cat <<END
On a board, with the address of $folder as URL:
  sudo curl -fo /usr/share/keyrings/roostpool.gpg URL/roostpool.gpg     # compare: gpg --show-keys; $fingerprint
  printf 'Types: deb\nURIs: URL\nSuites: bookworm\nComponents: main\nSigned-By: /usr/share/keyrings/roostpool.gpg\n' |
    sudo tee /etc/apt/sources.list.d/roostpool.sources
  sudo apt-get update && sudo apt-get install roostpool-node
END
