# SPDX-License-Identifier: ISC
"""The lock of a database where other hosts mount the file system, too."""

import os
import re
import signal
import socket
import time

import pytest

from conftest import until

NFS = {"LLMILL_FSTYPE": "nfs"}
OTHER = "pid=4711 host=node7 job={job}\n"


def lock(mill, job="-", age_s=0):
    path = mill.write("x.db.lock", OTHER.format(job=job))
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def run(mill, *words, env=None, start=False):
    mill.write("in.txt", "a\nb\n")
    return (mill.start if start else mill.run)(
        "run", "in.txt", "--backend", "echo", "--db", "x.db", *words,
        env={**NFS, **(env or {})})


def test_another_hosts_lock_is_honoured(mill):
    path = lock(mill, age_s=590)
    done = run(mill, "--wait-lock", "0")
    assert done.status == 75, done
    assert "another llmill worked on it 59" in done.err
    assert "pid=4711 host=node7 job=-" in done.err
    assert "--wait-lock waits for it, --steal-lock takes it" in done.err
    assert path.read_text() == OTHER.format(job="-")
    assert not (mill.dir / "x.db").exists()


@pytest.mark.parametrize("job, age_s, words, env", [
    ("-", 601, [], {}),
    ("-", 0, ["--steal-lock"], {}),
    ("812", 0, [], {"SLURM_JOB_ID": "812"}),
    ("812.3", 0, [], {"SLURM_JOB_ID": "812", "SLURM_STEP_ID": "0",
                      "SLURM_PROCID": "3"}),
    # Where only this host has the file system the kernel knows.
    ("-", 0, [], {"LLMILL_FSTYPE": "local"})])
def test_a_dead_hosts_lock_is_taken_over(mill, job, age_s, words, env):
    lock(mill, job, age_s)
    done = run(mill, "--wait-lock", "0", *words, env=env)
    assert done.status == 0, done
    assert mill.results("x.db") == ["a", "b"]
    assert not (mill.dir / "x.db.lock").exists()
    assert ("taken over from pid 4711 on node7" in done.err) == (
        age_s > 0 or bool(words))


@pytest.mark.parametrize("job, env", [
    ("812", {"SLURM_JOB_ID": "813"}),
    # Another task of the same step is somebody else.
    ("812.3", {"SLURM_JOB_ID": "812", "SLURM_STEP_ID": "0",
               "SLURM_PROCID": "4"}),
    ("-", {"SLURM_JOB_ID": ""})])
def test_only_the_same_job_is_the_same(mill, job, env):
    lock(mill, job)
    done = run(mill, "--wait-lock", "0", env=env)
    assert done.status == 75, done


def test_it_is_waited_for_and_said_once(mill):
    path = lock(mill)
    running = run(mill, "--wait-lock", "60s", start=True)
    until(lambda: "waiting, 1 m" in running.err(), "it says so")
    path.unlink()
    done = running.wait()
    assert done.status == 0, done
    assert done.err.count("waiting") == 1
    assert mill.results("x.db") == ["a", "b"]


def test_a_job_waits_for_a_dead_node_by_itself(mill):
    lock(mill)
    running = run(mill, start=True)
    until(lambda: "waiting, 12 m" in running.err(), "it waits")
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.status == 75 and "stopped by SIGTERM" in done.err, done


def test_who_lives_shows_it(mill):
    mill.write("in.txt", "a\n")
    running = mill.start("run", "in.txt", "--backend", "echo:ms=60000", "--db",
                         "x.db", env=NFS)
    path = mill.dir / "x.db.lock"
    until(lambda: path.exists() and "socket=" in path.read_text(),
          "it is locked")
    assert re.fullmatch(
        rf"pid={running.pid} host={re.escape(socket.gethostname())} job=-"
        r" socket=/.*\.sock\n", path.read_text())
    other = run(mill, "--wait-lock", "0")
    assert other.status == 75 and f"pid={running.pid}" in other.err, other
    running.signal(signal.SIGTERM)
    running.signal(signal.SIGINT)
    running.signal(signal.SIGKILL)
    running.popen.wait()
    # The same host's dead are nobody.
    done = mill.run("resume", "x.db", "--wait-lock", "0", "--", "cat", env=NFS)
    assert done.status == 0, done
