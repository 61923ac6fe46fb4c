# SPDX-License-Identifier: ISC
"""Rows 3 and 11: workers that are killed, stopped or end by themselves at any
moment, and workers that do not keep to the protocol. Every prompt is answered
once, no worker pays for another, and the loop waits for none."""

import collections
import json
import os
import pathlib
import random
import signal
import time

import pytest
from campaign import (STALL_MAX_MS, TOOLS, WITHIN, amount, longest_sleep,
                      mill_in, new_seed, report, shim, side_by_side, together)

WORKERS = 16
COUNT = 1500  # prompts of one series
SIGNALS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGABRT,
           signal.SIGTERM)
HARD = ("--retry-attempts", 200, "--retry-delay", 0, "--poison", 255,
        "--timeout", "400ms", "--kill-grace", "100ms", "-j", WORKERS)


def start(mill, script, *shims):
    mill.write("p", "".join(f"prompt {n}\n" for n in range(COUNT)))
    return mill.start("run", "p", "--db", "x.db", "--json", "--progress",
                      "none", "--backend", f"echo:{script}", *HARD,
                      env=together(*shims, shim(
                          "turns", TURNS_FILE=mill.aside / "turns")))


def judge(mill, run):
    """All are answered, each once. Gives the summary."""
    done = run.wait(120)
    assert done.status == 0, done
    assert mill.results("x.db") == [f"prompt {n}" for n in range(COUNT)]
    assert mill.sql("SELECT count(*), count(DISTINCT id) FROM llm_attempts"
                    " WHERE outcome = 'ok' OR outcome = 'length'",
                    db="x.db") == [(COUNT, COUNT)]
    mill.no_process_left(WITHIN)
    assert longest_sleep(mill.aside / "turns") <= STALL_MAX_MS
    return json.loads(done.out)


def workers_of(run):
    """The process ids of the workers: the nursery is the first child."""
    try:
        return [int(pid) for pid in pathlib.Path(
            f"/proc/{run.pid}/task/{run.pid}/children").read_text()
            .split()[1:]]
    except OSError:
        return []


def hit(pid, number):
    """Gives whether it was there. By descriptor: nobody else is hit."""
    try:
        held = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        signal.pidfd_send_signal(held, number)
        return True
    except OSError:
        return False
    finally:
        os.close(held)


def strike(run, chance, wanted):
    """Hit workers until there were so many hits, or the run is over. Gives
    the hits by signal."""
    hits = collections.Counter()
    while sum(hits.values()) < wanted and run.popen.poll() is None:
        workers = workers_of(run)
        number = chance.choice(SIGNALS)
        if workers and hit(chance.choice(workers), number):
            hits[number.name] += 1
        time.sleep(chance.uniform(0, 0.01))  # at any moment
    return hits


def test_killed_and_stopped_workers_cost_no_prompt(tmp_path):
    seed = new_seed("row 3")
    wanted = amount(300, 20000)
    totals = collections.Counter()
    number = 0
    while sum(totals.values()) < wanted:
        number += 1
        chance = random.Random(f"{seed} {number}")
        with mill_in(tmp_path / str(number)) as mill:
            run = start(mill, "ms=2-20,crash=1%,exit=1%,garbage=1%,tries=2,"
                        f"seed={chance.randrange(1 << 30)}")
            hits = strike(run, chance, wanted)
            told = judge(mill, run)
            # Whoever is killed by us was stopped, or spoke garbage.
            assert told["killed"] <= hits["SIGSTOP"] + \
                told["attempts_by"].get("garbage", 0), (hits, told)
            totals.update(hits)
    report("row 3", f"{sum(totals.values())} hits in {number} runs of {COUNT}"
           " prompts: " + ", ".join(
               f"{count} {name}" for name, count in sorted(totals.items())))
    assert all(totals[number.name] > 0 for number in SIGNALS)


def garbled(mill, seed, share=60):
    """Gives the summary of a run, and what was done to frames."""
    notes = mill.aside / "garbled"
    run = start(mill, "ms=1-3", shim(
        "garble", GARBLE_SHARE=share, GARBLE_SEED=seed, GARBLE_FILE=notes))
    told = judge(mill, run)
    lines = notes.read_text().splitlines() if notes.exists() else []
    return told, collections.Counter(lines)


def test_workers_that_break_the_protocol_cost_no_prompt(tmp_path):
    seed = new_seed("row 11")
    wanted = amount(400, 5000)
    totals = collections.Counter()

    def one(number):
        if sum(totals.values()) >= wanted:
            return
        with mill_in(tmp_path / str(number)) as mill:
            told, ways = garbled(mill, seed + number)
            assert told["killed"] <= sum(ways.values())
            totals.update(ways)

    side_by_side(one, range(wanted))
    kinds = collections.Counter()
    for line, count in totals.items():
        kinds[line.split()[0]] += count
    report("row 11", f"{sum(totals.values())} frames spoilt in"
           f" {len({line.split()[1] for line in totals})} ways: "
           f"{kinds['3']} HELLO, {kinds['5']} DONE")
    assert sum(totals.values()) >= wanted
    assert kinds["3"] > 0 and kinds["5"] > 0
    assert len({line.split()[1] for line in totals}) == 10


def test_a_text_that_is_not_the_answer_is_noticed(tmp_path):
    """The control: a worker that lies in what is its own affair."""
    assert (TOOLS / "garble.so").exists()
    with pytest.raises(AssertionError, match="prompt"):
        with mill_in(tmp_path / "x") as mill:
            run = start(mill, "ms=1,bytes=7")
            judge(mill, run)
    assert mill.results("x.db")[0] == "abcdefg"
