#!/usr/bin/env python3
"""What roost-node tells the journal, asked of Debian's systemd-journald itself: entries are found by their fields.

Usage: journal_test.py ROOT ROOST_NODE
Needs root, namespaces of mounts and processes, and Debian's systemd; exits with 77 where one of them is not to be had.
The journal is in memory, in namespaces of its own: this machine's is not touched.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

ROOT, NODE = (pathlib.Path(argument).absolute() for argument in sys.argv[1:3])
JOURNALD = pathlib.Path("/usr/lib/systemd/systemd-journald")
SKIPPED = 77
HANG_S = 300

# A tmpfs in the place of /run, and a journald that keeps its journal there. The node's standard error is a stream of
# the journal's, as systemd gives one to a service. The node runs until an entry of it is found by its field.
SCRIPT = r"""
set -e
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log || exit 77
mkdir -p /run/systemd/journal /run/log/journal
echo 0123456789abcdef0123456789abcdef >/run/machine-id
mount --bind /run/machine-id /etc/machine-id || exit 77
"$1" >&2 &
journald=$!
until [ -S /run/systemd/journal/stdout ]; do kill -0 $journald; sleep 0.05; done
systemd-cat -t node sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@" >/dev/null' sh "$2" \
  --db /run/node.db --name node7 --every 50ms --seal-every 50ms --quiet \
  --remote 'postgresql://nobody@127.0.0.1:1/none?sslmode=disable' &
node=$!
until journalctl --quiet --no-pager ROOST_STATE=degraded | grep -q .; do kill -0 $node; sleep 0.05; done
kill -TERM $node
wait $node
journalctl --sync
journalctl --output json --no-pager _TRANSPORT=journal SYSLOG_IDENTIFIER=roost-node
"""


def entries():
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
                           "sh", "-c", SCRIPT, "sh", JOURNALD, NODE],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=HANG_S)
    if done.returncode == SKIPPED:
        sys.exit(SKIPPED)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


class JournalTest(unittest.TestCase):
    def test_entries_have_fields_and_the_catalogue_explains_them(self):
        told = entries()
        away = [entry for entry in told if entry.get("ROOST_POOL") == "remote"]
        self.assertEqual([entry["ROOST_EVENT"] for entry in away], ["connect_failed"], "it stays away: one change")
        self.assertEqual(away[0]["ROOST_CODE"], "unavailable")
        self.assertEqual(away[0]["PRIORITY"], "4")
        self.assertIn("pool remote: its database is away", away[0]["MESSAGE"])
        states = [entry["ROOST_STATE"] for entry in told if "ROOST_STATE" in entry]
        self.assertEqual(states[-2:], ["degraded", "ending"], "a remote is away")
        catalogue = (ROOT / "deploy/systemd/roostpool.catalog").read_text(encoding="utf-8")
        for entry in told:
            self.assertIn(f"\n-- {entry['MESSAGE_ID']}\n", catalogue)


if __name__ == "__main__":
    if os.geteuid() != 0 or not JOURNALD.exists() or not all(map(shutil.which, ("unshare", "systemd-cat", "journalctl"))):
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1])
