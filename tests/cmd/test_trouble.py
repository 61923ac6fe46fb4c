# SPDX-License-Identifier: ISC
"""When nothing is as it should be: no answer is wrong, none is paid for
twice, and the exit status tells the truth."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest
from conftest import until

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "stub"))
from llm_server import StubServer

PROMPTS = [f"p{i}" for i in range(1, 31)]


@pytest.fixture
def prompts(mill):
    mill.write("p.txt", "".join(p + "\n" for p in PROMPTS))
    mill.script("ask", 'read p; echo "$p" >>calls; echo "$1 $p"\n')


def calls(mill):
    path = mill.dir / "calls"
    return path.read_text().split() if path.exists() else []


def test_a_spill_answers_only_the_same_plan(mill, prompts):
    done = mill.run("run", "p.txt", "--db", "no/x.db", "--", "./ask", "A")
    assert done.status == 74
    spill = mill.dir / "x.db.spill.jsonl"
    before = spill.read_bytes()
    assert before.count(b"\n") >= len(PROMPTS)

    (mill.dir / "sub").mkdir()
    done = mill.run("run", "p.txt", "--db", "sub/x.db", "--", "./ask", "B")
    assert done.status == 0
    assert mill.results("sub/x.db") == [f"B {p}" for p in PROMPTS]
    assert spill.read_bytes() == before

    (mill.dir / "no").mkdir()
    (mill.dir / "calls").unlink()
    done = mill.run("run", "p.txt", "--db", "no/x.db", "--", "./ask", "A")
    assert done.status == 0
    assert mill.results("no/x.db") == [f"A {p}" for p in PROMPTS]
    assert calls(mill) == []
    assert not spill.exists()


def test_answers_taken_in_are_reason_enough_to_keep_a_new_database(
        mill, prompts):
    """A default-named database whose only answers came from a spill."""
    done = mill.run("run", "p.txt", "--db", "no/x.db", "--", "./ask", "A")
    assert done.status == 74
    os.rename(mill.dir / "x.db.spill.jsonl", mill.dir / "y.db.spill.jsonl")
    done = mill.run("run", "p.txt", "--db", "y.db", "-q", "--", "./ask", "A")
    assert done.status == 0
    assert mill.results("y.db") == [f"A {p}" for p in PROMPTS]


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a tmpfs")
def test_a_full_disk_does_not_pay_again_for_what_a_file_holds(mill, prompts):
    place = mill.dir / "fs"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none",
                       place], check=False).returncode != 0:
        pytest.skip("cannot mount a tmpfs")
    try:
        done = mill.run("run", "p.txt", "-n", "20", "--db", "fs/x.db", "--",
                        "./ask", "A")
        assert done.status == 0
        fill = os.open(place / "fill", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(fill, b"x" * 1024)
        os.close(fill)
        done = mill.run("run", "p.txt", "--db", "fs/x.db", "--", "./ask", "A")
        assert done.status in (65, 74), done
        assert sorted(calls(mill)) in (sorted(PROMPTS[:20]), sorted(PROMPTS))
        (place / "fill").unlink()
        done = mill.run("run", "p.txt", "--db", "fs/x.db", "--", "./ask", "A")
        assert done.status == 0
        assert mill.results("fs/x.db") == [f"A {p}" for p in PROMPTS]
        assert sorted(calls(mill)) == sorted(PROMPTS)
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_backend_that_never_answers_leaves_all_prompts_open(mill):
    mill.write("p.txt", "".join(f"{i}\n" for i in range(100)))
    args = ("run", "p.txt", "-j", "4", "--db", "x.db", "--retry-delay", "0",
            "--")
    done = mill.run(*args, "false")
    assert done.status == 69
    assert mill.results("x.db") == [None] * 100
    done = mill.run(*args[:-1], "--", "false")
    assert done.status == 69


def test_a_short_list_that_fails_has_failed(mill):
    mill.write("p.txt", "1\n2\n3\n")
    done = mill.run("run", "p.txt", "--db", "x.db", "--retry-attempts", "1",
                    "--", "false")
    assert done.status == 1
    assert mill.results("x.db") == \
        ["Error: Failed after 1 attempts: exit status 1"] * 3


def test_failures_before_the_first_answer_are_kept(mill):
    mill.write("p.txt", "".join(f"{i}\n" for i in range(1, 9)))
    mill.script("ask", 'read p; [ "$p" -gt 4 ] && echo fine\n')
    done = mill.run("run", "p.txt", "-j", "1", "--db", "x.db",
                    "--retry-attempts", "1", "--", "./ask")
    assert done.status == 1
    assert mill.results("x.db") == \
        ["Error: Failed after 1 attempts: exit status 1"] * 4 + ["fine"] * 4


def test_a_process_from_before_is_never_touched(mill, prompts):
    """Not even one that hung below an old child which has ended."""
    mill.script("begin", """
        (sleep 100000 & echo $! >old; exec sleep 0.2) &
        until [ -s old ]; do :; done
        exec "$@"\n""")
    mill.script("slow", "read p; sleep 0.05; echo $p\n")
    run = mill.start("run", "p.txt", "-j", "2", "--db", "x.db",
                     "--retry-delay", "0", "--", "./slow",
                     before=("./begin",))
    until(lambda: not mill.processes("sleep 0.2"), "its end")
    until(lambda: mill.processes("llmill: worker"), "a worker")
    mill.processes("llmill: worker")[0].signal(signal.SIGKILL)
    done = run.wait()
    old = int((mill.dir / "old").read_text())
    try:
        os.kill(old, 0)
    finally:
        os.kill(old, signal.SIGKILL)
    assert done.status == 0


def test_success_of_a_command_that_was_told_to_stop_is_no_answer(mill):
    mill.write("p.txt", "1\n2\n")
    mill.script("ask", """
        trap 'exit 0' TERM
        echo partial
        echo $$ >>begun
        while :; do sleep 0.01; done\n""")
    run = mill.start("run", "p.txt", "-j", "1", "--db", "x.db", "--timeout",
                     "60", "--kill-grace", "1", "--", "./ask", terminal=True)
    until(lambda: (mill.dir / "begun").exists(), "a call")
    run.signal(signal.SIGINT)
    run.wait_err("Ctrl-C again leaves")

    def again():
        run.signal(signal.SIGINT)
        return run.popen.poll() is not None
    until(again, "the end")
    assert run.wait().status == 130
    assert mill.results("x.db") == [None, None]


def test_a_server_that_comes_later_is_asked_for_its_model(mill):
    """Without -m the wait for a server holds as well."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    mill.write("p.txt", "one\n")
    run = mill.start("run", "p.txt", "-u", f"127.0.0.1:{port}", "--db",
                     "x.db", "--wait-server", "20")
    run.wait_err("waiting for it")
    with StubServer(port=port):
        done = run.wait()
    assert done.status == 0, done.err
    assert mill.results("x.db") == ["echo: one"]
    settings = json.loads(mill.sql("SELECT settings FROM llm_runs",
                                   db="x.db")[0][0])
    assert settings["plan"]["model"] == "stub-model"


def test_several_models_are_listed_and_nothing_is_sent(mill):
    with StubServer({"models": ["a/b", "c"]}) as stub:
        done = mill.run("run", "--prompt", "hi", "-u", stub.url, "--db",
                        "x.db")
        assert done.status == 2
        assert done.err.strip() == \
            "llmill: which model? say -m with one of: a/b c"
        assert not (mill.dir / "x.db").exists()
