# SPDX-License-Identifier: ISC
"""HTTP/2: spoken where a server with TLS offers it, and what becomes of a
request that it refuses, resets or forgets."""

import pytest

from h2_server import H2Server
from throwaway import Authority

QUICK = ("-m", "m1", "--db", "a.db", "--retry-delay", "10ms", "-j", 1)


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def files(ca):
    return ca.issue("localhost")


@pytest.fixture
def run(mill, ca):
    def run(server, *words, prompts=("a", "b"), **kwargs):
        words += tuple(w for text in prompts for w in ("--prompt", text))
        return mill.run("run", *words, "-u", server.url, *QUICK, "--cacert",
                        ca.file, **kwargs)
    return run


def outcomes(mill):
    return [row[0] for row in mill.sql(
        "SELECT outcome FROM llm_attempts ORDER BY rowid", db="a.db")]


def asked(server):
    """Which connection brought which prompt."""
    return [(number, prompt) for number, prompt, _ in server.requests]


def test_http2_is_spoken_over_one_connection_where_it_is_offered(
        mill, run, files):
    prompts = [f"p{n}" for n in range(30)]
    with H2Server(*files) as server:
        done = run(server, prompts=prompts)
        assert done.status == 0, done
        assert asked(server) == [(1, prompt) for prompt in prompts]
        headers = server.requests[0][2]
    assert headers[":path"] == "/v1/chat/completions"
    assert headers["content-type"] == "application/json"
    assert mill.results("a.db") == ["echo: " + prompt for prompt in prompts]


def test_a_long_request_and_a_long_answer_pass(mill, run, files):
    long = "x" * 3_000_000
    mill.write("in.txt", long)
    with H2Server(*files) as server:
        done = run(server, "in.txt", prompts=())
        assert done.status == 0, done
    assert mill.results("a.db") == ["echo: " + long]


@pytest.mark.parametrize("what", ["sse", "open_end"])
def test_an_answer_can_come_as_a_stream_of_events(mill, run, files, what):
    """One that the server does not end is ended by us, the connection kept."""
    with H2Server(*files, [what] * 3) as server:
        done = run(server, prompts=["a", "b", "c"])
        assert done.status == 0 and done.seconds < 5, done
        assert [number for number, _ in asked(server)] == [1, 1, 1]
    assert mill.results("a.db") == ["echo: a", "echo: b", "echo: c"]
    assert outcomes(mill) == ["ok"] * 3


@pytest.mark.parametrize("what, before", [
    ("refuse", 0), ("refuse", 1), ("late_refuse", 0), ("goaway", 1)])
def test_what_was_refused_is_sent_again_at_once(
        mill, run, files, what, before):
    """On a fresh connection as on a kept one; no attempt is made of it."""
    with H2Server(*files, ["ok"] * before + [what]) as server:
        done = run(server, "--retry-delay", "1m")
        assert done.status == 0 and done.seconds < 5, done
        first = asked(server)[before]
        again = asked(server)[before + 1]
    assert again[1] == first[1] and again[0] > first[0]
    assert outcomes(mill) == ["ok", "ok"]


def test_a_server_that_refuses_for_ever_is_not_asked_for_ever(
        mill, run, files):
    with H2Server(*files, ["refuse"] * 99) as server:
        done = run(server, "--retry-attempts", 1, prompts=["a"])
        assert done.status == 1, done
        assert len(server.requests) <= 12
    assert outcomes(mill) == ["truncated"]


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("what", ["reset", "half", "late", "late_tcp"])
def test_what_was_taken_is_an_attempt(mill, run, files, what, before):
    """It may have been worked on: a reset stream is no stale connection."""
    with H2Server(*files, ["ok"] * before + [what]) as server:
        done = run(server)
        assert done.status == 0, done
        assert len(server.requests) == 3
    assert outcomes(mill) == ["ok"] * before + ["truncated"] + [
        "ok"] * (2 - before)


@pytest.mark.parametrize("what", ["close", "goaway"])
def test_a_fresh_connection_that_ends_without_an_answer_is_an_attempt(
        mill, run, files, what):
    with H2Server(*files, [what]) as server:
        assert run(server).status == 0
        assert len(server.requests) == 3
    assert sorted(outcomes(mill)) == ["ok", "ok", "truncated"]


def test_a_connection_that_was_closed_meanwhile_is_no_failure(
        mill, run, files):
    with H2Server(*files, ["bye", "bye", "bye"]) as server:
        done = run(server, prompts=["a", "b", "c", "d"])
        assert done.status == 0, done
        assert asked(server) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert outcomes(mill) == ["ok"] * 4


def test_a_kept_connection_that_closes_on_the_request_is_no_failure(
        mill, run, files):
    with H2Server(*files, ["ok", "close"]) as server:
        done = run(server)
        assert done.status == 0, done
        assert asked(server) == [(1, "a"), (1, "b"), (2, "b")]
    assert outcomes(mill) == ["ok", "ok"]


def test_a_hang_ends_with_its_timeout_and_the_next_call_is_well(
        mill, run, files):
    with H2Server(*files, ["hang"]) as server:
        done = run(server, "--timeout", "500ms")
        assert done.status == 0, done
    assert outcomes(mill) == ["timeout_total", "ok", "ok"]


def test_a_server_that_speaks_http1_alone_is_asked_so(mill, run, ca, files):
    from llm_server import StubServer
    with StubServer(more=["--tls", *files]) as server:
        server.url = server.url.replace("127.0.0.1", "localhost")
        assert run(server).status == 0
