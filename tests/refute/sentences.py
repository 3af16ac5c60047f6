"""Finds the sentences of the public headers that promise something."""

import pathlib
import re
from typing import Iterator, NamedTuple

HEADERS = "include/roost"
# Words of a bound, a deadline, an order, or what is never done. A sentence with none of them describes.
PROMISE = re.compile(
    r"\b(never|always|at most|at least|exactly|nothing|nobody|no longer than|none|within|bounded|deadlines?|"
    r"in (the )?order|before|cannot|may not|whatever|no (call|caller|connection|descriptor|exception|heap|I/O|"
    r"lock|memory|other|query|question|server|statement|step|system call|thread|wall|allocation)\w*)\b", re.I)
END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"{k(0-9-])")
# The fields of a header's first comment; the code behind Example is no sentence.
FIELD = re.compile(r"\s*\b(Threads|Blocks|Memory|Errors|Time|Example):\s*")


class Sentence(NamedTuple):
    header: str
    line: int
    text: str


def comment_blocks(text: str) -> Iterator[tuple[int, str]]:
    """The comments of a header: where each begins, and its text on one line."""
    start, words = 0, []
    for number, line in enumerate(text.splitlines() + [""], 1):
        match = re.match(r"\s*///?(.*)$", line) or (
            re.match(r"[^\"]*?\s//(/?<?.*)$", line) if not words else None)
        body = match.group(1).strip() if match else ""
        # An empty line of a comment, an indented example and a table's row end a paragraph.
        if not body or body.startswith(("|", "```")):
            if words:
                yield start, " ".join(words)
            words = []
            continue
        if not words:
            start = number
        words.append(body)


def sentences(root: pathlib.Path) -> Iterator[Sentence]:
    for path in sorted((root / HEADERS).glob("*.h")):
        for line, block in comment_blocks(path.read_text()):
            fields = FIELD.split(re.sub(r"\s+", " ", block))
            for name, field in zip([""] + fields[1::2], fields[::2]):
                for text in END.split(field) if name != "Example" else ():
                    yield Sentence(path.name, line, (f"{name}: {text}" if name else text).strip())


def promises(root: pathlib.Path) -> list[Sentence]:
    return [s for s in sentences(root) if PROMISE.search(s.text)]
