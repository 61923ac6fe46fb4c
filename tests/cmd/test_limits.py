# SPDX-License-Identifier: ISC
"""Rates and limits of a run, seen from the server and over several runs."""

import json
import re
import sqlite3

import pytest

QUICK = ("-m", "m1", "--db", "a.db", "--retry-delay", "10ms")


def send(mill, server, *args, count=100, **kwargs):
    mill.write("p", "".join(f"prompt {n}\n" for n in range(1, count + 1)))
    return mill.run("run", "p", "-u", server.url, *QUICK, *args, **kwargs)


def test_requests_per_minute_hold_for_all_workers_together(mill, stub):
    server = stub(delay=0.05)
    done = send(mill, server, "--rpm", 1200, "-j", 48, "--json")
    assert done.status == 0, done
    times = [line["time"] for line in server.requests()]
    for at in range(100 - 23):  # 20 in a second, slack, a turn's grain
        assert times[at + 23] - times[at] >= 1.0, at
    assert 99 / (times[-1] - times[0]) >= 0.95 * 20
    assert json.loads(done.out)["rate_wait_seconds"] > 3
    assert "of the time workers were idle because of --rpm" in done.words


def test_tokens_per_minute_are_corrected_by_usage(mill, stub):
    """Asked for are 1,000 of each, used are 100: 60,000 a minute are 10/s."""
    server = stub([{"match": {}, "do": {"usage": {
        "prompt_tokens": 40, "completion_tokens": 60}}}])
    done = send(mill, server, "--tpm", 60000, "--max-tokens", 1000, "-j", 16,
                count=40)
    assert done.status == 0, done
    times = [line["time"] for line in server.requests()]
    assert 2.5 < times[-1] - times[0] < 6


def test_requests_are_limited_exactly_and_over_all_runs(mill, stub):
    server = stub([{"match": {"share": 0.2, "attempt": 1},
                    "do": {"status": 500}}])
    for most in (30, 30, 75):
        before = len(server.requests())
        done = send(mill, server, "--max-requests", most, "-j", 8)
        assert done.status == 4, done
        assert len(server.requests()) == most
        assert (f"--max-requests is reached: {most} requests over all runs;"
                " raise it to go on") in done.words
        assert "next:" in done.err and f"--max-requests {most}" in done.words
        assert before in (0, 30)
    done = send(mill, server, "-j", 8)
    assert done.status == 0, done
    assert mill.sql("SELECT count(*) FROM llm_results WHERE result LIKE"
                    " 'echo: %'", db="a.db") == [(100,)]


def test_no_more_tokens_are_asked_for_than_are_left(mill, stub):
    server = stub([{"match": {}, "do": {"usage": {
        "prompt_tokens": 10, "completion_tokens": 90}}}], delay=0.02)
    args = ("--max-tokens", 200, "-j", 16)
    done = send(mill, server, "--max-tokens-total", 3000, *args)
    assert done.status == 4, done
    assert "--max-tokens-total is reached: 3,0" in done.words
    used, = mill.sql("SELECT sum(input_tokens + output_tokens) FROM"
                     " llm_attempts", db="a.db")[0]
    assert 3000 <= used < 3000 + 210
    before = len(server.requests())
    done = send(mill, server, "--max-tokens-total", 3000, *args)
    assert done.status == 4 and len(server.requests()) == before, done


def test_a_call_that_was_cut_off_counts_by_its_estimate(mill, stub):
    server = stub([{"match": {}, "do": {"hang": True}}])
    args = ("--timeout", "200ms", "--retry-attempts", 1, "--max-tokens", 500,
            "-j", 1, "--max-tokens-total", 1000)
    done = send(mill, server, *args)
    assert done.status == 4, done
    assert len(server.requests()) == 2
    done = send(mill, server, *args)
    assert done.status == 4 and len(server.requests()) == 2, done


PRICES = ("--price-in", "0.5", "--price-out", "2")  # a million


def test_what_is_spent_has_a_limit_and_is_said(mill, stub):
    server = stub([{"match": {}, "do": {"usage": {
        "prompt_tokens": 100, "completion_tokens": 100}}}], delay=0.02)
    args = (*PRICES, "--max-tokens", 100, "-j", 1)
    # 0.00025 each.
    done = send(mill, server, "--max-cost", "0.002", *args)
    assert done.status == 4, done
    assert "--max-cost is reached: 0.002000 over all runs;" in done.words
    assert len(server.requests()) == 8
    assert "cost:     0.002000\n" in done.err
    assert "cost:     0.002000\n" in mill.run("status", "a.db").out
    done = send(mill, server, "--max-cost", "0.002", *args)
    assert done.status == 4 and len(server.requests()) == 8, done
    # Another price of another run, and an unknown one.
    args = ("--max-tokens", 100, "-j", 1)
    done = send(mill, server, "--price-in", "1", "--max-requests", 10, *args,
                "--json")
    assert done.status == 4 and json.loads(done.out)["cost"] == 0.0002, done
    assert send(mill, server, "--max-requests", 11, *args).status == 4
    one = json.loads(mill.run("status", "--json", "a.db").out)
    assert one["cost"] == 0.0022 and one["attempts"] == 11


def test_a_resumed_run_knows_what_tokens_cost(mill, stub):
    server = stub([{"match": {}, "do": {"usage": {
        "prompt_tokens": 100, "completion_tokens": 100}}}])
    assert send(mill, server, *PRICES, "--max-requests", 4).status == 4
    done = mill.run("resume", "a.db")
    assert done.status == 0 and "cost:     0.024000\n" in done.err, done
    assert "cost:     0.025000\n" in mill.run("status", "a.db").out


def test_failed_attempts_cost_as_well(mill, stub):
    server = stub([{"match": {}, "do": {"content": "", "usage": {
        "prompt_tokens": 100, "completion_tokens": 100}}}])
    done = mill.run("run", "--prompt", "a", "--db", "a.db", "-u", server.url,
                    "-m", "m", *PRICES, "--retry-attempts", 2,
                    "--retry-delay", 0)
    assert done.status == 1 and "cost:     0.000500\n" in done.err, done


def test_a_cost_without_a_price_is_refused(mill, stub):
    done = send(mill, stub(), "--max-cost", 1)
    assert done.status == 2 and "give --price-in" in done.err, done
    done = send(mill, stub(), "--max-cost", 1, *PRICES, "--dry-run")
    assert "--max-cost 1.00 is enough: at least about 0.00" in done.out
    done = send(mill, stub(), *PRICES, "--max-tokens", 10, "--dry-run")
    # 100 prompts of one or two tokens, and ten at most for each answer.
    assert re.search(r"the cost is at most about 0\.002\d+\n", done.out), done


@pytest.mark.parametrize("most, failed", [(7, 7), ("5%", 5), ("0.1%", 1)])
def test_failed_prompts_have_a_limit(mill, stub, most, failed):
    server = stub([{"match": {"nth": 1}, "do": {}},
                   {"match": {}, "do": {"status": 400}}])
    done = send(mill, server, "--max-failures", most, "-j", 1)
    assert done.status == 4, done
    assert f"--max-failures is reached: {failed} prompt" in done.words
    rows = mill.sql("SELECT count(*) FROM llm_failures", db="a.db")
    assert rows == [(failed,)]
    before = len(server.requests())
    done = send(mill, server, "--max-failures", most, "-j", 1)
    assert done.status == 4 and len(server.requests()) == before, done


def test_limits_work_for_commands_too(mill):
    mill.write("p", "a\nb\nc\n")
    done = mill.run("run", "p", "--db", "a.db", "-j", 1, "--max-requests", 2,
                    "--", "cat")
    assert done.status == 4, done
    assert mill.results("a.db") == ["a", "b", None]
    done = mill.run("resume", "a.db", "--max-requests", 3, "--", "cat")
    assert done.status == 0, done


def test_a_limit_that_is_just_enough_is_no_stop(mill, stub):
    done = send(mill, stub(), "--max-requests", 100)
    assert done.status == 0, done


def test_limits_stand_in_the_settings_and_the_dry_run(mill, stub):
    args = ("--rpm", "10k", "--tpm", "2M", "--max-requests", 50,
            "--max-tokens-total", 40, "--max-failures", "2.5%")
    done = send(mill, stub(), *args, "--dry-run")
    assert "--max-requests 50 is not enough for all\n" in done.out
    assert "--max-tokens-total 40 is perhaps not enough for all: at most" \
        in done.out
    assert send(mill, stub(), *args).status == 4
    with sqlite3.connect(mill.db("a.db")) as db:
        kept = json.loads(db.execute("SELECT settings FROM llm_runs")
                          .fetchone()[0])
    assert {key: kept[key] for key in (
        "rpm", "tpm", "max_requests", "max_tokens_total", "max_failures")} == {
        "rpm": 10000, "tpm": 2000000, "max_requests": 50,
        "max_tokens_total": 40, "max_failures": "2.5%"}


@pytest.mark.parametrize("args", [
    ["--rpm", "0"], ["--rpm", "-1"], ["--tpm", "1.5x"], ["--rpm", "nan"],
    ["--max-requests", "0"], ["--max-failures", "0%"],
    ["--max-failures", "101%"], ["--max-failures", "%"],
    ["--max-cost", "0"], ["--max-cost", "1e3"], ["--price-in", "0.0000001"],
    ["--price-out", "-1"], ["--max-failures", "nan%"], ["--max-tokens-total", "1e"]], ids=str)
def test_what_is_no_limit_is_refused_by_name(mill, args):
    done = mill.run("run", "--prompt", "a", "-m", "m", *args)
    assert done.status == 2 and f"llmill: {args[0]}: " in done.err, done
