# SPDX-License-Identifier: ISC
"""On a real Slurm: what slurm-script prints does the whole list, whatever
happens to its jobs."""

import collections
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from cluster import free_ports
from conftest import LLM_SERVER, Mill, StubServer, seen_from

COUNT = 4000


def texts(count=COUNT):
    return [f"prompt {n}" for n in range(count)]


def answers(count=COUNT):
    return [f"echo: {text}" for text in texts(count)]


def script(mill, server, *words, count=COUNT, edit=lambda text: text):
    """Print the script for a list. Gives its path."""
    mill.write("in.txt", "".join(f"{text}\n" for text in texts(count)))
    done = mill.run("slurm-script", "in.txt", "-u", server.url, "-m", "m",
                    "--db", "answers.{shard}.db", *words)
    assert done.status == 0 and done.err == "", done
    return mill.write("job.sh", edit(done.out))


def calls(server):
    """How often each prompt was asked."""
    return collections.Counter(line["prompt"] for line in server.requests())


def assert_whole(mill, count=COUNT):
    """All answers are in one database, each at its place."""
    assert mill.results("answers.db") == answers(count)
    assert mill.run("verify", "answers.db").status == 0


def outputs(mill):
    return "".join(path.read_text() for path in sorted(
        mill.dir.glob("llmill-*.out")))


def merged(mill, cluster):
    """Wait for the job behind the array."""
    cluster.until(lambda: (mill.dir / "answers.db").exists(), "the merge")


def test_an_array_over_all_nodes_does_the_list_once(mill, stub, cluster):
    server = stub(delay=0.01)
    job = cluster.submit(script(mill, server, "-j", "4", "--shard", "auto/8"),
                         "--cpus-per-task=2")
    assert cluster.wait(job) == {str(n): "COMPLETED" for n in range(8)}
    merged(mill, cluster)
    assert_whole(mill)
    assert calls(server) == collections.Counter(texts())
    nodes = {facts["NodeList"] for facts in cluster.facts(job)}
    assert len(nodes) == 4
    runs = mill.sql("SELECT shard, slurm_job_id FROM llm_runs",
                    db="answers.db")
    assert {shard for shard, _ in runs} == {f"{n}/8" for n in range(8)}
    assert len({job for _, job in runs}) == 8


def test_a_job_with_a_coordinator_on_each_node(mill, stub, cluster):
    server = stub(delay=0.01)
    path = script(mill, server, "--shard", "auto/4", "--one-job", count=400)
    job = cluster.submit(path)
    assert cluster.wait(job) == {"0": "COMPLETED"}
    assert_whole(mill, 400)
    assert calls(server) == collections.Counter(texts(400))


def test_cancelled_tasks_are_named_and_done_again(mill, stub, cluster):
    server = stub(delay=0.2)
    path = script(mill, server, "-j", "4", "--shard", "auto/8", count=1600)
    job = cluster.submit(path)
    cluster.until(lambda: all(mill.answered(f"answers.00{n}of008.db")
                              for n in (3, 7)), "tasks 3 and 7")
    cluster.say("scancel", f"{job}_3", f"{job}_7")
    states = cluster.wait(job)
    assert states["3"] == states["7"] == "CANCELLED"
    assert set(states.values()) == {"COMPLETED", "CANCELLED"}
    cluster.until(lambda: "--array=3,7" in outputs(mill), "the merge's word")
    assert not (mill.dir / "answers.db").exists()
    again = cluster.submit(path, "--array=3,7")
    assert set(cluster.wait(again).values()) == {"COMPLETED"}
    merged(mill, cluster)
    assert_whole(mill, 1600)
    # What was in flight when the tasks were cancelled, at most.
    asked = calls(server)
    assert sum(asked.values()) - 1600 <= 2 * 4
    assert max(asked.values()) <= 2


def test_workers_do_not_hear_what_is_sent_to_everybody(mill, stub, cluster):
    server = stub(delay=0.5)
    path = script(mill, server, "-j", "4", "--shard", "auto/1", count=40)
    job = cluster.submit(path)
    cluster.until(lambda: mill.answered("answers.000of001.db"), "an answer")
    workers = cluster.workers()
    assert len(workers) == 4
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGUSR1)
    assert cluster.wait(job) == {"0": "COMPLETED"}
    assert mill.results("answers.000of001.db") == answers(40)
    assert mill.sql("SELECT DISTINCT outcome FROM llm_attempts",
                    db="answers.000of001.db") == [("ok",)]
    assert calls(server) == collections.Counter(texts(40))


def test_two_terms_are_one(mill, stub, cluster):
    server = stub(delay=0.5)
    path = script(mill, server, "-j", "4", "--shard", "auto/1", count=100)
    job = cluster.submit(path)
    cluster.until(lambda: mill.answered("answers.000of001.db"), "an answer")
    boss = cluster.coordinator()
    os.kill(boss, signal.SIGTERM)
    os.kill(boss, signal.SIGCONT)
    time.sleep(0.008)
    os.kill(boss, signal.SIGTERM)
    cluster.until(lambda: int(cluster.facts(job)[0]["Restarts"]) == 1,
                  "it is queued again")
    assert cluster.wait(job) == {"0": "COMPLETED"}
    assert mill.results("answers.000of001.db") == answers(100)
    assert calls(server) == collections.Counter(texts(100))


def test_what_is_worked_on_near_by_is_home_before_it_goes_elsewhere(
        mill, stub, cluster):
    server, near = stub(delay=0.5), mill.aside / "near"

    def on_each_node(text):
        mine = f"export SLURM_TMPDIR={near}/$SLURMD_NODENAME\n"
        return text.replace("\nsrun", f'\n{mine}mkdir -p "$SLURM_TMPDIR"\n'
                            "srun")

    path = script(mill, server, "-j", "4", "--shard", "auto/1",
                  "--scratch", "--scratch-every", "1s", count=100,
                  edit=on_each_node)
    job = cluster.submit(path)
    cluster.until(lambda: mill.answered("answers.000of001.db"), "a copy")
    first = cluster.facts(job)[0]["NodeList"]
    os.kill(cluster.coordinator(), signal.SIGTERM)
    cluster.until(lambda: int(cluster.facts(job)[0]["Restarts"]) == 1,
                  "it is queued again")
    cluster.say("scontrol", "update", f"JobId={job}", f"ExcNodeList={first}")
    assert cluster.wait(job) == {"0": "COMPLETED"}
    assert cluster.facts(job)[0]["NodeList"] != first
    assert mill.results("answers.000of001.db") == answers(100)
    assert calls(server) == collections.Counter(texts(100))
    assert len(list(near.iterdir())) == 2
    assert not [path for path in near.rglob("*") if not path.is_dir()]


@pytest.mark.parametrize("words, told", [
    ([], "wants a file of prompts"), (["-"], "-: a job has nothing"),
    (["in", "--shard", "1/4"], "a batch script takes auto/N"),
    (["in", "--shard", "auto/0"], "takes auto/N"),
    (["in", "--shard", "auto/4", "--db", "x.db"], "--db x.db: each shard"),
    (["in", "--shard", "auto/4", "-o", "x.txt"], "-o x.txt: each shard"),
    (["in", "--one-job"], "--one-job is for several shards"),
    (["in", "--at-once", "2"], "--at-once is for several shards"),
    (["in", "--shard", "auto/4", "--one-job", "--at-once", "2"],
     "exclude each other"),
    (["in", "--at-once", "0"], "a count from 1"),
    (["in", "--max-wait", "x"], "--max-wait")])
def test_a_script_that_could_not_run_is_not_printed(mill, words, told):
    done = mill.run("slurm-script", *words)
    assert done.status == 2 and told in done.err and done.out == "", done


@pytest.mark.parametrize("words", [
    ["--shard", "auto/4", "--db", "it's $(here) {shard}.db"],
    ["--shard", "auto/4", "--one-job"], ["--db", "x.db"],
    ["--shard", "auto/4", "--", "sh", "-c", "echo 'a\nb' \"$HOME\""]])
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_what_is_printed_is_a_script_for_any_shell(mill, shell, words):
    done = mill.run("slurm-script", "my in.txt", *words)
    assert done.status == 0 and done.err == "", done
    subprocess.run([shell, "-n", mill.write("job.sh", done.out)], check=True)


README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
VLLM = """#!/bin/sh
sleep 2
exec {python} {server} --port {port} --log {log} --delay 0.05
"""


def test_a_server_in_the_same_job_as_the_readme_has_it(mill, cluster):
    """The script stands in the README; vllm is a stub that starts slowly."""
    text = README.read_text()
    start = text.index("    #!/bin/sh\n    #SBATCH")
    block = text[start:text.index("\n\n", start) + 1]
    port, = free_ports(1)
    assert block.count("8000") == 2
    lines = [line[4:].replace("8000", str(port)).replace("--gres=gpu:1 ", "")
             for line in block.splitlines()]
    place = mill.aside / "bin"
    place.mkdir()
    log = mill.aside / "server.log"
    (place / "vllm").write_text(VLLM.format(
        python=sys.executable, server=LLM_SERVER, port=port, log=log))
    (place / "vllm").chmod(0o755)
    (place / "llmill").symlink_to(mill.program)
    cluster.env["PATH"] = f"{place}:{cluster.env['PATH']}"
    mill.write("prompts.txt", "".join(f"{text}\n" for text in texts(200)))
    job = cluster.submit(mill.write("job.sh", "\n".join(lines) + "\n"))
    assert cluster.wait(job) == {"0": "COMPLETED"}
    assert mill.results("answers.db") == answers(200)
    assert mill.sql("SELECT DISTINCT outcome FROM llm_attempts"
                    " ORDER BY 1", db="answers.db") in (
        [("no_server",), ("ok",)], [("ok",)])


# --- what takes a minute or two, all at the same time ---

def no_warning(text):
    return "".join(line for line in text.splitlines(True)
                   if "--signal" not in line)


class Slow:
    """A job, its files and its server."""

    def __init__(self, slurm, place, stack, words, count, edit, options):
        self.mill = Mill(place)
        stack.callback(self.mill.close)
        stack.callback(self.mill.kill_all)
        self.server = stack.enter_context(StubServer(delay=0.5))
        self.cluster = seen_from(slurm, self.mill)
        self.count = count
        self.path = script(self.mill, self.server, *words, "--deadline",
                           "none", count=count, edit=edit)
        self.job = self.cluster.submit(self.path, *options)

    def lose_a_node(self):
        """Of the node whose power fails it is known which tasks it has."""
        self.cluster.until(lambda: all(
            self.mill.answered(f"answers.00{n}of002.db") for n in range(2)),
            "both tasks")
        self.cluster.kill_node(3)
        time.sleep(1)
        self.cluster.start_node(3)


@pytest.fixture(scope="module")
def slow(slurm, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        def begin(name, words, count, edit, *options):
            return Slow(slurm, tmp_path_factory.mktemp(name), stack, words,
                        count, edit, options)

        jobs = {
            "node": begin("node", ["-j", "4", "--shard", "auto/2"], 240,
                          str, "--exclude=n0,n1", "--cpus-per-task=4"),
            "warning": begin(
                "warning", ["-j", "2", "--shard", "auto/2"], 320,
                lambda text: text.replace("USR1@300", "USR1@40"),
                "--time=1", "--exclude=n2,n3"),
            "limit": begin("limit", ["-j", "2", "--shard", "auto/1"], 420,
                           no_warning, "--time=1", "--exclude=n2,n3")}
        jobs["node"].lose_a_node()
        yield jobs


def test_a_node_that_fails_costs_what_was_in_flight(slow):
    job = slow["node"]
    assert set(job.cluster.wait(job.job).values()) == {"COMPLETED"}
    assert sum(int(facts["Restarts"])
               for facts in job.cluster.facts(job.job)) == 1
    merged(job.mill, job.cluster)
    assert_whole(job.mill, job.count)
    asked = calls(job.server)
    assert sum(asked.values()) - job.count <= 4
    assert max(asked.values()) <= 2


def test_a_warning_before_the_end_queues_the_job_again(slow):
    """Slurm sends the signal up to a minute early."""
    job = slow["warning"]
    assert set(job.cluster.wait(job.job, 240).values()) == {"COMPLETED"}
    assert all(int(facts["Restarts"]) >= 1
               for facts in job.cluster.facts(job.job))
    assert "stopped by SIGUSR1" in outputs(job.mill)
    merged(job.mill, job.cluster)
    assert_whole(job.mill, job.count)
    assert calls(job.server) == collections.Counter(texts(job.count))


def test_the_time_limit_itself_loses_nothing(slow):
    """TERM, CONT, TERM within milliseconds, and KILL five seconds later."""
    job = slow["limit"]
    db = "answers.000of001.db"
    job.cluster.until(lambda: "stopped by SIGTERM" in outputs(job.mill),
                      "the limit", 150)
    job.cluster.until(lambda: job.mill.sql(
        "SELECT status FROM llm_runs WHERE run_id = 1", db=db) ==
        [("stopped",)], "its end")
    job.cluster.say("scancel", job.job)
    again = job.cluster.submit(job.path, "--time=10")
    assert set(job.cluster.wait(again).values()) == {"COMPLETED"}
    assert job.mill.results(db) == answers(job.count)
    assert calls(job.server) == collections.Counter(texts(job.count))
