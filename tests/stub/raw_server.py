# SPDX-License-Identifier: ISC
"""A server that sends the bytes it is told to, when it is told to, whatever a
client makes of them.

    with RawServer(script) as server:     script: a Script of script.py
        ... server.host ...
    server.requests, server.troubles, server.unused()

A thread per connection. It reads whole requests and plays to each the reply
that is next.
"""

import contextlib
import email.utils
import json
import re
import socket
import struct
import threading
import time

from script import times

PATIENCE = 30  # seconds: nothing here lasts longer
READ_BYTES = 1 << 16
HEAD_MAX_BYTES = 1 << 20


DATE = re.compile(rb"\{now([+-]\d+)\}")  # seconds from now, as HTTP has it


def dated(data):
    return DATE.sub(lambda match: email.utils.formatdate(
        int(time.time()) + int(match[1]), usegmt=True).encode(), data)


class Request:
    """As it was read. time: seconds, monotonic; connection: from 1."""

    def __init__(self, head, body, connection):
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = first.split(" ", 2)
        self.headers = [tuple(line.split(": ", 1)) for line in lines]
        self.body = body
        self.connection = connection
        self.time = time.monotonic()

    def header(self, name):
        """All values of a header."""
        return [value for key, value in self.headers
                if key.lower() == name.lower()]

    def prompt(self):
        return json.loads(self.body)["messages"][-1]["content"]


class RawServer:
    def __init__(self, script):
        self.script = script
        self.requests = []
        self.troubles = []
        self.asked = {}  # prompt → requests for it; None: for all
        self.lock = threading.Lock()
        self.sockets = []
        self.threads = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.start(self.listen)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for open_socket in [self.listener, *self.sockets]:
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(PATIENCE)
        for open_socket in [self.listener, *self.sockets]:
            open_socket.close()

    def start(self, work, *args):
        thread = threading.Thread(target=work, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def listen(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                link, _ = self.listener.accept()
                link.settimeout(PATIENCE)
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sockets.append(link)
                self.start(self.serve, link, len(self.sockets))

    def serve(self, link, connection):
        try:
            while request := self.read(link, connection):
                if self.play(link, self.choose(request)) != "keep":
                    break
        except OSError:
            pass  # what the client made of it stands in its database
        except Exception as error:
            self.troubles.append(f"{type(error).__name__}: {error}")
        finally:
            link.close()

    def read(self, link, connection):
        """Gives the next request, None when there is none."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = link.recv(READ_BYTES)
            if not more or len(data) > HEAD_MAX_BYTES:
                if data:
                    self.troubles.append(f"half a request: {data[:200]!r}")
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
        size = int(found[1]) if found else 0
        if self.script.is_early(len(self.requests)):
            size = len(body)
        while len(body) < size:
            more = link.recv(READ_BYTES)
            if not more:
                self.troubles.append("half a request's body")
                return None
            body += more
        if len(body) > size:
            self.troubles.append("bytes behind a request")
        return Request(head, body, connection)

    def choose(self, request):
        place = key = None
        if self.script.is_family:
            key = request.prompt()
            place = int(key.rpartition(" ")[2])
        with self.lock:
            self.requests.append(request)
            number = self.asked.get(key, 0)
            self.asked[key] = number + 1
        steps = self.script.reply(number, place)
        if steps is None:
            self.troubles.append(f"no reply for request {number + 1}")
            return [("close",)]
        return steps

    def play(self, link, steps):
        """Gives how it ended."""
        drip = None
        for step in steps:
            if step[0] == "drip":
                drip = step[1:]
            elif step[0] == "wait":
                time.sleep(step[1])
            elif step[0] != "send":
                return self.end(link, step[0])
            else:
                data = dated(step[1])
                if step[2] is None and drip is None:
                    data *= 1 + READ_BYTES // len(data)  # fewer sends
                for _ in times(step[2]):
                    self.send(link, data, drip)
        return "keep"

    @staticmethod
    def send(link, data, drip):
        if drip is None:
            link.sendall(data)
            return
        count, pause = drip
        for at in range(0, len(data), count):
            link.sendall(data[at:at + count])
            time.sleep(pause)

    @staticmethod
    def end(link, how):
        if how == "hang":
            while link.recv(READ_BYTES):
                pass
        elif how == "reset":
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
        return how

    def unused(self):
        """How many replies nobody asked for."""
        most = max(self.asked.values(), default=0)
        return max(0, self.script.count() - most)
