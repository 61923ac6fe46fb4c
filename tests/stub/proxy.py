# SPDX-License-Identifier: ISC
"""A small http proxy for tests, in threads of its own.

    with Proxy(to=port) as proxy:          env {"https_proxy": proxy.url}
    Proxy(login="user:password")           407 for whoever does not say so
    Proxy(status=403)                      the answer to every request
    Proxy(status=None)                     it closes without an answer

All hosts are at the port `to` of this machine.  proxy.requests has what was
asked for, as (method, target, headers); proxy.url has no login in it.
"""

import base64
import socket
import threading


def read_head(link):
    """Gives head and what came of the body."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = link.recv(65536)
        if not more:
            return None, b""
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    return head.decode("latin-1"), body


def pump(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    for link in one, other:
        try:
            link.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Proxy:
    def __init__(self, to=None, login=None, status=200, echo=False):
        self.to = to
        self.login = login
        self.status = status
        self.echo = echo  # say the request back in what is refused
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.links = []

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)  # accept() holds it
        self.listener.close()
        for link in self.links:
            link.close()

    def accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.links.append(link)
            threading.Thread(
                target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        with link:
            try:
                self.serve_one(link)
            except OSError:
                pass

    def serve_one(self, link):
        head, body = read_head(link)
        if head is None:
            return
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, value in
                   (line.split(":", 1) for line in lines)}
        self.requests.append((method, target, headers))
        status = self.status
        if status is None:
            return
        if self.login is not None:
            right = base64.b64encode(self.login.encode()).decode()
            if headers.get("proxy-authorization") != "Basic " + right:
                status = 407
        if status != 200:
            self.refuse(link, status, head if self.echo else "not so\n")
            return
        server = socket.create_connection(("127.0.0.1", self.to))
        with server:
            if method == "CONNECT":
                link.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = "/" + target.split("/", 3)[3]
                lines = [line for line in lines
                         if not line.lower().startswith("proxy-")]
                server.sendall("\r\n".join([
                    f"{method} {path} HTTP/1.1", "Connection: close",
                    *lines]).encode() + b"\r\n\r\n")
            server.sendall(body)
            threading.Thread(
                target=pump, args=(link, server), daemon=True).start()
            pump(server, link)

    def refuse(self, link, status, text):
        body = text.encode()
        link.sendall(
            f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n"
            f"Proxy-Authenticate: Basic realm=\"here\"\r\n"
            f"X-Request-Id: {text.splitlines()[-1]}\r\n"
            "Connection: close\r\n\r\n".encode() + body)
