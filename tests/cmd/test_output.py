# SPDX-License-Identifier: ISC
"""Answers in the order of the prompts: -o FILE and -o -, their formats, and
readers that go away."""

import contextlib
import base64
import json
import os
import pty
import signal
import sqlite3
import stat
import subprocess

import pytest

from conftest import until

OWN = ("id", "custom_id", "result", "ok", "error", "model", "finish_reason",
       "reasoning", "attempts", "duration_ms", "input_tokens",
       "output_tokens")


def records(mill, name="out.jsonl"):
    return [json.loads(line) for line in
            (mill.dir / name).read_text().splitlines()]


def write_list(mill, count):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(1, count + 1)))


def answered(mill, db="a.db"):
    """The ids that have a result, while somebody else makes the file."""
    with contextlib.suppress(AssertionError, sqlite3.OperationalError):
        return [row[0] for row in mill.sql(
            "SELECT id FROM llm_results WHERE result IS NOT NULL", db=db)]
    return []


# --- a file ---


def test_a_file_grows_in_order_beside_its_place_and_is_renamed(mill, stub):
    """The first prompt is the last one answered."""
    server = stub([{"match": {"prompt": "/^p1$/"}, "do": {"delay": 0.6}},
                   {"match": {"prompt": "/^p7$/"}, "do": {"delay": 1.2}}])
    write_list(mill, 9)
    mill.write("out.jsonl", "old\n")
    running = mill.start("run", "in.txt", "-u", server.url, "-m", "m1",
                         "--db", "a.db", "-o", "out.jsonl")
    part = mill.dir / "out.jsonl.part"
    until(lambda: len(server.requests()) == 9, "all requests")
    assert part.read_bytes() == b""  # nothing may overtake the first
    until(lambda: part.read_bytes().count(b"\n") == 6, "six rows")
    assert [row["id"] for row in records(mill, part.name)] == [
        1, 2, 3, 4, 5, 6]
    assert (mill.dir / "out.jsonl").read_text() == "old\n"
    done = running.wait()
    assert done.status == 0, done
    assert [row["result"] for row in records(mill)] == [
        f"echo: p{n}" for n in range(1, 10)]
    assert not part.exists()


def test_answers_are_said_to_be_where_they_are(mill, stub):
    """A run that stopped has a part; what went by is nowhere."""
    server = stub([{"match": {}, "do": {"status": 401}}])
    write_list(mill, 5)
    done = mill.run("run", "in.txt", "--db", "a.db", "-m", "m", "-u",
                    server.url, "-o", "out.txt", "--json")
    assert done.status == 69 and (mill.dir / "out.txt.part").exists(), done
    assert "\nanswers:  a.db; out.txt.part (not whole)\n" in done.err
    assert json.loads(done.out)["output"] is None
    assert json.loads(done.out)["output_part"] == "out.txt.part"
    for path in "-", "/dev/stdout":
        done = mill.run("run", "in.txt", "--no-db", "--backend", "echo", "-o",
                        path)
        assert done.status == 0 and "answers:" not in done.err, done


def test_what_is_in_the_file_is_in_the_database_first(mill, stub):
    """Observers sit behind the commit."""
    server = stub(delay=0.02)
    write_list(mill, 60)
    running = mill.start("run", "in.txt", "-u", server.url, "-m", "m1",
                         "--db", "a.db", "-o", "out.jsonl")
    part = mill.dir / "out.jsonl.part"
    looks = 0

    def look():
        nonlocal looks
        if running.popen.poll() is not None:
            return True
        with contextlib.suppress(FileNotFoundError):  # not yet, or renamed
            seen = part.read_bytes().count(b"\n")
            assert len(answered(mill)) >= seen
            looks += seen > 0
        return False

    until(look, "the end")
    assert running.wait().status == 0
    assert looks > 3


def test_it_is_the_whole_list_also_after_a_resume(mill, stub):
    server = stub(delay=0.1)
    write_list(mill, 20)
    command = ("run", "in.txt", "-u", server.url, "-m", "m1", "--db", "a.db",
               "-o", "out.jsonl")
    running = mill.start(*command)
    until(lambda: len(server.requests()) >= 9, "9 requests")
    running.signal(signal.SIGTERM)
    assert running.wait().status == 75
    assert not (mill.dir / "out.jsonl").exists()
    done = mill.run(*command)
    assert done.status == 0, done
    rows = records(mill)
    assert [(row["id"], row["result"]) for row in rows] == [
        (n, f"echo: p{n}") for n in range(1, 21)]
    assert len(server.requests()) == 20
    # And once more, when there is nothing to do.
    (mill.dir / "out.jsonl").unlink()
    assert mill.run(*command).status == 0
    assert records(mill) == rows


def test_a_part_of_the_list_still_gives_all_rows(mill):
    write_list(mill, 4)
    assert mill.run("run", "in.txt", "--backend", "echo", "--range", "2:3",
                    "--db", "a.db", "-o", "out.jsonl").status == 0
    assert [(row["id"], row["result"], row["ok"]) for row in
            records(mill)] == [(1, None, False), (2, "p2", True),
                               (3, "p3", True), (4, None, False)]


# --- a record ---


def test_a_record_has_all_keys_in_their_order(mill, stub):
    server = stub([{"match": {"prompt": "bad"}, "do": {"status": 400}},
                   {"match": {}, "do": {
                       "model": "m1-b", "message": {"reasoning": "Hm"}}}])
    mill.write("in.jsonl", '{"prompt": "a", "id": "x"}\n{"prompt": "bad"}\n')
    done = mill.run("run", "in.jsonl", "-u", server.url, "-m", "m1", "--no-db",
                    "-o", "out.jsonl")
    assert done.status == 1, done
    good, bad = records(mill)
    assert tuple(good) == tuple(bad) == OWN
    assert good.pop("duration_ms") >= 0 and bad.pop("duration_ms") >= 0
    assert good == {
        "id": 1, "custom_id": "x", "result": "echo: a", "ok": True,
        "error": None, "model": "m1-b", "finish_reason": "stop",
        "reasoning": "Hm", "attempts": 1, "input_tokens": 1,
        "output_tokens": 2}
    assert bad == {
        "id": 2, "custom_id": None, "result": None, "ok": False,
        "error": "Error: Failed after 1 attempts: HTTP 400: stub: status 400 "
        "for /v1/chat/completions", "model": None, "finish_reason": None,
        "reasoning": None, "attempts": 1, "input_tokens": None,
        "output_tokens": None}


def test_an_answer_that_is_no_utf8_comes_with_its_exact_bytes(mill):
    mill.write("in.jsonl", '{"prompt": "a", "result_base64": 1}\n'
               '{"prompt": "b"}\n')
    bytes_ = b"caf\xe9\xff\nok \xc3\xa9"
    mill.write("bytes", bytes_)
    done = mill.run("run", "in.jsonl", "--db", "a.db", "-q", "-o", "out.jsonl",
                    "--", "sh", "-c", "read p; if [ $p = a ]; then cat bytes;"
                    " else echo é; fi")
    assert done.status == 0, done
    odd, plain = map(json.loads,
                     (mill.dir / "out.jsonl").read_text().splitlines())
    assert base64.b64decode(odd["llmill_result_base64"]) == bytes_
    assert odd["result"] == "caf\ufffd\ufffd\nok é" and odd["ok"]
    assert plain["result"] == "é" and "result_base64" not in plain
    done = mill.run("run", "in.jsonl", "--db", "a.db", "-q", "-f", "txt", "-o",
                    "out.txt", "--", "sh", "-c", "read p; if [ $p = a ]; then "
                    "cat bytes; else echo é; fi")
    assert (mill.dir / "out.txt").read_bytes() == bytes_ + "\né\n".encode()


def test_own_keys_come_back_as_the_same_text(mill):
    own = ('"w":0.30,"big":12345678901234567890,"e":"\\u00e9\\/",'
           '"list":[1, {"k" : 1e400}],"none":null')
    mill.write("in.jsonl", f'{{{own}, "prompt": "a"}}\n')
    assert mill.run("run", "in.jsonl", "--backend", "echo", "--db", "a.db",
                    "-o", "out").status == 0
    first = (mill.dir / "out").read_text()
    assert first.startswith("{" + own + ',"id":1,"custom_id":null,')
    assert mill.run("run", "in.jsonl", "--backend", "echo", "--db", "a.db",
                    "-o", "out").status == 0
    assert (mill.dir / "out").read_text() == first


def test_a_name_that_is_taken_gets_a_prefix(mill):
    mill.write("in.jsonl", json.dumps({
        "prompt": "a", "custom_id": "c", "id": "mine", "result": 1,
        "model_": 2, "ok": "yes", "llmill_ok": 3}) + "\n")
    assert mill.run("run", "in.jsonl", "--backend", "echo", "--no-db",
                    "-o", "out.jsonl").status == 0
    line = (mill.dir / "out.jsonl").read_text()
    row, = records(mill)
    assert row["result"] == 1 and row["llmill_result"] == "a"
    assert row["id"] == "mine" and row["llmill_id"] == 1
    assert row["ok"] == "yes" and row["llmill_ok"] == 3
    assert row["llmill_llmill_ok"] is True
    assert row["custom_id"] == "c" and row["model_"] == 2
    assert line.count('"ok":') == 1


def test_txt_is_the_text_alone_and_failures_as_they_are_stored(mill):
    write_list(mill, 3)
    mill.script("chat", 'read p; [ $p != p2 ] || exit 3; printf "$p\\n!\\n"')
    done = mill.run("run", "in.txt", "--no-db", "-o", "out", "-f", "txt",
                    "--retry-attempts", 1, "--", "./chat")
    assert done.status == 1, done
    lines = (mill.dir / "out").read_text().splitlines()
    assert lines[:2] == ["p1", "!"] and lines[-2:] == ["p3", "!"]
    assert lines[2].startswith("Error: Failed after 1 attempts: ")
    assert len(lines) == 5


# --- standard output ---


def test_a_pipe_gets_jsonl_and_nothing_else(mill):
    write_list(mill, 3)
    done = mill.run("run", "in.txt", "--backend", "echo", "--no-db", "-o",
                    "-")
    assert done.status == 0, done
    assert [json.loads(line)["result"] for line in done.out.splitlines()] == [
        "p1", "p2", "p3"]


def test_a_terminal_gets_text_with_controls_escaped(mill):
    master, slave = pty.openpty()
    try:
        done = mill.run("run", "--prompt", "red \x1b[31m\tand\nmore",
                        "--backend", "echo", "--no-db", "-q", "-o", "-",
                        preexec=lambda: os.dup2(slave, 1))
        seen = os.read(master, 65536)
    finally:
        os.close(slave)
        os.close(master)
    assert done.status == 0, done
    assert seen == b"red \\x1B[31m\tand\r\nmore\r\n"


def piped_to_head(mill, *args):
    """Run it with `head -1` behind it. Gives how both ended."""
    command = " ".join(f"'{word}'" for word in (mill.program, *args))
    script = mill.script("pipe", f"{{ {command}; echo $? >status; }} | "
                         "head -n 1\n")
    done = subprocess.run([script], cwd=mill.dir, env=mill.env(),
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20)
    return done, int((mill.dir / "status").read_text())


def test_a_reader_that_goes_away_ends_a_run_without_database(mill):
    write_list(mill, 400)
    done, status = piped_to_head(mill, "run", "in.txt", "--no-db", "--backend",
                                 "echo:ms=10", "-o", "-")
    assert status == 75, done
    assert json.loads(done.stdout)["result"] == "p1"
    assert "output closed" in done.stderr
    assert "Broken pipe" not in done.stderr


def test_a_reader_that_goes_away_does_not_end_a_run_with_one(mill):
    write_list(mill, 100)
    done, status = piped_to_head(mill, "run", "in.txt", "--db", "a.db",
                                 "--backend", "echo:ms=10", "-o", "-")
    assert status == 0, done
    assert json.loads(done.stdout)["result"] == "p1"
    assert done.stderr.count("output closed; answers go on into a.db") == 1
    assert mill.results("a.db") == [f"p{n}" for n in range(1, 101)]


def test_a_slow_reader_holds_nobody_up_and_gets_all(mill):
    """More than a pipe holds, read when the run is over."""
    text = "x" * 30000
    mill.write("in.txt", f"{text}\n" * 40)
    read_end, write_end = os.pipe()
    running = mill.start("run", "in.txt", "--backend", "echo", "--db", "a.db",
                         "-o", "-", preexec=lambda: os.dup2(write_end, 1))
    os.close(write_end)
    until(lambda: len(answered(mill)) == 40, "all answers in the database")
    with open(read_end) as pipe:
        lines = pipe.read().splitlines()
    assert running.wait().status == 0
    assert [json.loads(line)["id"] for line in lines] == list(range(1, 41))
    assert {json.loads(line)["result"] for line in lines} == {text}


# --- what cannot be written ---


def test_a_full_device_is_said_and_the_database_has_all(mill):
    write_list(mill, 30)
    done = mill.run("run", "in.txt", "--db", "a.db", "--backend", "echo",
                    "-o", "/dev/full")
    assert done.status == 74, done
    assert done.err.count("cannot write to /dev/full: No space left on device"
                          ) == 1
    assert mill.results("a.db") == [f"p{n}" for n in range(1, 31)]
    assert mill.sql("SELECT status FROM llm_runs", db="a.db") == [
        ("finished",)]
    assert "stopped" not in done.err and "answers:  a.db\n" in done.err
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_a_full_standard_output_is_said(mill):
    with open("/dev/full", "wb") as full:
        done = mill.run("run", "--prompt", "a", "--db", "a.db", "--backend",
                        "echo", "-o", "-",
                        preexec=lambda: os.dup2(full.fileno(), 1))
    assert done.status == 74, done
    assert done.err.count("cannot write to standard output: No space left"
                          ) == 1
    assert mill.results("a.db") == ["a"]


@pytest.mark.parametrize("name, why", [
    (".", "no regular file"), ("no/such/out", "No such file"),
    ("in.txt/out", "Not a directory"), ("pipe", "nobody reads from it"),
    ("x.jsonl", "is a symbolic link")])
def test_what_cannot_be_written_stops_the_run_before_it_sends(mill, name, why):
    write_list(mill, 1)
    os.mkfifo(mill.dir / "pipe")
    mill.write("theirs", "theirs")
    (mill.dir / "x.jsonl.part").symlink_to("theirs")
    mark = mill.dir / "sent"
    done = mill.run("run", "in.txt", "-o", name, "--", "touch", mark)
    assert done.status == 71, done
    assert why in done.err and done.err.count("\n") == 1
    assert not mark.exists()
    assert (mill.dir / "theirs").read_text() == "theirs"
    assert not list(mill.dir.glob("llm_results_*"))


def test_a_link_leads_to_the_file_that_is_replaced(mill):
    (mill.dir / "there").mkdir()
    mill.write("there/out", "old")
    (mill.dir / "link").symlink_to("there/out")
    assert mill.run("run", "--prompt", "a", "--backend", "echo", "--no-db",
                    "-o", "link", "-f", "txt").status == 0
    assert (mill.dir / "link").is_symlink()
    assert (mill.dir / "there/out").read_text() == "a\n"


# --- the summary for scripts ---


def test_json_is_one_object_with_everything(mill):
    write_list(mill, 8)
    done = mill.run("run", "in.txt", "--db", "a.db", "-o", "out.txt",
                    "--json", "--retry-delay", 0, "--backend",
                    "echo:fail=100%,tries=1")
    assert done.status == 0 and done.out.count("\n") == 1, done
    told = json.loads(done.out)
    assert {key: told[key] for key in (
        "exit_status", "total", "asked", "answered", "failed", "open",
        "attempts", "retries", "attempts_by", "failed_by", "database",
        "output", "spill", "stop_reason")} == {
            "exit_status": 0, "total": 8, "asked": 8, "answered": 8,
            "failed": 0, "open": 0, "attempts": 16, "retries": 8,
            "attempts_by": {"ok": 8, "server_error": 8}, "failed_by": {},
            "database": "a.db", "output": "out.txt", "spill": None,
            "stop_reason": None}
    assert set(told["latency_ms"]) == {"p50", "p95", "p99"}
    assert "a.db" in told["next"]
    assert subprocess.run(["sh", "-c", told["next"]], cwd=mill.dir,
                          capture_output=True, timeout=20).returncode == 0


def drain(fd):
    """All that a pipe holds now."""
    text = b""
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(fd, 65536):
            text += piece
    return text


@pytest.mark.parametrize("number, status", [
    (signal.SIGTERM, 75), (signal.SIGUSR1, 75)])
def test_a_reader_that_does_not_read_holds_no_signal_up(mill, number, status):
    """All is answered, and the output waits for its reader."""
    write_list(mill, 100)
    before, fd = mill.pipe("out")
    running = mill.start("run", "in.txt", "--db", "a.db", "-o", "-", "-f",
                         "jsonl", "--backend", "echo:bytes=3000", "-j", 8,
                         before=before)
    until(lambda: len(answered(mill)) == 100, "all answers")
    until(lambda: not mill.processes("llmill: worker"), "workers that leave")
    running.signal(number)
    done = running.wait(4)
    assert done.status == status, done
    assert len(drain(fd)) <= 65536


def test_a_reader_that_comes_late_gets_all(mill):
    write_list(mill, 100)
    before, fd = mill.pipe("out")
    running = mill.start("run", "in.txt", "-n", 99, "--db", "a.db", "-o", "-",
                         "-f", "jsonl", "--backend", "echo:bytes=3000", "-j",
                         8, before=before)
    until(lambda: len(answered(mill)) == 99, "all answers")
    until(lambda: not mill.processes("llmill: worker"), "workers that leave")
    text = b""
    while running.popen.poll() is None:
        text += drain(fd)
    assert running.wait().status == 0
    rows = [json.loads(line) for line in (text + drain(fd)).splitlines()]
    assert [row["id"] for row in rows] == list(range(1, 101))
    assert [row["ok"] for row in rows] == [True] * 99 + [False]
