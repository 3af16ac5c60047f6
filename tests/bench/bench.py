#!/usr/bin/env python3
"""Runs every benchmark, compares with the bars, writes report.json and report.html.

Usage: bench.py BUILD OUT [--quick] [--aarch64 FILE]
  BUILD           the folder with the benchmark programs (build/bench/tests/bench)
  OUT             where the reports go
  --quick         a moment of everything: tries the programs out, its figures mean nothing
  --aarch64 FILE  JSON of deploy/bench.sh's count for aarch64

deploy/bench.sh builds all of it and calls this.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import bars
import counts
import languages
import measure
import report


class Steps:
    """Says how far the run has come."""

    TOTAL = 16

    def __init__(self):
        self.number, self.start = 0, time.monotonic()

    def next(self, what):
        self.number += 1
        measure.say(f"[{self.number}/{self.TOTAL}] {time.monotonic() - self.start:4.0f} s  {what}")


def small_select(arguments, folder, plan, data):
    """On one server, which is there for as long as that takes."""
    program = arguments.build / "bench_postgres"
    if not program.exists():
        data["missing"]["a small SELECT on PostgreSQL"] = "postgresql-15, libpq-dev"
        return
    if not (arguments.build / "bench_pqxx").exists():
        data["missing"]["a small SELECT by libpqxx"] = "libpqxx-dev"
    with counts.postgres_server(program) as address:
        data["small_select"] = measure.small_select(arguments.build, plan)
        if not plan.quick:
            data["small_select"]["languages"] = languages.on_postgres(folder, address)


def gather(arguments):
    """The measurements, or an exit with a sentence."""
    # Not /tmp, which may be in memory: rows are to reach a disk.
    folder = tempfile.mkdtemp(prefix="databases-", dir=arguments.out)
    steps = Steps()
    plan = measure.Plan(arguments.quick)
    try:
        data = measure.everything(arguments.build, folder, plan, steps)
        if not arguments.quick:
            steps.next("peers in other languages")
            data["languages"] = languages.everything(folder)
        steps.next("a small SELECT on PostgreSQL, and by peers in other languages")
        small_select(arguments, folder, plan, data)
    except subprocess.CalledProcessError as error:
        sys.exit(f"bench.py: {' '.join(map(str, error.cmd))} failed:\n{error.stderr}")
    finally:
        shutil.rmtree(folder)
    if arguments.aarch64 is not None and arguments.aarch64.exists():
        data["aarch64"] = json.loads(arguments.aarch64.read_text())
    data["quick"] = arguments.quick
    data["seconds"] = round(time.monotonic() - steps.start)
    data["taken"] = time.strftime("%Y-%m-%d %H:%M")
    data["bars"] = bars.bars_of(data)
    return data


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD", type=pathlib.Path)
    parser.add_argument("out", metavar="OUT", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--aarch64", metavar="FILE", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.build = arguments.build.resolve()
    arguments.out.mkdir(parents=True, exist_ok=True)
    data = gather(arguments)
    (arguments.out / "report.json").write_text(json.dumps(data, indent=1) + "\n")
    (arguments.out / "report.html").write_text(report.page(data))
    print(f"\n{bars.table(data['bars'])}\n")
    for line in report.remarks(data):
        print(line)


if __name__ == "__main__":
    main()
