"""Rules that need more than one line of a file: sizes of classes and functions, order in a folder, prose.

Each takes the root of the tree and yields breaches. layers.py runs them.
"""

import pathlib
import re
from typing import Iterator

from source import Breach, Outline, code_lines, includes, outline, read, resolve, sources

# ---- Sizes ----------------------------------------------------------------------------------------

MOST_MEMBERS = 45
MOST_MEMBERS_OF = {"PoolState": 25}  # it joins parts that do the work
LONGEST_FUNCTION = 60
LONGEST_FILE = 600
LONGEST_OF = {"src/core/lane_core.cc": 400}


def outlines(root: pathlib.Path, *folders: str) -> Iterator[tuple[str, Outline]]:
    for file in sources(root, *folders):
        try:
            yield str(file.relative_to(root)), outline(file.read_text(encoding="utf-8"))
        except ValueError:
            pass  # check_brackets says so


def check_brackets(root: pathlib.Path) -> Iterator[Breach]:
    for file in sources(root, "include", "src"):
        try:
            outline(file.read_text(encoding="utf-8"))
        except ValueError as error:
            yield Breach(str(file.relative_to(root)), error.args[0], "brackets",
                         "a bracket that does not match: this script cannot count here; have both branches "
                         "of an #if open and close the same")


def check_class_size(root: pathlib.Path) -> Iterator[Breach]:
    for name, outlined in outlines(root, "include", "src"):
        for found in outlined.classes:
            most = MOST_MEMBERS_OF.get(found.name, MOST_MEMBERS)
            if len(found.functions) > most:
                yield Breach(name, found.line, "class-size",
                             f"{found.name} declares {len(found.functions)} functions, and {most} are the "
                             "most: give what belongs together a class of its own")


def check_function_size(root: pathlib.Path) -> Iterator[Breach]:
    for name, outlined in outlines(root, "src"):
        for found in outlined.functions:
            if found.lines > LONGEST_FUNCTION:
                yield Breach(name, found.line, "function-size",
                             f"{found.name} has {found.lines} lines, and {LONGEST_FUNCTION} are the most: "
                             "give its steps functions with names")


def check_file_size(root: pathlib.Path) -> Iterator[Breach]:
    for file in sources(root, "include", "src"):
        name = str(file.relative_to(root))
        lines, most = len(file.read_text(encoding="utf-8").splitlines()), LONGEST_OF.get(name, LONGEST_FILE)
        if lines > most:
            yield Breach(name, most, "file-size",
                         f"{lines} lines, and {most} are the most: move what belongs together to a file of "
                         "its own")


# ---- Includes -------------------------------------------------------------------------------------

MOST_INCLUDES_OF_SLOT = 3


def check_slot_includes(root: pathlib.Path) -> Iterator[Breach]:
    """A slot is plain data: whoever includes it does not want the pool with it."""
    slot = root / "src/core/slot.h"
    ours = [(number, name) for number, name, angled in (includes(slot) if slot.is_file() else ())
            if not angled and not name.startswith("absl/")]
    for number, name in ours[MOST_INCLUDES_OF_SLOT:]:
        yield Breach("src/core/slot.h", number, "slot-includes",
                     f"{name} is one of {len(ours)} headers of ours, and {MOST_INCLUDES_OF_SLOT} are the "
                     "most: a slot is plain data")


# What a file of src/pool stands on has a lower number, or the same one.
FLOORS = {
    "backend": 0, "waker": 0, "pool_lock": 0, "live_settings": 0, "pool_config": 0, "refusals": 0,
    "thread_number": 0,
    "wake_list": 1, "recorder": 1,
    "lane": 2,
    "executor": 3, "stepped_actions": 3,
    "pool_parts": 4,
    "release": 5, "statement_watch": 5, "tuning": 5,
    "acquisition": 6, "maintenance": 6, "report": 6,
    "pool_state": 7,
    "pool": 8, "retry": 8, "async": 8, "housekeeper": 8, "echo": 8, "stats": 8, "settings": 8, "version": 8,
}


def check_pool_order(root: pathlib.Path) -> Iterator[Breach]:
    for file in sources(root, "src/pool"):
        name = str(file.relative_to(root))
        if file.stem not in FLOORS:
            yield Breach(name, 1, "pool-order",
                         f"add {file.stem} to FLOORS in tests/layering/shape.py, above what it includes")
            continue
        for number, included, angled in includes(file):
            target = None if angled else resolve(root, file, included)
            if target is None or not target.startswith("src/pool/"):
                continue
            other = pathlib.PurePath(target).stem
            if FLOORS.get(other, 0) > FLOORS[file.stem]:
                yield Breach(name, number, "pool-order",
                             f"{file.stem} (floor {FLOORS[file.stem]}) may not include {other} (floor "
                             f"{FLOORS[other]}): hand it what it needs, or move that down")


# ---- Prose ----------------------------------------------------------------------------------------

FUTEX = ("include/roost/platform.h", "src/README.md", "src/pool/acquisition.cc", "src/pool/acquisition.h",
         "src/pool/lane.cc", "src/pool/lane.h", "src/pool/wake_list.h", "src/pool/waker.h",
         "src/tools/roostctl/selftest/check.cc")


def check_word(root: pathlib.Path) -> Iterator[Breach]:
    """One meaning of a term: what `grep -riw word include src` finds is the futex's."""
    files = list(sources(root, "include", "src")) + sorted((root / "src").rglob("*.md"))
    for file in files:
        name = str(file.relative_to(root))
        if name in FUTEX:
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(r"(?<!\$)\bwords?\b", line, flags=re.IGNORECASE):  # $words is zsh's
                yield Breach(name, number, "word",
                             "a word is what a thread sleeps on (a futex); say text, argument, name, field, "
                             "token or bytes")


TAG = re.compile(r"\b[TABCDSPWU][0-9]{1,3}\b")
# What looks like one and is none: processors, a standard (JESD84-B51), percentiles, cards, control
# characters.
NO_TAGS = re.compile(r"\bA(53|72|76)\b|(?<=-)B51\b|\bP(50|9[059])\b|\bclass A[12]\b|\bC1 control"
                     # the rules of roostctl doctor
                     r"|\bD[0-2][0-9]\b")
# SQLSTATEs, bytes in hexadecimal, and examples of tags.
NO_TAG_FILES = ("src/backends/postgres/sqlstates.cc", "src/outbox/hands.cc", "src/base/utf8.cc", "src/base/utf8.h",
                "tests/base/utf8_test.cc", "tests/layering/layers_test.py", "tests/layering/shape.py")


def prose(file: pathlib.Path) -> Iterator[tuple[int, str]]:
    """What of a file is written for people: comments and strings; of a file that is not C++, each line."""
    if file.suffix in (".h", ".cc"):
        text = read(file)
        yield from enumerate(text.comments.splitlines(), 1)
        yield from enumerate(text.strings.splitlines(), 1)
    else:
        yield from enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1)


def check_tags(root: pathlib.Path) -> Iterator[Breach]:
    """A reader has the repository and nothing else."""
    for folder in ("include", "src", "platform", "tests"):
        for file in filter(pathlib.Path.is_file, sorted((root / folder).rglob("*"))):
            name = str(file.relative_to(root))
            if file.suffix not in (".h", ".cc", ".md", ".py", ".sh", ".txt") or name in NO_TAG_FILES:
                continue
            for number, line in prose(file):
                tag = TAG.search(NO_TAGS.sub("", line))
                if tag:
                    yield Breach(name, number, "tag",
                                 f"{tag[0]} is a number in a paper that is not here: say what is meant")


SHARE_OF_ALL, SHARE_OF_EACH = 45, 30  # percent


def comment_share(file: pathlib.Path) -> tuple[int, int]:
    """Lines that are a comment and nothing else, and lines that are not blank."""
    text = read(file)
    full = [(bool(code.strip()), bool(comment.strip()))
            for code, comment in zip(text.code.splitlines(), text.comments.splitlines())]
    return sum(comment and not code for code, comment in full), sum(code or comment for code, comment in full)


def check_comment_share(root: pathlib.Path) -> Iterator[Breach]:
    """A public header says what a caller has to know."""
    all_comments, all_lines = 0, 0
    for file in sorted((root / "include/roost").glob("*.h")):
        comments, lines = comment_share(file)
        all_comments, all_lines = all_comments + comments, all_lines + lines
        if 100 * comments < SHARE_OF_EACH * lines:
            yield Breach(str(file.relative_to(root)), 1, "comment-share",
                         f"{comments} of {lines} lines are comments, {100 * comments / lines:.0f} %; "
                         f"{SHARE_OF_EACH} % are the least: say what each function needs, does and returns")
    if 100 * all_comments < SHARE_OF_ALL * all_lines:
        yield Breach("include/roost", 1, "comment-total",
                     f"{all_comments} of {all_lines} lines of the public headers are comments, "
                     f"{100 * all_comments / all_lines:.1f} %; {SHARE_OF_ALL} % are the least")


# ---- The same thing twice -------------------------------------------------------------------------

ALIKE = 6


def compared_lines(file: pathlib.Path) -> list[tuple[int, str]]:
    """What of a file is compared: neither comments, includes, namespaces nor lines of brackets."""
    raw = file.read_text(encoding="utf-8").splitlines()
    kept = []
    for (number, code), line in zip(code_lines(file), raw):
        short = " ".join(line[:len(code)].split())
        if re.search(r"[\w\"]", short) and not re.match(r"#|(inline )?namespace\b|public:|private:", short):
            kept.append((number, short))
    return kept


def runs(file: pathlib.Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """ALIKE lines in a row, from each line on."""
    lines = compared_lines(file)
    for at in range(len(lines) - ALIKE + 1):
        yield lines[at][0], tuple(text for _, text in lines[at:at + ALIKE])


def check_twice(root: pathlib.Path) -> Iterator[Breach]:
    """What both backends need is in src/backends/common."""
    known = {lines: f"{file.relative_to(root)}:{number}"
             for file in sources(root, "src/backends/sqlite") for number, lines in runs(file)}
    for file in sources(root, "src/backends/postgres"):
        before = False  # the line before began such a run: this one is its continuation
        for number, lines in runs(file):
            if lines in known and not before:
                yield Breach(str(file.relative_to(root)), number, "twice",
                             f"{ALIKE} lines that stand in {known[lines]}, too: move them to "
                             "src/backends/common")
            before = lines in known


RULES = {
    "brackets": check_brackets,
    "class-size": check_class_size, "function-size": check_function_size, "file-size": check_file_size,
    "slot-includes": check_slot_includes, "pool-order": check_pool_order,
    "word": check_word, "tag": check_tags, "comment-share": check_comment_share,
    "twice": check_twice,
}
