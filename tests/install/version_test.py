"""deploy/version.sh: each build has a version of its own, and says so when nobody knows it.

Usage: version_test.py CMAKE SOURCE
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

CMAKE, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_AUTHOR_NAME": "a",
       "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
       "GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000"}


class VersionTest(unittest.TestCase):

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="roost-version-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name).resolve()
        self.sources = self.folder / "sources"
        (self.sources / "deploy").mkdir(parents=True)
        for name in ("deploy/version.sh", "deploy/common.sh", "CMakeLists.txt"):
            shutil.copy(SOURCE / name, self.sources / name)

    def git(self, *words, at=None):
        return subprocess.run(["git", *words], cwd=at or self.sources, env=os.environ | GIT, check=True,
                              capture_output=True, text=True).stdout.strip()

    def make_clone(self, commits=1):
        self.git("init", "--quiet")
        self.git("add", ".")
        for number in range(commits):
            self.git("commit", "--quiet", "--allow-empty", "--message", str(number))

    def ask(self, sources=None, **env):
        clean = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
        return subprocess.run([(sources or self.sources) / "deploy/version.sh"], cwd="/", check=False,
                              env=clean | GIT | env, capture_output=True, text=True)

    def lines(self, *arguments, **env):
        asked = self.ask(*arguments, **env)
        self.assertEqual(asked.returncode, 0, asked.stderr)
        return dict(line.split(" ", 1) for line in asked.stdout.splitlines())

    def version(self):
        return self.lines()["version"]

    def is_older(self, one, other):
        return subprocess.run(["dpkg", "--compare-versions", one + "-1", "lt", other + "-1"],
                              check=False).returncode == 0

    def test_without_a_tag_all_commits_count(self):
        self.make_clone(3)
        commit = self.git("rev-parse", "HEAD")
        self.assertEqual(self.lines(), {"version": f"0.1.0+3.g{commit[:12]}", "commit": commit,
                                        "epoch": "1700000000"})

    def test_a_tag_and_the_commits_since(self):
        self.make_clone(3)
        self.git("tag", "v0.7")
        self.assertEqual(self.version(), "0.7")
        self.git("commit", "--quiet", "--allow-empty", "--message", "more")
        self.assertRegex(self.version(), r"^0\.7\+1\.g[0-9a-f]{12}$")

    def test_apt_sees_each_commit_as_an_upgrade(self):
        self.make_clone(9)
        versions = [self.version()]
        for word in ("ten", "v0.1.1", "more", "and more", "v0.2", "more"):
            self.git("commit", "--quiet", "--allow-empty", "--message", word)
            if word.startswith("v"):
                self.git("tag", word)
            versions.append(self.version())
        for one, other in zip(["0.1.0", *versions], versions):
            self.assertTrue(self.is_older(one, other), f"{one} is not older than {other}")

    def test_files_that_differ_make_another_version(self):
        self.make_clone()
        clean = self.version()
        seen = {clean}
        for text in ("a", "b"):
            (self.sources / "CMakeLists.txt").write_text(f"project(roostpool VERSION 0.1.0)\n# {text}\n")
            self.assertRegex(self.version(), rf"^{clean.replace('+', '[+]')}\.dirty[0-9a-f]{{8}}$")
            seen.add(self.version())
        self.assertEqual(len(seen), 3)

    def test_sources_without_git_have_a_file(self):
        self.make_clone()
        told = self.ask().stdout
        shutil.rmtree(self.sources / ".git")
        (self.sources / "VERSION").write_text(told)
        self.assertEqual(self.ask().stdout, told)

    def test_without_both_it_is_a_sentence(self):
        asked = self.ask()
        self.assertEqual((asked.returncode, asked.stdout), (1, ""))
        self.assertIn("nobody knows which version this is", asked.stderr)
        self.assertIn("./deploy/version.sh >VERSION", asked.stderr)

    def test_a_file_that_says_nothing_is_a_sentence(self):
        for text in ("", "version $(id)\nepoch 1\n", "version 1.0\n", "version 1.0\nepoch soon\n"):
            (self.sources / "VERSION").write_text(text)
            asked = self.ask()
            self.assertEqual(asked.returncode, 1, text)
            self.assertIn('does not say "version X" and "epoch N"', asked.stderr)

    def test_the_clone_of_somebody_else_does_not_count(self):
        """As where an archive was unpacked in a folder of another project."""
        self.git("init", "--quiet", at=self.folder)
        self.git("add", ".", at=self.folder)
        self.git("commit", "--quiet", "--message", "theirs", at=self.folder)
        self.assertEqual(self.ask().returncode, 1)

    def test_a_shallow_clone_is_told(self):
        self.make_clone(3)
        self.git("clone", "--quiet", "--depth", "1", f"file://{self.sources}", str(self.folder / "shallow"))
        asked = self.ask(self.folder / "shallow")
        self.assertEqual(asked.returncode, 0)
        self.assertIn("git fetch --unshallow", asked.stderr)
        self.assertRegex(asked.stdout, r"(?m)^version 0\.1\.0\+0\.g[0-9a-f]{12}$")

    def test_a_clone_that_git_does_not_read_is_told(self):
        """As in a container where it belongs to another user."""
        self.make_clone()
        (self.sources / ".git/HEAD").write_text("nonsense\n")
        asked = self.ask()
        self.assertEqual(asked.returncode, 1)
        self.assertIn("is no clone that git reads: fatal: ", asked.stderr)

    def test_the_time_of_the_environment_counts_more(self):
        self.make_clone()
        self.assertEqual(self.lines(SOURCE_DATE_EPOCH="1234")["epoch"], "1234")
        told = self.ask().stdout
        shutil.rmtree(self.sources / ".git")
        (self.sources / "VERSION").write_text(told)
        self.assertEqual(self.lines(SOURCE_DATE_EPOCH="1234")["epoch"], "1234")

    def test_nothing_is_packed_without_a_version(self):
        packed = subprocess.run([CMAKE, "-DCPACK_ROOST_UNKNOWN=nobody knows", "-P",
                                 SOURCE / "deploy/cmake/pack.cmake"], check=False, capture_output=True, text=True)
        self.assertNotEqual(packed.returncode, 0)
        self.assertIn("nobody knows", packed.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
