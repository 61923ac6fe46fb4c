# SPDX-License-Identifier: ISC
"""Row 2: SIGKILL at the n-th system call of the coordinator, and of a worker,
for all n; then the same command again (tests/fault/killat.c)."""

import collections
import random
import threading

import pytest
from campaign import (CallLog, StubServer, TOOLS, WITHIN, acknowledged,
                      amount, answers_of, mill_in, new_seed, report, rows_of,
                      shim, side_by_side)

COUNT = 8
WORKERS = 2
COORDINATOR, WORKER = 0, 2  # births: the nursery is the first
STEP = amount(5, 1)
ENOUGH = 3  # runs that made fewer calls than asked for: then it is the end


class Kill:
    """One run that is killed at its n-th system call, and the next one."""

    def __init__(self, path, server, who, number, env=None):
        self.server = server
        self.who = who
        name = f"{'worker' if who else 'coordinator'} {number}"
        self.prompts = [f"{name}, prompt {i}" for i in range(1, COUNT + 1)]
        self.answers = {i + 1: "echo: " + prompt
                        for i, prompt in enumerate(self.prompts)}
        self.calls = collections.Counter()
        self.log = CallLog(server)
        with mill_in(path / name.replace(" ", "-")) as self.mill:
            self.mill.write("p", "".join(p + "\n" for p in self.prompts))
            self.outcome = self.judge(number, env)
        self.log.close()

    def run(self, before=(), env=None):
        return self.mill.run(
            "run", "p", "-j", WORKERS, "--db", "x.db", "-o", "-", "-f",
            "jsonl", "-u", self.server.url, "-m", "m", "--retry-delay", 0,
            before=before, env=env)

    def called(self):
        """Prompts that were asked for since the last time."""
        calls = collections.Counter(
            row["prompt"] for row in self.log.more()
            if row["prompt"] in self.prompts)
        self.calls += calls
        return calls

    def judge(self, number, env):
        told = self.mill.aside / "told"
        done = self.run((TOOLS / "killat", self.who, number, told), env)
        outcome, call = told.read_text().split()
        was_killed = outcome == "killed"
        self.mill.no_process_left(WITHIN)
        first = self.called()
        after = answers_of(self.mill)
        assert acknowledged(done.out).items() <= after.items(), \
            f"acknowledged, and lost: {done}"
        assert after.items() <= self.answers.items()
        if self.who == COORDINATOR and was_killed:
            assert done.status == 128 + 9, done
            assert set(first.values()) <= {1}, first
        else:  # a worker costs a try of its own prompt
            assert done.status == 0, done
            assert sum(first.values()) <= COUNT + was_killed, first
        done = self.run()
        assert done.status == 0, done
        second = self.called()
        assert not set(second) & {self.prompts[id - 1] for id in after}, \
            "answered, and asked again"
        assert set(second.values()) <= {1}
        assert rows_of(self.mill) == self.answers
        assert self.mill.sql("PRAGMA integrity_check", db="x.db") == [("ok",)]
        assert self.mill.sql(
            "SELECT id FROM llm_attempts WHERE outcome = 'ok' "
            "GROUP BY id HAVING COUNT(*) > 1", db="x.db") == []
        left = {path.name for path in self.mill.dir.iterdir()}
        assert left - {"x.db.lock"} == {"p", "x.db"}, left
        return (call if was_killed else None)


def kill_at_all(path, server, who, first, step, env=None):
    """Gives kills by the number of the system call, until runs end before."""
    kills = collections.Counter()
    ended = threading.Semaphore(ENOUGH)
    over = threading.Event()

    def one(number):
        if over.is_set():
            return
        call = Kill(path, server, who, number, env).outcome
        if call is not None:
            kills[call] += 1
        elif not ended.acquire(blocking=False):
            over.set()

    side_by_side(one, range(first, 5000, step))
    assert over.is_set()
    return kills


@pytest.mark.parametrize("who", [COORDINATOR, WORKER],
                         ids=["coordinator", "worker"])
def test_a_kill_at_any_system_call_loses_and_repeats_nothing(tmp_path, who):
    name = "row 2, " + ("worker" if who else "coordinator")
    first = random.Random(new_seed(name)).randint(1, STEP)
    with StubServer() as server:
        kills = kill_at_all(tmp_path, server, who, first, STEP)
    report(name, f"{sum(kills.values())} kills, at {len(kills)} kinds of "
           f"system calls, each {STEP}. from {first} on")
    assert sum(kills.values()) > 20


def test_a_kill_is_noticed_where_commits_lie(tmp_path):
    """The control: answers are acknowledged before they are committed."""
    with StubServer() as server:
        with pytest.raises(AssertionError, match="acknowledged, and lost"):
            kill_at_all(tmp_path, server, COORDINATOR, 5, 25,
                        shim("lie", LIE="commit"))
