"""What the tests of a cross-build share: the arguments, and its Debian packages."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

CMAKE = sys.argv[1]
SOURCE, BUILD, TOOLCHAIN, SYSROOT, EMULATOR = (pathlib.Path(path) for path in sys.argv[2:7])
USAGE = "CMAKE SOURCE BUILD TOOLCHAIN SYSROOT EMULATOR"


def run(*command: str | pathlib.Path, **more) -> subprocess.CompletedProcess:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, **more)


def output(*command: str | pathlib.Path, **more) -> str:
    """What a command printed that has to succeed."""
    result = run(*command, **more)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


def architecture() -> str:
    """Debian's name of the architecture that the sysroot is of."""
    control = (SYSROOT / ".packages/libc6/control").read_text(encoding="utf-8")
    return control.split("\nArchitecture: ")[1].split("\n")[0]


def abi() -> str:
    """MAJOR.MINOR, of which the shared library's package has its name."""
    lists = (SOURCE / "CMakeLists.txt").read_text(encoding="utf-8")
    return lists.split("project(roostpool VERSION ")[1].split(" ")[0].rsplit(".", 1)[0]


class Packages:
    """The packages of BUILD, made anew in a folder of their own."""

    def __init__(self, test_case):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="roost-packages-"))
        test_case.addClassCleanup(shutil.rmtree, self.folder)
        output(pathlib.Path(CMAKE).parent / "cpack", "--config", BUILD / "CPackConfig.cmake",
               "-B", self.folder / "made", cwd=BUILD, umask=0o022)
        self.dev = self.only("libroostpool-dev")
        self.lib = self.only("libroostpool" + abi())
        self.node = self.only("roostpool-node")

    def only(self, name: str) -> pathlib.Path:
        found = list((self.folder / "made").glob(f"{name}_*.deb"))
        assert len(found) == 1, found
        return found[0]
