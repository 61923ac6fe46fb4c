# SPDX-License-Identifier: ISC
"""A command per worker: the conversation, and what its faults cost."""

import json
import os
import pathlib

import pytest
from conftest import until

TALKER = pathlib.Path(__file__).parent.parent / "stub" / "talker.py"
QUICK = ("--db", "x.db", "--retry-delay", "0", "--kill-grace", "0.2",
         "--per-worker", "-j", "1")


def ask(mill, prompts, *args, talker=(), **kwargs):
    words = [word for text in prompts for word in ("--prompt", text)]
    return mill.run("run", *words, *QUICK, *args, "--", "/usr/bin/python3",
                    str(TALKER), "--notes", "notes", *talker, **kwargs)


def attempts(mill, *columns):
    return mill.sql(f"SELECT {', '.join(columns)} FROM llm_attempts"
                    " ORDER BY rowid", db="x.db")


def notes(mill):
    return [json.loads(line) for line in
            (mill.dir / "notes").read_text().splitlines()]


@pytest.mark.parametrize("talker", [[], ["--ready"]], ids=str)
def test_one_process_answers_all_prompts_of_its_worker(mill, talker):
    done = ask(mill, ["a", "b", "c"], talker=talker)
    assert done.status == 0, done
    pids = {line["pid"] for line in notes(mill)}
    assert len(pids) == 1
    assert mill.results("x.db") == [f"{pid}: {text}" for pid in pids
                                    for text in "abc"]


def test_a_request_has_the_records_own_members(mill):
    both = [{"role": "user", "content": "x"},
            {"role": "assistant", "content": "y"}]
    records = [
        {"prompt": "echo-request", "id": "me", "system": "own", "x": 1,
         "params": {"top_k": 5}},
        {"messages": both, "custom_id": "c", "n": 0.30},
        {"prompt": "[echo-request]"}]
    mill.write("in.jsonl", "\n".join(map(json.dumps, records)))
    done = mill.run("run", "in.jsonl", *QUICK, "-s", "all", "--",
                    "/usr/bin/python3", str(TALKER), "--notes", "notes")
    assert done.status == 0, done
    asked = notes(mill)
    for line in asked:
        del line["pid"]
    assert asked == [
        {"id": 1, "custom_id": "me", "prompt": "echo-request",
         "system": "own", "x": 1, "params": {"top_k": 5}},
        {"id": 2, "custom_id": "c", "messages": both, "system": "all",
         "n": 0.3},
        {"id": 3, "prompt": "[echo-request]", "system": "all"}]


def test_what_comes_with_an_answer_is_kept(mill):
    line = {"id": 1, "result": "r", "usage": {
        "input_tokens": 3, "output_tokens": 4}, "model": "m",
        "finish_reason": "stop", "reasoning": "hm"}
    done = ask(mill, ["raw " + json.dumps(line)])
    assert done.status == 0, done
    assert attempts(mill, "model", "finish_reason", "reasoning",
                    "input_tokens", "output_tokens") == [
        ("m", "stop", "hm", 3, 4)]


@pytest.mark.parametrize("prompt, outcome, told", [
    ("first raw hello there", "garbage",
     "not a JSON object on its stdout: hello there"),
    ("first noise", "garbage", "not a JSON object on its stdout: loading"),
    ("first raw", "garbage", "not a JSON object"),
    ("first raw [1]", "garbage", "not a JSON object"),
    ("first raw {}", "garbage", "an answer to something else"),
    ("first wrong-id", "garbage", "an answer to something else"),
    ('first raw {"id":1}', "garbage", "neither result nor error"),
    ('first raw {"id":1,"result":7}', "garbage", "neither result nor error"),
    ('first raw {"id":1,"result":"a"} b', "garbage", "not a JSON object"),
    ("first half", "timeout_total", "no answer within 1 s"),
    ("first hang", "timeout_total", "no answer within 1 s"),
    ("first close", "timeout_total", "no answer within 1 s"),
    ("first die 3", "crash",
     "command died: exit status 3: cannot go on"),
    ("first die 0", "crash", "command died: exit status 0"),
    ("first kill 11", "crash", "command died: signal 11"),
    ("first child", "crash", "command died: exit status 9")])
def test_a_fault_costs_one_try_and_one_process(mill, prompt, outcome, told):
    done = ask(mill, [prompt, "next"], "--timeout", "1s", talker=["--ready"])
    assert done.status == 0, done
    assert sorted(attempts(mill, "id", "attempt", "outcome")) == [
        (1, 1, outcome), (1, 2, "ok"), (2, 1, "ok")]
    why, = [row[0] for row in attempts(mill, "error") if row[0]]
    assert told in why
    assert len({line["pid"] for line in notes(mill)}) == 2


def test_what_it_last_said_may_have_come_before_it_was_ready(mill):
    command = mill.script("c.sh", """
echo "the card is gone" >&2
echo '{"ready": true}'
read line
exit 3
""")
    done = mill.run("run", "--prompt", "a", "--db", "x.db", "--retry-attempts",
                    1, "--per-worker", "--", command)
    assert done.status == 1, done
    assert attempts(mill, "error") == [
        ("command died: exit status 3: the card is gone",)]


def test_an_error_costs_a_try_and_no_process(mill):
    done = ask(mill, ["error out\nof luck", "first error so"],
               "--retry-attempts", "2")
    assert done.status == 1, done
    assert mill.results("x.db")[0] == \
        "Error: Failed after 2 attempts: out of luck"
    assert {row[0] for row in attempts(mill, "outcome")} == {
        "exit_status", "ok"}
    assert len({line["pid"] for line in notes(mill)}) == 1


def test_an_error_can_be_final_or_a_rate_limit(mill):
    done = ask(mill, ["final never", "first later 0.3"],
               "--retry-attempts", "1")
    assert done.status == 1, done
    assert mill.results("x.db")[0] == \
        "Error: Failed after 1 attempts: never"
    assert sorted(attempts(mill, "id", "outcome")) == [
        (1, "bad_request"), (2, "ok"), (2, "rate_limited")]


def test_what_is_said_between_two_prompts_costs_a_process_and_no_try(mill):
    done = ask(mill, ["after", "b"])
    assert done.status == 0, done
    assert attempts(mill, "outcome") == [("ok",)] * 2
    assert len({line["pid"] for line in notes(mill)}) == 2


def test_a_command_may_leave_after_an_answer(mill):
    done = ask(mill, ["die-after", "b", "die-after", "d"])
    assert done.status == 0, done
    assert len({line["pid"] for line in notes(mill)}) >= 3


def test_a_prompts_time_begins_when_the_command_is_ready(mill):
    run = mill.start(
        "run", "--prompt", "a", *QUICK, "--timeout", "500ms", "--",
        "/usr/bin/python3", str(TALKER), "--notes", "notes",
        "--ready-after", "go")
    worker = until(lambda: mill.processes("llmill: worker 0: prompt"),
                   "a busy worker")[0]

    def stopped_for_a_while():
        with open(f"/proc/{worker.pid}/stat", encoding="ascii") as stat:
            born = int(stat.read().rsplit(")", 1)[1].split()[19])
        with open("/proc/uptime", encoding="ascii") as uptime:
            return float(uptime.read().split()[0]) - born / 100 > 1.5
    until(stopped_for_a_while, "1.5 s")
    mill.write("go", "")
    done = run.wait()
    assert done.status == 0, done
    assert attempts(mill, "outcome") == [("ok",)]


def test_a_command_that_is_never_ready_is_ended(mill):
    done = ask(mill, ["a"], "--timeout", "300ms", "--start-timeout", "1s",
               "--retry-attempts", "1", talker=["--ready-after", "never"])
    assert done.status == 1, done
    assert attempts(mill, "outcome", "error") == [
        ("timeout_total", "no word within 1 s")]
    assert done.seconds < 5


@pytest.mark.parametrize("command, told", [
    (["./none"], "cannot run ./none: No such file or directory"),
    (["./text"], "cannot run ./text: Permission denied")], ids=str)
def test_a_command_that_cannot_run_stops_the_run(mill, command, told):
    mill.write("text", "hello")
    prompts = [word for n in range(9) for word in ("--prompt", str(n))]
    done = mill.run("run", *prompts, *QUICK, "--", *command)
    assert done.status == 69, done
    assert told in done.words
    assert mill.results("x.db") == [None] * 9


def test_answers_and_prompts_may_be_large(mill):
    mill.write("in.txt", "x" * 3_000_000 + "\nlong 3000000\nstderr 300000\n")
    done = mill.run("run", "in.txt", *QUICK, "--", "/usr/bin/python3",
                    str(TALKER))
    assert done.status == 0, done
    assert [len(text) > 3_000_000 - 1 for text in mill.results("x.db")] == [
        True, True, False]


def test_an_answer_beyond_the_cap_is_too_long(mill):
    done = ask(mill, ["long 2000000", "next"], "--max-answer-bytes", "1M")
    assert done.status == 1, done
    assert sorted(attempts(mill, "id", "outcome")) == [
        (1, "too_long"), (2, "ok")]


@pytest.mark.parametrize("who", ["mill", "worker"])
def test_no_command_outlives_its_worker_or_the_mill(mill, who):
    run = mill.start("run", "--prompt", "hang", "--prompt", "hang", *QUICK,
                     "-j", "2", "--", "/usr/bin/python3", str(TALKER),
                     "--notes", "notes")
    until(lambda: (mill.dir / "notes").exists() and len(notes(mill)) == 2,
          "two requests")
    pids = [line["pid"] for line in notes(mill)]
    if who == "mill":
        run.signal(9)
        run.wait()
    else:
        for worker in mill.processes("llmill: worker"):
            worker.signal(9)
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids),
          "their end", patience=1)
    if who == "worker":
        run.signal(9)
        run.wait()


def test_resume_takes_the_command_again_per_worker(mill):
    assert ask(mill, ["a", "b"], "-n", "1").status == 0
    done = mill.run("resume", "x.db")
    assert done.status == 2 and "talker.py" in done.err, done
    done = mill.run("resume", "x.db", "--", "/usr/bin/python3", str(TALKER),
                    "--notes", "notes")
    assert done.status == 0, done
    assert [text.split(": ")[1] for text in mill.results("x.db")] == [
        "a", "b"]


def test_options_of_a_command_per_worker_are_judged(mill):
    for args, told in [
            (["--per-worker"], "--per-worker wants a command"),
            (["--start-timeout", "3", "--", "cat"], "--start-timeout means"),
            (["--per-worker", "--backend", "http", "--", "cat"],
             "--per-worker is about a command"),
            (["--per-worker", "-m", "m", "--", "cat"], "--model means")]:
        done = mill.run("run", "--prompt", "a", *args)
        assert done.status == 2 and told in done.err, done


def test_a_dry_run_shows_the_line(mill):
    done = ask(mill, ["hello"], "--dry-run", "-s", "be")
    assert done.status == 0, done
    assert '{"id":1,"prompt":"hello","system":"be"}' in done.out
