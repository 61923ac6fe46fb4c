# SPDX-License-Identifier: ISC
"""Signals: who stops what, how long it may take, what is kept."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import time

import pytest
from conftest import until

# Waits for a file named go; so a test decides when calls end.
GATE = """
    read -r p
    echo "$p" >>calls
    until test -e go; do sleep 0.02; done
    echo "$p"\n"""


class Gated:
    """A run of ten prompts on three workers, all of which are at work."""

    def __init__(self, mill, *args, gate=GATE, **kwargs):
        self.mill = mill
        self.prompts = [f"p{i}" for i in range(1, 11)]
        mill.write("p", "".join(prompt + "\n" for prompt in self.prompts))
        mill.script("cmd", gate)
        (mill.dir / "calls").touch()
        self.command = ["run", "p", "-j", "3", "--db", "x.db", *args,
                        "--", "./cmd"]
        self.run = mill.start(*self.command, **kwargs)
        until(lambda: len(self.calls()) == 3, "three calls")

    def calls(self):
        return (self.mill.dir / "calls").read_text().split()

    def open_gate(self):
        self.mill.write("go", "")

    def check_drained(self, status):
        """Three calls finish, no other begins, the next run does the rest."""
        self.open_gate()
        done = self.run.wait()
        assert done.status == status, done
        self.mill.no_process_left(0.1)
        assert len(self.calls()) == 3
        results = self.mill.results("x.db")
        assert [i for i, text in enumerate(results) if text is not None] == \
            sorted(self.prompts.index(call) for call in self.calls())
        self.go_on()
        return done

    def go_on(self):
        """The same command does what is open, and nothing else."""
        before = self.calls()
        left = [p for p, text in zip(self.prompts,
                                     self.mill.results("x.db")) if not text]
        again = self.mill.run(*self.command)
        assert again.status == 0, again
        assert self.mill.results("x.db") == self.prompts
        assert sorted(self.calls()[len(before):]) == sorted(left)


# --- Ctrl-C ---


def test_the_first_interrupt_drains_and_prints_what_goes_on(mill):
    gated = Gated(mill, terminal=True)
    os.write(gated.run.master, b"\x03")
    gated.run.wait_err("finishing 3 calls, at most ")
    gated.run.wait_err("Ctrl-C again leaves")
    gated.open_gate()
    done = gated.run.wait()
    assert done.status == 130, done
    assert len(gated.calls()) == 3
    assert len([r for r in mill.results("x.db") if r is not None]) == 3
    # The line is typed again as it stands.
    line = re.search(r"^next: +(.*)$", done.err, re.M).group(1)
    again = subprocess.run(["sh", "-c", line], cwd=mill.dir, env=mill.env(),
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=20)
    assert again.returncode == 0, again
    assert mill.results("x.db") == gated.prompts
    assert len(gated.calls()) == 10


def test_a_second_interrupt_leaves_at_once_and_charges_nothing(mill):
    gated = Gated(mill, "--retry-attempts", "1", terminal=True)
    os.write(gated.run.master, b"\x03")
    gated.run.wait_err("Ctrl-C again leaves")
    time.sleep(0.35)
    began = time.monotonic()
    os.write(gated.run.master, b"\x03")
    done = gated.run.wait()
    assert time.monotonic() - began < 1.5
    assert done.status == 130, done
    mill.no_process_left(0.1)
    assert mill.results("x.db") == [None] * 10
    gated.open_gate()
    gated.go_on()


def test_two_interrupts_within_a_moment_are_one(mill):
    gated = Gated(mill, terminal=True)
    for _ in range(3):
        os.write(gated.run.master, b"\x03")
        time.sleep(0.05)
    gated.run.wait_err("Ctrl-C again leaves")
    gated.check_drained(130)


def test_interrupted_calls_that_ignore_sigterm_are_killed(mill):
    mill.script("cmd", "trap '' TERM INT; echo >>calls; sleep 100000 & wait\n"
                "while :; do sleep 1; done\n")
    run = mill.start("run", "--prompt", "p", "--db", "x.db", "--kill-grace",
                     "60", "--", "./cmd", terminal=True)
    until((mill.dir / "calls").exists, "a call")
    os.write(run.master, b"\x03")
    run.wait_err("Ctrl-C again leaves")
    time.sleep(0.35)
    os.write(run.master, b"\x03")
    done = run.wait(3)
    assert done.status == 130, done
    mill.no_process_left(0.1)
    assert mill.results("x.db") == [None]


def test_without_a_terminal_an_interrupt_is_a_termination(mill):
    gated = Gated(mill)
    gated.run.signal(signal.SIGINT)
    gated.run.wait_err("finishing 3 calls, at most ")
    time.sleep(0.35)
    gated.run.signal(signal.SIGINT)
    assert "Ctrl-C" not in gated.check_drained(75).err


# --- SIGTERM and the warnings of batch systems ---


def test_two_terminations_close_together_are_one(mill):
    gated = Gated(mill, "--timeout", "30")
    gated.run.signal(signal.SIGTERM)
    time.sleep(0.008)  # as Slurm does
    gated.run.signal(signal.SIGTERM)
    gated.run.wait_err("finishing 3 calls, at most ")
    gated.run.signal(signal.SIGTERM)
    done = gated.check_drained(75)
    # 20 s, not the 30 s that a call may take.
    (most,) = re.findall(r"at most (\S+) s", done.words)
    assert 19 <= float(most) <= 20


@pytest.mark.slow
def test_a_terminated_run_ends_within_twenty_seconds(mill):
    gated = Gated(mill, "--timeout", "60")
    gated.run.signal(signal.SIGTERM)
    began = time.monotonic()
    gated.run.wait_err("finishing 3 calls")
    time.sleep(5)
    gated.run.signal(signal.SIGTERM)
    done = gated.run.wait(30)
    assert 20 <= time.monotonic() - began < 22
    assert done.status == 75, done
    mill.no_process_left(0.1)
    assert mill.results("x.db") == [None] * 10
    gated.open_gate()
    gated.go_on()


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2", "SIGHUP"])
def test_a_warning_drains_for_as_long_as_calls_may_take(mill, name):
    gated = Gated(mill, "--timeout", "40")
    gated.run.signal(getattr(signal, name))
    gated.run.wait_err("finishing 3 calls, at most ")
    done = gated.check_drained(75)
    assert name in done.words
    (most,) = re.findall(r"at most (\S+) s", done.words)
    assert 35 <= float(most) <= 41


def test_a_termination_after_a_warning_shortens_the_drain(mill):
    gated = Gated(mill, "--timeout", "40")
    gated.run.signal(signal.SIGUSR1)
    gated.run.wait_err("finishing 3 calls, at most ")
    gated.run.signal(signal.SIGTERM)
    gated.check_drained(75)


def test_nohup_ignores_hangups(mill):
    gated = Gated(mill, before=["nohup"])
    gated.run.signal(signal.SIGHUP)
    gated.open_gate()
    done = gated.run.wait()
    assert done.status == 0, done
    assert mill.results("x.db") == gated.prompts


def test_a_hangup_of_the_terminal_drains(mill):
    gated = Gated(mill, terminal=True)
    gated.run.screen()
    os.close(gated.run.master)
    mill.masters.remove(gated.run.master)
    gated.run.master = None
    gated.run.wait_err("finishing 3 calls")
    gated.check_drained(75)


@pytest.mark.parametrize("number", [
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1,
    signal.SIGUSR2])
def test_a_signal_to_the_whole_tree_leaves_workers_at_work(mill, number):
    mill.write("p", "a\nb\nc\nd\ne\nf\n")
    run = mill.start("run", "p", "-j", "3", "--db", "x.db", "--json", "-q",
                     "--backend", "echo:ms=300")
    until(lambda: len([p for p in mill.processes("llmill: worker")
                       if "prompt" in p.title]) == 3, "three at work")
    for process in mill.processes():
        process.signal(number)
    done = run.wait()
    assert done.status == 75, done
    facts = json.loads(done.out)
    assert (facts["answered"], facts["failed"], facts["deaths"]) == (3, 0, 0)
    assert len([r for r in mill.results("x.db") if r]) == 3


def test_a_termination_that_hits_the_commands_too_loses_nothing(mill):
    gated = Gated(mill, "--retry-attempts", "1")
    for process in mill.processes():
        process.signal(signal.SIGTERM)
    done = gated.run.wait()
    assert done.status == 75, done
    assert mill.results("x.db") == [None] * 10
    gated.open_gate()
    gated.go_on()


def test_nor_where_commands_say_so_by_their_exit_status(mill):
    gate = GATE.replace("read -r p", "trap 'exit 143' TERM; read -r p")
    gated = Gated(mill, "--retry-attempts", "1", gate=gate)
    gated.run.signal(signal.SIGTERM)
    gated.run.wait_err("finishing 3 calls")
    for process in mill.processes("/bin/sh ./cmd"):
        process.signal(signal.SIGTERM)
    done = gated.run.wait()
    assert done.status == 75, done
    assert mill.results("x.db") == [None] * 10
    gated.open_gate()
    gated.go_on()


def test_a_drain_does_not_wait_for_retries(mill):
    mill.write("p", "a\nb\n")
    run = mill.start("run", "p", "-j", "1", "--db", "x.db", "-v",
                     "--retry-delay", "60", "--", "false")
    run.wait_err("prompt 2, attempt 1")
    run.signal(signal.SIGTERM)
    done = run.wait(3)
    assert done.status == 75, done
    assert mill.results("x.db") == [None, None]


# --- before the first prompt is sent ---

EARLY = [("SIGTERM", 75), ("SIGINT", 130), ("SIGUSR1", 75)]


@pytest.mark.parametrize("name, status", EARLY)
def test_a_signal_while_the_input_is_read_leaves_nothing(mill, name, status):
    os.mkfifo(mill.dir / "p")
    run = mill.start("run", "p", "--", "cat", terminal=True)
    with open(mill.dir / "p", "w") as pipe:  # it is opened for reading now
        print("a", file=pipe, flush=True)
        run.signal(getattr(signal, name))
        done = run.wait(2)
    assert done.status == status, done
    assert os.listdir(mill.dir) == ["p"]


@pytest.mark.parametrize("name, status", EARLY)
def test_a_signal_while_prompts_are_inserted_leaves_nothing(
        mill, name, status):
    mill.write("p", "".join(f"{i}\n" for i in range(400_000)))
    run = mill.start("run", "p", "--", "cat", terminal=True)
    until(lambda: list(mill.dir.glob("llm_results_*.db-*")), "the insert")
    run.signal(getattr(signal, name))
    done = run.wait(10)
    assert done.status == status, done
    left = set(os.listdir(mill.dir)) - {"p"}
    assert not left, left
    assert f"stopped by {name}" in done.words or "interrupted" in done.words


@pytest.mark.parametrize("name, status", EARLY)
@pytest.mark.parametrize("is_there", [False, True])
def test_a_signal_while_a_server_is_asked_for_its_model_is_heeded(
        mill, stub, is_there, name, status):
    server = stub([{"match": {"path": "/v1/models"}, "do": {"hang": True}}])
    url = server.url if is_there else "http://127.0.0.1:9"
    mill.write("p", "a\n")
    run = mill.start("run", "p", "-u", url, terminal=True)
    if is_there:
        until(server.requests, "the question")
    else:
        run.wait_err("waiting for it")
    run.signal(getattr(signal, name))
    done = run.wait(2)
    assert done.status == status, done
    assert done.seconds < 5
    assert os.listdir(mill.dir) == ["p"]


@pytest.mark.parametrize("name, status", EARLY)
def test_a_signal_while_another_program_locks_the_database_is_heeded(
        mill, name, status):
    mill.write("p", "a\n")
    command = ["run", "p", "--db", "x.db", "--", "cat"]
    assert mill.run(*command).status == 0
    with contextlib.closing(sqlite3.connect(mill.dir / "x.db")) as link:
        link.execute("BEGIN EXCLUSIVE")
        run = mill.start(*command, terminal=True)
        # Its lock is the last that it takes before.
        until(lambda: any("x.db.lock" in what or "x.db-lock" in what
                          for process in mill.processes()
                          for what in process.fds().values()), "its lock")
        time.sleep(0.3)
        run.signal(getattr(signal, name))
        done = run.wait(2)
    assert done.status == status, done
    assert mill.run(*command).status == 0


def test_a_stop_while_a_server_is_asked_for_its_model_is_no_end(mill, stub):
    mill.write("p", "a\n")
    run = mill.start("run", "p", "-u", "http://127.0.0.1:9", "--wait-server",
                     "2", terminal=True)
    run.wait_err("waiting for it")
    run.signal(signal.SIGTSTP)
    until(lambda: state(run.pid) == "T", "it sleeps")
    time.sleep(2)
    began = time.monotonic()
    run.signal(signal.SIGCONT)
    done = run.wait()
    assert done.status == 69, done
    assert time.monotonic() - began > 1


# --- stopped and continued ---


def state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_time_spent_stopped_is_nobodys(mill, stub):
    """Ctrl-Z for longer than the timeout: nothing times out. By all means of
    stopping, and with all backends, at the same time."""
    # Calls that end a while after the stop: then each clock is looked at.
    server = stub([], delay=2.4)
    backends = [["--", "sh", "-c", "sleep 2.4; cat"],
                ["-u", server.url, "-m", "m"],
                ["--backend", "echo:ms=500"]]
    mill.write("p", "a\nb\n")
    runs = []
    for i, backend in enumerate(backends * 2):
        runs.append(mill.start(
            "run", "p", "-j", "2", "--db", f"{i}.db", "--json", "-q",
            "--timeout", "1.5", "--retry-attempts", "1", *backend))
    alone, everybody = runs[:3], runs[3:]

    def family(run):
        return [p for p in mill.processes("llmill: worker")
                if p.ppid == run.pid]

    for run in runs:
        until(lambda: len([p for p in family(run) if "prompt" in p.title])
              == 2, "two at work")
    for run in alone:
        run.signal(signal.SIGTSTP)
    for run in everybody:
        for process in family(run):
            process.signal(signal.SIGSTOP)
        run.signal(signal.SIGSTOP)
    for run in runs:
        until(lambda: all(state(p.pid) == "T" for p in family(run)) and
              state(run.pid) == "T", "all stopped")
    time.sleep(2)
    for run in alone:
        run.signal(signal.SIGCONT)
    for run in everybody:
        for process in family(run):
            process.signal(signal.SIGCONT)
        run.signal(signal.SIGCONT)
    for i, run in enumerate(runs):
        done = run.wait()
        assert done.status == 0, (backends[i % 3], done)
        facts = json.loads(done.out)
        assert (facts["attempts"], facts["killed"]) == (2, 0), backends[i % 3]
        # Neither did an answer take longer for it.
        assert "echo" not in str(backends[i % 3]) or \
            facts["latency_ms"]["p99"] < 1500, facts


def test_time_spent_stopped_is_no_wait_for_a_server(mill):
    mill.write("p", "a\n")
    run = mill.start("run", "p", "-u", "http://127.0.0.1:9", "-m", "m",
                     "--no-db", "--wait-server", "2")
    run.wait_err("waiting for the server")
    run.signal(signal.SIGTSTP)
    until(lambda: state(run.pid) == "T", "it sleeps")
    time.sleep(2.5)
    began = time.monotonic()
    run.signal(signal.SIGCONT)
    done = run.wait()
    assert done.status == 69, done
    assert time.monotonic() - began > 1


def test_a_stop_typed_at_the_terminal_stops_everybody(mill):
    gated = Gated(mill, "--timeout", "2", terminal=True,
                  gate=GATE.replace("sleep 0.02", ":"))
    family = [gated.run.pid]
    family += [p.pid for p in mill.processes("llmill: worker")]
    family += [p.pid for p in mill.processes("/bin/sh ./cmd")]
    assert len(family) == 1 + 3 + 3
    os.write(gated.run.master, b"\x1a")
    until(lambda: all(state(pid) == "T" for pid in family), "all stopped")
    time.sleep(2)
    gated.run.signal(signal.SIGCONT)
    until(lambda: not any(state(pid) == "T" for pid in family), "they go on")
    gated.open_gate()
    done = gated.run.wait()
    assert done.status == 0, done
    assert mill.results("x.db") == gated.prompts
