#!/usr/bin/env python3
"""What a board does when push.sh is interrupted: power cuts, crashes later on, links that fall silent.

Usage: recovery_test.py SOURCE-FOLDER FAKE-NODE [unittest arguments]
"""

import contextlib
import os
import re
import signal
import subprocess
import time
import unittest

from case import DONE, LOST, NOT_DONE, SOURCE, UNHEALTHY, UNIT, DeployTest
from sandbox import PowerCut, wait_for


class Interrupted(DeployTest):
    def push_all(self, *names):
        for name in names:
            self.expect(self.push(self.release(name)), DONE)

    def cut_at_restart(self):
        """The next `systemctl restart` is the last thing that the board does."""
        def cut():
            self.board.systemd.on_restart = None
            self.board.power_cut()
            raise PowerCut
        self.board.systemd.on_restart = cut

    def lose_watcher_at_restart(self):
        """push.sh and board.sh are gone at the next `systemctl restart`, which is done."""
        def lose():
            self.board.systemd.on_restart = None
            self.board.sshd.cut()
            self.board.sshd.kill_sessions()
        self.board.systemd.on_restart = lose

    def push_and_cut(self, release):
        self.cut_at_restart()
        self.expect(self.push(release), LOST)

    def wait_until_runs(self, name):
        wait_for(f"{name} runs", lambda: (self.board.link("current") or "").startswith(name) and
                 self.board.systemd.property("ActiveState") == "active")
        self.assert_runs(name)

    def trial(self):
        path = self.board.opt / "trial"
        return path.read_text().split()[1] if path.exists() else None

    def previous(self):
        return (self.board.link("previous") or "none")[:3]


class PowerIsCut(Interrupted):
    def test_between_switch_and_check_the_board_goes_back_at_its_next_start(self):
        self.push_all("1.0", "1.1", "1.2")
        self.push_and_cut(self.release("1.3"))
        self.board.boot()
        self.assert_runs("1.2")
        self.assertEqual(self.previous(), "1.1")
        self.assertIsNone(self.trial())
        outcome = self.push(self.release("1.4"), "--dry-run")
        self.expect(outcome, DONE, "went back by itself: 1.3", "was never seen healthy")

    def test_without_a_start_rollback_goes_to_the_version_that_ran_before(self):
        self.push_all("1.0", "1.1", "1.2")
        self.lose_watcher_at_restart()
        self.expect(self.push(self.release("1.3", "never-seals")), LOST)
        wait_for("1.3 runs", lambda: self.board.systemd.property("ActiveState") == "active")
        self.assert_runs("1.3")
        self.expect(self.rollback(), DONE)
        self.assert_runs("1.2")
        self.assertEqual(self.previous(), "1.1")

    def test_in_the_first_update_ever_the_first_version_is_kept(self):
        self.push_all("1.0")
        self.push_and_cut(self.release("1.1", "fails-at-start"))
        self.board.boot()
        self.assert_runs("1.0")
        self.expect(self.rollback("--dry-run"), NOT_DONE, "no previous version")

    def test_unit_and_configuration_go_back_with_the_version(self):
        self.push_all("1.0")
        before = self.board.systemd.unit_file.read_text()
        self.push_and_cut(self.release("1.1", conf="every = 1s\n", unit=UNIT + "MemoryMax=64M\n"))
        self.assertIn("MemoryMax", self.board.systemd.unit_file.read_text())
        self.board.boot()
        self.assertEqual(self.board.conf.read_text(), "every = 5s\n")
        self.assertEqual(self.board.systemd.unit_file.read_text(), before)

    def test_before_the_switch_the_old_version_starts_and_nothing_is_left_of_the_trial(self):
        self.push_all("1.0", "1.1")
        self.push_and_cut(self.release("1.2"))
        (self.board.opt / "current").unlink()  # as if the link had not been renamed
        (self.board.opt / "current").symlink_to("releases/" + next(
            name for name in self.board.releases() if name.startswith("1.1")))
        self.board.boot()
        self.assert_runs("1.1")
        self.assertIsNone(self.trial())
        self.assertFalse(self.board.systemd.trial_file.exists())

    def test_during_the_very_first_push_the_only_version_starts_and_can_be_confirmed(self):
        release = self.release("1.0")
        self.push_and_cut(release)
        self.board.boot()
        self.assert_runs("1.0")
        self.expect(self.push(release, "--dry-run"), DONE, "never confirmed", "would upload")
        self.expect(self.push(release), DONE, "runs and is healthy")
        self.expect(self.push(release), DONE, "is already running, healthy")

    def test_after_the_check_the_new_version_stays(self):
        self.push_all("1.0", "1.1")
        self.assertEqual(self.trial(), "healthy")
        self.board.power_cut()
        self.board.boot()
        self.assert_runs("1.1")
        self.assertIsNone(self.trial())
        self.assertFalse(self.board.systemd.trial_file.exists())

    def test_while_it_goes_back_the_board_goes_back_at_its_next_start(self):
        self.push_all("1.0")

        def cut_at_the_second():
            self.cut_at_restart()
        self.board.systemd.on_restart = cut_at_the_second
        self.expect(self.push(self.release("1.1", "fails-at-start")), LOST)
        self.board.boot()
        self.assert_runs("1.0")


class Crashes(Interrupted):
    def test_a_version_that_nobody_watches_is_given_up_at_its_third_crash(self):
        self.push_all("1.0")
        self.lose_watcher_at_restart()
        starts = self.board.systemd.starts
        self.expect(self.push(self.release("1.1", "crashes-later")), LOST)
        self.wait_until_runs("1.0")
        self.assertEqual(self.board.systemd.starts, starts + 3 + 1)
        self.assertEqual(self.board.systemd.unit_file.read_text().count("ExecStart"), 1)

    def test_a_version_that_was_healthy_is_given_up_at_its_third_crash_soon_after(self):
        self.push_all("1.0", "1.1")
        self.expect(self.push(self.release("1.2", "crashes-on-demand")), DONE)
        (self.board.root / "run/crash").touch()
        self.wait_until_runs("1.1")
        self.assertEqual(self.previous(), "1.0")  # what was given up is nothing to go back to
        outcome = self.push(self.release("1.3"), "--dry-run")
        self.expect(outcome, DONE, "has crashed three times within ten minutes")

    def test_a_version_that_has_outlived_ten_minutes_is_not_given_up(self):
        self.push_all("1.0")
        self.expect(self.push(self.release("1.1", "crashes-on-demand")), DONE)
        switched = self.board.root / "run/roost-push/switched"
        switched.write_text(f"{int(switched.read_text()) - 700}\n")
        (self.board.root / "run/crash").touch()
        wait_for("the trial ends", lambda: self.trial() is None)
        (self.board.root / "run/crash").unlink()
        self.wait_until_runs("1.1")

    def test_a_healthy_version_is_not_given_up_for_settings_that_somebody_broke(self):
        self.push_all("1.0")
        self.expect(self.push(self.release("1.1", "knows-no-every")), DONE)
        self.board.conf.write_text("every = 9s\n")
        self.board.systemd.command(["restart"])
        wait_for("the trial ends", lambda: self.trial() is None)
        self.assertEqual(self.board.link("current")[:3], "1.1")
        self.assertEqual(self.board.systemd.property("ActiveState"), "failed")

    def test_a_new_version_is_not_refused_for_the_starts_of_the_one_before(self):
        """After some starts in a short time systemd refuses more, by hand, too."""
        self.push_all("1.0")
        self.lose_watcher_at_restart()
        self.expect(self.push(self.release("1.1", "crashes-later")), LOST)
        self.wait_until_runs("1.0")
        self.push_all("1.2", "1.3", "1.4")
        self.assert_runs("1.4")

    def test_the_guard_leaves_a_version_to_the_push_that_watches_it(self):
        self.push_all("1.0")
        guarded = self.board.systemd.guarded
        self.expect(self.push(self.release("1.1", "crashes-later"), settle=2), NOT_DONE, "rolled back, 1.0")
        self.assertGreater(self.board.systemd.guarded, guarded)
        self.assert_runs("1.0")

    def test_where_nothing_was_healthy_there_is_nothing_to_go_back_to(self):
        self.lose_watcher_at_restart()
        self.expect(self.push(self.release("1.0", "crashes-later")), LOST)
        wait_for("it has failed", lambda: self.board.systemd.property("ActiveState") == "failed")
        self.assertEqual(self.board.link("current")[:3], "1.0")
        self.expect(self.push(self.release("1.1")), DONE)


class NeverHealthy(Interrupted):
    """1.1 was never seen healthy, and is what runs."""

    def setUp(self):
        super().setUp()
        self.push_all("1.0")
        self.lose_watcher_at_restart()
        self.expect(self.push(self.release("1.1", "never-seals")), LOST)
        wait_for("1.1 runs", lambda: self.board.systemd.property("ActiveState") == "active")
        self.assert_runs("1.1")

    def test_it_does_not_become_the_previous_version(self):
        self.push_all("1.2")
        self.assertEqual(self.previous(), "1.0")
        self.assertEqual([name[:3] for name in self.board.releases()], ["1.0", "1.2"])

    def test_no_healthy_version_is_removed_for_it(self):
        self.expect(self.push(self.release("1.2"), "--keep", "0"), DONE, "removed 1.1")
        self.assertEqual([name[:3] for name in self.board.releases()], ["1.0", "1.2"])

    def test_a_push_that_fails_goes_back_to_what_was_healthy(self):
        self.expect(self.push(self.release("1.2", "fails-at-start")), NOT_DONE, "rolled back, 1.0")
        self.assert_runs("1.0")

    def test_pushed_again_it_goes_back_to_what_was_healthy(self):
        release = self.scratch / "1.1"
        self.expect(self.push(release, wait=1), NOT_DONE, "no reading has been sealed", "rolled back, 1.0")
        self.assert_runs("1.0")

    def test_rollback_goes_to_what_was_healthy(self):
        self.expect(self.rollback("--dry-run"), DONE, "never confirmed", "to 1.0")
        self.expect(self.rollback(), DONE)
        self.assert_runs("1.0")


class Boards(Interrupted):
    def test_of_an_older_push_keep_what_they_knew(self):
        """Those have links and an order, and no list of what was healthy."""
        self.push_all("1.0", "1.1")
        for name in ("good", "trial", "guard.sh"):
            (self.board.opt / name).unlink()
        (self.board.opt / "order").write_text("".join(f"{name}\n" for name in self.board.releases()))
        self.expect(self.push(self.scratch / "1.1"), DONE, "is already running, healthy")
        self.expect(self.rollback("--dry-run"), DONE, "to 1.0")
        self.push_all("1.2")
        self.assertEqual(self.previous(), "1.1")
        self.assertFalse((self.board.opt / "order").exists())
        self.assertEqual(len(self.board.releases()), 3)

    def test_a_folder_of_an_unpacking_that_was_cut_is_removed(self):
        self.push_all("1.0")
        (self.board.opt / "releases/0.9-gabc-0123456789ab.new/bin").mkdir(parents=True)
        self.push_all("1.1")
        self.assertEqual([name[:3] for name in self.board.releases()], ["1.0", "1.1"])


class Time(Interrupted):
    def test_wait_counts_seconds_and_not_turns(self):
        """On a board where each answer takes 1 s a turn takes more than 3 s: five turns would be 15 s."""
        self.push_all("1.0")
        systemd, turns = self.board.systemd, []

        def count():
            turns.append(systemd.asked.count("NRestarts"))  # asked once in each turn
            systemd.asked.clear()
            systemd.slow_s = 1 if len(turns) == 1 else 0
        systemd.on_restart = count
        self.expect(self.push(self.release("1.1", "never-seals"), wait=5), NOT_DONE, "rolled back")
        self.assertEqual(len(turns), 2)
        self.assertLessEqual(turns[1], 3)

    def test_wait_bounds_a_restart_that_does_not_get_ready(self):
        self.push_all("1.0")
        release = self.release("1.1", "never-ready")
        start = time.monotonic()
        outcome = self.push(release, wait=2)
        self.expect(outcome, NOT_DONE, "NOT HEALTHY: the service is activating", "rolled back")
        self.assertLess(time.monotonic() - start, 50)  # the service's own bound is a minute here

    def test_numbers_may_begin_with_a_zero(self):
        self.expect(self.push(self.release("1.0"), "--wait", "08", "--settle", "00"), DONE)


class SilentLink(Interrupted):
    """A link that dies without a word, as Wi-Fi does. ssh gives up after 2 s here, not 30."""

    QUICK = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1")

    def use_board(self, silent_s):
        """One that gives up after `silent_s` seconds, not 45."""
        self.board = self.new_board(ROOST_SILENT_S=str(silent_s))
        self.board.use_relay()
        self.push_all("1.0")

    def fall_silent(self, release):
        """A push whose link stops in mid-upload."""
        uploaded = self.board.sshd.uploaded
        push = subprocess.Popen(self.command("push.sh", *self.QUICK, "--from", release, "board"),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_for("the upload begins", lambda: self.board.sshd.uploaded > uploaded)
        self.board.signal_relays(signal.SIGSTOP)
        text = push.communicate(timeout=600)[0]
        self.assertEqual(push.returncode, LOST, text)
        self.assertIn("run the same command again", text)

    def test_frees_the_lock_by_itself(self):
        self.use_board(15)
        self.fall_silent(self.release("1.1", padding=8_000_000))
        wait_for("the board gives up", lambda: not self.board.is_locked())

    def test_the_same_command_again_waits_for_the_lock_and_goes_on(self):
        # The test says when the board gives the first push up, so that the machine may be busy.
        self.use_board(3000)
        release = self.release("1.1", padding=8_000_000)
        self.fall_silent(release)
        relays = list(self.board.relays.glob("*"))
        # As if the last beat had come long ago: more than a third of the 3000 s.
        holder = self.board.root / "run/roost-push/holder"
        since, said, rest = holder.read_text().split(maxsplit=2)
        holder.write_text(f"{since} {int(said) - 1500} {rest}")
        again = subprocess.Popen(self.command("push.sh", "--from", release, "board"),
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        text = ""
        while "has not been heard of" not in text:
            line = again.stdout.readline()
            self.assertTrue(line, text)
            text += line
        for relay in relays:
            with contextlib.suppress(ProcessLookupError):  # of a push that has ended
                os.kill(int(relay.name), signal.SIGKILL)
        text += again.communicate(timeout=600)[0]
        self.assertEqual(again.returncode, DONE, text)
        self.assertIn("are there from before; going on", text)
        self.assert_runs("1.1")

    def test_no_bound_is_above_a_minute(self):
        text = "".join((SOURCE / "deploy" / name).read_text() for name in ("push.sh", "board.sh"))
        bounds = re.findall(r"ROOST_SILENT_S-(\d+)|timeout -s KILL (\d+) head", text)
        self.assertEqual(len(bounds), 2)
        for bound in bounds:
            self.assertLess(int("".join(bound)), 60 - 5)  # a beat may have come just before

    def test_a_push_that_is_heard_of_keeps_the_lock(self):
        """The link is slow and alive: for longer than the bound nothing but beats comes."""
        self.use_board(15)
        self.board.sshd.hold_upload_until = time.monotonic() + 18
        self.expect(self.push(self.release("1.1")), DONE)
        self.assertGreater(time.monotonic(), self.board.sshd.hold_upload_until)


class Lock(Interrupted):
    def test_names_its_holder_and_age(self):
        self.push_all("1.0")
        texts = []

        def push_too():
            self.board.systemd.on_restart = None
            texts.append(self.push(self.release("1.2")))
        self.board.systemd.on_restart = push_too
        self.expect(self.push(self.release("1.1")), DONE)
        self.expect(texts[0], NOT_DONE)
        self.assertRegex(texts[0].text, r"another push is at work on this board: \w+@\S+, since \d+ s \(switch\)")


if __name__ == "__main__":
    unittest.main()
