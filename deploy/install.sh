#!/usr/bin/env bash
# install.sh - install Debian packages, and nothing that runs by itself.
#
# usage: ./deploy/install.sh PACKAGE...      (as root)
#
# Debian's packages of servers start a service, now and at each boot, and make a database cluster. The
# tests start servers of their own, so this machine gets none of that. Services that are here already
# are left as they are. The other scripts call this for packages that are missing.

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

POLICY=/usr/sbin/policy-rc.d # asked before a package starts a service
CLUSTERS=/etc/postgresql-common/createcluster.conf

POLICY_IS_OURS=
restore() { [ -z "$POLICY_IS_OURS" ] || rm -f "$POLICY"; }
trap restore EXIT

start_no_service() {
  [ ! -e "$POLICY" ] || return 0
  POLICY_IS_OURS=1
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "$@"
}

# The settings of a machine that has PostgreSQL already are its owner's.
install_postgres() {
  if [ -e "$CLUSTERS" ]; then
    apt_install "$@"
    return
  fi
  mkdir -p "$(dirname "$CLUSTERS")"
  printf 'create_main_cluster = false\n' >"$CLUSTERS"
  apt_install "$@"
  # The package put its own beside ours.
  if [ -e "$CLUSTERS.ucf-dist" ]; then
    mv "$CLUSTERS.ucf-dist" "$CLUSTERS"
  fi
}

main() {
  case ${1-} in -h | --help) usage && exit ;; esac
  [ $# -gt 0 ] || die "which packages? (see --help)"
  [ "$(id -u)" = 0 ] || die "needs root"
  start_no_service
  if [[ " $* " == *" postgresql-15 "* ]]; then
    install_postgres "$@"
  else
    apt_install "$@"
  fi
  if [[ " $* " == *" pgbouncer "* ]]; then
    update-rc.d pgbouncer disable
  fi
}
main "$@"
