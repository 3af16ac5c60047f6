#!/usr/bin/env python3
"""Runs stack_water of a board's build, through its emulator, against a throw-away MariaDB of this machine with TLS.

Usage: stack_water.py PROGRAM...    the program with what runs it before it; needs the packages mariadb-server and openssl
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

STARTS_WITHIN = 120  # seconds, on a busy machine
PASSWORD = "open sesame"


def run(*words, **more):
    return subprocess.run([str(each) for each in words], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          **more)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """In a folder of its own, until the end of the `with`."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.user = ["--user=mysql"] if os.geteuid() == 0 else []
        self.socket = folder / "s"
        self.process = None

    def __enter__(self):
        key, certificate, data = (self.folder / name for name in ("key", "crt", "data"))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=board.example.test", "-keyout", key, "-out", certificate)
        if self.user:
            shutil.chown(self.folder, "mysql")
            shutil.chown(key, "mysql")
        run("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
            "--skip-test-db", "--skip-name-resolve", *self.user)
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", f"--datadir={data}", f"--port={self.port}", "--bind-address=127.0.0.1",
             f"--socket={self.socket}", "--skip-name-resolve", "--innodb-buffer-pool-size=8M", f"--ssl-cert={certificate}",
             f"--ssl-key={key}", f"--ssl-ca={certificate}", *self.user],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + STARTS_WITHIN
        while subprocess.run(["mariadb-admin", "--no-defaults", f"--socket={self.socket}", "--user=root", "ping"],
                             capture_output=True, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the server does not start")
            time.sleep(0.05)
        run("mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "--execute=CREATE DATABASE farm; "
            f"CREATE USER node@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON farm.* TO node@'%'")
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()

    def uri(self):
        """Of a server whose certificate is checked, but not the name in it."""
        return (f"mysql://node:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/farm?sslmode=verify-ca&"
                f"ssl-ca={self.folder}/crt")


def main():
    with tempfile.TemporaryDirectory(prefix="roost-water-") as folder:
        os.chmod(folder, 0o755)
        with Server(pathlib.Path(folder)) as server:
            done = subprocess.run([*sys.argv[1:], server.uri()], capture_output=True, text=True, check=False,
                                  stdin=subprocess.DEVNULL)
    print(done.stdout + done.stderr, end="")
    seen = re.fullmatch(r"used (\d+) of (\d+) bytes, guarded\n", done.stdout)
    if done.returncode != 0 or not seen:
        sys.exit(f"it ended with {done.returncode}")
    used, size = map(int, seen.groups())
    if not 1000 < used <= size // 2:
        sys.exit("no more than half of the stack may be used")


if __name__ == "__main__":
    main()
