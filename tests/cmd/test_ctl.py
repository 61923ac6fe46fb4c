# SPDX-License-Identifier: ISC
"""llmill ctl, and the screen of status --watch: a run is told what to do while
it goes on."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest

from conftest import NO_ROOT, needs_root, until

SOCK = "a.db.sock"


def start(mill, *words, ms=100, count=400, script="", db="a.db", **kwargs):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(count)))
    running = mill.start("run", "in.txt", "--backend",
                         f"echo:ms={ms}{script}", "-j", "4", "--db", db,
                         *words, **kwargs)
    until(lambda: "socket=" in lock(mill, db), "it can be told")
    return running


def lock(mill, db="a.db"):
    path = mill.dir / f"{db}.lock"
    return path.read_text() if path.exists() else ""


def ctl(mill, *order, db="a.db", **kwargs):
    return mill.run("ctl", db, *order, **kwargs)


def panel(mill, db="a.db"):
    done = mill.run("ctl", "--json", db, "status")
    assert done.status == 0, done
    return json.loads(done.out)


def end(running):
    running.signal(signal.SIGTERM)
    running.signal(signal.SIGTERM)
    return running.wait()


def test_status_has_the_numbers_of_the_moment(mill):
    running = start(mill, "--retry-attempts", 1, script=",fail=30%")
    until(lambda: panel(mill)["failed"] > 2, "failures")
    one = panel(mill)
    assert one["ok"] and one["phase"] == "running" and one["total"] == 400
    assert one["answered"] + one["failed"] + one["open"] == 400
    assert one["workers"]["wanted"] == 4 and one["workers"]["busy"] > 0
    assert one["workers"]["oldest_id"] > 0
    last = one["errors"][-1]
    assert last["outcome"] == "server_error" and "script" in last["text"]
    said = ctl(mill, "status")
    assert said.status == 0 and "a.db  running, begun" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    end(running)


def test_pause_holds_all_and_resume_goes_on(mill):
    running = start(mill, ms=50)
    done = ctl(mill, "pause")
    assert done.status == 0 and "no other begins" in done.out
    until(lambda: panel(mill)["in_flight"] == 0, "nothing is out")
    time.sleep(0.3)  # the last answers are committed
    still = panel(mill)
    assert still["phase"] == "paused"
    time.sleep(0.3)
    assert panel(mill)["answered"] == still["answered"]
    assert ctl(mill, "resume").out == "goes on\n"
    until(lambda: panel(mill)["answered"] > still["answered"], "it goes on")
    end(running)


def test_workers_become_more_and_fewer(mill):
    running = start(mill)
    assert ctl(mill, "workers", 12).out == "12 workers\n"
    until(lambda: panel(mill)["workers"]["busy"] == 12, "twelve are busy")
    assert ctl(mill, "workers", 2).status == 0
    until(lambda: (w := panel(mill)["workers"])["busy"] <= 2 and
          w["idle"] == 0, "two are left")
    for count in 0, 65:
        done = ctl(mill, "workers", count)
        assert done.status == 1 and "from 1 to 64" in done.err, done
    end(running)


def test_failed_prompts_are_done_again_at_once(mill, stub):
    server = stub([{"match": {"attempt": 1, "share": 0.5},
                    "do": {"status": 400}}], delay=0.05)
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(40)))
    running = mill.start("run", "in.txt", "-u", server.url, "-m", "m", "-j",
                         "1", "--db", "a.db", "--json")
    until(lambda: "socket=" in lock(mill), "it can be told")
    failed = until(lambda: mill.sql_so_far(
        "SELECT id FROM llm_failures", "a.db"), "a failure")[0][0]
    assert ctl(mill, "retry", failed).out == "1 prompt tried again\n"
    until(lambda: failed in mill.answered("a.db") and not mill.sql(
        "SELECT id FROM llm_failures WHERE id = ?", failed, db="a.db"),
        "it is answered")
    again = ctl(mill, "retry", failed)
    assert again.status == 1 and f"{failed} has not failed" in again.err
    until(lambda: panel(mill)["failed"] > 1, "more failures")
    assert " tried again\n" in ctl(mill, "retry", "failed").out
    until(lambda: panel(mill)["open"] == 1 or panel(mill)["open"] == 0,
          "nearly all")
    done = running.wait()
    one = json.loads(done.out)
    rows = mill.sql("SELECT count(*) FROM llm_failures", db="a.db")
    assert one["failed"] == rows[0][0] == sum(one["failed_by"].values())
    assert one["answered"] + one["failed"] == 40 and one["open"] == 0


def test_a_cancelled_prompt_stays_open(mill):
    running = start(mill, "--json", ms=200, count=16)
    assert ctl(mill, "cancel", 15, 16).out == "2 prompts cancelled\n"
    out = panel(mill)["workers"]["oldest_id"]
    assert ctl(mill, "cancel", out).status == 0
    done = ctl(mill, "cancel", 15)
    assert done.status == 1 and "15 is not to do" in done.err
    done = running.wait()
    assert done.status == 0, done
    one = json.loads(done.out)
    assert one["asked"] == one["answered"] == 16 - one["open"]
    assert [n + 1 for n, answer in enumerate(mill.results("a.db"))
            if answer is None] in ([15, 16], sorted([out, 15, 16]))
    assert mill.sql("SELECT count(*) FROM llm_attempts WHERE outcome NOT IN"
                    " ('ok', 'interrupted')", db="a.db") == [(0,)]
    assert mill.run("resume", "a.db").status == 0
    assert None not in mill.results("a.db")


def test_a_killed_workers_prompt_is_not_charged(mill):
    running = start(mill, ms=400, count=8)
    one = until(lambda: (p := panel(mill))["workers"].get("oldest_id") and p,
                "a call")
    worker = one["workers"]["oldest_worker"]
    assert ctl(mill, "kill", worker).status == 0
    done = ctl(mill, "kill", 60)
    assert done.status == 1 and "no worker 60" in done.err
    done = running.wait()
    assert done.status == 0, done
    assert mill.results("a.db") == [f"p{n}" for n in range(8)]
    assert ("interrupted",) in mill.sql("SELECT outcome FROM llm_attempts",
                                        db="a.db")


def test_drain_and_log(mill):
    running = start(mill, "-q")
    assert ctl(mill, "log", "debug").status == 0
    assert ctl(mill, "drain").status == 0
    done = running.wait()
    assert done.status == 75, done
    assert "order drain" in done.err
    assert not (mill.dir / SOCK).exists()


@pytest.mark.parametrize("order, told", [
    ([], "status, pause"), (["dance"], "status, pause"),
    (["workers"], "workers N"), (["workers", "two"], "workers N"),
    (["retry"], "retry ID"), (["retry", "1", "x"], "retry ID"),
    (["pause", "now"], "DB pause"), (["log", '"'], "log error"),
    (["kill", "1", "2"], "kill WORKER")])
def test_what_is_no_order_is_refused_here(mill, order, told):
    done = ctl(mill, *order)
    assert done.status == 2 and told in done.err, done
    assert done.err.count("\n") == 1


def test_without_a_run_it_is_said(mill):
    assert ctl(mill, "pause", db="gone.db").status == 65
    mill.run("run", "--prompt", "a", "--backend", "echo", "--db", "a.db")
    done = ctl(mill, "pause")
    assert done.status == 69 and "no run works on it" in done.err
    # What a killed one left behind is none.
    running = start(mill, "-q", db="b.db")
    running.signal(signal.SIGKILL)
    running.popen.wait()
    mill.no_process_left()
    done = ctl(mill, "pause", db="b.db")
    assert done.status == 69, done
    assert mill.run("run", "in.txt", "--backend", "echo:ms=100", "-j", "64",
                    "--db", "b.db").status == 0
    assert not (mill.dir / "b.db.sock").exists()


def test_a_run_on_another_host_is_named(mill):
    mill.run("run", "--prompt", "a", "--backend", "echo", "--db", "a.db")
    running = start(mill, db="c.db")
    text = lock(mill, "c.db")
    (mill.dir / "c.db.lock").write_text(
        re.sub("host=[^ ]+", "host=node7", text))
    done = ctl(mill, "pause", db="c.db")
    assert done.status == 69 and "is on node7" in done.err, done
    end(running)


@pytest.mark.parametrize("variable", ["XDG_RUNTIME_DIR", "TMPDIR"])
def test_elsewhere_where_a_file_system_can_have_no_socket(mill, variable):
    place = mill.aside / "own"
    place.mkdir()
    running = start(mill, env={"LLMILL_FSTYPE": "nfs", variable: str(place)})
    path = lock(mill).split("socket=")[1].strip()
    assert os.path.dirname(path) == str(place)
    assert ctl(mill, "pause").status == 0
    end(running)
    assert not list(place.iterdir())


def talk(path, data):
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(str(path))
        got = b""
        try:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
            while more := link.recv(65536):
                got += more
        except (BrokenPipeError, ConnectionResetError):
            pass
        return got


def test_nonsense_and_crowds_do_no_harm(mill):
    running = start(mill, ms=20)
    path = mill.dir / SOCK
    assert b'"ok":false' in talk(path, b"hello\n")
    assert b'"ok":false' in talk(path, b'{"order":7}\n{"order":"pause"')
    assert talk(path, b"x" * 2_000_000) == b""
    assert talk(path, b'{"order":"status"}\n' * 3).count(b"\n") == 3
    talk(path, b"\xff\0\n" + b"[" * 5000 + b"\n")
    idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for link in idle:
        link.connect(str(path))
    assert running.popen.poll() is None
    for link in idle:
        link.close()
    until(lambda: ctl(mill, "status").status == 0, "it answers again")
    end(running)


def test_orders_under_load(mill):
    running = start(mill, "--retry-attempts", 1, ms=0, count=60000,
                    script=",fail=1%")
    orders = 0
    while running.popen.poll() is None:
        for order in (["pause"], ["resume"], ["workers", "16"],
                      ["retry", "failed"], ["cancel", "60000"],
                      ["kill", "1"], ["workers", "3"], ["status"]):
            done = ctl(mill, *order)
            assert done.status in (0, 1, 69), done
            orders += done.status == 0
    done = running.wait()
    assert done.status in (0, 1) and orders > 10, done
    assert mill.sql("SELECT count(*) FROM llm_results WHERE result IS NULL",
                    db="a.db")[0][0] <= 1
    assert mill.run("verify", "a.db").status == 0


@needs_root
def test_another_user_is_refused(mill):
    running = start(mill)
    path = mill.dir / SOCK
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o666)  # the second lock holds alone
    for parent in path.parents:
        if parent.stat().st_uid == 0 and parent != parent.parent:
            os.chmod(parent, parent.stat().st_mode | 0o055)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(NO_ROOT)
            os.setuid(NO_ROOT)
            os.write(writer, talk(path, b'{"order":"pause"}\n') or b"nothing")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1000) == b"nothing"
    assert panel(mill)["phase"] == "running"
    end(running)
    assert "another user was sent away" in running.err()


# --- the screen ---



@pytest.fixture
def tmux(mill):
    """tmux(columns, rows) shows the screen of status --watch a.db; gives
    (type keys, what is seen)."""
    if shutil.which("tmux") is None:
        pytest.skip("no tmux here")
    server = ["tmux", "-S", str(mill.aside / "tmux"), "-f", "/dev/null"]

    def call(*words):
        return subprocess.run([*server, *words], check=True, text=True,
                              capture_output=True, cwd=mill.dir).stdout

    def begin(columns, rows):
        call("new-session", "-d", "-x", str(columns), "-y", str(rows),
             f"cd '{mill.dir}' && '{mill.program}' status --watch a.db;"
             "echo GONE $?; sleep 60")
        return (lambda *keys: call("send-keys", *keys),
                lambda: call("capture-pane", "-p"))
    yield begin
    subprocess.run([*server, "kill-server"], check=False,
                   capture_output=True)


@pytest.mark.parametrize("columns, rows", [(80, 24), (40, 10), (200, 60)])
def test_the_screen_fits_and_its_keys_work(mill, tmux, columns, rows):
    running = start(mill, "--retry-attempts", 1, script=",fail=20%", ms=200)
    until(lambda: panel(mill)["failed"] > 3, "failures")
    keys, seen = tmux(columns, rows)
    until(lambda: "begun" in seen() and "prompt" in seen(), "the screen")
    lines = seen().split("\n")
    assert len(lines) <= rows + 1
    assert max(map(len, lines)) <= columns
    assert "q quit" in lines[rows - 1]
    keys("p")
    until(lambda: "a.db  paused" in seen(), "it is paused")
    keys("p")
    until(lambda: "a.db  running" in seen(), "it goes on")
    keys("+")
    until(lambda: "5 workers" in seen(), "one more")
    keys("-")
    until(lambda: "4 workers" in seen(), "one less")
    keys("r")
    until(lambda: "tried again" in seen() or "none has failed" in seen(),
          "all again")
    keys("k")
    until(lambda: "which worker" in seen(), "a question")
    keys("1")
    keys("Enter")
    until(lambda: "worker 1 is killed" in seen(), "it is killed")
    keys("q")
    until(lambda: "GONE 0" in seen(), "the old screen")
    assert "begun" not in seen()
    end(running)


def test_the_screen_ends_with_the_run_and_says_how_it_was(mill, tmux):
    start(mill, ms=100, count=40)
    _, seen = tmux(80, 24)
    until(lambda: "GONE 0" in seen(), "its end")
    assert "prompts:  40: 40 answered" in seen()


def test_ctrl_c_puts_the_terminal_back(mill, tmux):
    running = start(mill)
    keys, seen = tmux(80, 24)
    until(lambda: "begun" in seen(), "the screen")
    keys("C-c")
    until(lambda: "GONE 0" in seen(), "the old screen")
    end(running)
