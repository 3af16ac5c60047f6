"""Builds each example of the installed package as a project of its own, with the strictest warnings, and runs it.

The stage lint of deploy/test.sh has clang look at them with all of its warnings.

Usage: examples_test.py CMAKE SOURCE BUILD COMPILER
"""

import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from installed import CMAKE, COMPILER, SOURCE, InstalledTest, run

EXAMPLES = sorted(path.parent.name for path in (SOURCE / "tests/examples").glob("*/CMakeLists.txt"))
MOST_LINES = 60
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror")
PATIENCE = 600  # seconds; only a failure waits so long


class ExamplesTest(InstalledTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sources = cls.prefix / "share/doc/libroostpool-dev/examples"

    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def build(self, name):
        """The program. Our headers are no system headers here: their warnings count, too."""
        build = self.folder / "build" / name
        if not build.exists():
            for command in ((CMAKE, "-G", "Ninja", "-S", self.sources / name, "-B", build,
                             f"-DCMAKE_CXX_COMPILER={COMPILER}", f"-DCMAKE_PREFIX_PATH={self.prefix}",
                             "-DCMAKE_NO_SYSTEM_FROM_IMPORTED=ON", f"-DCMAKE_CXX_FLAGS={' '.join(STRICT)}"),
                            (CMAKE, "--build", build, "-j", str(os.cpu_count()))):
                done = run(*command)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertNotIn("warning:", done.stdout + done.stderr)
        return build / name

    def use(self, name, *arguments, exit_code=0):
        done = run(self.build(name), *arguments, cwd=self.work)
        self.assertEqual(done.returncode, exit_code, done.stdout + done.stderr)
        return done.stdout

    def rows(self, file, sql):
        database = sqlite3.connect(self.work / file)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def test_every_example_is_installed_and_short(self):
        self.assertEqual(sorted(path.name for path in self.sources.iterdir() if path.is_dir()), EXAMPLES)
        self.assertIn("weather_station", EXAMPLES)
        for path in sorted(self.sources.glob("*/*.*")):
            lines = path.read_text(encoding="utf-8").splitlines()
            self.assertLessEqual(len(lines), MOST_LINES, path)
            self.assertLessEqual(max(map(len, lines)), 100, path)

    def test_the_page_names_every_example(self):
        page = (self.sources / "README.md").read_text(encoding="utf-8")
        self.assertEqual(sorted(re.findall(r"^\| \[`(\w+)`\]\(\w+/\)", page, flags=re.M)), EXAMPLES)

    def test_local_logger(self):
        self.use("local_logger")
        [(node, taken, level)] = self.rows("readings.db", "SELECT * FROM reading")
        self.assertEqual((node, level), ("roof", 41.5))
        self.assertGreater(taken, 1_600_000_000_000_000)

    def test_remote_keeps_what_a_server_that_is_away_does_not_take(self):
        self.assertEqual(self.use("remote", "postgresql://node@127.0.0.1:1/d", "3", "4", exit_code=1),
                         "0 stored, 3 kept\n")

    def test_own_loop(self):
        self.assertEqual(self.use("own_loop"), "roof 3, cellar 3\n")

    def test_coroutine(self):
        self.assertEqual(self.use("coroutine").splitlines(),
                         ["roof 0", "cellar 0", "roof 1", "cellar 1", "roof 2", "cellar 2"])

    def test_status_and_metrics(self):
        said = self.use("status_and_metrics")
        self.assertIn("writer held by main.cc:", said)
        self.assertIn("\n1 in trouble\n", said)
        metrics = dict(line.split() for line in said.splitlines() if re.match(r"pool_\w+ ", line))
        self.assertEqual([metrics[f"pool_{name}"] for name in ("in_use", "refused_nested", "wait_count")],
                         ["1", "1", "1"])

    def test_tracing(self):
        spans = [json.loads(line) for line in self.use("tracing").splitlines()]
        self.assertEqual([span["name"] for span in spans],
                         ["pool.acquire", "count", "pool.acquire", "pool.lease", "request"])
        acquire, count, refused, lease, request = spans
        for span in spans[:4]:
            self.assertEqual((span["traceId"], span["parentSpanId"]), (request["traceId"], request["spanId"]))
            self.assertGreaterEqual(int(span["endTimeUnixNano"]), int(span["startTimeUnixNano"]))
        self.assertEqual(len({span["spanId"] for span in spans}), 5)
        # The lease begins where its acquire ends, and ends behind what was done with it.
        self.assertGreaterEqual(int(lease["endTimeUnixNano"]), int(count["endTimeUnixNano"]))
        self.assertEqual(acquire["attributes"]["db.client.connection.pool.name"], "local")
        self.assertNotIn("error.type", acquire["attributes"])
        self.assertNotIn("error.type", count["attributes"])
        self.assertEqual(refused["attributes"]["error.type"], "failed_precondition")

    def test_own_driver(self):
        self.use("own_driver")
        self.assertEqual((self.work / "numbers.txt").read_text(encoding="ascii"), "42\n43\n44\n")

    # ---- The weather station ----

    def latest(self, path):
        """The number of the latest reading that the station tells; 0: it is not there yet."""
        with socket.socket(socket.AF_UNIX) as peer:
            try:
                peer.connect(str(path))
                told = peer.makefile().read()
            except OSError:
                return 0
        number = told.split(" ")[0]
        return int(number) if number.isdigit() else 0

    def station(self, name, readings, env=None):
        """Runs a station until it has told of so many readings; how many it has in both databases."""
        arguments = [f"{name}.db", f"{name}.sock", f"{name}.archive", "20"]
        station = subprocess.Popen([self.build("weather_station"), *arguments],
                                   cwd=self.work, env=os.environ | (env or {}), stdin=subprocess.DEVNULL)
        try:
            until = time.monotonic() + PATIENCE
            while self.latest(self.work / f"{name}.sock") < readings:
                self.assertLess(time.monotonic(), until)
                self.assertIsNone(station.poll())
                time.sleep(0.01)
            station.send_signal(signal.SIGTERM)
            self.assertEqual(station.wait(PATIENCE), 0)
        finally:
            station.kill()
            station.wait()
        return [self.rows(f"{name}.{kind}", "SELECT count(*) FROM reading")[0][0] for kind in ("db", "archive")]

    def test_the_weather_station_has_each_reading_in_both_databases_and_sums_up(self):
        local, archive = self.station("station", 30)
        self.assertGreaterEqual(local, 30)
        self.assertEqual(local, archive)
        self.assertEqual(self.rows("station.archive", "SELECT min(id), max(id) FROM reading"), [(1, local)])
        [(last, count)] = self.rows("station.db", "SELECT max(last_id), sum(count) FROM summary")
        self.assertEqual(last, count)
        self.assertGreaterEqual(count, 10)
        # Begun again it goes on where it was.
        (self.work / "station.sock").unlink()
        again, archive = self.station("station", local + 5)
        self.assertGreaterEqual(again, local + 5)
        self.assertEqual(self.rows("station.archive", "SELECT count(*), max(id) FROM reading"), [(again, again)])

    def test_the_weather_station_takes_no_heap_after_its_start(self):
        """Two runs, of which one is longer, take the same: what a run takes is its start's and its end's."""
        library = self.folder / "count.so"
        compiled = run(COMPILER, "-std=c++20", "-O2", "-shared", "-fPIC", f"-I{SOURCE}", "-o", library,
                       *(SOURCE / "tests" / name for name in ("bench/allocation_preload.cc",
                                                              "support/counting_allocator.cc")))
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        # A busy machine may let a deadline pass, and an error takes memory: once without one is enough.
        for attempt in range(5):
            taken = []
            for readings in (20, 150):
                name = f"heap-{attempt}-{readings}"
                self.station(name, readings, {"LD_PRELOAD": str(library), "ROOST_ALLOCATIONS": f"{name}.count"})
                taken.append(int((self.work / f"{name}.count").read_text(encoding="ascii")))
            if taken[0] == taken[1]:
                self.assertGreater(taken[0], 0, "nothing was counted")
                return
        self.fail(f"130 readings took {taken[1] - taken[0]} heap calls")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[5:])
