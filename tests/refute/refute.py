#!/usr/bin/env python3
"""Every promise of a public header has a test, and a patch that makes the test fail.

A promise is a sentence of include/roost/*.h with a word of a bound, a deadline, an order, or of what is
never done (PROMISE in sentences.py). A file PATCH of this folder is `git apply`'s, and begins with
  Sentence: HEADER: the sentence, whole; lines that go on begin with two spaces (once or several times)
  Test: PROGRAM FILTER      a GoogleTest, or a test of ctest without FILTER
It changes at most five lines, and with it the test fails. Sentences that promise nothing, for which the
words are used otherwise, stand in no_promises.txt, each with what it is.

Usage: refute.py ROOT check                 no sentence without a patch, every patch applies
       refute.py ROOT list [HEADER]         the promises, and what refutes each
       refute.py ROOT run BUILD [PATCH ...] applies each patch in turn, builds its test in BUILD and runs it
`run` changes the files of ROOT and puts them back: let nobody else work there.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from typing import NamedTuple

from sentences import HEADERS, Sentence, promises, sentences

MOST_LINES = 5
LONGEST_TEST = 300  # seconds; a test that does not end has failed
# What a sentence is that promises nothing.
KINDS = {
    "value": "says what a value of a setting or a result means",
    "duty": "asks something of the caller",
    "reason": "says why, or what something is for",
    "design": "says how it is built; a rule of layering or the compiler keeps it",
    "elsewhere": "repeats a promise that another sentence makes, which is named behind it",
}


class Patch(NamedTuple):
    path: pathlib.Path
    promised: list[tuple[str, str]]  # header, sentence
    program: str
    test_filter: str
    changed: int


def read_patch(path: pathlib.Path) -> Patch:
    preamble, _, body = path.read_text().partition("\n--- ")
    fields: list[tuple[str, str]] = []
    for line in preamble.splitlines():
        if line.startswith("  ") and fields:
            fields[-1] = (fields[-1][0], fields[-1][1] + " " + line.strip())
        elif ": " in line:
            name, _, value = line.partition(": ")
            fields.append((name, value.strip()))
    promised = []
    for name, value in fields:
        if name == "Sentence":
            header, _, text = value.partition(": ")
            promised.append((header, text))
    test = dict(fields).get("Test", "").split(maxsplit=1) + ["", ""]
    lines = ("--- " + body).splitlines()
    # The longer side of each hunk: a changed line is one, not two.
    changed = 0
    for hunk in re.split(r"^@@.*$", "\n".join(lines), flags=re.M)[1:]:
        hunk = re.split(r"^(?:diff|---) ", hunk, flags=re.M)[0]
        changed += max(len(re.findall(r"^\+", hunk, re.M)), len(re.findall(r"^-", hunk, re.M)))
    return Patch(path, promised, test[0], test[1], changed)


class Collection:
    """What tests/refute/ holds against the headers of `root`."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.folder = root / "tests" / "refute"
        self.patches = [read_patch(path) for path in sorted(self.folder.glob("*/*.patch"))]
        self.no_promises: dict[tuple[str, str], str] = {}
        for line in (self.folder / "no_promises.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                kind, _, rest = line.partition(" ")
                header, _, text = rest.partition(": ")
                self.no_promises[(header, text)] = kind

    def refuted(self) -> dict[tuple[str, str], list[Patch]]:
        found: dict[tuple[str, str], list[Patch]] = {}
        for patch in self.patches:
            for key in patch.promised:
                found.setdefault(key, []).append(patch)
        return found

    def breaches(self) -> list[str]:
        refuted = self.refuted()
        known = {(s.header, s.text) for s in sentences(self.root)}
        found = []
        for sentence in promises(self.root):
            key = (sentence.header, sentence.text)
            if key not in refuted and key not in self.no_promises:
                found.append(f"{HEADERS}/{sentence.header}:{sentence.line}: no patch refutes \"{sentence.text}\"")
        for key in [*refuted, *self.no_promises]:
            if key not in known:
                found.append(f"tests/refute: {HEADERS}/{key[0]} does not say \"{key[1]}\"")
        for key, kind in self.no_promises.items():
            if kind.split(":")[0] not in KINDS:
                found.append(f"tests/refute/no_promises.txt: \"{kind}\" is none of {', '.join(KINDS)}")
            if key in refuted:
                found.append(f"tests/refute/no_promises.txt: a patch refutes \"{key[1]}\"")
        for patch in self.patches:
            found += [f"{patch.path.relative_to(self.root)}: {wrong}" for wrong in self.wrong(patch)]
        return found

    def wrong(self, patch: Patch) -> list[str]:
        found = []
        if not patch.promised:
            found.append("no line \"Sentence: HEADER: ...\"")
        if not 1 <= patch.changed <= MOST_LINES:
            found.append(f"changes {patch.changed} lines, not 1 to {MOST_LINES}")
        if not patch.program:
            found.append("no line \"Test: PROGRAM FILTER\"")
        elif patch.test_filter and not self.has_test(patch.test_filter):
            found.append(f"no test {patch.test_filter}")
        apply = subprocess.run(["git", "apply", "--check", str(patch.path)], cwd=self.root,
                               capture_output=True, text=True, check=False)
        if apply.returncode != 0:
            found.append("does not apply: " + apply.stderr.strip().replace("\n", "; "))
        return found

    def has_test(self, test_filter: str) -> bool:
        if not hasattr(self, "tests"):
            self.tests = "\n".join(path.read_text() for path in (self.root / "tests").rglob("*")
                                   if path.is_file() and path.suffix in (".cc", ".h"))
        names = [name.split("/") for name in re.split(r"[:]", test_filter)]
        for parts in names:
            suite, _, name = next((part for part in parts if "." in part), "").partition(".")
            if not name or not re.search(rf"\b{re.escape(name.strip('*'))}", self.tests) or suite.strip("*") not in self.tests:
                return False
        return True


def quiet(command: list[str], where: pathlib.Path, limit: float) -> tuple[int, str]:
    try:
        done = subprocess.run(command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit,
                              text=True, errors="replace", check=False)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return 124, "did not end"


def run_test(build: pathlib.Path, patch: Patch) -> tuple[str, str]:
    """Builds and runs `patch`'s test: "passes", "fails", or "builds not", with the output."""
    built, output = quiet(["cmake", "--build", str(build), "--target", patch.program], build, 3600)
    program = next((path for path in build.rglob(patch.program) if path.is_file() and os.access(path, os.X_OK)), None)
    if built != 0 and program is not None:
        return "builds not", output
    if program is not None and patch.test_filter:
        code, output = quiet([str(program), f"--gtest_filter={patch.test_filter}"], build, LONGEST_TEST)
        if "[==========] Running 0 tests" in output:
            return "no such test", output
    else:
        code, output = quiet(["ctest", "--output-on-failure", "-R", f"^{patch.program}$", "--no-tests=error"], build,
                             LONGEST_TEST)
    return ("passes" if code == 0 else "fails"), output


def run(root: pathlib.Path, build: pathlib.Path, patches: list[Patch]) -> int:
    """Each patch's test has to pass without it and to fail with it."""
    bad = 0
    for number, patch in enumerate(patches, 1):
        began = time.monotonic()
        name = patch.path.relative_to(root / "tests" / "refute")
        verdict, output = run_test(build, patch)
        if verdict == "passes":
            subprocess.run(["git", "apply", str(patch.path)], cwd=root, check=True)
            try:
                verdict, output = run_test(build, patch)
            finally:
                subprocess.run(["git", "apply", "--reverse", str(patch.path)], cwd=root, check=True)
            good = verdict == "fails"
            said = "refuted" if good else f"with the patch the test {verdict}"
        else:
            good, said = False, f"without the patch the test {verdict}"
        bad += not good
        print(f"[{number}/{len(patches)}] {'ok' if good else 'BAD':3} {name}: {said}"
              f" ({time.monotonic() - began:.0f} s)", flush=True)
        if not good:
            print("\n".join("    " + line for line in output.splitlines()[-15:]), flush=True)
    print(f"{len(patches) - bad} of {len(patches)} patches make their test fail")
    return 1 if bad else 0


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or arguments[1] not in ("check", "list", "run"):
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[0]).resolve()
    collection = Collection(root)
    if arguments[1] == "check":
        breaches = collection.breaches()
        print("\n".join(breaches + [f"{len(promises(root))} promises, {len(collection.patches)} patches, "
                                    f"{len(breaches)} breaches"]))
        return 1 if breaches else 0
    if arguments[1] == "list":
        refuted = collection.refuted()
        for sentence in promises(root):
            if arguments[2:] in ([], [sentence.header]):
                key = (sentence.header, sentence.text)
                by = ", ".join(f"{patch.path.stem} ({patch.program} {patch.test_filter})"
                               for patch in refuted.get(key, ()))
                print(f"{sentence.header}:{sentence.line}: {sentence.text}\n    "
                      f"{by or collection.no_promises.get(key, 'NOTHING')}")
        return 0
    if len(arguments) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    # So that what is applied is put back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    wanted = [pathlib.Path(name).resolve() for name in arguments[3:]]
    return run(root, pathlib.Path(arguments[2]).resolve(),
               [patch for patch in collection.patches if not wanted or patch.path in wanted])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
