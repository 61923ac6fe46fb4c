# SPDX-License-Identifier: ISC
"""The database as users, other programs and later runs find it."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys

import pytest

from conftest import until

ECHO = ("--backend", "echo")
LETTERS = ["a", "b", "c", "d", "e"]


def write_list(mill, prompts, name="in.txt"):
    mill.write(name, "".join(f"{text}\n" for text in prompts))
    return name


def names(mill):
    return sorted(path.name for path in mill.dir.iterdir())


def runs(mill, db="a.db"):
    return mill.sql("SELECT * FROM llm_runs ORDER BY run_id", db=db)


def interrupt(mill, command, server, after):
    """Run it until the server had so many requests, then end it softly."""
    running = mill.start(*command)
    until(lambda: len(server.requests()) >= after, f"{after} requests")
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.status == 75, done
    return done


# --- what it looks like ---


def test_the_table_is_that_of_the_seed_to_the_letter(mill):
    assert mill.run("run", "--prompt", "a", *ECHO, "--db", "a.db"
                    ).status == 0
    schema = dict(mill.sql(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL",
        db="a.db"))
    assert " ".join(schema["llm_results"].split()) == (
        "CREATE TABLE llm_results ( id INTEGER PRIMARY KEY, "
        "prompt TEXT NOT NULL, result TEXT, "
        "created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP )")
    assert {"llm_runs", "llm_attempts", "llm_inputs", "llm_status",
            "llm_failures"} <= set(schema)
    link = sqlite3.connect(mill.db("a.db"))
    with contextlib.closing(link):
        def columns(table):
            return [row[1] for row in
                    link.execute(f"PRAGMA table_info({table})")]
        assert columns("llm_runs") == [
            "run_id", "started_at", "ended_at", "status", "version", "host",
            "pid", "user", "cwd", "argv", "slurm_job_id", "plan", "shard",
            "settings"]
        assert columns("llm_attempts") == [
            "id", "run_id", "attempt", "worker", "outcome", "started_ms",
            "duration_ms", "first_byte_ms", "http_status", "error",
            "request_id", "model", "finish_reason", "input_tokens",
            "output_tokens", "reasoning", "refusal", "sha256", "raw"]
        assert columns("llm_inputs") == [
            "id", "custom_id", "file", "line", "fields", "body"]
        assert columns("llm_status") == [
            "id", "state", "attempts", "outcome", "duration_ms",
            "input_tokens", "output_tokens"]
        for pragma in "application_id", "user_version":
            assert link.execute(f"PRAGMA {pragma}").fetchone()[0] > 0
        assert link.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_at_the_end_it_is_one_private_file(mill):
    done = mill.run("run", "--prompt", "a", *ECHO, "--db", "a.db",
                    preexec=lambda: os.umask(0))
    assert done.status == 0, done
    assert names(mill) == ["a.db"]
    assert stat.S_IMODE(mill.db("a.db").stat().st_mode) == 0o600
    header = mill.db("a.db").read_bytes()[:20]
    assert header[18:20] == b"\x01\x01"  # no WAL: readable on read-only disks


def test_the_mode_of_an_existing_file_stays(mill):
    write_list(mill, "a")
    command = ("run", "in.txt", *ECHO, "--db", "a.db")
    assert mill.run(*command).status == 0
    mill.db("a.db").chmod(0o640)
    assert mill.run(*command).status == 0
    assert stat.S_IMODE(mill.db("a.db").stat().st_mode) == 0o640


def test_while_it_runs_others_may_read(mill, stub):
    server = stub([{"match": {"prompt": "e"}, "do": {"delay": 1}}])
    write_list(mill, LETTERS)
    running = mill.start("run", "in.txt", "-u", server.url, "-m", "m1",
                         "--db", "a.db")
    until(lambda: (mill.dir / "a.db-wal").exists(), "WAL")
    until(lambda: len(mill.answered("a.db")) == 4, "four rows committed")
    assert mill.sql("SELECT status, ended_at FROM llm_runs", db="a.db") == [
        ("running", None)]
    assert [path for path in names(mill) if stat.S_IMODE(
        (mill.dir / path).stat().st_mode) != 0o600] == ["in.txt"]
    assert running.wait().status == 0
    assert names(mill) == ["a.db", "in.txt"]


def test_every_attempt_and_run_is_told(mill):
    write_list(mill, ["some words", "more"])
    done = mill.run("run", "in.txt", "--db", "a.db", "-j", 1,
                    "--retry-delay", 0, "--log", "my log", "--backend",
                    "echo:fail=100%,tries=1", env={"SLURM_JOB_ID": "77"})
    assert done.status == 0, done
    rows = mill.sql("SELECT id, attempt, outcome, sha256, run_id, worker"
                    " FROM llm_attempts ORDER BY id, attempt", db="a.db")
    assert [row[:3] for row in rows] == [
        (1, 1, "server_error"), (1, 2, "ok"), (2, 1, "server_error"),
        (2, 2, "ok")]
    assert [row[3] for row in rows] == [
        None, hashlib.sha256(b"some words").hexdigest(),
        None, hashlib.sha256(b"more").hexdigest()]
    assert {row[4:] for row in rows} == {(1, 0)}
    run = dict(zip(["run_id", "started_at", "ended_at", "status", "version",
                    "host", "pid", "user", "cwd", "argv", "slurm_job_id",
                    "plan", "shard", "settings"], *runs(mill)))
    assert run["run_id"] == 1 and run["status"] == "finished"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", run["ended_at"])
    assert run["host"] == socket.gethostname()
    assert run["cwd"] == str(mill.dir) and run["slurm_job_id"] == "77"
    assert run["argv"].endswith(
        "run in.txt --db a.db -j 1 --retry-delay 0 --log 'my log' --backend "
        "echo:fail=100%,tries=1")
    assert len(run["plan"]) == 64
    settings = json.loads(run["settings"])
    assert settings["workers"] == 1
    assert settings["plan"]["backend"] == "echo"
    assert mill.sql("SELECT * FROM llm_status", db="a.db")[0][:4] == (
        1, "answered", 2, "ok")


def test_the_queries_of_the_seed_work(mill):
    write_list(mill, ["short", "bad", "a longer one", "the longest of all"])
    mill.script("chat", "read text; [ \"$text\" != bad ] || exit 1\n"
                "echo \"$text\"\n")
    done = mill.run("run", "in.txt", "--db", "a.db", "--range", ":3",
                    "--retry-attempts", 1, "--", "./chat")
    assert done.status == 1, done
    assert mill.sql("SELECT COUNT(*) FROM llm_results", db="a.db") == [(4,)]
    assert mill.sql(
        "SELECT COUNT(*) * 100.0 / (SELECT COUNT(*) FROM llm_results)"
        " FROM llm_results WHERE result IS NOT NULL"
        " AND result NOT LIKE 'Error:%'", db="a.db") == [(50.0,)]
    assert mill.sql(
        "SELECT id, LENGTH(result) FROM llm_results WHERE result NOT LIKE"
        " 'Error:%' ORDER BY LENGTH(result) DESC LIMIT 1", db="a.db") == [
            (3, 12)]
    assert mill.sql(
        "SELECT id, prompt FROM llm_results WHERE result IS NULL OR"
        " result = '' OR result = 'NA' OR result LIKE 'Error:%'"
        " ORDER BY id", db="a.db") == [(2, "bad"), (4, "the longest of all")]
    assert mill.sql("SELECT id, attempts, prompt FROM llm_failures",
                    db="a.db") == [(2, 1, "bad")]


@pytest.mark.parametrize("text", [
    "it's; DROP TABLE llm_results; --", "NULL", "Error: Failed after 3",
    "\x1b[31mred\x07", "a\tb", "NA", "'", "\\", "‮abc", "🎈" * 1000])
def test_any_text_is_kept_byte_for_byte(mill, text):
    assert mill.run("run", "--prompt", text, *ECHO, "--db", "a.db",
                    "-o", "out.jsonl").status == 0
    assert mill.sql("SELECT prompt, result FROM llm_results", db="a.db") == [
        (text, text)]
    assert mill.sql("SELECT state FROM llm_status", db="a.db") == [
        ("answered",)]
    line, = (mill.dir / "out.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["result"] == text
    assert json.loads(line)["ok"] is True


def test_answers_that_are_no_text_do_not_break_readers(mill):
    done = mill.run("run", "--prompt", "a", "--db", "a.db", "--", "printf",
                    "a\\377b\\000c")
    assert done.status == 0, done
    assert mill.results("a.db") == [b"a\xffb\0c"]


# --- default names ---


NAME = re.compile(r"llm_results_\d{8}_\d{6}(_\d+)?\.db")


def test_the_same_command_again_goes_on_until_it_is_finished(mill, stub):
    server = stub(delay=0.2)
    write_list(mill, range(12))
    command = ("run", "in.txt", "-u", server.url, "-m", "m1", "-j", 2)
    interrupt(mill, command, server, 4)
    first, = [name for name in names(mill) if NAME.fullmatch(name)]
    kept = len(mill.answered(first))
    assert 2 <= kept < 12
    done = mill.run(*command)
    assert done.status == 0, done
    assert (f"going on with {first}: {kept} of 12 answered, "
            f"{12 - kept} to do" in done.err)
    assert [name for name in names(mill) if NAME.fullmatch(name)] == [first]
    assert mill.results(first) == [f"echo: {n}" for n in range(12)]
    assert len(server.requests()) == 12
    assert [row[3] for row in runs(mill, first)] == ["stopped", "finished"]
    assert "holds this plan already" not in done.err
    # Finished: the next one is another, and that is said.
    done = mill.run(*command, "-n", 1)
    assert done.status == 0, done
    assert (f"llmill: {first} holds this plan already, all 12 prompts done "
            f"(llmill status {first}); starting another\n") in done.err
    assert len([n for n in names(mill) if NAME.fullmatch(n)]) == 2


def test_new_starts_another_even_where_one_is_unfinished(mill):
    write_list(mill, LETTERS)
    for _ in range(2):
        done = mill.run("run", "in.txt", *ECHO, "-n", 2, "--new")
        assert done.status == 0, done
    found = [name for name in names(mill) if NAME.fullmatch(name)]
    assert len(found) == 2
    assert [mill.answered(name) for name in found] == [[1, 2], [1, 2]]


def test_a_name_that_is_taken_gets_a_number(mill):
    """Several at once: all names are theirs alone."""
    many = [mill.start("run", "--prompt", f"p{n}", *ECHO) for n in range(6)]
    for running in many:
        done = running.wait()
        assert done.status == 0, done
    found = [name for name in names(mill) if NAME.fullmatch(name)]
    assert len(found) == len(names(mill)) == 6
    assert {mill.results(name)[0] for name in found} == {
        f"p{n}" for n in range(6)}
    assert any(name.endswith("_2.db") for name in found)


def test_another_plan_does_not_go_on_with_a_default_named_one(mill):
    write_list(mill, LETTERS)
    assert mill.run("run", "in.txt", *ECHO, "-n", 2).status == 0
    write_list(mill, ["other"])
    assert mill.run("run", "in.txt", *ECHO).status == 0
    assert len([n for n in names(mill) if NAME.fullmatch(n)]) == 2


def test_a_file_without_any_outcome_is_removed_again(mill):
    done = mill.run("run", "--prompt", "a", *ECHO, "-o", "no/such/out")
    assert done.status == 71, done
    assert names(mill) == []


# --- going on ---


def test_the_same_plan_goes_on_and_sends_only_what_is_open(mill, stub):
    server = stub(delay=0.1)
    write_list(mill, range(20))
    command = ("run", "in.txt", "-u", server.url, "-m", "m1", "--db", "a.db")
    interrupt(mill, command, server, 9)
    kept = len(mill.answered("a.db"))
    # URL, workers, times and limits may change freely.
    other = stub()
    done = mill.run("run", "in.txt", "-u", other.url, "-m", "m1", "--db",
                    "a.db", "-j", 7, "--timeout", "9s")
    assert done.status == 0, done
    assert (f"going on with a.db: {kept} of 20 answered, "
            f"{20 - kept} to do\n" in done.err)
    assert len(other.requests()) == 20 - kept
    assert mill.results("a.db") == [f"echo: {n}" for n in range(20)]
    done = mill.run(*command)
    assert done.status == 0, done
    assert "20 of 20 answered, 0 to do" in done.err
    assert len(other.requests()) + len(server.requests()) == 20


def test_a_list_that_grew_is_accepted(mill):
    write_list(mill, LETTERS)
    command = ("run", "in.txt", *ECHO, "--db", "a.db")
    assert mill.run(*command).status == 0
    write_list(mill, LETTERS + ["f", "g"])
    done = mill.run(*command)
    assert done.status == 0, done
    assert "5 of 7 answered, 2 to do" in done.err
    assert "grew by 2 prompts" in done.err
    assert mill.results("a.db") == LETTERS + ["f", "g"]
    assert mill.sql("SELECT count(*) FROM llm_attempts", db="a.db") == [(7,)]


def unchanged_and_refused(mill, *command):
    """Run what is another plan. Gives the one line."""
    before = mill.db("a.db").read_bytes()
    done = mill.run(*command)
    assert done.status == 2, done
    assert done.err.count("\n") == 1, done
    assert mill.db("a.db").read_bytes() == before
    return done.err


@pytest.mark.parametrize("prompts, said", [
    (["a", "b", "X", "d", "e"], "prompt 3 differs from the one in a.db (c)"),
    (["b", "a", "c", "d", "e"], "prompt 1 differs from the one in a.db (a)"),
    (["a", "b"], "a.db holds 5 prompts, this list only 2; give another --db"),
    (["X", *LETTERS], "prompt 1 differs"),
    (["a", "b", "c", "d", "e ", "f"], "prompt 5 differs"),
])
def test_other_prompts_are_refused_naming_the_first_id(mill, prompts, said):
    write_list(mill, LETTERS)
    command = ("run", "in.txt", *ECHO, "--db", "a.db")
    assert mill.run(*command).status == 0
    write_list(mill, prompts)
    assert said in unchanged_and_refused(mill, *command)


def test_other_messages_under_the_same_text_are_refused(mill):
    def record(text):
        return json.dumps({"messages": [
            {"role": "system", "content": text},
            {"role": "user", "content": "a"}]})
    command = ("run", "in.jsonl", *ECHO, "--db", "a.db")
    mill.write("in.jsonl", record("one"))
    assert mill.run(*command).status == 0
    mill.write("in.jsonl", record("two"))
    assert "prompt 1 differs" in unchanged_and_refused(mill, *command)


OLD = ("-m", "m1", "-s", "Be brief.", "--temperature", "0.30")


@pytest.mark.parametrize("new, said", [
    (("-m", "m2", *OLD[2:]), 'model was "m1", is "m2"'),
    ((*OLD[:2], *OLD[4:]), 'system was "Be brief.", is not set'),
    ((*OLD[:2], "-s", "Be long.", *OLD[4:]),
     'system was "Be brief.", is "Be long."'),
    ((*OLD[:4], "--temperature", "0.4"),
     'params was {"temperature":0.30}, is {"temperature":0.4}'),
    ((*OLD, "--max-tokens", "9"), '"max_tokens":9'),
], ids=str)
def test_other_settings_are_refused_naming_old_and_new(
        mill, stub, new, said):
    server = stub()
    write_list(mill, LETTERS)
    base = ("run", "in.txt", "-u", server.url, "--db", "a.db")
    assert mill.run(*base, *OLD, "-n", 2).status == 0
    assert said in unchanged_and_refused(mill, *base, *new)
    assert len(server.requests()) == 2


def test_another_command_is_refused_naming_old_and_new(mill):
    write_list(mill, LETTERS)
    base = ("run", "in.txt", "--db", "a.db")
    assert mill.run(*base, "-n", 1, "--", "cat").status == 0
    said = unchanged_and_refused(mill, *base, "--", "tac", "-s")
    assert 'command was ["cat"], is ["tac","-s"]' in said


def test_a_seeds_database_is_taken_over(mill):
    link = sqlite3.connect(mill.dir / "a.db")
    with contextlib.closing(link):
        link.execute(
            "CREATE TABLE llm_results (id INTEGER PRIMARY KEY, prompt TEXT"
            " NOT NULL, result TEXT, created_at TIMESTAMP DEFAULT"
            " CURRENT_TIMESTAMP)")
        link.executemany("INSERT INTO llm_results VALUES (?, ?, ?, 'then')", [
            (1, "a", "old a"), (2, "b", None), (3, "c", ""), (4, "d", "NA"),
            (5, "e", "Error: Failed after 3 attempts: x")])
        link.commit()
    write_list(mill, LETTERS)
    done = mill.run("run", "in.txt", *ECHO, "--db", "a.db")
    assert "1 of 5 answered, 3 to do" in done.err, done
    assert done.status == 1  # one had failed, and stays so
    assert mill.results("a.db") == [
        "old a", "b", "c", "d", "Error: Failed after 3 attempts: x"]
    assert mill.sql("SELECT DISTINCT created_at FROM llm_results",
                    db="a.db") == [("then",)]


# --- two at once ---


def test_a_second_coordinator_is_refused_with_pid_and_host(mill, stub):
    server = stub([{"match": {}, "do": {"delay": 1.6}}])
    command = ("run", "--prompt", "a", "-u", server.url, "-m", "m1",
               "--db", "a.db")
    first = mill.start(*command)
    until(server.requests, "the call")
    done = mill.run(*command)
    assert done.status == 75, done
    assert f"pid={first.pid} host={socket.gethostname()}" in done.err
    assert done.err.count("\n") == 1
    assert first.wait().status == 0
    assert len(server.requests()) == 1
    assert mill.run(*command).status == 0


def test_a_default_named_one_in_use_is_left_alone(mill, stub):
    server = stub([{"match": {"nth": 1}, "do": {"delay": 1}}])
    command = ("run", "--prompt", "a", "-u", server.url, "-m", "m1")
    first = mill.start(*command)
    until(server.requests, "the call")
    assert mill.run(*command).status == 0
    assert first.popen.poll() is None  # it was not even waited for
    assert first.wait().status == 0
    assert len([n for n in names(mill) if NAME.fullmatch(n)]) == 2


def test_a_coordinator_that_was_killed_leaves_no_lock_that_hinders(mill,
                                                                    stub):
    server = stub([{"match": {"nth": 3}, "do": {"hang": True}}])
    write_list(mill, LETTERS)
    command = ("run", "in.txt", "-u", server.url, "-m", "m1", "--db", "a.db",
               "-j", 1)
    running = mill.start(*command)
    until(lambda: len(server.requests()) == 3
          and len(mill.answered("a.db")) == 2,
          "two answers and a hang")
    running.signal(signal.SIGKILL)
    running.wait()
    done = mill.run(*command)
    assert done.status == 0, done
    assert "2 of 5 answered, 3 to do" in done.err
    assert names(mill) == ["a.db", "in.txt"]
    assert [row[3] for row in runs(mill)] == ["lost", "finished"]
    assert len(server.requests()) == 6


# --- trouble ---


@contextlib.contextmanager
def locked(path):
    """Somebody else holds the write lock."""
    link = sqlite3.connect(path, isolation_level=None, timeout=5)
    link.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        link.execute("ROLLBACK")
        link.close()


def test_a_database_locked_for_seconds_in_the_middle_stops_nobody(
        mill, stub):
    prompts = [f"p{n}" for n in range(96)]
    server = stub(delay=0.2)
    write_list(mill, prompts)
    running = mill.start("run", "in.txt", "-u", server.url, "-m", "m1",
                         "--db", "a.db", "-o", "out.txt", "-f", "txt")
    until(lambda: len(server.requests()) >= 8, "8 requests")
    with locked(mill.db("a.db")):
        first = server.requests()[-1]
        # Three seconds by the server's clock: it is asked all the while.
        last = until(lambda: next(
            (line for line in server.requests()
             if line["time"] >= first["time"] + 3), None), "3 s of work")
        assert last["n"] - first["n"] >= 40
        assert "a.db: locked by another program" in running.err()
        assert "a.db.spill.jsonl" in running.err()  # after a second
    done = running.wait()
    assert done.status == 0, done
    assert "can be written again" in done.err
    assert "\n96 prompts: 96 answered in " in done.err  # each counted once
    assert mill.results("a.db") == ["echo: " + text for text in prompts]
    assert (mill.dir / "out.txt").read_text().splitlines() == [
        "echo: " + text for text in prompts]
    assert names(mill) == ["a.db", "in.txt", "out.txt"]
    assert len(server.requests()) == 96


def test_a_database_locked_to_the_end_leaves_a_spill_that_is_taken_in(
        mill, stub):
    server = stub([{"match": {"prompt": "e"}, "do": {"delay": 0.5}}])
    write_list(mill, LETTERS)
    command = ("run", "in.txt", "-u", server.url, "-m", "m1", "--db", "a.db")
    running = mill.start(*command)
    until(lambda: len(mill.answered("a.db")) == 4, "four answers")
    with locked(mill.db("a.db")):
        done = running.wait()
    assert done.status == 74, done
    spill = mill.dir / "a.db.spill.jsonl"
    assert f"spilled:  {spill}\n" in done.err
    assert stat.S_IMODE(spill.stat().st_mode) == 0o600
    assert len(mill.results("a.db")) == 5 and len(mill.answered("a.db")) == 4
    done = mill.run(*command)
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: " + text for text in LETTERS]
    assert len(server.requests()) == 5  # nothing is paid for twice
    assert not spill.exists()


@pytest.mark.parametrize("what", ["a.db", "a.db-wal"])
def test_a_file_that_is_removed_in_the_middle_is_made_again(mill, what):
    write_list(mill, range(40))
    running = mill.start("run", "in.txt", "--db", "a.db", "--backend",
                         "echo:ms=100")
    until(lambda: (mill.dir / what).exists()
          and len(mill.answered("a.db")) >= 4,
          "some rows")
    (mill.dir / what).unlink()
    done = running.wait()
    assert done.status == 0, done
    assert f"{what} was removed" in done.err
    assert mill.results("a.db") == [str(n) for n in range(40)]
    assert names(mill) == ["a.db", "in.txt"]


def test_a_file_that_is_replaced_in_the_middle_is_left_alone(mill):
    """Nor may our journal lie beside it: that would be taken for its own."""
    write_list(mill, range(40))
    other = mill.dir / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as link:
        link.execute("CREATE TABLE t AS WITH RECURSIVE c (n) AS (SELECT 1"
                     " UNION ALL SELECT n + 1 FROM c WHERE n < 3000)"
                     " SELECT n, 'theirs' FROM c")
        link.commit()
    content = other.read_bytes()
    running = mill.start("run", "in.txt", "--db", "a.db", "--backend",
                         "echo:ms=100")
    until(lambda: (mill.dir / "a.db-wal").exists()
          and len(mill.answered("a.db")) >= 4, "some rows")
    other.rename(mill.dir / "a.db")
    done = running.wait()
    assert done.status == 74, done
    rescued, = mill.dir.glob("a.db.rescued*.db")
    assert str(rescued) in done.err
    assert mill.results(rescued.name) == [str(n) for n in range(40)]
    assert mill.sql("SELECT count(*) FROM t", db="a.db") == [(3000,)]
    assert mill.db("a.db").read_bytes() == content
    assert names(mill) == ["a.db", rescued.name, "in.txt"]


REFUSED = {
    "directory": "a directory, not a database",
    "text": "not a database",
    "html": "not a database",
    "schema": "another program's database",
    "view": "another program's database",
    "newer": "written by a newer llmill",
    "fifo": "a special file, not a database",
    "corrupt": "corrupt",
}


def make_bad(mill, kind):
    path = mill.dir / "a.db"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind in ("text", "html"):
        path.write_bytes(b"<html>" * 400 if kind == "html" else b"hello\n")
    elif kind in ("schema", "view"):
        with contextlib.closing(sqlite3.connect(path)) as link:
            link.executescript(
                "CREATE TABLE t (x); INSERT INTO t VALUES (1);" +
                ("CREATE VIEW llm_results AS SELECT 1 AS id, 2 AS prompt,"
                 " 3 AS result, 4 AS created_at FROM t;"
                 if kind == "view" else ""))
    else:
        assert mill.run("run", "--prompt", "a", *ECHO, "--db", "a.db"
                        ).status == 0
        if kind == "newer":
            with contextlib.closing(sqlite3.connect(path)) as link:
                link.execute("PRAGMA user_version = 99")
        else:
            content = bytearray(path.read_bytes())
            content[4096:] = b"\xa5" * (len(content) - 4096)
            path.write_bytes(content)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_cannot_say_what_is_open_is_refused(mill, kind):
    make_bad(mill, kind)
    path = mill.dir / "a.db"
    before = path.read_bytes() if path.is_file() else None
    listed = names(mill)
    mark = mill.dir / "sent"
    done = mill.run("run", "--prompt", "a", "--db", "a.db", "--", "touch",
                    mark)
    assert done.status == 65, done
    assert done.err.count("\n") == 1
    assert "a.db" in done.err and REFUSED[kind] in done.err
    assert names(mill) == listed  # nothing sent, nothing left
    assert before is None or path.read_bytes() == before


LEAVES_A_WAL = """
import os, signal, sqlite3
link = sqlite3.connect("a.db")
link.execute("PRAGMA journal_mode = WAL")
link.execute("PRAGMA user_version = 99")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("command", [
    ("run", "--prompt", "a", *ECHO, "--db", "a.db"), ("resume", "a.db")])
def test_a_newer_database_keeps_what_stands_in_its_wal(mill, command):
    """Its version stands there alone, and is read without a checkpoint."""
    assert mill.run("run", "--prompt", "a", *ECHO, "--db", "a.db").status == 0
    subprocess.run([sys.executable, "-c", LEAVES_A_WAL], cwd=mill.dir,
                   check=False)
    files = [mill.dir / name for name in ("a.db", "a.db-wal")]
    before = [path.read_bytes() for path in files]
    assert len(before[1]) > 0
    done = mill.run(*command)
    assert done.status == 65, done
    assert "written by a newer llmill (schema 99" in done.err
    assert [path.read_bytes() for path in files] == before


def test_a_path_that_cannot_be_created_stops_nobody(mill):
    """The answers are in the spill file, and the exit status says so."""
    write_list(mill, LETTERS)
    done = mill.run("run", "in.txt", *ECHO, "--db", "no/such/a.db",
                    "-o", "out.txt", "-f", "txt")
    assert done.status == 74, done
    assert "cannot open no/such/a.db: No such file" in done.err
    assert (mill.dir / "out.txt").read_text().split() == LETTERS
    spill = mill.dir / "a.db.spill.jsonl"
    assert stat.S_IMODE(spill.stat().st_mode) == 0o600
    assert f"spilled:  {spill}\n" in done.err
    lines = [json.loads(line) for line in spill.read_text().splitlines()]
    assert sorted(line["id"] for line in lines if "id" in line) == [
        1, 2, 3, 4, 5]


def test_what_was_spilled_is_not_sent_again_while_the_path_stays_away(mill):
    write_list(mill, LETTERS)
    calls = mill.dir / "calls"
    command = ("run", "in.txt", "--db", "no/such/a.db", "-o", "out.txt", "-f",
               "txt", "--", "sh", "-c", f"echo >>{calls}; cat")
    assert mill.run(*command).status == 74
    spill = mill.dir / "a.db.spill.jsonl"
    size = spill.stat().st_size
    (mill.dir / "out.txt").unlink()
    done = mill.run(*command)
    assert done.status == 74, done  # still not where it was asked for
    assert "5 answers are in" in done.err
    assert (mill.dir / "out.txt").read_text().split() == LETTERS
    assert spill.stat().st_size == size
    assert len(calls.read_text()) == 5
    (mill.dir / "no/such").mkdir(parents=True)
    done = mill.run(*command)
    assert done.status == 0, done
    assert mill.results("no/such/a.db") == LETTERS
    assert len(calls.read_text()) == 5 and not spill.exists()


def test_a_default_named_database_is_known_by_its_spill(mill):
    """The directory was not writable; later it is, or still is not."""
    write_list(mill, LETTERS)
    calls = mill.aside / "calls"
    command = ("run", "in.txt", "--", "sh", "-c", f"echo >>{calls}; cat")
    user = {} if os.geteuid() else {"before": (
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")}
    mill.aside.chmod(0o777)
    (mill.aside / "home").chmod(0o777)
    for parent in [mill.dir, *mill.dir.parents][1:4]:
        if os.geteuid() == 0 and parent != parent.parent:
            parent.chmod(parent.stat().st_mode | 0o011)
    mill.dir.chmod(0o555)
    try:
        for _ in range(2):
            done = mill.run(*command, **user)
            assert done.status == 74, done
            spill, = (mill.aside / "home").glob("*.spill.jsonl")
            assert len(calls.read_text()) == 5
    finally:
        mill.dir.chmod(0o777)
    done = mill.run(*command, **user)
    assert done.status == 0, done
    assert mill.results() == LETTERS and not spill.exists()
    assert f"{mill.db().name}.spill.jsonl" == spill.name
    assert len(calls.read_text()) == 5


def test_require_db_stops_before_the_first_call(mill):
    mark = mill.dir / "sent"
    done = mill.run("run", "--prompt", "a", "--db", "no/such/a.db",
                    "--require-db", "--", "touch", mark)
    assert done.status == 71, done
    assert "no/such/a.db" in done.err and done.err.count("\n") == 1
    assert names(mill) == []


def test_without_a_database_nothing_is_left(mill):
    done = mill.run("run", "--prompt", "a", *ECHO, "--no-db", "-o", "-")
    assert done.status == 0, done
    assert json.loads(done.out)["result"] == "a"
    assert names(mill) == []


def temporary_bytes(pid):
    """In files without a name that a process holds open."""
    sizes = []
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(link).endswith(" (deleted)"):
                sizes.append(os.stat(link).st_size)
    return sum(sizes)


def test_without_a_database_no_prompt_is_written_anywhere(mill):
    """The directory for temporary files is memory on many nodes."""
    mill.write("in.txt", ("x" * 500_000 + "\n") * 80)
    running = mill.start("run", "in.txt", "--no-db", "-j", "1", "-o", "out",
                         "--", "sh", "-c", "touch began; exec sleep 1000")
    until((mill.dir / "began").exists, "a call")
    assert temporary_bytes(running.pid) < 4_000_000
    running.signal(signal.SIGKILL)
    running.popen.wait()
    mill.no_process_left()


def test_a_read_only_directory_stops_nobody(mill):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    mill.dir.chmod(0o555)
    done = mill.run("run", "--prompt", "a", *ECHO)
    mill.dir.chmod(0o755)
    assert done.status == 74, done
