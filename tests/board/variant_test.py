#!/usr/bin/env python3
"""The broken builds of tests/board are broken in the way that their names say, here and now.

Usage: variant_test.py ROOST-NODE ROOSTCTL [unittest arguments]
"""

import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from variant import change

ROOST_NODE, ROOSTCTL = (Path(argument) for argument in sys.argv[1:3])
del sys.argv[1:3]
HANG_S = 600


class VariantTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="roost-variant-")
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.db = self.folder / "node.db"

    def variant(self, name):
        program = self.folder / name
        shutil.copy(ROOST_NODE, program)
        if name != "good":
            change(name, [program])
        return program

    def try_out(self, program):
        """As push.sh does before it switches."""
        return subprocess.run([program, "--db", ":memory:", "--for", "2s", "--quiet", "--remote", "",
                               "--remote-password-file", "", "--status-file", ""], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=HANG_S)

    def serve(self, program, until):
        """As a service, until it has told systemd `until`, which a READY=1 comes before, or never."""
        status = self.folder / "status.json"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(self.folder / "notify"))
            systemd.settimeout(HANG_S)
            node = subprocess.Popen(
                [program, "--db", self.db, "--every", "50ms", "--seal-every", "100ms", "--status-every", "100ms",
                 "--status-file", status], env={"NOTIFY_SOCKET": str(self.folder / "notify")},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                told = ""
                while until not in told:
                    told += systemd.recv(4096).decode() + "\n"
                verdict = subprocess.run([ROOSTCTL, "status", "--file", status], capture_output=True, text=True,
                                         check=False, timeout=HANG_S)
            finally:
                node.send_signal(signal.SIGTERM)
                node.communicate(timeout=HANG_S)
                (self.folder / "notify").unlink()
        return told, verdict

    def store_some(self):
        lines = subprocess.run([ROOST_NODE, "--db", self.db, "--stdin", "--quiet"], input="a 1\nb 2\n", text=True,
                               capture_output=True, check=False, timeout=HANG_S)
        self.assertEqual(lines.returncode, 0, lines.stderr)

    def readings(self):
        with sqlite3.connect(self.db) as database:
            return database.execute("SELECT count(*) FROM reading").fetchone()[0]

    def test_the_good_one_stores_readings(self):
        self.assertEqual(self.try_out(self.variant("good")).returncode, 0)
        told, verdict = self.serve(self.variant("good"), "readings sealed")
        self.assertIn("READY=1", told)
        self.assertEqual(verdict.returncode, 0, verdict.stdout)

    def test_no_schema_fails_when_it_is_tried_out(self):
        tried = self.try_out(self.variant("no-schema"))
        # 2: what the schema refuses is taken for a wrong --db.
        self.assertEqual(tried.returncode, 2)
        self.assertIn("5ensor", tried.stderr)

    def test_no_insert_is_ready_and_seals_nothing(self):
        program = self.variant("no-insert")
        self.assertEqual(self.try_out(program).returncode, 0, "nobody notices before the switch")
        self.store_some()
        before = self.readings()
        told, verdict = self.serve(program, "refuses")
        self.assertIn("READY=1", told)
        self.assertNotEqual(verdict.returncode, 0)
        self.assertIn("the database refuses", verdict.stdout)
        self.assertEqual(self.readings(), before)

    def test_no_ready_stores_readings_and_never_says_so_to_systemd(self):
        program = self.variant("no-ready")
        self.assertEqual(self.try_out(program).returncode, 0)
        told, _ = self.serve(program, "readings sealed")
        self.assertNotIn("READY=1", told)


if __name__ == "__main__":
    unittest.main()
