"""Feeds refute.py a good tree, then one with each breach, and looks whether it is found."""

import pathlib
import subprocess
import tempfile
import unittest

import refute
import sentences

HEADER = """// include/roost/pool.h - a pool.
//
// Threads:  any
// Blocks:   never
// Example:
//   pool.Acquire(kNever);  // never mind
#ifndef X
// Lends a connection. It never waits past its deadline, whatever
// the server does. 0: a value.
int Acquire();
int most = 4;  // at most eight
"""
SOURCE = "int one = 1;\nint two = 2;\nint three = 3;\n"
PATCH = """Sentence: pool.h: It never waits past its deadline, whatever the
  server does.
Test: pool_test WaitingTest.EndsAtItsDeadline
--- a/src/lane.cc
+++ b/src/lane.cc
@@ -1,3 +1,3 @@
 int one = 1;
-int two = 2;
+int two = 4;
 int three = 3;
"""
NO_PROMISES = "# comment\ndesign pool.h: Blocks: never\nvalue pool.h: at most eight\n"
GOOD = {
    "include/roost/pool.h": HEADER,
    "src/lane.cc": SOURCE,
    "tests/pool/waiting_test.cc": "TEST_F(WaitingTest, EndsAtItsDeadline) {}\n",
    "tests/refute/no_promises.txt": NO_PROMISES,
    "tests/refute/pool.h/deadline.patch": PATCH,
}


class RefuteTest(unittest.TestCase):

    def breaches(self, **changes):
        """The breaches of GOOD with some files changed: FILE=(OLD, NEW)."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in GOOD.items():
                old, new = changes.get(pathlib.Path(name).stem, ("", ""))
                self.assertIn(old, text)
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text.replace(old, new) if old else text, encoding="utf-8")
            subprocess.run(["git", "init", "-q", folder], check=True)
            return refute.Collection(root).breaches()

    def test_a_good_tree_has_none(self):
        self.assertEqual(self.breaches(), [])

    def test_sentences_are_cut_as_a_reader_would(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "include/roost").mkdir(parents=True)
            (root / "include/roost/pool.h").write_text(HEADER, encoding="utf-8")
            self.assertEqual(
                [(s.line, s.text) for s in sentences.promises(root)],
                [(3, "Blocks: never"),
                 (8, "It never waits past its deadline, whatever the server does."),
                 (11, "at most eight")])

    def test_a_promise_without_a_patch_is_found(self):
        found = self.breaches(pool=("It never", "It always"))
        self.assertEqual(len(found), 2)  # the new one, and the old one that is no more
        self.assertIn("pool.h:8: no patch refutes \"It always waits", found[0])
        self.assertIn("does not say \"It never waits", found[1])

    def test_a_patch_that_does_not_apply_is_found(self):
        self.assertIn("does not apply", self.breaches(deadline=("-int two = 2;", "-int two = 3;"))[0])

    def test_a_patch_of_six_lines_is_found(self):
        more = "+int two = 4;\n" * 6
        found = self.breaches(deadline=("+int two = 4;\n", more))
        self.assertIn("changes 6 lines, not 1 to 5", found[0])

    def test_a_test_that_is_not_there_is_found(self):
        found = self.breaches(waiting_test=("EndsAtItsDeadline", "EndsLater"))
        self.assertEqual(found, ["tests/refute/pool.h/deadline.patch: no test WaitingTest.EndsAtItsDeadline"])

    def test_a_filter_that_names_no_test_is_found(self):
        found = self.breaches(deadline=("WaitingTest.EndsAtItsDeadline", "WaitingTest"))
        self.assertEqual(found, ["tests/refute/pool.h/deadline.patch: no test WaitingTest"])

    def test_a_patch_without_a_test_is_found(self):
        found = self.breaches(deadline=("Test: pool_test WaitingTest.EndsAtItsDeadline\n", ""))
        self.assertIn("no line \"Test: PROGRAM FILTER\"", found[0])

    def test_an_unknown_kind_is_found(self):
        self.assertIn("\"guess\" is none of", self.breaches(no_promises=("value", "guess"))[0])

    def test_what_is_refuted_is_a_promise(self):
        also = "value pool.h: at most eight\nvalue pool.h: It never waits past its deadline, whatever the server does.\n"
        found = self.breaches(no_promises=("value pool.h: at most eight\n", also))
        self.assertIn("a patch refutes \"It never waits", found[0])


if __name__ == "__main__":
    unittest.main()
