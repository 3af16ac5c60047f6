"""ProxyCommand of the sandbox: standard input and output to and from a loopback port.

Usage: relay.py PORT FOLDER; leaves a file in FOLDER whose name is its process.
"""
import os
import selectors
import socket
import sys
from pathlib import Path

link = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
(Path(sys.argv[2]) / str(os.getpid())).touch()
with selectors.DefaultSelector() as ready:
    ready.register(0, selectors.EVENT_READ, link.fileno())
    ready.register(link, selectors.EVENT_READ, 1)
    while True:
        for key, _ in ready.select():
            data = os.read(key.fd, 65536)
            if not data:
                sys.exit()
            while data:
                data = data[os.write(key.data, data):]
