# SPDX-License-Identifier: ISC
"""llmill status: what it says, and that it changes nothing."""

import hashlib
import json
import os
import re
import signal
import sqlite3

import pytest

from conftest import until

SEED = """CREATE TABLE llm_results (
    id INTEGER PRIMARY KEY,
    prompt TEXT NOT NULL,
    result TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
)"""
SLOW = "echo:ms=100"


def make(mill, count=20, script="echo", db="a.db", *more):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(count)))
    return mill.run("run", "in.txt", "--backend", script, "--db", db, *more)


def make_seed(mill, results, db="seed.db"):
    link = sqlite3.connect(mill.dir / db)
    link.execute(SEED)
    link.executemany("INSERT INTO llm_results (prompt, result) VALUES (?, ?)",
                     [("p", result) for result in results])
    link.commit()
    link.close()


def traces(directory, but=()):
    """Every name in a directory with all that a change would change."""
    found = {}
    for path in sorted(directory.iterdir()):
        if path.name in but or path.is_socket():
            continue
        facts = path.stat()
        found[path.name] = (facts.st_ino, facts.st_mtime_ns, facts.st_size,
                            hashlib.sha256(path.read_bytes()).hexdigest())
    return found, directory.stat().st_mtime_ns


def numbers(mill, *dbs, **kwargs):
    done = mill.run("status", "--json", *dbs, **kwargs)
    assert done.status == 0, done
    return [json.loads(line) for line in done.out.splitlines()]


def until_four_answers(mill, db):
    until(lambda: len(mill.answered(db)) >= 4, "four answers")


def cut_short(mill, db="a.db"):
    """A database as kill -9 leaves it: answers only in the -wal."""
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(20)))
    running = mill.start("run", "in.txt", "--backend", SLOW, "--db", db)
    until_four_answers(mill, db)
    running.signal(signal.SIGKILL)
    running.popen.wait()
    mill.no_process_left()
    return len(mill.answered(db))


# --- what it says ---


def test_all_numbers_of_a_finished_run(mill):
    assert make(mill, 40, "echo:ms=5,fail=30%,seed=7", "a.db",
                "--retry-attempts", 1).status == 1
    failed = sum(r.startswith("Error:") for r in mill.results("a.db"))
    assert 0 < failed < 40
    done = mill.run("status", "a.db")
    assert done.status == 0 and done.err == "", done
    lines = done.out.splitlines()
    assert lines[0] == "a.db"
    assert lines[1] == f"prompts:  40: {40 - failed} answered, {failed} failed"
    first = next(n for n, r in enumerate(mill.results("a.db"), 1)
                 if r.startswith("Error:"))
    assert re.search(rf"^failed:   {failed} server error; prompt {first}: \w",
                     done.out, re.M)
    assert re.search(r"^run: +finished, from \d{4}-.* UTC, took .*, .*/s$",
                     done.out, re.M)
    assert re.search(rf"^tries: +40: {40 - failed} answered, {failed} server",
                     done.out, re.M)
    assert re.search(r"^latency:  p50 .*, p95 .*, p99 ", done.out, re.M)
    assert max(map(len, lines)) <= 80


def test_json_has_the_same_numbers_as_the_database(mill):
    make(mill, 40, "echo:ms=5,fail=30%,seed=7", "a.db", "--retry-attempts", 2,
         "--retry-delay", 0)
    one, = numbers(mill, "a.db")
    states = dict(mill.sql(
        "SELECT state, count(*) FROM llm_status GROUP BY state", db="a.db"))
    assert one["database"] == "a.db" and one["total"] == 40
    assert one["answered"] == states["answered"]
    assert one["failed"] == states.get("failed", 0)
    assert one["attempts_by"] == dict(mill.sql(
        "SELECT outcome, count(*) FROM llm_attempts GROUP BY outcome",
        db="a.db"))
    assert one["last_run"]["status"] == "finished"
    assert one["last_run"]["done"] == 40
    assert one["running"] is None
    assert 5 <= one["latency_ms"]["p50"] < 1000


def test_the_newest_database_here_is_taken_and_named(mill):
    make(mill, 2, "echo", "llm_results_20260101_000000.db")
    make(mill, 3, "echo", "llm_results_20250101_000000.db")
    os.utime(mill.db("llm_results_20260101_000000.db"), (1, 1))
    done = mill.run("status")
    assert done.out.startswith("llm_results_20250101_000000.db\n"), done
    assert "prompts:  3: " in done.out


def test_several_databases_have_a_block_each_and_nothing_more(mill):
    make(mill, 2, "echo", "a.db")
    make(mill, 3, "echo", "b.db")
    done = mill.run("status", "b.db", "a.db")
    assert [line for line in done.out.splitlines() if ":" not in line] == [
        "b.db", "a.db"]
    assert [one["total"] for one in numbers(mill, "b.db", "a.db")] == [3, 2]


def test_a_seeds_database_means_open_by_null_empty_and_na(mill):
    make_seed(mill, [None, "", "NA", "yes", "Error: Failed after 3 attempts: "
                     "\x1b[31mno\nway", "Error is human"])
    one, = numbers(mill, "seed.db")
    assert (one["answered"], one["failed"], one["open"]) == (2, 1, 3)
    assert one["failed_by"]["unknown"]["id"] == 5
    done = mill.run("status", "seed.db")
    assert "\x1b" not in done.out and "no way" in done.out, done


def test_an_answer_like_a_failure_is_an_answer(mill):
    mill.write("in.txt", "Error: Failed after 1 attempts: I say so\n")
    mill.run("run", "in.txt", "--backend", "echo", "--db", "a.db")
    one, = numbers(mill, "a.db")
    assert (one["answered"], one["failed"]) == (1, 0)


def test_who_works_on_it_is_said(mill):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(400)))
    running = mill.start("run", "in.txt", "--backend", SLOW, "--db", "a.db")
    until_four_answers(mill, "a.db")
    one, = numbers(mill, "a.db")
    assert one["running"]["pid"] == running.pid
    assert one["last_run"]["status"] == "running"
    assert 4 <= one["answered"] < 400
    assert one["answered"] + one["open"] == 400
    done = mill.run("status", "a.db")
    assert f"running:  pid {running.pid} on " in done.out, done
    running.signal(signal.SIGTERM)
    assert running.wait().status == 75
    assert numbers(mill, "a.db")[0]["running"] is None


def test_a_run_that_was_killed_is_called_lost(mill):
    answered = cut_short(mill)
    one, = numbers(mill, "a.db")
    assert one["last_run"]["status"] == "lost"
    assert one["running"] is None
    assert one["answered"] == answered
    assert "lost: it ended without a word" in mill.run("status", "a.db").out


# --- it changes nothing ---


def test_nothing_changes_around_a_finished_database(mill):
    make(mill)
    before = traces(mill.dir)
    numbers(mill, "a.db")
    assert traces(mill.dir) == before


@pytest.mark.parametrize("left", ["all", "no index", "no journal"])
def test_nothing_changes_around_one_in_wal_mode(mill, left):
    answered = cut_short(mill)
    if left == "no index":
        (mill.dir / "a.db-shm").unlink()
    if left == "no journal":
        link = sqlite3.connect(mill.db("a.db"))
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        link.close()
        assert mill.db("a.db").read_bytes()[18] == 2
        assert not (mill.dir / "a.db-wal").exists()
    before = traces(mill.dir)
    one, = numbers(mill, "a.db")
    assert one["answered"] == answered
    assert traces(mill.dir) == before


@pytest.mark.parametrize("left", ["all", "no index", "no journal", "closed"])
def test_it_reads_from_a_directory_that_cannot_be_written(mill, left):
    if left == "closed":
        make(mill)
        answered = 20
    else:
        answered = cut_short(mill)
    if left == "no index":
        (mill.dir / "a.db-shm").unlink()
    if left == "no journal":
        link = sqlite3.connect(mill.db("a.db"))
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        link.close()
    for path in mill.dir.iterdir():
        path.chmod(0o444)
    mill.dir.chmod(0o555)
    user = {} if os.geteuid() else {"before": (
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")}
    for parent in [mill.dir, *mill.dir.parents][1:4]:
        if os.geteuid() == 0 and parent != parent.parent:
            parent.chmod(parent.stat().st_mode | 0o011)
    before = traces(mill.dir)
    try:
        one, = numbers(mill, "a.db", **user)
    finally:
        mill.dir.chmod(0o755)
    assert one["answered"] == answered
    assert traces(mill.dir)[0] == before[0]


def test_a_database_that_is_locked_for_others_is_told_of_by_its_run(mill):
    """As on a network file system: exclusive, and a rollback journal."""
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(100)))
    running = mill.start("run", "in.txt", "--backend", "echo:ms=100", "--db",
                         "a.db", env={"LLMILL_FSTYPE": "nfs"})
    bulletin = mill.dir / "a.db.status.json"
    until(bulletin.exists, "its word")
    assert not (mill.dir / "a.db-wal").exists()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        link = sqlite3.connect(mill.dir / "a.db", timeout=0)
        link.execute("SELECT count(*) FROM llm_results")
    until(lambda: numbers(mill, "a.db")[0]["answered"] > 0, "answers")
    done = mill.run("status", "a.db")
    assert done.status == 0 and f"pid {running.pid} on" in done.out, done
    done = running.wait()
    assert done.status == 0, done
    assert done.err.count("a.db lies on nfs: one commit a second") == 1
    assert not bulletin.exists()
    assert numbers(mill, "a.db")[0]["answered"] == 100
    # One that was killed says nothing any more; the next run takes it away.
    mill.write("b.txt", "".join(f"p{n}\n" for n in range(40)))
    command = ("run", "b.txt", "--backend", "echo:ms=100", "--db", "b.db")
    running = mill.start(*command, env={"LLMILL_FSTYPE": "nfs"})
    bulletin = mill.dir / "b.db.status.json"
    until(bulletin.exists, "its word")
    running.signal(signal.SIGKILL)
    running.wait()
    done = mill.run("status", "b.db")
    assert "pid" not in done.out, done
    assert mill.run(*command, env={"LLMILL_FSTYPE": "nfs"}).status == 0
    assert not bulletin.exists()


def test_a_run_is_not_disturbed_by_many_looks(mill):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(100)))
    running = mill.start("run", "in.txt", "--backend", "echo:ms=20", "--db",
                         "a.db")
    until(lambda: (mill.dir / "a.db-wal").exists(), "the run")
    looks = 0
    while running.popen.poll() is None:
        looks += mill.run("status", "a.db").status == 0
    assert looks > 0
    done = running.wait()
    assert done.status == 0, done
    assert [path.name for path in mill.dir.glob("a.db*")] == ["a.db"]
    assert mill.results("a.db") == [f"p{n}" for n in range(100)]


# --- what is no database ---


def test_each_mistake_is_one_line_and_65(mill):
    (mill.dir / "dir").mkdir()
    mill.write("text.db", "this is no database, but text\n" * 100)
    mill.write("empty.db", "")
    sqlite3.connect(mill.dir / "other.db").execute("CREATE TABLE t (a)")
    for name, words in [("none.db", "No such file"), ("dir", "a directory"),
                        ("text.db", "not a database"),
                        ("empty.db", "no table llm_results"),
                        ("other.db", "no table llm_results")]:
        done = mill.run("status", name)
        assert done.status == 65 and done.out == "", done
        assert done.err.startswith(f"llmill: {name}: "), done
        assert words in done.err and done.err.count("\n") == 1, done


def test_one_mistake_does_not_hide_the_others(mill):
    make(mill, 2)
    done = mill.run("status", "none.db", "a.db")
    assert done.status == 65 and "prompts:  2: " in done.out, done


def test_nothing_here_is_usage(mill):
    done = mill.run("status")
    assert done.status == 2 and "there is no llm_results_*.db here" in done.err


@pytest.mark.parametrize("words, says", [
    (("--watch", "a.db"), "standard output is none"),
    (("--watch", "--json", "a.db"), "exclude each other"),
    (("--wathc", "a.db"), "did you mean --watch?"),
    (("-j", "4", "a.db"), "is an option of run"),
])
def test_wrong_usage_is_refused(mill, words, says):
    make(mill, 1)
    done = mill.run("status", *words)
    assert done.status == 2 and done.out == "" and says in done.err, done


# --- on a terminal ---


def test_watch_draws_until_the_run_has_ended(mill):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(80)))
    running = mill.start("run", "in.txt", "--backend", SLOW, "--db", "a.db")
    until(lambda: (mill.dir / "a.db-wal").exists(), "the run")
    # script(1) gives its command a terminal and passes on what it shows.
    # Without one to type at there are no keys, and no screen for them.
    done = mill.run("-qec", f"{mill.program} status --watch a.db </dev/null",
                    "/dev/null", program="script")
    assert done.status == 0, done
    assert running.wait().status == 0
    frames = done.out.split("\x1b[H")[2:]
    assert len(frames) >= 2
    assert "running:  pid" in frames[0] and "open" in frames[0]
    assert "80: 80 answered" in frames[-1] and "running:" not in frames[-1]


def test_watch_says_what_it_cannot_read_where_it_stays(mill):
    done = mill.run("-qec", f"{mill.program} status --watch nosuch.db",
                    "/dev/null", program="script")
    assert done.status == 65, done
    assert "\x1b" not in done.out.rpartition("nosuch.db: No such file")[2]
    assert "llmill: nosuch.db: No such file" in done.out.rpartition(
        "\x1b[J")[2]
