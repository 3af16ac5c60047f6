"""What the tests of the installed package share.

They are called with CMAKE SOURCE BUILD COMPILER, and more behind it.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

CMAKE = sys.argv[1]
SOURCE, BUILD = (pathlib.Path(folder).resolve() for folder in sys.argv[2:4])
COMPILER = sys.argv[4]


def run(*command, **more) -> subprocess.CompletedProcess:
    more.setdefault("env", os.environ | {"LC_ALL": "C"})
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, **more)


def output(*command, **more) -> str:
    result = run(*command, **more)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


class InstalledTest(unittest.TestCase):
    """`folder` is the test's, and `prefix` in it has what BUILD installs."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="roost-installed-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.prefix = cls.folder / "prefix"
        output(CMAKE, "--install", BUILD, "--prefix", cls.prefix)
