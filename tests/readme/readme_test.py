"""Runs the program of README.md and looks for its reading. tests/install/examples_test.py runs the other examples.

Usage: readme_test.py FIFTEEN_LINES
"""

import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
README = pathlib.Path(__file__).parents[2] / "README.md"


class ReadmeTest(unittest.TestCase):

    def test_the_fifteen_lines_store_a_reading(self):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run([PROGRAM], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                    timeout=600, check=False)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
            database = sqlite3.connect(pathlib.Path(folder, "readings.db"))
            [(node, taken, level)] = database.execute("SELECT * FROM reading").fetchall()
            database.close()
            self.assertEqual((node, level), ("roof", 41.5))
            self.assertGreater(taken, 1_600_000_000_000_000)

    def test_what_is_pasted_is_a_whole_program_of_fifteen_lines(self):
        program = re.search(r"<!-- all of \S+ -->\n```cpp\n(.*?)^```$", README.read_text(encoding="utf-8"),
                            flags=re.M | re.S)[1]
        lines = [line for line in program.splitlines() if line and not line.startswith(("//", "#include"))]
        self.assertEqual(len(lines), 15)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
