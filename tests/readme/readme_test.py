"""Runs the program of README.md and looks for its reading; runs the examples of a loop and a coroutine.

Usage: readme_test.py FIFTEEN_LINES EVENT_LOOP COROUTINE
"""

import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import unittest

PROGRAM, EVENT_LOOP, COROUTINE = (pathlib.Path(arg).resolve() for arg in sys.argv[1:4])


class ReadmeTest(unittest.TestCase):

    def test_the_fifteen_lines_store_a_reading(self):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run([PROGRAM], cwd=folder, stdin=subprocess.DEVNULL, timeout=600, check=False)
            self.assertEqual(result.returncode, 0)
            database = sqlite3.connect(pathlib.Path(folder, "readings.db"))
            self.assertEqual(database.execute("SELECT * FROM reading").fetchall(),
                             [("roof", 1700000000000000, 41.5)])
            database.close()

    def lines_of(self, program):
        result = subprocess.run([program], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                                check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.splitlines()

    def test_the_event_loop_serves_both_sensors(self):
        self.assertEqual(self.lines_of(EVENT_LOOP), ["roof stored", "cellar stored"])

    def test_the_coroutines_take_turns(self):
        self.assertEqual(self.lines_of(COROUTINE),
                         ["roof 0", "cellar 0", "roof 1", "cellar 1", "roof 2", "cellar 2"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
