# SPDX-License-Identifier: ISC
"""Another program holds the write lock for 8 s: the loop never sleeps for
more than 50 ms beside its epoll_wait, and the work goes on.

Measured is what a turn of the loop asks the kernel to wait for, not how long
it took: a busy machine cannot make the test fail, nor hide a wait."""

import contextlib
import sqlite3
import time

from campaign import (STALL_MAX_MS, CallLog, answers_of, longest_sleep,
                      report, shim, together, until)

HELD = 8.0  # seconds
WORKERS = 4
DELAY = 0.02  # of each call


def run_beside_a_lock(mill, stub, held=HELD, *more):
    """Gives the longest sleep of a turn in ms, locks refused, calls made
    while it was held, turns."""
    server = stub(delay=DELAY)
    log = CallLog(server)
    count = int(2.5 * held / DELAY * WORKERS)
    mill.write("p", "".join(f"prompt {i}\n" for i in range(count)))
    turns = mill.aside / "turns"
    run = mill.start("run", "p", "-j", WORKERS, "--db", "x.db", "-u",
                     server.url, "-m", "m", env=together(
                         *more, shim("turns", TURNS_FILE=turns)))
    until(lambda: len(log.more()) > 0, "a call")
    with contextlib.closing(sqlite3.connect(
            mill.dir / "x.db", isolation_level=None, timeout=20)) as link:
        link.execute("BEGIN IMMEDIATE")
        log.more()
        end = time.monotonic() + held
        calls = 0
        while time.monotonic() < end and run.popen.poll() is None:
            calls += len(log.more())
            time.sleep(0.1)  # this is the fault: the lock is held so long
        link.execute("ROLLBACK")
    run.signal(15)
    done = run.wait(40)
    assert done.status == 75, done
    assert all(answer.startswith("echo: prompt ")
               for answer in answers_of(mill).values())
    log.close()
    words = turns.read_text().split()
    return longest_sleep(turns), words.count("refused"), calls, int(words[-1])


def test_the_loop_never_waits_for_another_programs_lock(mill, stub):
    slept, refused, calls, turns = run_beside_a_lock(mill, stub)
    report("stall", f"write lock held for {HELD:.0f} s: {refused} locks "
           f"refused, {calls} calls meanwhile, {turns} turns, the longest "
           f"sleep of one {slept} ms")
    assert refused > 3
    assert calls > 2 * WORKERS
    assert slept <= STALL_MAX_MS


def test_a_loop_that_waits_for_a_lock_is_noticed(mill, stub):
    """The control: SQLite waits two seconds for it."""
    slept, refused, _, _ = run_beside_a_lock(
        mill, stub, 3.0, shim("lie", LIE="patience"))
    assert refused > 0
    assert slept > STALL_MAX_MS
