#!/usr/bin/env python3
"""How soon roost-node is of use, and how soon a reading is safe when the power goes.

Usage: node_start.py BUILD [--starts N] [--json FILE]

BUILD is a build folder with the targets roost-node, first_row and sync_clock. Prints medians in ms:

  READY        from the start of the process to READY=1 for systemd
  first seal   from the start to the end of the sync of the first reading (--batch 1), beside a C program
               that opens SQLite, switches to WAL, inserts and syncs (first_row.c), in turns
  SIGPWR       from the signal to the end of the sync of the ten readings that were in memory

Times are printed and not judged. Fails when the node does not do one of these.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PATIENCE = 60  # seconds; only a failure waits so long
# A log that is begun anew has its header synced before its first commit. The last sync of a program is
# that of the copy into the database, at its end.
HEADER, COMMIT, COPY = 1, 1, 1


def wait_for(what, reached):
    """The first true answer of `reached`."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        answer = reached()
        if answer:
            return answer
        time.sleep(0.002)
    sys.exit(f"node_start.py: waited for {what} in vain")


class Programs:
    """The programs of a build, and a folder for their files."""

    def __init__(self, build, folder):
        self.node = str(build / "src/tools/roost-node/roost-node")
        self.raw = str(build / "tests/bench/first_row")
        self.clock = str(build / "tests/bench/libsync_clock.so")
        self.folder = folder
        self.log = folder / "syncs"
        self.status = folder / "status.json"

    def start(self, command, **more):
        """The process, and when it was started in ns. Its syncs are logged from here on."""
        self.log.write_text("")
        environment = {**os.environ, "LD_PRELOAD": self.clock, "SYNC_CLOCK": str(self.log),
                       **more.pop("environment", {})}
        began = time.monotonic_ns()
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, **more), began

    def start_node(self, database, *arguments, **more):
        command = [self.node, "--db", str(database), "--stdin", "--quiet", *arguments]
        return self.start(command, stdin=subprocess.PIPE, text=True, **more)

    def syncs(self):
        return [int(line) for line in self.log.read_text().split()]

    def first_seal_of_raw(self, database):
        process, began = self.start([self.raw, str(database)])
        if process.wait() != 0:
            sys.exit("node_start.py: first_row failed")
        return self.syncs()[-1 - COPY] - began

    def first_seal_of_node(self, database):
        process, began = self.start_node(database, "--batch", "1")
        process.stdin.write("temperature 20.5 C\n")
        process.stdin.flush()
        wait_for("the seal of the first reading", lambda: len(self.syncs()) >= HEADER + COMMIT)
        process.communicate()
        syncs = self.syncs()
        if len(syncs) != HEADER + COMMIT + COPY:
            sys.exit(f"node_start.py: {len(syncs)} syncs for one reading: which is its seal?")
        return syncs[HEADER] - began

    def ready(self, database):
        path = str(self.folder / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.settimeout(PATIENCE)
            systemd.bind(path)
            process, began = self.start_node(database, environment={"NOTIFY_SOCKET": path})
            while b"READY=1" not in systemd.recv(4096):
                pass
            took = time.monotonic_ns() - began
            process.communicate("")
        os.unlink(path)
        return took

    def taken(self):
        try:
            return json.loads(self.status.read_text())["readings"]["taken"]
        except (FileNotFoundError, json.JSONDecodeError):
            return 0

    def power_failures(self, database, times):
        """From SIGPWR to the end of the next sync."""
        process, _ = self.start_node(database, "--seal-every", "1h", "--status-file", str(self.status),
                                     "--status-every", "100ms", "--power-hold", "1ms")
        for i in range(times + 1):
            process.stdin.writelines(f"temperature {20 + j}.5 C\n" for j in range(10))
            process.stdin.flush()
            wait_for("ten readings in memory", lambda: self.taken() == 10 * (i + 1))
            began = time.monotonic_ns()
            process.send_signal(signal.SIGPWR)
            wait_for("the seal after SIGPWR", lambda: len(self.syncs()) >= HEADER + COMMIT * (i + 1))
            if i > 0:  # the first one syncs the header, too
                yield self.syncs()[HEADER + i] - began
        process.communicate()


def measure(programs, starts):
    """Medians in ns, by row."""
    samples = {}

    def add(row, took):
        samples.setdefault(row, []).append(took)

    for i in range(starts):
        fresh = [programs.folder / f"{kind}-{i}.db" for kind in ("node", "raw", "empty")]
        add("READY, a new file", programs.ready(fresh[2]))
        add("first seal, a new file", programs.first_seal_of_node(fresh[0]))
        add("the C program, a new file", programs.first_seal_of_raw(fresh[1]))
        add("READY, a file that is there", programs.ready(fresh[2]))
        add("first seal, a file that is there", programs.first_seal_of_node(fresh[0]))
        add("the C program, a file that is there", programs.first_seal_of_raw(fresh[1]))
    for took in programs.power_failures(programs.folder / "node-0.db", starts):
        add("SIGPWR to sealed", took)
    return {row: statistics.median(values) for row, values in samples.items()}


def show(medians):
    for row, took in medians.items():
        print(f"{row:40}{took / 1e6:9.2f} ms")
    for what in ("a new file", "a file that is there"):
        ratio = medians[f"first seal, {what}"] / medians[f"the C program, {what}"]
        print(f"{'first seal over the C program, ' + what:40}{ratio:9.2f} (bar: 1.5)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD", type=pathlib.Path, help="the build folder")
    parser.add_argument("--starts", metavar="N", type=int, default=15)
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="the medians, in ns")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="roost-start-"))
    try:
        medians = measure(Programs(arguments.build.resolve(), folder), arguments.starts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(medians)
    if arguments.json:
        arguments.json.write_text(json.dumps(medians))


if __name__ == "__main__":
    main()
