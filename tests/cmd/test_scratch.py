# SPDX-License-Identifier: ISC
"""--scratch: the database is worked on near by, and copied to its place."""

import contextlib
import json
import os
import pathlib
import signal
import sqlite3
import stat
import time

import pytest

from conftest import until

HOME = "far/x.db"


@pytest.fixture
def node(mill):
    """node(name) gives a node's own directory; the database's is far."""
    (mill.dir / "far").mkdir()

    def make(name="near"):
        path = mill.aside / name
        path.mkdir(exist_ok=True)
        return path
    return make


BULK = "x" * 1_000_000  # a copy of forty of these takes its time


def command(mill, near, *words, count=40, ms=100, bulk=""):
    mill.write("in.txt", "".join(f"p{n}{bulk}\n" for n in range(count)))
    return ["run", "in.txt", "--backend", f"echo:ms={ms}", "--db", HOME,
            "--scratch", near, *words]


def work(near):
    """The database that is worked on there, or nothing."""
    found = [p for p in near.iterdir() if p.name.endswith("-x.db")]
    return found[0] if found else None


def answers(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro",
                                            uri=True)) as link:
        return [row[0] for row in link.execute(
            "SELECT result FROM llm_results ORDER BY id")]


def all_of(count=40, bulk=""):
    return [f"p{n}{bulk}" for n in range(count)]


def is_home_alone(mill, near):
    """One whole database in its place, and nothing else anywhere."""
    assert [p.name for p in (mill.dir / "far").iterdir()] == ["x.db"]
    assert not list(near.iterdir())
    assert mill.sql("PRAGMA integrity_check", db=HOME) == [("ok",)]


def killed(mill, near, after=8):
    """Killed when some answers are saved near by. Gives how many."""
    running = mill.start(*command(mill, near, "--scratch-every", "1h"))
    until(lambda: work(near) and len(mill.answered(work(near))) >= after,
          "some answers")
    running.signal(signal.SIGKILL)
    running.popen.wait()
    mill.no_process_left()
    return len(mill.answered(work(near)))


def test_it_is_worked_on_near_by_and_ends_at_home(mill, node):
    near = node()
    done = mill.run(*command(mill, near, ms=1))
    assert done.status == 0, done
    assert (f"answers are kept in {near} and copied to {HOME} every 5 m"
            in done.err)
    assert mill.results(HOME) == all_of()
    assert mill.sql("SELECT count(*) FROM llm_attempts", db=HOME) == [(40,)]
    assert stat.S_IMODE((mill.dir / HOME).stat().st_mode) == 0o600
    is_home_alone(mill, near)


@pytest.mark.parametrize("directory", ["beside", "link/near"])
def test_the_directory_may_be_relative_or_behind_a_link(
        mill, node, directory):
    near = node() if "link" in directory else mill.dir / directory
    near.mkdir(exist_ok=True)
    (mill.dir / "link").symlink_to(mill.aside)
    done = mill.run(*command(mill, directory, ms=1))
    assert done.status == 0, done
    assert mill.results(HOME) == all_of()
    done = mill.run(*command(mill, directory, ms=1))
    assert done.status == 0, done  # brought, and back again
    is_home_alone(mill, near)


def test_home_is_a_copy_of_some_time_and_status_is_live(mill, node):
    near = node()
    running = mill.start(*command(mill, near, "--scratch-every", "1s",
                                  count=120))
    before = until(lambda: mill.answered(HOME), "a copy with answers")
    assert len(before) < 120
    beside = mill.dir / f"{HOME}.status.json"
    live = until(lambda: beside.exists() and json.loads(
        mill.run("status", "--json", HOME).out), "numbers")
    assert live["total"] == 120 and live["running"]["pid"] == running.pid
    assert running.wait().status == 0
    assert mill.results(HOME) == all_of(120)
    is_home_alone(mill, near)


def test_after_a_kill_the_same_node_goes_on_with_all_it_had(
        mill, node, stub):
    near, server = node(), stub(delay=0.05)
    words = [*command(mill, near), "--scratch-every", "1h", "-j", "4"]
    at = words.index("--backend")
    words[at:at + 2] = ["--url", server.url, "-m", "m"]
    running = mill.start(*words)
    until(lambda: work(near) and len(mill.answered(work(near))) >= 8,
          "some answers")
    running.signal(signal.SIGKILL)
    running.popen.wait()
    mill.no_process_left()
    done = mill.run(*words)
    assert done.status == 0, done
    assert "going on with what a run that was killed left here" in done.err
    assert len(server.requests()) <= 40 + 4  # those in flight
    assert mill.sql("SELECT count(*) FROM llm_runs", db=HOME) == [(2,)]
    is_home_alone(mill, near)


def test_a_dead_node_loses_what_came_since_the_last_copy(mill, node):
    near = node()
    running = mill.start(*command(mill, near, "--scratch-every", "1s",
                                  ms=200))
    saved = until(lambda: mill.answered(HOME), "a copy with answers")
    running.signal(signal.SIGKILL)
    running.popen.wait()
    mill.no_process_left()
    other = node("other")
    done = mill.run(*command(mill, other, "-v", ms=200))
    assert done.status == 0, done
    assert f"{len(saved)} of 40 answered" in done.err
    assert mill.results(HOME) == all_of()
    is_home_alone(mill, other)


def test_what_others_went_on_with_is_not_overwritten(mill, node):
    near, other = node(), node("other")
    kept = killed(mill, near)
    assert mill.run(*command(mill, other)).status == 0
    done = mill.run(*command(mill, near))
    assert done.status == 0, done
    aside, = near.iterdir()
    assert f"they are now in {aside}" in done.err
    assert len([a for a in answers(aside) if a]) == kept
    assert mill.results(HOME) == all_of()
    assert "40 of 40 answered, 0 to do" in done.err
    merged = mill.run("merge", "--partial", "-o", "all.db", HOME, aside)
    assert merged.status == 0, merged
    assert mill.results("all.db") == all_of()


def test_home_with_a_journal_that_a_kill_left_comes_whole(mill, node):
    near = node()
    words = command(mill, near)
    del words[words.index("--scratch"):]
    running = mill.start(*words)
    until(lambda: len(mill.answered(HOME)) >= 8, "some answers")
    running.signal(signal.SIGKILL)
    running.popen.wait()
    mill.no_process_left()
    assert (mill.dir / f"{HOME}-wal").exists()
    kept = len(mill.answered(HOME))
    (mill.dir / HOME).chmod(0o640)
    done = mill.run(*command(mill, near))
    assert done.status == 0 and f"{kept} of 40 answered" in done.err, done
    assert mill.results(HOME) == all_of()
    assert stat.S_IMODE((mill.dir / HOME).stat().st_mode) == 0o640
    is_home_alone(mill, near)


def test_a_journal_without_its_database_does_not_come_into_another(
        mill, node):
    near = node()
    for ending in "-wal", "-shm", "-journal":
        mill.write(f"{HOME}{ending}", b"\0" * 5000)
    assert mill.run(*command(mill, near, ms=1)).status == 0
    is_home_alone(mill, near)


def test_a_database_of_another_list_is_left_as_it_was(mill, node):
    near = node()
    assert mill.run(*command(mill, near, ms=1)).status == 0
    before = (mill.dir / HOME).read_bytes()
    words = command(mill, near, ms=1)
    mill.write("in.txt", "q\n" * 40)
    done = mill.run(*words)
    assert done.status == 2 and HOME in done.err, done
    assert (mill.dir / HOME).read_bytes() == before
    is_home_alone(mill, near)


def test_one_works_on_it_at_a_time(mill, node):
    near = node()
    running = mill.start(*command(mill, near, ms=500))
    until(lambda: (mill.dir / HOME).exists(), "the first copy")
    for words in (command(mill, near), command(mill, node("other")),
                  command(mill, near)[:6]):
        done = mill.run(*words)
        assert done.status == 75, done
        assert f"pid={running.pid} " in done.err
    assert running.wait().status == 0
    is_home_alone(mill, near)


def test_who_lost_the_lock_does_not_bring_it_home(mill, node):
    near = node()
    running = mill.start(*command(mill, near))
    until(lambda: (mill.dir / HOME).exists(), "the first copy")
    first = (mill.dir / HOME).read_bytes()
    lock = mill.dir / f"{HOME}.lock"
    lock.unlink()
    lock.write_text("pid=1 host=other job=-\n")
    done = running.wait()
    assert done.status == 74, done
    assert "another llmill took its lock" in done.err
    assert f"all answers are in {work(near)}" in done.err
    assert (mill.dir / HOME).read_bytes() == first
    assert answers(work(near)) == all_of()
    lock.unlink()
    done = mill.run(*command(mill, near))
    assert done.status == 0, done
    assert mill.results(HOME) == all_of()
    is_home_alone(mill, near)


def couriers(mill):
    return mill.processes("llmill: copies to")


def test_a_copy_that_hangs_holds_nobody_up(mill, node):
    near = node()
    running = mill.start(*command(mill, near, bulk=BULK, ms=200))
    courier = until(lambda: couriers(mill), "a copy")[0]
    courier.signal(signal.SIGSTOP)
    until(lambda: len(mill.answered(work(near))) >= 12,
          "answers meanwhile")
    assert [p.pid for p in couriers(mill)] == [courier.pid]
    courier.signal(signal.SIGCONT)
    assert running.wait().status == 0
    assert mill.results(HOME) == all_of(bulk=BULK)
    is_home_alone(mill, near)


def test_a_deadline_leaves_time_for_the_last_copy(mill, node):
    """Twice what the longest one took."""
    near = node()
    begun = time.monotonic()
    running = mill.start(*command(mill, near, "--deadline", "+12s", bulk=BULK,
                                  ms=2000))
    courier = until(lambda: couriers(mill), "a copy")[0]
    courier.signal(signal.SIGSTOP)
    time.sleep(3)  # this long it takes
    courier.signal(signal.SIGCONT)
    assert running.wait().status == 75
    assert time.monotonic() - begun < 9  # else about 11
    assert any(mill.results(HOME))
    is_home_alone(mill, near)


def test_a_copy_that_dies_is_said_and_made_again(mill, node):
    near = node()
    running = mill.start(*command(mill, near, "--scratch-every", "1s",
                                  bulk=BULK, ms=400))
    until(lambda: couriers(mill), "a copy")[0].signal(signal.SIGKILL)
    done = running.wait()
    assert done.status == 0, done
    assert done.err.count(f"cannot write {mill.dir / HOME}: the process: "
                          "signal 9 (Killed)") == 1
    assert "is up to date again" in done.err
    assert mill.results(HOME) == all_of(bulk=BULK)
    is_home_alone(mill, near)


@pytest.mark.parametrize("number, status", [
    (signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_run_that_is_stopped_brings_home_what_it_has(
        mill, node, number, status):
    near = node()
    running = mill.start(*command(mill, near), terminal=True)
    until(lambda: work(near) and len(mill.answered(work(near))) >= 8,
          "some answers")
    running.signal(number)
    assert running.wait().status == status
    assert len([a for a in mill.results(HOME) if a]) >= 8
    is_home_alone(mill, near)


def test_ctrl_c_ends_the_last_copy_and_nothing_is_lost(mill, node):
    near = node()
    words = command(mill, near, "--scratch-every", "1h", bulk=BULK)
    running = mill.start(*words)
    until(lambda: len(mill.sql_so_far(
        "SELECT id FROM llm_results", HOME)) == 40, "the first copy")
    last = until(lambda: len(mill.answered(work(near))) == 40 and
                 couriers(mill), "the last copy")[0]
    last.signal(signal.SIGSTOP)
    running.signal(signal.SIGTERM)  # the job's end is near: go on
    running.signal(signal.SIGINT)
    done = running.wait()
    assert done.status == 74, done
    assert "the copy to" in done.err and "was interrupted" in done.err
    assert answers(work(near)) == all_of(bulk=BULK)
    assert mill.run(*words).status == 0
    assert mill.results(HOME) == all_of(bulk=BULK)
    is_home_alone(mill, near)


def test_the_directory_is_said_to_be_wrong_before_anything_is_sent(
        mill, node, tmp_path):
    near = node()
    mill.write("file", "")
    for directory, why in (("nowhere", "No such file"),
                           ("file", "no directory")):
        done = mill.run(*command(mill, directory))
        assert done.status == 2, done
        assert done.err.count("\n") == 1
        assert f"--scratch {directory}" in done.err and why in done.err
    missing = [str(w).replace("far/", "gone/") for w in command(mill, near)]
    done = mill.run(*missing, "--require-db")
    assert done.status == 71 and "gone/x.db" in done.err, done
    assert not list((mill.dir / "far").iterdir())
    assert not list(near.iterdir())


def test_without_a_directory_slurm_says_which(mill, node):
    near = node()
    words = command(mill, "x")[:-1]
    done = mill.run(*words)
    assert done.status == 2 and "SLURM_TMPDIR" in done.err, done
    done = mill.run(*words, "-q", env={"SLURM_TMPDIR": str(near)})
    assert done.status == 0, done
    done = mill.run(*words, env={"SLURM_TMPDIR": str(near)})
    assert done.status == 0 and f"kept in {near} " in done.err, done
    assert mill.results(HOME) == all_of()
    is_home_alone(mill, near)


def test_a_directory_that_was_left_out_stays_so_in_scripts(mill, node):
    mill.write("in.txt", "a\n")
    done = mill.run("slurm-script", "--backend", "echo", "--scratch",
                    "--at-once", "2", "in.txt", "--shard", "auto/4",
                    "--db", "x.{shard}.db")
    assert done.status == 0, done
    assert "--scratch= in.txt" in done.out


def test_a_default_name_and_resume_have_it_too(mill, node):
    near = node()
    words = command(mill, near, "--range", "1:3", ms=1)
    del words[words.index("--db"):words.index("--db") + 2]
    assert mill.run(*words).status == 0
    done = mill.run("resume", mill.db().name, "--scratch", near)
    assert done.status == 0, done
    assert mill.results() == all_of()
    assert not list(near.iterdir())


def test_somebody_elses_file_there_is_not_believed(mill, node):
    if os.getuid() != 0:
        pytest.skip("needs another user: no root")
    near = node()
    killed(mill, near)
    os.chown(work(near), 12345, 12345)
    done = mill.run(*command(mill, near))
    assert done.status == 65, done
    assert "belongs to somebody else" in done.err


def test_nothing_done_leaves_nothing(mill, node):
    near = node()
    done = mill.run("run", "--prompt", "a", "--db", HOME, "--scratch", near,
                    "--url", "http://127.0.0.1:1", "-m", "m",
                    "--wait-server", "0")
    assert done.status == 69, done
    assert not list(near.iterdir())
    assert not pathlib.Path(mill.dir, f"{HOME}.lock").exists()
