"""A board that is only a folder: an ssh server on a free loopback port, and a systemd for one unit.

The real push.sh, the real ssh and the real board.sh run against it. What is replaced is what would
reach this machine: each command of a session starts with ROOST_ROOT and with the folder session/
first in PATH, whose systemctl asks the Systemd object here.
"""

import asyncio
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import warnings
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Debian's asyncssh imports ciphers that are out of fashion
    import asyncssh

SESSION_BIN = Path(__file__).resolve().parent / "session"
HANG_S = 600  # a wait that takes this long will never end


def wait_for(what, holds):
    """Waits until holds() is true; only a hang reaches the limit."""
    limit = time.monotonic() + HANG_S
    while not holds():
        if time.monotonic() > limit:
            raise AssertionError(f"{what}: not within {HANG_S} s")
        time.sleep(0.01)


class PowerCut(Exception):
    """Raised by a hook of systemd: what was asked is not done any more."""


class Systemd:
    """systemd, as far as one Type=notify unit with Restart=on-failure can see it, its drop-in for a
    trial, and the guard that the drop-in names."""

    MOST_RESTARTS = 3  # without a drop-in

    def __init__(self, root):
        self.root = root
        self.unit_file = root / "etc/systemd/system/roost-node.service"
        self.trial_file = root / "etc/systemd/system/roost-node.service.d/50-roost-trial.conf"
        self.on_restart = None  # called at each `systemctl restart`, before anything is done
        self.asked = []  # the properties that were asked for
        self.slow_s = 0  # how long an answer takes
        self.starts = 0
        self.guarded = 0  # how often the guard has run
        self.enabled = False
        self._exec_start = None  # as of the last daemon-reload, like what follows
        self._most_starts = None
        self._guard = False
        self._starts_counted = 0  # towards the start limit
        self._lock = threading.RLock()  # held while a job runs; to be asked does not take it
        self._process = None
        self._state, self._result, self._restarts = "inactive", "success", 0
        self._exit_status, self._invocation = 0, ""
        self._cancel = False
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(root / "notify"))
        self._server = self._listen()

    def _listen(self):
        systemd = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                words = self.rfile.readline().decode().split()
                try:
                    code, text = systemd.command(words)
                    self.wfile.write(f"{code}\n{text}".encode())
                except (PowerCut, OSError):
                    pass

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        (self.root / "systemd").write_text(str(server.server_address[1]))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            self._stop()
        self._notify.close()

    def command(self, words):
        """One call of systemctl: exit code and output."""
        options = [word for word in words if word.startswith("-")]
        words = [word for word in words if not word.startswith("-")]
        if "--version" in options:
            return 0, "systemd 252 (made up)\n"
        verb = words[0]
        if verb == "show":
            self.asked.append(words[1])
            time.sleep(self.slow_s)  # a slow board, not a wait
            return 0, f"{self.property(words[1])}\n"
        if verb == "restart" and self.on_restart:
            self.on_restart()
        do = getattr(self, "_do_" + verb.replace("-", "_"))
        if verb in ("daemon-reload", "reset-failed", "enable"):  # no jobs
            return do(False), ""
        if "--no-block" in options:
            threading.Thread(target=self._locked, args=(do,), daemon=True).start()
            return 0, ""
        return self._locked(do, "--now" in options), ""

    def _locked(self, do, now=False):
        if do in (self._do_restart, self._do_stop) or now:
            self._cancel = True  # a start that has not become ready
        with self._lock:
            self._cancel = False
            return do(now)

    def property(self, name):
        process = self._process
        alive = process is not None and process.poll() is None
        return {"ActiveState": self._state, "Result": self._result, "NRestarts": self._restarts,
                "ExecMainStatus": self._exit_status, "InvocationID": self._invocation,
                "MainPID": process.pid if alive else 0}[name]

    def _do_daemon_reload(self, _now):
        text = self.unit_file.read_text() if self.unit_file.exists() else ""
        found = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)
        self._exec_start = found and found.group(1)
        trial = self.trial_file.read_text() if self.trial_file.exists() else ""
        most = re.search(r"^StartLimitBurst=(\d+)", trial, re.MULTILINE)
        self._most_starts = most and int(most.group(1))
        self._guard = "\nWants=roost-guard.service\n" in trial
        return 0

    def _do_restart(self, _now):
        self._stop()
        self._restarts = 0
        return self._start()

    def _do_start(self, _now):
        return 0 if self._state == "active" else self._start()

    def _do_stop(self, _now):
        self._stop()
        return 0

    def _do_enable(self, _now):
        self.enabled = True
        return 0

    def _do_disable(self, now):
        self.enabled = False
        if now:
            self._stop()
        return 0

    def _do_reset_failed(self, _now):
        self._starts_counted = 0
        if self._state == "failed":
            self._state = "inactive"
        return 0

    def power_cut(self):
        """The node is gone without a word; what systemd knew is, too."""
        with self._lock:
            process, self._process = self._process, None
            if process is not None:
                process.kill()
                process.wait()
            self._state, self._result, self._restarts = "inactive", "success", 0
            self._starts_counted = 0

    def boot(self):
        with self._lock:
            self._do_daemon_reload(False)
            if self.enabled:
                self._start()

    def _stop(self):
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait()
        self._state, self._result = "inactive", "success"

    def _run_guard(self):
        self.guarded += 1
        env = {"PATH": f"{SESSION_BIN}:/usr/sbin:/usr/bin:/sbin:/bin", "ROOST_ROOT": str(self.root)}
        with open(self.root / "run/guard-journal", "ab") as journal:
            subprocess.run(["/bin/sh", self.root / "opt/roost/guard.sh"], env=env, check=False,
                           stdin=subprocess.DEVNULL, stdout=journal, stderr=journal, timeout=HANG_S)

    def _fail(self):
        self._state = "failed"
        if self._guard:  # OnFailure=
            threading.Thread(target=self._run_guard, daemon=True).start()
        return 1

    def _start(self):
        if not self._exec_start:
            return 5  # as systemctl does for a unit that is not there
        if self._guard:  # Wants=, After=
            self._run_guard()
        if self._most_starts and self._starts_counted >= self._most_starts:
            return self._fail()
        self._starts_counted += 1
        self.starts += 1
        self._state = "activating"
        self._invocation = f"{self.starts:032x}"
        self._drain_notifications()
        env = {"PATH": "/usr/bin:/bin", "ROOST_ROOT": str(self.root),
               "NOTIFY_SOCKET": str(self.root / "notify")}
        with open(self.root / f"run/journal-{self._invocation}", "ab") as journal:
            process = subprocess.Popen([f"{self.root}{self._exec_start}"], env=env,
                                       stdout=journal, stderr=journal, stdin=subprocess.DEVNULL)
        self._process = process
        if not self._became_ready(process):
            self._exit_status, self._result = process.wait(), "exit-code"
            return self._fail()
        self._state, self._result = "active", "success"
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()
        return 0

    def _drain_notifications(self):
        self._notify.setblocking(False)
        try:
            while True:
                self._notify.recv(4096)
        except BlockingIOError:
            pass

    def _became_ready(self, process):
        self._notify.settimeout(0.02)
        limit = time.monotonic() + HANG_S
        while time.monotonic() < limit:
            ended = process.poll() is not None
            if self._cancel:
                process.kill()
            try:
                if b"READY=1" in self._notify.recv(4096):
                    return True
            except TimeoutError:
                if ended:
                    return False
        return False

    def _watch(self, process):
        status = process.wait()
        with self._lock:
            if self._process is not process:  # it was stopped
                return
            self._exit_status, self._result, self._state = status, "exit-code", "activating"
            if self._most_starts or self._restarts < self.MOST_RESTARTS:
                self._restarts += 1
                self._start()
            else:
                self._result = "start-limit-hit"
                self._fail()


class Sshd:
    """An ssh server for one key. `cut_upload_after`: cut the connection after so many bytes of one.
    `hold_upload_until`: how slow it is. `noise`: what a login prints before anything else."""

    def __init__(self, folder, env):
        self.cut_upload_after = None
        self.noise = b""
        self.hold_upload_until = 0
        self.uploaded = 0
        self.port = None
        self._env = env
        self._connections = set()
        self._children = set()
        self._sessions = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._listen(folder))

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(HANG_S)

    async def _listen(self, folder):
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        user_key = asyncssh.generate_private_key("ssh-ed25519")
        user_key.write_private_key(str(folder / "id"))
        (folder / "id").chmod(0o600)
        user_key.write_public_key(str(folder / "id.pub"))
        self._server = await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[host_key], authorized_client_keys=str(folder / "id.pub"),
            process_factory=self._session, encoding=None)
        self.port = self._server.sockets[0].getsockname()[1]
        known = host_key.export_public_key().decode()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {known}")

    def cut(self):
        """Cuts every connection, as a link that goes away does."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self):
        for connection in list(self._connections):
            connection.abort()
        self._connections.clear()

    def kill_sessions(self):
        """Ends every program of a session, as a power cut does."""
        for pid in list(self._children):
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def stop_listening(self):
        async def stop():
            self._server.close()
            await self._server.wait_closed()
        self._run(stop())

    async def _session(self, process):
        task = asyncio.current_task()
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        self._connections.add(process.get_extra_info("connection"))
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", process.command or "exit 1", env=self._env,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, start_new_session=True)
        self._children.add(child.pid)
        process.stdout.write(self.noise)
        is_upload = "incoming/" in (process.command or "")
        feed = asyncio.ensure_future(self._feed(process, child, is_upload))
        await asyncio.gather(self._drain(child.stdout, process.stdout),
                             self._drain(child.stderr, process.stderr))
        code = await child.wait()
        self._children.discard(child.pid)
        feed.cancel()
        process.exit(code)

    async def _feed(self, process, child, is_upload):
        try:
            while data := await process.stdin.read(16384):
                child.stdin.write(data)
                await child.stdin.drain()
                if is_upload:
                    await asyncio.sleep(max(0, self.hold_upload_until - time.monotonic()))
                    self.uploaded += len(data)
                    if self.cut_upload_after is not None and self.uploaded >= self.cut_upload_after:
                        self._cut()
        except (OSError, asyncssh.Error):
            pass
        child.stdin.close()

    @staticmethod
    async def _drain(source, sink):
        while data := await source.read(16384):
            try:
                sink.write(data)
            except OSError:
                pass  # nobody listens any more; the program goes on

    def close(self):
        async def end():
            self._server.close()
            self._cut()
            self.kill_sessions()
            await asyncio.gather(*self._sessions, return_exceptions=True)
        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Board:
    """The folder with its server and its systemd, and what a test wants to know of them. `env`: more
    variables for its sessions."""

    def __init__(self, **env):
        self._folder = tempfile.TemporaryDirectory(prefix="roost-board-")
        self._power = threading.Lock()  # held while the board loses it, or gets it
        folder = Path(self._folder.name)
        self.root = folder / "root"
        for name in ("opt", "run/roost", "etc", "proc/device-tree", "tmp"):
            (self.root / name).mkdir(parents=True)
        (self.root / "proc/device-tree/model").write_bytes(b"Made-up Board\0")
        self.systemd = Systemd(self.root)
        self.sshd = Sshd(folder, {
            "PATH": f"{folder}/bin:{SESSION_BIN}:/usr/sbin:/usr/bin:/sbin:/bin", "ROOST_ROOT": str(self.root),
            "TMPDIR": str(self.root / "tmp"), "LC_ALL": "C", **env})
        self.ssh_config = folder / "ssh_config"
        self.ssh_config.write_text(
            f"Host board\n HostName 127.0.0.1\n Port {self.sshd.port}\n User pi\n"
            f" IdentityFile {folder}/id\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {folder}/known_hosts\n LogLevel ERROR\n")
        self.relays = folder / "relays"
        self.programs = folder / "bin"
        self.programs.mkdir()

    def close(self):
        self.signal_relays(signal.SIGKILL)
        self.sshd.close()
        self.systemd.close()
        self._folder.cleanup()

    def replace_program(self, name, script):
        """A program of the board, for its sessions."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def use_relay(self):
        """From now on ssh comes through a process that can be stopped: a link that can fall silent."""
        self.relays.mkdir()
        relay = Path(__file__).resolve().parent / "relay.py"
        with open(self.ssh_config, "a", encoding="utf-8") as config:
            config.write(f" ProxyCommand /usr/bin/python3 -B {relay} %p {self.relays}\n")

    def signal_relays(self, number):
        for path in self.relays.glob("*"):
            try:
                os.kill(int(path.name), number)
            except ProcessLookupError:
                path.unlink()

    def power_cut(self):
        """Everything ends at once; what was in memory is gone."""
        with self._power:
            self.sshd.cut()
            self.sshd.kill_sessions()
            self.systemd.power_cut()
            shutil.rmtree(self.root / "run")
            (self.root / "run/roost").mkdir(parents=True)

    def boot(self):
        # The thread of a hook may still be cutting: push.sh ends with the first thing that is cut.
        with self._power:
            self.systemd.boot()

    @property
    def opt(self):
        return self.root / "opt/roost"

    @property
    def conf(self):
        return self.root / "etc/roost/roost-node.conf"

    def link(self, name):
        path = self.opt / name
        return os.path.basename(os.readlink(path)) if path.is_symlink() else None

    def releases(self):
        folder = self.opt / "releases"
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    def is_locked(self):
        """Whether a push is at work."""
        lock = self.opt / "lock"
        return lock.exists() and subprocess.run(["flock", "-n", lock, "true"]).returncode != 0

    def picture(self):
        """Every file that stays with its content, and every link, to see that nothing has changed."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            if self.root / "run" in path.parents:
                continue
            if path.is_symlink():
                found[path] = os.readlink(path)
            elif path.is_file():
                found[path] = path.read_bytes()
        return found
