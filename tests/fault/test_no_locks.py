# SPDX-License-Identifier: ISC
"""File systems that have no locks, or none that hold: Lustre without -o flock
says ENOSYS, an NFS without its lock daemon ENOLCK. It is said in words, and no
answer is lost."""

import errno
import os
import signal
import socket
import time

import pytest
from campaign import until
from kinds import shim

WORDS = "this file system has no locks"


def run(mill, path, number, *words):
    trouble = mill.aside / "trouble"
    trouble.touch()
    hits = mill.aside / "hits"
    mill.write("in.txt", "a\nb\nc\n")
    env = shim("fail", FAIL_WHILE=trouble, FAIL_HITS=hits, FAIL_CALLS="lock",
               FAIL_ERRNO=int(number), FAIL_PATH=path)
    done = mill.run("run", "in.txt", "--backend", "echo", "--db", "x.db",
                    "-o", "out.txt", *words, env=env)
    assert hits.stat().st_size > 0, done
    return done


@pytest.mark.parametrize("path, number", [
    ("x.db.lock", errno.ENOSYS), ("x.db.lock", errno.ENOLCK),
    ("x.db.lock", errno.EOPNOTSUPP), ("/x.db$", errno.ENOSYS),
    ("/x.db$", errno.EOPNOTSUPP)])
def test_it_is_said_and_the_answers_are_spilled(mill, path, number):
    done = run(mill, path, number)
    assert done.status == 74, done
    assert WORDS in done.err and "--scratch DIR works" in done.err
    assert (mill.dir / "out.txt").read_text() == "a\nb\nc\n"
    assert (mill.dir / "x.db.spill.jsonl").read_text().count("\n") >= 3


@pytest.mark.parametrize("path", ["x.db.lock", "/x.db$"])
def test_who_needs_the_database_is_stopped_before_a_call(mill, path):
    done = run(mill, path, errno.ENOSYS, "--require-db")
    assert done.status != 0 and WORDS in done.err, done
    assert not (mill.dir / "out.txt").exists()
    assert not (mill.dir / "x.db.spill.jsonl").exists()


# --- with --scratch it works all the same ---

HOME = "far/x.db"


def near_by(mill, *words, count=40):
    """(words, environment): the file system of far/ has no locks."""
    for path in (mill.dir / "far", mill.aside / "near"):
        path.mkdir(exist_ok=True)
    trouble = mill.aside / "trouble"
    trouble.touch()
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(count)))
    return (["run", "in.txt", "--backend", "echo:ms=100", "--db", HOME,
             "--scratch", mill.aside / "near", "--wait-lock", "0", *words],
            shim("fail", FAIL_WHILE=trouble, FAIL_HITS=mill.aside / "hits",
                 FAIL_CALLS="lock", FAIL_ERRNO=int(errno.ENOLCK),
                 FAIL_PATH="/far/"))


def is_done(mill, count=40):
    assert (mill.aside / "hits").stat().st_size > 0
    assert mill.results(HOME) == [f"p{n}" for n in range(count)]
    assert [p.name for p in (mill.dir / "far").iterdir()] == ["x.db"]


def test_scratch_needs_no_locks_at_home(mill):
    words, env = near_by(mill)
    done = mill.run(*words, env=env)
    assert done.status == 0, done
    is_done(mill)
    words, env = near_by(mill, count=44)
    done = mill.run(*words, env=env)  # what is there is brought near
    assert done.status == 0 and "40 of 44 answered, 4 to do" in done.err, done
    is_done(mill, 44)


def test_the_file_alone_keeps_others_out(mill):
    words, env = near_by(mill, "--scratch-every", "1s", count=120)
    running = mill.start(*words, env=env)
    until(lambda: mill.answered(HOME), "a copy with answers")
    other = mill.run(*words, env=env)
    assert other.status == 75 and f"pid={running.pid} " in other.err, other
    running.signal(signal.SIGKILL)
    running.popen.wait()
    mill.no_process_left()
    assert (mill.dir / f"{HOME}.lock").exists()
    done = mill.run(*words, env=env)  # it is dead: at once
    assert done.status == 0, done
    is_done(mill, 120)


def test_two_at_once_do_not_both_have_it(mill):
    words, env = near_by(mill, count=4)
    for _ in range(8):
        (mill.dir / "far" / "x.db.lock").write_text(
            f"pid=999999999 host={socket.gethostname()} job=-\n")
        both = [mill.start(*words, env=env) for _ in range(2)]
        ended = sorted(one.wait().status for one in both)
        assert ended in ([0, 75], [0, 0])  # one after the other
        assert mill.sql("SELECT count(*) FROM llm_attempts",
                        db=HOME) == [(4,)]
        (mill.dir / HOME).unlink()


@pytest.mark.parametrize("age_s, words, status", [
    (0, [], 75), (601, [], 0), (0, ["--steal-lock"], 0)])
def test_another_hosts_file_is_honoured_for_ten_minutes(
        mill, age_s, words, status):
    words, env = near_by(mill, *words, count=4)
    path = mill.write(f"{HOME}.lock", "pid=4711 host=node7 job=-\n")
    then = time.time() - age_s
    os.utime(path, (then, then))
    done = mill.run(*words, env={**env, "LLMILL_FSTYPE": "nfs"})
    assert done.status == status, done
    if status == 0:
        is_done(mill, 4)
    else:
        assert "pid=4711 host=node7" in done.err
        assert not list((mill.aside / "near").iterdir())
