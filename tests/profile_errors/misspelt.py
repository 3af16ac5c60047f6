#!/usr/bin/env python3
"""Writes include/roost/internal/misspelt.h: the ways to misspell each setting that a build refuses.

Usage: misspelt.py ROOT      writes the header anew; call it after a setting was added

C++ cannot list the members of a struct, so that a profile can only be asked for names that are known: those
that one slip of a finger, or the habit of another library, makes of a setting.
"""

import pathlib
import re
import sys

HEADER = "include/roost/internal/misspelt.h"
PROFILE = "include/roost/profile.h"
# What SQLAlchemy and others call a setting.
ELSEWHERE = {
    "kPoolSize": ["kSize", "kMaxSize"],
    "kMaxOverflow": ["kOverflow"],
    "kPoolTimeout": ["kTimeout", "kAcquireTimeout"],
    "kPoolRecycle": ["kRecycle", "kMaxLifetime"],
    "kPrePing": ["kPoolPrePing", "pool_pre_ping"],
    "kEchoPool": ["kEcho", "kPoolEcho"],
    "kOpenTimeout": ["kConnectTimeout"],
    "kIdleLimit": ["kIdleTimeout"],
}
TOP = """// include/roost/internal/misspelt.h - constants of a profile that are a setting with a slip of the finger.
//
// Written by tests/profile_errors/misspelt.py, which says what a slip is. C++ cannot list the members of
// a struct: a profile can only be asked for names that are known.
#ifndef ROOST_INTERNAL_MISSPELT_H_
#define ROOST_INTERNAL_MISSPELT_H_

namespace roost::internal {

// clang-format off
"""
END = """// clang-format on

}  // namespace roost::internal

#endif  // ROOST_INTERNAL_MISSPELT_H_
"""


def settings(root: pathlib.Path) -> list[str]:
    """The constants of profiles::Default."""
    text = (root / PROFILE).read_text(encoding="utf-8")
    body = text.partition("struct Default {")[2].partition("\n};\n")[0]
    return re.findall(r"^  static constexpr [\w *]*?\b(k[A-Z]\w*)\b", body, flags=re.M)


def slips(name: str) -> list[str]:
    """What one slip makes of `name`: two letters swapped, one left out, doubled, or in the wrong case; an
    s too many; the style of another language."""
    letters = range(1, len(name))
    words = re.findall(r"[A-Z][a-z]*", name)
    snake = "_".join(words).lower()
    found = [name[:i] + name[i + 1] + name[i] + name[i + 2:] for i in letters[:-1]]
    found += [name[:i] + name[i + 1:] for i in letters]
    found += [name[:i] + name[i] + name[i:] for i in letters]
    found += [name[:i] + name[i].swapcase() + name[i + 1:] for i in (0, *letters) if name[i].isupper() or i == 0]
    found += [name + "s", name[1:], snake]
    return found


def variants(root: pathlib.Path) -> dict[str, list[str]]:
    """The wrong names by the right one; none stands for two."""
    names = settings(root)
    taken = set(names)
    table: dict[str, list[str]] = {}
    for name in names:
        wrong = [w for w in dict.fromkeys(slips(name) + ELSEWHERE.get(name, [])) if w not in taken]
        taken.update(wrong)
        table[name] = wrong
    return table


def lines(pieces: list[str], width: int) -> str:
    """Joined by blanks, broken between two pieces."""
    rows = [""]
    for piece in pieces:
        if len(rows[-1]) + len(piece) > width:
            rows.append("")
        rows[-1] += (" " if rows[-1] else "") + piece
    return "\n".join("      " + row for row in rows)


def header(root: pathlib.Path) -> str:
    out = [TOP]
    checks = []
    for name, wrong in variants(root).items():
        asked = [f"requires {{ P::{w}; }}" + (" ||" if w != wrong[-1] else ";") for w in wrong]
        out.append(f"template <class P>\nconstexpr bool Misspells{name[1:]}() {{\n  return\n{lines(asked, 98)}\n}}\n")
        checks.append(f"  static_assert(!Misspells{name[1:]}<P>(),\n"
                      f'                "roost profile: a constant is misspelt: the setting is {name}");\n')
    out.append("// Stops the build where a constant of P is one of these.\ntemplate <class P>\n"
               "constexpr bool CheckSpelling() {\n" + "".join(checks) + "  return true;\n}\n")
    return "".join(out) + END


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    (root / HEADER).write_text(header(root), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
