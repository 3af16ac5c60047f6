#!/usr/bin/env python3
"""Counts what one cycle of a contestant costs: instructions, heap calls, system calls.

Usage: counts.py --check BUILD [--optimised]   the bars of our own pool; exit code 1 when one is broken

Each count is the difference between two runs of unlike length, divided by the difference of the
lengths: starting, opening and ending the program cancel out. Counts do not depend on the machine's
load, so a test can assert them.
"""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Of acquire and return, optimised. With hold times about one lease of 128 is timed: that one takes the
# lock twice, some 2300 instructions (valgrind makes a system call of each reading of the clock). Two are the
# price of a number for each thread that no later thread gets.
MOST_INSTRUCTIONS = {"roost, no hold times": 64, "roost": 84}
# SELECT 1 through the pool, over the same by a raw handle with a kept statement. 20 of them refuse what a
# child of fork() inherited, and stop rows that outlived their lease; some 25 are the share of the leases
# that are timed.
MOST_OVER_RAW = 268
# A small SELECT on PostgreSQL: instructions and heap calls over those of libpq alone, by contestant. What
# libpq takes for rows that come one by one is a fifth of them; the lock of a lease with pings is, too.
SMALL_SELECT = {"small SELECT, pool without pings and hold times": (1.35, 0),
                "small SELECT, pool": (1.71, 0),
                "small SELECT, pool, Rows": (1.6, 2)}
# The socket is looked at after a rest, which a run under strace now and then is.
MOST_LOOKS = 0.5


def run(command, **more):
    """Runs it and returns its result; ends this program when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def loop(program, name, what, times):
    return [program, "--loop", name, what, str(times)]


def per_cycle(count, short, long):
    """The difference of two lengths; `count` maps a number of cycles to a number."""
    return (count(long) - count(short)) / (long - short)


def instructions(program, name, what="cycle", short=1000, long=3000):
    """By callgrind; None where valgrind is not installed."""
    if shutil.which("valgrind") is None:
        return None

    def count(times):
        tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        said = run(tool + loop(program, name, what, times)).stderr
        return int(re.search(r"Collected : (\d+)", said).group(1))

    return per_cycle(count, short, long)


def heap_calls(program, name, what="cycle", short=1000, long=11000):
    """malloc and its kin, by the library beside the program."""
    preload = pathlib.Path(program).parent / "libbench_allocations.so"
    with tempfile.NamedTemporaryFile() as out:
        environment = dict(os.environ, LD_PRELOAD=str(preload), ROOST_ALLOCATIONS=out.name)

        def count(times):
            run(loop(program, name, what, times), env=environment)
            return int(pathlib.Path(out.name).read_text())

        return per_cycle(count, short, long)


def system_calls(program, name, what="cycle", short=1000, long=11000):
    """By strace; None where it is not installed or not allowed."""
    if shutil.which("strace") is None:
        return None
    with tempfile.NamedTemporaryFile() as out:

        def count(times):
            trace = ["strace", "-f", "-c", "-o", out.name]
            subprocess.run([str(p) for p in trace + loop(program, name, what, times)],
                           capture_output=True, check=True)
            total = re.search(r"^100\.00 .* total$", pathlib.Path(out.name).read_text(), re.MULTILINE)
            return int(total.group(0).split()[3])

        try:
            return per_cycle(count, short, long)
        except (subprocess.CalledProcessError, AttributeError):
            return None


@contextlib.contextmanager
def postgres_server(program):
    """Has `program` (bench_postgres) start a server, and everything within find it: its address."""
    with subprocess.Popen([program, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as server:
        address = server.stdout.readline().strip()
        if not address:
            sys.exit(f"{program} --serve: no server came up")
        os.environ["ROOST_BENCH_POSTGRES"] = address
        try:
            yield address
        finally:
            server.stdin.close()
            server.wait()
            del os.environ["ROOST_BENCH_POSTGRES"]


def makes_no_call(program, name, what):
    """The kernel kills the program at its first system call in the loop."""
    command = [str(program), "--sealed", name, what, "10000"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Check:
    """Bars on counts, one line each."""

    def __init__(self):
        self.broken = 0

    def expect(self, holds, text):
        self.broken += not holds
        print(f"{'ok     ' if holds else 'BROKEN '}{text}")


def check(build, optimised):
    checks = Check()
    pools, sqlite = build / "bench_pools", build / "bench_sqlite"
    for name in ("roost", "roost, no hold times", "roost, default time-out", "roost, 50 + 25"):
        calls = heap_calls(pools, name)
        checks.expect(calls == 0, f"{name}: {calls:g} heap calls a cycle, may be 0")
        checks.expect(makes_no_call(pools, name, "cycle"), f"{name}: no system call in a cycle")
    for what, lengths in (("timeout", (10, 60)), ("refusal", (1000, 11000))):
        calls = heap_calls(pools, "roost", what, *lengths)
        checks.expect(calls == 0, f"roost: {calls:g} heap calls a {what}, may be 0")
    checks.expect(makes_no_call(pools, "roost", "refusal"), "roost: no system call in a refusal")
    calls = heap_calls(sqlite, "SELECT 1, pool")
    checks.expect(calls == 0, f"SELECT 1 by a kept statement: {calls:g} heap calls, may be 0")
    for name, most in MOST_INSTRUCTIONS.items() if optimised and shutil.which("valgrind") else ():
        # So long that the draw of the timed ones is evened out.
        count = instructions(pools, name, long=21000)
        checks.expect(count <= most, f"{name}: {count:.1f} instructions a cycle, may be {most}")
    if optimised and shutil.which("valgrind"):
        count = instructions(sqlite, "SELECT 1, pool") - instructions(sqlite, "SELECT 1, raw")
        text = f"SELECT 1 through the pool: {count:.1f} instructions over raw, may be {MOST_OVER_RAW}"
        checks.expect(count <= MOST_OVER_RAW, text)
    postgres = build / "bench_postgres"
    if postgres.exists():
        check_postgres(checks, postgres, optimised)
    return checks.broken


def check_postgres(checks, program, optimised):
    """A small SELECT through the pool over the same by libpq alone."""
    raw = "small SELECT, libpq"
    with postgres_server(program):
        raw_calls, raw_system = heap_calls(program, raw), system_calls(program, raw)
        raw_count = instructions(program, raw) if optimised else None
        for name, (most, most_calls) in SMALL_SELECT.items():
            calls = heap_calls(program, name) - raw_calls
            checks.expect(calls <= most_calls,
                          f"{name}: {calls:.2f} heap calls over libpq's, may be {most_calls}")
            count = system_calls(program, name)
            if count is not None and raw_system is not None:
                checks.expect(count <= raw_system + MOST_LOOKS,
                              f"{name}: {count:.2f} system calls, libpq alone {raw_system:.2f}")
            count = instructions(program, name) if raw_count is not None else None
            if count is not None:
                checks.expect(count <= most * raw_count, f"{name}: {count:.0f} instructions, "
                              f"{count / raw_count:.3f} times libpq alone, may be {most}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="BUILD", type=pathlib.Path, required=True,
                        help="the folder with the programs")
    parser.add_argument("--optimised", action="store_true",
                        help="they are built with optimisation: count instructions, too")
    arguments = parser.parse_args()
    return 1 if check(arguments.check.resolve(), arguments.optimised) else 0


if __name__ == "__main__":
    sys.exit(main())
