#!/usr/bin/env python3
"""What roost-node takes of memory by stage, and what a pool takes over raw handles: resident and
private dirty memory in KiB, by the kernel's account (/proc/PID/smaps_rollup).

Usage: node_memory.py BUILD [--remote URI]
       node_memory.py BUILD --without OTHER

BUILD is a build folder with the targets roost-node, node_stages, node_over_raw and node_over_pool.
Without --remote a throw-away PostgreSQL server is started for the last stage and stopped after it.

With --without nothing but a node without a remote is looked at, beside that of OTHER: a build of the same
source with a part left out, as -DROOST_MYSQL=OFF. Fails when the part costs more than 16 KiB that are
private and dirty, or a shared library. Its tables and virtual functions are pointers, which the dynamic linker
writes at the start; no page of its own is touched after that. What it costs of the program's own mapped file
is printed: the kernel maps in pieces of 64 KiB what is read, and can drop it again.

Fails when the program with a pool has more than 150 KiB of private dirty memory over the same program
with raw handles, a further shared library, or a further thread. What it has more of resident memory is
for the most part code and constants, which the kernel maps in pieces of 64 KiB and can drop again: printed
and not bounded, as it depends on the compiler's options. deploy/bench.sh measures it in a release.
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
MOST_OVER_RAW = 150  # KiB, private and dirty
MOST_WITHOUT = 16  # KiB
STARTS = 7  # the kernel lays a program out anew at each: its pieces of 64 KiB begin elsewhere


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


def mapped_of(pid, program):
    """What of the program's file is in its memory, in KiB by smaps, and the shared libraries it has."""
    resident, libraries, ours = 0, set(), False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            path = words[5] if len(words) > 5 else ""
            ours = path == program
            if ".so" in path:
                libraries.add(path)
        elif ours and words[0] == "Rss:":
            resident += int(words[1])
    return resident, libraries


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


def clean(program):
    """The pages of a file that was just linked count as dirty until they are on the disk."""
    with open(program, "rb") as file:
        os.fsync(file.fileno())


class Node:
    """A roost-node that runs until the block is left."""

    def __init__(self, program, folder, arguments, environment=None):
        self.status_file = folder / "status.json"
        self.status_file.unlink(missing_ok=True)
        command = [program, "--db", str(folder / "node.db"), "--quiet", "--status-file", str(self.status_file),
                   "--status-every", "100ms"] + arguments
        self.process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate()

    def memory_when(self, what, reached):
        """RSS and private dirty memory once its status is as `reached` wants."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            if self.status_file.exists() and reached(json.loads(self.status_file.read_text())):
                return memory_of(self.process.pid)
            time.sleep(0.05)
        self.process.send_signal(signal.SIGTERM)
        sys.exit(f"node_memory.py: the node did not get to \"{what}\"; it said:\n{self.process.communicate()[1]}")


def stages_inside(program, library, folder):
    """What only the node itself can look at: see node_stages.c. Its later stages are others' to see."""
    told = folder / "stages"
    with Node(program, folder, ["--stdin", "--seal-every", "100ms"],
              {"LD_PRELOAD": str(library), "NODE_STAGES": str(told)}) as node:
        node.memory_when("ready", lambda status: status["ready"])
    rows = [line.split(",") for line in told.read_text().splitlines()]
    return [(stage, (int(rss), int(dirty))) for stage, rss, dirty in rows]


def stages_outside(program, folder):
    with Node(program, folder, ["--stdin", "--seal-every", "100ms"]) as node:
        def write(count):
            for i in range(count):
                node.process.stdin.write(f"temperature {20 + i % 10}.5 C\n")
            node.process.stdin.flush()

        write(1)
        yield "first reading sealed", node.memory_when("sealed", lambda s: s["readings"]["sealed"] == 1)
        write(999)
        yield "1,000 readings sealed", node.memory_when("1,000", lambda s: s["readings"]["sealed"] == 1000)


def stage_with_remote(program, folder, remote):
    with Node(program, folder, ["--seal-every", "100ms", "--heartbeat", "1s", "--remote", remote]) as node:
        return node.memory_when("a heartbeat", lambda status: is_settled(status, True))


def over_raw(program, folder):
    """What node_over_raw.cc prints of itself: medians of a few starts, and its shared libraries."""
    clean(program)
    command = [program, str(folder / f"{program.name}.db")]
    runs = [json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(STARTS)]
    figures = {name: round(statistics.median(run[name] for run in runs)) for name in runs[0] if name != "libraries"}
    return figures, set(runs[0]["libraries"])


def compare_with_raw(folder, build):
    (raw, raw_libraries) = over_raw(build / "node_over_raw", folder)
    (pool, pool_libraries) = over_raw(build / "node_over_pool", folder)
    further = sorted(pool_libraries - raw_libraries)
    rows = [("raw handles", raw), ("through a pool", pool), ("the pool costs", {k: pool[k] - raw[k] for k in raw})]
    print(f"\n{'three connections':24}{'RSS KiB':>10}{'private dirty KiB':>20}{'threads':>9}{'first row us':>14}")
    for what, figures in rows:
        print(f"{what:24}{figures['rss_kib']:10}{figures['private_dirty_kib']:20}{figures['threads']:9}"
              f"{figures['first_row_us']:14}")
    print(f"further shared libraries: {', '.join(further) or 'none'}")
    cost = rows[-1][1]
    dirty = cost["private_dirty_kib"]
    wrong = [f"{dirty} KiB over the raw handles"] if dirty > MOST_OVER_RAW else []
    wrong += [f"{cost['threads']} further threads"] if cost["threads"] else []
    wrong += ["a further shared library"] if further else []
    if wrong:
        sys.exit(f"node_memory.py: a pool may cost {MOST_OVER_RAW} KiB and nothing else; it costs {', '.join(wrong)}")


def node_without_remote(program, folder):
    """Medians of a few starts, once 100 readings are sealed."""
    runs, libraries = [], set()
    for _ in range(STARTS):
        for left in folder.glob("node.db*"):
            left.unlink()
        with Node(program, folder, ["--stdin", "--seal-every", "100ms"]) as node:
            node.process.stdin.write("temperature 20.5 C\n" * 100)
            node.process.stdin.flush()
            rss, dirty = node.memory_when("100 readings", lambda s: s["readings"]["sealed"] == 100)
            mapped, libraries = mapped_of(node.process.pid, program)
            runs.append((rss, dirty, mapped))
    return [round(statistics.median(column)) for column in zip(*runs)], libraries


def compare_without(folder, program, other):
    for one in (program, other):
        clean(one)
    (have, libraries), (lack, fewer) = (node_without_remote(one, folder) for one in (program, other))
    rows = [("with it", have), ("without", lack), ("it costs", [a - b for a, b in zip(have, lack)])]
    print(f"{'roost-node, no remote':24}{'RSS KiB':>10}{'private dirty KiB':>20}{'of its file KiB':>18}{'size KiB':>10}")
    sizes = [os.path.getsize(one) // 1024 for one in (program, other)]
    for (what, figures), size in zip(rows, sizes + [sizes[0] - sizes[1]]):
        print(f"{what:24}{figures[0]:10}{figures[1]:20}{figures[2]:18}{size:10}")
    further = sorted(libraries - fewer)
    print(f"further shared libraries: {', '.join(further) or 'none'}")
    if rows[-1][1][1] > MOST_WITHOUT or further:
        sys.exit(f"node_memory.py: the part may cost {MOST_WITHOUT} KiB and no library: it costs {rows[-1][1][1]} KiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD", type=pathlib.Path, help="the build folder")
    parser.add_argument("--remote", metavar="URI", help="a PostgreSQL server that is there already")
    parser.add_argument("--without", metavar="OTHER", type=pathlib.Path, help="a build with a part left out")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="roost-memory-"))
    folder.chmod(0o755)
    program = str(arguments.build.resolve() / "src/tools/roost-node/roost-node")
    bench = arguments.build.resolve() / "tests/bench"
    server = None
    clean(program)
    if arguments.without is not None:
        try:
            return compare_without(folder, program, str(arguments.without.resolve() / "src/tools/roost-node/roost-node"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    try:
        rows = stages_inside(program, bench / "libnode_stages.so", folder)
        rows += stages_outside(program, folder)
        remote = arguments.remote
        if remote is None:
            (folder / "server").mkdir()
            server = Server(folder / "server")
            remote = server.uri
        rows.append(("with a remote", stage_with_remote(program, folder, remote)))
        print(f"{'roost-node':24}{'RSS KiB':>10}{'private dirty KiB':>20}")
        for what, (rss, dirty) in rows:
            print(f"{what:24}{rss:10}{dirty:20}")
        compare_with_raw(folder, bench)
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
