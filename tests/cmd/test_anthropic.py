# SPDX-License-Identifier: ISC
"""--api anthropic: the same promises over /messages."""

import json
import os
import re

import pytest

from test_stream import attempts, streaming

QUICK = ("-m", "m1", "--db", "a.db", "--retry-delay", "20ms",
         "--api", "anthropic")
BOTH = pytest.mark.parametrize("stream", ["on", "off"])
ENDED = ("event: message_delta\ndata: " + json.dumps({
    "type": "message_delta", "delta": {"stop_reason": "end_turn"}}) + "\n\n")


def send(mill, server, *args, prompts=("hello there",), **kwargs):
    words = [word for text in prompts for word in ("--prompt", text)]
    return mill.run("run", *words, "-u", server.url, *QUICK, *args, **kwargs)


def said(text):
    """The events of a stream up to this text."""
    events = [
        {"type": "message_start", "message": {
            "type": "message", "content": [], "model": "m1"}},
        {"type": "content_block_start", "index": 0,
         "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0,
         "delta": {"type": "text_delta", "text": text}}]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
                   for event in events)


@BOTH
def test_an_answer_is_kept_with_all_that_came_with_it(mill, stub, stream):
    server = stub([{"match": {}, "do": {
        "message": {"reasoning_content": "let me see"},
        "headers": {"request-id": "req_7"}}}])
    done = send(mill, server, "--stream", stream, "-s", "be kind",
                "--max-tokens", 50, "--temperature", "0.5", "--stop", "END")
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: hello there"]
    assert attempts(mill, "outcome", "finish_reason", "model", "reasoning",
                    "request_id", "input_tokens", "output_tokens") == [
        ("ok", "end_turn", "m1", "let me see", "req_7", 2, 3)]
    request, = server.requests()
    assert request["path"] == "/v1/messages"
    assert request["headers"]["anthropic-version"] == "2023-06-01"
    assert "authorization" not in request["headers"]
    assert request["body"] == {
        "model": "m1", "system": "be kind", "temperature": 0.5,
        "stop_sequences": ["END"], "max_tokens": 50,
        **({"stream": True} if stream == "on" else {}),
        "messages": [{"role": "user", "content": "hello there"}]}


def test_a_limit_is_always_sent_and_a_record_can_say_another(mill, stub):
    server = stub()
    mill.write("p.jsonl", '{"prompt": "a"}\n'
                          '{"prompt": "b", "params": {"max_tokens": 9}}\n')
    done = mill.run("run", "p.jsonl", "-u", server.url, *QUICK, "-j", 1)
    assert done.status == 0, done
    assert [r["body"]["max_tokens"] for r in server.requests()] == [4096, 9]


@BOTH
def test_tool_use_is_an_answer(mill, stub, stream):
    server = stub([{"match": {}, "do": {
        "content": None, "finish_reason": "tool_calls",
        "message": {"tool_calls": [{
            "id": "t1", "type": "function", "function": {
                "name": "weather", "arguments": '{"city": "Bonn"}'}}]}}}])
    done = send(mill, server, "--stream", stream)
    assert done.status == 0, done
    assert json.loads(mill.results("a.db")[0]) == [
        {"type": "tool_use", "id": "t1", "name": "weather",
         "input": {"city": "Bonn"}}]


@BOTH
@pytest.mark.parametrize("reason, status, outcome", [
    ("length", 0, "length"), ("pause_turn", 0, "length"),
    ("content_filter", 1, "refused")])
def test_why_it_ended_decides(mill, stub, stream, reason, status, outcome):
    server = stub([{"match": {}, "do": {"finish_reason": reason}}])
    done = send(mill, server, "--stream", stream, "--retry-attempts", 1)
    assert done.status == status, done
    assert attempts(mill, "outcome") == [(outcome,)]


@pytest.mark.parametrize("do, outcome, told", [
    ({"status": 529}, "overloaded", "stub: status 529"),
    ({"status": 500}, "server_error", "stub: status 500"),
    ({"status": 429, "headers": {"retry-after": "0.2"}}, "rate_limited",
     "stub: status 429"),
    ({"status": 404, "body": {"detail": "Not Found"},
      "headers": {"x-should-retry": "true"}}, "server_error", "Not Found"),
    ({"cut_after": 20}, "truncated", ""),
    ({"reset": True}, "truncated", ""),
    ({"hang": True}, "timeout_total", "")], ids=str)
def test_what_is_chance_is_tried_again(mill, stub, do, outcome, told):
    server = stub([{"match": {"attempt": 1}, "do": do}])
    done = send(mill, server, "--timeout", "1s")
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: hello there"]
    first, second = attempts(mill, "outcome", "error", "request_id")
    assert first[0] == outcome and told in (first[1] or "")
    if "status" in do and "body" not in do:
        assert first[2] == "req-1"
    assert second[0] == "ok"


@pytest.mark.parametrize("events, outcome", [
    ([said("half an")], "truncated"),
    ([said("half an"), 'event: error\ndata: {"type": "error", "error": {'
      '"type": "overloaded_error", "message": "Overloaded"}}\n\n'],
     "overloaded"),
    ([said("half"), "data: {oh no\n\n", ENDED], "garbage")],
    ids=["cut", "overloaded", "garbage"])
def test_half_a_stream_is_no_answer(mill, stub, events, outcome):
    server = stub([streaming(*events, match={"attempt": 1})])
    done = send(mill, server, "--stream", "on")
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: hello there"]
    assert [row[0] for row in attempts(mill, "outcome")] == [outcome, "ok"]


def test_an_answer_stands_without_the_last_event(mill, stub):
    server = stub([streaming(said("all of it"), ENDED)])
    done = send(mill, server, "--stream", "on")
    assert done.status == 0, done
    assert mill.results("a.db") == ["all of it"]


@pytest.mark.parametrize("status, kind, outcome", [
    (401, "authentication_error", "auth"),
    (403, "permission_error", "auth"),
    (404, "not_found_error", "no_model"),
    (402, "billing_error", "no_money")])
def test_what_blames_the_run_stops_it(
        mill, stub, status, kind, outcome):
    server = stub([{"match": {}, "do": {"status": status, "body": {
        "type": "error", "error": {"type": kind, "message": "because"},
        "request_id": "req_9"}}}])
    done = send(mill, server, "-j", 1, prompts=[f"p{n}" for n in range(9)])
    assert done.status == 69, done
    assert set(attempts(mill, "outcome", "request_id")) == {
        (outcome, "req_9")}
    assert len(server.requests()) == 3
    if outcome == "auth":
        assert "$ANTHROPIC_API_KEY" in " ".join(done.err.split())


def test_a_request_that_is_too_large_fails_alone(mill, stub):
    server = stub([{"match": {"prompt": "large"}, "do": {"status": 413}}])
    done = send(mill, server, prompts=["large", "small"])
    assert done.status == 1, done
    assert sorted(attempts(mill, "outcome")) == [("bad_request",), ("ok",)]


def test_the_key_goes_under_its_own_name_and_nowhere_else(mill, stub):
    key = "sk-ant-0123456789abcdef"
    server = stub([{"match": {"attempt": 1}, "do": {
        "status": 500, "body": {"type": "error", "error": {
            "type": "api_error", "message": f"your {key} hurts"}}}}])
    env = {"ANTHROPIC_API_KEY": key, "OPENAI_API_KEY": "sk-other-one"}
    done = send(mill, server, "--key-env", "ANTHROPIC_API_KEY", "-vv",
                env=env)
    assert done.status == 0, done
    for request in server.requests():
        assert request["headers"]["x-api-key"] == key
        assert "authorization" not in request["headers"]
    for path in mill.dir.rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes()
    assert key not in done.out + done.err


def test_headers_of_the_user_stand_over_its_own(mill, stub):
    server = stub()
    mill.write("keys", "X-Api-Key: mine-of-the-file\n", 0o600)
    done = send(mill, server, "-H", "anthropic-version: 2099-01-01",
                "-H", "anthropic-beta: x", "-H", "@keys",
                "--key-env", "MINE", env={"MINE": "not-this-one"})
    assert done.status == 0, done
    headers = server.requests()[0]["headers"]
    assert headers["anthropic-version"] == "2099-01-01"
    assert headers["anthropic-beta"] == "x"
    assert headers["x-api-key"] == "mine-of-the-file"


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/messages"])
def test_forms_of_a_url_all_mean_the_same(mill, stub, tail):
    server = stub()
    env = {"ANTHROPIC_BASE_URL": server.url[:-len("/v1")] + tail}
    done = mill.run("run", "--prompt", "hi", "--db", "a.db",
                    "--api", "anthropic", env=env)
    assert done.status == 0, done
    assert [r["path"] for r in server.requests()] == [
        "/v1/models", "/v1/messages"]


@pytest.mark.parametrize("args, told", [
    (["--api", "claude"], '--api: there is no "claude"; allowed: openai, '
                          'anthropic'),
    (["--api", "anthropic", "--seed", "4"],
     "--seed means nothing to --api anthropic; leave it out"),
    (["--api", "anthropic", "-p", "system=x"], "-p system=… cannot be given"),
    (["--api", "anthropic", "--", "cat"],
     "--api means nothing to the exec backend")], ids=str)
def test_what_it_does_not_know_is_refused(mill, args, told):
    done = mill.run("run", "--prompt", "hi", *args)
    assert done.status == 2, done
    assert told in done.err


def test_a_resumed_run_speaks_as_before(mill, stub):
    server = stub([{"match": {"nth": 1}, "do": {"status": 400}}])
    first = send(mill, server, "-j", 1, prompts=["a", "b"])
    assert first.status == 1, first
    done = mill.run("resume", "a.db", "--retry-errors")
    assert done.status == 0, done
    assert [r["path"] for r in server.requests()] == ["/v1/messages"] * 3
    assert mill.results("a.db") == ["echo: a", "echo: b"]


def test_messages_in_openais_form_are_taken(mill, stub):
    server = stub()
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [
            {"type": "text", "text": "what is it?"},
            {"type": "image_url",
             "image_url": {"url": "data:image/png;base64,AAAA"}}]}]
    mill.write("p.jsonl", json.dumps({"messages": messages}) + "\n")
    done = mill.run("run", "p.jsonl", "-u", server.url, *QUICK)
    assert done.status == 0, done
    body = server.requests()[0]["body"]
    assert body["system"] == "be brief"
    assert body["messages"] == [{"role": "user", "content": [
        {"type": "text", "text": "what is it?"},
        {"type": "image", "source": {
            "type": "base64", "media_type": "image/png", "data": "AAAA"}}]}]


def test_dry_run_and_check_show_what_would_be_asked(mill, stub):
    server = stub()
    dry = send(mill, server, "--dry-run", "-s", "be kind",
               "--key-env", "ANTHROPIC_API_KEY",
               env={"ANTHROPIC_API_KEY": "sk-ant-0123456789"})
    assert dry.status == 0, dry
    assert f"POST {server.url}/messages" in dry.out
    assert "x-api-key: (from ANTHROPIC_API_KEY)" in dry.out
    assert '"system":"be kind"' in dry.out
    assert not server.requests()
    check = mill.run("check", "--api", "anthropic", "-u", server.url)
    assert check.status == 0, check
    assert re.search(r"api +anthropic", check.out)
    assert "$ANTHROPIC_API_KEY is not set" in check.out


def test_killed_workers_cost_no_prompt(mill, stub):
    prompts = [f"prompt {n}" for n in range(40)]
    server = stub([{"match": {"share": 0.2, "attempt": 1},
                    "do": {"hang": True}}])
    mill.write("p.txt", "\n".join(prompts))
    done = mill.run("run", "p.txt", "-u", server.url, *QUICK, "-j", 8,
                    "--timeout", "1s")
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: " + text for text in prompts]
    assert os.path.exists(mill.dir / "a.db")
