#!/usr/bin/env python3
"""push.sh and selftest.sh against boards that are folders (sandbox.py).

Usage: deploy_test.py SOURCE-FOLDER FAKE-NODE [unittest arguments]
"""

import os
import platform
import subprocess
import threading
import unittest
from pathlib import Path

from case import DONE, LOST, NOT_DONE, SOURCE, UNHEALTHY, UNIT, USAGE, DeployTest, Outcome
from sandbox import wait_for


class FirstPush(DeployTest):
    def test_installs_starts_and_enables(self):
        outcome = self.push(self.release("1.0"))
        self.expect(outcome, DONE, "Made-up Board", "restarting the service", "runs and is healthy")
        self.assert_runs("1.0-gabc-")
        self.assertTrue(self.board.systemd.enabled)
        self.assertEqual(self.board.conf.read_text(), "every = 5s\n")
        self.assertIn("ExecStart=/opt/roost/current/bin/roost-node --config",
                      self.board.systemd.unit_file.read_text())
        self.assertEqual((self.board.root / "accounts").read_text(), "u roost\n")
        self.assertEqual(os.listdir(self.board.opt / "incoming"), [])
        self.assertEqual(os.readlink(self.board.root / "usr/local/bin/roostctl"),
                         "/opt/roost/current/bin/roostctl")

    def test_brings_what_the_journal_explains_and_takes_it_away(self):
        text = self.board.root / "usr/local/lib/systemd/catalog/roostpool.catalog"
        updates = self.board.root / "run/catalogue"
        self.expect(self.push(self.release("1.0", catalogue="-- 0\n")), DONE)
        self.assertEqual(text.read_text(), "-- 0\n")
        self.expect(self.push(self.release("1.1", catalogue="-- 0\n")), DONE)
        self.assertEqual(len(updates.read_text().splitlines()), 1, "the same text was there")
        self.expect(self.push(self.release("1.2")), DONE, "runs and is healthy")
        self.expect(self.run_script("push.sh", "--uninstall", "board"), DONE, "kept")
        self.assertFalse(text.exists())
        self.assertEqual(len(updates.read_text().splitlines()), 2)

    def test_of_a_bad_version_leaves_a_stopped_service(self):
        outcome = self.push(self.release("1.0", "fails-at-start"))
        self.expect(outcome, UNHEALTHY, "cannot open the database", "no version to go back to")
        self.assertEqual(self.board.systemd.property("MainPID"), 0)
        self.assertFalse(self.board.systemd.enabled)
        self.expect(self.push(self.release("1.1")), DONE, "runs and is healthy")

    def test_dry_run_changes_nothing(self):
        before = self.board.picture()
        self.expect(self.push(self.release("1.0"), "--dry-run"), DONE, "would upload")
        self.assertEqual(self.board.picture(), before)

    def test_of_another_architecture_is_refused(self):
        release = self.release("1.0")
        program = bytearray((release / "bin/roost-node").read_bytes())
        program[18] = 183 if platform.machine() != "aarch64" else 62
        (release / "bin/roost-node").write_bytes(program)
        self.expect(self.push(release), NOT_DONE, "this build is for", "nothing was changed")
        self.assertEqual(self.board.releases(), [])

    def test_for_a_younger_glibc_is_refused(self):
        release = self.release("1.0")
        with open(release / "bin/roost-node", "ab") as program:
            program.write(b"\nGLIBC_2.99")
        self.expect(self.push(release), NOT_DONE, "needs glibc 2.99")

    def test_to_a_board_of_another_kind_than_named_is_refused(self):
        self.expect(self.push(self.release("1.0"), "--arch", "riscv64"), NOT_DONE, "not riscv64")

    def test_of_a_program_that_does_not_run_there_is_refused(self):
        self.expect(self.push(self.release("1.0", "does-not-run")), NOT_DONE, "does not run on this")
        self.assertEqual(self.board.systemd.starts, 0)


class Upgrade(DeployTest):
    def setUp(self):
        super().setUp()
        self.old = self.release("1.0")
        self.expect(self.push(self.old), DONE)

    def test_the_same_again_restarts_nothing(self):
        pid = self.board.systemd.property("MainPID")
        self.expect(self.push(self.old), DONE, "is already running, healthy")
        self.assertEqual(self.board.systemd.property("MainPID"), pid)

    def test_the_same_again_restarts_what_is_not_healthy(self):
        self.board.systemd.command(["stop"])
        self.expect(self.push(self.old), DONE, "runs and is healthy")
        self.assert_runs("1.0")

    def test_switches_and_remembers_the_one_before(self):
        self.expect(self.push(self.release("1.1")), DONE)
        self.assert_runs("1.1")
        self.assertTrue(self.board.link("previous").startswith("1.0"))

    def test_that_fails_at_start_is_rolled_back(self):
        outcome = self.push(self.release("1.1", "fails-at-start"))
        self.expect(outcome, NOT_DONE, "cannot open the database", "going back to 1.0",
                    "rolled back, 1.0")
        self.assert_runs("1.0")
        self.assertEqual(len(self.board.releases()), 1)

    def test_that_crashes_after_it_was_ready_is_rolled_back(self):
        outcome = self.push(self.release("1.1", "crashes-later"), settle=2)
        self.expect(outcome, NOT_DONE, "NOT HEALTHY", "out of luck", "rolled back")
        self.assert_runs("1.0")

    def test_that_seals_nothing_is_rolled_back(self):
        outcome = self.push(self.release("1.1", "never-seals"), wait=2)
        self.expect(outcome, NOT_DONE, "no reading has been sealed yet", "rolled back")
        self.assert_runs("1.0")

    def test_that_fails_puts_unit_and_configuration_back(self):
        unit = UNIT + "MemoryMax=64M\n"
        outcome = self.push(self.release("1.1", "fails-at-start", conf="every = 1s\n", unit=unit))
        self.expect(outcome, NOT_DONE)
        self.assertEqual(self.board.conf.read_text(), "every = 5s\n")
        self.assertNotIn("MemoryMax", self.board.systemd.unit_file.read_text())

    def test_replaces_a_configuration_that_nobody_changed(self):
        self.expect(self.push(self.release("1.1", conf="every = 1s\n")), DONE)
        self.assertEqual(self.board.conf.read_text(), "every = 1s\n")

    def test_keeps_a_configuration_that_somebody_changed(self):
        self.board.conf.write_text("every = 9s\n")
        self.expect(self.push(self.release("1.1", conf="every = 1s\n")), DONE, "kept the changed")
        self.assertEqual(self.board.conf.read_text(), "every = 9s\n")
        self.assertEqual(Path(f"{self.board.conf}.new").read_text(), "every = 1s\n")

    def test_keeps_the_running_the_previous_and_as_many_as_told(self):
        for name in ("1.1", "1.2", "1.3"):
            self.expect(self.push(self.release(name), "--keep", "2"), DONE)
        self.assertEqual([name[:3] for name in self.board.releases()], ["1.2", "1.3"])
        self.expect(self.push(self.release("1.4"), "--keep", "0"), DONE)
        self.assertEqual([name[:3] for name in self.board.releases()], ["1.3", "1.4"])

    def test_can_be_rolled_back_by_hand(self):
        self.expect(self.push(self.release("1.1")), DONE)
        self.expect(self.run_script("push.sh", "--rollback", "--settle", "0", "board"), DONE)
        self.assert_runs("1.0")
        self.assertTrue(self.board.link("previous").startswith("1.1"))

    def test_cannot_be_rolled_back_when_there_was_none(self):
        self.expect(self.run_script("push.sh", "--rollback", "board"), NOT_DONE, "no previous")
        self.assert_runs("1.0")


class Uninstall(DeployTest):
    def setUp(self):
        super().setUp()
        self.expect(self.push(self.release("1.0")), DONE)
        self.data = self.board.root / "var/lib/roost/node.db"
        self.data.parent.mkdir(parents=True)
        self.data.write_text("readings")

    def test_keeps_the_readings_and_the_configuration(self):
        self.expect(self.run_script("push.sh", "--uninstall", "board"), DONE, "kept")
        self.assertEqual(self.board.systemd.property("MainPID"), 0)
        left = {str(path.relative_to(self.board.root)) for path in self.board.picture()}
        self.assertLessEqual({"var/lib/roost/node.db", "etc/roost/roost-node.conf"}, left)
        self.assertFalse([path for path in left if "opt/" in path or "usr/" in path or
                          path.endswith(".service")])

    def test_with_purge_data_leaves_nothing(self):
        self.expect(self.run_script("push.sh", "--uninstall", "--purge-data", "board"), DONE)
        self.assertFalse(self.data.exists() or self.board.conf.exists())

    def test_dry_run_changes_nothing(self):
        before = self.board.picture()
        self.expect(self.run_script("push.sh", "--uninstall", "--dry-run", "board"), DONE, "would")
        self.assertEqual(self.board.picture(), before)


class BadLink(DeployTest):
    def test_an_upload_that_was_cut_goes_on(self):
        release = self.release("1.0", padding=400_000)
        self.board.sshd.cut_upload_after = 200_000
        self.expect(self.push(release), LOST, "the connection was cut", "run the same command again")
        self.board.sshd.cut_upload_after = None
        wait_for("the lock goes with the connection", lambda: not self.board.is_locked())
        outcome = self.push(release)
        self.expect(outcome, DONE, "are there from before; going on")
        sent = int(outcome.text.split(" bytes in ")[0].split()[-1])
        self.assertLess(sent, self.board.sshd.uploaded - 200_000 + 1)
        self.assert_runs("1.0")

    def test_an_upload_that_was_damaged_is_removed_and_sent_anew(self):
        release = self.release("1.0", padding=400_000)
        self.board.sshd.cut_upload_after = 200_000
        self.expect(self.push(release), LOST)
        self.board.sshd.cut_upload_after = None
        wait_for("the lock goes with the connection", lambda: not self.board.is_locked())
        part, = (self.board.opt / "incoming").iterdir()
        with open(part, "r+b") as file:
            file.write(b"damage")
        self.expect(self.push(release), NOT_DONE, "what arrived is not what was sent")
        self.expect(self.push(release), DONE)

    def test_a_switch_ends_without_the_connection(self):
        self.expect(self.push(self.release("1.0")), DONE)
        self.board.systemd.on_restart = self.board.sshd.cut
        release = self.release("1.1")
        self.expect(self.push(release), LOST)
        self.board.systemd.on_restart = None
        wait_for("the board ends the switch", lambda: not self.board.is_locked())
        self.assert_runs("1.1")
        self.assertTrue(self.board.link("previous").startswith("1.0"))
        self.expect(self.push(release), DONE, "is already running, healthy")

    def test_a_bad_version_is_rolled_back_without_the_connection(self):
        self.expect(self.push(self.release("1.0")), DONE)
        self.board.systemd.on_restart = self.board.sshd.cut
        self.expect(self.push(self.release("1.1", "fails-at-start")), LOST)
        wait_for("the board goes back", lambda: not self.board.is_locked())
        self.assert_runs("1.0")

    def test_a_board_that_is_away_is_told_apart(self):
        release = self.release("1.0")
        self.board.sshd.stop_listening()
        self.expect(self.push(release), LOST, "cannot work on board", "Connection refused")

    def test_sudo_that_wants_a_password_is_told_apart(self):
        (self.board.root / "no-sudo").touch()
        self.expect(self.push(self.release("1.0")), LOST, "let sudo run without a password")

    def test_a_second_push_at_the_same_time_is_refused(self):
        self.expect(self.push(self.release("1.0")), DONE)
        at_restart, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def hold():
            at_restart.set()
            go_on.wait(60)
        self.board.systemd.on_restart = hold
        first = subprocess.Popen(
            self.command("push.sh", "--from", self.release("1.1"), "--settle", "0", "board"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertTrue(at_restart.wait(60))
        self.expect(self.push(self.release("1.2")), NOT_DONE, "another push is at work")
        go_on.set()
        self.assertEqual(first.wait(60), DONE)
        self.assert_runs("1.1")


class Hosts(DeployTest):
    def test_a_list_stops_at_the_first_failure(self):
        boards = [self.board, self.new_board(), self.new_board()]
        (boards[1].root / "no-sudo").touch()
        hosts = self.scratch / "hosts"
        hosts.write_text("# the fleet\n" + "".join(f"board -F {b.ssh_config}\n" for b in boards))
        done = subprocess.run(
            [SOURCE / "deploy/push.sh", "--from", self.release("1.0"), "--settle", "0",
             "--hosts", hosts], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        outcome = Outcome(done.returncode, done.stdout.decode())
        self.expect(outcome, LOST, "exit code 0", "exit code 3", "not tried")
        self.assert_runs("1.0", boards[0])
        self.assertEqual(boards[2].releases(), [])

    def test_wrong_arguments_are_told_apart(self):
        for wrong in (["--keep", "many"], ["--hosts", "/nowhere"], ["--nonsense"], ["a", "b"],
                      ["--purge-data"], []):
            with self.subTest(wrong):
                done = subprocess.run([SOURCE / "deploy/push.sh", *wrong], capture_output=True,
                                      check=False)
                self.assertEqual(done.returncode, USAGE, done.stderr)


class SelfTest(DeployTest):
    def selftest(self, *arguments):
        return self.run_script("selftest.sh", *arguments)

    def test_runs_what_is_deployed_and_passes_everything_through(self):
        self.expect(self.push(self.release("1.0")), DONE)
        outcome = self.selftest("board", "--", "--only", "it's quoted", "--json")
        self.expect(outcome, DONE)
        self.assertEqual(outcome.text, "selftest --only it's quoted --json\n")

    def test_says_so_when_a_check_fails(self):
        self.expect(self.push(self.release("1.0", "unfit-board")), DONE)
        self.expect(self.selftest("board"), 1)

    def test_takes_a_copy_along_to_a_board_that_has_none(self):
        before = self.board.picture()
        outcome = self.selftest("--from", self.release("1.0"), "board", "--", "--quick")
        self.expect(outcome, DONE)
        self.assertEqual(outcome.text, "selftest --quick\n")
        self.assertEqual(self.board.picture(), before)
        self.assertEqual(list((self.board.root / "tmp").iterdir()), [])

    def test_of_a_board_that_is_away_is_told_apart(self):
        self.board.sshd.stop_listening()
        self.expect(self.selftest("board"), LOST, "Connection refused")


if __name__ == "__main__":
    unittest.main()
