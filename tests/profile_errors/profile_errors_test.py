"""Compiles a profile for each way to get it wrong, and looks for the sentence in the compiler's output.

Usage: profile_errors_test.py COMPILER INCLUDE-FOLDER [ProfileErrorsTest | PoolErrorsTest]
ProfileErrorsTest compiles profiles alone; PoolErrorsTest makes pools of them, and takes long.

The sentences are read from profile.h: one without a wrong profile below fails the test.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import misspelt

COMPILER, INCLUDE = sys.argv[1:3]
ROOT = pathlib.Path(INCLUDE).parent
SUITES = sys.argv[3:]
HEADER = pathlib.Path(INCLUDE, "roost/profile.h").read_text(encoding="utf-8")

# The constants that are wrong, and the first words of the sentence that says so.
WRONG = [
    ("int kPoolSize = 0", "kPoolSize must be at least 1"),
    ("int kPoolSize = -1", "kPoolSize must be at least 1"),
    ("int kMaxOverflow = -1", "kMaxOverflow must not be negative"),
    ("int kPoolSize = 200; int kMaxOverflow = 55", "kPoolSize + kMaxOverflow must be at most 254"),
    ("Duration kPoolTimeout = 0s", "kPoolTimeout must be above zero"),
    ("Duration kPoolRecycle = -1s", "kPoolRecycle must not be negative"),
    ("int kMaxOvertakes = 256", "kMaxOvertakes must be 0 to 255"),
    ("int kMaxWaiters = 0", "kMaxWaiters must be 1 to 65535"),
    ("int kMaxWaiters = 65536", "kMaxWaiters must be 1 to 65535"),
    ("Duration kOpenTimeout = 0s", "kOpenTimeout, kPingTimeout and kResetTimeout must be above zero"),
    ("Duration kPingTimeout = 0s", "kOpenTimeout, kPingTimeout and kResetTimeout must be above zero"),
    ("Duration kResetTimeout = -1s", "kOpenTimeout, kPingTimeout and kResetTimeout must be above zero"),
    ("Duration kBackoffMin = 0s", "kBackoffMin must be above zero"),
    ("Duration kBackoffMin = 2s; Duration kBackoffMax = 1s", "kBackoffMin must not be above kBackoffMax"),
    ("Duration kKeepAlive = -1s", "kKeepAlive, kIdleLimit, kLinger, kLeakAfter and kPingAfter"),
    ("Duration kLinger = -1s", "kKeepAlive, kIdleLimit, kLinger, kLeakAfter and kPingAfter"),
    ("Duration kLeakAfter = -1s", "kKeepAlive, kIdleLimit, kLinger, kLeakAfter and kPingAfter"),
    ("Duration kPingAfter = -1s", "kKeepAlive, kIdleLimit, kLinger, kLeakAfter and kPingAfter"),
    ("Duration kKeepAlive = 60s; Duration kIdleLimit = 60s", "kKeepAlive must be shorter than kIdleLimit"),
    ("Duration kPoolRecycle = 60s; Duration kIdleLimit = 61s", "kIdleLimit must not be above kPoolRecycle"),
    ("TcpTimers kTcpTimers = {500ms, 5s, 2s, 3}", "each time of kTcpTimers must be 1 s to 2 h"),
    ("TcpTimers kTcpTimers = {5s, 3h, 2s, 3}", "each time of kTcpTimers must be 1 s to 2 h"),
    ("TcpTimers kTcpTimers = {5s, 5s, 2s, 0}", "keepalive_count 1 to 100"),
    ("Duration kSlowStatement = 1s", "kSlowStatement must not be negative, and needs kWatchStatements"),
    ("bool kWatchStatements = true; Duration kSlowStatement = -1s", "kSlowStatement must not be negative"),
    ("int kPoolTimeout = 4", "a time, such as kPoolTimeout or kPoolRecycle, is a span"),
    ("bool kPrePing = true", "kPrePing is one of PrePing::kNever"),
    ("int kStatements = 0", "kStatements must be 1 to 256"),
    ("int kStatements = 257", "kStatements must be 1 to 256"),
]
RIGHT = "int kPoolSize = 3; Duration kIdleLimit = 120s"

# A program that selects the profile, and one that makes a pool of it.
SELECTS = ("profile.h", "static_assert(roost::CheckProfile<Node>());")
MAKES = ("pool.h", "void Make(roost::Backend& backend) { roost::PoolFor<Node> pool(backend); }")


def sentences() -> list[str]:
    """The sentences of the static_asserts of profile.h, as the compiler prints them."""
    found = re.findall(r'static_assert\([^"]*?((?:"[^"]*"\s*)+)\)', HEADER)
    return ["".join(re.findall(r'"([^"]*)"', literal)) for literal in found]


def qualified(constant: str) -> str:
    return re.sub(r"^(Duration|TcpTimers)\b", r"roost::\1", constant)


def compile_profile(constants: str, use: tuple[str, str]) -> subprocess.CompletedProcess:
    members = "\n".join(f"  static constexpr {qualified(c.strip())};"
                        for c in constants.split(";"))
    header, code = use
    return compile_source(f'#include "roost/{header}"\nusing namespace std::chrono_literals;\n'
                          f"struct Node : roost::profiles::RaspberryPi {{\n{members}\n}};\n{code}\n")


def compile_source(source: str) -> subprocess.CompletedProcess:
    with tempfile.NamedTemporaryFile("w", suffix=".cc") as file:
        file.write(source)
        file.flush()
        return subprocess.run([COMPILER, "-std=c++20", "-fsyntax-only", "-I", INCLUDE, file.name],
                              capture_output=True, text=True, check=False)


# The same over a backend that is named.
OVER_SQLITE = ("sqlite.h", """#include "roost/pool.h"
void Make(roost::SqliteBackend& backend) { roost::PoolFor<Node, roost::SqliteBackend> pool(backend); }""")


class ErrorsTest(unittest.TestCase):

    def expect_each_sentence(self, cases: list[tuple[str, str]], use: tuple[str, str]):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
            results = list(executor.map(lambda case: compile_profile(case[0], use), cases))
        for (constants, words), result in zip(cases, results):
            with self.subTest(constants=constants, use=use):
                self.assertNotEqual(result.returncode, 0, "it compiled")
                sentence = next(s for s in sentences() if words in s)
                self.assertIn(sentence, result.stderr)


class PoolErrorsTest(ErrorsTest):

    def test_over_sqlite_a_pool_has_to_keep_a_reader(self):
        for sizes in ("int kPoolSize = 1; int kMaxOverflow = 0", "int kPoolSize = 2; int kMaxOverflow = 1"):
            result = compile_profile(sizes, OVER_SQLITE)
            self.assertEqual(result.returncode, 0, result.stderr)
        alone = "int kPoolSize = 1; int kMaxOverflow = 1"
        result = compile_profile(alone, OVER_SQLITE)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("kPoolSize 1 with overflow keeps a writer and no reader", result.stderr)
        self.assertEqual(compile_profile(alone, MAKES).returncode, 0, "another database has one lane")

    def test_a_profile_whose_numbers_work_compiles(self):
        result = compile_profile(RIGHT, MAKES)
        self.assertEqual(result.returncode, 0, result.stderr)

    # The storage of a pool must not fail first with a sentence of the compiler's own.
    def test_each_wrong_size_stops_the_build_with_its_sentence(self):
        self.expect_each_sentence([(constants, words) for constants, words in WRONG if "kPoolSize" in words
                                   or "kMaxOverflow" in words or "kStatements" in words], MAKES)


class ProfileErrorsTest(ErrorsTest):

    def test_a_profile_whose_numbers_work_compiles(self):
        result = compile_profile(RIGHT, SELECTS)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_each_wrong_profile_stops_the_build_with_its_sentence(self):
        self.expect_each_sentence(WRONG, SELECTS)

    def test_the_build_has_to_choose_a_profile(self):
        result = compile_source('#include "roost/selected_profile.h"\n')
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("no profile is chosen", result.stderr)

    def test_the_chosen_profile_is_checked(self):
        choice = '#define ROOST_PROFILE_STRUCT Node\n#include "roost/selected_profile.h"'
        self.assertEqual(compile_profile(RIGHT, ("profile.h", choice)).returncode, 0)
        result = compile_profile("int kPoolSize = 0", ("profile.h", choice))
        self.assertNotEqual(result.returncode, 0, "it compiled")
        self.assertIn("kPoolSize must be at least 1", result.stderr)

    def test_a_misspelt_constant_stops_the_build_and_is_told_the_right_name(self):
        for wrong, right in (("int kMaxOverlfow = 7", "kMaxOverflow"), ("int kPoolsize = 7", "kPoolSize"),
                             ("Duration kTimeout = 7s", "kPoolTimeout"), ("bool echo_pool = true", "kEchoPool")):
            with self.subTest(wrong=wrong):
                result = compile_profile(wrong, SELECTS)
                self.assertNotEqual(result.returncode, 0, "it compiled")
                self.assertIn(f"roost profile: a constant is misspelt: the setting is {right}", result.stderr)

    def test_each_slip_is_known_as_one_of_its_setting(self):
        structs, checks = [], []
        for name, wrong in misspelt.variants(ROOT).items():
            for slip in wrong:
                structs.append(f"struct P{len(structs)} : roost::profiles::Default {{ static constexpr int {slip} = 1; }};")
                checks.append(f'static_assert(roost::internal::Misspells{name[1:]}<P{len(checks)}>(), "{slip}");')
        self.assertGreater(len(checks), 800)
        right = [f"static_assert(!roost::internal::Misspells{name[1:]}<roost::profiles::Default>());"
                 for name in misspelt.variants(ROOT)]
        result = compile_source("\n".join(['#include "roost/profile.h"', *structs, *checks, *right]))
        self.assertEqual(result.returncode, 0, result.stderr[:4000])

    def test_a_profile_may_have_constants_of_its_own(self):
        result = compile_profile("int kShelf = 7; int kRows = 3", SELECTS)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_the_list_of_slips_is_that_of_the_settings(self):
        self.assertEqual((ROOT / misspelt.HEADER).read_text(encoding="utf-8"), misspelt.header(ROOT),
                         "call python3 tests/profile_errors/misspelt.py .")
        used = set(re.findall(r"= P::(k\w+)", HEADER))
        self.assertEqual(set(misspelt.settings(ROOT)), used, "SettingsOf and profiles::Default differ")

    def test_every_sentence_has_a_wrong_profile(self):
        self.assertGreater(len(sentences()), 10)
        for sentence in sentences():
            self.assertTrue(any(words in sentence for _, words in WRONG), sentence)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + SUITES)
