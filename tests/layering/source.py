"""Reads C++ as far as the rules need it: code, comments and strings apart, classes and functions.

No parser: brackets are matched, and the text before one says what it opens. The style of this repository
keeps that simple.
"""

import functools
import pathlib
import re
from typing import Iterator, NamedTuple


class Breach(NamedTuple):
    file: str
    line: int
    rule: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.sentence}"


def sources(root: pathlib.Path, *folders: str) -> Iterator[pathlib.Path]:
    for folder in folders:
        yield from sorted(p for p in (root / folder).rglob("*") if p.is_file() and p.suffix in (".h", ".cc"))


# ---- Code, comments, strings ----------------------------------------------------------------------

TOKEN = re.compile(
    r"""(?P<include>^[ \t]*\#[ \t]*include[ \t]*(?:"[^"\n]*"|<[^>\n]*>))  # its quotes are no string's
    |(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<string>\b(?:u8|[uUL])?R"(?P<end>[^\s()\\]*)\(.*?\)(?P=end)"|"(?:\\.|[^"\\\n])*")
    |(?P<char>(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+')""", re.VERBOSE | re.DOTALL | re.MULTILINE)


class Text(NamedTuple):
    """A file, taken apart. All three have the file's lines."""
    code: str  # without comments and without the contents of strings
    comments: str  # nothing else
    strings: str  # nothing else


def blanked(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


@functools.lru_cache(maxsize=None)
def take_apart(text: str) -> Text:
    code, comments, strings = [], [], []
    at = 0
    for match in TOKEN.finditer(text):
        token, kind = match[0], match.lastgroup if match.lastgroup != "end" else "string"
        between = text[at:match.start()]
        at = match.end()
        code += [between, {"include": token, "comment": blanked(token)}.get(
            kind, token[0] + blanked(token[1:-1]) + token[-1])]
        comments += [blanked(between), token if kind == "comment" else blanked(token)]
        strings += [blanked(between), token if kind == "string" else blanked(token)]
    rest = text[at:]
    code.append(rest)
    comments.append(blanked(rest))
    strings.append(blanked(rest))
    return Text(*("".join(parts) for parts in (code, comments, strings)))


def read(path: pathlib.Path) -> Text:
    return take_apart(path.read_text(encoding="utf-8"))


def code_lines(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """The lines without comments and without the contents of strings."""
    yield from enumerate((line.rstrip() for line in read(path).code.splitlines()), 1)


INCLUDE = re.compile(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')


def includes(path: pathlib.Path) -> Iterator[tuple[int, str, bool]]:
    """Line, name, and whether it stands in <>."""
    for number, line in code_lines(path):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] or match[2], match[1] is not None


def resolve(root: pathlib.Path, file: pathlib.Path, name: str) -> str | None:
    """The file behind #include "name", relative to the root."""
    for base in (root / "include", root, root / "src", file.parent):
        path = (base / name).resolve()
        if path.is_file() and path.is_relative_to(root):
            return str(path.relative_to(root))
    return None


# ---- Classes and functions ------------------------------------------------------------------------

class Function(NamedTuple):
    name: str
    line: int  # of the first line of its head
    lines: int  # to the closing bracket


class Class(NamedTuple):
    name: str
    line: int
    functions: list[str]  # member functions that its body declares, overloads each


class Outline(NamedTuple):
    classes: list[Class]
    functions: list[Function]  # those with a body


def flat(head: str) -> str:
    """A head without what stands in brackets, and without macros and specifiers that have some."""
    head = re.sub(r"\[\[.*?\]\]", " ", head, flags=re.DOTALL)
    head = re.sub(r"\boperator\s*(\(\s*\)|\[\s*\]|[^\s\w(]+)", " operator_", head).replace("->", " ")
    # A pointer to a function, or a reference to an array: a variable, whatever follows.
    if re.match(r"[^()=]*\(\s*([*&]|\w+::\*)", head):
        return ""
    depth, kept = 0, []
    for c in head:
        depth -= c in ")]}"
        if depth == 0:
            kept.append(c)
        depth += c in "([{"
    head = "".join(kept)
    while True:
        shorter = re.sub(r"<[^<>]*>", " ", head)
        if shorter == head:
            break
        head = shorter
    return re.sub(r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]*|alignas|decltype|explicit|noexcept|requires|sizeof)\s*\(\)",
                  " ", head).strip()


def function_name(head: str) -> str:
    """The function that a flat head declares; empty: it declares something else."""
    if re.match(r"(template\s+)?(friend|using|typedef|static_assert)\b", head):
        return ""
    match = re.search(r"(operator [\w:]+(?:\[\])?|[~\w:]+)\s*\(\)", head.split("=")[0])
    return match[1] if match else ""


class Scope:
    """What an opening bracket opened."""

    def __init__(self, kind: str, name: str = "", line: int = 0, members: list[str] | None = None):
        self.kind, self.name, self.line, self.members = kind, name, line, members
        self.depth = 0  # of ( and [ in it


def opened(head: str) -> tuple[str, str]:
    """Kind and name of what a { after `head` opens, in a namespace or a class."""
    short = re.sub(r"^(template\b\s*)+", "", flat(head))
    if re.match(r'((inline\s+)?namespace|extern\s*"[^"]*"$)', short):
        return "namespace", ""
    match = re.match(r"(class|struct|union)\b([^:(=]*)", short)
    if match and "()" not in short and "=" not in short:
        names = [w for w in re.findall(r"\w+", match[2]) if w != "final" and not w.isupper()]
        return "class", names[-1] if names else "unnamed"
    name = "" if re.match(r"enum\b", short) else function_name(short)
    # An initial value: of a variable, or of a member in the list of a constructor.
    if not name and not short.startswith("friend") or "=" in short or (
            re.search(r"\)[^:]*[^:]:(?!:)", short) and re.search(r"[\w>]$", short)):
        return "value", ""
    return "function", name or "friend"


@functools.lru_cache(maxsize=None)
def outline(text: str) -> Outline:
    """Raises ValueError with the line when the brackets do not match."""
    code = take_apart(text).code
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda match: blanked(match[0]), code, flags=re.MULTILINE)
    line_at = lambda position: code.count("\n", 0, position) + 1
    classes, functions = [], []
    scopes = [Scope("namespace")]
    start = 0  # of the head that is being read
    for match in re.finditer(r"[()\[\]{};]", code):
        c, scope = match[0], scopes[-1]
        declares = scope.kind in ("namespace", "class") and scope.depth == 0
        if c in "([":
            scope.depth += 1
        elif c in ")]":
            scope.depth -= 1
        elif c == "{" and not declares:
            scopes.append(Scope("block"))
        elif c == "}":
            scopes.pop()
            if not scopes or scope.depth != 0:
                raise ValueError(line_at(match.start()))
            if scope.kind == "function":
                functions.append(Function(scope.name, scope.line, line_at(match.start()) - scope.line + 1))
            if scope.kind in ("namespace", "class", "function"):
                start = match.end()
        elif declares:
            head = code[start:match.start()]
            label = re.match(r"\s*((public|protected|private)\s*:\s*)*", head)
            head, line = head[label.end():], line_at(start + label.end())
            if c == "{":
                kind, name = opened(head)
                if kind == "function" and scope.members is not None and name != "friend":
                    scope.members.append(name)
                members = [] if kind == "class" else None
                scopes.append(Scope(kind, name, line, members))
                if kind == "class":
                    classes.append(Class(name, line, members))
                if kind in ("namespace", "class"):
                    start = match.end()
            else:
                short = re.sub(r"^(template\b\s*)+", "", flat(head))
                name = function_name(short)
                # A deleted one says that there is none.
                if name and scope.members is not None and not re.search(r"=\s*delete$", short):
                    scope.members.append(name)
                start = match.end()
    if len(scopes) != 1 or scopes[0].depth != 0:
        raise ValueError(line_at(len(code)))
    return Outline(classes, functions)
