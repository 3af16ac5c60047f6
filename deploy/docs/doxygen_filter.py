#!/usr/bin/env python3
"""Shows Doxygen the comments of a public header as documentation.

The headers have plain comments. A comment documents what follows it up to the next blank line, so that one goes for
several declarations; one behind a declaration documents that. What Doxygen 1.9 cannot read (a `requires` clause) and
what needs no word (a deleted function) is left out.

Usage: doxygen_filter.py HEADER    prints it
"""

import pathlib
import re
import sys

COMMENT = re.compile(r"^(\s*)//(?!/) ?(.*)$")
HEADLINE = re.compile(r"^-{4} .* -{4}$")
# Lines that begin no declaration which could share a comment.
NO_MEMBER = re.compile(r"^\s*((public|protected|private):|[}#:]|(namespace|friend class|friend struct|using namespace|"
                       r"static_assert|extern)\b)")


def without_requires(text: str) -> str:
    """Without `requires (...)` and `requires X<...>` to the end of the line; as many lines as before."""
    while clause := re.search(r"^ *requires *(\(?)", text, flags=re.M):
        end = text.index("\n", clause.end())
        if clause[1]:
            end, depth = clause.end(), 1
            while depth:
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                end += 1
        text = text[:clause.start()] + "\n" * text[clause.start():end].count("\n") + text[end:]
    return text


def prose(text: str) -> str:
    """A line of a comment, with what Doxygen would take for a command or a tag taken literally."""
    if text.startswith("  "):  # a table, or code
        return "    " + text
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([<>@\\#%])", r"\\\1", part) for part in parts)


# The comment of a type is not that of its first member. A profile that derives from another one has its constants,
# which are explained there.
OPENS = re.compile(r"^\s*(template <.*> )?(class|struct|enum|union|namespace)\b(?! \w+ : \w+ \{$).*\{$|"
                   r"^\s*(public|protected|private):$")


class Reader:
    """Goes through a header line by line."""

    def __init__(self):
        self.out: list[str] = []
        self.in_head = True  # in the comment that the file begins with
        self.block: list[str] = []  # the comment that is being read
        self.shared: list[str] = []  # the one that the next declaration shares
        self.depth = 0  # of round brackets
        self.continues = False  # the line before was not the end of a declaration
        self.in_macro = False  # the line before ended with a backslash

    def comment(self, indent: str, text: str) -> None:
        if HEADLINE.match(text) or text.startswith("clang-format") or self.continues:
            self.out.append("")
            return
        if self.in_head and not self.block:
            self.out.append(f"{indent}/// @file")
        self.block.append(f"{indent}/// {prose(text)}")
        self.out.append(self.block[-1])

    def code(self, line: str) -> None:
        fresh = bool(self.block)
        if fresh:
            self.shared, self.block = self.block, []
        behind = re.match(r"^([^\"]*[;,]) *// (.*)$", line)
        if behind:
            line = f"{behind[1]}  ///< {prose(behind[2])}"
        code = re.sub(r"//.*$", "", line).rstrip()
        if not (self.continues or self.in_macro or fresh or behind or NO_MEMBER.match(line)):
            self.out += self.shared
        self.out.append("" if re.search(r"= delete;$", code) else line)
        if OPENS.match(code):
            self.shared = []
        self.depth += code.count("(") - code.count(")")
        # A line of initialisers ends a declaration with its body alone.
        end = r"[;{}]$" if code.lstrip().startswith(":") else r"[;{}:,]$"
        ends = self.depth == 0 and re.search(end, code)
        self.continues = not (ends or self.in_macro or code.startswith("#"))
        self.in_macro = code.endswith("\\")

    def read(self, lines: list[str]) -> list[str]:
        for line in lines:
            comment = COMMENT.match(line)
            if comment:
                self.comment(*comment.groups())
                continue
            self.in_head = False
            if line.strip():
                self.code(line)
                continue
            self.out.append(line)
            self.block, self.shared = [], []
        return self.out


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    text = without_requires(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("\n".join(Reader().read(text.splitlines())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
