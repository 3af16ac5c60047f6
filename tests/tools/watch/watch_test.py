"""Looks at `roostctl status --watch` as its user does: through a terminal, whose screens are in this folder.

Usage: watch_test.py ROOSTCTL           looks
       watch_test.py ROOSTCTL --write   writes the screens, and the one in README.md, anew
"""

import json
import os
import pathlib
import re
import signal
import sys
import tempfile
import termios
import unittest

from watched import FOLDER, SAMPLE, Node, Terminal, capture

ROOSTCTL = str(pathlib.Path(sys.argv[1]).resolve())
README = FOLDER.parents[2] / "README.md"
IN_README = r"(<!-- screen of tests/tools/watch/80x24.txt -->\n```text\n)(.*?)(^```$)"
SCREENS = {"40x20": (40, 20, "C.UTF-8"), "80x24": (80, 24, "C.UTF-8"), "200x50": (200, 50, "C.UTF-8"),
           "80x24_ascii": (80, 24, "C")}
COLOURS = re.compile(rb"\x1b\[(?:[0-9]+;)*[34][0-7][;m]")
LEAVES = b"\x1b[?1049l"  # the alternate screen, by TERM=screen


def golden(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


class WatchTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.runtime = folder.name

    def node(self, *arguments, **options) -> Node:
        node = Node(self.runtime, *arguments, **options)
        self.addCleanup(lambda: node.listener.fileno() >= 0 and node.close())
        return node

    def watch(self, columns: int = 80, rows: int = 24, *arguments, **options) -> Terminal:
        terminal = Terminal(ROOSTCTL, self.runtime, columns, rows, *arguments, **options)
        self.addCleanup(terminal.close)
        return terminal

    def shows(self, terminal: Terminal, *texts: str) -> None:
        self.assertTrue(terminal.wait_for(lambda: all(text in terminal.text() for text in texts)),
                        f"{texts} not in\n{terminal.text()}")

    def test_the_screens_are_as_they_were_looked_at(self):
        self.node()
        for name, (columns, rows, locale) in SCREENS.items():
            with self.subTest(name):
                terminal = self.watch(columns, rows, locale=locale)
                terminal.wait_for(lambda: terminal.text() == golden(name))
                self.assertEqual(terminal.text(), golden(name))
                for line in terminal.text().splitlines():
                    self.assertLessEqual(len(line), columns)

    def test_colours_are_beside_words_and_can_be_left_out(self):
        self.node()
        for extra, arguments, coloured in (({}, (), True), ({"NO_COLOR": "1"}, (), False), ({"NO_COLOR": ""}, (), True),
                                           ({}, ("--color", "never"), False),
                                           ({"NO_COLOR": "1"}, ("--color", "always"), True)):
            with self.subTest(extra=extra, arguments=arguments):
                terminal = self.watch(80, 24, *arguments, extra=extra)
                terminal.wait_for(lambda: terminal.text() == golden("80x24"))
                self.assertEqual(terminal.text(), golden("80x24"))
                self.assertEqual(COLOURS.search(terminal.raw) is not None, coloured)
        terminal = self.watch(term="vt100")
        self.shows(terminal, "greenhouse: degraded")
        self.assertIsNone(COLOURS.search(terminal.raw), "a terminal without colours")

    def test_the_details_of_a_remote_pool_name_its_server(self):
        self.node()
        terminal = self.watch(100, 30)
        self.shows(terminal, "greenhouse")
        terminal.type("2")
        self.shows(terminal, "  server 15.20, primary, user node, TLSv1.3, round trip 12 ms")

    def test_every_end_gives_the_terminal_back(self):
        self.node()
        for end in ("q", signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV, signal.SIGABRT):
            with self.subTest(end=end):
                terminal = self.watch()
                self.shows(terminal, "greenhouse")
                self.assertNotEqual(termios.tcgetattr(terminal.slave), terminal.modes)
                if end == "q":
                    terminal.type("q")
                else:
                    terminal.process.send_signal(end)
                self.assertEqual(terminal.end(), 0 if end == "q" else -end)
                self.assertIn(LEAVES, terminal.raw)
                self.assertEqual(termios.tcgetattr(terminal.slave), terminal.modes)
                self.assertFalse(terminal.screen.cursor.hidden)

    def test_ctrl_c_ends_it(self):
        self.node()
        terminal = self.watch()
        self.shows(terminal, "greenhouse")
        terminal.type("\x03")
        self.assertEqual(terminal.end(), -signal.SIGINT)
        self.assertIn(LEAVES, terminal.raw)

    def test_a_terminal_that_is_gone_ends_it(self):
        self.node()
        terminal = self.watch(extra={})
        self.shows(terminal, "greenhouse")
        os.close(terminal.slave)
        os.close(terminal.master)
        self.assertIn(terminal.process.wait(timeout=60), (0, -signal.SIGHUP))

    def test_a_terminal_that_is_gone_ends_it_though_hangups_are_ignored(self):
        self.node()
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            terminal = self.watch()
        finally:
            signal.signal(signal.SIGHUP, before)
        self.shows(terminal, "greenhouse")
        os.close(terminal.slave)
        os.close(terminal.master)
        self.assertEqual(terminal.process.wait(timeout=60), 0)

    def test_without_a_keyboard_it_works(self):
        self.node()
        terminal = self.watch(stdin=False)
        self.shows(terminal, "greenhouse")
        terminal.process.send_signal(signal.SIGTERM)
        self.assertEqual(terminal.end(), -signal.SIGTERM)

    def test_unknown_terminals_get_plain_lines(self):
        self.node()
        for term in ("dumb", "no-such-terminal", ""):
            with self.subTest(term=term):
                terminal = self.watch(80, 60, term=term)
                self.shows(terminal, "greenhouse: degraded", "events")
                self.assertNotIn(b"\x1b", terminal.raw)
                terminal.process.send_signal(signal.SIGTERM)
                terminal.end()

    def test_a_node_that_goes_and_comes_back(self):
        node = self.node()
        terminal = self.watch(80, 24, "--interval", "100ms")
        self.shows(terminal, "greenhouse: degraded", "valve.cc:51")
        node.close()
        self.shows(terminal, "greenhouse: NOT RUNNING", "silent for", "valve.cc:51")
        self.node()
        self.shows(terminal, "greenhouse: degraded")
        self.assertNotIn("silent", terminal.text())

    def test_without_a_node_it_waits_for_one(self):
        terminal = self.watch(80, 24, "--interval", "100ms", "--file", os.path.join(self.runtime, "none.json"))
        self.shows(terminal, "no program with a status socket runs here")
        terminal.type("q")
        self.assertEqual(terminal.end(), 0)
        terminal = self.watch(80, 24, "--interval", "100ms", "greenhouse")
        self.shows(terminal, "waiting for one")
        self.node()
        self.shows(terminal, "greenhouse: degraded")

    def test_a_new_size_is_taken(self):
        self.node()
        terminal = self.watch(80, 24)
        self.shows(terminal, "greenhouse")
        for name in ("40x20", "200x50", "80x24"):
            terminal.resize(*SCREENS[name][:2])
            terminal.wait_for(lambda: terminal.text() == golden(name))
            self.assertEqual(terminal.text(), golden(name))

    def test_no_size_is_too_small(self):
        self.node()
        for columns, rows in ((1, 1), (2, 2), (10, 3), (19, 4), (39, 6)):
            with self.subTest(columns=columns, rows=rows):
                terminal = self.watch(columns, rows)
                self.shows(terminal, "greenhouse"[:max(columns - 1, 0)])
                terminal.type("q")
                self.assertEqual(terminal.end(), 0)

    def test_a_terminal_that_knows_no_size_has_24_lines_of_80(self):
        self.node()
        terminal = Terminal(ROOSTCTL, self.runtime, 80, 24)
        self.addCleanup(terminal.close)
        self.shows(terminal, "greenhouse")

    def test_keys(self):
        other = json.loads(SAMPLE)
        other["name"] = "attic"
        other["pools"][0]["stats"]["waiting"] = 7
        self.node()
        self.node("attic", json.dumps(other))
        terminal = self.watch(100, 30)
        self.shows(terminal, "1> attic/local", "3  greenhouse/local", "/var/lib/roost/node.db")
        terminal.type("4")
        self.shows(terminal, "4> greenhouse/remote", "db.example.org:5432/farm")
        terminal.type("s")
        self.shows(terminal, "sorted by waiting", "2  greenhouse/local")
        terminal.type("p")
        self.shows(terminal, "PAUSED")
        terminal.type(" ")
        self.shows(terminal, "every 2 s")
        terminal.type("+")
        self.shows(terminal, "every 4 s")
        terminal.type("?")
        self.shows(terminal, "q        leave")
        terminal.type("?")
        self.shows(terminal, "greenhouse/local")

    def test_what_a_program_says_commands_no_terminal(self):
        hostile = json.loads(SAMPLE)
        hostile["text"] = hostile["pools"][0]["name"] = "\x1b]0;owned\x07\x1b[2J\u202e"
        self.node("x", json.dumps(hostile))
        terminal = self.watch()
        self.shows(terminal, "remote")
        self.assertNotIn(b"owned\x07", terminal.raw)


class ReadmeTest(unittest.TestCase):

    def test_the_screen_in_readme_is_the_one_that_was_looked_at(self):
        [(_, shown, _)] = re.findall(IN_README, README.read_text(encoding="utf-8"), flags=re.M | re.S)
        self.assertEqual(shown, golden("80x24"))


def write() -> None:
    for name, (columns, rows, locale) in SCREENS.items():
        (FOLDER / f"{name}.txt").write_text(capture(ROOSTCTL, columns, rows, locale), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(re.sub(IN_README, lambda match: match[1] + golden("80x24") + match[3], text, flags=re.M | re.S),
                      encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[2:] == ["--write"]:
        write()
    else:
        unittest.main(argv=sys.argv[:1])
