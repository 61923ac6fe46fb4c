# SPDX-License-Identifier: ISC
"""The http backend against a scripted server: what goes out, what each kind
of answer becomes, and what a run survives."""

import collections
import contextlib
import json
import os
import re
import signal
import socket
import time

import pytest

from conftest import PATIENCE, Process, until
from llm_server import StubServer, chosen_by_hash

QUICK = ("-m", "m1", "--db", "a.db", "--retry-delay", "20ms")
ATTEMPT = ("outcome", "http_status", "error", "request_id", "model",
           "finish_reason", "input_tokens", "output_tokens", "reasoning",
           "refusal", "raw")
KEY = "sk-test-abcdefghijklmnopqrstuvwxyz"


RULES = []  # of the server that most tests share


def ask(do, **match):
    """Gives a prompt that the shared server answers so."""
    text = f"question {len(RULES)} here"
    RULES.append({"match": {"prompt": text, **match}, "do": do})
    return text


def cases(*rows, **match):
    """Parameters; what the server does is replaced by the prompt for it."""
    return [pytest.param(ask(do, **match), *rest, id=str(do))
            for do, *rest in rows]


@pytest.fixture(scope="module")
def server():
    with StubServer(RULES) as server:
        yield server


def send(mill, server, *args, prompts, **kwargs):
    """Run prompts through the server into a.db."""
    words = [word for text in prompts for word in ("--prompt", text)]
    return mill.run("run", *words, "-u", server.url, *QUICK, *args, **kwargs)


def asked(server, *prompts):
    """The requests for these prompts."""
    return [line for line in server.requests() if line["prompt"] in prompts]


def count(server):
    """How many requests there were, without reading them all."""
    with open(server.log_path, "rb") as log:
        return log.read().count(b'{"event": "request"')


def flat(text):
    """Without the line ends that the summary puts into long sentences."""
    return " ".join(text.split())


def attempts(mill):
    """All attempts in order, as dictionaries."""
    rows = mill.sql(f"SELECT {', '.join(ATTEMPT)} FROM llm_attempts"
                    " ORDER BY rowid", db="a.db")
    return [dict(zip(ATTEMPT, row)) for row in rows]


def bodies(server):
    return [line["body"] for line in server.requests()]


# --- the mission ---


class Reaper:
    """Kills workers with -9 from outside, each while it holds another prompt.

    A worker is stopped before it is looked at, so that what its title says
    is what it dies with. Prompts in spared are left alone.
    """

    def __init__(self, mill, spared):
        self.mill = mill
        self.hit = set(spared)
        self.deaths = 0

    def strike(self):
        """Gives whether a worker died."""
        for worker in self.mill.processes("llmill: worker"):
            if not worker.signal(signal.SIGSTOP):
                continue
            prompt = re.search(r"prompt (\d+),", Process(worker.pid).title)
            if prompt and int(prompt[1]) not in self.hit:
                self.hit.add(int(prompt[1]))
                self.deaths += worker.signal(signal.SIGKILL)
                return True
            worker.signal(signal.SIGCONT)
        return False


def test_hangs_and_killed_workers_cost_no_prompt(mill, stub):
    prompts = [f"prompt {n}" for n in range(1, 1001)]
    hung = [n for n, text in enumerate(prompts, 1)
            if chosen_by_hash(text, 0.02, 0)]
    assert 10 <= len(hung) <= 30
    server = stub([{"match": {"share": 0.02, "attempt": 1},
                    "do": {"hang": True}}], delay=0.07)
    mill.write("prompts.txt", "\n".join(prompts))
    running = mill.start(
        "run", "prompts.txt", "-u", server.url, *QUICK, "-j", 32,
        "--timeout", "2s", "-o", "out.jsonl", "--json")
    reaper = Reaper(mill, hung)
    part = mill.dir / "out.jsonl.part"
    for goal in range(30, 630, 30):  # a death each 30 requests
        until(lambda: count(server) >= goal, f"{goal} requests")
        until(reaper.strike, "a busy worker")
    assert part.exists()
    done = running.wait()
    assert done.status == 0, done
    assert reaper.deaths == 20

    assert mill.results("a.db") == ["echo: " + text for text in prompts]
    lines = [json.loads(line) for line in
             (mill.dir / "out.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == list(range(1, 1001))
    assert [line["result"] for line in lines] == mill.results("a.db")
    assert not part.exists()

    told = json.loads(done.out)
    failures = dict(mill.sql(
        "SELECT outcome, count(*) FROM llm_attempts WHERE outcome <> 'ok'"
        " GROUP BY outcome", db="a.db"))
    assert set(failures) == {"timeout_total", "crash"}
    assert failures["timeout_total"] == len(hung)
    assert failures["crash"] <= 20  # an answer can be out before its worker
    assert (told["answered"], told["failed"], told["open"]) == (1000, 0, 0)
    assert (told["hangs"], told["deaths"]) == (len(hung), 20)
    assert told["attempts"] == 1000 + sum(failures.values())
    assert told["attempts_by"] == {"ok": 1000, **failures}
    assert told["retries"] == sum(failures.values())
    assert f"20 worker deaths, {len(hung)} hangs" in done.err
    assert "1,000 prompts: 1,000 answered in " in done.err

    calls = collections.Counter(
        line["prompt"] for line in server.requests())
    failed = dict(mill.sql(
        "SELECT id, count(*) FROM llm_attempts WHERE outcome <> 'ok'"
        " GROUP BY id", db="a.db"))
    for n, text in enumerate(prompts, 1):
        assert 1 <= calls[text] <= 1 + failed.get(n, 0), text
    assert done.seconds < 15


# --- what comes back ---


FULL = ask({
    "model": "m1-2026", "headers": {"x-request-id": "abc-1"},
    "content": "Not much.", "message": {"reasoning_content": "Hm …"},
    "usage": {"prompt_tokens": 11, "completion_tokens": 22}})


def test_an_answer_is_kept_with_all_that_came_with_it(mill, server):
    done = send(mill, server, prompts=[FULL])
    assert done.status == 0, done
    assert mill.results("a.db") == ["Not much."]
    assert attempts(mill) == [{
        "outcome": "ok", "http_status": 200, "error": None,
        "request_id": "abc-1", "model": "m1-2026", "finish_reason": "stop",
        "input_tokens": 11, "output_tokens": 22, "reasoning": "Hm …",
        "refusal": None, "raw": None}]
    assert "11 in, 22 out" in done.err


SHAPES = [ask(do) for do in (
    {"message": {"reasoning": "Hm …"}}, {"gzip": True}, {"split": True},
    {"chunk": 7}, {"chunk": 64, "chunk_delay": 0.01}, {"usage": None},
    {"finish_reason": None}, {"close_kept": True},
    {"headers": {"x-ratelimit-remaining-tokens": "0"}})]


def test_every_shape_of_an_answer_is_taken(mill, server):
    done = send(mill, server, "-j", 1, prompts=SHAPES)
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: " + text for text in SHAPES]
    assert {row["outcome"] for row in attempts(mill)} == {"ok"}
    assert attempts(mill)[0]["reasoning"] == "Hm …"
    assert attempts(mill)[5]["output_tokens"] is None


@pytest.mark.parametrize("text, outcome, told", cases(
    ({"status": 500}, "server_error", "HTTP 500: stub"),
    ({"status": 502, "body": "<html>Bad gateway</html>"}, "server_error",
     "HTTP 502: <html>Bad gateway"),
    ({"status": 408}, "server_error", "HTTP 408"),
    ({"status": 409}, "server_error", "HTTP 409"),
    ({"status": 429}, "rate_limited", "HTTP 429"),
    ({"status": 503}, "overloaded", "HTTP 503"),
    ({"status": 529}, "overloaded", "HTTP 529"),
    ({"status": 400, "headers": {"x-should-retry": "true"}}, "server_error",
     "HTTP 400"),
    ({"cut_after": 20}, "truncated", "the connection broke after 20 bytes"),
    ({"chunk": 10, "cut_after": 40}, "truncated", "the connection broke"),
    ({"reset": True}, "truncated", "the connection broke"),
    ({"garbage": 300}, "garbage", "HTTP 200 with no JSON"),
    ({"body": "<html>Hello</html>"}, "garbage", "<html>Hello</html>"),
    ({"body": {"object": "chat.completion"}}, "garbage", "no message"),
    ({"raw": "SSH-2.0-OpenSSH_9.2\r\n"}, "garbage", ""),
    ({"body": {"error": {"message": "busy", "code": 429}}}, "rate_limited",
     "429 busy"),
    ({"body": {"error": {"message": "oops", "code": None}}}, "server_error",
     "an error instead of an answer: oops"),
    ({"content": ""}, "empty", "empty answer"),
    ({"content": None}, "empty", "empty answer"),
    attempt=1))
def test_what_is_chance_is_tried_again(mill, server, text, outcome, told):
    done = send(mill, server, prompts=[text])
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: " + text]
    first, second = attempts(mill)
    assert (first["outcome"], second["outcome"]) == (outcome, "ok")
    assert told in first["error"] and "\n" not in first["error"]
    if told.startswith("HTTP"):
        assert first["http_status"] == int(told.split()[1].rstrip(":"))
    assert len(asked(server, text)) == 2
    assert "survived: 1 retry\n" in done.err


@pytest.mark.parametrize("text, outcome, told", cases(
    ({"status": 400, "body": {"error": {"message": "no\nsuch field"}}},
     "bad_request", "HTTP 400: no such field"),
    ({"status": 413}, "bad_request", "HTTP 413"),
    ({"status": 422, "body": {"detail": [{"msg": "bad temperature"}]}},
     "bad_request", "bad temperature"),
    ({"status": 501}, "bad_request", "HTTP 501"),
    ({"status": 500, "headers": {"x-should-retry": "false"}}, "bad_request",
     "HTTP 500"),
    ({"status": 302, "headers": {"Location": "http://127.0.0.2/x"}},
     "bad_request", "redirects are not followed, to http://127.0.0.2/x"),
    ({"status": 400, "body": {"error": {
        "message": "too many tokens", "code": "context_length_exceeded"}}},
     "bad_request", "too many tokens"),
    ({"content": "", "finish_reason": "length"}, "empty",
     "the token limit was reached"),
    ({"content": None, "message": {"refusal": "I will not."}}, "refused",
     "the model refused: I will not."),
    ({"content": "half", "finish_reason": "content_filter"},
     "content_filter", "content filter")))
def test_what_would_be_the_same_again_fails_at_once(
        mill, server, text, outcome, told):
    done = send(mill, server, prompts=[text])
    assert done.status == 1, done
    attempt, = attempts(mill)
    assert attempt["outcome"] == outcome
    assert told in attempt["error"]
    result, = mill.results("a.db")
    assert result.startswith("Error: Failed after 1 attempts: ")
    assert told in result and "\n" not in result
    assert len(asked(server, text)) == 1
    assert mill.sql("SELECT id, outcome FROM llm_failures", db="a.db") == [
        (1, outcome)]
    if outcome == "refused":
        assert attempt["refusal"] == "I will not."


HALF = ask({"content": "half", "finish_reason": "length"})


def test_an_answer_at_its_token_limit_is_an_answer_and_flagged(mill, server):
    done = send(mill, server, prompts=[HALF])
    assert done.status == 0, done
    assert mill.results("a.db") == ["half"]
    assert attempts(mill)[0]["outcome"] == "length"
    assert "1 answer ended at its token limit" in done.err


CALLS = [{"id": "c1", "type": "function",
          "function": {"name": "f", "arguments": "{\"x\": 0.30}"}}]
CALLING = ask({"content": None, "message": {"tool_calls": CALLS},
               "finish_reason": "tool_calls"})


def test_tool_calls_are_an_answer_and_the_body_is_kept(mill, server):
    done = send(mill, server, "--stream", "off", prompts=[CALLING])
    assert done.status == 0, done
    assert json.loads(mill.results("a.db")[0]) == CALLS
    attempt, = attempts(mill)
    assert attempt["outcome"] == "tool_calls"
    assert json.loads(attempt["raw"])["choices"][0]["message"][
        "tool_calls"] == CALLS


EMPTY = ask({"content": ""})


def test_empty_answers_are_answers_where_allowed(mill, server):
    done = send(mill, server, "--allow-empty", prompts=[EMPTY])
    assert done.status == 0, done
    assert mill.results("a.db") == [""]
    assert mill.sql("SELECT state FROM llm_status", db="a.db") == [
        ("answered",)]


ILL = ask({"status": 500})


def test_tries_end_with_the_last_reason_in_the_result(mill, server):
    before = len(asked(server, ILL))
    done = send(mill, server, "--retry-attempts", 2, prompts=[ILL])
    assert done.status == 1, done
    assert len(asked(server, ILL)) - before == 2
    assert mill.results("a.db") == [
        "Error: Failed after 2 attempts: "
        "HTTP 500: stub: status 500 for /v1/chat/completions"]
    assert "failed:   1 server error" in done.err


@pytest.mark.parametrize("tries", [0, 1])
def test_no_tries_and_one_both_mean_one(mill, server, tries):
    before = len(asked(server, ILL))
    done = send(mill, server, "--retry-attempts", tries, prompts=[ILL])
    assert done.status == 1, done
    assert len(asked(server, ILL)) - before == 1


LONG = ask({"content_bytes": 3 << 20, "gzip": True})


def test_an_answer_beyond_the_cap_fails_and_its_start_is_kept(mill, server):
    done = send(mill, server, "--max-answer-bytes", "1M", prompts=[LONG])
    assert done.status == 1, done
    attempt, = attempts(mill)
    assert attempt["outcome"] == "too_long"
    assert 0 < len(attempt["raw"]) <= 65536


LATER = ask({"status": 429, "headers": {"Retry-After": "0.6"}}, attempt=1)


def test_retry_after_is_the_least_pause_and_no_try(mill, server):
    done = send(mill, server, "--retry-attempts", 1, prompts=[LATER])
    assert done.status == 0, done  # a rate limit is no try
    first, second = asked(server, LATER)
    assert second["time"] - first["time"] >= 0.6
    assert [row["outcome"] for row in attempts(mill)] == [
        "rate_limited", "ok"]


BUSY = ask({"status": 503, "headers": {"retry-after-ms": "600"}}, attempt=1)


def test_retry_after_is_the_least_pause_of_a_busy_server_too(mill, server):
    done = send(mill, server, prompts=[BUSY])
    assert done.status == 0, done
    first, second = asked(server, BUSY)
    assert second["time"] - first["time"] >= 0.6


def test_a_rate_limit_holds_all_workers_back(mill, stub):
    server = stub([{"match": {"nth": 1}, "do": {
        "status": 429, "headers": {"retry-after-ms": "700"},
        "delay": 0}}], delay=0.1)
    done = send(mill, server, "-j", 2, prompts=[f"p{n}" for n in range(8)])
    assert done.status == 0, done
    first, *others = [line["time"] for line in server.requests()]
    before = [time for time in others if time < first + 0.7]
    assert len(before) <= 1  # the other worker's, in flight already


LIMITED = ask({"status": 429, "headers": {"Retry-After": "0.3"}})


def test_waits_for_rate_limits_have_an_end(mill, server):
    done = send(mill, server, "--max-wait", "500ms", prompts=[LIMITED])
    assert done.status == 1, done
    assert {row["outcome"] for row in attempts(mill)} == {"rate_limited"}
    assert len(asked(server, LIMITED)) == 2
    (text,) = mill.results("a.db")
    assert text.startswith("Error: Failed after 1 attempts: ")


def test_a_cool_down_of_the_whole_run_counts_as_waiting(mill, stub):
    """The second prompt asks for nothing, but has to wait for the first."""
    server = stub([{"match": {"nth": 1}, "do": {
        "status": 429, "headers": {"Retry-After": "1.5"}, "delay": 0.2}},
        {"match": {"nth": 2}, "do": {"status": 429, "delay": 0.3}},
        {"match": {}, "do": {
            "status": 429, "headers": {"Retry-After": "0.5"}, "delay": 0.1}}])
    done = send(mill, server, "-j", 2, "--max-wait", "1.6",
                prompts=["p1", "p2"])
    assert done.status == 1, done
    # Both wait for 1.5 s, and have none left for 0.5 s more.
    assert len(server.requests()) == 4


@pytest.mark.parametrize("wait", ["2", "0"])
def test_a_pause_longer_than_max_wait_stops_at_once(mill, stub, wait):
    server = stub([{"match": {}, "do": {
        "status": 429, "headers": {"Retry-After": "5"}}}])
    done = send(mill, server, "-j", 1, "--max-wait", wait,
                prompts=["a", "b", "c", "d"])
    assert done.status == 75 and done.seconds < 2, done
    assert "a pause of 5.0 s, longer than --max-wait" in done.words
    assert len(server.requests()) == 1
    assert mill.results("a.db") == [None] * 4


def test_a_longer_max_wait_takes_a_longer_pause(mill, stub):
    server = stub([{"match": {"nth": 1}, "do": {
        "status": 429, "headers": {"Retry-After": "5400"}}}])
    mill.write("in.txt", "a\n")
    run = mill.start("run", "in.txt", "-u", server.url, "-m", "m", "--db",
                     "a.db", "--max-wait", "3h", "-v")
    run.wait_err("rate_limited")
    time.sleep(0.3)
    assert run.popen.poll() is None
    run.signal(signal.SIGTERM)
    done = run.wait()
    assert done.status == 75 and "pause" not in done.words, done


TOMORROW = ask({"status": 429, "headers": {"Retry-After": "86400"}})


def test_a_pause_of_hours_stops_the_run_and_leaves_prompts_open(
        mill, server):
    done = send(mill, server, prompts=[TOMORROW])
    assert done.status == 75, done
    assert mill.results("a.db") == [None]
    assert "the server asks for a pause of " in done.err


# --- when the run itself is wrong ---


@pytest.mark.parametrize("text, told", cases(
    ({"status": 401, "body": {"error": {"message": "Incorrect key"}}},
     "wrong key (3 times in a row): HTTP 401: Incorrect key"),
    ({"status": 403}, "wrong key"),
    ({"status": 402}, "no money"),
    ({"status": 429, "body": {"error": {
        "message": "You exceeded your quota",
        "code": "insufficient_quota"}}}, "You exceeded your quota"),
    ({"status": 404, "body": {"error": {
        "message": "The model `m1` does not exist",
        "code": "model_not_found"}}}, "The model `m1` does not exist"),
    ({"status": 404, "body": "404 page not found\n"},
     "no such path on this server: is the URL right (…/v1)? 404 page not"),
    ({"status": 404, "body": {"detail": "Not Found"}}, "is the URL right"),
    ({"status": 405, "body": "<html>no</html>"}, "is the URL right")))
def test_what_blames_the_run_stops_it_and_leaves_prompts_open(
        mill, server, text, told):
    done = send(mill, server, "-j", 1, prompts=[text] * 9)
    assert done.status == 69, done
    assert told in flat(done.err)
    assert mill.results("a.db") == [None] * 9
    assert len(asked(server, text)) == 3
    assert "9 of 9 prompts" in done.err


@pytest.mark.parametrize("env, args, todo", [
    ({}, [], "No key was sent: give one"),
    ({"OPENAI_API_KEY": KEY}, [],
     "$OPENAI_API_KEY was not sent, because the URL is plain http: name it"
     " with --key-env OPENAI_API_KEY if it belongs there."),
    ({"MINE": KEY}, ["--key-env", "MINE"],
     "The server does not take this key.")])
@pytest.mark.parametrize("model", [["-m", "m1"], []], ids=str)
def test_a_wrong_key_comes_with_what_to_do(mill, stub, env, args, todo, model):
    """In the run, in check, and before the model is known."""
    bad = {"status": 401, "body": {"error": {"message": "Who are you?"}}}
    server = stub([{"match": {}, "do": bad},
                   {"match": {"path": "/v1/models"}, "do": bad}])
    for words in (["run", "--prompt", "a", "--prompt", "b", "--prompt", "c"],
                  ["check"]):
        done = mill.run(*words, "-u", server.url, *model, *args, env=env)
        assert done.status == 69, done
        said = flat(done.out + done.err)
        assert todo in said and KEY not in said
        assert "Who are you?" in said


FORBIDDEN = ask({"status": 403})


def test_answers_between_do_not_let_wrong_keys_stop_the_run(mill, server):
    done = send(mill, server, "-j", 1,
                prompts=[FORBIDDEN, FORBIDDEN, "good"] * 2)
    assert done.status == 1, done
    states = [row[0] for row in mill.sql(
        "SELECT state FROM llm_status ORDER BY id", db="a.db")]
    assert states == ["failed", "failed", "answered"] * 2


WRONG = ask({"status": 400})


def test_a_run_whose_first_prompts_all_fail_is_stopped(mill, server):
    done = send(mill, server, "-j", 2, prompts=[WRONG] * 60)
    assert done.status == 69, done
    assert "the first 24 prompts all failed" in flat(done.err)
    assert len(asked(server, WRONG)) <= 24 + 2
    assert mill.results("a.db")[-1] is None


# --- hangs ---


@pytest.mark.parametrize("text, after", cases(
    ({"hang": True}, " before the first byte"),
    ({"stall_after": 30}, " after 30 bytes"),
    attempt=1))
def test_a_hang_costs_its_timeout_and_no_more(mill, server, text, after):
    quick = [f"quick {n} {after}" for n in range(9)]
    done = send(mill, server, "--timeout", "500ms", "-j", 2,
                prompts=[text, *quick])
    assert done.status == 0, done
    hang, = [row for row in attempts(mill) if row["outcome"] != "ok"]
    assert hang["outcome"] == "timeout_total"
    assert f"no answer within 0.5 s{after}" in hang["error"]
    first, second = asked(server, text)
    assert 0.5 <= second["time"] - first["time"] < 2
    assert max(line["time"] for line in asked(server, *quick)) < \
        first["time"] + 0.5
    assert "1 retry, 1 hang\n" in done.err


# --- nobody is there ---


def free_port():
    with contextlib.closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_nobody_listens_then_the_run_gives_up_and_charges_nobody(mill):
    done = mill.run("run", "--prompt", "a", "--prompt", "b", "-u",
                    f"127.0.0.1:{free_port()}", *QUICK, "-j", 2,
                    "--wait-server", "1200ms")
    assert done.status == 69, done
    assert 1.2 <= done.seconds < 4
    assert mill.results("a.db") == [None, None]
    assert mill.sql("SELECT DISTINCT state FROM llm_status",
                    db="a.db") == [("open",)]
    assert {row["outcome"] for row in attempts(mill)} <= {"no_server"}
    assert "waiting for the server: cannot connect to 127.0.0.1:" in done.err
    assert "Connection refused" in done.err


def test_a_server_that_comes_up_later_is_waited_for(mill):
    port = free_port()
    running = mill.start(
        "run", "--prompt", "a", "--prompt", "b", "-u", f"127.0.0.1:{port}",
        *QUICK, "--retry-attempts", 1)
    running.wait_err("waiting for the server")
    with StubServer(port=port) as server:
        done = running.wait()
        assert done.status == 0, done
        assert mill.results("a.db") == ["echo: a", "echo: b"]
        assert len(server.requests()) == 2
    assert "the server is back" in done.err


def test_a_server_that_dies_in_the_middle_is_waited_for(mill):
    port = free_port()
    prompts = [f"p{n}" for n in range(40)]
    mill.write("prompts.txt", "\n".join(prompts))
    with StubServer(port=port, delay=0.1) as server:
        running = mill.start(
            "run", "prompts.txt", "-u", f"127.0.0.1:{port}", *QUICK)
        until(lambda: count(server) >= 12, "12 requests")
    running.wait_err("waiting for the server")
    with StubServer(port=port):
        done = running.wait()
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: " + text for text in prompts]
    assert done.err.count("waiting for the server") == 1


LOADING = ask({"status": 503, "body": {"error": {
    "message": "Loading model"}}}, attempt=1)


def test_a_model_that_loads_is_waited_for(mill, server):
    done = send(mill, server, "--retry-attempts", 1, prompts=[LOADING])
    assert done.status == 0, done
    assert [row["outcome"] for row in attempts(mill)] == [
        "no_server", "ok"]


def test_tls_to_a_plain_server_is_said_to_be_that(mill, server):
    url = server.url.replace("http:", "https:")
    done = mill.run("run", "--prompt", "a", "-u", url, *QUICK,
                    "--wait-server", "0")
    assert done.status == 69, done
    assert attempts(mill)[0]["outcome"] == "tls"


# --- what goes out ---


def test_a_request_is_the_messages_and_what_options_say(mill, server):
    mill.write("sys.txt", "Be brief.\n")
    mill.write("schema.json", '{"type": "object", "n": 1.50}\n')
    done = send(
        mill, server, "--stream", "off", "-s", "@sys.txt", "--temperature", "0.30", "--top-p",
        "0.9", "--max-tokens", "2k", "--seed", "7", "--stop", "END",
        "-p", "min_p=0.050", "-p", "chat_template_kwargs={\"x\":1e2}",
        "-p", "guided_json=@schema.json", "-p", "user=me",
        "-p", "ignore_eos=true", "-p", "note=3 wishes", prompts=["all of it"])
    assert done.status == 0, done
    assert [line["body"] for line in asked(server, "all of it")] == [{
        "model": "m1",
        "messages": [{"role": "system", "content": "Be brief."},
                     {"role": "user", "content": "all of it"}],
        "temperature": 0.3, "top_p": 0.9, "max_tokens": 2000, "seed": 7,
        "stop": "END", "min_p": 0.05, "chat_template_kwargs": {"x": 100},
        "guided_json": {"type": "object", "n": 1.5}, "user": "me",
        "ignore_eos": True, "note": "3 wishes"}]
    plan, = mill.sql("SELECT settings FROM llm_runs", db="a.db")
    assert '"temperature":0.30' in plan[0] and "0.050" in plan[0]


class Listener:
    """A server of one answer that keeps the bytes of the request."""

    ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Length: 49\r\n\r\n"
              b'{"choices":[{"message":{"content":"  fine\\n"}}]}\n\n')

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v1"

    def serve(self):
        """Answer one request. Gives its head and body."""
        link, _ = self.socket.accept()
        with link:
            got = b""
            while b"\r\n\r\n" not in got:
                got += link.recv(65536)
            head, _, body = got.partition(b"\r\n\r\n")
            size = int(head.lower().split(b"content-length:")[1].split()[0])
            while len(body) < size:
                body += link.recv(65536)
            link.sendall(self.ANSWER)
        return head.decode(), body.decode()


def test_numbers_and_messages_go_out_as_they_were_written(mill):
    listener = Listener()
    mill.write("in.jsonl", '{"messages": [{"role":"user", "content": "caf'
               '\\u00e9 \\/", "weight": 1.10}], "params": {"top_k": 20.0}}')
    with listener.socket:
        running = mill.start("run", "in.jsonl", "-u", listener.url, *QUICK,
                             "--temperature", "0.30", "-p", "big=[1E400]")
        head, body = listener.serve()
        assert running.wait().status == 0
    assert head.startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert "0.30" in body and "20.0" in body and "[1E400]" in body
    assert ('[{"role":"user", "content": "caf\\u00e9 \\/", "weight": 1.10}]'
            in body)
    assert mill.results("a.db") == ["  fine\n"]


def test_a_record_has_the_last_word_on_model_system_and_params(mill, stub):
    server = stub()
    own = [{"role": "system", "content": "Mine."},
           {"role": "user", "content": "a"},
           {"role": "assistant", "content": "b"},
           {"role": "user", "content": [{"type": "text", "text": "c"}]}]
    records = [
        {"prompt": "1", "model": "m9", "system": "Own.",
         "params": {"temperature": 1, "top_k": 5}},
        {"prompt": "2"},
        {"messages": own},
        {"messages": own[1:2]},
    ]
    mill.write("in.jsonl", "\n".join(map(json.dumps, records)))
    done = mill.run("run", "in.jsonl", "-u", server.url, *QUICK, "-j", 1,
                    "--stream", "off", "-s", "All.", "--temperature", "0")
    assert done.status == 0, done
    all_system = {"role": "system", "content": "All."}
    assert bodies(server) == [
        {"model": "m9", "temperature": 1, "top_k": 5, "messages": [
            {"role": "system", "content": "Own."},
            {"role": "user", "content": "1"}]},
        {"model": "m1", "temperature": 0, "messages": [
            all_system, {"role": "user", "content": "2"}]},
        {"model": "m1", "temperature": 0, "messages": own},
        {"model": "m1", "temperature": 0, "messages": [
            all_system, own[1]]},
    ]
    stored = [row[0] for row in mill.sql(
        "SELECT prompt FROM llm_results ORDER BY id", db="a.db")]
    assert stored[0] == "1" and stored[3] == "a"
    assert json.loads(stored[2]) == own


def test_headers_go_out_typed_and_from_files(mill, server):
    mill.write("h.txt", "x-api-key: secret-abcdefgh\r\n\nX-Two: 2\n", 0o600)
    done = send(mill, server, "-H", "X-One: 1", "-H", "@h.txt",
                prompts=["headed"])
    assert done.status == 0, done
    headers = asked(server, "headed")[0]["headers"]
    assert (headers["x-one"], headers["x-two"]) == ("1", "2")
    assert headers["x-api-key"] == "secret-abcdefgh"
    assert headers["content-type"] == "application/json"
    settings, = mill.sql("SELECT settings FROM llm_runs", db="a.db")[0]
    assert json.loads(settings)["headers"] == ["X-One", "x-api-key", "X-Two"]
    assert "secret-abcdefgh" not in settings + done.err


@pytest.mark.parametrize("form", [
    "127.0.0.1:{port}", "127.0.0.1:{port}/", "localhost:{port}",
    "http://127.0.0.1:{port}/v1/", "HTTP://127.0.0.1:{port}/v1",
    "127.0.0.1:{port}/v1/chat/completions",
    "http://127.0.0.1:{port}/v1/chat/completions/"])
def test_forms_of_a_url_all_mean_the_same(mill, server, form):
    port = server.url.split(":")[2].split("/")[0]
    done = mill.run("run", "--prompt", form, "-u", form.format(port=port),
                    *QUICK)
    assert done.status == 0, done
    line, = asked(server, form)
    assert line["path"] == "/v1/chat/completions"


@pytest.mark.parametrize("url, why", [
    ("http://me:pa55word@127.0.0.1:1/v1", "user name or password"),
    ("me:pa55word@127.0.0.1:1", "user name or password"),
    ("ftp://127.0.0.1/", "only http:// and https:// are known"),
    ("127.0.0.1:99999", "port"), ("http://", "no host"),
    ("http://a b/", "blank or control byte"), ("http://x/#y", "fragment"),
])
def test_other_urls_are_refused(mill, url, why):
    done = mill.run("run", "--prompt", "a", "-u", url, "-m", "m")
    assert done.status == 2, done
    assert why in done.err and done.err.count("\n") == 1
    assert "pa55word" not in done.err
    assert not list(mill.dir.iterdir())


def test_the_url_comes_from_the_environment(mill, stub):
    one, two = stub(), stub()
    env = {"OPENAI_BASE_URL": one.url, "OPENAI_API_BASE": two.url}
    assert mill.run("run", "--prompt", "a", *QUICK, env=env).status == 0
    del env["OPENAI_BASE_URL"]
    assert mill.run("run", "--prompt", "a", "--no-db", "-m", "m1",
                    env=env).status == 0
    assert (len(one.requests()), len(two.requests())) == (1, 1)


# --- keys ---


def sent_key(server, text):
    line, = asked(server, text)
    return line["headers"].get("authorization")


@pytest.mark.parametrize("args, where, sent", [
    (["-u", "URL"], {}, None),
    (["-u", "URL", "--key-env", "MINE"], {}, "Bearer " + KEY + "2"),
    (["-u", "URL", "--key-env", "OPENAI_API_KEY"], {}, "Bearer " + KEY),
    ([], {"OPENAI_BASE_URL": "URL"}, "Bearer " + KEY),
    (["--key-env", "MINE"], {"OPENAI_BASE_URL": "URL"},
     "Bearer " + KEY + "2"),
])
def test_over_plain_http_a_key_goes_only_where_it_was_meant_for(
        mill, server, args, where, sent):
    text = f"who am I, with {args} {where}?"
    env = {"OPENAI_API_KEY": KEY, "MINE": KEY + "2"}
    env.update((name, server.url) for name in where)
    args = [server.url if word == "URL" else word for word in args]
    done = mill.run("run", "--prompt", text, "--no-db", *args, env=env)
    assert done.status == 0, done
    assert sent_key(server, text) == sent


def test_a_key_file_can_be_a_file_or_a_pipe(mill, server):
    mill.write("key", f"  {KEY}\r\n", 0o600)
    os.mkfifo(mill.dir / "pipe")
    for name in "key", "pipe":
        running = mill.start("run", "--prompt", name, "--no-db", "-u",
                             server.url, "--key-file", name)
        if name == "pipe":
            (mill.dir / name).write_text(KEY)  # when it has been opened
        done = running.wait()
        assert done.status == 0, done
        assert sent_key(server, name) == "Bearer " + KEY
        assert "warning" not in done.err


@pytest.mark.parametrize("mode, status, told", [
    (0o622, 2, "can be written by others"), (0o602, 2, "written by others"),
    (0o644, 0, "can be read by others"), (0o640, 0, "can be read by others"),
    (0o604, 0, "can be read by others"), (0o600, 0, "")])
def test_who_can_touch_a_key_file_matters(mill, server, mode, status, told):
    mill.write("key", KEY, mode)
    text = f"mode {mode:o}"
    done = mill.run("run", "--prompt", text, "--no-db", "-u", server.url,
                    "--key-file", "key")
    assert done.status == status, done
    assert told in done.err and KEY not in done.err
    assert ("by others" in done.err) == bool(told)
    assert len(asked(server, text)) == (status == 0)


@pytest.mark.parametrize("text, told", [
    ("", "is empty"), ("\n", "is empty"), (KEY + "\nmore", "one line"),
    (KEY + "\0x", "control characters")])
def test_a_key_file_that_is_none_is_refused(mill, text, told):
    mill.write("key", text, 0o600)
    done = mill.run("run", "--prompt", "a", "--no-db", "-u", "127.0.0.1:1",
                    "--key-file", "key")
    assert done.status == 2, done
    assert told in done.err and KEY not in done.err
    assert done.err.count("\n") == 1


def test_a_named_key_does_not_go_to_another_machine_over_plain_http(mill):
    done = mill.run("run", "--prompt", "a", "--no-db", "-u",
                    "http://llm.invalid/v1", "--key-env", "MINE",
                    env={"MINE": KEY})
    assert done.status == 2, done
    assert "unencrypted" in done.err and "--allow-http-key" in done.err
    assert KEY not in done.err


ECHOED = ask({"status": 500, "body": {"error": {
    "message": f"Authorization: Bearer {KEY} is odd"}}}, attempt=1)
RULES += [
    {"match": {"prompt": ECHOED, "attempt": 2},
     "do": {"body": f"<html>{KEY}</html>"}},
    {"match": {"prompt": ECHOED, "attempt": 3},
     "do": {"body": {"error": {"message": f"what is {KEY}?"}}}},
    {"match": {"prompt": ECHOED}, "do": {"delay": 0.3}}]


def test_a_key_is_found_nowhere_but_in_the_request(mill, server):
    """Not even where a server says it back."""
    running = mill.start(
        "run", "--prompt", ECHOED, "-u", server.url, *QUICK, "--key-env",
        "MINE", "--log", "run.log", "-vv", "-o", "out.jsonl", "--json",
        "--retry-attempts", 4, env={"MINE": KEY})
    until(lambda: len(asked(server, ECHOED)) == 4, "the fourth try")
    titles = [process.title for process in mill.processes()]
    assert len(titles) >= 3 and KEY not in " ".join(titles)
    done = running.wait()
    assert done.status == 0, done
    assert {line["headers"]["authorization"]
            for line in asked(server, ECHOED)} == {"Bearer " + KEY}
    assert [row["outcome"] for row in attempts(mill)] == [
        "server_error", "garbage", "server_error", "ok"]
    assert all("[key]" in row["error"] for row in attempts(mill)[:3])
    kept = [path.read_bytes() for path in mill.dir.iterdir()]
    assert len(kept) == 3  # a.db, run.log, out.jsonl
    for content in (*kept, done.out.encode(), done.err.encode()):
        assert KEY.encode() not in content


GUARDED = ask({"delay": 0.5})


def test_a_key_in_a_header_file_is_guarded_like_any_other(mill, server):
    """No core file may hold it, and a server that says it back when asked
    for its models is not quoted."""
    mill.write("head", f"Authorization: Bearer {KEY}\n", 0o600)
    slow = GUARDED
    running = mill.start("run", "--prompt", slow, "--no-db", "-u", server.url,
                         "-m", "m", "-H", "@head")
    until(lambda: asked(server, slow), "the request")
    limits = [(process.proc / "limits").read_text()
              for process in mill.processes()]
    assert running.wait().status == 0 and len(limits) == 3
    for text in limits:
        assert re.search(r"Max core file size +0 +0 ", text), text


# --- which model ---


def test_a_wrong_key_is_one_before_the_model_is_known_too(mill, stub):
    server = stub([{"match": {"path": "/v1/models"}, "do": {
        "status": 401, "body": {"error": {"message": f"bad key {KEY}"}}}}])
    mill.write("head", f"Authorization: Bearer {KEY}\n", 0o600)
    done = mill.run("run", "--prompt", "a", "-u", server.url, "-H", "@head")
    assert done.status == 69 and done.seconds < 5, done
    assert "wrong key" in done.err and "bad key [key]" in done.err
    assert KEY not in done.err


def test_without_a_model_the_only_one_of_the_server_is_taken(mill, stub):
    server = stub({"models": ["the-only-one"]})
    done = mill.run("run", "--prompt", "a", "--db", "a.db", "-u", server.url)
    assert done.status == 0, done
    line, = asked(server, "a")
    assert line["body"]["model"] == "the-only-one"
    assert attempts(mill)[0]["model"] == "the-only-one"
    assert "the-only-one" in done.err
    done = mill.run("run", "--prompt", "a", "--db", "a.db", "-u", server.url,
                    "-m", "the-only-one")
    assert done.status == 0, done  # the same plan
    assert len(asked(server, "a")) == 1


def test_without_a_model_several_are_listed_and_nothing_is_sent(mill, stub):
    server = stub({"models": ["big", "small"]})
    done = mill.run("run", "--prompt", "a", "-u", server.url)
    assert done.status == 2, done
    assert "big" in done.err and "small" in done.err and "-m" in done.err
    assert done.err.count("\n") == 1
    assert asked(server, "a") == []
    assert not list(mill.dir.iterdir())


def test_records_that_name_their_models_need_no_other(mill, stub):
    server = stub({"models": ["big", "small"]})
    mill.write("in.jsonl", '{"prompt": "a", "model": "small"}')
    done = mill.run("run", "in.jsonl", "--no-db", "-u", server.url)
    assert done.status == 0, done
    assert [line["path"] for line in server.requests()] == [
        "/v1/chat/completions"]
