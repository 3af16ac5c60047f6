"""A node that answers `roostctl status`, and roostctl on a terminal that a test looks at (python3-pyte)."""

import errno
import fcntl
import os
import pathlib
import pty
import select
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time

import pyte

FOLDER = pathlib.Path(__file__).parent
SAMPLE = (FOLDER / "greenhouse.json").read_text(encoding="utf-8")
PATIENCE = 60  # seconds; only a failure waits so long


class Node:
    """Answers on NAME.sock in the folder of a user's sockets, as a program with a StatusServer does."""

    def __init__(self, runtime: str, name: str = "greenhouse", answer: str = SAMPLE):
        self.path = pathlib.Path(runtime, "roost", f"{name}.sock")
        self.path.parent.mkdir(exist_ok=True)
        self.answer = answer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.recv(64)
                client.sendall(self.answer.encode())

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Terminal:
    """roostctl on a terminal of its own, with the screen that its user sees."""

    def __init__(self, roostctl: str, runtime: str, columns: int, rows: int, *arguments: str, term: str = "screen",
                 locale: str = "C.UTF-8", stdin: bool = True, extra: dict[str, str] | None = None):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.modes = termios.tcgetattr(slave)
        self.slave = slave  # kept, so that what it was left in can be looked at
        environment = {"PATH": os.environ["PATH"], "TERM": term, "LC_ALL": locale, "XDG_RUNTIME_DIR": runtime,
                       **(extra or {})}

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(1, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [roostctl, "status", "--watch", *arguments], stdin=slave if stdin else subprocess.DEVNULL, stdout=slave,
            stderr=slave, env=environment, preexec_fn=own_terminal)

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def text(self) -> str:
        return "".join(line.rstrip() + "\n" for line in self.screen.display).rstrip("\n") + "\n"

    def read(self, seconds: float) -> bool:
        """Takes what the program writes next. False: nothing came, or there is nobody who could write."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        self.raw += data
        self.stream.feed(data)
        return bool(data)

    def wait_for(self, condition) -> bool:
        until = time.monotonic() + PATIENCE
        while not condition():
            left = until - time.monotonic()
            if left <= 0 or not self.read(min(left, 1)) and self.process.poll() is not None:
                return condition()
        return True

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self) -> int:
        """The exit code, as soon as all that was written is read."""
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < until:
            self.read(0.1)
        while self.read(0):
            pass
        return self.process.wait(timeout=1)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for fd in (self.master, self.slave):
            try:
                os.close(fd)
            except OSError:
                pass


def capture(roostctl: str, columns: int, rows: int, locale: str = "C.UTF-8") -> str:
    """The screen of the sample node."""
    with tempfile.TemporaryDirectory() as runtime:
        node = Node(runtime)
        terminal = Terminal(roostctl, runtime, columns, rows, locale=locale)
        try:
            terminal.wait_for(lambda: "greenhouse" in terminal.text() and not terminal.read(0))
            return terminal.text()
        finally:
            terminal.close()
            node.close()
