"""Feeds layers.py a good tree, then one with each breach, and looks whether it is found."""

import pathlib
import tempfile
import unittest

import layers

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

GOOD = {
    "README.md": "Open include/roost/pool.h first.\n| `pool.h` | the pool |\n| `deadline.h` | time |\n",
    "include/roost/pool.h": HEADER.format(name="pool.h"),
    "include/roost/deadline.h": HEADER.format(name="deadline.h"),
    "src/base/text.h": '#include <span>\n#include "roost/deadline.h"\n',
    "src/core/core.h": '#include <array>\n#include "base/text.h"\n',
    "src/core/core.cc": '#include "core/core.h"\n#include "roost/pool.h"\nvoid Set() { slot.state = s; }\n',
    "src/pool/pool.cc": '#include "core/core.h"\n#include <thread>\n// sqlite3.h is a comment here\n',
    "src/statements/statement.cc": '#include "roost/pool.h"\n',
    "src/statements/cache.h": "",
    "src/backends/sqlite/sqlite.cc": '#include <sqlite3.h>\n#include "statements/cache.h"\n',
    "src/backends/postgres/postgres.cc": '#include <libpq-fe.h>\n#include <dlfcn.h>\n',
    "src/outbox/buffer.h": '#include <vector>\n#include "statements/cache.h"\n#include "roost/pool.h"\n',
    "src/telemetry/metrics.cc":
        '#include <fcntl.h>\n#include <nlohmann/json.hpp>\n#include "base/text.h"\n#include "roost/pool.h"\n',
    "src/tools/roostctl/main.cc": '#include "tools/common/cli.h"\n#include "telemetry/metrics.h"\n',
    "platform/linux/linux.cc":
        "#include <unistd.h>\nint64_t Linux::UnixMicros() {\n  clock_gettime(CLOCK_REALTIME, &t);\n}\n",
    "tests/stress/stress_test.cc": "void F() { std::this_thread::sleep_for(1s); }\n",
}

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
    ("src/outbox/buffer.h", '#include "core/core.h"\n', "layers"),
    ("src/outbox/buffer.h", '#include "telemetry/metrics.cc"\n', "layers"),
    ("src/outbox/buffer.h", "#include <sqlite3.h>\n", "layers"),
    ("src/outbox/buffer.h", "#include <mutex>\n", "layers"),
    ("src/telemetry/metrics.cc", '#include "core/core.h"\n', "layers"),
    ("src/telemetry/metrics.cc", '#include "statements/cache.h"\n', "layers"),
    ("src/telemetry/metrics.cc", "#include <sys/socket.h>\n", "layers"),
    ("src/telemetry/metrics.cc", "#include <thread>\n", "layers"),
    ("src/pool/pool.cc", "#include <nlohmann/json.hpp>\n", "layers"),
    ("src/pool/pool.cc", '#include "telemetry/metrics.cc"\n', "layers"),
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
    ("src/tools/roostctl/main.cc", '#include "tools/roost-node/node.h"\n', "tools-apart"),
    ("include/roost/pool.h", "int timeout_ms;\n", "durations"),
    ("src/pool/pool.cc", "throw std::runtime_error(\"\");\n", "exceptions"),
    ("include/roost/new.h", HEADER.format(name="new.h"), "front-door"),
    ("include/roost/new.h", HEADER.format(name="new.h").replace("Blocks:", "Locks:"), "header"),
    ("include/roost/new.h", HEADER.format(name="old.h"), "header"),
    ("README.md", "| `gone.h` | is not there |\n", "front-door"),
    ("src/core/core.cc", "void Also() { slot->state = s; }\n", "one-writer"),
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
        self.assertLessEqual({grep.rule for grep in layers.GREPS}, tried)

    def test_a_readme_that_hides_the_front_door_is_found(self):
        text = "\n" * 40 + GOOD["README.md"]
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "include/roost").mkdir(parents=True)
            (root / "README.md").write_text(text, encoding="utf-8")
            self.assertEqual([b.rule for b in layers.check(root)], ["front-door"] * 3)


if __name__ == "__main__":
    unittest.main()
