#!/usr/bin/env python3
"""Feeds site.py good documents, then bad ones, and looks whether it tells them apart.

Usage: site_test.py    needs what site.py needs
"""

import contextlib
import importlib.util
import io
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

# `import site` is the standard library's.
SPEC = importlib.util.spec_from_file_location("roost_site", pathlib.Path(__file__).with_name("site.py"))
site = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(site)

CONFIG = "site_name: t\ntheme:\n  name: material\n  font: false\nplugins: []\nuse_directory_urls: false\n"
GOOD = {
    "README.md": "# Top\n\nSee [the rest](src/) and [a part](src/README.md#a-part), [code](tests/a.cc),\n"
                 "[a folder](tests),\n"
                 "[the header](include/roost/a.h), [elsewhere](https://example.org/).\n\n```sh\n[no](link)\n```\n",
    "src/README.md": "# Rest\n\n## A part\n\nBack [up](../README.md).\n",
    "tests/a.cc": "int a;\n",
    "include/roost/a.h": "// include/roost/a.h - a header.\n#ifndef A\n#define A\n\nnamespace roost {\n\n"
                         "// A thing of <vector> size.\nstruct A {\n  // How many, and how many are left.\n"
                         "  int b = 0;\n  int c = 0;\n"
                         "  int d = 0;  // the last\n  // Any T.\n  template <class T>\n"
                         "  requires(sizeof(T) > 1) void F(T t);\n"
                         "};\n\n}  // namespace roost\n\n#endif\n",
    "deploy/docs/mkdocs.yml": CONFIG + "nav:\n  - A: README.md\n  - B: src/README.md\n",
}
# A file, what is replaced in it by what, and what has to be said.
BAD = (
    ("README.md", "(src/README.md#a-part)", "(src/README.md#apart)", "has no such place"),
    ("README.md", "(tests/a.cc)", "(tests/gone.cc)", "tests/gone.cc"),
    ("README.md", "(include/roost/a.h)", "(include/roost/gone.h)", "gone.h"),
    ("src/README.md", "(../README.md)", "(../GONE.md)", "GONE.md"),
    ("src/README.md", "Back", "<img src='https://example.org/x.png'> Back", "loads https://example.org/x.png"),
    ("deploy/docs/mkdocs.yml", "  - B: src/README.md\n", "", "src/README.md is not in nav"),
    ("deploy/docs/mkdocs.yml", "src/README.md", "src/GONE.md", "nav has src/GONE.md, which does not exist"),
    ("deploy/docs/mkdocs.yml", "name: material", "name: gone", "mkdocs ended with"),
    ("include/roost/a.h", "  // How many, and how many are left.\n", "",
     "b (variable) of struct roost::A is not documented"),
    ("include/roost/a.h", "// A thing of <vector> size.\n", "\n", "Compound roost::A is not documented"),
    ("include/roost/a.h", "  // Any T.\n", "\n", "F(T t) (function) of struct roost::A is not documented"),
)


class SiteTest(unittest.TestCase):

    def build(self, file="", old="", new=""):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder, "root")
            for name, text in GOOD.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text.replace(old, new) if name == file else text, encoding="utf-8")
            for name in ("Doxyfile", "doxygen_filter.py"):
                (root / "deploy/docs" / name).symlink_to(pathlib.Path(__file__).resolve().with_name(name))
            subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
            said = io.StringIO()
            with mock.patch.object(sys, "argv", ["site.py", f"{folder}/site", str(root)]):
                with contextlib.redirect_stdout(said):
                    code = site.main()
            return code, said.getvalue()

    def test_good_documents_pass(self):
        self.assertEqual(self.build(), (0, "2 pages, 0 differences\n"))

    def test_each_difference_is_found(self):
        for file, old, new, expected in BAD:
            with self.subTest(file=file, new=new):
                self.assertIn(old, GOOD[file])
                code, said = self.build(file, old, new)
                self.assertEqual(code, 1, said)
                self.assertIn(expected, said)


if __name__ == "__main__":
    unittest.main()
