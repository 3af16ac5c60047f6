#!/usr/bin/env python3
"""A day in the life of a node and its server, for people to read: outage, backlog, a failover that loses what
was acknowledged, a bad row, a full card, a restored server; and at its end the balance of both sides.

Usage: day.py BUILD    the folder of a build of this repository

It starts a PostgreSQL of its own, in a temporary folder on a free port of 127.0.0.1, and a card that is a
file with an ext4 in it, which takes root to mount. Exit codes: 0 nothing is missing and nothing there
twice, 1 something is, 2 the arguments are wrong or the day could not begin.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 60  # only a day that has gone wrong waits so long
CARD_BYTES = 24 << 20


class WentWrong(Exception):
    pass


def wait_for(what, holds):
    limit = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > limit:
            raise WentWrong(f"not within {PATIENCE_S} s: {what}")
        time.sleep(0.05)


def chapter(title):
    print(f"\n== {title}", flush=True)


def say(text):
    print("   " + text.rstrip().replace("\n", "\n   "), flush=True)


class Server:
    """A PostgreSQL with a folder of its own; it does not run as root, so root becomes postgres for it."""

    def __init__(self, folder):
        self.folder = folder / "server"
        self.folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found:
            raise WentWrong("no PostgreSQL under /usr/lib/postgresql; install the package postgresql-15")
        self.programs = found[-1].parent
        self.as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        if self.as_postgres:
            shutil.chown(self.folder, "postgres", "postgres")
            folder.chmod(0o755)
        self._run([self.programs / "initdb", "--pgdata", self.data, "--no-sync", "--auth=trust", "--username=postgres",
                   "--locale=C", "--encoding=UTF8"])
        self.postmaster = None
        self.start()

    @property
    def data(self):
        return self.folder / "data"

    def _run(self, command):
        done = subprocess.run([*self.as_postgres, *command], capture_output=True, text=True, check=False, cwd=self.folder)
        if done.returncode != 0:
            raise WentWrong(f"{command[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.postmaster = subprocess.Popen(
                [*self.as_postgres, self.programs / "postgres", "-D", self.data, "-p", str(self.port), "-k", self.folder,
                 "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"], stdout=log, stderr=log, cwd=self.folder)
        wait_for("the server takes sessions", lambda: subprocess.run(
            [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode == 0)

    def stop(self, how=signal.SIGINT):
        self.postmaster.send_signal(how)
        self.postmaster.wait(PATIENCE_S)

    def backup(self):
        self.stop()
        shutil.rmtree(self.folder / "backup", ignore_errors=True)
        self._run(["cp", "-a", self.data, self.folder / "backup"])
        self.start()

    def restore(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.data)
        self._run(["cp", "-a", self.folder / "backup", self.data])
        self.start()

    def sql(self, text):
        return self._run([self.programs / "psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.port), "-U",
                          "postgres", "-c", text]).strip()

    def uri(self, user):
        return f"postgresql://{user}@127.0.0.1:{self.port}/postgres"


class Day:
    def __init__(self, build, folder):
        self.folder = folder
        self.node_program = build / "src/tools/roost-node/roost-node"
        self.roostctl = build / "src/tools/roostctl/roostctl"
        self.server = None
        self.node = None
        self.taken = 0
        self.card = folder / "card"
        self.card.mkdir()

    def ctl(self, *words, show=True, may_fail=False):
        done = subprocess.run([self.roostctl, *words], capture_output=True, text=True, check=False)
        if show:
            say("$ roostctl " + " ".join(str(word) for word in words))
            say(done.stdout + done.stderr)
        if done.returncode != 0 and not may_fail:
            raise WentWrong(f"roostctl {words[0]} ended with {done.returncode}: {done.stderr}")
        return done.returncode, done.stdout

    @property
    def db(self):
        return self.card / "node.db"

    def status(self):
        try:
            return json.loads((self.folder / "status.json").read_text())
        except (OSError, ValueError):
            return {}

    def outbox(self):
        return self.status().get("outbox") or {}

    def mount_card(self):
        image = self.folder / "card.img"
        with open(image, "wb") as file:
            file.truncate(CARD_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, self.card], check=True)

    def start_node(self):
        command = [self.node_program, "--db", self.db, "--stdin", "--name", "balcony", "--batch", "100", "--seal-every",
                   "50ms", "--remote", self.server.uri("roost_node"), "--token-file", self.folder / "balcony.token",
                   "--forward-every", "100ms", "--status-file", self.folder / "status.json", "--status-every", "100ms"]
        say("$ roost-node " + " ".join(str(word) for word in command[1:]))
        self.log = open(self.folder / "node.log", "ab")
        self.node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log)

    def node_says(self):
        """What it has logged since the last question."""
        if not hasattr(self, "said"):
            self.said = 0
        text = (self.folder / "node.log").read_bytes()[self.said:]
        self.said += len(text)
        for line in text.decode(errors="replace").splitlines():
            if not line.startswith("<7>"):  # what a pool does, for whoever looks for an error in it
                say("node: " + line.removeprefix("<6>").removeprefix("<5>").removeprefix("<4>").removeprefix("<3>"))

    def feed(self, count, value=None):
        lines = []
        for _ in range(count):
            self.taken += 1
            lines.append(f"temperature {self.taken if value is None else value} C\n")
        self.node.stdin.write("".join(lines).encode())
        self.node.stdin.flush()

    def at_server(self):
        return int(self.server.sql("SELECT count(*) FROM roost.reading"))

    def accounted(self):
        return int(self.server.sql("SELECT coalesce(sum(accounted), 0) FROM roost.balance"))

    def try_at_once(self):
        self.node.send_signal(signal.SIGHUP)

    def wait_until_all_arrived(self):
        def holds():
            if self.accounted() >= self.taken:
                return True
            self.try_at_once()
            time.sleep(0.2)
            return False
        began = time.monotonic()
        wait_for("everything has arrived", holds)
        say(f"{self.accounted()} of {self.taken} readings are accounted for at the server, "
            f"{time.monotonic() - began:.1f} s later")
        self.node_says()

    # ---- The chapters ----

    def morning(self):
        chapter("Morning: an empty server, an empty card")
        self.server = Server(self.folder)
        self.ctl("server", "init", self.server.uri("postgres"))
        self.ctl("server", "add-node", self.server.uri("postgres"), "balcony", "--token-file", self.folder / "balcony.token")
        self.mount_card()
        self.start_node()
        self.feed(500)
        self.wait_until_all_arrived()
        self.server.backup()
        say("the server's operator makes a backup")

    def outage(self):
        chapter("An outage: the server is away, 2,000 readings wait")
        self.server.stop()
        self.feed(2000)
        wait_for("they wait", lambda: self.outbox().get("waiting", 0) >= 2000)
        self.node_says()
        self.ctl("outbox", "show", "--db", self.db)
        self.server.start()
        self.feed(1)
        self.wait_until_all_arrived()

    def failover(self):
        chapter("A failover that loses what was acknowledged")
        self.server.backup()
        self.feed(300)
        self.wait_until_all_arrived()
        before = self.at_server()
        self.server.restore()
        say(f"the new primary has {self.at_server()} of {before} readings that were acknowledged")
        self.feed(10)
        self.wait_until_all_arrived()

    def poison(self):
        chapter("Three bad rows among 500: a rule of the server refuses them")
        self.server.sql("ALTER TABLE roost.reading ADD CONSTRAINT sane CHECK (v < 1e6)")
        self.feed(250)
        self.feed(3, value=1e9)
        self.feed(247)
        self.wait_until_all_arrived()
        say("rejected: " + self.server.sql("SELECT string_agg(seq || ' ' || v || ' ' || state, ', ') FROM roost.reject"))

    def full_card(self):
        chapter("The card is full: somebody else's file takes all of it")
        blocker = self.card / "video"
        with open(blocker, "wb") as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
                    file.flush()
            except OSError:
                pass
        self.feed(1500)
        time.sleep(1)
        self.node_says()
        blocker.unlink()
        say("the file is removed")
        self.wait_until_all_arrived()

    def power_cut(self):
        chapter("kill -9 in the middle, and a new start")
        before = self.last_number()
        self.feed(400)
        wait_for("something of it is stored", lambda: self.last_number() > before)
        self.node.kill()
        self.node.wait()
        self.node_says()
        self.taken = self.last_number()
        say(f"{self.taken} readings were stored; what was not is not promised")
        self.start_node()
        self.feed(100)
        self.wait_until_all_arrived()

    def last_number(self):
        with contextlib.closing(sqlite3.connect(self.db)) as database:
            return database.execute("SELECT coalesce(max(seq), 0) FROM reading").fetchone()[0]

    def night(self):
        chapter("Night: the server is restored from its backup of the last failover")
        self.server.restore()
        say(f"it has {self.at_server()} readings")
        self.feed(1)  # the node asks the server when it has something to send
        self.wait_until_all_arrived()

    def balance(self):
        chapter("The balance")
        self.node.send_signal(signal.SIGTERM)
        ended = self.node.wait(PATIENCE_S)
        self.node_says()
        say(f"the node ended with {ended}")
        code, _ = self.ctl("outbox", "verify", "--db", self.db, "--server", self.server.uri("postgres"), "--node", "balcony",
                           may_fail=True)
        twice = self.server.sql("SELECT count(*) - count(DISTINCT (node, epoch, seq)) FROM roost.reading")
        given_up = self.server.sql("SELECT string_agg(why || ': ' || numbers, ', ') FROM (SELECT why, sum(numbers) AS numbers FROM roost.gap "
                                   "GROUP BY 1) g")
        if given_up:
            say(f"deleted here when the card was full, then lost by the server (reason 4): {given_up}")
        missing = self.server.sql("SELECT coalesce(sum(missing), 0) FROM roost.balance")
        say(f"missing {missing}, twice {twice}")
        return 0 if code == 0 and missing == "0" and twice == "0" else 1

    def close(self):
        if self.node is not None and self.node.poll() is None:
            self.node.kill()
            self.node.wait()
        if self.server is not None and self.server.postmaster.poll() is None:
            self.server.stop(signal.SIGQUIT)
        subprocess.run(["umount", self.card], check=False, stderr=subprocess.DEVNULL)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(arguments[1]).resolve()
    if os.getuid() != 0:
        print("day.py: mounting the card takes root", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="roost-day-") as name:
        began = time.monotonic()
        day = Day(build, pathlib.Path(name))
        try:
            day.morning()
            day.outage()
            day.failover()
            day.poison()
            day.full_card()
            day.power_cut()
            day.night()
            return day.balance()
        except WentWrong as wrong:
            day.node_says()
            say(json.dumps(day.outbox()))
            if day.server is not None and day.db.exists():
                day.ctl("outbox", "show", "--db", day.db, may_fail=True)
                day.ctl("outbox", "verify", "--db", day.db, "--server", day.server.uri("postgres"), "--node", "balcony",
                        may_fail=True)
            print(f"day.py: {wrong}", file=sys.stderr)
            return 1
        finally:
            day.close()
            say(f"(the day took {time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
