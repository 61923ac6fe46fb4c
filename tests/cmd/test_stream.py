# SPDX-License-Identifier: ISC
"""Answers piece by piece, and the four timeouts of a call."""

import json
import os

import pytest

from conftest import until

QUICK = ("-m", "m1", "--db", "a.db", "--retry-delay", "20ms")


def send(mill, server, *args, prompts=("hello there",), **kwargs):
    words = [word for text in prompts for word in ("--prompt", text)]
    return mill.run("run", *words, "-u", server.url, *QUICK, *args, **kwargs)


def attempts(mill, *columns):
    return mill.sql(f"SELECT {', '.join(columns)} FROM llm_attempts"
                    " ORDER BY rowid", db="a.db")


def event(delta=None, reason=None, **more):
    choice = {"index": 0, "delta": delta or {}, "finish_reason": reason}
    return "data: " + json.dumps({"choices": [choice], **more}) + "\n\n"


def streaming(*events, **do):
    """A rule: these events, whole, under their own content type."""
    return {"match": do.pop("match", {}), "do": {
        "headers": {"Content-Type": "text/event-stream"},
        "body": "".join(events), **do}}


HALF = event({"content": "half "}), event({"content": "a word"})
END = event(reason="stop"), "data: [DONE]\n\n"


# --- when ---


@pytest.mark.parametrize("args, streams", [
    ([], True), (["--timeout", "121s"], True), (["--timeout", "120s"], False),
    (["--timeout", "120s", "--stream", "on"], True),
    (["--stream", "off"], False)], ids=str)
def test_answers_are_streams_where_the_timeout_is_long(
        mill, stub, args, streams):
    server = stub()
    done = send(mill, server, *args)
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: hello there"]
    body = server.requests()[0]["body"]
    assert body.get("stream", False) is streams
    assert ("stream_options" in body) is streams
    assert attempts(mill, "outcome", "finish_reason", "model",
                    "input_tokens", "output_tokens") == [
        ("ok", "stop", "m1", 2, 3)]


def test_a_dry_run_and_check_ask_as_the_run_does(mill, stub):
    server = stub()
    done = mill.run("run", "--prompt", "x", "-u", server.url, *QUICK,
                    "--dry-run")
    assert '"stream":true,"stream_options":{"include_usage":true}' in done.out
    assert mill.run("check", "-u", server.url, "-m", "m").status == 0
    assert server.requests()[-1]["body"]["stream"] is True


@pytest.mark.parametrize("refused, left", [
    ("stream_options", {"stream": True}), ("stream", {})])
def test_a_server_that_knows_no_streams_is_asked_without(
        mill, stub, refused, left):
    """It is not a try, and not asked again for the next prompt."""
    server = stub([{"match": {"nth": 1}, "do": {
        "status": 400, "body": {"error": {
            "message": f"Unrecognized request argument: {refused}"}}}}])
    done = send(mill, server, "-j", 1, prompts=["a", "b"])
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: a", "echo: b"]
    assert attempts(mill, "outcome") == [("ok",), ("ok",)]
    bodies = [line["body"] for line in server.requests()]
    assert [{key: body[key] for key in body if key.startswith("stream")}
            for body in bodies[-2:]] == [left, left]
    assert len(bodies) == 3


def test_streams_that_were_asked_for_are_insisted_on(mill, stub):
    server = stub([{"match": {}, "do": {"status": 400, "body": {"error": {
        "message": "no stream here"}}}}])
    done = send(mill, server, "--stream", "on")
    assert done.status == 1, done
    assert [line["body"]["stream"] for line in server.requests()] == [True]


# --- what is an answer ---


def test_the_first_byte_is_when_the_answer_begins(mill, stub):
    server = stub([streaming(*HALF, *END, chunk=4096, delay=0.3)])
    done = send(mill, server)
    assert done.status == 0, done
    (first, whole), = attempts(mill, "first_byte_ms", "duration_ms")
    assert 300 <= first <= whole < 3000


def test_tool_calls_are_put_together(mill, stub):
    def call(index, **function):
        return {"tool_calls": [{"index": index, "function": function}]}
    server = stub([streaming(
        event({"role": "assistant", "content": None, "tool_calls": [
            {"index": 0, "id": "c1", "type": "function",
             "function": {"name": "f", "arguments": ""}}]}),
        event(call(0, arguments='{"x"')), event(call(0, arguments=": 0.30}")),
        event({"tool_calls": [
            {"index": 1, "id": "c2", "type": "function",
             "function": {"name": "g", "arguments": "{}"}}]}),
        event(reason="tool_calls"), "data: [DONE]\n\n")])
    done = send(mill, server)
    assert done.status == 0, done
    assert json.loads(mill.results("a.db")[0]) == [
        {"id": "c1", "type": "function",
         "function": {"name": "f", "arguments": '{"x": 0.30}'}},
        {"id": "c2", "type": "function",
         "function": {"name": "g", "arguments": "{}"}}]
    (outcome, raw), = attempts(mill, "outcome", "raw")
    assert outcome == "tool_calls" and raw.count("data: ") == 6


@pytest.mark.parametrize("events, outcome, told", [
    (HALF, "truncated",
     "the stream ended after 2 events without a finish reason"),
    ((HALF[0], "data: {\"choi"), "truncated", "after 1 events"),
    ((HALF[0], "data: {\"choi\n\n", *END), "garbage",
     "event 2 of the stream cannot be read"),
    ((HALF[0], 'data: {"error":{"message":"engine died","code":500}}\n\n'),
     "server_error", "engine died"),
    ((HALF[0], 'error: {"code":500,"message":"slot gone"}\n\n'),
     "server_error", "slot gone"),
    ((HALF[0], 'event: error\ndata: out of luck\n\n'), "server_error",
     "out of luck"),
    (('{"error":{"message":"slow down","code":429}}',), "rate_limited",
     "slow down"),
    ((": ping\n\n",), "truncated", "the stream ended "),
    ((), "truncated", "the stream ended ")], ids=str)
def test_half_an_answer_is_none(mill, stub, events, outcome, told):
    server = stub([streaming(*events, match={"attempt": 1})])
    done = send(mill, server)
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: hello there"]
    (first, why), (second, _) = attempts(mill, "outcome", "error")
    assert (first, second) == (outcome, "ok")
    assert told in why


@pytest.mark.parametrize("do", [
    {"cut_after": len("".join(HALF) + END[0])},
    {"stall_after": len("".join(HALF) + END[0])},
    {"stall_after": len("".join(HALF + END)), "chunk": 1 << 16}], ids=str)
def test_a_finished_answer_survives_how_its_connection_ends(mill, stub, do):
    server = stub([streaming(*HALF, *END, **do)])
    done = send(mill, server, "--stall-timeout", "300ms")
    assert done.status == 0, done
    assert mill.results("a.db") == ["half a word"]
    assert len(server.requests()) == 1
    assert done.seconds < 3


def test_a_plain_answer_to_a_stream_is_taken(mill, stub):
    whole = {"choices": [{"message": {"content": "plain"}}]}
    server = stub([
        {"match": {"prompt": "one"}, "do": {"body": whole}},
        streaming(json.dumps(whole), match={"prompt": "two"}),
        {"match": {}, "do": {"body": "".join(HALF + END)}}])
    done = send(mill, server, prompts=["one", "two", "three"])
    assert done.status == 0, done
    assert mill.results("a.db") == ["plain", "plain", "half a word"]


def test_an_endless_stream_ends_at_the_cap_and_its_start_is_kept(mill, stub):
    server = stub([streaming(*[event({"content": "x" * 1000})] * 3000)])
    done = send(mill, server, "--max-answer-bytes", "1M")
    assert done.status == 1, done
    (outcome, raw), = attempts(mill, "outcome", "raw")
    assert outcome == "too_long" and raw == "x" * 65536


def test_every_body_is_kept_where_that_is_wanted(mill, stub):
    bad = {"error": {"message": "ill"}}
    server = stub([{"match": {"attempt": 1},
                    "do": {"status": 500, "body": bad}},
                   streaming(*HALF, *END)])
    done = send(mill, server, "--keep-raw")
    assert done.status == 0, done
    first, second = [raw for raw, in attempts(mill, "raw")]
    assert json.loads(first) == bad
    assert second == "".join(HALF + END)


# --- how long ---


@pytest.mark.parametrize("do, args, outcome, told", [
    ({"hang": True}, ["--first-byte-timeout", "300ms"], "timeout_first_byte",
     "no first byte within 0.3 s"),
    ({"stall_after": len(HALF[0]) + 3}, ["--stall-timeout", "300ms"],
     "timeout_stall", "no byte for 0.3 s after 92 bytes"),
    ({"stall_after": 30}, ["--timeout", "300ms"], "timeout_total",
     "no answer within 0.3 s after 30 bytes")], ids=str)
def test_each_timeout_has_its_outcome_and_text(
        mill, stub, do, args, outcome, told):
    server = stub([streaming(*HALF, *END, match={"attempt": 1}, **do)])
    done = send(mill, server, "--stream", "on", *args)
    assert done.status == 0, done
    (first, why), (second, _) = attempts(mill, "outcome", "error")
    assert (first, second) == (outcome, "ok")
    assert why == told
    assert "1 retry, 1 hang" in done.err
    assert done.seconds < 5


def test_a_slow_beginning_is_no_stall_and_a_slow_stream_no_hang(mill, stub):
    """0.7 s of silence, then a second of answer, each byte in time."""
    events = [event({"content": f"{n} "}) for n in range(10)]
    server = stub([streaming(*events, *END, delay=0.7, chunk=90,
                             chunk_delay=0.1)])
    done = send(mill, server, "--stall-timeout", "500ms")
    assert done.status == 0, done
    assert mill.results("a.db") == ["0 1 2 3 4 5 6 7 8 9 "]
    assert len(server.requests()) == 1
    done = send(mill, server, "--redo", "1", "--first-byte-timeout", "300ms",
                "--retry-attempts", "1")
    assert attempts(mill, "outcome")[-1] == ("timeout_first_byte",)


def test_zero_is_no_timeout(mill, stub):
    server = stub([streaming(*HALF, *END, delay=0.2, chunk=60,
                             chunk_delay=0.2)])
    done = send(mill, server, "--stall-timeout", "0",
                "--first-byte-timeout", "0")
    assert done.status == 0, done


def test_a_killed_worker_tells_what_it_had(mill, stub):
    """Its bytes travel ahead of the answer; they stand in its obituary."""
    events = [event({"content": f"{n:04} " * 10}) for n in range(200)]
    server = stub([streaming(*events, *END, match={"attempt": 1}, chunk=200,
                             chunk_delay=0.02)])
    run = mill.start("run", "--prompt", "x", "-u", server.url, *QUICK, "-j", 1)
    until(lambda: server.requests(), "a request")

    def had_a_second():
        worker, = mill.processes("llmill: worker")
        with open("/proc/uptime", encoding="ascii") as uptime:
            now = float(uptime.read().split()[0])
        with open(f"/proc/{worker.pid}/stat", encoding="ascii") as stat:
            ticks = int(stat.read().rsplit(")", 1)[1].split()[19])
        born = ticks / os.sysconf("SC_CLK_TCK")
        return now - born > 1.6 and worker
    until(had_a_second, "a worker of 1.6 s").signal(9)
    done = run.wait()
    assert done.status == 0, done
    (first, why), (second, _) = attempts(mill, "outcome", "error")
    assert (first, second) == ("crash", "ok")
    assert "signal 9" in why and " kB" in why


def test_resume_asks_as_the_run_did(mill, stub):
    server = stub()
    args = ["--stream", "off", "--keep-raw", "--first-byte-timeout", "7s",
            "--stall-timeout", "8s"]
    done = send(mill, server, "-n", 1, *args, prompts=["a", "b"])
    assert done.status == 0, done
    assert mill.run("resume", "a.db", "-u", server.url).status == 0
    assert ["stream" in line["body"] for line in server.requests()] == [
        False, False]
    assert all(raw for raw, in attempts(mill, "raw"))
    first, second = [json.loads(row[0]) for row in mill.sql(
        "SELECT settings FROM llm_runs ORDER BY run_id", db="a.db")]
    for key, value in {"first_byte_timeout_ms": 7000, "stream": False,
                       "stall_timeout_ms": 8000, "keep_raw": True}.items():
        assert first[key] == second[key] == value
