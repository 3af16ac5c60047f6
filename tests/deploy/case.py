"""What the tests of the deployment share: versions, and the scripts run against boards that are folders.

A test's arguments: SOURCE-FOLDER FAKE-NODE [unittest arguments].
"""

import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from sandbox import HANG_S, Board

SOURCE, FAKE_NODE = (Path(argument) for argument in sys.argv[1:3])
del sys.argv[1:3]
UNIT = """[Service]
Type=notify
User=roost
ExecStart=/usr/bin/roost-node --config /etc/roost/roost-node.conf
Restart=on-failure
StateDirectory=roost
"""

DONE, NOT_DONE, USAGE, LOST, UNHEALTHY = range(5)


class Outcome:
    """Exit code and output of a script."""

    def __init__(self, code, text):
        self.code, self.text = code, text


class DeployTest(unittest.TestCase):
    def setUp(self):
        self._scratch = tempfile.TemporaryDirectory(prefix="roost-deploy-")
        self.addCleanup(self._scratch.cleanup)
        self.scratch = Path(self._scratch.name)
        self.board = self.new_board()

    def new_board(self, **env):
        board = Board(**env)
        self.addCleanup(board.close)
        return board

    def release(self, name, behaviour="", conf="every = 5s\n", padding=0, unit=UNIT, catalogue=""):
        """A folder as cross.sh leaves one, with programs that behave as told."""
        folder = self.scratch / name
        (folder / "bin").mkdir(parents=True)
        (folder / "systemd").mkdir()
        filler = random.Random(name).randbytes(padding)
        program = FAKE_NODE.read_bytes() + filler + f"\n{name}\nbehaviour={behaviour}".encode()
        for tool in ("roost-node", "roostctl"):
            (folder / "bin" / tool).write_bytes(program)
            (folder / "bin" / tool).chmod(0o755)
        (folder / "systemd/roost-node.service").write_text(unit)
        (folder / "systemd/roost-node.conf").write_text(conf)
        (folder / "systemd/roost.sysusers").write_text("u roost\n")
        if catalogue:
            (folder / "systemd/roostpool.catalog").write_text(catalogue)
        (folder / "VERSION").write_text(f"version {name}\ncommit abc\n")
        return folder

    def command(self, script, *arguments, board=None):
        board = board or self.board
        words = [SOURCE / "deploy" / script, "-F", board.ssh_config, *arguments]
        return [str(word) for word in words]

    def run_script(self, *arguments, env=None, umask=-1, **options):
        """`env`: more variables of the environment."""
        done = subprocess.run(self.command(*arguments, **options), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              env=os.environ | (env or {}), umask=umask, timeout=HANG_S * 2)
        return Outcome(done.returncode, done.stdout.decode())

    def push(self, release, *arguments, settle=0, wait=20, **options):
        return self.run_script("push.sh", "--from", release, "--settle", settle, "--wait", wait,
                               *arguments, "board", **options)

    def rollback(self, *arguments, **options):
        return self.run_script("push.sh", "--rollback", "--settle", "0", *arguments, "board",
                               **options)

    def expect(self, outcome, code, *texts):
        self.assertEqual(outcome.code, code, outcome.text)
        for text in texts:
            self.assertIn(text, outcome.text)

    def assert_runs(self, name, board=None):
        board = board or self.board
        current = board.link("current")
        self.assertTrue(current and current.startswith(name), f"{current} is current, not {name}")
        pid = board.systemd.property("MainPID")
        self.assertEqual(board.systemd.property("ActiveState"), "active")
        self.assertEqual(os.readlink(f"/proc/{pid}/exe"),
                         str(board.opt / "releases" / current / "bin/roost-node"))
