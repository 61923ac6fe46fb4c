# SPDX-License-Identifier: ISC
"""Traps of libcurl and of servers, seen from outside: each test fails when the
trap is open. Those that need no run are in unit/test_curl.c and
unit/test_curl_traps.c."""

import os
import socket
import subprocess
import threading

import pytest

from conftest import ROOT
from llm_server import StubServer
from throwaway import Authority

QUICK = ("-m", "m1", "--db", "a.db", "--retry-delay", "10ms")


def outcomes(mill):
    return [row[0] for row in mill.sql(
        "SELECT outcome FROM llm_attempts ORDER BY rowid", db="a.db")]


# --- calls that never return ---


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    path = tmp_path_factory.mktemp("shim") / "stuck.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", path,
                    ROOT / "tests/stub/stuck.c"], check=True)
    return path


@pytest.fixture
def stuck(mill, shim):
    """The environment in which one process is stuck in a call, once."""
    def stuck(call):
        once = mill.aside / "once"
        once.touch()
        return {"LD_PRELOAD": str(shim), "STUCK_IN": call,
                "STUCK_ONCE": str(once)}
    yield stuck
    assert not (mill.aside / "once").exists(), "nobody came there"


@pytest.mark.parametrize("call", ["connect", "poll", "send"])
def test_a_worker_stuck_in_a_call_is_killed_and_its_prompt_tried_again(
        mill, stub, stuck, call):
    server = stub()
    done = mill.run("run", "--prompt", "a", "--prompt", "b", "-u", server.url,
                    *QUICK, "-j", 2, "--timeout", "500ms", "--kill-grace",
                    "200ms", env=stuck(call))
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: a", "echo: b"]
    assert sorted(outcomes(mill)) == ["ok", "ok", "timeout_total"]
    assert 0.5 < done.seconds < 3


def test_a_worker_stuck_in_a_handshake_is_killed_too(
        mill, stuck, tmp_path_factory):
    ca = Authority(tmp_path_factory.mktemp("ca"))
    with StubServer(more=["--tls", *ca.issue("localhost")]) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        done = mill.run("run", "--prompt", "a", "-u", url, *QUICK, "--cacert",
                        ca.file, "--timeout", "500ms", "--kill-grace",
                        "200ms", env=stuck("SSL_connect"))
    assert done.status == 0, done
    assert outcomes(mill) == ["timeout_total", "ok"]


def test_a_name_lookup_without_end_ends_with_the_connect_timeout(
        mill, stuck):
    """And the worker, with the lookup still going on, leaves at the end."""
    done = mill.run("run", "--prompt", "a", "-u", "http://slow.invalid/v1",
                    *QUICK, "--connect-timeout", "300ms", "-j", 1,
                    "--wait-server", 0, env=stuck("getaddrinfo"))
    assert done.status == 69, done
    assert outcomes(mill) == ["timeout_connect"]
    assert "no connection within 0.3 s" in done.words
    assert 0.3 < done.seconds < 1.5


# --- what goes out ---


def test_only_encodings_with_a_known_cost_are_offered(mill, stub):
    """A bomb in brotli or zstd is far larger than one in gzip."""
    server = stub()
    assert mill.run("check", "-u", server.url, "-m", "m").status == 0
    line, = server.requests()
    assert line["headers"]["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("words, why", [
    (["-H", "X-A: 1\r\nX-Evil: 2"], "holds a control byte"),
    (["-H", "X-A: 1\nX-Evil: 2"], "holds a control byte"),
    (["-m", "m\r\nX-Evil: 2"], "control byte"),
    (["-u", "http://127.0.0.1/v1\r\nX-Evil: 2"], "control byte"),
    (["-u", "unix:/a\r\nX-Evil: 2"], "control byte"),
    (["--key-env", "EVIL"], "holds control characters"),
], ids=str)
def test_a_line_end_makes_no_header_of_its_own(mill, words, why):
    base = ["-u", "127.0.0.1:9"] if "-u" not in words else []
    done = mill.run("run", "--prompt", "a", *base, "-m", "m", *words,
                    env={"EVIL": "sk-0123456789\r\nX-Evil: 2"})
    assert done.status == 2, done
    assert why in done.err and done.err.count("\n") == 1
    assert not list(mill.dir.iterdir())


# --- connections ---


def test_a_worker_keeps_its_connection_for_all_its_prompts(mill, stub):
    server = stub(delay=0.001)
    mill.write("in.txt", "\n".join(f"p{n}" for n in range(60)))
    done = mill.run("run", "in.txt", "-u", server.url, *QUICK, "-j", 3)
    assert done.status == 0, done
    assert len({line["connection"] for line in server.requests()}) == 3


@pytest.mark.parametrize("how", [True, "read"], ids=["idle", "on request"])
def test_a_server_that_closes_after_100_requests_costs_no_attempt(
        mill, stub, how):
    """Behind the answer, or on the next request, as llama.cpp does."""
    server = stub([{"match": {"nth": [100, 200] if how is True
                              else [101, 202]}, "do": {"close_kept": how}}])
    mill.write("in.txt", "\n".join(f"p{n}" for n in range(250)))
    done = mill.run("run", "in.txt", "-u", server.url, *QUICK, "-j", 1,
                    "--retry-attempts", 1)
    assert done.status == 0, done
    assert outcomes(mill) == ["ok"] * 250
    assert len({line["connection"] for line in server.requests()}) == 3


# --- what comes back ---


class Endless:
    """A server whose answer has no end. It says how much it got rid of."""

    def __init__(self, head, piece):
        self.head = head
        self.piece = piece
        self.sent = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link:
                try:
                    link.recv(65536)
                    link.sendall(self.head)
                    while True:
                        link.sendall(self.piece)
                        self.sent += len(self.piece)
                except OSError:
                    pass


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"


@pytest.mark.parametrize("head, piece", [
    (OK + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
    (OK + b"\r\n", b"x" * 65536),
    (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK),
], ids=["chunked", "no length", "status 500"])
def test_an_answer_without_end_is_cut_off_at_the_cap(mill, head, piece):
    with Endless(head, piece) as server:
        done = mill.run("run", "--prompt", "a", "-u", server.url, *QUICK,
                        "--max-answer-bytes", "1M", "--retry-attempts", 1)
        assert done.status == 1, done
        assert server.sent < 16 << 20  # what sockets hold comes on top
    assert outcomes(mill) == (
        ["server_error"] if b"500" in head else ["too_long"])


def test_headers_without_end_are_cut_off_too(mill):
    with Endless(OK, b"X-Much: " + b"y" * 8000 + b"\r\n") as server:
        done = mill.run("run", "--prompt", "a", "-u", server.url, *QUICK,
                        "--retry-attempts", 1)
        assert done.status == 1, done
    assert outcomes(mill) == ["garbage"]


def test_a_redirect_is_not_followed(mill, stub):
    other = stub()
    server = stub([{"do": {"status": 307, "headers": {
        "Location": other.url + "/chat/completions"}}}])
    done = mill.run("run", "--prompt", "a", "-u", server.url, *QUICK)
    assert done.status == 1, done
    (error,), = mill.sql("SELECT error FROM llm_attempts", db="a.db")
    assert "redirects are not followed, to " + other.url in error
    assert other.requests() == []
