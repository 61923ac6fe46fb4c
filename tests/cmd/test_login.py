# SPDX-License-Identifier: ISC
"""On a login node: next to no work while waiting, and a word of advice."""

import time

import pytest

from conftest import until

ADVICE = "-j 65 outside of a batch job"


def run_ns(pid):
    """How long it has run on a CPU."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def test_a_coordinator_that_waits_costs_nothing(mill):
    mill.write("in.txt", "a\n" * 64)
    running = mill.start("run", "in.txt", "--backend", "echo:ms=60000", "-j",
                         "64", "--db", "x.db", "--log", "x.log")
    until(lambda: mill.sql_so_far("SELECT run_id FROM llm_runs", "x.db"),
          "it runs")
    time.sleep(1)
    before, began = run_ns(running.pid), time.monotonic()
    time.sleep(4)
    share = (run_ns(running.pid) - before) / 1e9 / (time.monotonic() - began)
    assert share < 0.005
    running.popen.kill()
    running.popen.wait()


def start(mill, workers, env=None, submit="sbatch"):
    place = mill.aside / "bin"
    place.mkdir()
    if submit:
        (place / submit).write_text("#!/bin/sh\n")
        (place / submit).chmod(0o755)
    return mill.run("run", "--prompt", "a", "--backend", "echo", "-j", workers,
                    "--db", "x.db", program=mill.program, env={
                        "PATH": str(place), **(env or {})})


@pytest.mark.parametrize("submit", ["sbatch", "qsub", "bsub"])
def test_many_workers_belong_into_a_job(mill, submit):
    done = start(mill, 65, submit=submit)
    assert done.status == 0 and done.err.count(ADVICE) == 1, done


@pytest.mark.parametrize("workers, env, submit", [
    (64, {}, "sbatch"), (65, {"SLURM_JOB_ID": "1"}, "sbatch"),
    (65, {"PBS_JOBID": "1.host"}, "qsub"), (65, {}, None)])
def test_others_are_told_nothing(mill, workers, env, submit):
    done = start(mill, workers, env, submit)
    assert done.status == 0 and "batch job" not in done.err, done
