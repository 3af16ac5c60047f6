#!/usr/bin/env python3
"""Looks whether each recipe can be read, and whether what it names exists; makes an apt repository and asks apt.

Usage: recipes_test.py    needs make, cmake, dpkg-deb, reprepro and gpg
"""

import ast
import hashlib
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RECIPES = [path for path in HERE.rglob("*")
           if path.suffix in (".bb", ".mk", ".cmake", ".py") and path.name != pathlib.Path(__file__).name]
VERSION = re.search(r"project\(roostpool VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1]


def run(*command, **more):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=120,
                          stdin=subprocess.DEVNULL, **more)


class RecipesTest(unittest.TestCase):

    def read(self, name):
        return (HERE / name).read_text(encoding="utf-8")

    def test_each_option_is_one_of_ours(self):
        ours = "".join((ROOT / name).read_text(encoding="utf-8")
                       for name in ("CMakeLists.txt", "deploy/cmake/profile.cmake"))
        for recipe in RECIPES:
            options = set(re.findall(r"(?:-D|\b)(ROOST_[A-Z_]+)\b", recipe.read_text(encoding="utf-8")))
            self.assertTrue(len(options) >= 4 or recipe.name == "external.mk", recipe)
            for option in options:
                self.assertRegex(ours, rf"\b(option\({option}\b|{option}\b)", f"{recipe}: {option}")

    def test_each_file_of_ours_exists(self):
        for recipe in RECIPES:
            text = recipe.read_text(encoding="utf-8")
            for path in re.findall(r"(?:\$\{S\}|\$\(@D\)|\$\{SOURCE_PATH\})/([\w./-]+)", text):
                self.assertTrue((ROOT / path).is_file(), f"{recipe}: {path}")

    def test_each_takes_the_checkout_that_it_lies_in(self):
        for name, expression in (("yocto/roostpool_0.1.bb", r'EXTERNALSRC = "\$\{THISDIR\}/(.*)"'),
                                 ("buildroot/package/roostpool/roostpool.mk",
                                  r"SITE = \$\(BR2_EXTERNAL_ROOSTPOOL_PATH\)/(.*)"),
                                 ("vcpkg/roostpool/portfile.cmake", r'\$\{CMAKE_CURRENT_LIST_DIR\}/([./]+)" ABSOLUTE')):
            up = re.search(expression, self.read(name))[1]
            below = HERE / "buildroot" if name.startswith("buildroot") else (HERE / name).parent
            self.assertEqual((below / up).resolve(), ROOT, name)

    def test_the_versions_are_ours(self):
        self.assertEqual(json.loads(self.read("vcpkg/roostpool/vcpkg.json"))["version"], VERSION)
        self.assertIn(f'    version = "{VERSION}"\n', self.read("conan/conanfile.py"))
        self.assertIn(f"ROOSTPOOL_VERSION = {VERSION}\n", self.read("buildroot/package/roostpool/roostpool.mk"))
        self.assertTrue(VERSION.startswith(list(HERE.glob("yocto/*.bb"))[0].stem.split("_")[1] + "."))

    def test_the_licence_is_ours(self):
        text = (ROOT / "LICENSE").read_bytes()
        self.assertIn(hashlib.md5(text).hexdigest(), self.read("yocto/roostpool_0.1.bb"))
        self.assertIn(hashlib.sha256(text).hexdigest(), self.read("buildroot/package/roostpool/roostpool.hash"))

    def test_yocto_has_assignments_and_functions_alone(self):
        text = re.sub(r"\\\n", " ", self.read("yocto/roostpool_0.1.bb"))
        text = re.sub(r"^[\w:]+\(\) \{\n(    .*\n)+\}$", "", text, flags=re.M)
        for line in text.splitlines():
            self.assertRegex(line, r'^$|^#|^inherit [a-z ]+$|^[A-Z_]+(:[\w${}-]+|\[\w+\])* \?{0,2}= "[^"]*"$|'
                                   r'^PACKAGES =\+ "[^"]*"$')

    def test_make_reads_buildroots(self):
        for mysql, says, needs in (("y", "-DROOST_MYSQL=ON", "sqlite mariadb"), ("", "-DROOST_MYSQL=OFF", "sqlite")):
            with tempfile.TemporaryDirectory() as folder:
                stub = pathlib.Path(folder, "Makefile")
                stub.write_text(f"BR2_EXTERNAL_ROOSTPOOL_PATH = {HERE}/buildroot\ncmake-package = \n"
                                f"BR2_PACKAGE_ROOSTPOOL_MYSQL = {mysql}\n"
                                f"include {HERE}/buildroot/external.mk\n"
                                "all:\n\t@echo '$(ROOSTPOOL_CONF_OPTS)' '$(ROOSTPOOL_DEPENDENCIES)' "
                                "'$(realpath $(ROOSTPOOL_SITE))'\n",
                                encoding="utf-8")
                done = run("make", "--warn-undefined-variables", "-f", stub)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("-DROOST_PROFILE=raspberry_pi", done.stdout)
            self.assertIn(says, done.stdout)
            self.assertTrue(done.stdout.rstrip().endswith(f"{needs} {ROOT}"), done.stdout)

    def test_each_builds_mysql_with_the_headers_or_without(self):
        self.assertIn('PACKAGECONFIG[mysql] = "-DROOST_MYSQL=ON,-DROOST_MYSQL=OFF,mariadb"',
                      self.read("yocto/roostpool_0.1.bb"))
        mysql = json.loads(self.read("vcpkg/roostpool/vcpkg.json"))["features"]["mysql"]
        self.assertEqual(mysql["dependencies"], ["libmariadb"])
        self.assertIn("FEATURES mysql ROOST_MYSQL)", self.read("vcpkg/roostpool/portfile.cmake"))
        self.assertIn('self.requires("mariadb-connector-c/', self.read("conan/conanfile.py"))
        self.assertIn('cache_variables["ROOST_MYSQL"]', self.read("conan/conanfile.py"))

    def test_cmake_reads_vcpkgs(self):
        with tempfile.TemporaryDirectory() as folder:
            stub = pathlib.Path(folder, "stub.cmake")
            functions = "".join(f'function({name})\n  message(STATUS "{name} ${{ARGN}}")\nendfunction()\n'
                                for name in ("vcpkg_check_features", "vcpkg_cmake_configure", "vcpkg_cmake_install",
                                             "vcpkg_cmake_config_fixup", "vcpkg_install_copyright"))
            stub.write_text(functions + f"set(CURRENT_PACKAGES_DIR {folder}/none)\n"
                            f"include({HERE}/vcpkg/roostpool/portfile.cmake)\n",
                            encoding="utf-8")
            done = run("cmake", "-P", stub)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"vcpkg_cmake_configure SOURCE_PATH;{ROOT};OPTIONS;-DROOST_BUILD_TESTS=OFF", done.stdout)

    def test_python_reads_conans(self):
        tree = ast.parse(self.read("conan/conanfile.py"))
        [recipe] = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        functions = {node.name for node in recipe.body if isinstance(node, ast.FunctionDef)}
        self.assertLessEqual({"export_sources", "requirements", "generate", "build", "package"}, functions)


class AptTest(unittest.TestCase):

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="roost-apt-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.env = os.environ | {"GNUPGHOME": str(self.folder / "gpg")}
        (self.folder / "gpg").mkdir(mode=0o700)
        self.addCleanup(run, "gpgconf", "--kill", "all", env=self.env)

    def make_package(self):
        control = self.folder / "package/DEBIAN/control"
        control.parent.mkdir(parents=True)
        control.write_text("Package: roostpool-node\nVersion: 0.1.0-1\nArchitecture: amd64\n"
                           "Maintainer: a <a@example.org>\nSection: misc\nPriority: optional\n"
                           "Description: sensor node\n",
                           encoding="ascii")
        done = run("dpkg-deb", "--root-owner-group", "--build", self.folder / "package", self.folder / "node.deb")
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.folder / "node.deb"

    def make_key(self, name):
        made = run("gpg", "--batch", "--passphrase", "", "--quick-generate-key", name, "default", "sign", "1d",
                   env=self.env)
        self.assertEqual(made.returncode, 0, made.stderr)

    def make_repository(self):
        self.make_key("roostpool test")
        done = run(HERE / "apt/make.sh", self.folder / "repository", "roostpool test", self.make_package(),
                   env=self.env)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def apt_update(self, key):
        """What apt says of the repository, by itself; its candidate."""
        for name in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d",
                     "etc/sources.list.d"):
            (self.folder / "apt" / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "apt/etc/sources.list.d/roostpool.sources").write_text(
            f"Types: deb\nURIs: file:{self.folder}/repository\nSuites: bookworm\nComponents: main\nSigned-By: {key}\n",
            encoding="ascii")
        (self.folder / "apt/status").touch()
        options = [f"-oDir::State={self.folder}/apt/state", f"-oDir::State::status={self.folder}/apt/status",
                   f"-oDir::Cache={self.folder}/apt/cache", f"-oDir::Etc={self.folder}/apt/etc",
                   "-oAPT::Sandbox::User=root", "-oAPT::Architecture=amd64", "-oAPT::Architectures=amd64"]
        updated = run("apt-get", *options, "update")
        return updated, run("apt-cache", *options, "policy", "roostpool-node").stdout

    def test_apt_takes_what_the_key_has_signed_and_nothing_else(self):
        said = self.make_repository()
        self.assertIn("Signed-By: /usr/share/keyrings/roostpool.gpg", said)
        updated, policy = self.apt_update(self.folder / "repository/roostpool.gpg")
        self.assertEqual(updated.returncode, 0, updated.stdout + updated.stderr)
        self.assertIn("Candidate: 0.1.0-1", policy)
        # Another key.
        self.make_key("somebody else")
        run("gpg", "--batch", "--export", "--output", self.folder / "other.gpg", "somebody else", env=self.env)
        updated, _ = self.apt_update(self.folder / "other.gpg")
        self.assertIn("NO_PUBKEY", updated.stdout + updated.stderr)

    def test_what_is_missing_is_a_sentence(self):
        for arguments, says in ((("f",), "Usage: make.sh"), (("f", "k", "/gone.deb"), "there is no package /gone.deb"),
                                (("f", "nobody", HERE / "README.md"), 'gpg has no secret key "nobody"')):
            done = run(HERE / "apt/make.sh", *arguments, env=self.env, cwd=self.folder)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(says, done.stdout + done.stderr)
            self.assertFalse((self.folder / "f").exists())


if __name__ == "__main__":
    unittest.main()
