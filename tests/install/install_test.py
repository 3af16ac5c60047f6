"""Installs roostpool and uses it from a project outside the tree; uses it as a subproject, too.

Usage: install_test.py CMAKE SOURCE BUILD COMPILER
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

from installed import BUILD, CMAKE, COMPILER, SOURCE, InstalledTest, run

PROFILES = ("default, development, testing, staging, production, vps_lite, raspberry_pi, "
            "raspberry_pi_remote, high_traffic_web, background_jobs, microservice")


class InstallTest(InstalledTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A copy, so that nothing beside it can be found by accident.
        shutil.copytree(pathlib.Path(SOURCE, "tests/install/consumer"), cls.folder / "consumer")

    def configure(self, name: str, *arguments: str) -> subprocess.CompletedProcess:
        return run(CMAKE, "-G", "Ninja", "-S", self.folder / "consumer", "-B", self.folder / name,
                   f"-DCMAKE_CXX_COMPILER={COMPILER}", f"-DCMAKE_PREFIX_PATH={self.prefix}",
                   *arguments)

    def use(self, name: str, *arguments: str) -> str:
        """Configures, builds and runs the consumer; what it printed."""
        result = self.configure(name, *arguments)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        for command in ((CMAKE, "--build", self.folder / name, "-j", str(os.cpu_count())),
                        (self.folder / name / "consumer", self.folder / f"{name}.db")):
            result = run(*command)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def message_of(self, result: subprocess.CompletedProcess) -> str:
        """What CMake refused with, without its line breaks."""
        self.assertNotEqual(result.returncode, 0, "CMake accepted it")
        return " ".join(result.stderr.split())

    def test_a_project_outside_the_tree_finds_the_package_and_stores_a_row(self):
        self.assertEqual(self.use("plain", "-DROOST_PROFILE=raspberry_pi"),
                         "profile raspberry_pi\nlevel 21.5\n")

    def test_the_package_keeps_the_profile_that_it_was_built_with(self):
        cache = pathlib.Path(BUILD, "CMakeCache.txt").read_text(encoding="utf-8")
        built_with = cache.split("ROOST_PROFILE:STRING=")[1].split("\n")[0]
        self.assertEqual(self.use("kept"), f"profile {built_with}\nlevel 21.5\n")

    def test_a_project_brings_a_profile_of_its_own(self):
        self.assertEqual(self.use("own", f"-DROOST_PROFILE_HEADER={self.folder}/consumer/node.h",
                                  "-DROOST_PROFILE=my::Node"), "profile my node\nlevel 21.5\n")

    # Without PostgreSQL, whose sources take a third of the time. That it is found is seen by the next test.
    def test_a_project_takes_roostpool_as_a_subproject(self):
        self.assertEqual(self.use("sub", f"-DROOST_SOURCE={SOURCE}", "-DROOST_POSTGRES=OFF", "-DROOST_MYSQL=OFF",
                                  "-DWITHOUT_POSTGRES=ON",
                                  "-DROOST_PROFILE=testing"), "profile testing\nlevel 21.5\n")
        self.assertFalse(list((self.folder / "sub").rglob("*_test")), "it built our tests, too")
        cache = (self.folder / "sub/CMakeCache.txt").read_text(encoding="utf-8")
        self.assertNotIn("LIBPQ", cache)

    def test_a_subproject_of_shared_libraries_has_one(self):
        result = self.configure("shared", f"-DROOST_SOURCE={SOURCE}", "-DBUILD_SHARED_LIBS=ON",
                                "-DROOST_PROFILE=testing")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        plan = run(CMAKE, "--build", self.folder / "shared", "--target", "consumer", "--", "-n", "-v").stdout
        link = next(line for line in plan.splitlines() if "-o consumer " in line)
        self.assertIn("libroostpool.so", link)
        self.assertNotIn("libroost_", link)
        message = self.message_of(self.configure("both", f"-DROOST_SOURCE={SOURCE}", "-DBUILD_SHARED_LIBS=ON",
                                                 "-DROOST_BUILD_TOOLS=ON"))
        self.assertIn("ROOST_BUILD_TOOLS and ROOST_BUILD_TESTS need the archives", message)

    def test_postgres_in_a_static_subproject_stops_cmake(self):
        message = self.message_of(self.configure("static", f"-DROOST_SOURCE={SOURCE}",
                                                 "-DCMAKE_EXE_LINKER_FLAGS=-static"))
        self.assertIn("roost::postgres loads libpq with dlopen", message)

    def test_an_unknown_profile_stops_cmake_with_the_list(self):
        for name, arguments in (("unknown", ()), ("unknown_sub", (f"-DROOST_SOURCE={SOURCE}",))):
            with self.subTest(name):
                message = self.message_of(
                    self.configure(name, "-DROOST_PROFILE=raspbery_pi", *arguments))
                self.assertIn("ROOST_PROFILE=raspbery_pi is not a profile", message)
                self.assertIn(PROFILES, message)

    def test_a_missing_profile_header_stops_cmake(self):
        message = self.message_of(self.configure(
            "missing", "-DROOST_PROFILE_HEADER=/nowhere/node.h", "-DROOST_PROFILE=my::Node"))
        self.assertIn("ROOST_PROFILE_HEADER=/nowhere/node.h is not a file", message)

    def test_a_profile_header_without_the_name_of_a_struct_stops_cmake(self):
        message = self.message_of(self.configure(
            "nameless", f"-DROOST_PROFILE_HEADER={self.folder}/consumer/node.h"))
        self.assertIn("ROOST_PROFILE has to name the struct in it", message)

    def test_an_unknown_component_stops_cmake_with_its_name(self):
        consumer = self.folder / "oracle"
        consumer.mkdir()
        (consumer / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(oracle CXX)\n"
            "find_package(roostpool REQUIRED COMPONENTS oracle)\n", encoding="utf-8")
        message = self.message_of(run(CMAKE, "-S", consumer, "-B", consumer / "build",
                                      f"-DCMAKE_PREFIX_PATH={self.prefix}"))
        self.assertIn('this roostpool has no component "oracle"', message)

    def test_the_documents_lead_to_each_other_and_to_the_headers(self):
        documents = self.prefix / "share/doc/libroostpool-dev"
        links = [(document, link) for document in documents.rglob("README.md")
                 for link in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
                 if link.endswith((".md", ".h")) and link != "CHANGELOG.md" and not link.startswith("pool/")]
        self.assertGreater(len(links), 60)
        self.assertEqual([link for document, link in links
                          if "://" not in link and not (document.parent / link).exists()], [])

    def test_the_tools_are_installed(self):
        for tool in ("roost-node", "roostctl"):
            self.assertTrue(os.access(self.prefix / "bin" / tool, os.X_OK), tool)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
