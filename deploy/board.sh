# shellcheck shell=sh
# board.sh - the half of push.sh that runs on the board. push.sh feeds it, after guard.sh, to a root shell
# there and then asks for one function after the other: `run FUNCTION ARGUMENT...`.
#
# Needs a POSIX shell, coreutils, tar, util-linux, systemd. What it makes besides the files of guard.sh:
#   /opt/roost/incoming/      uploads, whole or cut off
#   /etc/roost/roost-node.conf, two links in /usr/local/bin, what journalctl --catalog explains
#
# What is for push.sh begins with the token that push.sh has drawn for this session; a program, a journal
# or a node cannot know it. All other output is for people. A connection that is cut leaves this shell
# alone: a switch that has begun ends, or goes back, without anybody watching. Between two functions
# push.sh is heard of every few seconds; when it is not, the shell ends, and with it the lock.
#
# push.sh sets before this: token; guard_text, a function that prints guard.sh. It calls serve after it.
# shellcheck source-path=SCRIPTDIR source=guard.sh disable=SC2154
: "${token:?}"

trap '' HUP INT TERM PIPE
status_file=$root/run/roost/status.json
account=roost
catalogue=$root/usr/local/lib/systemd/catalog/roostpool.catalog
# push.sh speaks every 5 s. Without a word for this long it is given up (the tests set less), and after
# a third of it others may think that it will be.
silent_s=${ROOST_SILENT_S-45}
quiet_s=$((silent_s / 3))

# ---- talking to push.sh -----------------------------------------------------------------------------

serve() {
  printf '%s ready\n' "$token"
  while next_line; do
    case $line in
      beat) ;;
      *[!0-9A-Za-z.+~_@:\ -]*) say "this is no command" ;;
      'run '*)
        set -f
        # shellcheck disable=SC2086  # words without quotes
        set -- $line
        set +f
        shift
        run "$@"
        ;;
    esac
  done
}

# next_line - into line. Fails at the end, and after silence. TERM is ignored here, and so by what is
# started here: timeout has to KILL.
next_line() {
  note_holder waiting
  # shellcheck disable=SC2016
  line=$(timeout -s KILL "$silent_s" sh -c 'IFS= read -r line && printf "%s\n" "$line"')
}

# run FUNCTION ARGUMENT... - and tell how it went.
run() {
  note_holder "${1-}"
  case ${1-} in
    probe | take_lock | have_bytes | unpack | switch | uninstall) "$@" </dev/null 2>&1 ;;
    *) false ;;
  esac
  printf '%s end %s\n' "$token" $?
}

fact() { printf '%s fact %s %s\n' "$token" "$1" "$(printf '%s' "$2" | one_line)"; }

# one_line - standard input as one short line of printable characters.
one_line() { head -c 1000 | tr '\n\t' '  ' | tr -cd ' -~'; }

# ---- looking ----------------------------------------------------------------------------------------

# What push.sh has to know before it touches anything.
probe() {
  current=$(link_target current)
  fact arch "$(dpkg --print-architecture 2>/dev/null || uname -m)"
  fact glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)"
  fact systemd "$(systemctl --version 2>/dev/null | awk 'NR == 1 { print $2 }')"
  fact free_kib "$(df -Pk "$root/opt" 2>/dev/null | awk 'NR == 2 { print $4 }')"
  fact current "$current"
  fact previous "$(newest_good_but "$current")"
  # Without a list and a trial there was never one.
  known=$(ls "$opt/good" "$opt/trial" 2>/dev/null)
  fact good "$(if [ -z "$known" ] || is_good "$current"; then echo yes; fi)"
  fact package "$(dpkg-query -W -f '${db:Status-Status} ${Version}' roostpool-node 2>/dev/null |
    sed -n 's/^installed //p')"
  fact trouble "$(trouble)"
  fact gave_up "$(cat "$opt/gave_up" 2>/dev/null)"
  # What is written to an overlay in memory is gone after the next start.
  fact overlay "$([ -n "$root" ] || [ "$(stat -f -c %T /opt)" != overlayfs ] || echo yes)"
  fact model "$(tr -d '\000' <"$root/proc/device-tree/model" 2>/dev/null)"
}

# as_service COMMAND... - as the account of the service, without the lock of this shell.
as_service() {
  env --default-signal=HUP,INT,TERM,PIPE runuser -u "$account" -- "$@" </dev/null 9>&-
}

# ask_node - what roostctl says of the node. Its exit code is the verdict: 0 healthy, also while a remote
# is away; anything else is not. The node chooses what is in its status file, so root does not read it.
ask_node() {
  timeout -s KILL 5 env --default-signal=HUP,INT,TERM,PIPE runuser -u "$account" -- \
    "$opt/current/bin/roostctl" status --file "$status_file" </dev/null 2>&1 9>&-
}

# trouble - what is wrong with the service now, in one sentence; nothing when it is healthy: active,
# ready, watchdog fed, a reading sealed. The node itself judges the last three. The text of roostctl is
# shown and decides nothing: with another exit code than 0 the sentence is never empty.
trouble() {
  state=$(property ActiveState)
  if [ "$state" != active ]; then
    result=$(property Result)
    [ "$result" != success ] || result=''
    say "the service is ${state:-not there}${result:+ ($result)}"
    return
  fi
  verdict=0
  ask_node >/dev/null || verdict=$?
  [ "$verdict" = 0 ] || say "roostctl status ends with $verdict: $(ask_node | head -n 1 | one_line | tr -s ' ')"
}

# ---- one lock for all that follows ------------------------------------------------------------------

# take_lock WHO - two pushes at once: the second is told. The lock goes with this shell. One whose
# push.sh is not heard of any more gives up by itself, which is waited for.
take_lock() {
  mkdir -p "$opt/releases" "$opt/incoming" "$run" || return 1
  chmod 700 "$opt/incoming"
  exec 9>"$opt/lock"
  limit=$(($(now_s) + silent_s + 5))
  waits=''
  until flock -w 1 9; do
    read_holder
    if [ "$doing" != waiting ] || [ "$heard_s" -le "$quiet_s" ] || [ "$(now_s)" -ge "$limit" ]; then
      say "another push is at work on this board: $holder, since $age_s s ($doing)"
      return 1
    fi
    [ -n "$waits" ] ||
      say "another push, $holder, has not been heard of for $heard_s s; waiting until it is given up"
    waits=1
  done
  me=$1 since=$(now_s)
}

# note_holder DOING - for others, as long as the lock is ours.
me='' since=''
note_holder() {
  [ -z "$me" ] || printf '%s %s %s %s\n' "$since" "$(now_s)" "$1" "$me" | write_file "$run/holder"
}

# read_holder - sets holder, age_s, heard_s and doing.
read_holder() {
  since_s='' said_s='' doing='' holder=''
  [ ! -e "$run/holder" ] || read -r since_s said_s doing holder <"$run/holder"
  is_number "$since_s" || since_s=$(now_s)
  is_number "$said_s" || said_s=$(now_s)
  age_s=$(($(now_s) - since_s)) heard_s=$(($(now_s) - said_s))
  doing=${doing:-starting} holder=${holder:-of a name that is not known}
}

# ---- bringing a version here ------------------------------------------------------------------------

# have_bytes SHA256 - how much of an upload is here.
have_bytes() { fact have "$(stat -c %s "$opt/incoming/$1" 2>/dev/null || echo 0)"; }

# unpack ID SHA256 - verify the upload, try it out and put it beside the running version.
unpack() {
  is_id "$1" || return 1
  bundle=$opt/incoming/$2
  new=$opt/releases/$1.new
  if ! echo "$2  $bundle" | sha256sum --check --status; then
    rm -f "$bundle"
    say "what arrived is not what was sent; it was removed: push again"
    return 1
  fi
  rm -rf "$opt"/releases/*.new  # of unpackings that were cut
  if ! { mkdir "$new" && tar -xzf "$bundle" -C "$new" --no-same-owner &&
    (cd "$new" && sha256sum --check --quiet SHA256SUMS) && ensure_account "$new" && try_out; }; then
    rm -rf "$new"
    return 1
  fi
  # On the card before anything points at it: after a power cut a file may be there with no content.
  sync -f "$new"
  ! is_good "$1" || unmark "$1"  # brought anew it has to prove itself anew
  rm -rf "${opt:?}/releases/$1"
  mv -T "$new" "$opt/releases/$1"
  rm -f "$opt"/incoming/*
}

# ensure_account FOLDER - the account that its unit names; nothing happens to one that is there.
ensure_account() { systemd-sysusers "$1/roost.sysusers"; }

# try_out - do the programs in `new` run here? The node for two seconds, with the settings that it will
# have, but into memory, to no server, and beside the one that runs.
try_out() {
  for program in roost-node roostctl; do
    as_service "$new/bin/$program" --version || {
      say "$program does not run on this board; if a library is missing, install its Debian package"
      return 1
    }
  done
  conf=$etc/roost-node.conf
  ! conf_is_ours "$(link_target current)" || conf=$new/roost-node.conf
  said=$(timeout -s KILL 30 env --default-signal=HUP,INT,TERM,PIPE runuser -u "$account" -- \
    "$new/bin/roost-node" --config "$conf" --db :memory: --for 2s --quiet \
    --remote '' --remote-password-file '' --status-file '' </dev/null 2>&1 9>&-) || {
    code=$?
    say "$said" | tail -n 20
    say "tried out for two seconds with $conf, the new roost-node ended with exit code $code"
    return 1
  }
  say "tried out: it stores readings in memory"
}

# forget ID - remove a version.
forget() {
  unmark "$1"
  rm -rf "${opt:?}/releases/${1:?}"
}

# prune KEEP - remove what never became good, then the oldest above KEEP; never the running one, nor the
# newest other good one.
prune() {
  current=$(link_target current)
  back=$(newest_good_but "$current")
  rm -f "$opt/order"  # of a push.sh that kept another list
  for folder in "$opt"/releases/*; do
    id=${folder##*/}
    [ "$id" = "$current" ] || is_good "$id" || { forget "$id" && say "removed $id, which was never healthy"; }
  done
  excess=$(($(good | wc -l) - $1))
  for id in $(good); do
    [ "$excess" -gt 0 ] || break
    excess=$((excess - 1))
    case $id in
      "$current" | "$back") ;;
      *) forget "$id" && say "removed the old version $id" ;;
    esac
  done
}

# ---- switching --------------------------------------------------------------------------------------

# place_catalogue ID - what journalctl --catalog says about the node's entries, if it is another text. A
# board is none the worse without it.
place_catalogue() {
  text=$opt/releases/$1/roostpool.catalog
  [ -r "$text" ] && ! cmp -s "$text" "$catalogue" || return 0
  { write_file "$catalogue" <"$text" && journalctl --update-catalog; } 2>/dev/null ||
    say "journalctl --catalog will not explain the node's entries"
}

# make_live FROM TO SECONDS - switch and restart. With Type=notify a restart that succeeds was ready
# once; after SECONDS it is not waited for any longer.
make_live() {
  make_current "$1" "$2" || return 1
  for program in roost-node roostctl; do
    link=$root/usr/local/bin/$program
    [ -e "$link" ] && [ ! -L "$link" ] && continue  # somebody's own
    mkdir -p "${link%/*}" && ln -sfn "/opt/roost/current/bin/$program" "$link"
  done
  place_catalogue "$2"
  systemctl enable --quiet "$unit"
  # Or the starts of the version before count: after some of them systemd refuses.
  systemctl reset-failed "$unit" 2>/dev/null
  rm -f "$status_file"  # of a process that was killed
  say "restarting the service"
  ended=0
  timeout -s KILL "$(($3 > 0 ? $3 : 1))" systemctl restart "$unit" || ended=$?
  [ "$ended" = 0 ] || [ "$ended" = 137 ]  # 137: it was not waited for any longer
}

# wait_healthy DEADLINE SETTLE - by DEADLINE, and still SETTLE seconds later in the same process.
wait_healthy() {
  while reason=$(trouble) && [ -n "$reason" ]; do
    # A service that systemd had to start again by itself is in a crash loop, or about to be.
    [ "$(property NRestarts)" = 0 ] || break
    if [ "$(now_s)" -ge "$1" ] || [ "$(property ActiveState)" = failed ]; then break; fi
    sleep 1
  done
  [ -z "$reason" ] || { say "NOT HEALTHY: $reason"; return 1; }
  pid=$(property MainPID)
  say "healthy (process $pid); looking again in $2 s"
  sleep "$2"
  reason=$(trouble)
  if [ "$(property MainPID)" != "$pid" ] || [ "$(property NRestarts)" != 0 ]; then
    reason="the process that was ready has ended; ${reason:-systemd has started another}"
  fi
  [ -z "$reason" ] || { say "NOT HEALTHY: $reason"; return 1; }
}

# show_journal - of the latest start only: what the version before said when it ended misleads.
show_journal() {
  start=$(property InvocationID)
  case $start in
    '' | *[!0-9a-f]*) set -- --unit "$unit" ;;
    *) set -- "_SYSTEMD_INVOCATION_ID=$start" + "INVOCATION_ID=$start" ;;
  esac
  say "-- the journal of $unit:"
  journalctl --lines 20 --no-pager --output cat "$@" 2>/dev/null
  say "--"
}

# switch ID KEEP WAIT SETTLE - make ID the running version, or go back to one that was healthy.
# 0: ID is live; 1: another version is live and healthy; 3: nothing was changed; 4: nothing healthy is running.
switch() {
  is_id "$1" && [ -d "$opt/releases/$1" ] && is_number "$2" && is_number "$3" && is_number "$4" || return 3
  old=$(link_target current)
  ran=''
  if [ -n "$old" ] && [ "$old" != "$1" ] && [ "$(property ActiveState)" = active ]; then
    ran=$old
    [ -n "$(trouble)" ] || [ "$(property NRestarts)" != 0 ] || mark_good "$old"
  fi
  was_good=yes
  if ! is_good "$1"; then
    was_good=''
    guard_text | write_file "$opt/guard.sh" && begin_trial "$1" || return 3
  fi
  deadline=$(($(now_s) + $3))
  if make_live "$old" "$1" "$3" && wait_healthy "$deadline" "$4"; then
    mark_good "$1"
    if read_trial && [ "$trial_id" = "$1" ]; then pass_trial "$1"; fi
    note_previous
    rm -f "$opt/gave_up"
    prune "$2"
    sync -f "$opt"
    fact now "$1"
    return 0
  fi
  show_journal
  if [ "$old" = "$1" ] && [ -n "$was_good" ]; then
    say "this version was healthy before; push another one, or go back with --rollback"
    return 4
  fi
  go_back "$1" "$ran" "$3" "$4"
}

# go_back BAD RAN WAIT SETTLE - to the newest other good version; where none was ever healthy, to RAN.
go_back() {
  back=$(newest_good_but "$1")
  back=${back:-$2}
  if [ -z "$back" ]; then
    systemctl disable --quiet --now "$unit"
    end_trial
    reload_units
    say "there is no version to go back to; the service is stopped"
    return 4
  fi
  say "going back to $back"
  deadline=$(($(now_s) + $3))
  if make_live "$1" "$back" "$3" && wait_healthy "$deadline" "$4"; then
    mark_good "$back"
    # A version that failed is nothing to roll back to.
    is_good "$1" || forget "$1"
    note_previous
    sync -f "$opt"
    fact now "$back"
    return 1
  fi
  show_journal
  say "the version before is not healthy either"
  return 4
}

# ---- removing ---------------------------------------------------------------------------------------

# uninstall DATA - stop and remove everything; the readings and the configuration too when DATA is
# purge.
uninstall() {
  systemctl disable --quiet --now "$unit" 2>/dev/null
  state=$(sed -n 's/^StateDirectory=//p' "$unit_file" 2>/dev/null)
  is_id "$state" || state=roost
  end_trial
  rm -rf "$unit_file" "$guard_unit" "${opt:?}" "$run"
  me=''
  systemctl daemon-reload
  systemctl reset-failed "$unit" 2>/dev/null
  for program in roost-node roostctl; do
    link=$root/usr/local/bin/$program
    [ "$(readlink "$link")" = "/opt/roost/current/bin/$program" ] && rm -f "$link"
  done
  [ ! -e "$catalogue" ] || { rm -f "$catalogue" && journalctl --update-catalog 2>/dev/null; }
  say "removed the service and /opt/roost"
  if [ "$1" != purge ]; then
    say "kept $etc and the readings in /var/lib/$state"
    return 0
  fi
  # The account stays: files in a backup may belong to it.
  rm -rf "${etc:?}" "$root/var/lib/$state"
  say "removed $etc and the readings in /var/lib/$state"
}
