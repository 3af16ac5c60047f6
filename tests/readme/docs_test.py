"""Feeds docs.py good documents, then bad ones, and looks whether it tells them apart."""

import pathlib
import tempfile
import unittest

import docs

GOOD = {
    "README.md": "See [the tests](tests) and `tests/a.cc`.\n\n<!-- cut from tests/a.cc [x] -->\n"
                 "```cpp\nint a;\n  int b;\n```\n\n```sh\nsome/where/else\n```\n\n"
                 "<!-- all of tests/b.cc -->\n```cpp\nint whole;\n```\n",
    "tests/b.cc": "int whole;\n",
    "tests/a.cc": "void F() {\n  // [x]\n  int a;\n    int b;\n  // [x]\n}\n",
    "include/roost/a.h": "// include/roost/a.h - a.\n// Example:\n//   int x =\n//       1;\n#ifndef A\n",
    docs.EXAMPLES: "// [a.h]\nint x = 1;\n// [a.h]\n",
}

# A file, what is replaced in it by what, and what has to be said.
BAD = [
    ("README.md", "int a;", "int c;", "differs from [x] in tests/a.cc"),
    ("README.md", "<!-- cut from tests/a.cc [x] -->\n", "", "a C++ block without a line"),
    ("README.md", "[x]", "[y]", "has no code between two comments // [y]"),
    ("README.md", "cut from tests/a.cc", "cut from tests/b.cc", "tests/b.cc has no code between"),
    ("README.md", "all of tests/b.cc", "all of tests/gone.cc", "there is no tests/gone.cc"),
    ("tests/b.cc", "int whole", "int half", "differs from [all] in tests/b.cc"),
    ("README.md", "(tests)", "(teste)", "the link teste leads nowhere"),
    ("README.md", "`tests/a.cc`", "`tests/gone.cc`", "there is no tests/gone.cc"),
    ("tests/a.cc", "int b;", "int d;", "differs from [x] in tests/a.cc"),
    ("include/roost/a.h", "int x", "int y", "its example differs from [a.h]"),
    (docs.EXAMPLES, "[a.h]", "[b.h]", "its example is not in"),
]


class DocsTest(unittest.TestCase):

    def check(self, file: str = "", old: str = "", new: str = "") -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in GOOD.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text.replace(old, new) if name == file else text, encoding="utf-8")
            return docs.check(root)

    def test_true_documents_pass(self):
        self.assertEqual(self.check(), [])

    def test_each_difference_is_found(self):
        for file, old, new, expected in BAD:
            with self.subTest(file=file, new=new):
                self.assertIn(old, GOOD[file])
                found = self.check(file, old, new)
                self.assertEqual(len(found), 1, found)
                self.assertIn(expected, found[0])

    def test_a_table_of_profiles_with_other_numbers_is_found(self):
        profile = {"profile": "tiny", "pool_size": 2, "max_overflow": 1, "pool_timeout_s": 30.0,
                   "pool_recycle_s": 0.5, "pre_ping": "never", "echo_pool": True}
        table = ("| profile | pool_size |\n|---|---|\n"
                 "| `tiny` | 2 | 1 | 30 s | 0.5 s | no | yes |\n\nMore.\n")
        with tempfile.TemporaryDirectory() as folder:
            readme = pathlib.Path(folder, "README.md")
            readme.write_text(table, encoding="utf-8")
            self.assertEqual(list(docs.check_profiles(readme.parent, [profile])), [])
            found = list(docs.check_profiles(readme.parent, [profile | {"pool_size": 3}]))
            self.assertEqual(len(found), 1)
            self.assertIn("| `tiny` | 3 | 1 |", found[0])


if __name__ == "__main__":
    unittest.main()
