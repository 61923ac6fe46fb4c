# SPDX-License-Identifier: ISC
"""Killed in the middle and run again, at sizes around a thousand and more,
also while somebody else has the database open; and disks that fill up."""

import collections
import contextlib
import errno
import sqlite3
import subprocess

import pytest
from campaign import (CallLog, WITHIN, acknowledged, answers_of, report,
                      spilled, until)

SIZES = 1000, 1001, 1500, 3000, 10000
FULL = 300  # prompts on the small disk


def write_prompts(mill, count, words="prompt"):
    prompts = [f"{words} {i} of {count}" for i in range(1, count + 1)]
    (mill.aside / "p").write_text("".join(p + "\n" for p in prompts))
    return prompts


def command(mill, server, db):
    return ["run", mill.aside / "p", "-j", 8, "--db", db, "-o", "-", "-f",
            "jsonl", "-u", server.url, "-m", "m"]


def calls_of(log, prompts):
    known = set(prompts)
    return collections.Counter(
        row["prompt"] for row in log.more() if row["prompt"] in known)


@pytest.mark.parametrize("reader", [False, True], ids=["alone", "with reader"])
@pytest.mark.parametrize("count", SIZES)
def test_killed_in_the_middle_all_are_there_and_none_twice(
        mill, server, count, reader):
    log = CallLog(server)
    prompts = write_prompts(mill, count, f"reader {reader}, prompt")
    args = command(mill, server, "x.db")
    run = mill.start(*args)
    until(lambda: run.out_path.stat().st_size > 0, "an answer")
    with contextlib.ExitStack() as stack:
        if reader:
            link = stack.enter_context(contextlib.closing(sqlite3.connect(
                f"file:{mill.dir / 'x.db'}?mode=ro", uri=True)))
            assert link.execute("SELECT COUNT(*) FROM llm_results") \
                .fetchall() == [(count,)]
        until(lambda: run.out().count("\n") >= count // 2, "half of it")
        run.popen.kill()
        done = run.wait()
        mill.no_process_left(WITHIN)
        acked = acknowledged(done.out)
        assert done.status == 128 + 9 and len(acked) >= count // 2
        before = answers_of(mill)
        assert acked.items() <= before.items()
        first = calls_of(log, prompts)
        done = mill.run(*args)
        assert done.status == 0, done
        second = calls_of(log, prompts)
        if reader:
            assert link.execute("SELECT COUNT(result) FROM llm_results") \
                .fetchall() == [(count,)]
    log.close()
    assert set(first.values()) | set(second.values()) == {1}
    assert len(second) == count - len(before)
    assert answers_of(mill) == acknowledged(done.out) == {
        i + 1: "echo: " + prompt for i, prompt in enumerate(prompts)}
    assert mill.sql("PRAGMA integrity_check", db="x.db") == [("ok",)]
    report("recovery", f"{count} rows{' with a reader' if reader else ''}: "
           f"killed with {len(before)}, {len(second)} to do, none twice")


@contextlib.contextmanager
def small_disk(mill):
    place = mill.dir / "fs"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", place],
                   check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("when", ["insert", "mid-run"])
def test_a_full_disk_stops_nothing_and_costs_nothing(mill, server, when):
    """256 KiB of tmpfs: at insert, no prompt finds room; in the middle, the
    answers of a list that did fit do not."""
    log = CallLog(server)
    prompts = write_prompts(mill, FULL, f"full at {when}, " + "x" * (
        1000 if when == "insert" else 100) + ", prompt")
    answers = {i + 1: "echo: " + p for i, p in enumerate(prompts)}
    args = command(mill, server, "fs/x.db")
    with small_disk(mill) as place:
        done = mill.run(*args)
        assert done.status == 74, done
        assert "is full" in done.err, f"never met: {done}"
        assert acknowledged(done.out) == answers
        rows = answers_of(mill, "fs/x.db")
        held = spilled(place, mill.dir)
        assert rows | held == answers
        assert bool(rows) == (when == "mid-run")
        assert calls_of(log, prompts) == dict.fromkeys(prompts, 1)
        with pytest.raises(OSError, match=str(errno.ENOSPC)):
            (place / "more").write_bytes(b"x" * 300000)
        (place / "more").unlink()
        subprocess.run(["mount", "-o", "remount,size=4m", place], check=True)
        done = mill.run(*args)
        assert done.status == 0, done
        assert answers_of(mill, "fs/x.db") == answers
        assert not calls_of(log, prompts)
        assert not spilled(place, mill.dir)
    log.close()
    report("full disk", f"at {when}: {len(rows)} rows, {len(held)} spilled, "
           f"{len(prompts)} answered, no call after it")
