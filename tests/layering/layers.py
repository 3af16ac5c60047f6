"""Keeps the table "Who may include whom" of src/README.md, and habits that a script can see.

Usage: layers.py ROOT    prints each breach as FILE:LINE: rule: sentence; exit code 1 when there is one

shape.py has the rules that need more than a line; source.py reads the files. layers_test.py feeds a bad
tree for every rule.
"""

import pathlib
import re
import sys
from typing import Iterator, NamedTuple

import shape
from source import Breach, code_lines, includes, resolve, sources

# The headers of the C++ standard library, and C's under their C++ names. <thread> is apart.
STD = set(
    "algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono "
    "cinttypes climits clocale cmath codecvt compare complex concepts condition_variable coroutine "
    "csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque "
    "exception execution filesystem format forward_list fstream functional future initializer_list "
    "iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource "
    "mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator "
    "semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf "
    "string string_view strstream syncstream system_error thread tuple type_traits typeindex typeinfo "
    "unordered_map unordered_set utility valarray variant vector version".split())
THREADS = {"thread", "mutex", "shared_mutex", "condition_variable", "future", "semaphore", "latch",
           "barrier", "stop_token"}
DRIVERS = ("sqlite3.h", "libpq-fe.h", "mysql.h", "ma_pvio.h", "mysql/mysql.h", "mariadb/mysql.h")
# A Cord is what the payload of a Status is made of.
ABSL = re.compile(r"absl/(status/|base/thread_annotations\.h$|strings/cord\.h$)")
ANY_ABSL = re.compile("absl/")


class Layer(NamedTuple):
    """A row of the table: what the files of `folder` may include."""
    folder: str
    layers: tuple[str, ...]  # folders of this repository, besides its own and the contract
    std_but: frozenset[str]  # standard headers it may not include
    drivers: tuple[str, ...] = ()
    os: bool | frozenset[str] = False  # headers of the operating system: all, or these
    contract: frozenset[str] | None = None  # headers of the contract; None: all of them
    absl: re.Pattern | None = ABSL  # headers of Abseil; None: none of them
    others: tuple[str, ...] = ()  # headers of other libraries


CONTRACT = "include/roost"
BELOW_TOOLS = ("src/base", "src/core", "src/pool", "src/statements", "src/backends", "src/outbox",
               "src/telemetry", "platform")
TOOL_LIBRARIES = ("CLI/CLI.hpp", "nlohmann/json.hpp")
LAYERS = (
    # The lock is inlined.
    Layer(CONTRACT, (), frozenset({"thread"}), os=frozenset(("pthread.h", "sched.h"))),
    # The standard library alone, so that everything may stand on it.
    Layer("src/base", (), frozenset(THREADS), contract=frozenset(("deadline.h",)), absl=None),
    Layer("src/core", ("src/base",), frozenset(THREADS)),
    Layer("src/statements", ("src/base",), frozenset()),
    Layer("src/pool", ("src/base", "src/core"), frozenset()),
    # Names are looked up beside their callers; what is remembered and a password are files; the kernel
    # knows a link's round trip.
    Layer("src/backends/common", ("src/base", "src/statements"), frozenset(),
          os=frozenset(("arpa/inet.h", "fcntl.h", "netdb.h", "netinet/in.h", "netinet/tcp.h", "pthread.h",
                        "signal.h", "sys/socket.h", "sys/stat.h", "unistd.h"))),
    # Files are looked at beside the driver, which does not ask whether their names still lead to them.
    Layer("src/backends/sqlite", ("src/base", "src/backends/common", "src/statements"), frozenset(),
          drivers=("sqlite3.h",), os=frozenset(("fcntl.h", "sys/file.h", "sys/stat.h", "sys/statvfs.h",
                                               "sys/vfs.h", "unistd.h"))),
    # libpq is loaded by hand.
    Layer("src/backends/postgres", ("src/base", "src/backends/common", "src/statements"), frozenset(),
          drivers=("libpq-fe.h",),
          os=frozenset(("arpa/inet.h", "dlfcn.h", "fcntl.h", "netdb.h", "pthread.h", "pwd.h", "signal.h",
                        "sys/socket.h", "sys/stat.h", "unistd.h"))),
    # libmariadb is loaded by hand; its socket gets the profile's timers.
    Layer("src/backends/mysql", ("src/base", "src/backends/common", "src/statements"), frozenset(),
          drivers=("mysql.h", "ma_pvio.h"),
          os=frozenset(("dlfcn.h", "netdb.h", "netinet/in.h", "netinet/tcp.h", "sys/socket.h", "unistd.h"))),
    # A link's bytes are counted by its socket.
    Layer("src/outbox", ("src/base", "src/statements"), frozenset(THREADS),
          os=frozenset(("linux/tcp.h", "netinet/in.h", "sys/socket.h"))),
    # Never the pool: what shows metrics takes Stats.
    Layer("src/telemetry", ("src/base",), frozenset(THREADS), others=("nlohmann/json.hpp",),
          os=frozenset(("errno.h", "fcntl.h", "sys/socket.h", "sys/stat.h", "sys/un.h", "unistd.h"))),
    Layer("platform", (), frozenset(), os=True),
    # The programs may include everything below, but not each other.
    Layer("src/tools/common", BELOW_TOOLS, frozenset(), os=True, absl=ANY_ABSL, others=TOOL_LIBRARIES),
    Layer("src/tools/roost-node", BELOW_TOOLS + ("src/tools/common",), frozenset(), os=True, absl=ANY_ABSL,
          others=TOOL_LIBRARIES),
    # The self-test looks at a database without the pool.
    Layer("src/tools/roostctl", BELOW_TOOLS + ("src/tools/common",), frozenset(), os=True, absl=ANY_ABSL,
          others=TOOL_LIBRARIES, drivers=("sqlite3.h",)),
)


def why_not(root: pathlib.Path, layer: Layer, file: pathlib.Path, name: str, angled: bool) -> str:
    """Why `file` of `layer` may not include `name`; empty when it may."""
    if name in DRIVERS:
        return "" if name in layer.drivers else "a database's C header"
    if angled:
        if name in STD:
            return f"<{name}>" if name in layer.std_but else ""
        allowed = layer.os is True or (layer.os and name in layer.os) or name in layer.others
        return "" if allowed else "a header of the operating system or of another library"
    if name.startswith("absl/"):
        if layer.absl is None:
            return "not of the standard library"
        return "" if layer.absl.match(name) else "only absl/status and thread_annotations are allowed"
    target = resolve(root, file, name)
    if target is None:
        return "no such file in this repository"
    if layer.contract is not None and target.startswith(CONTRACT + "/"):
        return "" if target[len(CONTRACT) + 1:] in layer.contract else target
    allowed = (CONTRACT, layer.folder) + layer.layers
    return "" if any(target.startswith(a + "/") for a in allowed) else target


def check_includes(root: pathlib.Path) -> Iterator[Breach]:
    for layer in LAYERS:
        for file in sources(root, layer.folder):
            for number, name, angled in includes(file):
                reason = why_not(root, layer, file, name, angled)
                if reason:
                    yield Breach(str(file.relative_to(root)), number, "layers",
                                 f"{layer.folder} may not include {name}: {reason}")


def check_rows(root: pathlib.Path) -> Iterator[Breach]:
    """A new room says whom it may include."""
    folders = tuple(layer.folder + "/" for layer in LAYERS)
    for file in sources(root, "include", "src", "platform"):
        name = str(file.relative_to(root))
        if not name.startswith(folders):
            yield Breach(name, 1, "rows", "its folder has no row in LAYERS of tests/layering/layers.py")


class Grep(NamedTuple):
    """A pattern that must not be found in the code of `folders`, except below `spared`."""
    rule: str
    pattern: str
    folders: tuple[str, ...]
    spared: tuple[str, ...]
    sentence: str


PRODUCTION = ("include", "src", "platform")
GREPS = (
    Grep("core-clock", r"\b[nN]ow\s*\(", ("src/core",), (), "the core is told the time, it never asks"),
    Grep("core-default", r"\bdefault\s*:", ("src/core",), (),
         "a switch over states names each one, so that the compiler finds a forgotten one"),
    Grep("wall-clock", r"\bsystem_clock::now\b|absl::Now\b|\bgettimeofday\b|\bCLOCK_REALTIME\b|\btime\s*\(\s*"
         r"(0|NULL|nullptr)\s*\)", PRODUCTION + ("tests",),
         # These have to look at the wall clock, or make it jump.
         ("tests/platform", "tests/support/wall_clock.cc",
          "tests/postgres_faults/wall_clock_test.cc"),
         "time is the monotonic clock's; only Platform::UnixMicros asks the wall clock"),
    Grep("sleep", r"\bsleep_(for|until)\b|\b(u|nano)?sleep\s*\(|\bclock_nanosleep\b", ("tests",),
         # A real second process has no clock that a test could turn.
         ("tests/stress", "tests/bench", "tests/faults/second_process.cc"),
         "tests turn a clock by hand, they do not sleep"),
    Grep("port", r"\b__(linux|linux__|unix__|arm__|aarch64__|x86_64__|i386__)\b",
         # What a call of Platform would cost more than.
         ("include", "src", "tests"), ("include/roost/internal/machine.h",),
         "what differs between machines lives under platform/"),
    Grep("lane-index", r"\b(size_t|int|unsigned|u?int(8|16|32|64)_t)\s+lane\b", ("include", "src"),
         ("src/pool/lane.cc", "src/pool/lane.h"),
         "take the Lane&; only lane.h and lane.cc know that lanes have numbers"),
    Grep("include-root", r'#\s*include "src/', ("include", "src", "tests", "platform"), (),
         "includes begin below src/ or include/, or with tests/ or platform/"),
    Grep("durations", r"\b(int|int64_t|long|uint32_t|uint64_t|size_t)\s+\w+_(ms|us|ns|s|sec|seconds)\b",
         ("include",), (), "durations are typed, never bare integers"),
    Grep("exceptions", r"\b(throw|catch)\b\s*[\w(]|\bdynamic_cast\b|\btypeid\b", PRODUCTION, ("src/tools",),
         "errors are values; the libraries build without exceptions and run-time types"),
)


def in_unix_micros(lines: list[tuple[int, str]], index: int) -> bool:
    """Whether the line belongs to a function UnixMicros: the last function head before it."""
    for _, line in reversed(lines[:index + 1]):
        if "UnixMicros" in line:
            return True
        if re.match(r"\s*}\s*$", line):
            return False
    return False


def check_greps(root: pathlib.Path) -> Iterator[Breach]:
    for grep in GREPS:
        for file in sources(root, *grep.folders):
            name = str(file.relative_to(root))
            if name in grep.spared or name.startswith(tuple(s + "/" for s in grep.spared)):
                continue
            lines = list(code_lines(file))
            for index, (number, line) in enumerate(lines):
                if not re.search(grep.pattern, line):
                    continue
                if grep.rule == "wall-clock" and name.startswith("platform/") and in_unix_micros(
                        lines, index):
                    continue
                yield Breach(name, number, grep.rule, grep.sentence)


def check_header_comments(root: pathlib.Path) -> Iterator[Breach]:
    """Every public header answers before it declares."""
    for file in sorted((root / CONTRACT).glob("*.h")):
        name = str(file.relative_to(root))
        head = file.read_text(encoding="utf-8").split("#ifndef")[0]
        if not head.startswith(f"// {name} - "):
            yield Breach(name, 1, "header", f"the first line is \"// {name} - what it is\"")
        for word in ("Threads:", "Blocks:", "Memory:", "Errors:"):
            if not re.search(rf"^// {word} +\S", head, flags=re.M):
                yield Breach(name, 1, "header", f"the comment before the include guard has no \"{word}\"")


def check_header_forms(root: pathlib.Path) -> Iterator[Breach]:
    """Every header of src says its include path and what it is, and its guard is that path."""
    for file in sources(root, "src"):
        if file.suffix != ".h":
            continue
        name, path = str(file.relative_to(root)), str(file.relative_to(root / "src"))
        text = file.read_text(encoding="utf-8")
        if not text.startswith(f"// {path} - "):
            yield Breach(name, 1, "form", f"the first line is \"// {path} - what it is\"")
        guard = "ROOST_" + re.sub(r"[^A-Z0-9]", "_", path.upper()) + "_"
        if not re.search(rf"^#ifndef {guard}\n#define {guard}$", text, flags=re.M):
            yield Breach(name, 1, "form", f"the include guard is {guard}")


def check_front_door(root: pathlib.Path) -> Iterator[Breach]:
    """README names pool.h on its first screen, and lists the public headers, no more and no fewer."""
    readme = root / "README.md"
    lines = readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else []
    if not any("include/roost/pool.h" in line for line in lines[:40]):
        yield Breach("README.md", 1, "front-door", "the first 40 lines do not name include/roost/pool.h")
    listed = set(re.findall(r"^\| \[?`([a-z_]+\.h)`", "\n".join(lines), flags=re.M))
    present = {file.name for file in (root / CONTRACT).glob("*.h")}
    for header in sorted(present - listed):
        yield Breach("README.md", 1, "front-door", f"the table of headers lacks {header}")
    for header in sorted(listed - present):
        yield Breach("README.md", 1, "front-door", f"the table lists {header}, which does not exist")


def check_one_writer(root: pathlib.Path) -> Iterator[Breach]:
    """One function of the core changes a slot's state."""
    writes = [(str(file.relative_to(root)), number)
              for file in sources(root, "src/core")
              for number, line in code_lines(file)
              if re.search(r"(\.|->)state_? = ", line)]
    for name, number in writes[1:]:
        yield Breach(name, number, "one-writer", f"a slot's state is written in {writes[0][0]}, too")


def check(root: pathlib.Path) -> list[Breach]:
    root = root.resolve()
    rules = (check_includes, check_rows, check_greps, check_header_comments, check_header_forms,
             check_front_door, check_one_writer, *shape.RULES.values())
    return [breach for rule in rules for breach in rule(root)]


def main() -> int:
    if len(sys.argv) != 2 or not (pathlib.Path(sys.argv[1]) / CONTRACT).is_dir():
        sys.exit(__doc__)
    breaches = check(pathlib.Path(sys.argv[1]))
    for breach in breaches:
        print(breach)
    print(f"{len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
