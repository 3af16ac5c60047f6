"""Runs the commands of deploy/MIGRATION.md and its program, and compiles the profiles that roostctl writes.

The code blocks themselves are compared with migration.cc by docs.py.

Usage: migration_test.py ROOT ROOSTCTL MIGRATION COMPILER
"""

import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

ROOT, ROOSTCTL, PROGRAM = (pathlib.Path(arg).resolve() for arg in sys.argv[1:4])
COMPILER = sys.argv[4]
DOCUMENT = (ROOT / "deploy/MIGRATION.md").read_text(encoding="utf-8")

# What people have in their settings files; each has to give a header that compiles.
SETTINGS = (
    "pool_size=30,max_overflow=15,pool_timeout=30,pool_recycle=1800,pool_pre_ping=True",
    "echo_pool=False",
    "pool_timeout=0.25, pool_recycle=-1, echo_pool='debug'",
    "pool_timeout=0.000001,pool_recycle=1e9",
    "pool_size=254,max_overflow=0",
    '{\n    "pool_size": 50,\n    "max_overflow": 25,  # spikes\n    "pool_pre_ping": True,\n}',
    "sqlalchemy.url = postgresql://u:p@h/d\nsqlalchemy.pool_size = 3\nsqlalchemy.pool_pre_ping = true",
    "poolclass=NullPool,pool_use_lifo=True,pool_reset_on_return=None,isolation_level=SERIALIZABLE",
    "pool_logging_name=a\\,pool_size=2",
    "pool_logging_name='*/ // \t\x1b',pool_size=2",
)


def run(*command, **more):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=120, **more)


class MigrationTest(unittest.TestCase):

    def commands(self):
        blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, flags=re.M | re.S)
        return [line for block in blocks for line in block.splitlines()]

    def compile(self, headers):
        """Compiles each header by itself, all in one run of the compiler."""
        with tempfile.TemporaryDirectory() as folder:
            sources = []
            for number, header in enumerate(headers):
                pathlib.Path(folder, f"{number}.h").write_text(header, encoding="utf-8")
                source = pathlib.Path(folder, f"{number}.cc")
                source.write_text(f'#include "{number}.h"\n#include "{number}.h"\n', encoding="utf-8")
                sources.append(source)
            return run(COMPILER, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion",
                       "-Wshadow", "-Werror", f"-I{ROOT}/include", *sources)

    def test_the_program_of_the_page_runs(self):
        done = run(PROGRAM)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^1 of 3 were lent at once; 0 of \d callers waited; 0 timed out$")

    def test_each_command_of_roostctl_works_and_says_what_the_page_says(self):
        ours = [line for line in self.commands() if line.startswith("roostctl")]
        self.assertEqual(len(ours), 3)
        said = {}
        for line in ours:
            done = run(ROOSTCTL, *shlex.split(line.split(" >")[0])[1:])
            self.assertEqual((done.returncode, done.stderr), (0, ""), line)
            said[shlex.split(line)[1]] = done.stdout
        self.assertIn("pool_size           30 = 60 requests", said["size"])
        self.assertIn("30 is 30 % of 100; advised are 20 to 30 %", said["size"])

    def test_the_profile_of_the_page_is_its_after(self):
        line = next(line for line in self.commands() if "--from-sqlalchemy" in line)
        header = run(ROOSTCTL, *shlex.split(line.split(" >")[0])[1:]).stdout
        after = DOCUMENT.partition("struct After :")[2].partition("};")[0]
        constants = dict(re.findall(r"(k\w+) = ([^;]*);", after))
        del constants["kName"]
        self.assertEqual(len(constants), 5)
        for name, value in constants.items():
            seconds = re.fullmatch(r"(\d+)s", value)
            self.assertIn(f"{name} = {f'std::chrono::seconds({seconds[1]})' if seconds else value};", header)
        self.assertIn("-DROOST_PROFILE=FromSqlAlchemy", DOCUMENT)

    def test_each_profile_compiles_with_the_strictest_warnings(self):
        headers = []
        for settings in SETTINGS:
            done = run(ROOSTCTL, "profiles", "--from-sqlalchemy", settings)
            self.assertEqual((done.returncode, done.stderr), (0, ""), settings)
            headers.append(done.stdout)
        compiled = self.compile(headers)
        self.assertEqual((compiled.returncode, compiled.stderr), (0, ""))

    def test_a_profile_that_cannot_work_would_not_compile(self):
        header = run(ROOSTCTL, "profiles", "--from-sqlalchemy", SETTINGS[0]).stdout
        compiled = self.compile([header.replace("kPoolSize = 30", "kPoolSize = 0")])
        self.assertNotEqual(compiled.returncode, 0)
        self.assertIn("kPoolSize must be at least 1", compiled.stderr)

    def test_each_setting_of_the_tables_that_is_ours_exists(self):
        profile = (ROOT / "include/roost/profile.h").read_text(encoding="utf-8")
        headers = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "include/roost").glob("*.h"))
        tables = "\n".join(line for line in DOCUMENT.splitlines() if line.startswith("|"))
        for constant in set(re.findall(r"`(k[A-Z]\w+)", tables)) - {"kRead", "kWrite", "kAlways", "kAfterIdle"}:
            self.assertIn(f" {constant} = ", profile, constant)
        for scope, member in set(re.findall(r"`(Pool|Lease|Stats|Rows|Connection|SqliteOptions|PoolOptions)::(\w+)",
                                            tables)):
            self.assertRegex(headers, rf"\b{member}\b", f"{scope}::{member}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
