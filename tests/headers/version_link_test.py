"""A program whose headers are of another version than the library does not link, and is told so.

Usage: version_link_test.py COMPILER INCLUDE ARCHIVE
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

COMPILER, INCLUDE, ARCHIVE = sys.argv[1:4]
PROGRAM = """#include "roost/pool.h"
#include "roost/version.h"
int main(int, char** argv) {
  roost::Backend& backend = *reinterpret_cast<roost::Backend*>(argv);
  roost::PoolFor<roost::profiles::RaspberryPi> pool(backend);
  return roost::LibraryVersion()[0];
}
"""


class VersionLinkTest(unittest.TestCase):

    def missing(self, **version: int) -> set[str]:
        """What the linker misses of roost's when the headers say `version`. Abseil is not linked at all."""
        with tempfile.TemporaryDirectory(prefix="roost-version-") as folder:
            headers = pathlib.Path(folder, "include")
            shutil.copytree(INCLUDE, headers)
            header = headers / "roost/version.h"
            text = header.read_text(encoding="utf-8")
            for part, number in version.items():
                text, count = re.subn(rf"(#define ROOST_VERSION_{part}) \d+", rf"\1 {number}", text)
                self.assertEqual(count, 1)
            header.write_text(text, encoding="utf-8")
            program = pathlib.Path(folder, "program.cc")
            program.write_text(PROGRAM, encoding="utf-8")
            # As a release is linked: what optimises a check away does so here.
            result = subprocess.run(
                [COMPILER, "-std=c++20", "-O2", "-ffunction-sections", "-Wl,--gc-sections",
                 f"-I{headers}", str(program), ARCHIVE, "-o", f"{folder}/program"],
                capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})
            self.assertNotIn("error: ", result.stderr.replace("collect2: error: ", "").replace("linker command", ""))
            return set(re.findall(r"undefined (?:reference to|symbol:?) [`']?(roost::[^'\n]*)", result.stderr))

    def test_headers_of_this_version_miss_nothing(self):
        self.assertEqual(self.missing(), set())

    def test_headers_of_another_version_name_it(self):
        self.assertEqual(self.missing(MINOR=7), {"roost::internal::HeadersAndLibraryAreOf_0_7()"})
        self.assertEqual(self.missing(MAJOR=3), {"roost::internal::HeadersAndLibraryAreOf_3_1()"})

    def test_a_later_patch_is_no_other_version(self):
        self.assertEqual(self.missing(PATCH=9), set())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
