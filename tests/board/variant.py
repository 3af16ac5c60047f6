"""A build with one text in its programs replaced by another of the same length: a younger version, or one
that is broken in a way that a test suite might have missed.

Usage: variant.py NAME PROGRAM...   changes the programs
"""

import sys
from pathlib import Path

VARIANTS = {
    "0.1.1": ("0.1.0", "0.1.1"),
    # Cannot make its tables: ends when it is started, with whatever database.
    "no-schema": ("CREATE TABLE IF NOT EXISTS sensor", "CREATE TABLE IF NOT EXISTS 5ensor"),
    # Gives the first reading of each batch the number of the last one that is there: works with a new
    # database, such as one in memory; with one that has readings it is ready and seals nothing.
    "no-insert": ("SELECT coalesce(max(seq), 0) + 1 FROM reading",
                  "SELECT coalesce(max(seq), 1) + 0 FROM reading"),
    # Says that it is ready in words that systemd does not understand.
    "no-ready": ("READY=1", "REACY=1"),
}


def change(name, programs):
    old, new = (word.encode() for word in VARIANTS[name])
    assert len(old) == len(new)
    found = 0
    for program in programs:
        content = program.read_bytes()
        found += content.count(old)
        program.write_bytes(content.replace(old, new))
    if not found:
        sys.exit(f"no {old!r} in {', '.join(map(str, programs))}")


if __name__ == "__main__":
    change(sys.argv[1], [Path(argument) for argument in sys.argv[2:]])
