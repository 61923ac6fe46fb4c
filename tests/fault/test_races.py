# SPDX-License-Identifier: ISC
"""Row 12: two coordinators started at once on one database. One works, the
other is refused with the first one's pid and host; no prompt goes out twice."""

import collections
import random
import re
import socket
import threading
import time

import pytest
from campaign import (CallLog, StubServer, amount, mill_in, new_seed, report,
                      rows_of, shim, side_by_side)

COUNT = 12
HANDS = 6  # races at the same time: mostly they wait
APART = 0.06  # seconds between the two at most: as long as a start takes


def start_two(mill, command, gap, env):
    """Start it twice, in any order, so many seconds apart at the most."""
    together = threading.Barrier(2)
    runs = [None, None]

    def one(number):
        together.wait()
        end = time.monotonic() + gap * number
        while time.monotonic() < end:
            pass
        runs[number] = mill.start(*command, env=env)

    threads = [threading.Thread(target=one, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return runs


class Race:
    """Two on one database; the calls take longer than a lock is waited for."""

    def __init__(self, path, server, name, chance, env=None):
        self.server = server
        self.name = name
        self.prompts = [f"{name}, prompt {i}" for i in range(1, COUNT + 1)]
        with mill_in(path) as mill:
            mill.write("p", "".join(p + "\n" for p in self.prompts))
            self.command = ["run", "p", "-j", 4, "--db", "x.db", "-u",
                            server.url, "-m", "m"]
            if chance.random() < 0.5:  # half of them find a database
                done = mill.run(*self.command, "-n", 1)
                assert done.status == 0, done
            runs = start_two(mill, self.command,
                             chance.uniform(0, APART), env)
            self.judge(mill, runs)

    def judge(self, mill, runs):
        ended = [run.wait() for run in runs]
        winners = [i for i in (0, 1) if ended[i].status == 0]
        assert len(winners) == 1, f"not one worked: {ended}"
        self.winner = winners[0]
        loser = ended[1 - self.winner]
        assert loser.status == 75, f"not refused: {loser}"
        who = re.search(r"pid=(\d+) host=(\S+) ", loser.words)
        assert who and who.groups() == (
            str(runs[self.winner].pid), socket.gethostname()), loser
        assert sorted(rows_of(mill).values()) == \
            sorted("echo: " + prompt for prompt in self.prompts)
        assert mill.sql("PRAGMA integrity_check", db="x.db") == [("ok",)]
        assert {path.name for path in mill.dir.iterdir()} == {"p", "x.db"}


def race_all(path, server, seed, count, env=None):
    """Gives how often the first and the second of two won."""
    def one(number):
        chance = random.Random(f"{seed} {number}")
        name = f"race {number}"
        return Race(path / str(number), server, name, chance, env).winner
    return collections.Counter(side_by_side(one, range(count), HANDS))


def test_of_two_coordinators_one_works_and_one_is_refused(tmp_path):
    seed = new_seed("row 12")
    count = amount(30, 300)
    with StubServer(delay=0.5) as server:
        won = race_all(tmp_path, server, seed, count)
        log = CallLog(server, whole=True)
        calls = collections.Counter(row["prompt"] for row in log.more())
        log.close()
    report("row 12", f"{count} races, the first won {won[0]}, the second "
           f"{won[1]}, {len(calls)} prompts, {max(calls.values())} call each")
    assert won[0] + won[1] == count
    assert len(calls) == COUNT * count
    assert set(calls.values()) == {1}


def test_races_are_noticed_where_the_lock_lies(tmp_path):
    """The control: everybody gets the lock."""
    with StubServer(delay=0.5) as server:
        with pytest.raises(AssertionError, match="not one worked"):
            race_all(tmp_path, server, "control", HANDS,
                     shim("lie", LIE="lock"))
