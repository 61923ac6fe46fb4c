# SPDX-License-Identifier: ISC
"""Several servers that do the same: -u more than once."""

import collections
import json
import re
import socket

import pytest

from conftest import until
from llm_server import StubServer

QUICK = ("-m", "m1", "--db", "a.db", "--retry-delay", "20ms")
PROMPTS = [f"prompt {n}" for n in range(60)]
ANSWERS = ["echo: " + text for text in PROMPTS]


def send(mill, servers, *args, prompts=PROMPTS, **kwargs):
    mill.write("p.txt", "\n".join(prompts))
    return mill.run("run", "p.txt", *at(servers), *QUICK, *args, **kwargs)


def at(servers):
    urls = [getattr(server, "url", server) for server in servers]
    return [word for url in urls for word in ("-u", url)]


def always(**do):
    return [{"match": {}, "do": do}]


def attempts(mill):
    return collections.Counter(row[0] for row in mill.sql(
        "SELECT outcome FROM llm_attempts", db="a.db"))


def peer(server):
    return server.url.split("/")[2]


@pytest.fixture
def nowhere():
    """A base URL where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/v1"


# --- who gets how much ---


def test_prompts_are_spread_by_weight(mill, stub):
    one, two = stub(delay=0.02), stub(delay=0.02)
    done = send(mill, [one.url + ",weight=2", two], "-j", 6)
    assert done.status == 0, done
    assert mill.results("a.db") == ANSWERS
    assert 35 <= len(one.requests()) <= 45
    assert len(one.requests()) + len(two.requests()) == 60
    assert re.search(
        rf"servers:  {peer(one)} answered {len(one.requests())}\n"
        rf" +{peer(two)} answered {len(two.requests())}\n", done.err)


def test_no_more_than_max_are_in_flight(mill, stub):
    one, two = stub({"bears": 3}, delay=0.05), stub(delay=0.05)
    done = send(mill, [one.url + ",max=3,weight=9", two], "-j", 12)
    assert done.status == 0, done
    assert attempts(mill) == {"ok": 60}  # one more would have been refused
    assert len(one.requests()) >= 9


def test_a_slow_server_gets_less(mill, stub):
    slow, fast = stub(delay=0.3), stub(delay=0.02)
    done = send(mill, [slow, fast], "-j", 8)
    assert done.status == 0, done
    assert len(slow.requests()) <= 16


# --- one of them fails ---


def test_nobody_is_there_then_the_other_does_all(mill, stub, nowhere):
    server = stub()
    done = send(mill, [nowhere, server])
    assert done.status == 0, done
    assert mill.results("a.db") == ANSWERS
    assert set(attempts(mill)) == {"ok", "no_server"}
    assert attempts(mill)["no_server"] <= 4  # what was out at once
    assert len(server.requests()) == 60
    assert "no prompts for a while: " + nowhere.split("/")[2] in done.err


@pytest.mark.parametrize("do, outcome", [
    ({"status": 500}, "server_error"), ({"status": 503}, "overloaded"),
    ({"cut_after": 9}, "truncated"), ({"garbage": 50}, "garbage"),
    ({"hang": True}, "timeout_total")], ids=str)
def test_one_that_fails_is_left_alone(mill, stub, do, outcome):
    bad, good = stub(always(**do)), stub(delay=0.1)
    done = send(mill, [bad, good], "-j", 4, "--timeout", "500ms",
                prompts=PROMPTS[:24])
    assert done.status == 0, done
    assert mill.results("a.db") == ANSWERS[:24]
    assert attempts(mill) == {"ok": 24, outcome: len(bad.requests())}
    assert 3 <= len(bad.requests()) <= 8
    assert mill.sql("SELECT count(*) FROM llm_attempts WHERE error LIKE ?",
                    peer(bad) + ": %", db="a.db") == [(len(bad.requests()),)]


def test_one_that_comes_back_gets_prompts_again(mill):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    nowhere = f"http://127.0.0.1:{port}/v1"
    with StubServer(delay=0.05) as steady:
        mill.write("p.txt", "\n".join(str(n) for n in range(3000)))
        running = mill.start("run", "p.txt", *at([nowhere, steady]), *QUICK)
        running.wait_err("no prompts for a while")
        with StubServer(port=port) as late:
            until(lambda: late.requests(), "a prompt for the late server")
            running.wait_err(f"{peer(late)} gets prompts again")
            running.signal(2)
            running.wait()


def test_a_prompt_that_failed_goes_elsewhere_first(mill, stub):
    rules = [{"match": {"nth": 1}, "do": {"status": 500}}]
    one, two = stub(rules), stub(rules)
    done = send(mill, [one, two], "-j", 1, prompts=["only"])
    assert done.status == 0, done
    assert len(one.requests()) == 2 and len(two.requests()) == 1


def test_a_rate_limit_of_one_does_not_hold_the_other(mill, stub):
    full = stub(always(status=429, headers={"Retry-After": "50"}))
    good = stub(delay=0.01)
    done = send(mill, [full, good], "-j", 4)
    assert done.status == 0, done
    assert done.seconds < 5
    assert attempts(mill)["ok"] == 60
    assert len(full.requests()) <= 4


# --- one of them is wrong for this run ---


@pytest.mark.parametrize("do, told", [
    ({"status": 401}, "HTTP 401"), ({"status": 402}, "HTTP 402"),
    ({"status": 404, "body": {"error": {"code": "model_not_found",
                                        "message": "no such model"}}},
     "no such model"),
    ({"status": 429, "headers": {"Retry-After": "86400"}},
     "the server asks for a pause of")], ids=str)
def test_one_that_blames_the_run_is_set_aside(mill, stub, do, told):
    bad, good = stub(always(**do)), stub(delay=0.01)
    done = send(mill, [bad, good], "-j", 4, "--retry-attempts", 1)
    assert done.status == 0, done
    assert mill.results("a.db") == ANSWERS
    assert 1 <= len(bad.requests()) <= 6
    words = " ".join(done.err.split())
    assert "no more prompts for one server; " in words and told in words


def test_a_list_shorter_than_the_proof_goes_to_the_others(mill, stub):
    bad, good = stub(always(status=401)), stub()
    done = send(mill, [bad, good], "-j", 2, prompts=["a", "b"])
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: a", "echo: b"]


def test_all_that_blame_the_run_stop_it(mill, stub):
    servers = [stub(always(status=401)), stub(always(status=403))]
    done = send(mill, servers, "-j", 2)
    assert done.status == 69, done
    assert mill.results("a.db") == [None] * 60
    assert "wrong key (3 times in a row)" in " ".join(done.err.split())


# --- all of them are away ---


def test_all_away_is_waited_for_and_said(mill, nowhere):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        other = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
        done = send(mill, [nowhere, other], "--wait-server", "1s")
    assert done.status == 69, done
    assert 1 <= done.seconds < 4
    assert mill.results("a.db") == [None] * 60
    assert set(attempts(mill)) == {"no_server"}
    assert sum(attempts(mill).values()) <= 8
    assert "waiting for 2 servers, the first is tried in " in done.err


# --- options, and what is kept ---


@pytest.mark.parametrize("urls, told", [
    (["a.example/v1,weight=0"], "a weight is a number from 1 to 1000"),
    (["a.example/v1,weight="], "a weight is a number from 1 to 1000"),
    (["a.example/v1,max=9000"], "a maximum is a number from 1 to 8192"),
    (["a.example/v1,weight=2,max=x"], "a maximum is a number"),
    (["a.example", "https://a.example/v1"], "given twice"),
    ([f"h{n}.example" for n in range(65)], "there can be 64 servers")],
    ids=str)
def test_what_cannot_be_is_refused(mill, urls, told):
    done = mill.run("run", "--prompt", "a", *at(urls), *QUICK)
    assert done.status == 2, done
    assert told in done.err


def test_a_comma_of_a_url_is_its_own(mill):
    done = mill.run("run", "--prompt", "a", "-m", "m", "--dry-run", "-u",
                    "127.0.0.1:9/v1?list=a,b,max=3")
    assert "POST http://127.0.0.1:9/v1/chat/completions?list=a,b\n" in done.out


def test_a_later_run_asks_the_same_servers(mill, stub):
    one, two = (stub([{"match": {"nth": 1}, "do": {"status": 400}}],
                     delay=0.02) for _ in range(2))
    first = send(mill, [one.url + ",weight=3", two], "-j", 4)
    assert first.status == 1, first
    before = len(one.requests()), len(two.requests())
    settings = json.loads(mill.sql(
        "SELECT settings FROM llm_runs", db="a.db")[0][0])
    assert settings["urls"] == [one.url + ",weight=3", two.url]
    done = mill.run("resume", "a.db", "--retry-errors", "--json")
    assert done.status == 0, done
    assert len(one.requests()) + len(two.requests()) == sum(before) + 2
    assert [server["name"] for server in
            json.loads(done.out.splitlines()[-1])["servers"]] == [
        peer(one), peer(two)]


def test_the_model_is_asked_of_one_that_answers(mill, stub, nowhere):
    server = stub({"models": ["only-one"], "rules": []})
    done = mill.run("run", "--prompt", "a", *at([nowhere, server]), "--db",
                    "a.db")
    assert done.status == 0, done
    assert server.requests()[-1]["body"]["model"] == "only-one"


def test_check_asks_each_and_dry_run_shows_each(mill, stub, nowhere):
    server = stub()
    dry = send(mill, [server.url + ",max=7", nowhere], "--dry-run")
    assert dry.status == 0, dry
    assert f"  {server.url},max=7\n  {nowhere}\n" in dry.out
    check = mill.run("check", "-m", "m", *at([server, nowhere]))
    assert check.status == 69, check
    assert "echo: Reply with the single word" in check.out
    assert "Connection refused" in check.out
    assert check.out.count("backend   http") == 2
