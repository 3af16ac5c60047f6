"""What every command of the programs has in common: help, errors, manual pages, completion.

The commands are found by walking the help, so that a new one is looked at without a line here.

Usage: conventions_test.py ROOSTCTL ROOST_NODE ROOST_NODE_DOCUMENTS SOURCE
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOSTCTL, ROOST_NODE, NODE_DOCUMENTS = sys.argv[1:4]
SOURCE = pathlib.Path(sys.argv[4])
COLUMNS = 80
JARGON = re.compile(r"\b(INT|UINT|FLOAT|SUBCOMMAND|OPTIONS)\b|Excludes|Needs:|REQUIRED|Positionals| in \[|->")


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60,
                          check=False, **options)


def commands_of(*path) -> list[tuple]:
    """The path itself and every path below it."""
    told = run(*path, "--help").stdout
    found = [tuple(path)]
    if "\nCommands:\n" in told:
        table = told.split("\nCommands:\n")[1].split("\n\n")[0]
        for name in re.findall(r"(?m)^  ([a-z-]+)", table):
            found += commands_of(*path, name)
    return found


ALL = commands_of(ROOSTCTL) + commands_of(ROOST_NODE)


class HelpTest(unittest.TestCase):

    def test_the_walk_finds_the_commands(self):
        names = {path[1] for path in ALL if len(path) > 1}
        self.assertLessEqual({"status", "size", "profiles", "selftest", "metrics", "version", "help",
                              "completion"}, names)

    def test_every_help_fits_the_terminal_and_is_for_people(self):
        for path in ALL:
            told = run(*path, "--help")
            with self.subTest(path=path[1:]):
                self.assertEqual((told.returncode, told.stderr), (0, ""))
                self.assertTrue(told.stdout.startswith("Usage: "))
                for line in told.stdout.splitlines():
                    self.assertLessEqual(len(line), COLUMNS, line)
                self.assertIsNone(JARGON.search(told.stdout), told.stdout)
                self.assertNotRegex(told.stdout, r"\n\n\n")

    def test_what_size_and_profiles_print_fits_the_terminal(self):
        size = ["size", "--requests", "100", "--query", "50ms", "--wait", "100ms"]
        for words in (["version"], ["profiles"], ["profiles", "raspberry_pi"], size,
                      [*size, "--rate", "5000", "--max-connections", "100", "--limit", "40", "--server-cores", "4"],
                      ["size", "--outbox", "--rows", "5/s", "--for", "30d"]):
            for line in run(ROOSTCTL, *words).stdout.splitlines():
                self.assertLessEqual(len(line), COLUMNS, line)

    def test_the_ways_to_help_are_the_same(self):
        for path in ALL:
            if path[-1] == "help" or path[0] != ROOSTCTL:
                continue
            told = run(*path, "--help").stdout
            self.assertEqual(run(*path, "-h").stdout, told)
            self.assertEqual(run(ROOSTCTL, "help", *path[1:]).stdout, told)

    def test_nothing_but_a_group_of_commands_is_a_question_for_help(self):
        for path in ALL:
            if "\nCommands:\n" in run(*path, "--help").stdout:
                told = run(*path)
                self.assertEqual((told.returncode, told.stderr), (0, ""), path)
                self.assertEqual(told.stdout, run(*path, "--help").stdout)

    def test_an_unknown_command_lists_those_that_there_are(self):
        for words in (["siez"], ["help", "siez"]):
            told = run(ROOSTCTL, *words)
            self.assertEqual((told.returncode, told.stdout), (2, ""))
            self.assertTrue(told.stderr.startswith("roostctl: unknown command siez; did you mean size? The commands "
                                                   "are: "), told.stderr)
            for path in ALL:
                if path[0] == ROOSTCTL and len(path) == 2:
                    self.assertRegex(told.stderr, rf"[ ,]{path[1]}[,\n]")

    def test_an_error_says_what_was_wrong_and_then_what_would_be_right(self):
        size = [ROOSTCTL, "size", "--query", "1s", "--wait", "1s", "--requests"]
        for words, says in (
                ([*size, "0"], "--requests: 0 is out of range; write 1 to 1000000"),
                ([*size, "many"], '--requests: "many" is no number; write 1 to 1000000'),
                ([*size, "1", "--rate", "0"], "--rate: 0 is out of range; write 0.001 to 1000000000"),
                ([*size[:-1]], "--requests is missing; write --requests N"),
                ([*size], "--requests has no value; write --requests N"),
                ([*size, "1", "--requests", "2"], "--requests is given more than once; write it once"),
                ([*size, "1", "--json=x"], "--json takes no value; write --json"),
                ([ROOSTCTL, "selftest", "--json", "--tap"], "--json and --tap exclude each other; leave one out"),
                ([ROOSTCTL, "status", "--interval", "5s"], "--interval says something of --watch; write --watch, too"),
                ([ROOSTCTL, "status", "--watch", "--color", "x"],
                 "--color: there is no x; write one of always, auto, never"),
                ([ROOSTCTL, "profiles", "raspberry_pie"],
                 "NAME: there is no raspberry_pie; did you mean raspberry_pi? write one of background_jobs, "),
                ([ROOSTCTL, "selftest", "--root", "nowhere"],
                 "--root: the folder nowhere does not exist; choose another"),
                ([ROOSTCTL, "completion", "tcsh"], "SHELL: there is no tcsh; "),
                ([ROOST_NODE, "foo"], "unknown argument foo; what it takes begins with --"),
                ([ROOST_NODE, "--for"], "--for has no value; write --for TIME"),
                ([ROOST_NODE, "--batch", "0"], "--batch: 0 is out of range; write 1 to 100000")):
            told = run(*words)
            name = pathlib.Path(words[0]).name
            first, second = told.stderr.splitlines()
            self.assertEqual((told.returncode, told.stdout), (2, ""), words)
            self.assertTrue(first.startswith(f"{name}: {says}"), first)
            self.assertRegex(second, rf"^Try: {name} .*--help$")

    def test_a_span_of_time_may_have_a_blank_before_its_unit(self):
        expected = run(ROOSTCTL, "size", "--requests", "100", "--query", "50ms", "--wait", "100ms")
        self.assertEqual(expected.returncode, 0, expected.stderr)
        for words in (["--query", "50 ms", "--wait", "100  ms"], ["--query", "50", "ms", "--wait", "100", "ms"]):
            told = run(ROOSTCTL, "size", "--requests", "100", *words)
            self.assertEqual(told.stdout, expected.stdout, told.stderr)

    def test_the_version_is_a_line_and_a_report_has_the_rest(self):
        for program in (ROOSTCTL, ROOST_NODE):
            told = run(program, "--version")
            self.assertEqual(told.stdout, run(program, "-V").stdout)
            self.assertRegex(told.stdout, r"^roost[a-z-]+ [0-9.]+\n$")
        report = json.loads(run(ROOSTCTL, "version", "--json").stdout)
        self.assertEqual(set(report), {"version", "commit", "profile", "board", "compiler", "semantic_conventions",
                                       "libraries"})
        self.assertRegex(report["commit"], r"^([0-9a-f]{40})?$")
        self.assertLessEqual({"sqlite", "libpq", "libmariadb", "abseil"}, set(report["libraries"]))
        text = run(ROOSTCTL, "version").stdout
        for value in (report["version"], report["profile"], report["libraries"]["sqlite"]):
            self.assertIn(value, text)


class Documents(unittest.TestCase):
    """What a build writes into the packages."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="roost-documents-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        for program in (ROOSTCTL, NODE_DOCUMENTS):
            told = run(program, "--write-documents", cls.folder, "2026-01-31", SOURCE / "deploy/man")
            assert (told.returncode, told.stdout, told.stderr) == (0, "", ""), told


class ManualTest(Documents):

    def pages(self):
        return sorted((self.folder / "man").rglob("*.[157]"))

    def test_every_command_has_a_page_and_the_settings_have_one(self):
        wanted = {"-".join((pathlib.Path(path[0]).name, *path[1:])) + ".1" for path in ALL}
        self.assertEqual({page.name for page in self.pages()}, wanted | {"roost-node.conf.5"})

    def test_the_unit_names_pages_that_there_are(self):
        unit = (SOURCE / "deploy/systemd/roost-node.service").read_text(encoding="utf-8")
        named = re.findall(r"man:([^ ()]+)\((\d)\)", unit)
        self.assertEqual(len(named), 3)
        for name, section in named:
            self.assertTrue((self.folder / f"man/man{section}/{name}.{section}").exists(), name)

    def test_a_page_says_what_the_help_says(self):
        page = (self.folder / "man/man1/roostctl-selftest.1").read_text(encoding="utf-8")
        for part in (".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", r"\fB\-\-only\fR \fICHECK\fR",
                     '.SH "EXIT STATUS"', ".SH EXAMPLES", '.SH "SEE ALSO"'):
            self.assertIn(part, page)
        settings = (self.folder / "man/man5/roost-node.conf.5").read_text(encoding="utf-8")
        keys = set(re.findall(r"(?m)^\\fB([a-z\\-]+)\\fR = ", settings))
        sample = (SOURCE / "deploy/systemd/roost-node.conf").read_text(encoding="utf-8")
        self.assertEqual({key.replace("\\", "") for key in keys},
                         set(re.findall(r"(?m)^#?([a-z-]+) = ", sample)))
        self.assertNotIn("see below", settings)

    def test_a_dash_can_be_copied_and_no_line_is_a_request_by_accident(self):
        for page in self.pages():
            for line in page.read_text(encoding="utf-8").splitlines():
                self.assertNotRegex(line, r"(^|[^\\])--", page.name)
                if line.startswith("."):
                    self.assertRegex(line, r"^\.(TH|SH|SS|TP|PP|B|BR|I|IR|RS|RE|nf|fi)\b", page.name)

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc (Debian: apt install mandoc)")
    def test_mandoc_has_no_warning(self):
        for page in [*self.pages(), SOURCE / "deploy/man/roostpool.7.in"]:
            told = run("mandoc", "-T", "lint", "-W", "warning", page)
            # The template has its date in the build.
            self.assertEqual([line for line in told.stdout.splitlines() if "@" not in line], [], page.name)

    @unittest.skipUnless(shutil.which("man"), "no man (Debian: apt install man-db)")
    def test_man_has_no_warning(self):
        surroundings = os.environ | {"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"}
        for page in [*self.pages(), SOURCE / "deploy/man/roostpool.7.in"]:
            told = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page, env=surroundings)
            self.assertEqual((told.returncode, told.stderr), (0, ""), page.name)


class CompletionTest(Documents):
    CASES = (
        (["roostctl", "st"], {"status"}),
        (["roostctl", "help", "siz"], {"size"}),
        (["roostctl", "completion", ""], {"bash", "fish", "zsh"}),
        (["roostctl", "profiles", "raspberry"], {"raspberry_pi", "raspberry_pi_remote"}),
        (["roostctl", "size", "--requ"], {"--requests"}),
        (["roostctl", "status", "--watch", "--color", "al"], {"always"}),
        (["roostctl", "selftest", "--only", "card.sy"], {"card.sync"}),
        (["roostctl", "status", "roof"], {"rooftop"}),
        (["roost-node", "--seal"], {"--seal-every"}),
        (["roost-node", "--when-full", ""], {"drop-oldest", "thin", "stop"}),
    )

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A program with a socket, whose name is completed.
        import socket
        cls.runtime = cls.folder / "run"
        (cls.runtime / "roost").mkdir(parents=True)
        cls.socket = socket.socket(socket.AF_UNIX)
        cls.socket.bind(str(cls.runtime / "roost/rooftop.sock"))
        cls.addClassCleanup(cls.socket.close)
        cls.surroundings = os.environ | {"XDG_RUNTIME_DIR": str(cls.runtime), "HOME": str(cls.folder)}

    def bash(self, words):
        script = (f'. "{self.folder}/bash/{words[0]}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                  '"$(complete -p "$1" | sed "s/.*-F \\([^ ]*\\).*/\\1/")"; printf "%s\\n" "${COMPREPLY[@]}"')
        told = run("bash", "-c", script, "bash", *words, env=self.surroundings, cwd=self.runtime)
        self.assertEqual((told.returncode, told.stderr), (0, ""), words)
        return {line for line in told.stdout.splitlines() if line}

    def test_bash(self):
        for words, offered in self.CASES:
            self.assertEqual(self.bash(words), offered, words)

    def test_bash_goes_on_behind_an_equals_sign_and_a_comma(self):
        self.assertEqual(self.bash(["roostctl", "status", "--color", "=", "n"]), {"never"})
        self.assertEqual(self.bash(["roostctl", "status", "--color", "="]), {"always", "auto", "never"})
        self.assertEqual(self.bash(["roostctl", "selftest", "--only", "clock,card.sy"]), {"clock,card.sync"})

    def test_bash_offers_files_and_folders(self):
        self.assertEqual(self.bash(["roost-node", "--db", "ro"]), {"roost"})
        self.assertEqual(self.bash(["roost-node", "--root", "ro"]), {"roost"})
        self.assertEqual(self.bash(["roost-node", "--db", "roost/"]), {"roost/rooftop.sock"})
        self.assertEqual(self.bash(["roost-node", "--root", "roost/"]), set())
        self.assertEqual(self.bash(["roost-node", "--every", ""]), set())

    def test_the_command_prints_what_the_packages_install(self):
        for shell, name in (("bash", "roostctl"), ("zsh", "_roostctl"), ("fish", "roostctl.fish")):
            self.assertEqual(run(ROOSTCTL, "completion", shell).stdout,
                             (self.folder / shell / name).read_text(encoding="utf-8"))

    @unittest.skipUnless(shutil.which("shellcheck"), "no shellcheck (Debian: apt install shellcheck)")
    def test_shellcheck_has_nothing_to_say(self):
        for name in ("roostctl", "roost-node"):
            told = run("shellcheck", "--shell=bash", self.folder / "bash" / name)
            self.assertEqual(told.stdout, "")

    @unittest.skipUnless(shutil.which("fish"), "no fish (Debian: apt install fish)")
    def test_fish(self):
        for words, offered in self.CASES:
            told = run("fish", "-c", f'source "{self.folder}/fish/{words[0]}.fish"; complete -C "$argv"',
                       " ".join(words), env=self.surroundings, cwd=self.runtime)
            self.assertEqual((told.returncode, told.stderr), (0, ""), words)
            self.assertLessEqual(offered, {line.split("\t")[0] for line in told.stdout.splitlines()}, words)
            self.assertLess(len(told.stdout.splitlines()), 5, told.stdout)

    @unittest.skipUnless(shutil.which("zsh"), "no zsh (Debian: apt install zsh)")
    def test_zsh(self):
        """The functions that zsh has while it completes are played by ones that print what is offered."""
        played = ('compset() { : }; _message() { : }; compadd() { shift; print -l -- "$@" }; '
                  '_files() { print -l -- *(N) }; '
                  '_describe() { local all="${@[-1]}"; print -l -- ${${(P)all}%%:*} }; '
                  'words=("$@"); CURRENT=$#; . "$ROOST_SCRIPT"')
        for words, offered in self.CASES:
            script = self.folder / "zsh" / f"_{words[0]}"
            told = run("zsh", "-f", "-c", played, "zsh", *words, cwd=self.runtime,
                       env=self.surroundings | {"ROOST_SCRIPT": str(script)})
            self.assertEqual((told.returncode, told.stderr), (0, ""), words)
            # What does not begin like the word is left out by zsh itself.
            shown = {line for line in told.stdout.splitlines() if line.startswith(words[-1])}
            self.assertEqual(shown, offered, words)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
