# SPDX-License-Identifier: ISC
"""A COMMIT that took effect and is said to have failed, as over a network
whose answer got lost: what is written again stands there once."""

import errno

from campaign import until
from kinds import shim

COUNT = 60


def test_a_commit_that_failed_and_took_effect_leaves_no_row_twice(mill):
    trouble, hits = mill.aside / "trouble", mill.aside / "hits"
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(COUNT)))
    # With a rollback journal the truncation of the journal is the commit.
    env = shim("fail", FAIL_WHILE=trouble, FAIL_HITS=hits, FAIL_DONE=1,
               FAIL_CALLS="truncate", FAIL_ERRNO=int(errno.EIO),
               FAIL_PATH="/x.db-journal$")
    running = mill.start("run", "in.txt", "-j", "2", "--db", "x.db",
                         "--backend", "echo:ms=100",
                         env={**env, "LLMILL_FSTYPE": "nfs"})
    until(lambda: mill.said_answered("x.db"), "a commit")
    trouble.touch()
    until(hits.exists, "a commit that fails")
    trouble.unlink()
    done = running.wait()
    assert done.status == 0, done
    assert "answers wait in memory" in done.err
    assert mill.results("x.db") == [f"p{n}" for n in range(COUNT)]
    assert mill.sql("SELECT count(*), count(DISTINCT id) FROM llm_attempts",
                    db="x.db") == [(COUNT, COUNT)]
