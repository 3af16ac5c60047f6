#!/usr/bin/env python3
"""deploy/guard.sh under a real systemd, which is process 1 of namespaces of its own.

Needs root, namespaces, a control group of its own and Debian's systemd; exits with 77 where one of them
is not to be had. Usage: systemd_test.py SOURCE-FOLDER [unittest arguments]
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

SOURCE = Path(sys.argv[1])
del sys.argv[1]
BOX = Path(__file__).resolve().parent / "systemd_in_a_box.sh"
SKIPPED = 77
HANG_S = 600
UNIT = """[Unit]
StartLimitIntervalSec=1h
StartLimitBurst=10
[Service]
ExecStart=/opt/roost/current/bin/roost-node
Restart=on-failure
RestartSec=100ms
RestartPreventExitStatus=2
"""


def wait_for(what, holds):
    limit = time.monotonic() + HANG_S
    while not holds():
        if time.monotonic() > limit:
            raise AssertionError(f"{what}: not within {HANG_S} s")
        time.sleep(0.02)


class Box:
    """One systemd, and commands beside it."""

    def __init__(self):
        groups = Path("/sys/fs/cgroup")
        top = groups / "systemd" if (groups / "systemd").is_dir() else groups
        self.group = top / f"roost-test-{os.getpid()}"
        self.group.mkdir()
        self._log = open("/dev/null" if "-v" not in sys.argv else "/dev/stderr", "wb")
        self._outer = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount", "--uts", "--ipc", BOX, self.group],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        try:
            wait_for("systemd answers", self._answers)
        except BaseException:
            self.close()
            raise

    def _answers(self):
        if self._outer.poll() is not None:
            raise OSError("no systemd can be run here")
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        if not children:
            return False
        self._pid = children[0]
        comm = Path(f"/proc/{self._pid}/comm").read_text()
        return comm == "systemd\n" and self.run("systemctl show --property Version").returncode == 0

    def run(self, script, stdin=""):
        return subprocess.run(["nsenter", "--target", self._pid, "--mount", "--pid", "sh", "-c", script],
                              input=stdin, capture_output=True, text=True, check=False, timeout=HANG_S)

    def do(self, script, stdin=""):
        done = self.run(script, stdin)
        if done.returncode != 0:
            raise AssertionError(f"{script}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def close(self):
        if self._outer.poll() is None:
            self._outer.send_signal(signal.SIGKILL)
        self._outer.wait()
        for _ in range(HANG_S * 10):  # a group is busy until the last of its processes is gone
            with contextlib.suppress(OSError):
                for folder in sorted(self.group.rglob("*"), reverse=True):
                    if folder.is_dir():
                        folder.rmdir()
                self.group.rmdir()
                break
            time.sleep(0.1)
        self._log.close()


class GuardTest(unittest.TestCase):
    """`old` was healthy; `new` is on trial."""

    @classmethod
    def setUpClass(cls):
        cls.box = Box()
        cls.addClassCleanup(cls.box.close)

    def setUp(self):
        self.addCleanup(self.box.run, "systemctl stop roost-node; systemctl reset-failed; rm -rf /opt/roost "
                        "/etc/roost /run/roost-push /run/starts /run/fine /etc/systemd/system/roost-*; systemctl daemon-reload")
        self.box.do("mkdir -p /opt/roost/releases; cat >/opt/roost/guard.sh",
                    (SOURCE / "deploy/guard.sh").read_text())
        self.release("old-000000000000", "sleep 1000")
        self.guard("mark_good old-000000000000; make_current '' old-000000000000; "
                   "systemctl start roost-node")

    def release(self, name, script, unit=UNIT):
        """A version whose node notes that it was started, and goes on with `script`."""
        folder = f"/opt/roost/releases/{name}"
        self.box.do(f"mkdir -p {folder}/bin && cat >{folder}/bin/roost-node && chmod 755 {folder}/bin/roost-node",
                    f"#!/bin/sh\necho {name} >>/run/starts\n{script}\n")
        self.box.do(f"cat >{folder}/roost-node.service", unit)
        self.box.do(f"cat >{folder}/roost-node.conf", f"# {name}\n")

    def guard(self, script):
        """With the functions of guard.sh."""
        return self.box.do(f". /opt/roost/guard.sh; {script}")

    def switch_to(self, name, *then):
        self.guard(f"begin_trial {name}; make_current old-000000000000 {name}; "
                   f"systemctl reset-failed roost-node; " + "; ".join(then or ["true"]))

    def why(self):
        """For messages: what the guard said when it went back."""
        return self.box.run("cat /opt/roost/gave_up /run/starts; systemctl status --no-pager roost-node roost-guard").stdout

    def start(self):
        self.box.run("systemctl restart roost-node")

    def starts(self):
        return self.box.do("cat /run/starts").split()

    def state(self, name):
        return self.box.do(f"systemctl show --property {name} --value roost-node")

    def wait_until_runs(self, name):
        wait_for(f"{name} runs", lambda: self.state("ActiveState") == "active" and
                 self.box.do("cat /proc/$(systemctl show --property MainPID --value roost-node)/cmdline | tr '\\0' ' '")
                 .startswith(("/bin/sh /opt/roost/current", "sleep")) and self.box.do("readlink /opt/roost/current") ==
                 f"releases/{name}")
        self.assertEqual(self.starts()[-1], name)

    def assert_no_trial(self):
        self.box.do("test ! -e /opt/roost/trial; test ! -e /etc/systemd/system/roost-node.service.d")
        wait_for("systemd knows", lambda: self.state("StartLimitBurst") == "10")

    def test_the_third_crash_ends_a_trial(self):
        self.release("new-000000000000", "exit 1")
        self.switch_to("new-000000000000")
        self.start()
        self.wait_until_runs("old-000000000000")
        self.assertEqual(self.starts().count("new-000000000000"), 3, self.why())
        self.assert_no_trial()
        self.assertEqual(self.box.do("cat /etc/roost/roost-node.conf"), "# old-000000000000")

    def test_a_start_of_the_board_ends_a_trial_before_the_version_is_started(self):
        self.release("new-000000000000", "sleep 1000", UNIT.replace("100ms", "5s"))
        self.switch_to("new-000000000000")
        self.box.do("systemctl stop roost-node; rm -r /run/roost-push")  # what a start of the board clears
        self.assertEqual(self.state("RestartUSec"), "5s")
        self.start()
        self.wait_until_runs("old-000000000000")
        self.assertNotIn("new-000000000000", self.starts())
        self.assertEqual(self.state("RestartUSec"), "100ms")
        self.assert_no_trial()

    def test_settings_that_a_new_version_refuses_end_its_trial_at_once(self):
        self.release("new-000000000000", "exit 2")
        self.switch_to("new-000000000000")
        self.start()
        self.wait_until_runs("old-000000000000")
        self.assertEqual(self.starts().count("new-000000000000"), 1, self.why())

    def test_a_version_that_was_healthy_is_given_up_at_its_third_crash_soon_after(self):
        self.release("new-000000000000", "[ ! -e /run/fine ] || exec sleep 1000; exit 1")
        self.box.do("touch /run/fine")
        self.switch_to("new-000000000000", "systemctl start roost-node", "mark_good new-000000000000",
                       "pass_trial new-000000000000")
        self.start()
        self.wait_until_runs("new-000000000000")
        self.box.do("rm /run/fine; systemctl kill --signal KILL roost-node")
        self.wait_until_runs("old-000000000000")
        self.assertEqual(self.box.do("cat /opt/roost/good"), "old-000000000000")
        self.assert_no_trial()

    def test_a_version_that_has_outlived_its_trial_has_the_ordinary_limits(self):
        self.release("new-000000000000", "exit 1")
        self.switch_to("new-000000000000", "mark_good new-000000000000", "pass_trial new-000000000000",
                       "echo 1 >/run/roost-push/switched")
        if float(Path("/proc/uptime").read_text().split()[0]) < 700:
            self.skipTest("this machine has just been started")
        self.start()
        wait_for("ten more starts", lambda: self.starts().count("new-000000000000") == 3 + 10)
        wait_for("systemd gives up", lambda: self.state("ActiveState") == "failed")
        self.assertEqual(self.box.do("readlink /opt/roost/current"), "releases/new-000000000000")
        self.assert_no_trial()

    def test_settings_that_somebody_broke_are_left_to_people(self):
        self.release("new-000000000000", "exit 2")
        self.switch_to("new-000000000000", "mark_good new-000000000000", "pass_trial new-000000000000")
        self.start()
        wait_for("the trial ends", lambda: self.box.run("test -e /opt/roost/trial").returncode != 0)
        self.assert_no_trial()
        self.assertEqual(self.state("ActiveState"), "failed")
        self.assertEqual(self.box.do("readlink /opt/roost/current"), "releases/new-000000000000")

    def test_a_push_at_work_is_left_alone(self):
        self.release("new-000000000000", "exit 1")
        self.switch_to("new-000000000000")
        self.box.do("cat >/etc/systemd/system/roost-holder.service; systemctl start roost-holder",
                    "[Service]\nExecStart=flock --no-fork /opt/roost/lock sleep 1000\n")
        self.addCleanup(self.box.run, "systemctl stop roost-holder")
        wait_for("it is locked", lambda: self.box.run("flock -n /opt/roost/lock true").returncode != 0)
        self.start()
        wait_for("systemd gives up", lambda: self.state("ActiveState") == "failed")
        wait_for("the guard has ended", lambda: self.box.do(
            "systemctl show --property ActiveState --value roost-guard") == "inactive")
        self.assertEqual(self.box.do("readlink /opt/roost/current"), "releases/new-000000000000")

    def test_a_drop_in_of_an_administrator_stays(self):
        self.box.do("mkdir /etc/systemd/system/roost-node.service.d; cat >/etc/systemd/system/"
                    "roost-node.service.d/override.conf", "[Service]\nRestartSec=50ms\n")
        self.release("new-000000000000", "exit 1")
        self.switch_to("new-000000000000")
        self.start()
        self.wait_until_runs("old-000000000000")
        self.assertEqual(self.box.do("ls /etc/systemd/system/roost-node.service.d"), "override.conf")
        self.assertEqual(self.state("RestartUSec"), "50ms")

    def test_systemd_understands_every_line(self):
        self.release("new-000000000000", "sleep 1000")
        self.switch_to("new-000000000000")
        if shutil.which("systemd-analyze"):
            said = self.box.run("systemd-analyze verify --man=no /etc/systemd/system/roost-guard.service "
                                "/etc/systemd/system/roost-node.service")
            self.assertEqual((said.returncode, said.stderr), (0, ""))


if __name__ == "__main__":
    if os.geteuid() != 0 or not Path("/lib/systemd/systemd").exists():
        sys.exit(SKIPPED)
    # One at a time on this machine: where it has control groups of version 1, systemd mounts version 2 besides, in
    # which all boxes have the same groups, and each waits for the processes of the others.
    one = open("/run/lock/roost-systemd-test", "w", encoding="ascii")
    fcntl.flock(one, fcntl.LOCK_EX)
    try:
        Box().close()
    except (OSError, AssertionError):
        sys.exit(SKIPPED)
    unittest.main()
