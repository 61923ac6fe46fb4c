# SPDX-License-Identifier: ISC
"""--deadline: a run ends in time, and nothing is charged for what it cut."""

import os
import signal
import time

import pytest

from conftest import until

FAKE = """#!/bin/sh
echo "$@" >> {log}
{answer}
"""


def start(mill, *words, ms=300, count=200, env=None):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(count)))
    return mill.start("run", "in.txt", "--backend", f"echo:ms={ms}", "-j", "4",
                      "--db", "x.db", *words, env=env)


def outcomes(mill):
    return dict(mill.sql("SELECT outcome, count(*) FROM llm_attempts"
                         " GROUP BY outcome", db="x.db"))


def squeue(mill, answer):
    """A squeue of our own. Gives the environment to find it, and its log."""
    log = mill.aside / "asked"
    place = mill.aside / "bin"
    place.mkdir()
    path = place / "squeue"
    path.write_text(FAKE.format(log=log, answer=answer))
    path.chmod(0o755)
    return {"SLURM_JOB_ID": "812", "PATH": f"{place}:{mill.env()['PATH']}"}, \
        log


def test_no_call_begins_that_would_not_end_in_time(mill):
    done = start(mill, "--deadline", "+3s").wait()
    assert done.status == 75, done
    assert "is near: another call would not end before it" in done.err
    assert set(outcomes(mill)) == {"ok"}
    assert 2.2 < done.seconds < 3.1
    done = mill.run("run", "in.txt", "--backend", "echo:ms=300", "-j", "64",
                    "--db", "x.db")
    assert done.status == 0, done
    assert mill.results("x.db") == [f"p{n}" for n in range(200)]


def test_what_is_cut_short_is_not_charged(mill):
    done = start(mill, "--deadline", "+2s", "--retry-attempts", "1",
                 "--drain-exit", "99", ms=60_000, count=6).wait()
    assert done.status == 99, done
    assert done.seconds < 4
    assert outcomes(mill) == {"interrupted": 4}
    assert mill.results("x.db") == [None] * 6
    done = mill.run("resume", "x.db", "--", "cat")
    assert done.status == 0, done
    assert mill.results("x.db") == [f"p{n}" for n in range(6)]


def test_the_last_calls_are_cut_short_too_and_waited_for_asleep(mill):
    """With nothing left to begin the deadline is still one."""
    running = start(mill, "--deadline", "+3s", ms=60_000, count=4)
    until(lambda: (mill.dir / "x.db").exists(), "it runs")
    time.sleep(2)
    with open(f"/proc/{running.pid}/schedstat", encoding="ascii") as file:
        assert int(file.read().split()[0]) < 500_000_000
    done = running.wait()
    assert done.status == 75, done
    assert "the deadline at " in done.err and " has come" in done.err
    assert done.seconds < 5
    assert outcomes(mill) == {"interrupted": 4}
    assert mill.results("x.db") == [None] * 4


def test_a_reader_of_the_output_is_not_waited_for_beyond_it(mill):
    words, _ = mill.pipe("out")
    mill.write("in.txt", "x" * 100_000 + "\n")
    done = mill.start("run", "in.txt", "--backend", "echo", "--db", "x.db",
                      "-o", "-", "--deadline", "+2s", before=words).wait()
    assert done.status == 75 and " has come" in done.err, done
    assert 1 < done.seconds < 4
    assert len(mill.results("x.db")[0]) == 100_000


def test_a_warning_drains_until_the_deadline(mill):
    running = start(mill, "--deadline", "+3s", ms=60_000, count=8)
    until(lambda: (mill.dir / "x.db").exists(), "it runs")
    time.sleep(0.5)
    running.signal(signal.SIGUSR1)
    done = running.wait()
    assert done.status == 75 and "stopped by SIGUSR1" in done.err, done
    assert 2 < done.seconds < 4.5


def test_a_slurm_job_has_its_end_for_a_deadline(mill):
    env = {"SLURM_JOB_END_TIME": str(int(time.time()) + 62)}
    done = start(mill, "-v", env=env).wait()
    assert done.status == 75, done
    assert "the deadline is " in done.err and done.seconds < 4
    done = start(mill, "--deadline", "none", ms=1, env=env).wait()
    assert "deadline is" not in done.err, done


@pytest.mark.parametrize("end", ["4294967295", "99999999999999", "soon", "-1",
                                 ""])
def test_an_end_that_is_no_moment_is_none(mill, end):
    done = start(mill, ms=1, count=3, env={"SLURM_JOB_END_TIME": end}).wait()
    assert done.status == 0, done
    assert mill.results("x.db") == ["p0", "p1", "p2"]


def test_an_old_slurm_is_asked_once(mill):
    then = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 62))
    env, log = squeue(mill, f"echo {then}")
    done = start(mill, "-v", env=env).wait()
    assert done.status == 75, done
    assert log.read_text() == "-h -j 812 -o %e\n"


@pytest.mark.parametrize("answer", [
    "echo NONE", "echo Unknown", "exit 1", "echo '$(touch /tmp/never)'"])
def test_what_squeue_does_not_know_is_no_deadline(mill, answer):
    env, log = squeue(mill, answer)
    done = start(mill, "-v", ms=1, count=5, env=env).wait()
    assert done.status == 0, done
    assert len(log.read_text().splitlines()) == 1


def test_a_job_that_is_no_number_is_not_asked_about(mill):
    env, log = squeue(mill, "echo NONE")
    done = start(mill, ms=1, count=5,
                 env={**env, "SLURM_JOB_ID": "1; touch here"}).wait()
    assert done.status == 0, done
    assert not log.exists() and not (mill.dir / "here").exists()


@pytest.mark.parametrize("moment, told", [
    ("25:00", "a moment such as 18:30"), ("soon", "a moment such as 18:30"),
    ("", "a moment such as 18:30"), ("@5", "--deadline: @5 is past"),
    ("+0", "--deadline: +0 is past")])
def test_moments_are_judged(mill, moment, told):
    done = mill.run("run", "--prompt", "a", "--backend", "echo", "--deadline",
                    moment)
    assert done.status == 2 and told in done.err, done


def test_a_stopped_read_has_the_drain_exit_too(mill):
    os.mkfifo(mill.dir / "in.txt")
    running = mill.start("run", "in.txt", "--backend", "echo", "--db", "x.db",
                         "--drain-exit", "85")
    with open(mill.dir / "in.txt", "w") as source:
        source.write("a prompt\n")
        source.flush()
        running.signal(signal.SIGTERM)
        assert running.wait().status == 85
