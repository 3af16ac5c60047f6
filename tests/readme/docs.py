"""Keeps the documents true: code in them is cut from compiled files, and what they point at exists.

A code block of a README is preceded by a line that says where it was cut:

    <!-- cut from tests/readme/migration.cc [retry] -->

The file has the same code between two comments `// [retry]`. Or it is a file as a whole:

    <!-- all of tests/examples/local_logger/main.cc -->

Usage: docs.py ROOT ROOSTCTL    prints each difference; exit code 1 when there is one
docs_test.py feeds it bad documents.
"""

import json
import pathlib
import re
import subprocess
import sys
import textwrap
from typing import Iterator

DOCUMENTS = ("README.md", "src/README.md", "platform/README.md", "tests/README.md", "deploy/README.md",
             "deploy/MIGRATION.md", "tests/examples/README.md", "deploy/docs/CHOOSE.md", "deploy/recipes/README.md",
             "toolchains/README.md", "CHANGELOG.md")
EXAMPLES = "tests/readme/header_examples.cc"
TOP = r"(?:src|include|platform|tests|deploy|toolchains|\.ci)/"


def cut(root: pathlib.Path, file: str, name: str | None) -> str | None:
    """The lines of `file` between its two comments `// [name]`, moved to the left. No name: all."""
    path = root / file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if name is None:
        return text or None
    parts = re.split(rf"^ *// \[{re.escape(name)}\]\n", text, flags=re.M)
    return textwrap.dedent(parts[1]) if len(parts) == 3 else None


def check_blocks(root: pathlib.Path, document: str, text: str) -> Iterator[str]:
    """Every C++ block is what its marker says."""
    for block in re.finditer(r"(?:^<!-- (?:cut from|all of) (\S+)(?: \[([^\]]+)\])? -->\n+)?"
                             r"^```(?:cpp|c\+\+)\n(.*?)^```$", text, flags=re.M | re.S):
        line = text[:block.start(3)].count("\n")
        file, name, code = block.groups()
        if file is None:
            yield f"{document}:{line}: a C++ block without a line \"<!-- cut from FILE [NAME] -->\""
            continue
        expected = cut(root, file, name)
        if expected is None:
            yield (f"{document}:{line}: there is no {file}" if name is None else
                   f"{document}:{line}: {file} has no code between two comments // [{name}]")
        elif expected != code:
            yield f"{document}:{line}: differs from [{name or 'all'}] in {file}, which is compiled:\n{expected}"


def check_links(root: pathlib.Path, document: str, text: str) -> Iterator[str]:
    """Links and paths in back quotes lead to something."""
    prose = re.sub(r"^```.*?^```$", lambda m: "\n" * m[0].count("\n"), text, flags=re.M | re.S)
    folder = (root / document).parent
    for number, line in enumerate(prose.splitlines(), 1):
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", line):
            if not (folder / link).exists():
                yield f"{document}:{number}: the link {link} leads nowhere"
        for path in re.findall(rf"`(?:\./)?({TOP}[\w./-]+)`", line):
            if "NAME" in path:  # stands for any name
                continue
            if not (root / path).exists() and not (folder / path).exists():
                yield f"{document}:{number}: there is no {path}"


def squeeze(code: str) -> str:
    return " ".join(code.split())


def check_header_examples(root: pathlib.Path) -> Iterator[str]:
    """The example in the first comment of each public header is compiled, too."""
    for header in sorted((root / "include/roost").glob("*.h")):
        name = f"include/roost/{header.name}"
        match = re.search(r"^// Example:(.*?)^#ifndef", header.read_text(encoding="utf-8"),
                          flags=re.M | re.S)
        if match is None:
            continue
        example = squeeze(re.sub(r"^//", "", match[1], flags=re.M))
        compiled = cut(root, EXAMPLES, header.name)
        if compiled is None:
            yield f"{name}: its example is not in {EXAMPLES}"
        elif squeeze(compiled) != example:
            yield f"{name}: its example differs from [{header.name}] in {EXAMPLES}"


def table_row(profile: dict) -> str:
    """A profile of `roostctl profiles --json` as README writes it."""
    yes = lambda value: "yes" if value else "no"
    cells = (f"`{profile['profile']}`", profile["pool_size"], profile["max_overflow"],
             f"{profile['pool_timeout_s']:g} s", f"{profile['pool_recycle_s']:g} s",
             yes(profile["pre_ping"] != "never"), yes(profile["echo_pool"]))
    return "| " + " | ".join(map(str, cells)) + " |"


def check_profiles(root: pathlib.Path, profiles: list[dict]) -> Iterator[str]:
    """README's table of profiles has the numbers of the program."""
    text = (root / "README.md").read_text(encoding="utf-8")
    table = text.partition("| profile |")[2].partition("\n\n")[0].splitlines()[2:]
    expected = [table_row(profile) for profile in profiles]
    if table != expected:
        yield "README.md: the table of profiles is not that of roostctl:\n" + "\n".join(expected)


def check(root: pathlib.Path) -> list[str]:
    found = list(check_header_examples(root))
    for document in DOCUMENTS:
        path = root / document
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            found += check_blocks(root, document, text)
            found += check_links(root, document, text)
    return found


def main() -> int:
    if len(sys.argv) != 3 or not (pathlib.Path(sys.argv[1]) / "README.md").is_file():
        sys.exit(__doc__)
    root, roostctl = pathlib.Path(sys.argv[1]), sys.argv[2]
    profiles = subprocess.run([roostctl, "profiles", "--json"], stdout=subprocess.PIPE, check=True)
    found = check(root) + list(check_profiles(root, json.loads(profiles.stdout)))
    print("\n".join(found + [f"{len(found)} differences"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
