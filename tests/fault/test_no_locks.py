# SPDX-License-Identifier: ISC
"""File systems that have no locks, or none that hold: Lustre without -o flock
says ENOSYS, an NFS without its lock daemon ENOLCK. It is said in words, and no
answer is lost."""

import errno

import pytest
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
    assert WORDS in done.err and "such as the node's own disk" in done.err
    assert (mill.dir / "out.txt").read_text() == "a\nb\nc\n"
    assert (mill.dir / "x.db.spill.jsonl").read_text().count("\n") >= 3


@pytest.mark.parametrize("path", ["x.db.lock", "/x.db$"])
def test_who_needs_the_database_is_stopped_before_a_call(mill, path):
    done = run(mill, path, errno.ENOSYS, "--require-db")
    assert done.status != 0 and WORDS in done.err, done
    assert not (mill.dir / "out.txt").exists()
    assert not (mill.dir / "x.db.spill.jsonl").exists()
