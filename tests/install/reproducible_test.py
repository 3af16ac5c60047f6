"""The packages are the same, byte by byte, whenever and in whatever folder they are built.

Builds BUILD's preset once more: from a copy of the sources without git, in another folder, with another
umask, time zone and language, and without ccache. Minutes, on a board's preset. By hand for this machine:
  cmake --preset release && cmake --build --preset release
  python3 tests/install/reproducible_test.py cmake . build/release release

Usage: reproducible_test.py CMAKE SOURCE BUILD PRESET [SYSROOT]
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

CMAKE = sys.argv[1]
SOURCE, BUILD = (pathlib.Path(path).resolve() for path in sys.argv[2:4])
PRESET = sys.argv[4]
SYSROOT = pathlib.Path(sys.argv[5]).resolve() if len(sys.argv) > 5 else None
# What may be chosen for packages.
CHOICES = ("ROOST_BOARD", "ROOST_COMPILER", "ROOST_PACKAGE_RELEASE", "ROOST_PACKAGE_MAINTAINER", "ROOST_PROFILE")


def output(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def pack(build, into, **more):
    output(pathlib.Path(shutil.which(CMAKE)).parent / "cpack", "--config", build / "CPackConfig.cmake", "-B", into,
           cwd=build, umask=0o022, **more)  # as cross.sh packs
    return {package.name: package for package in into.glob("*.deb")}


class ReproducibleTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="roost-reproducible-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        # As now, not as when the folder was configured.
        output(CMAKE, BUILD)
        output(CMAKE, "--build", BUILD, "--target", "roost-node", "roostctl", "documents", "roostpool",
               "roostpool_shared")
        cls.first = pack(BUILD, cls.folder / "first")
        cls.second_build = cls.build_again(cls.copy_sources())
        cls.second = pack(cls.second_build, cls.folder / "second", env=cls.elsewhere())

    @classmethod
    def elsewhere(cls):
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(("CMAKE_", "CCACHE_", "LC_", "SOURCE_DATE"))}
        return env | {"TZ": "Pacific/Chatham", "LC_ALL": "C.UTF-8", "HOME": str(cls.folder), "CCACHE_DISABLE": "1"}

    @classmethod
    def copy_sources(cls):
        sources = cls.folder / "in quite another place/sources"
        for name in output("git", "ls-files", "-z", cwd=SOURCE).split("\0"):
            if name and (SOURCE / name).exists():
                (sources / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(SOURCE / name, sources / name)  # with a new time
        (sources / "VERSION").write_text(output(SOURCE / "deploy/version.sh"), encoding="utf-8")
        return sources

    @classmethod
    def build_again(cls, sources):
        cache = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8")
        options = ["-DROOST_BUILD_TESTS=OFF"]
        for line in cache.splitlines():
            name, _, value = line.partition("=")
            if name.split(":")[0] in CHOICES:
                options.append(f"-D{name.split(':')[0]}={value}")
        if SYSROOT:
            linked = cls.folder / "another-sysroot"
            linked.symlink_to(SYSROOT)
            options.append(f"-DROOST_SYSROOT={linked}")
        build = cls.folder / "built"
        where = {"cwd": sources, "env": cls.elsewhere(), "umask": 0o077}
        output(CMAKE, "--preset", PRESET, "-B", build, *options, **where)
        output(CMAKE, "--build", build, "-j", str(os.cpu_count()), **where)
        return build

    def difference(self, one, other):
        """What differs in two packages, for whoever has to find out why."""
        said = []
        for query in ("--field", "--contents"):
            texts = [output("dpkg-deb", query, package).splitlines() for package in (one, other)]
            said += [f"- {line}" for line in texts[0] if line not in texts[1]]
            said += [f"+ {line}" for line in texts[1] if line not in texts[0]]
        folders = [self.folder / name for name in ("one", "other")]
        for package, folder in zip((one, other), folders):
            shutil.rmtree(folder, ignore_errors=True)
            output("dpkg-deb", "--raw-extract", package, folder)
        for path in sorted(folders[0].rglob("*")):
            twin = folders[1] / path.relative_to(folders[0])
            if path.is_file() and twin.is_file() and path.read_bytes() != twin.read_bytes():
                said.append(f"differs: {path.relative_to(folders[0])}")
        return "\n".join(said[:60])

    def test_each_package_is_the_same(self):
        self.assertEqual(set(self.first), set(self.second))
        self.assertEqual(len(self.first), 3)
        for name, package in self.first.items():
            with self.subTest(name):
                self.assertTrue(package.read_bytes() == self.second[name].read_bytes(),
                                self.difference(package, self.second[name]))

    def test_no_path_of_the_machine_is_in_a_program_or_library(self):
        for build in (BUILD, self.second_build):
            for name in ("src/tools/roost-node/roost-node", "src/tools/roostctl/roostctl", "libroostpool.so"):
                content = (build / name).read_bytes()
                for path in (SOURCE, self.folder, SYSROOT or self.folder):
                    self.assertNotIn(str(path).encode(), content, name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
