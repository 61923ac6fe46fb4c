# SPDX-License-Identifier: ISC
"""llmill resume: going on from the database alone; and --redo."""

import json
import os
import signal
import sqlite3

import pytest

from conftest import until
from test_status import make_seed

LETTERS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]


def run_some(mill, *more, count=3, **kwargs):
    """A run over LETTERS that is asked for the first few only."""
    mill.write("in.txt", "\n".join(LETTERS) + "\n")
    done = mill.run("run", "in.txt", "--db", "a.db", "-n", count, *more,
                    **kwargs)
    assert done.status == 0, done
    (mill.dir / "in.txt").unlink()


def last_settings(mill):
    return json.loads(mill.sql(
        "SELECT settings FROM llm_runs ORDER BY run_id DESC", db="a.db")[0][0])


def test_it_goes_on_without_the_input(mill):
    run_some(mill, "--backend", "echo:ms=1", "-j", 2, "--retry-attempts", 7)
    done = mill.run("resume", "a.db", "-o", "out.txt", "-f", "txt")
    assert done.status == 0, done
    assert "going on with a.db: 3 of 6 answered, 3 to do" in done.err
    assert mill.results("a.db") == LETTERS
    assert (mill.dir / "out.txt").read_text().split() == LETTERS
    settings = last_settings(mill)
    assert settings["workers"] == 2 and settings["retry_attempts"] == 7
    # The list is still the same one to a run that has it.
    mill.write("in.txt", "\n".join(LETTERS) + "\n")
    done = mill.run("run", "in.txt", "--db", "a.db", "--backend", "echo:ms=1")
    assert done.status == 0 and "0 to do" in done.err, done


def test_without_a_name_the_newest_is_taken_and_named(mill):
    run_some(mill, "--backend", "echo")
    (mill.dir / "a.db").rename(mill.dir / "llm_results_20260101_000000.db")
    done = mill.run("resume")
    assert done.status == 0, done
    assert "going on with llm_results_20260101_000000.db" in done.err
    assert mill.results() == LETTERS
    (mill.dir / "llm_results_20260101_000000.db").unlink()
    done = mill.run("resume")
    assert done.status == 2 and "name a database" in done.err


def test_requests_are_the_same_but_for_what_is_given_anew(mill, stub):
    server = stub()
    mill.write("list.jsonl", "".join(json.dumps(record) + "\n" for record in [
        {"prompt": "a", "params": {"top_k": 5}}, {"prompt": "b"},
        {"messages": [{"role": "user", "content": "c"},
                      {"role": "assistant", "content": "d"},
                      {"role": "user", "content": "e"}], "custom_id": "x"}]))
    run = ("run", "list.jsonl", "--db", "a.db", "-u", server.url, "-m", "old",
           "-s", "be brief", "--temperature", "0.5", "-p", "stop_at=[1,2]",
           "-p", "name=\"q\\\"\"", "--max-tokens", 9, "--no-db")
    whole = mill.run(*[w for w in run if w not in ("--db", "a.db")])
    assert whole.status == 0, whole
    bodies = [r["body"] for r in server.requests()]
    part = mill.run(*[w for w in run if w != "--no-db"], "-n", 1)
    assert part.status == 0, part
    before = len(server.requests())
    done = mill.run("resume", "a.db")
    assert done.status == 0, done
    assert sorted(map(str, [r["body"] for r in server.requests()[before:]])) == \
        sorted(map(str, [b for b in bodies if b["messages"][-1]["content"]
                         != "a"]))
    before = len(server.requests())
    done = mill.run("resume", "a.db", "--redo", "2", "-m", "new",
                    "--temperature", "0", "-s", "be long")
    assert done.status == 0, done
    again = server.requests()[before]["body"]
    assert (again["model"], again["temperature"]) == ("new", 0)
    assert again["messages"][0]["content"] == "be long"
    assert again["stop_at"] == [1, 2] and again["max_tokens"] == 9
    assert mill.sql("SELECT count(*) FROM llm_attempts WHERE id = 2",
                    db="a.db") == [(2,)]


def test_a_command_is_never_taken_from_the_database(mill):
    mark = mill.dir / "mark"
    run_some(mill, "--", "sh", "-c", f"echo x >>{mark}; cat")
    size = mark.stat().st_size
    done = mill.run("resume", "a.db")
    assert done.status == 2, done
    assert done.err.count("\n") == 1 and mark.stat().st_size == size
    assert f"llmill resume a.db -- sh -c 'echo x >>{mark}; cat'" in done.err
    done = mill.run("resume", "a.db", "--", "cat")
    assert done.status == 0, done
    assert mill.results("a.db") == LETTERS and mark.stat().st_size == size


@pytest.mark.parametrize("known", ["", "-u", "--key-env", "environment"])
def test_no_key_goes_to_a_url_of_the_database_alone(mill, stub, known):
    server = stub()
    env = {"OPENAI_API_KEY": "sk-secret-secret", "OPENAI_BASE_URL": server.url}
    run_some(mill, "-m", "m", env=env)
    assert server.requests()[0]["headers"]["authorization"].endswith("secret")
    before = len(server.requests())
    if known != "environment":
        env.pop("OPENAI_BASE_URL")
    more = {"-u": ("-u", server.url, "--key-env", "OPENAI_API_KEY"),
            "--key-env": ("--key-env", "OPENAI_API_KEY")}.get(known, ())
    done = mill.run("resume", "a.db", *more, env=env)
    assert done.status == 0, done
    sent = ["authorization" in r["headers"]
            for r in server.requests()[before:]]
    assert sent == [known != ""] * 3
    assert ("no key is sent to" in done.err) == (known == "")
    assert "sk-secret" not in done.err


def test_values_of_headers_are_not_kept_and_that_is_said(mill, stub):
    server = stub()
    run_some(mill, "-m", "m", "-u", server.url, "-H", "X-Team: blue")
    assert b"blue" not in (mill.dir / "a.db").read_bytes()
    done = mill.run("resume", "a.db", "-n", 4)
    assert done.status == 0 and "sent the headers X-Team" in done.err, done
    assert "x-team" not in server.requests()[-1]["headers"]
    done = mill.run("resume", "a.db", "-H", "X-Team: red")
    assert done.status == 0 and "X-Team" not in done.err, done
    assert server.requests()[-1]["headers"]["x-team"] == "red"


def test_a_database_of_the_seed_is_gone_on_with(mill):
    make_seed(mill, ["yes", None, "", "NA", "Error: Failed after 3 attempts:"
                     " x", b"\xff\x00"])
    link = sqlite3.connect(mill.dir / "seed.db")
    link.execute("UPDATE llm_results SET id = id * 10, prompt = 'p' || id")
    link.commit()
    before = link.execute("SELECT * FROM llm_results WHERE id IN (10, 50, 60)"
                          ).fetchall()
    link.close()
    done = mill.run("resume", "seed.db", "--backend", "echo")
    assert done.status == 1, done  # one had failed
    rows = dict(mill.sql("SELECT id, result FROM llm_results", db="seed.db"))
    assert [rows[n] for n in (20, 30, 40)] == ["p2", "p3", "p4"]
    assert mill.sql("SELECT * FROM llm_results WHERE id IN (10, 50, 60)",
                    db="seed.db") == before
    assert mill.run("resume", "seed.db", "--backend", "echo",
                    "--retry-errors").status == 0
    assert mill.sql("SELECT result FROM llm_results WHERE id = 50",
                    db="seed.db") == [("p5",)]


def test_a_bad_record_stays_out(mill):
    mill.write("in.jsonl", '{"prompt":"a"}\nbad\n{"prompt":"b"}\n')
    assert mill.run("run", "in.jsonl", "--skip-bad", "-n", 1, "--db", "a.db",
                    "--backend", "echo").status == 0
    done = mill.run("resume", "a.db")
    assert done.status == 0, done
    assert mill.results("a.db") == ["a", None, "b"]


@pytest.mark.parametrize("words, text", [
    (("--redo", "open"), '--redo: "open" is not allowed'),
    (("--redo", "7"), "there is no prompt 7 in a.db"),
    (("b.db",), "resume goes on with one database; b.db is another"),
    (("--skip-bad",), "--skip-bad is an option of run, not of resume"),
    (("--db", "b.db"), "--db is an option of run, not of resume"),
    (("-o", "a.db"), "are the same file"),
])
def test_wrong_words_are_one_line(mill, words, text):
    run_some(mill, "--backend", "echo")
    rows = mill.sql("SELECT * FROM llm_results", db="a.db")
    done = mill.run("resume", "a.db", *words)
    assert done.status == 2, done
    assert text in done.err and done.err.count("\n") == 1
    assert mill.sql("SELECT * FROM llm_results", db="a.db") == rows
    assert mill.sql("SELECT count(*) FROM llm_runs", db="a.db") == [(1,)]


def test_a_file_that_is_not_there_is_65_and_nothing_is_made(mill):
    done = mill.run("resume", "no.db", "--backend", "echo")
    assert done.status == 65, done
    assert done.err == "llmill: no.db: No such file or directory\n"
    assert not list(mill.dir.iterdir())


def test_a_database_in_use_is_refused_with_its_holder(mill):
    mill.write("in.txt", "\n".join(LETTERS) + "\n")
    running = mill.start("run", "in.txt", "--db", "a.db", "-j", 1,
                         "--backend", "echo:ms=400")
    until(lambda: (mill.dir / "a.db-wal").exists(), "the run")
    done = mill.run("resume", "a.db")
    assert done.status == 75, done
    assert f"pid={running.pid} host=" in done.err
    assert running.wait().status == 0


def test_the_old_text_stays_when_a_redo_is_killed_or_fails(mill):
    run_some(mill, "--backend", "echo", count=6)
    running = mill.start("resume", "a.db", "--redo", "1-6", "--backend",
                         "echo:ms=60000", "-j", 2)
    until(lambda: mill.processes("llmill: worker 1: prompt"), "a call")
    running.signal(signal.SIGKILL)
    running.wait()
    mill.no_process_left()
    assert mill.results("a.db") == LETTERS
    done = mill.run("resume", "a.db", "--redo", "2", "--backend",
                    "echo:fail=100%", "--retry-attempts", 1, "--poison", 1)
    assert done.status in (1, 69), done
    assert mill.results("a.db") == LETTERS
    # A run without --redo has nothing to do.
    done = mill.run("resume", "a.db", "--backend", "echo")
    assert done.status == 0 and "0 to do" in done.err, done


def test_retry_errors_does_the_failed_ones_again(mill):
    mill.write("in.txt", "\n".join(LETTERS) + "\n")
    flaky = mill.script("flaky.sh", f"""
        read p; test -e {mill.dir}/mended && echo $p && exit
        case $p in beta|delta) exit 3;; esac; echo $p""")
    run = ("run", "in.txt", "--db", "a.db", "--retry-attempts", 1)
    assert mill.run(*run, "--", flaky).status == 1
    assert [r.startswith("Error: ") for r in mill.results("a.db")] == [
        False, True, False, True, False, False]
    assert mill.run(*run, "--", flaky).status == 1  # nothing is done again
    mill.write("mended", "")
    done = mill.run(*run, "--retry-errors", "--", flaky)
    assert done.status == 0, done
    assert "2 to do, 2 of them again" in done.err
    assert mill.results("a.db") == LETTERS
    assert os.path.exists(flaky)
