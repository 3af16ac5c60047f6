"""What links an installed roostpool: make, Meson and CMake, the archive and the shared library, plug-ins.

Usage: link_test.py CMAKE SOURCE BUILD COMPILER ABSEIL-VERSION VERSION SHARED
SHARED is BUILD_SHARED_LIBS of BUILD. Without Meson, make or pkg-config their tests are left out.
"""

import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from installed import BUILD, CMAKE, COMPILER, SOURCE, InstalledTest, output, run

ABSEIL, VERSION, SHARED = sys.argv[5:8]
ABI = VERSION.rsplit(".", 1)[0]
SAID = "profile raspberry_pi\nlevel 21.5\n"
MAKE, MESON, PKG_CONFIG = (shutil.which(name) for name in ("make", "meson", "pkg-config"))
NEEDS_SHARED = unittest.skipUnless(SHARED == "ON", "BUILD_SHARED_LIBS is OFF")


class LinkTest(InstalledTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.libraries = next(cls.prefix.rglob("libroostpool.a")).parent
        cls.shared = cls.libraries / "libroostpool.so"

    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        for file in (SOURCE / "tests/install/consumer").iterdir():
            shutil.copy(file, self.place)

    def environment(self, libraries=None, **more) -> dict:
        env = os.environ | {"LC_ALL": "C", "CXX": COMPILER} | more
        env["PKG_CONFIG_PATH"] = str((libraries or self.libraries) / "pkgconfig")
        return env

    def said(self, program) -> str:
        return output(program, self.place / "node.db", env=os.environ | {"LD_LIBRARY_PATH": str(self.libraries)})

    def needed(self, file) -> set[str]:
        return set(re.findall(r"NEEDED.*\[(.*)\]", output("readelf", "--dynamic", "--wide", file)))

    def package(self, name: str, *query: str, **more) -> str:
        return output(PKG_CONFIG, *query, name, env=self.environment(**more)).strip()

    def write_pc(self, prefix, shared: str, libdir="lib", root="") -> pathlib.Path:
        """What is installed from a build with BUILD_SHARED_LIBS=`shared`, to `prefix` below `root`."""
        settings = {"CMAKE_INSTALL_PREFIX": prefix, "ROOST_PC_NAMES": "roostpool;roostpool-sqlite;roostpool-postgres",
                    "ROOST_PC_TEMPLATES": SOURCE / "deploy/pkgconfig", "ROOST_PC_OUT": self.place / "pc",
                    "ROOST_PC_VERSION": VERSION, "ROOST_PC_ABSL": ABSEIL, "ROOST_PC_SHARED": shared,
                    "ROOST_PC_LIBDIR": libdir, "ROOST_PC_INCLUDEDIR": "include"}
        output(CMAKE, *(f"-D{name}={value}" for name, value in settings.items()), "-P",
               SOURCE / "deploy/cmake/pkgconfig.cmake", env=os.environ | {"DESTDIR": str(root)})
        return pathlib.Path(f"{root}{prefix}", libdir)


@unittest.skipUnless(PKG_CONFIG and MAKE, "neither make nor pkg-config")
class MakeTest(LinkTest):

    def make(self, *arguments, **more) -> pathlib.Path:
        output(MAKE, "-C", self.place, *arguments, env=self.environment(**more))
        return self.place / "consumer"

    @NEEDS_SHARED
    def test_make_links_the_shared_library(self):
        # Hidden visibility is what plug-ins and Qt compile with: what the headers declare stays visible.
        program = self.make("CXXFLAGS=-fvisibility=hidden -fvisibility-inlines-hidden")
        self.assertEqual(self.said(program), SAID)
        self.assertIn(f"libroostpool.so.{ABI}", self.needed(program))
        self.assertNotIn("libsqlite3.so.0", self.needed(program))

    def test_make_links_the_archive_beside_a_shared_library(self):
        program = self.make("LINK=archive")
        self.assertEqual(self.said(program), SAID)
        self.assertFalse([name for name in self.needed(program) if "roost" in name])

    def test_make_links_everything_into_the_program(self):
        program = self.make("LINK=static")
        self.assertEqual(self.said(program), SAID)
        self.assertEqual(self.needed(program), set())

    def test_without_a_shared_library_nobody_has_to_say_static(self):
        prefix = self.place / "archive"
        libraries = self.write_pc(prefix, "OFF")
        (prefix / "include").symlink_to(self.prefix / "include")
        (libraries / "libroostpool.a").symlink_to(self.libraries / "libroostpool.a")
        self.assertEqual(self.said(self.make(libraries=libraries)), SAID)


@unittest.skipUnless(PKG_CONFIG, "no pkg-config")
class PkgConfigTest(LinkTest):

    def test_the_version_and_the_abseil_are_named(self):
        for name in ("roostpool", "roostpool-sqlite", "roostpool-postgres"):
            self.assertEqual(self.package(name, "--modversion"), VERSION)
        self.assertIn(f"absl_status = {ABSEIL}", self.package("roostpool", "--print-requires"))

    def test_the_prefix_is_that_of_the_installation(self):
        self.assertEqual(self.package("roostpool", "--variable=prefix"), str(self.prefix))
        self.assertEqual(self.package("roostpool", "--variable=libdir"), str(self.libraries))

    def test_a_sysroot_stands_before_the_paths(self):
        root = self.place / "root"
        libraries = self.write_pc("/opt/roost", "ON", root=root)
        flags = output(PKG_CONFIG, "--cflags", "--libs", "roostpool-sqlite", env=self.environment(
            libraries, PKG_CONFIG_SYSROOT_DIR=str(root)))
        self.assertIn(f"-I{root}/opt/roost/include ", flags)
        self.assertIn(f"-L{root}/opt/roost/lib ", flags)

    def test_absolute_folders_are_not_put_behind_the_prefix(self):
        libraries = self.place / "elsewhere/lib"
        self.write_pc(self.place / "usr", "ON", libdir=libraries)
        self.assertEqual(self.package("roostpool", "--variable=libdir", libraries=libraries), str(libraries))

    def test_what_the_shared_library_needs_itself_is_private(self):
        private, public = "sqlite3", "absl_status"
        for shared, requires in (("ON", "--print-requires-private"), ("OFF", "--print-requires")):
            libraries = self.write_pc(self.place / shared, shared)
            self.assertIn(private, self.package("roostpool", requires, libraries=libraries))
            # The inline code of the headers calls it: without it the linker says "DSO missing".
            self.assertIn(public, self.package("roostpool", "--print-requires", libraries=libraries))


@unittest.skipUnless(PKG_CONFIG and MESON, "neither Meson nor pkg-config")
class MesonTest(LinkTest):

    def use(self, *arguments: str) -> pathlib.Path:
        build = self.place / "built"
        output(MESON, "setup", *arguments, build, self.place, env=self.environment())
        output("ninja", "-C", build)
        self.assertEqual(self.said(build / "consumer"), SAID)
        return build / "consumer"

    @NEEDS_SHARED
    def test_meson_links_the_shared_library(self):
        self.assertIn(f"libroostpool.so.{ABI}", self.needed(self.use()))

    def test_meson_links_the_archives(self):
        self.assertFalse([name for name in self.needed(self.use("-Dprefer_static=true"))
                          if "roost" in name or "absl" in name])


class CMakeTest(LinkTest):

    def configure(self, *arguments) -> subprocess.CompletedProcess:
        return run(CMAKE, "-G", "Ninja", "-S", self.place, "-B", self.place / "built",
                   f"-DCMAKE_CXX_COMPILER={COMPILER}", f"-DCMAKE_PREFIX_PATH={self.prefix}",
                   "-DROOST_PROFILE=raspberry_pi", *arguments)

    def use(self, *arguments, target="consumer") -> pathlib.Path:
        result = self.configure(*arguments)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        output(CMAKE, "--build", self.place / "built", "--target", target)
        return self.place / "built" / target

    def refusal(self, *arguments) -> str:
        result = self.configure(*arguments)
        self.assertNotEqual(result.returncode, 0, "CMake accepted it")
        return " ".join(result.stderr.split())

    @NEEDS_SHARED
    def test_cmake_links_the_shared_library_where_it_is_asked_for(self):
        program = self.use("-Droostpool_SHARED_LIBS=ON")
        self.assertEqual(self.said(program), SAID)
        self.assertIn(f"libroostpool.so.{ABI}", self.needed(program))

    @NEEDS_SHARED
    def test_a_project_of_shared_libraries_gets_it_and_may_refuse(self):
        self.assertEqual(self.configure("-DBUILD_SHARED_LIBS=ON").returncode, 0)
        ninja = self.place / "built/build.ninja"
        self.assertTrue("libroostpool.so" in ninja.read_text())
        self.assertEqual(self.configure("-Droostpool_SHARED_LIBS=OFF").returncode, 0)
        self.assertFalse("libroostpool.so" in ninja.read_text())

    @NEEDS_SHARED
    def test_two_abseils_in_one_program_are_refused(self):
        self.assertIn("a program cannot have both", self.refusal("-Droostpool_SHARED_LIBS=ON", "-DROOST_STATIC_ABSL=ON"))

    def test_a_shared_library_that_is_not_there_is_refused(self):
        without = self.place / "without"
        shutil.copytree(self.prefix, without, symlinks=True)
        for file in without.rglob("libroostpool.so*"):
            file.unlink()
        asked = ("-Droostpool_SHARED_LIBS=ON", f"-DCMAKE_PREFIX_PATH={without}")
        self.assertIn("built without BUILD_SHARED_LIBS=ON", self.refusal(*asked))

    def test_a_program_without_postgres_is_linked_static(self):
        program = self.use("-DCMAKE_EXE_LINKER_FLAGS=-static", "-DWITHOUT_POSTGRES=ON")
        self.assertEqual(self.said(program), SAID)
        self.assertEqual(self.needed(program), set())

    def test_postgres_in_a_static_program_is_refused_when_it_is_configured(self):
        sentence = "roost::postgres loads libpq with dlopen"
        static = "-DCMAKE_EXE_LINKER_FLAGS=-static"
        self.assertIn(sentence, self.refusal(static))
        shutil.rmtree(self.place / "built")
        lists = self.place / "CMakeLists.txt"
        lists.write_text(lists.read_text().replace(" COMPONENTS ${parts}", ""))
        self.assertIn(sentence, self.refusal(static))

    def test_a_plug_in_has_the_archive_inside_and_leaves_nothing_behind(self):
        self.use(target="plugin")
        plugin = self.place / "built/libplugin.so"
        # Another roostpool in the process does not meet this one.
        self.assertEqual(output("nm", "--dynamic", "--defined-only", plugin).split()[1:], ["T", "StartPlugin"])
        # In a process of its own: where something stays behind, a fork after the end crashes.
        output(sys.executable, "-c", """
import _ctypes, ctypes, os, sys
plugin = ctypes.CDLL(sys.argv[1])
assert plugin.StartPlugin(sys.argv[2].encode()) == 0
_ctypes.dlclose(plugin._handle)
child = os.fork()
if child == 0: os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""", plugin, self.place / "plugin.db")


@NEEDS_SHARED
class SharedLibraryTest(LinkTest):

    def exported(self) -> set[str]:
        symbols = output("nm", "--dynamic", "--defined-only", "--demangle", self.shared)
        return {line.split(" ", 2)[2] for line in symbols.splitlines()}

    def test_the_file_has_the_version_and_the_soname_the_abi(self):
        self.assertEqual(self.shared.resolve().name, f"libroostpool.so.{VERSION}")
        self.assertTrue((self.libraries / f"libroostpool.so.{ABI}").is_symlink())
        self.assertIn(f"[libroostpool.so.{ABI}]", output("readelf", "--dynamic", self.shared))

    def test_it_shows_our_public_symbols_alone(self):
        names = {re.sub(r"@.*", "", name) for name in self.exported()}
        self.assertGreater(len(names), 100)
        names.discard(f"ROOSTPOOL_{ABI}")
        # Of a template function the name begins with what it returns.
        ours = re.compile(r"(vtable for |non-virtual thunk to |\S+(<.*>)? (?=roost::\S+<.*\())?roost::")
        self.assertEqual([name for name in names if not ours.match(name)], [])
        # What no public header names is not shown.
        self.assertEqual([name for name in names if re.match(r"roost::(core|backends|telemetry|tools)::", name)], [])

    def test_each_symbol_has_the_abi_as_its_version(self):
        self.assertEqual({name.split("@@")[1] for name in self.exported() if "@" in name}, {f"ROOSTPOOL_{ABI}"})

    def test_it_has_all_that_the_headers_call(self):
        """The examples of the headers, and a class of one's own for each interface, link with it alone."""
        program = self.place / "examples.cc"
        program.write_text(f'#include "{SOURCE}/tests/readme/header_examples.cc"\n')
        flags = ["-std=c++20", "-O0", f"-I{self.prefix}/include",
                 "-DROOST_PROFILE_STRUCT=roost::profiles::RaspberryPi", "-Wl,--no-gc-sections"]
        result = run(COMPILER, *flags, "-shared", "-fPIC", program, "-o", self.place / "libexamples.so",
                     "-Wl,--no-undefined", f"-L{self.libraries}", "-lroostpool", "-labsl_status", "-labsl_statusor",
                     "-labsl_cord", "-labsl_strings", "-labsl_raw_logging_internal")
        missing = set(re.findall(r"undefined reference to [`']([^'\n]*)", result.stderr))
        # What the examples leave to the firmware.
        self.assertEqual({name for name in missing if name.startswith(("roost::", "vtable for roost", "absl::"))}, set(),
                         result.stderr[-3000:])
        self.assertNotIn(" error: ", result.stderr.replace("collect2: error:", ""))

    def test_it_can_be_loaded(self):
        library = ctypes.CDLL(str(self.shared))
        version = getattr(library, "_ZN5roost14LibraryVersionEv")
        version.restype = ctypes.c_char_p
        self.assertEqual(version().decode(), VERSION)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
