# shellcheck shell=sh
# board.sh - the half of push.sh that runs on the board. push.sh feeds it to a root shell there and
# then asks for one function after the other: `run FUNCTION ARGUMENT...`.
#
# Needs a POSIX shell, coreutils, tar, flock, systemd. What it makes:
#   /opt/roost/releases/ID/   one version: bin/, its unit, its configuration, what it is
#   /opt/roost/current        the running version (a link; switched by rename, so never half)
#   /opt/roost/previous       what `push.sh --rollback` goes back to
#   /opt/roost/order          the versions by age; a board without a clock cannot trust file times
#   /opt/roost/incoming/      uploads, whole or cut off
#   /etc/systemd/system/roost-node.service, /etc/roost/roost-node.conf, two links in /usr/local/bin
#
# ROOST_ROOT goes before each of these paths: the tests' sandbox, empty on a board.
#
# A line that starts with @ is for push.sh, all others are for people. A connection that is cut
# leaves this shell alone: a switch that has begun ends, or goes back, without anybody watching.

set -u
umask 022
trap '' HUP INT TERM PIPE
root=${ROOST_ROOT-}
opt=$root/opt/roost
etc=$root/etc/roost
unit_file=$root/etc/systemd/system/roost-node.service
status_file=$root/run/roost/status.json
unit=roost-node.service
stale_after=30  # seconds; the node writes its status every 10

# run FUNCTION ARGUMENT... - and tell how it went.
run() {
  "$@" </dev/null 2>&1
  echo "@end $?"
}

fact() { echo "@fact $1 $2"; }

# link_target LINK - the version that a link names, or nothing.
link_target() { basename "$(readlink "$opt/$1" || echo '')"; }

property() { systemctl show --property "$1" --value "$unit" 2>/dev/null; }

# member NAME - a number, a word or a text of the node's status file.
member() { sed -n "s/^  \"$1\": \"\{0,1\}\(.*[^\",]\)\"\{0,1\},\{0,1\}\$/\1/p" "$status_file" 2>/dev/null | head -n 1; }

# ---- looking ----------------------------------------------------------------------------------------

# What push.sh has to know before it touches anything.
probe() {
  fact arch "$(dpkg --print-architecture 2>/dev/null || uname -m)"
  fact glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)"
  fact systemd "$(systemctl --version 2>/dev/null | awk 'NR == 1 { print $2 }')"
  fact free_kib "$(df -Pk "$root/opt" 2>/dev/null | awk 'NR == 2 { print $4 }')"
  fact current "$(link_target current)"
  fact previous "$(link_target previous)"
  fact package "$(dpkg-query -W -f '${db:Status-Status} ${Version}' roostpool-node 2>/dev/null |
    sed -n 's/^installed //p')"
  fact trouble "$(trouble)"
  # What is written to an overlay in memory is gone after the next start.
  [ -n "$root" ] || [ "$(stat -f -c %T /opt)" != overlayfs ] || fact overlay /opt
  fact model "$(tr -d '\000' <"$root/proc/device-tree/model" 2>/dev/null)"
}

# trouble - what is wrong with the service now, in one sentence; nothing when it is healthy: active,
# ready, watchdog fed, a reading sealed. The node itself judges the last three in its status file.
trouble() {
  state=$(property ActiveState)
  pid=$(property MainPID)
  if [ "$state" != active ]; then
    echo "the service is ${state:-not there} ($(property Result))"
  elif [ "$(member pid)" != "$pid" ]; then
    echo "process $pid has not written its status ($status_file) yet"
  elif [ "$(status_age)" -gt "$stale_after" ]; then
    echo "process $pid has not written its status for $(status_age) s"
  elif [ "$(member healthy)" != true ]; then
    echo "the node says: $(member trouble)"
  fi
}

# status_age - in whole seconds; both ends count from the start of the kernel.
status_age() { echo $(($(cut -d. -f1 /proc/uptime) - $(member written_boot_us) / 1000000)); }

# ---- one lock for all that follows ------------------------------------------------------------------

# take_lock - two pushes at once: the second is told. The lock goes with this shell.
take_lock() {
  mkdir -p "$opt/releases" "$opt/incoming" || return 1
  chmod 700 "$opt/incoming"
  exec 9>"$opt/lock"
  flock -n 9 || { echo "another push is at work on this board"; return 1; }
}

# ---- bringing a version here ------------------------------------------------------------------------

# have_bytes SHA256 - how much of an upload is here.
have_bytes() { fact have "$(stat -c %s "$opt/incoming/$1" 2>/dev/null || echo 0)"; }

# unpack ID SHA256 - verify the upload and put it beside the running version.
unpack() {
  bundle=$opt/incoming/$2
  new=$opt/releases/$1.new
  if ! echo "$2  $bundle" | sha256sum --check --status; then
    rm -f "$bundle"
    echo "what arrived is not what was sent; it was removed: push again"
    return 1
  fi
  rm -rf "$new"
  mkdir "$new" && tar -xzf "$bundle" -C "$new" --no-same-owner || return 1
  (cd "$new" && sha256sum --check --quiet SHA256SUMS) || return 1
  for program in roost-node roostctl; do
    "$new/bin/$program" --version || {
      rm -rf "$new"
      echo "$program does not run on this board; if a library is missing, install its Debian package"
      return 1
    }
  done
  # On the card before anything points at it: after a power cut a file may be there with no content.
  sync -f "$new"
  rm -rf "${opt:?}/releases/$1"
  mv -T "$new" "$opt/releases/$1"
  rm -f "$opt"/incoming/*
  note_order "$1"
}

# note_order ID - ID is now the youngest.
note_order() {
  { grep -vxF -- "$1" "$opt/order" 2>/dev/null; echo "$1"; } >"$opt/order.new"
  mv -T "$opt/order.new" "$opt/order"
}

# forget ID - remove a version.
forget() {
  rm -rf "${opt:?}/releases/${1:?}"
  grep -vxF -- "$1" "$opt/order" >"$opt/order.new"
  mv -T "$opt/order.new" "$opt/order"
}

# prune KEEP - remove the oldest above KEEP, never the running or the previous one.
prune() {
  excess=$(($(wc -l <"$opt/order") - $1))
  while [ "$excess" -gt 0 ] && read -r id; do
    excess=$((excess - 1))
    case $id in
      "$(link_target current)" | "$(link_target previous)") ;;
      *) forget "$id" && echo "removed the old version $id" ;;
    esac
  done <<END
$(cat "$opt/order")
END
}

# ---- switching --------------------------------------------------------------------------------------

point() {  # point LINK ID - in one step
  ln -sfn "releases/$2" "$opt/$1.new" && mv -T "$opt/$1.new" "$opt/$1"
}

# place_unit ID - its unit, if another one is installed.
place_unit() {
  cmp -s "$opt/releases/$1/roost-node.service" "$unit_file" && return
  mkdir -p "${unit_file%/*}"
  install -m 644 "$opt/releases/$1/roost-node.service" "$unit_file.new"
  mv -T "$unit_file.new" "$unit_file"
  systemctl daemon-reload
  echo "installed the unit $unit_file"
}

# place_conf FROM TO - the configuration of TO, unless somebody has changed the one that is there.
place_conf() {
  conf=$etc/roost-node.conf
  was=$opt/releases/$1/roost-node.conf
  is=$opt/releases/$2/roost-node.conf
  mkdir -p "$etc"
  if [ ! -e "$conf" ] || { [ -n "$1" ] && cmp -s "$conf" "$was"; }; then
    cmp -s "$conf" "$is" && return
    install -m 644 "$is" "$conf.tmp" && mv -T "$conf.tmp" "$conf"
    echo "installed the configuration $conf"
  elif ! cmp -s "$conf" "$is" && ! { [ -n "$1" ] && cmp -s "$was" "$is"; }; then
    install -m 644 "$is" "$conf.new"
    echo "kept the changed $conf; the new one is $conf.new"
  fi
}

# ensure_account ID - the account that its unit names; nothing happens to one that is there.
ensure_account() { systemd-sysusers "$opt/releases/$1/roost.sysusers"; }

# make_live FROM TO - switch and restart. With Type=notify a restart that succeeds was ready once.
make_live() {
  place_conf "$1" "$2"
  place_unit "$2"
  ensure_account "$2" || return 1
  point current "$2"
  for program in roost-node roostctl; do
    link=$root/usr/local/bin/$program
    [ -e "$link" ] && [ ! -L "$link" ] && continue  # somebody's own
    mkdir -p "${link%/*}" && ln -sfn "/opt/roost/current/bin/$program" "$link"
  done
  sync -f "$opt"
  systemctl enable --quiet "$unit"
  systemctl reset-failed "$unit" 2>/dev/null
  echo "restarting the service"
  systemctl restart "$unit"
}

# wait_healthy WAIT SETTLE - within WAIT seconds, and still SETTLE seconds later in the same process.
wait_healthy() {
  left=$1
  while reason=$(trouble) && [ -n "$reason" ]; do
    # A service that systemd had to start again by itself is in a crash loop, or about to be.
    [ "$(property NRestarts)" = 0 ] || break
    if [ "$left" = 0 ] || [ "$(property ActiveState)" = failed ]; then break; fi
    left=$((left - 1))
    sleep 1
  done
  [ -z "$reason" ] || { echo "NOT HEALTHY: $reason"; return 1; }
  pid=$(property MainPID)
  echo "healthy (process $pid); looking again in $2 s"
  sleep "$2"
  reason=$(trouble)
  if [ "$(property MainPID)" != "$pid" ] || [ "$(property NRestarts)" != 0 ]; then
    reason="the process that was ready has ended; ${reason:-systemd has started another}"
  fi
  [ -z "$reason" ] || { echo "NOT HEALTHY: $reason"; return 1; }
}

show_journal() {
  echo "-- the journal of $unit:"
  journalctl --unit "$unit" --lines 20 --no-pager --output cat 2>/dev/null
  echo "--"
}

# switch ID KEEP WAIT SETTLE - make ID the running version, or go back to the one before.
# 0: ID is live; 1: the old version is live and healthy; 4: nothing healthy is running.
switch() {
  old=$(link_target current)
  if make_live "$old" "$1" && wait_healthy "$3" "$4"; then
    [ -z "$old" ] || [ "$old" = "$1" ] || point previous "$old"
    note_order "$1"
    prune "$2"
    sync -f "$opt"
    return 0
  fi
  show_journal
  go_back "$1" "$old" "$3" "$4"
}

# go_back BAD OLD WAIT SETTLE
go_back() {
  if [ "$2" = "$1" ]; then
    echo "this version ran before, too; push another one, or go back with --rollback"
    return 4
  elif [ -z "$2" ]; then
    systemctl disable --quiet --now "$unit"
    echo "there is no version to go back to; the service is stopped"
    return 4
  fi
  echo "going back to $2"
  if make_live "$1" "$2" && wait_healthy "$3" "$4"; then
    # A version that failed is nothing to roll back to.
    [ "$1" = "$(link_target previous)" ] || forget "$1"
    sync -f "$opt"
    return 1
  fi
  show_journal
  echo "the version before is not healthy either"
  return 4
}

# ---- removing ---------------------------------------------------------------------------------------

# uninstall DATA - stop and remove everything; the readings and the configuration too when DATA is
# purge.
uninstall() {
  systemctl disable --quiet --now "$unit" 2>/dev/null
  state=$(sed -n 's/^StateDirectory=//p' "$unit_file" 2>/dev/null)
  rm -rf "$unit_file" "${opt:?}"
  systemctl daemon-reload
  systemctl reset-failed "$unit" 2>/dev/null
  for program in roost-node roostctl; do
    link=$root/usr/local/bin/$program
    [ "$(readlink "$link")" = "/opt/roost/current/bin/$program" ] && rm -f "$link"
  done
  echo "removed the service and /opt/roost"
  if [ "$1" != purge ]; then
    echo "kept $etc and the readings in /var/lib/${state:-roost}"
    return 0
  fi
  # The account stays: files in a backup may belong to it.
  rm -rf "${etc:?}" "$root/var/lib/${state:-roost}"
  echo "removed $etc and the readings in /var/lib/${state:-roost}"
}

echo "@ready"
