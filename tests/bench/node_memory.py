#!/usr/bin/env python3
"""What roost-node takes of memory without and with a remote: resident and private dirty, in KiB.

Usage: node_memory.py ROOST_NODE [--remote URI]

Without --remote a throw-away PostgreSQL server is started for the measurement and stopped after it.
Each node runs until it has sealed a reading and, with a remote, sent a heartbeat; then the kernel's
account of its memory is read (/proc/PID/smaps_rollup).
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 60  # seconds; only a failure waits so long


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A PostgreSQL server in a folder of its own."""

    def __init__(self, folder):
        programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs:
            sys.exit("node_memory.py: no PostgreSQL server here; install postgresql, or name --remote")
        self.folder = folder
        self.data = folder / "data"
        self.ctl = str(programs[-1] / "pg_ctl")
        # The server refuses to run as root.
        self.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(folder, "postgres")
        self.port = free_port()
        initdb = [str(programs[-1] / "initdb"), "-D", str(self.data), "-U", "node", "-A", "trust", "-N"]
        self.run(initdb)
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
        self.run([self.ctl, "-D", str(self.data), "-w", "-l", str(folder / "log"), "-o", options, "start"])
        self.uri = f"postgresql://node@127.0.0.1:{self.port}/postgres"

    def run(self, command):
        subprocess.run(self.user + command, check=True, cwd="/", stdout=subprocess.DEVNULL)

    def stop(self):
        self.run([self.ctl, "-D", str(self.data), "-m", "immediate", "stop"])


def is_settled(status, with_remote):
    if status["readings"]["sealed"] == 0:
        return False
    return not with_remote or status["remote"]["heartbeats"] > 0


def memory_of(pid):
    kib = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        kib[name] = int(value.split()[0])
    return kib["Rss"], kib["Private_Dirty"]


def measure(program, folder, remote):
    """RSS and private dirty of a node that has done everything once."""
    name = "with" if remote else "without"
    status_file = folder / f"{name}.json"
    command = [program, "--db", str(folder / f"{name}.db"), "--quiet", "--seal-every", "100ms",
               "--status-file", str(status_file), "--status-every", "100ms", "--heartbeat", "1s"]
    if remote:
        command += ["--remote", remote]
    node = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and node.poll() is None:
            if status_file.exists() and is_settled(json.loads(status_file.read_text()), remote):
                return memory_of(node.pid)
            time.sleep(0.05)
    finally:
        node.send_signal(signal.SIGTERM)
        said = node.communicate()[1]
    sys.exit(f"node_memory.py: the node {name} a remote did not settle; it said:\n{said}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", metavar="ROOST_NODE", help="the program")
    parser.add_argument("--remote", metavar="URI", help="a PostgreSQL server that is there already")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="roost-memory-"))
    folder.chmod(0o755)
    server = None
    try:
        remote = arguments.remote
        if remote is None:
            (folder / "server").mkdir()
            server = Server(folder / "server")
            remote = server.uri
        rows = [("without a remote", measure(arguments.program, folder, None)),
                ("with a remote", measure(arguments.program, folder, remote))]
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{'roost-node':18}{'RSS KiB':>10}{'private dirty KiB':>20}")
    for what, (rss, dirty) in rows:
        print(f"{what:18}{rss:10}{dirty:20}")
    print(f"{'the remote costs':18}{rows[1][1][0] - rows[0][1][0]:10}{rows[1][1][1] - rows[0][1][1]:20}")


if __name__ == "__main__":
    main()
