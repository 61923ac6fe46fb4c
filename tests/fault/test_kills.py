# SPDX-License-Identifier: ISC
"""Row 1: SIGKILL the coordinator at random times, 16 workers, the same command
again until it is done. The stub server's own log says what was asked for."""

import collections
import random
import subprocess
import threading

import pytest
from campaign import (CallLog, StubServer, WITHIN, acknowledged,
                      amount, answers_of, mill_in, new_seed, report,
                      rows_of, shim, side_by_side)

WORKERS = 16
COUNT = 600  # prompts of one series
LIFE = 0.2  # seconds after which a coordinator is dead at the latest
FAILING = [{"match": {"share": 0.06, "attempt": 1}, "do": {"status": 500}}]
# Per kill, on the average: a call in flight for each worker, and an answer
# that waits for its commit. Of one kill nothing is asked: a machine that is
# busy with others makes commits slow, and then they are far apart.
IN_FLIGHT_MEAN_MAX = 2 * WORKERS


class Series:
    """One database from its first run to the one that ends by itself."""

    def __init__(self, mill, server, name, chance, env=None):
        self.mill = mill
        self.server = server
        self.log = CallLog(server)
        self.chance = chance
        self.env = env
        self.prompts = [f"{name} {i}" for i in range(1, COUNT + 1)]
        self.ids = {prompt: i + 1 for i, prompt in enumerate(self.prompts)}
        mill.write("p", "".join(prompt + "\n" for prompt in self.prompts))
        self.answers = {}  # in the database
        self.acknowledged = {}
        self.calls = collections.Counter()
        self.may = collections.Counter()  # calls that G3 grants
        self.may.update(range(1, COUNT + 1))
        self.kills = 0
        self.in_flight = 0

    def live(self):
        """One life of the coordinator. Gives whether it was its last."""
        run = self.mill.start(
            "run", "p", "-j", WORKERS, "--db", "x.db", "-o", "-", "-f",
            "jsonl", "-u", self.server.url, "-m", "m", "--retry-delay", 0,
            env=self.env)
        try:
            run.popen.wait(self.chance.uniform(0, LIFE))
        except subprocess.TimeoutExpired:
            run.popen.kill()
        done = run.wait()
        self.mill.no_process_left(WITHIN)
        assert done.status in (0, 128 + 9), done
        self.kills += done.status != 0
        self.acknowledged |= acknowledged(done.out)
        self.judge(done.status != 0)
        return done.status == 0

    def judge(self, was_killed):
        """What this life did to the database, and what it asked for."""
        before, after = self.answers, answers_of(self.mill)
        self.answers = after
        for id, answer in self.acknowledged.items():
            assert after.get(id) == answer, f"acknowledged, and lost: {id}"
        calls = collections.Counter()
        for row in self.log.more():
            if row["prompt"] in self.ids:
                id = self.ids[row["prompt"]]
                calls[id] += 1
                self.may[id] += row["outcome"] != "default"
        asked_again = set(calls) & set(before)
        assert not asked_again, f"answered, and asked again: {asked_again}"
        lost = set(calls) - set(after)
        if was_killed:
            self.may.update(lost)
            self.in_flight += len(lost)
        self.calls.update(calls)
        over = {id for id in self.calls if self.calls[id] > self.may[id]}
        assert not over, f"asked too often: {over}"

    def finish(self):
        mill = self.mill
        assert rows_of(mill) == {
            id: "echo: " + prompt for prompt, id in self.ids.items()}
        assert mill.sql("PRAGMA integrity_check", db="x.db") == [("ok",)]
        assert mill.sql("SELECT id FROM llm_attempts WHERE outcome = 'ok' "
                        "GROUP BY id HAVING COUNT(*) > 1", db="x.db") == []
        left = {path.name for path in mill.dir.iterdir()}
        assert left - {"x.db.lock"} == {"p", "x.db"}
        self.log.close()


def until_killed(path, server, seed, wanted, env=None):
    """Series after series, until there were so many kills."""
    totals = collections.Counter()
    lock = threading.Lock()

    def one(number):
        if totals["kills"] >= wanted:
            return
        chance = random.Random(f"{seed} {number}")
        with mill_in(path / str(number)) as mill:
            series = Series(mill, server, f"series {number}", chance, env)
            while not series.live():
                pass
            series.finish()
        with lock:
            totals.update(kills=series.kills, series=1,
                          in_flight=series.in_flight,
                          calls=sum(series.calls.values()))

    side_by_side(one, range(wanted))
    return totals


def test_no_answer_is_lost_or_asked_for_again_by_kills(tmp_path):
    seed = new_seed("row 1")
    with StubServer(FAILING, delay=0.01) as server:
        totals = until_killed(tmp_path, server, seed, amount(200, 2000))
    report("row 1", f"{totals['kills']} kills in {totals['series']} series of "
           f"{COUNT} prompts, {totals['calls']} calls, "
           f"{totals['in_flight']} hit in flight")
    assert totals["kills"] >= amount(200, 2000)
    assert 0 < totals["in_flight"] <= IN_FLIGHT_MEAN_MAX * totals["kills"]


def test_kills_are_noticed_where_commits_lie(tmp_path):
    """The control: answers are acknowledged before they are committed."""
    with StubServer(delay=0.01) as server:
        with pytest.raises(AssertionError, match="acknowledged, and lost"):
            until_killed(tmp_path, server, "control", 100,
                         shim("lie", LIE="commit"))
