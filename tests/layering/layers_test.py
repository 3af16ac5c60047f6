"""Feeds layers.py a good tree, then one with each breach, and looks whether it is found."""

import pathlib
import tempfile
import unittest

import layers
import shape
import source

HEADER = """// include/roost/{name} - a header.
//
// Threads:  any
// Blocks:   never
// Memory:   none
// Errors:   none
#ifndef X
#include <chrono>
#include "absl/status/status.h"
#endif
"""

# Six lines in a row, and what of them may stand in another backend, too.
SIX_LINES = "".join(f"int F{n}() {{ return {n}; }}\n" for n in range(1, 7))
FIVE_LINES = SIX_LINES.rsplit("int", 1)[0]
OUR_HEADERS = "".join(f'#include "roost/{name}.h"\n' for name in ("pool", "deadline", "pool"))

GOOD = {
    "src/README.md": "A thread sleeps on its futex word.\n",
    "README.md": "Open include/roost/pool.h first.\n| `pool.h` | the pool |\n| `deadline.h` | time |\n",
    "include/roost/pool.h": HEADER.format(name="pool.h"),
    "include/roost/deadline.h": HEADER.format(name="deadline.h"),
    "src/base/text.h": '#include <span>\n#include "roost/deadline.h"\n',
    "src/core/core.h": '#include <array>\n#include "base/text.h"\n',
    "src/core/slot.h": OUR_HEADERS + '#include <span>\n#include "absl/status/status.h"\n',
    "src/core/core.cc": '#include "core/core.h"\n#include "roost/pool.h"\nvoid Set() { slot.state = s; }\n',
    "src/pool/pool.cc":
        '#include "core/core.h"\n#include <thread>\n#include "pool/lane.h"\n// sqlite3.h: a comment\n',
    "src/pool/lane.h": "void At(size_t lane);\nstd::atomic<uint32_t> word{0};\n",
    "src/pool/pool_state.h": "class PoolState {\n" + "  void F();\n" * 25 + "};\n",
    "src/pool/report.cc": "size_t lane_count;\nchar passwords;\n",
    "src/statements/statement.cc": '#include "roost/pool.h"\n',
    "src/statements/cache.h": "",
    "src/backends/common/error.h": '#include "statements/cache.h"\n',
    "src/backends/sqlite/sqlite.cc": '#include <sqlite3.h>\n#include "statements/cache.h"\n' + SIX_LINES,
    "src/backends/postgres/postgres.cc":
        '#include <libpq-fe.h>\n#include <dlfcn.h>\n#include "backends/common/error.h"\n' + FIVE_LINES,
    "src/backends/mysql/mysql.cc": '#include <mysql.h>\n#include "backends/common/error.h"\n',
    "src/outbox/buffer.h": '#include <vector>\n#include "statements/cache.h"\n#include "roost/pool.h"\n',
    "src/telemetry/metrics.cc":
        '#include <fcntl.h>\n#include <nlohmann/json.hpp>\n#include "base/text.h"\n#include "roost/pool.h"\n',
    "src/tools/common/cli.h": "#include <CLI/CLI.hpp>\n",
    "src/tools/roost-node/node.h": '#include <signal.h>\n#include "tools/common/cli.h"\n',
    "src/tools/roostctl/main.cc":
        '#include <sqlite3.h>\n#include "absl/numeric/int128.h"\n#include "tools/common/cli.h"\n'
        '#include "telemetry/metrics.cc"\n',
    "platform/linux/linux.cc":
        "#include <unistd.h>\nint64_t Linux::UnixMicros() {\n  clock_gettime(CLOCK_REALTIME, &t);\n}\n",
    "tests/stress/stress_test.cc": "void F() { std::this_thread::sleep_for(1s); }\n",
    "tests/bench/notes.cc":
        "// C++20 on an A72 by JESD84-B51: P99, a card of class A1, U+0041, F12, 0xB1, \"57P01\"\n"
        "int T1;\n",
}


def own_header(path: str, text: str = "") -> str:
    """A header of src, in its form."""
    guard = "ROOST_" + path.upper().replace("/", "_").replace(".", "_").replace("-", "_") + "_"
    return f"// {path} - a header.\n#ifndef {guard}\n#define {guard}\n{text}#endif\n"


GOOD = {name: own_header(name[4:], text) if name.startswith("src/") and name.endswith(".h") else text
        for name, text in GOOD.items()}

# What is added to a file of the good tree, and the rule that has to notice.
BAD = [
    ("include/roost/pool.h", "#include <thread>\n", "layers"),
    ("include/roost/pool.h", "#include <sqlite3.h>\n", "layers"),
    ("include/roost/pool.h", "#include <libpq-fe.h>\n", "layers"),
    ("include/roost/pool.h", "#include <unistd.h>\n", "layers"),
    ("include/roost/pool.h", '#include "core/core.h"\n', "layers"),
    ("include/roost/pool.h", '#include "absl/time/clock.h"\n', "layers"),
    ("src/base/text.h", '#include "absl/status/status.h"\n', "layers"),
    ("src/base/text.h", '#include "roost/pool.h"\n', "layers"),
    ("src/base/text.h", '#include "statements/cache.h"\n', "layers"),
    ("src/base/text.h", "#include <mutex>\n", "layers"),
    ("src/base/text.h", "#include <unistd.h>\n", "layers"),
    ("src/core/core.cc", "#include <mutex>\n", "layers"),
    ("src/core/core.cc", "#include <thread>\n", "layers"),
    ("src/core/core.cc", '#include "statements/cache.h"\n', "layers"),
    ("src/core/core.cc", '#include "nowhere/to/be/found.h"\n', "layers"),
    ("src/pool/pool.cc", "#include <sqlite3.h>\n", "layers"),
    ("src/pool/pool.cc", "#include <sys/socket.h>\n", "layers"),
    ("src/pool/pool.cc", '#include "statements/cache.h"\n', "layers"),
    ("src/statements/statement.cc", '#include "core/core.h"\n', "layers"),
    ("src/statements/statement.cc", "#include <sqlite3.h>\n", "layers"),
    ("src/backends/sqlite/sqlite.cc", '#include "core/core.h"\n', "layers"),
    ("src/backends/sqlite/sqlite.cc", "#include <libpq-fe.h>\n", "layers"),
    ("src/backends/postgres/postgres.cc", "#include <sqlite3.h>\n", "layers"),
    ("src/backends/postgres/postgres.cc", "#include <sys/ioctl.h>\n", "layers"),
    ("src/backends/postgres/postgres.cc", '#include "backends/sqlite/errors.h"\n', "layers"),
    ("src/backends/mysql/mysql.cc", "#include <libpq-fe.h>\n", "layers"),
    ("src/backends/mysql/mysql.cc", '#include "backends/postgres/errors.h"\n', "layers"),
    ("src/backends/common/error.h", "#include <sqlite3.h>\n", "layers"),
    ("src/backends/common/error.h", '#include "backends/sqlite/sqlite.cc"\n', "layers"),
    ("src/backends/common/error.h", '#include "core/core.h"\n', "layers"),
    ("src/outbox/buffer.h", '#include "core/core.h"\n', "layers"),
    ("src/outbox/buffer.h", '#include "telemetry/metrics.cc"\n', "layers"),
    ("src/outbox/buffer.h", "#include <sqlite3.h>\n", "layers"),
    ("src/outbox/buffer.h", "#include <mutex>\n", "layers"),
    ("src/telemetry/metrics.cc", '#include "core/core.h"\n', "layers"),
    ("src/telemetry/metrics.cc", '#include "pool/lane.h"\n', "layers"),
    ("src/telemetry/metrics.cc", '#include "statements/cache.h"\n', "layers"),
    ("src/telemetry/metrics.cc", "#include <netinet/in.h>\n", "layers"),
    ("src/telemetry/metrics.cc", "#include <thread>\n", "layers"),
    ("src/pool/pool.cc", "#include <nlohmann/json.hpp>\n", "layers"),
    ("src/pool/pool.cc", '#include "telemetry/metrics.cc"\n', "layers"),
    ("src/tools/common/cli.h", '#include "tools/roost-node/node.h"\n', "layers"),
    ("src/tools/common/cli.h", '#include "tools/roostctl/main.cc"\n', "layers"),
    ("src/tools/roost-node/node.h", '#include "tools/roostctl/main.cc"\n', "layers"),
    ("src/tools/roost-node/node.h", "#include <sqlite3.h>\n", "layers"),
    ("src/tools/roostctl/main.cc", '#include "tools/roost-node/node.h"\n', "layers"),
    ("src/tools/roostctl/selftest/run.cc", '#include "tools/roost-node/node.h"\n', "layers"),
    ("src/cellar/wine.h", "#include <array>\n", "rows"),
    ("src/tools/loose.h", "", "rows"),
    ("platform/linux/linux.cc", '#include "core/core.h"\n', "layers"),
    ("platform/linux/linux.cc", "#include <sqlite3.h>\n", "layers"),
    ("src/core/core.cc", "auto t = clock.Now();\n", "core-clock"),
    ("src/core/core.cc", "default: break;\n", "core-default"),
    ("src/pool/pool.cc", "auto t = std::chrono::system_clock::now();\n", "wall-clock"),
    ("src/pool/pool.cc", "clock_gettime(CLOCK_REALTIME, &t);\n", "wall-clock"),
    ("platform/linux/linux.cc", "void F() {\n  gettimeofday(&t, nullptr);\n}\n", "wall-clock"),
    ("tests/pool/pool_test.cc", "std::this_thread::sleep_for(1ms);\n", "sleep"),
    ("tests/pool/pool_test.cc", "usleep(10);\n", "sleep"),
    ("src/pool/pool.cc", "#ifdef __linux__\n", "port"),
    ("include/roost/pool.h", "int timeout_ms;\n", "durations"),
    ("src/pool/pool.cc", "throw std::runtime_error(\"\");\n", "exceptions"),
    ("include/roost/new.h", HEADER.format(name="new.h"), "front-door"),
    ("include/roost/new.h", HEADER.format(name="new.h").replace("Blocks:", "Locks:"), "header"),
    ("include/roost/new.h", HEADER.format(name="old.h"), "header"),
    ("README.md", "| `gone.h` | is not there |\n", "front-door"),
    ("src/core/core.cc", "void Also() { slot->state = s; }\n", "one-writer"),
    ("tests/pool/pool_test.cc", '#include "src/core/core.h"\n', "include-root"),
    ("src/core/new.h", own_header("core/new.h").replace("// core/new.h", "// new.h"), "form"),
    ("src/core/new.h", own_header("core/new.h").replace("ROOST_CORE", "CORE"), "form"),
    ("src/pool/report.cc", "void At(size_t lane);\n", "lane-index"),
    ("include/roost/pool.h", "void At(int lane, int slot);\n", "lane-index"),
    ("src/core/core.h", "#if A\nvoid F() {\n#else\nvoid G() {\n#endif\n}\n", "brackets"),
    ("src/core/core.h", "struct Wide {\n" + "  int F() const;\n" * 46 + "};\n", "class-size"),
    ("include/roost/pool.h", "class Wide {\n" + "  int f() { return 0; }\n" * 46 + "};\n", "class-size"),
    ("src/pool/pool_state.h", "class PoolState {\n" + "  void F();\n" * 26 + "};\n", "class-size"),
    ("src/pool/pool.cc", "int Long() {\n" + "  Step();\n" * 59 + "}\n", "function-size"),
    ("src/tools/roostctl/main.cc", "struct S {\n  void Long(\n      int a) {\n" + "\n" * 58 + "  }\n};\n",
     "function-size"),
    ("src/core/lane_core.cc", "\n" * 401, "file-size"),
    ("src/tools/roostctl/main.cc", "// more\n" * 601, "file-size"),
    ("src/core/slot.h", '#include "base/text.h"\n', "slot-includes"),
    ("src/pool/lane.h", '#include "pool/pool.cc"\n', "pool-order"),
    ("src/pool/executor.h", '#include "pool/pool_state.h"\n', "pool-order"),
    ("src/pool/cellar.cc", '#include "pool/lane.h"\n', "pool-order"),
    ("src/pool/report.cc", "// in a few words\n", "word"),
    ("src/tools/roostctl/main.cc", "std::string_view word;\n", "word"),
    ("src/tools/roostctl/main.cc", 'Print("the second Word");\n', "word"),
    ("include/roost/deadline.h", "// one machine word\n", "word"),
    ("src/backends/sqlite/README.md", "One word each.\n", "word"),
    ("tests/pool/pool_test.cc", "// T16\n", "tag"),
    ("tests/pool/pool_test.cc", "// C1 control: see T116.\n", "tag"),
    ("src/pool/report.cc", "/* see A3 */ int x;\n", "tag"),
    ("platform/linux/linux.cc", 'Print("as B4 says");\n', "tag"),
    ("tests/README.md", "All of W1 to W3.\n", "tag"),
    ("tests/readme/check.py", "# D42\n", "tag"),
    ("include/roost/new.h", HEADER.format(name="new.h") + "int f();\n" * 20, "comment-share"),
    ("src/backends/postgres/postgres.cc", SIX_LINES, "twice"),
    ("src/backends/postgres/new.cc",
     SIX_LINES.replace("\n", "  // why\n").replace("int F4", "\n#include <array>\n{\nint  F4"), "twice"),
]


class LayersTest(unittest.TestCase):

    def check(self, file: str = "", text: str = "") -> list[layers.Breach]:
        """Checks the good tree with `text` added to `file`."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in GOOD.keys() | ({file} if file else set()):
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(GOOD.get(name, "") + (text if name == file else ""), encoding="utf-8")
            return layers.check(root)

    def test_a_tree_that_keeps_the_rules_passes(self):
        self.assertEqual(self.check(), [])

    def test_each_breach_is_found_in_its_file(self):
        for file, text, rule in BAD:
            with self.subTest(file=file, text=text):
                found = [b for b in self.check(file, text) if b.rule == rule]
                self.assertEqual([b.file for b in found], [file if rule != "front-door" else "README.md"])

    def test_every_rule_has_a_breach_here(self):
        tried = {rule for _, _, rule in BAD}
        self.assertLessEqual({grep.rule for grep in layers.GREPS} | shape.RULES.keys(), tried)
        self.assertLessEqual({layer.folder for layer in layers.LAYERS},
                             {str(folder) for file, _, rule in BAD if rule == "layers"
                              for folder in pathlib.PurePath(file).parents})

    def test_a_readme_that_hides_the_front_door_is_found(self):
        text = "\n" * 40 + GOOD["README.md"]
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "include/roost").mkdir(parents=True)
            (root / "README.md").write_text(text, encoding="utf-8")
            self.assertEqual([b.rule for b in layers.check(root)], ["front-door"] * 3)

    def test_headers_that_say_too_little_together_are_found(self):
        text = "".join(f"int f{n}();\n" for n in range(8))  # 6 of 18 lines, 12 of 28 with deadline.h
        found = self.check("include/roost/pool.h", text)
        self.assertEqual([(b.file, b.rule) for b in found], [("include/roost", "comment-total")])


class SourceTest(unittest.TestCase):

    def test_code_comments_and_strings_are_told_apart(self):
        text = """#include "a.h"  // why
char c = '"'; int n = 1'000'000;  /* "no
string" */ f("// no comment", R"x(two " lines
})x");
"""
        apart = source.take_apart(text)
        self.assertEqual([line.rstrip() for line in apart.code.splitlines()],
                         ['#include "a.h"', "char c = ' '; int n = 1'000'000;",
                          '           f("             ", R', '   ");'])
        self.assertEqual(apart.comments.split(), ["//", "why", "/*", '"no', 'string"', "*/"])
        self.assertEqual(apart.strings.split("\n")[2:4],
                         [" " * 13 + '"// no comment"  R"x(two " lines', '})x"  '])

    def test_what_a_class_declares_is_counted(self):
        text = """
namespace a {
template <class T>
class ABSL_LOCKABLE alignas(64) [[nodiscard]] Wide final : public Base<void(int)> {
 public:
  Wide();
  explicit Wide(int a) : a_(a), b_{a}, Base(1) { F(); }
  Wide(const Wide&) = delete;
  virtual ~Wide() = default;
  bool operator==(const Wide&) const = default;
  void operator()(int x = {}) { if (x) { } }
  explicit operator bool() const { return true; }
  template <class... Args>
  requires(sizeof...(Args) > 0) static auto Make(Args&&... args) -> std::vector<int> {
    return [&](int x) { return x; }(args...);
  }
  [[nodiscard]] virtual int Pure(std::function<void(int)> f) const noexcept(true) = 0;
  void Locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  struct Inner {
    int value = Compute(3);
    void Own();
  };
  enum class Kind : uint8_t { kA, kB };
 protected:
  using Callback = void (*)(int);
  friend void Other(Wide&);
  friend bool operator<(Wide, Wide) { return true; }
  static_assert(sizeof(int) == 4);
  static constexpr int kMost = Most(1, 2);

 private:
  void (*call_)(void*) = nullptr;
  std::function<void(int)> f_;
  int guarded_ ABSL_GUARDED_BY(mu_) = 0;
  std::array<int, 3> array_ ABSL_GUARDED_BY(mu_){};
  std::atomic<uint32_t> n_{Start()};
  char bytes_[sizeof(int)];
};
}  // namespace a
"""
        classes = {found.name: found.functions for found in source.outline(text).classes}
        self.assertEqual(classes, {
            "Wide": ["Wide", "Wide", "~Wide", "operator_", "operator_", "operator bool", "Make", "Pure",
                     "Locked"],
            "Inner": ["Own"]})

    def test_the_lines_of_functions_are_counted(self):
        text = """#define TWICE(x) { \\
  x; x;
#if A
int a = 0;
#endif
static const int kTable[] = {F(1), F(2)};
const auto lambda = [](int x) { return x; };
void
One(int a,
    int b) {
  for (;;) { a = b; }
}
A::A(int x) : x_(x), list_{x} {
}
extern "C" {
int Two() { return 2; }
}
"""
        found = [(f.name, f.line, f.lines) for f in source.outline(text).functions]
        self.assertEqual(found, [("One", 8, 5), ("A::A", 13, 2), ("Two", 16, 1)])


if __name__ == "__main__":
    unittest.main()
