"""Runs the program of README.md and looks for its reading.

Usage: readme_test.py PROGRAM
"""

import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv[1]).resolve()


class ReadmeTest(unittest.TestCase):

    def test_the_fifteen_lines_store_a_reading(self):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run([PROGRAM], cwd=folder, stdin=subprocess.DEVNULL, timeout=60, check=False)
            self.assertEqual(result.returncode, 0)
            database = sqlite3.connect(pathlib.Path(folder, "readings.db"))
            self.assertEqual(database.execute("SELECT * FROM reading").fetchall(),
                             [("roof", 1700000000000000, 41.5)])
            database.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
