#!/usr/bin/env python3
"""Runs clang-tidy over many sources in few translation units.

Most of clang-tidy's time goes to the headers that each source includes. Sources of one folder are put one
behind the other into one file, so that their headers are read once; what is found is told of the source's
own line. Sources that do not compile together, such as two that give one name to different things, are
parted in halves until they do.

Usage: tidy.py BUILD SOURCE...     BUILD has a compile_commands.json; a source that is not in it is compiled
                                   as the one whose path is most like its own

Exits with 1 when something was found.
"""
import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

TOGETHER = 12  # more save little, and leave the last processor alone for long
PLACE = re.compile(r"^(?P<file>/\S+?):(?P<line>\d+):(?P<rest>\d+: (?:error|warning|note): .*)$")


def commands(build):
    """How each source is compiled, without its own name and its object's."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        command = shlex.split(entry["command"])
        found[pathlib.Path(entry["file"]).resolve()] = tuple(command[:command.index("-o")])
    return found


def nearest(source, command_of):
    """The command of `source`, or of the known source that shares most of its path."""
    return command_of[max(command_of, key=lambda known: (known == source, len(os.path.commonpath([known, source])),
                                                         str(known)))]


def parts(sources, command_of):
    """Sources of one folder that are compiled alike, at most TOGETHER at a time."""
    def alike(source):
        return str(source.parent), command_of[source]

    for _, some in itertools.groupby(sorted(sources, key=alike), alike):
        some = list(some)
        for begin in range(0, len(some), TOGETHER):
            yield some[begin:begin + TOGETHER]


def own_place(line, joined, sources, begins):
    """`line` of clang-tidy's output, with the place in the source instead of that in `joined`."""
    place = PLACE.match(line)
    if not place or place["file"] != str(joined):
        return line
    number = int(place["line"])
    index = max(i for i, begin in enumerate(begins) if begin <= number)
    return f"{sources[index]}:{number - begins[index] + 1}:{place['rest']}"


def compiles(source, command):
    return subprocess.run([*command, "-w", "-fsyntax-only", str(source)], capture_output=True, check=False).returncode == 0


def tidy(sources, command, folder):
    """What clang-tidy finds in `sources`, whose command is `command`; empty: nothing."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
    joined = folder / "sources.cc"
    text, begins = "", []
    for source in sources:
        begins.append(text.count("\n") + 1)
        text += source.read_text()
    joined.write_text(text)
    if len(sources) > 1 and not compiles(joined, command):
        half = len(sources) // 2
        return tidy(sources[:half], command, folder) + tidy(sources[half:], command, folder)
    entry = {"directory": os.getcwd(), "file": str(joined), "arguments": [*command, "-c", str(joined)]}
    (folder / "compile_commands.json").write_text(json.dumps([entry]))
    done = subprocess.run(["clang-tidy", "--quiet", f"--config-file={pathlib.Path.cwd() / '.clang-tidy'}",
                           "-p", str(folder), str(joined)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    told = done.stdout or done.stderr
    return "\n".join(own_place(line, joined, sources, begins) for line in told.splitlines()) + "\n"


def main(arguments):
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    command_of = commands(pathlib.Path(arguments[0]))
    sources = [pathlib.Path(name).resolve() for name in arguments[1:]]
    command_of = {source: nearest(source, command_of) for source in sources}
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = "".join(pool.map(lambda some: tidy(some, command_of[some[0]], folder),
                                 parts(sources, command_of)))
    print(found, end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
