#!/usr/bin/env python3
"""What others choose stays data: text of a node, of programs, of files and of a board; and what an
operator's desk may have in the way.

Usage: hostile_test.py SOURCE-FOLDER FAKE-NODE [unittest arguments]
"""

import os
import re
import shutil
import stat
import subprocess
import unittest

from case import DONE, LOST, NOT_DONE, SOURCE, UNIT, USAGE, DeployTest

RUNS = '$(touch "${ROOST_ROOT}/PWNED")'  # what a shell makes of it
NOT_PRINTABLE = re.compile(rb"[^\t\n -~]")


class Hostile(DeployTest):
    def assert_nothing_ran(self):
        self.assertFalse((self.board.root / "PWNED").exists())

    def assert_printable(self, outcome):
        self.assertIsNone(NOT_PRINTABLE.search(outcome.text.encode()), outcome.text)

    def refuse(self, text):
        """The database of the node refuses from now on, with this text."""
        (self.board.root / "run/refused").write_text(text)

    def wait_for_trouble(self, text):
        while text not in (outcome := self.rollback("--dry-run")).text:
            self.assertEqual(outcome.code, NOT_DONE)
        return outcome


class TextOfTheNode(Hostile):
    def setUp(self):
        super().setUp()
        self.expect(self.push(self.release("1.0")), DONE)

    def test_is_no_fact_and_no_command(self):
        for fact in ("@fact previous", "fact previous", "x fact previous"):
            self.refuse(f"x\\n{fact} {RUNS}\n{fact} {RUNS}")
            self.wait_for_trouble("the database refuses")
            self.expect(self.rollback(), NOT_DONE, "no previous version")
            self.push(self.release("1.1" + fact[0]), wait=1)
            self.assert_nothing_ran()

    def test_commands_no_terminal(self):
        self.refuse("\x1b[31mOWNED\x1b]0;title\x07\r\n\x9b\u202e\x7f")
        self.assert_printable(self.wait_for_trouble("OWNED"))

    def test_decides_nothing(self):
        """The exit code of roostctl does, also where it says nothing."""
        outcome = self.push(self.release("1.1", "unhealthy-without-a-word"), wait=1)
        self.expect(outcome, NOT_DONE, "NOT HEALTHY: roostctl status ends with 1", "rolled back, 1.0")
        self.assert_runs("1.0")

    def test_is_not_read_by_root(self):
        """A status file that never ends, and one that is no file of text."""
        status = self.board.root / "run/roost/status.json"
        self.board.systemd.command(["stop"])
        self.board.systemd.command(["start"])
        for make in (os.mkfifo, os.mkdir):
            with self.subTest(make.__name__):
                pid = self.board.systemd.property("MainPID")
                os.kill(pid, 19)  # or it writes another
                self.addCleanup(lambda pid=pid: os.kill(pid, 18))
                status.unlink(missing_ok=True)
                make(status)
                self.expect(self.rollback("--dry-run"), NOT_DONE, "runs 1.0", "no previous version")
                os.rmdir(status) if status.is_dir() else status.unlink()
        asked = (self.board.root / "run/as-service").read_text()
        self.assertRegex(asked, r"(?m)^'\S+/opt/roost/current/bin/roostctl' 'status' '--file' '\S+' $")


class OutputOfPrograms(Hostile):
    FORGED = r"@end 0\nend 0\n0123456789abcdef0123456789abcdef end 0\n@fact now 9.9\nfact now 9.9\n@ready\n"

    def test_of_a_node_that_fails_is_no_success(self):
        self.expect(self.push(self.release("1.0")), DONE)
        outcome = self.push(self.release("1.1", "says-and-ends=" + self.FORGED))
        self.expect(outcome, NOT_DONE, "@end 0", "rolled back, 1.0")
        self.assert_runs("1.0")

    def test_of_a_version_is_shown_and_nothing_else(self):
        outcome = self.push(self.release("1.0", "version-says=" + self.FORGED))
        self.expect(outcome, DONE, "@fact now 9.9", "installing beside", "runs and is healthy")

    def test_without_a_line_end_does_not_hide_what_follows(self):
        self.expect(self.push(self.release("1.0", "version-says=no line end")), DONE, "no line end")

    def test_commands_no_terminal(self):
        self.expect(self.push(self.release("1.0")), DONE)
        outcome = self.push(self.release("1.1", "says-and-ends=\x1b]0;title\x07\r \xc2\x9b \xe2\x80\xae bad luck"))
        self.expect(outcome, NOT_DONE, "bad luck")
        self.assert_printable(outcome)

    def test_of_a_login_is_in_the_way_of_nothing(self):
        self.board.sshd.noise = b"Welcome!\n@ready\n@end 0\n\x1b[0mready\nno line end "
        outcome = self.push(self.release("1.0"))
        self.expect(outcome, DONE, "Welcome!", "runs and is healthy")
        self.assert_printable(outcome)

    def test_of_a_login_is_no_path_for_the_selftest(self):
        self.board.sshd.noise = f"Welcome! {RUNS}\n/bin/echo\n".encode()
        outcome = self.run_script("selftest.sh", "--from", self.release("1.0"), "board", "--", "--quick")
        self.expect(outcome, DONE, "selftest --quick\n")
        self.assert_nothing_ran()
        self.assertEqual(list((self.board.root / "tmp").iterdir()), [])

    def test_of_the_selftest_commands_no_terminal(self):
        self.expect(self.push(self.release("1.0")), DONE)
        outcome = self.run_script("selftest.sh", "board", "--", "\x1b[31mred\x07")
        self.expect(outcome, DONE, "selftest ?[31mred?\n")

    def test_of_the_start_before_is_not_shown_for_the_new_one(self):
        self.expect(self.push(self.release("1.0", "says-at-end=a long farewell")), DONE)
        outcome = self.push(self.release("1.1", "says-and-ends=out of luck"))
        self.expect(outcome, NOT_DONE, "out of luck")
        self.assertNotIn("farewell", outcome.text)


class TextOfFiles(Hostile):
    def test_a_version_with_a_command_is_refused(self):
        for text in (f"version 0.1.0{RUNS}\n", "version ..\n", "version -rf\n", "version \n", "",
                     "version 1.0\r\n", "version 1 0\n"):
            with self.subTest(text):
                release = self.release("1.0")
                (release / "VERSION").write_text(text)
                self.expect(self.push(release), NOT_DONE, "VERSION names no version", "nothing was changed")
                shutil.rmtree(release)
        self.assert_nothing_ran()
        self.assertEqual(self.board.releases(), [])

    def test_a_release_without_one_of_its_files_is_refused(self):
        for name in ("VERSION", "bin/roostctl", "systemd/roost-node.conf"):
            with self.subTest(name):
                release = self.release("1.0")
                (release / name).unlink()
                self.expect(self.push(release), NOT_DONE, f"there is no {release / name}")
                shutil.rmtree(release)

    def test_a_commit_with_a_command_is_left_out(self):
        release = self.release("1.0")
        (release / "VERSION").write_text(f"version 1.0\ncommit abc{RUNS}\n")
        self.expect(self.push(release), DONE)
        self.assertRegex(self.board.link("current"), r"^1\.0-[0-9a-f]{12}$")
        self.assert_nothing_ran()

    def test_links_to_nowhere_and_to_commands_are_nothing_of_ours(self):
        self.expect(self.push(self.release("1.0")), DONE)
        for target in ("releases/" + RUNS, "releases/..", "/etc"):
            with self.subTest(target):
                for name in ("current", "previous"):
                    (self.board.opt / name).unlink(missing_ok=True)
                    (self.board.opt / name).symlink_to(target)
                self.assertNotIn("PWNED", self.push(self.scratch / "1.0", "--dry-run").text)
        (self.board.opt / "good").write_text(f"{RUNS}\n..\n../..\n-rf\n" + "".join(
            f"{name}\n" for name in self.board.releases()))
        self.expect(self.push(self.release("1.1"), "--keep", "0"), DONE)
        self.assert_nothing_ran()
        self.assertEqual([name[:3] for name in self.board.releases()], ["1.0", "1.1"])

    def test_a_state_folder_elsewhere_is_not_purged(self):
        precious = self.board.root / "var/precious"
        precious.mkdir(parents=True)
        unit = UNIT.replace("StateDirectory=roost", "StateDirectory=../precious")
        self.expect(self.push(self.release("1.0", unit=unit)), DONE)
        self.expect(self.run_script("push.sh", "--uninstall", "--purge-data", "board"), DONE)
        self.assertTrue(precious.exists())


class AnswersOfABoard(Hostile):
    def test_that_are_no_number_are_told_and_not_computed_with(self):
        self.board.replace_program("df", "echo; echo '/dev/x 1 1 a[$(touch PWNED)] 1% /'")
        outcome = self.push(self.release("1.0"))
        self.expect(outcome, NOT_DONE, 'the board does not tell its free_kib: "a[')
        self.assertFalse(list(self.board.root.rglob("PWNED")))

    def test_that_are_no_word_are_told(self):
        self.board.replace_program("dpkg", f"echo 'amd64 {RUNS}'")
        self.expect(self.push(self.release("1.0")), NOT_DONE, "the board does not tell its arch")
        self.assert_nothing_ran()

    def test_that_come_twice_or_unasked_are_refused(self):
        """A board.sh that is not ours, as on the far side of somebody in between."""
        source = self.scratch / "source"
        shutil.copytree(SOURCE / "deploy", source / "deploy")
        script = source / "deploy/board.sh"
        text = script.read_text()
        for line, reason in (("fact arch amd64; fact arch amd64", "the board tells its arch twice"),
                             ("fact wish x", "the board tells what nobody asked for"),
                             ('say "$token please"', "cannot be understood")):
            with self.subTest(line):
                script.write_text(text.replace("probe() {\n", f"probe() {{\n  {line}\n", 1))
                words = self.command("push.sh", "--from", self.scratch, "board")
                words[0] = str(source / "deploy/push.sh")
                done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
                self.assertEqual(done.returncode, NOT_DONE, done.stdout + done.stderr)
                self.assertIn(reason, done.stderr)


class TriedOut(Hostile):
    """Before the switch the new version runs for two seconds, into memory."""

    def setUp(self):
        super().setUp()
        self.expect(self.push(self.release("1.0")), DONE)
        self.starts = self.board.systemd.starts

    def test_a_version_that_fails_there_never_replaces_the_old_one(self):
        outcome = self.push(self.release("1.1", "fails-anywhere"))
        self.expect(outcome, NOT_DONE, "no such table: reading", "ended with exit code 1",
                    "nothing that runs was changed")
        self.assertEqual(self.board.systemd.starts, self.starts)
        self.assertEqual(len(self.board.releases()), 1)

    def test_a_version_that_does_not_know_the_boards_settings_never_replaces_the_old_one(self):
        self.board.conf.write_text("every = 9s\n")
        outcome = self.push(self.release("1.1", "knows-no-every"))
        self.expect(outcome, NOT_DONE, "unknown setting every", "ended with exit code 2")
        self.assertEqual(self.board.systemd.starts, self.starts)

    def test_it_has_the_settings_that_it_will_have(self):
        """Those of its own where nobody has changed them."""
        self.expect(self.push(self.release("1.1", "knows-no-every", conf="every = 9s\n")), NOT_DONE,
                    "unknown setting every")

    def test_it_runs_as_the_service_and_in_nobodys_way(self):
        self.expect(self.push(self.release("1.1")), DONE)
        ran = [line for line in (self.board.root / "run/as-service").read_text().splitlines()
               if " '--db' " in line]
        self.assertEqual(len(ran), 2)
        # The real program understands these: tests/board/variant_test.py.
        self.assertRegex(ran[1], r"releases/1\.1-\S+\.new/bin/roost-node' '--config' '\S+' '--db' ':memory:' "
                                 r"'--for' '2s' '--quiet' '--remote' '' '--remote-password-file' '' "
                                 r"'--status-file' '' $")


class Desk(Hostile):
    def ssh_calls(self, script, *arguments):
        """The arguments of each ssh that a script calls."""
        calls = self.scratch / "calls"
        stand_in = self.scratch / "bin/ssh"
        stand_in.parent.mkdir()
        stand_in.write_text(f'#!/bin/bash\nprintf "%s\\0" "$@" >>{calls}; printf "\\n" >>{calls}\n'
                            'exec /usr/bin/ssh "$@"\n')
        stand_in.chmod(0o755)
        outcome = self.run_script(script, *arguments,
                                  env={"PATH": f"{stand_in.parent}:{os.environ['PATH']}"})
        return outcome, [call.split("\0") for call in calls.read_text().split("\0\n") if call]

    def setting(self, call, name):
        """What ssh makes of such arguments."""
        options = call[:call.index("board")]
        shown = subprocess.run(["/usr/bin/ssh", "-G", *options, "board"], capture_output=True, text=True,
                               check=True).stdout
        return re.search(rf"(?m)^{name} (.*)$", shown).group(1)

    def test_options_of_the_command_line_count_more_than_those_of_the_script(self):
        for script in ("push.sh", "selftest.sh"):
            with self.subTest(script):
                shutil.rmtree(self.scratch / "bin", ignore_errors=True)
                _, calls = self.ssh_calls(script, "-o", "ConnectTimeout=3", "-o", "ServerAliveInterval=2",
                                          "--from", self.release(script), "board")
                call = next(call for call in calls if any("sh -c" in word for word in call))
                self.assertEqual(self.setting(call, "connecttimeout"), "3")
                self.assertEqual(self.setting(call, "serveraliveinterval"), "2")
                self.assertEqual(self.setting(call, "batchmode"), "yes")

    def test_settings_of_the_users_file_count_more_than_those_of_the_script(self):
        with open(self.board.ssh_config, "a", encoding="utf-8") as config:
            config.write(" ConnectTimeout 4\n ServerAliveInterval 60\n ServerAliveCountMax 9\n"
                         " ControlMaster auto\n ControlPath /nowhere/master\n")
        outcome, calls = self.ssh_calls("push.sh", "--from", self.release("1.0"), "--settle", "0", "board")
        self.expect(outcome, DONE)
        call = next(call for call in calls if any("sh -s" in word for word in call))
        self.assertEqual(self.setting(call, "connecttimeout"), "4")
        self.assertEqual(self.setting(call, "serveraliveinterval"), "60")
        self.assertEqual(self.setting(call, "serveralivecountmax"), "9")
        self.assertNotIn("nowhere", self.setting(call, "controlpath"))

    def test_a_link_that_is_gone_is_noticed_where_the_user_says_nothing(self):
        _, calls = self.ssh_calls("push.sh", "--from", self.release("1.0"), "board")
        call = next(call for call in calls if any("sh -s" in word for word in call))
        self.assertEqual(self.setting(call, "connecttimeout"), "15")
        self.assertEqual(self.setting(call, "serveraliveinterval"), "5")

    def test_a_umask_does_not_keep_the_service_from_its_program(self):
        self.expect(self.push(self.release("1.0"), umask=0o077), DONE)
        release = self.board.opt / "releases" / self.board.link("current")
        for path in (release, *release.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            runs = path.is_dir() or path.parent.name == "bin"
            self.assertEqual(oct(mode), oct(0o755 if runs else 0o644), path)

    def test_a_umask_does_not_keep_the_service_from_the_selftest(self):
        outcome = self.run_script("selftest.sh", "--from", self.release("1.0"), "board", umask=0o077)
        self.expect(outcome, DONE, "selftest\n")

    def test_a_deep_folder_for_temporary_files_is_no_obstacle(self):
        """A socket's path may have a hundred bytes."""
        deep = self.scratch / ("d" * 90)
        deep.mkdir()
        self.expect(self.push(self.release("1.0"), env={"TMPDIR": str(deep)}), DONE)
        self.assertEqual(list(deep.iterdir()), [])

    def test_another_host_key_is_told_apart_from_an_unknown_one(self):
        known = self.board.ssh_config.parent / "known_hosts"
        other = self.new_board().ssh_config.parent / "known_hosts"
        known.write_text(known.read_text().split()[0] + " " + other.read_text().split(" ", 1)[1])
        outcome = self.push(self.release("1.0"))
        self.expect(outcome, LOST, "another one than before")
        self.assertNotIn("say yes", outcome.text)
        known.write_text("")
        outcome = self.push(self.scratch / "1.0")
        self.expect(outcome, LOST, "compare the fingerprint and say yes")
        self.assertNotIn("another one than before", outcome.text)

    def test_hosts_without_a_board_are_wrong(self):
        hosts = self.scratch / "hosts"
        for text in ("", "\n  \n", "# nobody\n   # here\n"):
            with self.subTest(text):
                hosts.write_text(text)
                done = subprocess.run([SOURCE / "deploy/push.sh", "--hosts", hosts], capture_output=True,
                                      text=True, check=False)
                self.assertEqual(done.returncode, USAGE)
                self.assertIn("there is no board in", done.stderr)

    def test_hosts_with_line_ends_of_another_system_are_told_before_the_first_board(self):
        hosts = self.scratch / "hosts"
        hosts.write_bytes(f"board -F {self.board.ssh_config}\nother\r\n".encode())
        done = subprocess.run([SOURCE / "deploy/push.sh", "--from", self.release("1.0"), "--hosts", hosts],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("line 2 of", done.stderr)
        self.assertIn("CR LF", done.stderr)
        self.assertEqual(self.board.releases(), [])

    def test_an_option_without_its_value_is_told_as_such(self):
        for script, code, options in (
                ("push.sh", USAGE, ("-p", "-i", "-F", "-o", "--from", "--arch", "--keep", "--wait", "--hosts")),
                ("selftest.sh", USAGE, ("-p", "-i", "-F", "-o", "--from")),
                ("cross.sh", 1, ("--board", "--release", "--maintainer")),
                ("sysroot.sh", 1, ("--arch", "--out"))):
            for option in options:
                with self.subTest(f"{script} {option}"):
                    done = subprocess.run([SOURCE / "deploy" / script, option], capture_output=True,
                                          text=True, check=False)
                    self.assertEqual(done.returncode, code, done.stderr)
                    self.assertRegex(done.stderr, rf"^{script}: {option} needs ")

    def test_a_board_that_is_not_known_is_told_before_anything_is_installed(self):
        done = subprocess.run([SOURCE / "deploy/cross.sh", "rpi-64", "--board", "rpi_9"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no board rpi_9; there are: rpi_", done.stderr)
        self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
