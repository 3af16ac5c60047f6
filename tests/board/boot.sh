#!/usr/bin/env bash
# boot.sh - start an emulated board and wait until it can be used over ssh.
#
# Usage: tests/board/boot.sh [--machine virt|raspi3b] [--cpu CPU] [--name NAME] [--fresh | --warm]
#   --machine M   virt (default): a generic arm64 board, quick, with a disk that loses what was not
#                 flushed; raspi3b: a Raspberry Pi 3 B with its SD card, slower
#   --cpu CPU     of virt: cortex-a53 (default; Pi 3, Zero 2 W), cortex-a72 (Pi 4), cortex-a76 (Pi 5)
#   --name NAME   each name is a board with a card of its own (default: the machine)
#   --fresh       start with a pristine card
#   --warm        virt: go on from a snapshot of a pristine board that has just started: two seconds
#                 instead of thirty. The first time takes the snapshot
#
# Its ssh port is on the loopback address only. Then: ssh -F build/board/run/NAME/ssh_config board
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

START_WITHIN=300  # seconds
MACHINE=virt CPU=cortex-a53 NAME='' FRESH='' WARM=''
ARGS=()

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --machine) [ -n "${2-}" ] || die "--machine needs a name"; MACHINE=$2; shift ;;
      --cpu) [ -n "${2-}" ] || die "--cpu needs a name"; CPU=$2; shift ;;
      --name) [ -n "${2-}" ] || die "--name needs one"; NAME=$2; shift ;;
      --fresh) FRESH=1 ;;
      --warm) WARM=1 ;;
      -h | --help) usage && exit ;;
      *) die "unknown argument: $1 (see --help)" ;;
    esac
    shift
  done
  NAME=${NAME:-$MACHINE}
  [ -z "$WARM" ] || [ "$MACHINE" = virt ] || die "--warm is for virt: the Pi's USB network cannot be saved"
  [ -z "$WARM" ] || [ -z "$FRESH" ] || die "--warm is fresh already"
}

# prepare_card CARD SNAPSHOT - a file of the board's own. An SD card keeps what it has confirmed, like
# a plain file. The disk of virt has a cache, like a qcow2 file when QEMU is killed: what was written to
# a new place since the last flush is gone.
prepare_card() {
  local card=$1 snapshot=$2
  if [ -n "$WARM" ] && [ -e "$snapshot" ]; then
    cp --sparse=always "$snapshot" "$card"
    ARGS+=(-loadvm warm)
  elif [ -n "$FRESH$WARM" ] || [ ! "$card" -nt "$IMAGE/rootfs.img" ]; then
    rm -f "$card"
    case $card in
      *.qcow2) qemu-img create -q -f qcow2 -F raw -b "$IMAGE/rootfs.img" "$card" ;;
      *) cp --sparse=always "$IMAGE/rootfs.img" "$card" ;;
    esac
  fi
}

# machine_args RUN CARD PORT
machine_args() {
  local run=$1 disk="file=$2,cache=writeback" net="user,id=net,hostfwd=tcp:127.0.0.1:$3-:22"
  local words="quiet systemd.show_status=0 net.ifnames=0 panic=10"
  ARGS+=(-kernel "$IMAGE/kernel" -initrd "$IMAGE/initrd.img" -accel "tcg,thread=multi,tb-size=256"
    -display none -pidfile "$run/pid" -monitor "unix:$run/monitor.sock,server=on,wait=off"
    -chardev "file,id=console,path=$run/console.log")
  case $MACHINE in
    virt)
      ARGS+=(-M "virt,gic-version=2" -cpu "$CPU" -smp 4 -m 1G
        -append "console=ttyAMA0 root=/dev/vda $words"
        -drive "if=none,id=card,format=qcow2,$disk" -device "virtio-blk-pci,drive=card"
        -netdev "$net" -device "virtio-net-pci,netdev=net,romfile=" -device virtio-rng-pci
        -device i6300esb -action watchdog=reset -serial chardev:console)
      ;;
    raspi3b)  # the first serial port is the one for a sensor, the second the console
      ARGS+=(-M raspi3b -dtb "$IMAGE/bcm2837-rpi-3-b.dtb"
        -append "console=ttyS1,115200 root=/dev/mmcblk0 $words"
        -drive "if=sd,format=raw,$disk"
        -netdev "$net" -device "usb-net,netdev=net" -serial null -serial chardev:console)
      ;;
    *) die "unknown machine: $MACHINE (virt, raspi3b)" ;;
  esac
}

# write_ssh_config RUN PORT
write_ssh_config() {
  cat >"$1/ssh_config" <<END
Host board
  HostName 127.0.0.1
  Port $2
  User pi
  IdentityFile $KEYS/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile $1/known_hosts
  HostKeyAlgorithms ssh-ed25519
  ConnectTimeout 15
  ServerAliveInterval 5
  ServerAliveCountMax 12
  LogLevel ERROR
END
  say "[127.0.0.1]:$2 $(cut -d' ' -f1,2 "$KEYS/ssh_host_ed25519_key.pub")" >"$1/known_hosts"
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# start RUN - QEMU in a session of its own, so that it stays when this terminal goes.
start() {
  setsid qemu-system-aarch64 "${ARGS[@]}" >"$1/qemu.log" 2>&1 </dev/null &
  local waited
  for ((waited = 0; waited < 100; waited++)); do
    alive "$NAME" && return
    sleep 0.1
  done
  tail_of "$1/qemu.log"
  die "QEMU did not start"
}

wait_for_ssh() {
  local run=$1 begin=$SECONDS
  until on_board "$NAME" true 2>/dev/null; do
    alive "$NAME" || { tail_of "$run/qemu.log"; die "QEMU ended"; }
    [ $((SECONDS - begin)) -lt $START_WITHIN ] ||
      die "no ssh after $START_WITHIN s; see $run/console.log"
    sleep 0.5
  done
  say "board $NAME answers after $((SECONDS - begin)) s"
}

# monitor RUN COMMAND - tell QEMU.
monitor() {
  python3 - "$1/monitor.sock" "$2" <<'END'
import socket, sys
link = socket.socket(socket.AF_UNIX)
link.settimeout(120)
link.connect(sys.argv[1])
def answer():
    text = b""
    while not text.endswith(b"(qemu) "):
        data = link.recv(4096)
        if not data:
            break
        text += data
    return text.decode(errors="replace")
answer()
link.sendall(sys.argv[2].encode() + b"\n")
text = answer()
if "rror" in text:
    sys.exit(text)
END
}

# take_snapshot RUN CARD SNAPSHOT - once the start is over.
take_snapshot() {
  on_board "$NAME" 'systemctl is-system-running --wait >/dev/null; sync' || true
  monitor "$1" stop
  monitor "$1" "savevm warm"
  cp --sparse=always "$2" "$3.new"
  mv "$3.new" "$3"
  monitor "$1" cont
}

main() {
  local run card port snapshot
  parse "$@"
  run=$(run_folder "$NAME")
  snapshot=$IMAGE/warm-$CPU.qcow2
  card=$run/card.qcow2
  [ "$MACHINE" = virt ] || card=$run/card.img
  [ -e "$IMAGE/rootfs.img" ] || die "no image of a card: run tests/board/image.sh first"
  ! alive "$NAME" || die "$NAME runs already; tests/board/stop.sh $NAME ends it"
  mkdir -p "$run"
  rm -f "$run"/{pid,console.log,qemu.log,monitor.sock}
  prepare_card "$card" "$snapshot"
  port=$(free_port)
  machine_args "$run" "$card" "$port"
  write_ssh_config "$run" "$port"
  start "$run"
  wait_for_ssh "$run"
  if [ -n "$WARM" ] && [ ! -e "$snapshot" ]; then take_snapshot "$run" "$card" "$snapshot"; fi
}
main "$@"
