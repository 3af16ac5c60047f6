"""Compiles the sources of must_not_compile/, and looks for the error that each line of theirs names.

Usage: must_not_compile_test.py COMPILER INCLUDE-FOLDER

A source compiles as it is. With -DWRONG the compiler has an error for each line that ends with
"// error: TEXT", and the error has this text in it.
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

COMPILER, INCLUDE = sys.argv[1:3]
HEADERS = sorted((pathlib.Path(INCLUDE) / "roost").glob("*.h"))
SOURCES = sorted((pathlib.Path(__file__).parent / "must_not_compile").glob("*.cc"))


def compile_source(source: pathlib.Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run([COMPILER, "-std=c++20", "-fsyntax-only", "-I", INCLUDE, *options, str(source)],
                          capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})


def wanted_errors(source: pathlib.Path) -> dict[int, str]:
    """The text by the line whose error has to have it."""
    lines = source.read_text(encoding="utf-8").splitlines()
    return {number: line.split("// error: ")[1]
            for number, line in enumerate(lines, 1) if "// error: " in line}


class MustNotCompileTest(unittest.TestCase):

    def test_each_source_compiles_without_its_wrong_lines(self):
        self.assertTrue(SOURCES)
        for source in SOURCES:
            with self.subTest(source=source.name):
                result = compile_source(source)
                self.assertEqual(result.returncode, 0, result.stderr)

    def test_each_wrong_line_has_its_error(self):
        for source in SOURCES:
            errors = compile_source(source, "-DWRONG").stderr
            wanted = wanted_errors(source)
            self.assertTrue(wanted, source)
            for number, text in wanted.items():
                with self.subTest(source=source.name, line=number):
                    line = rf"{re.escape(source.name)}:{number}:\d+:"
                    error = rf"error: [^\n]*{re.escape(text)}[^\n]*"
                    # Of a static_assert in a header g++ names the line before it, and clang behind it.
                    self.assertTrue(re.search(rf"{line} {error}", errors)
                                    or re.search(rf"{line}   required from here\n[^\n]*{error}", errors)
                                    or re.search(rf"{error}(?:\n(?!.*error:).*)*?\n.*{line} note: in instantiation", errors),
                                    f"{source.name}:{number}: no error with \"{text}\" in\n{errors[:4000]}")


class OldStandardTest(unittest.TestCase):

    def test_the_first_error_of_each_header_names_the_standard(self):
        """By make nobody raises it, and what a header says of itself in C++17 is a riddle."""
        self.assertGreater(len(HEADERS), 20)
        for header in HEADERS:
            with self.subTest(header=header.name):
                errors = subprocess.run(
                    [COMPILER, "-std=c++17", "-fsyntax-only", "-Wfatal-errors", "-I", INCLUDE, "-x", "c++", "-"], check=False,
                    input=f'#include "roost/{header.name}"\n', capture_output=True, text=True,
                    env=os.environ | {"LC_ALL": "C"}).stderr
                first = next((line for line in errors.splitlines() if "error:" in line), "no error")
                self.assertIn("roostpool needs C++20: compile with -std=c++20", first)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
