# SPDX-License-Identifier: ISC
"""llmill merge: one database of several, and nothing lost or invented."""

import contextlib
import hashlib
import json
import os
import random
import resource
import signal
import socket
import sqlite3
import subprocess
import time

import pytest

from conftest import until
from test_status import SEED, SLOW, cut_short, make, make_seed, traces

PARTS = "out.db.part", "out.db.lock", "out.db", "out.db.part-journal"


def part(mill, first, last, db, script="echo", *more):
    """A database with a list of 20, of which first to last were done."""
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(20)))
    return mill.run("run", "in.txt", "--backend", script, "--db", db,
                    "--range", f"{first}:{last}", *more)


def merge(mill, *words, **kwargs):
    done = mill.run("merge", "-o", "out.db", *words, **kwargs)
    assert done.status == 0, done
    return done


def nothing_is_left(mill):
    return not any((mill.dir / name).exists() for name in PARTS)


def alter(mill, db, statement, *values):
    with contextlib.closing(sqlite3.connect(mill.dir / db)) as link:
        link.execute(statement, *values)
        link.commit()


def big(mill, db, count=400_000):
    """A database of the seed that takes a while."""
    with contextlib.closing(sqlite3.connect(mill.dir / db)) as link:
        link.execute("PRAGMA synchronous = OFF")
        link.execute(SEED)
        link.executemany(
            "INSERT INTO llm_results (prompt, result) VALUES (?, 'x')",
            ((f"prompt {n}",) for n in range(count)))
        link.commit()


# --- what it makes ---


def test_parts_become_a_whole_that_is_sound(mill):
    part(mill, 1, 12, "a.db")
    part(mill, 9, 18, "b.db")
    before = traces(mill.dir)
    done = merge(mill, "a.db", "b.db")
    assert done.err == "", done
    assert done.out == ("out.db: merged from 2 databases\n"
                        "prompts:  20: 18 answered, 2 open\n"
                        "kept:     22 tries, 2 runs\n")
    assert mill.results("out.db") == [f"p{n}" for n in range(18)] + [None] * 2
    assert traces(mill.dir, but=("out.db",))[0] == before[0]
    assert sorted(p.name for p in mill.dir.iterdir()) == [
        "a.db", "b.db", "in.txt", "out.db"]
    assert mill.run("verify", "out.db").out.startswith("out.db: sound\n")
    assert "20: 18 answered, 2 open" in mill.run("status", "out.db").out


def test_the_same_command_goes_on_with_what_is_open(mill):
    part(mill, 1, 12, "a.db")
    part(mill, 9, 18, "b.db")
    merge(mill, "a.db", "b.db")
    done = mill.run("run", "in.txt", "--backend", "echo", "--db", "out.db")
    assert done.status == 0, done
    assert "18 of 20 answered, 2 to do" in done.err
    assert mill.results("out.db") == [f"p{n}" for n in range(20)]
    assert mill.sql("SELECT count(*) FROM llm_attempts WHERE run_id = 3",
                    db="out.db") == [(2,)]


def test_resume_goes_on_from_it_alone(mill):
    mill.write("in.jsonl", "".join(json.dumps({
        "messages": [{"role": "system", "content": "s"},
                     {"role": "user", "content": f"p{n}"}],
        "id": f"c{n}", "n": n}) + "\n" for n in range(8)))
    for db, span in ("a.db", "1:3"), ("b.db", "3:6"):
        mill.run("run", "in.jsonl", "--backend", "echo", "--db", db,
                 "--range", span)
    merge(mill, "a.db", "b.db")
    (mill.dir / "in.jsonl").rename(mill.dir / "gone.jsonl")
    done = mill.run("resume", "out.db", "-o", "-")
    assert done.status == 0, done
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [(row["custom_id"], row["n"]) for row in rows] == [
        (f"c{n}", n) for n in range(8)]
    # The same list finds nothing else in it.
    done = mill.run("run", "gone.jsonl", "--backend", "echo", "--db", "out.db")
    assert done.status == 0 and "8 of 8 answered, 0 to do" in done.err, done


def test_json_has_the_same_numbers(mill):
    part(mill, 1, 12, "a.db", "echo:fail=40%,seed=3", "--retry-attempts", 1)
    make(mill, 20, "echo", "b.db")
    alter(mill, "b.db", "UPDATE llm_results SET result = 'other' WHERE id < 4")
    one = json.loads(merge(mill, "--partial", "--json", "a.db", "b.db").out)
    assert one["database"] == "out.db" and one["merged"] == 2
    assert one["total"] == 20 == one["answered"]
    assert one["attempts"] == 32 and one["runs"] == 2
    answered = [n for n in (1, 2, 3)
                if mill.results("a.db")[n - 1] == f"p{n - 1}"]
    assert answered, "the script fails too much"
    assert one["conflicts"] == len(answered)
    assert one["first_conflicts"] == [
        {"id": n, "taken": "a.db", "other": "b.db"} for n in answered]
    assert one["missing"] == 0 and one["first_missing"] is None
    assert one["plans_differ"] is True  # another script


def test_conflicts_are_listed_up_to_twenty(mill):
    make_seed(mill, ["a"] * 25, "a.db")
    make_seed(mill, ["b"] * 25, "b.db")
    done = merge(mill, "--partial", "b.db", "a.db")
    assert "differ:   25 prompts have different answers" in done.out
    assert "          1: b.db, not a.db\n" in done.out
    assert "          20: b.db, not a.db\n          …\n" in done.out
    assert "21: " not in done.out
    assert mill.results("out.db") == ["b"] * 25


def test_a_seeds_database_and_ours_become_one_that_goes_on(mill):
    part(mill, 1, 8, "a.db")
    make_seed(mill, [None] * 5 + ["", "NA", "yes", "yes", "NA"], "s.db")
    alter(mill, "s.db", "UPDATE llm_results SET prompt = 'p' || (id - 1)")
    done = merge(mill, "--partial", "s.db", "a.db")
    assert "prompts:  20: 9 answered, 11 open\n" in done.out, done
    assert "          8: s.db, not a.db\n" in done.out
    assert mill.run("verify", "out.db").status == 0
    done = mill.run("run", "in.txt", "--backend", "echo", "--db", "out.db")
    assert done.status == 0 and "11 to do" in done.err, done
    assert mill.results("out.db")[6:11] == ["p6", "yes", "yes", "p9", "p10"]


@pytest.mark.parametrize("left", ["all", "no index"])
def test_a_shard_whose_run_was_killed_gives_what_its_journal_has(mill, left):
    answered = cut_short(mill)
    if left == "no index":
        (mill.dir / "a.db-shm").unlink()
    before = traces(mill.dir)
    done = merge(mill, "a.db")
    assert f"20: {answered} answered, {20 - answered} open" in done.out, done
    assert traces(mill.dir, but=("out.db",))[0] == before[0]
    assert mill.sql("SELECT status FROM llm_runs", db="out.db") == [("lost",)]


def test_it_can_be_merged_again(mill):
    part(mill, 1, 12, "a.db")
    part(mill, 9, 18, "b.db")
    merge(mill, "a.db", "b.db")
    (mill.dir / "out.db").rename(mill.dir / "ab.db")
    make(mill, 20, "echo", "c.db")
    merge(mill, "ab.db", "c.db")
    assert mill.results("out.db") == [f"p{n}" for n in range(20)]
    assert mill.run("verify", "out.db").status == 0


def test_more_shards_than_descriptors_at_first(mill):
    for n in range(150):
        with contextlib.closing(sqlite3.connect(mill.dir / f"{n}.db")) as link:
            link.execute(SEED)
            link.execute("INSERT INTO llm_results (id, prompt, result) "
                         "VALUES (?, 'p', 'a')", (n + 1,))
            link.commit()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    done = merge(mill, *(f"{n}.db" for n in range(150)),
                 preexec=lambda: resource.setrlimit(
                     resource.RLIMIT_NOFILE, (64, hard)))
    assert "merged from 150 databases\nprompts:  150: 150 answered" in done.out


# --- what it warns of ---


def test_missing_prompts_are_one_warning(mill):
    make_seed(mill, ["a"] * 20, "a.db")
    alter(mill, "a.db", "DELETE FROM llm_results WHERE id IN (3, 5, 6)")
    done = merge(mill, "a.db")
    assert done.err == ("llmill: warning: out.db: no database has prompt 3; "
                        "3 are missing in all\n")


def test_answers_that_wait_are_told_of_with_the_command(mill):
    part(mill, 1, 3, "a.db")
    mill.write("a.db.spill.jsonl", "{}\n")
    done = merge(mill, "a.db")
    assert "a.db.spill.jsonl has answers that a.db does not have" in done.err
    assert " run in.txt --backend echo --db a.db --range 1:3\n" in done.err
    assert done.err.count("\n") == 1, done


def test_different_plans_are_one_warning(mill):
    part(mill, 1, 3, "a.db")
    part(mill, 4, 9, "b.db", "echo:ms=1")
    done = merge(mill, "--partial", "a.db", "b.db")
    assert ("a.db and b.db were not run with the same plan (script was"
            in done.err), done
    assert done.err.count("\n") == 1, done


# --- what it refuses ---


@pytest.mark.parametrize("words, says", [
    (("a.db",), "llmill merge -o OUT.db DB ..."),
    (("-o", "out.db"), "merge wants databases"),
    (("-o", "-", "a.db"), "not on standard output"),
    (("-o", "a.db", "a.db"), "are the same file"),
    (("-o", "there.db", "a.db"), "there.db is there already"),
    (("-o", "out.db", "a.db", "./a.db"), "are the same database"),
    (("-o", "out.db", "-j", "4", "a.db"), "is an option of run"),
    (("-o", "out.db", "--jsno", "a.db"), "did you mean --json?"),
])
def test_wrong_usage_is_one_line_and_2(mill, words, says):
    make(mill, 2)
    mill.write("there.db", "mine")
    before = traces(mill.dir)
    done = mill.run("merge", *words)
    assert done.status == 2 and done.out == "" and says in done.err, done
    assert done.err.count("\n") == 1, done
    assert traces(mill.dir)[0] == before[0]


def test_help_is_given(mill):
    done = mill.run("merge", "--help")
    assert done.status == 0 and done.out.startswith(
        "usage: llmill merge -o OUT.db [--partial] [--json] DB ...\n"), done


def test_different_prompts_under_one_id_are_65(mill):
    part(mill, 1, 3, "a.db")
    part(mill, 4, 9, "b.db")
    alter(mill, "b.db",
          "UPDATE llm_results SET prompt = char(27) || '[31m' WHERE id = 20")
    done = mill.run("merge", "-o", "out.db", "a.db", "b.db")
    assert done.status == 65 and done.out == "", done
    assert done.err == (
        'llmill: prompt 20 is another one in a.db ("p19") than in b.db '
        '("\\x1B[31m"): they are no parts of one list\n')
    assert nothing_is_left(mill)


def test_a_shard_that_is_worked_on_is_75_with_pid_and_host(mill):
    make(mill, 20, "echo", "a.db")
    running = mill.start("run", "in.txt", "--backend", SLOW, "--db", "b.db")
    until(lambda: (mill.dir / "b.db-wal").exists(), "the run")
    done = mill.run("merge", "-o", "out.db", "a.db", "b.db")
    assert done.status == 75 and done.out == "", done
    assert (f"b.db: another llmill works on it (pid {running.pid} on "
            f"{socket.gethostname()})" in done.err), done
    assert nothing_is_left(mill)
    assert running.wait().status == 0
    merge(mill, "--partial", "a.db", "b.db")


def test_a_directory_that_is_not_there_is_74(mill):
    make(mill, 2)
    done = mill.run("merge", "-o", "no/out.db", "a.db")
    assert done.status == 74 and done.out == "", done
    assert done.err.startswith("llmill: cannot write no/out.db: "), done
    assert "No such file" in done.err and done.err.count("\n") == 1


# --- trouble on the way ---


def test_a_file_that_may_not_grow_is_74_and_nothing_is_left(mill):
    big(mill, "a.db", 20_000)
    done = mill.run("merge", "-o", "out.db", "a.db",
                    preexec=lambda: resource.setrlimit(
                        resource.RLIMIT_FSIZE, (300_000, 300_000)))
    assert done.status == 74 and done.out == "", done
    assert done.err == "llmill: cannot write out.db: File too large\n"
    assert nothing_is_left(mill)


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a tmpfs")
def test_a_full_disk_is_74_and_nothing_is_left(mill):
    place = mill.dir / "fs"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none",
                       place], check=False).returncode != 0:
        pytest.skip("cannot mount a tmpfs")
    try:
        big(mill, "a.db", 20_000)
        done = mill.run("merge", "-o", "fs/out.db", "a.db")
        assert done.status == 74 and done.out == "", done
        assert "fs/out.db: database or disk is full\n" in done.err
        assert list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("number, status", [
    (signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGHUP, 75)])
def test_a_signal_leaves_nothing(mill, number, status):
    big(mill, "a.db")
    running = mill.start("merge", "-o", "out.db", "a.db")
    until(lambda: (mill.dir / "out.db.part").exists() and
          (mill.dir / "out.db.part").stat().st_size > 0, "the file grows")
    running.signal(number)
    done = running.wait()
    assert done.status == status and done.out == "", done
    assert done.err == "llmill: interrupted; out.db was not made\n"
    assert nothing_is_left(mill)


def test_who_waited_for_another_merge_may_do_it_again(mill):
    big(mill, "a.db", 100_000)
    both = [mill.start("merge", "-o", "out.db", "a.db") for _ in range(2)]
    done = sorted((one.wait() for one in both), key=lambda one: one.status)
    assert [one.status for one in done] in ([0, 0], [0, 75]), done
    assert done[1].status == 0 or "out.db" in done[1].err
    assert len(mill.results("out.db")) == 100_000


def test_the_same_merge_again_takes_its_place(mill):
    part(mill, 1, 10, "a.db")
    part(mill, 11, 20, "b.db")
    merge(mill, "a.db")
    first = (mill.dir / "out.db").stat().st_ino
    assert merge(mill, "a.db", "b.db").err == ""
    assert (mill.dir / "out.db").stat().st_ino != first
    assert mill.results("out.db") == [f"p{n}" for n in range(20)]
    assert mill.sql("SELECT file, shard FROM llm_merges", db="out.db") == [
        ("a.db", None), ("b.db", None)]


def test_a_merge_that_somebody_worked_on_stays(mill):
    part(mill, 1, 10, "a.db")
    merge(mill, "a.db")
    done = mill.run("run", "in.txt", "--backend", "echo", "--db", "out.db")
    assert done.status == 0, done
    before = (mill.dir / "out.db").read_bytes()
    done = mill.run("merge", "-o", "out.db", "--partial", "a.db")
    assert done.status == 2, done
    assert "no merge that nobody has worked on" in done.err
    assert (mill.dir / "out.db").read_bytes() == before


def test_answers_that_differ_are_refused_and_named(mill):
    part(mill, 1, 3, "a.db")
    part(mill, 1, 3, "b.db")
    with contextlib.closing(sqlite3.connect(mill.dir / "b.db")) as db:
        db.execute("UPDATE llm_results SET result = 'other' WHERE id = 2")
        db.commit()
    done = mill.run("merge", "-o", "out.db", "a.db", "b.db")
    assert done.status == 65, done
    assert "prompt 2: a.db and b.db have different answers" in done.err
    assert "1 prompt has two different answers; --partial" in done.err
    assert nothing_is_left(mill)


def test_plans_that_differ_are_refused(mill):
    part(mill, 1, 3, "a.db")
    part(mill, 4, 9, "b.db", "echo:seed=2")
    done = mill.run("merge", "-o", "out.db", "a.db", "b.db")
    assert done.status == 65, done
    assert "a.db and b.db were not run with the same plan (script" in done.err
    assert "out.db was not made" in done.err
    assert nothing_is_left(mill)


def test_what_a_killed_merge_left_is_in_nobodys_way(mill):
    big(mill, "a.db")
    running = mill.start("merge", "-o", "out.db", "a.db")
    until(lambda: (mill.dir / "out.db.part").exists() and
          (mill.dir / "out.db.part").stat().st_size > 0, "the file grows")
    running.signal(signal.SIGSTOP)
    other = mill.run("merge", "-o", "out.db", "a.db")
    assert other.status == 75 and f"pid={running.pid} " in other.err, other
    running.signal(signal.SIGKILL)
    running.popen.wait()
    assert (mill.dir / "out.db.part").exists()
    assert not (mill.dir / "out.db").exists()
    merge(mill, "a.db")
    assert sorted(p.name for p in mill.dir.iterdir()) == ["a.db", "out.db"]


# --- whatever is merged ---

ANSWERING = "ok", "length", "tool_calls"
FAILED = "Error: Failed after 2 attempts: x"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Shard:
    """A database with random rows, and what they are by the rule."""

    def __init__(self, mill, name, rng):
        self.name = name
        self.is_ours = rng.random() < 0.7
        self.is_seed = not self.is_ours or rng.random() < 0.3
        self.rows = {}
        self.attempts = {}
        if self.is_ours:
            mill.write("one.txt", "p1\n")
            mill.run("run", "one.txt", "--backend", "echo", "--db", name,
                     "--range", "1:1")
            alter(mill, name, "DELETE FROM llm_results")
            alter(mill, name, "DELETE FROM llm_attempts")
            if self.is_seed:
                alter(mill, name, "INSERT INTO llm_runs (run_id, version) "
                      "VALUES (0, 'seed')")
        else:
            alter(mill, name, SEED)
        for number in range(1, 9):
            if rng.random() < 0.8:
                self.add(number, rng)
        self.write(mill)

    def add(self, number, rng):
        result = rng.choice([None, "", "NA", "yes", "no", FAILED])
        outcomes = []
        if self.is_ours:
            outcomes = [(rng.choice(["crash", "tls"]), None)
                        for _ in range(rng.randrange(3))]
            if rng.random() < 0.5:
                # Of a failure and an open one: an old answer, opened again.
                text = result if result is not None else "old"
                if text != FAILED or rng.random() < 0.5:
                    outcomes.append((rng.choice(ANSWERING), sha256(text)))
        self.rows[number] = result
        self.attempts[number] = outcomes

    def write(self, mill):
        with contextlib.closing(sqlite3.connect(mill.dir / self.name)) as db:
            for number, result in self.rows.items():
                db.execute("INSERT INTO llm_results (id, prompt, result) "
                           "VALUES (?, ?, ?)", (number, f"p{number}", result))
            for number in self.attempts:
                for outcome, digest in self.attempts[number]:
                    db.execute(
                        "INSERT INTO llm_attempts (id, attempt, outcome, "
                        "sha256) VALUES (?, 1, ?, ?)",
                        (number, outcome, digest))
            db.commit()

    def state(self, number):
        result = self.rows[number]
        outcomes = self.attempts[number]
        if result is None:
            return "open"
        if outcomes and outcomes[-1][0] in ANSWERING:
            return "answered"
        if result.startswith("Error: Failed after "):
            return "failed"
        return "open" if self.is_seed and result in ("", "NA") else "answered"


def expected(shards, number):
    """What a prompt is to be: state, result, whether there is a conflict."""
    here = [s for s in shards if number in s.rows]
    for state in "answered", "failed", "open":
        of_state = [s for s in here if s.state(number) == state]
        if of_state:
            break
    texts = [s.rows[number] for s in of_state]
    return (state, None if state == "open" else texts[0],
            state == "answered" and len(set(texts)) > 1, of_state[0])


@pytest.mark.parametrize("round_", range(8))
def test_any_databases_keep_all_that_their_readers_promise(mill, round_):
    number = int(os.environ.get("SEED", time.time_ns() % 10**9)) + round_
    print(f"SEED={number - round_}")
    rng = random.Random(number)
    shards = [Shard(mill, f"{n}.db", rng) for n in range(rng.randint(1, 4))]
    if not any(s.rows for s in shards):
        return
    one = json.loads(merge(mill, "--partial", "--json",
                           *(s.name for s in shards)).out)
    ids = sorted({n for s in shards for n in s.rows})
    want = {n: expected(shards, n) for n in ids}
    states = dict(mill.sql("SELECT id, state FROM llm_status", db="out.db"))
    assert states == {n: w[0] for n, w in want.items()}
    assert dict(mill.sql("SELECT id, result FROM llm_results",
                         db="out.db")) == {n: w[1] for n, w in want.items()}
    assert one["conflicts"] == sum(w[2] for w in want.values())
    for state in "answered", "failed", "open":
        assert one[state] == list(states.values()).count(state)
    for n in ids:
        kept = [row[0] for row in mill.sql(
            "SELECT outcome FROM llm_attempts WHERE id = ? ORDER BY rowid",
            n, db="out.db")]
        winner = want[n][3]
        own = [a[0] for a in winner.attempts[n]]
        others = [a[0] for s in shards if s is not winner
                  for a in s.attempts.get(n, [])]
        assert kept[len(kept) - len(own):] == own
        if want[n][0] == "failed" and not own:
            others = [a for a in others if a not in ANSWERING]
        assert sorted(kept) == sorted(own + others)
    status = json.loads(mill.run("status", "--json", "out.db").out)
    for state in "answered", "failed", "open", "attempts", "runs":
        assert status[state] == one[state]
    assert "altered:" not in mill.run("verify", "out.db").out
    # In two steps it is the same.
    (mill.dir / "out.db").rename(mill.dir / "all.db")
    merge(mill, "--partial", *(s.name for s in shards[:2]))
    (mill.dir / "out.db").rename(mill.dir / "some.db")
    merge(mill, "--partial", "some.db", *(s.name for s in shards[2:]))
    for query in ("SELECT id, state FROM llm_status",
                  "SELECT id, prompt, result FROM llm_results"):
        assert mill.sql(query, db="out.db") == mill.sql(query, db="all.db")
    assert "altered:" not in mill.run("verify", "out.db").out
