"""A firmware uses roostpool with the toolchain file: as a package for the board, and as a subproject.

Usage: cross_install_test.py CMAKE SOURCE BUILD TOOLCHAIN SYSROOT EMULATOR
"""

import os
import pathlib
import shutil
import sys
import unittest

from board_build import (BUILD, CMAKE, EMULATOR, SOURCE, SYSROOT, TOOLCHAIN, Packages, architecture,
                         output, run)


class CrossInstallTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        packages = Packages(cls)
        cls.folder = packages.folder
        # As on a sysroot with the package in it; the sysroot itself stays as it is.
        cls.root = cls.folder / "root"
        for package in (packages.dev, packages.lib):
            output("dpkg-deb", "--extract", package, cls.root)
        # A copy, so that nothing beside it can be found by accident.
        shutil.copytree(pathlib.Path(SOURCE, "tests/install/consumer"), cls.folder / "consumer")

    def configure(self, name: str, *arguments: str):
        return run(CMAKE, "-G", "Ninja", "-S", self.folder / "consumer", "-B", self.folder / name,
                   "--toolchain", TOOLCHAIN, f"-DROOST_SYSROOT={SYSROOT}", *arguments)

    def use(self, name: str, *arguments: str) -> str:
        """Configures, builds and runs the consumer; what it printed."""
        result = self.configure(name, *arguments)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        output(CMAKE, "--build", self.folder / name, "--target", "consumer", "-j",
               str(os.cpu_count()))
        return output(EMULATOR, "-L", SYSROOT, self.folder / name / "consumer",
                      self.folder / f"{name}.db")

    def needed(self, name: str) -> str:
        return output("readelf", "--dynamic", self.folder / name / "consumer")

    def refusal(self, name: str, *arguments: str) -> str:
        result = self.configure(name, *arguments)
        self.assertNotEqual(result.returncode, 0, "CMake accepted it")
        return " ".join(result.stderr.split())

    def test_a_firmware_finds_the_package_and_stores_a_row(self):
        self.assertEqual(self.use("found", f"-DCMAKE_FIND_ROOT_PATH={self.root}"),
                         "profile raspberry_pi\nlevel 21.5\n")
        self.assertIn("libabsl_status", self.needed("found"))

    def test_a_firmware_links_abseil_from_its_archives(self):
        self.use("static", f"-DCMAKE_FIND_ROOT_PATH={self.root}", "-DROOST_STATIC_ABSL=ON")
        self.assertNotIn("libabsl", self.needed("static"))

    def test_a_firmware_without_postgres_is_one_file(self):
        said = self.use("alone", f"-DCMAKE_FIND_ROOT_PATH={self.root}", "-DCMAKE_EXE_LINKER_FLAGS=-static",
                        "-DWITHOUT_POSTGRES=ON")
        self.assertEqual(said, "profile raspberry_pi\nlevel 21.5\n")
        self.assertNotIn("NEEDED", self.needed("alone"))
        self.assertIn("roost::postgres loads libpq with dlopen",
                      self.refusal("not_alone", f"-DCMAKE_FIND_ROOT_PATH={self.root}",
                                   "-DCMAKE_EXE_LINKER_FLAGS=-static"))

    def test_pkg_config_finds_all_of_it_in_a_sysroot(self):
        # The package in a sysroot; hard links, so that it costs no room.
        whole = BUILD / "sysroot-with-roostpool"
        shutil.rmtree(whole, ignore_errors=True)
        self.addCleanup(shutil.rmtree, whole)
        output("cp", "--archive", "--link", f"{SYSROOT}/.", whole)
        for folder in ("usr/lib", "usr/include"):
            output("cp", "--archive", self.root / folder, whole / "usr")
        libraries = next((whole / "usr/lib").rglob("libroostpool.a")).parent
        triplet = libraries.name
        env = os.environ | {"PKG_CONFIG_SYSROOT_DIR": str(whole), "PKG_CONFIG_LIBDIR": str(libraries / "pkgconfig")}
        for link, needed in (("any", "libroostpool.so"), ("archive", "libabsl_status.so")):
            output("make", "-B", "-C", self.folder / "consumer", f"CXX={triplet}-g++ --sysroot={whole}", f"LINK={link}",
                   env=env)
            program = self.folder / "consumer/consumer"
            self.assertIn(needed, output("readelf", "--dynamic", program))
            self.assertEqual(output(EMULATOR, "-L", whole, program, self.folder / f"make-{link}.db"),
                             "profile raspberry_pi\nlevel 21.5\n")
            program.unlink()

    def test_a_firmware_takes_roostpool_as_a_subproject(self):
        self.assertEqual(self.use("sub", f"-DROOST_SOURCE={SOURCE}", "-DROOST_STATIC_ABSL=ON", "-DROOST_POSTGRES=OFF", "-DROOST_MYSQL=OFF",
                                  "-DWITHOUT_POSTGRES=ON"), "profile raspberry_pi\nlevel 21.5\n")
        self.assertNotIn("libabsl", self.needed("sub"))

    def test_a_board_decides_the_cpu(self):
        result = self.configure("board", f"-DROOST_SOURCE={SOURCE}", "-DROOST_BOARD=rpi_4")
        self.assertEqual(result.returncode, 0, result.stderr)
        flag = {"arm64": "-mcpu=cortex-a72", "armhf": "-mtune=cortex-a72"}[architecture()]
        self.assertIn(flag, (self.folder / "board/build.ninja").read_text(encoding="utf-8"))

    def test_a_build_folder_keeps_its_cpu(self):
        self.assertEqual(self.configure("kept", f"-DROOST_SOURCE={SOURCE}").returncode, 0)
        self.assertIn("Use another folder",
                      self.refusal("kept", f"-DROOST_SOURCE={SOURCE}", "-DROOST_BOARD=rpi_5"))

    def test_an_armv6_is_refused(self):
        for board in ("rpi_1", "rpi_zero", "rpi_zero_w"):
            with self.subTest(board):
                self.assertIn("is an ARMv6", self.refusal(board, f"-DROOST_BOARD={board}"))

    def test_an_unknown_board_is_refused_with_the_list(self):
        self.assertIn("there is no board \"rpi_9\". Choose one of: host, rpi_zero_2w",
                      self.refusal("unknown", f"-DROOST_SOURCE={SOURCE}", "-DROOST_BOARD=rpi_9"))

    def test_a_missing_sysroot_is_refused_with_the_command(self):
        self.assertIn(f"deploy/sysroot.sh --arch {architecture()}",
                      self.refusal("nowhere", "-DROOST_SYSROOT=/nowhere"))

    def test_it_was_not_built_for_this_machine(self):
        machine = {"arm64": "AArch64", "armhf": "ARM"}[architecture()]
        header = output("readelf", "--file-header", BUILD / "src/tools/roost-node/roost-node")
        self.assertRegex(header, rf"Machine: +{machine}\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
