# shellcheck shell=sh
# guard.sh - the releases on a board: which runs, which were healthy, and how to go back.
#
# board.sh, the half of push.sh that runs on the board, uses these functions. push.sh also installs the
# file as /opt/roost/guard.sh; there roost-guard.service runs it before each start of a release that is
# on trial, and when one has failed.
#
# A release is on trial from just before the switch to it. It is good once board.sh has seen it healthy.
# It is given up, and the newest other good release runs again, when
#   - the board starts and the release is not good: a power cut came between switch and check;
#   - it is not good and has crashed three times in ten minutes, or has refused the settings;
#   - it is good, and the third crash came within ten minutes of the switch.
# A release that has outlived this is left to systemd, as a crash then says more about the board.
#
# Files; ROOST_ROOT goes before each path: the tests' sandbox, empty on a board.
#   /opt/roost/releases/ID/   one version: bin/, its unit, its configuration, what it is
#   /opt/roost/current        the running version (a link; switched by rename, so never half)
#   /opt/roost/previous       what `push.sh --rollback` goes back to: a good one
#   /opt/roost/good           the good ones, the latest last; a board without a clock cannot trust times
#   /opt/roost/trial          ID and "unconfirmed" or "healthy": the release on trial
#   /opt/roost/gave_up        what was given up last, and why
#   /opt/roost/lock           held by whoever changes any of this
#   /run/roost-push/          until the next start of the board: when the switch was, who holds the lock
#   /etc/systemd/system/      roost-node.service, roost-guard.service, the drop-in of the trial

set -u
umask 022
LC_ALL=C
export LC_ALL
root=${ROOST_ROOT-}
opt=$root/opt/roost
etc=$root/etc/roost
run=$root/run/roost-push
units=$root/etc/systemd/system
unit=roost-node.service
unit_file=$units/$unit
guard_unit=$units/roost-guard.service
trial_unit=$units/$unit.d/50-roost-trial.conf
trial_s=600  # as in the drop-in
units_changed=''

say() { printf '%s\n' "$*"; }

# now_s - whole seconds since the kernel started; no time service moves it.
now_s() { cut -d. -f1 /proc/uptime; }

is_number() { case $1 in '' | *[!0-9]* | ???????????*) return 1 ;; esac; }

# is_id WORD - may it name a folder in releases/? It begins with a letter or digit, so it is never "..".
is_id() { case $1 in '' | *[!0-9A-Za-z.+~-]* | [!0-9A-Za-z]*) return 1 ;; esac; }

# link_target LINK - the version that a link names, or nothing.
link_target() {
  id=$(readlink "$opt/$1") && id=${id##*/} && is_id "$id" && say "$id"
}

property() { systemctl show --property "$1" --value "$unit" 2>/dev/null; }

# write_file PATH - from standard input, in one step; a power cut leaves the old one or the new one.
write_file() {
  mkdir -p "${1%/*}" && cat >"$1.new" && chmod 644 "$1.new" && sync "$1.new" && mv -T "$1.new" "$1"
}

# ---- which were healthy -----------------------------------------------------------------------------

# good - the good releases that are here, the latest last. Where no list was ever kept, what the link
# names is all that is known.
good() {
  if [ -e "$opt/good" ]; then cat "$opt/good"; else link_target previous; fi |
    while read -r id; do
      if is_id "$id" && [ -d "$opt/releases/$id" ]; then say "$id"; fi
    done
}

is_good() { good | grep -qxF -- "$1"; }

newest_good_but() { good | grep -vxF -- "$1" | tail -n 1; }

mark_good() { { good | grep -vxF -- "$1"; say "$1"; } | write_file "$opt/good"; }

unmark() { good | grep -vxF -- "$1" | write_file "$opt/good"; }

# point LINK ID - in one step.
point() {
  ln -sfn "releases/$2" "$opt/$1.new" && mv -T "$opt/$1.new" "$opt/$1"
}

# note_previous - the newest good release besides the running one, if there is one.
note_previous() {
  id=$(newest_good_but "$(link_target current)")
  if [ -n "$id" ]; then point previous "$id"; else rm -f "$opt/previous"; fi
}

# ---- unit and configuration of a release ------------------------------------------------------------

reload_units() {
  [ -z "$units_changed" ] || systemctl daemon-reload
  units_changed=''
}

# place_unit ID - its unit, if another one is installed.
place_unit() {
  cmp -s "$opt/releases/$1/roost-node.service" "$unit_file" && return
  write_file "$unit_file" <"$opt/releases/$1/roost-node.service" || return
  units_changed=1
  say "installed the unit $unit_file"
}

# place_conf FROM TO - the configuration of TO, unless somebody has changed the one that is there.
place_conf() {
  conf=$etc/roost-node.conf
  was=$opt/releases/$1/roost-node.conf
  is=$opt/releases/$2/roost-node.conf
  if conf_is_ours "$1"; then
    cmp -s "$conf" "$is" && return
    write_file "$conf" <"$is" || return
    say "installed the configuration $conf"
  elif ! cmp -s "$conf" "$is" && ! { [ -n "$1" ] && cmp -s "$was" "$is"; }; then
    write_file "$conf.new" <"$is" || return
    say "kept the changed $conf; the new one is $conf.new"
  fi
}

# conf_is_ours FROM - is the configuration that of FROM still, or missing?
conf_is_ours() {
  [ ! -e "$etc/roost-node.conf" ] ||
    { [ -n "$1" ] && cmp -s "$etc/roost-node.conf" "$opt/releases/$1/roost-node.conf"; }
}

# ---- the trial --------------------------------------------------------------------------------------

# begin_trial ID - from now on ID has to prove itself.
begin_trial() {
  say "$1 unconfirmed" | write_file "$opt/trial" || return
  now_s | write_file "$run/switched" || return
  sync -f "$opt"
  write_file "$guard_unit" <<'END' || return
[Unit]
Description=Goes back from a release of roost-node that does not run well
ConditionPathExists=/opt/roost/trial
RequiresMountsFor=/opt/roost
# It runs before each start of a node that may fail at once.
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/sh /opt/roost/guard.sh
TimeoutStartSec=60s
END
  write_file "$trial_unit" <<'END' || return
# The release that runs is on trial: see /opt/roost/guard.sh. Gone after the next start of the board.
[Unit]
Wants=roost-guard.service
After=roost-guard.service
OnFailure=roost-guard.service
StartLimitIntervalSec=10min
StartLimitBurst=3
END
  sync -f "$units"
  units_changed=1
}

# read_trial - sets trial_id and trial_state; fails when nothing is on trial.
read_trial() {
  trial_id='' trial_state=''
  [ -e "$opt/trial" ] && read -r trial_id trial_state <"$opt/trial" && is_id "$trial_id"
}

pass_trial() { say "$1 healthy" | write_file "$opt/trial"; }

end_trial() {
  rm -f "$opt/trial" "$run/switched"
  [ -e "$trial_unit" ] || return 0
  rm -f "$trial_unit"
  rmdir "${trial_unit%/*}" 2>/dev/null  # an administrator's drop-ins stay
  units_changed=1
}

# is_fresh - was the switch at most ten minutes ago, in this run of the board? Systemd waits some
# seconds after the last crash before it gives up.
is_fresh() {
  [ -e "$run/switched" ] && read -r at <"$run/switched" && is_number "$at" &&
    [ $(($(now_s) - at)) -le $((trial_s + 60)) ]
}

# make_current FROM TO - TO, its unit and its configuration instead of FROM's. Nothing is started.
make_current() {
  place_conf "$1" "$2" && place_unit "$2" && point current "$2" || return
  # Only now: until the link is switched, the trial of FROM is what a power cut needs.
  if ! read_trial || [ "$trial_id" != "$2" ]; then end_trial; fi
  sync -f "$opt"
  reload_units
}

# give_up ID WHY - go back to the newest other good release, and tell systemd to start it.
give_up() {
  back=$(newest_good_but "$1")
  if [ -z "$back" ]; then
    say "$1 $2; there is no other release that was healthy"
    return 0
  fi
  say "$1 $2; going back to $back"
  unmark "$1"
  make_current "$1" "$back" || return
  note_previous
  say "$1 $2" | write_file "$opt/gave_up"
  sync -f "$opt"
  systemctl reset-failed "$unit" 2>/dev/null
  # A start that waits for this script waits in vain if this script waits for it.
  systemctl --no-block start "$unit"
}

# guard - what roost-guard.service runs. Systemd may call it at any time, and more than once.
guard() {
  exec 9>"$opt/lock" || return
  flock -n 9 || { say "a push is at work; it decides"; return 0; }
  read_trial || return 0
  failed=''
  [ "$(property ActiveState)" != failed ] || failed=1
  current=$(link_target current)
  if [ "$trial_id" != "$current" ]; then
    say "the switch to $trial_id was cut off before it happened"
    if [ -n "$current" ]; then make_current "$trial_id" "$current"; else end_trial; fi
  elif [ "$trial_state" != healthy ]; then
    if [ -n "$failed" ]; then
      give_up "$trial_id" "did not run well and was never seen healthy"
    elif [ ! -e "$run/switched" ]; then
      give_up "$trial_id" "was never seen healthy before the board was restarted"
    fi
  elif [ -z "$failed" ]; then
    [ -e "$run/switched" ] || end_trial
    reload_units
  elif is_fresh && [ "$(property ExecMainStatus)" != 2 ]; then  # 2: the settings are wrong
    give_up "$trial_id" "has crashed three times within ten minutes"
  else
    say "$trial_id has been healthy; it is not given up"
    end_trial
    reload_units
    [ "$(property ExecMainStatus)" != 2 ] || return 0
    systemctl reset-failed "$unit" 2>/dev/null
    systemctl --no-block start "$unit"
  fi
}

case ${0##*/} in guard.sh) guard ;; esac
