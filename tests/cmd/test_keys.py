# SPDX-License-Identifier: ISC
"""A canary: a key made up for each test is given in every way there is, to a
server that says it back in every place there is, and looked for everywhere but
in that request. An answer is kept to the byte; there alone it may stand."""

import base64
import os
import pathlib
import re
import secrets
import signal
import subprocess

import pytest

from conftest import NO_ROOT, Process, needs_root, until
from echo_server import IN_ANSWERS, PLACES, EchoServer

QUICK = ("-m", "m1", "--retry-attempts", 1, "-j", 2, "--max-answer-bytes",
         "1M", "--connect-timeout", "5s")


class Canary:
    """A key, how it is given, and in which forms it can be found."""

    def __init__(self, mill, how):
        self.how = how
        self.key = "sk-canary/" + secrets.token_urlsafe(24)
        self.words = []
        self.env = {}
        self.forms = [self.key]
        getattr(self, "give_" + how)(mill)

    def give_variable(self, mill):
        self.env["OPENAI_API_KEY"] = self.key
        self.words = ["--key-env", "OPENAI_API_KEY"]

    def give_base_url(self, mill):
        """Without any option."""
        self.env["OPENAI_API_KEY"] = self.key

    def give_key_env(self, mill):
        self.env["MY_OWN"] = self.key
        self.words = ["--key-env", "MY_OWN"]

    def give_key_file(self, mill):
        mill.aside.joinpath("key").write_text(self.key + "\n")
        mill.aside.joinpath("key").chmod(0o600)
        self.words = ["--key-file", mill.aside / "key"]

    def give_header(self, mill, line):
        mill.aside.joinpath("head").write_text(line + "\n")
        mill.aside.joinpath("head").chmod(0o600)
        self.words = ["-H", f"@{mill.aside / 'head'}"]

    def give_bearer(self, mill):
        self.give_header(mill, f"Authorization: Bearer {self.key}")

    def give_api_key(self, mill):
        self.give_header(mill, f"api-key: {self.key}")

    def give_x_api_key(self, mill):
        self.give_header(mill, f"x-api-key: {self.key}")

    def give_goog_api_key(self, mill):
        self.give_header(mill, f"x-goog-api-key: {self.key}")

    def give_cookie(self, mill):
        self.give_header(mill, f"Cookie: lang=C; session={self.key}; a=b")

    def give_proxy(self, mill):
        """In the URL of a proxy, which is the server itself."""
        self.env["http_proxy"] = "PROXY"
        login = base64.b64encode(f"me:{self.key}".encode()).decode()
        self.forms += [login, self.key.replace("/", "%2F")]

    def aim(self, server):
        """Gives words and environment for this server."""
        env = dict(self.env)
        if self.how == "proxy":
            quoted = self.key.replace("/", "%2F")
            env["http_proxy"] = f"http://me:{quoted}@127.0.0.1:{server.port}"
            return ["-u", "http://model.example/v1"], env
        if self.how == "base_url":
            return [], {**env, "OPENAI_BASE_URL": server.url}
        return ["-u", server.url], env

    def is_in(self, data):
        return any(form.encode() in data for form in self.forms)

    def assert_sent(self, server):
        """Else nothing is proved."""
        assert server.seen and all(
            self.is_in(seen.encode()) for seen in server.seen), server.seen


HOW = [name[5:] for name in vars(Canary)
       if name.startswith("give_") and name != "give_header"]


@pytest.fixture
def server():
    with EchoServer() as server:
        yield server


@pytest.fixture(params=HOW)
def canary(mill, request):
    return Canary(mill, request.param)


def start(mill, server, canary, *args, **kwargs):
    words, env = canary.aim(server)
    return mill.start("run", *args, *words, *QUICK, *canary.words,
                      env={**env, **kwargs.pop("env", {})}, **kwargs)


def run(mill, server, canary, *args, **kwargs):
    return start(mill, server, canary, *args, **kwargs).wait()


def list_places(mill):
    """Enough good ones between for the run to go on."""
    mill.write("places.txt", "".join(f"{p}\nplain\nplain\n" for p in PLACES))
    return "places.txt"


def find(mill, canary, *but):
    """Files where the program ran that have the key in them."""
    return [path.name for path in mill.dir.rglob("*")
            if path.is_file() and path.name not in but
            and canary.is_in(path.read_bytes())]


# --- what a server says back ---


def test_a_key_that_is_said_back_is_kept_nowhere(mill, server, canary):
    done = run(mill, server, canary, list_places(mill), "--db", "a.db",
               "--keep-raw", "-o", "out.jsonl", "--log", "run.log", "-vv",
               "--json")
    assert done.status == 1, done
    canary.assert_sent(server)
    rows = dict(mill.sql(
        "SELECT prompt, outcome FROM llm_attempts JOIN llm_results USING (id)",
        db="a.db"))
    assert set(rows) == set(PLACES)
    assert sum(text != "ok" for text in rows.values()) >= 20, rows
    assert not canary.is_in(done.raw + done.err.encode())
    assert find(mill, canary) == []
    raw = dict(mill.sql("SELECT prompt, raw FROM llm_attempts JOIN"
                        " llm_results USING (id)", db="a.db"))
    for place in "raw_body", "error_400", "garbage", "too_long":
        assert "[key]" in str(raw[place]), place


def test_where_the_run_itself_is_wrong_it_is_not_said_either(
        mill, server, canary):
    for place in "error_400", "headers", "error_page":
        done = run(mill, server, canary, "--prompt", place, "--no-db", "-vv")
        assert not canary.is_in(done.raw + done.err.encode()), place
    words, env = canary.aim(server)
    for place in PLACES:
        server.place = place  # of GET /models
        done = mill.run("run", "--prompt", "a", "--no-db", *words,
                        *canary.words, "--wait-server", "0", "-vv",
                        "--timeout", "3s", "--retry-attempts", 1,
                        "--max-requests", 1, env=env)
        assert not canary.is_in(done.raw + done.err.encode()), place
    canary.assert_sent(server)


def test_check_says_it_nowhere(mill, server, canary):
    words, env = canary.aim(server)
    for place in PLACES:
        done = mill.run("check", "--prompt", place, *words, *QUICK[:2],
                        *QUICK[-4:], *canary.words, "--log", "run.log", "-vv", env=env)
        assert not canary.is_in(done.raw + done.err.encode()), place
    canary.assert_sent(server)
    assert find(mill, canary) == []


@pytest.mark.parametrize("place", sorted(IN_ANSWERS))
def test_an_answer_is_kept_to_the_byte_and_nowhere_else(
        mill, server, canary, place):
    done = run(mill, server, canary, "--prompt", place, "--db", "a.db",
               "--keep-raw", "--log", "run.log", "-vv", "--json")
    assert done.status == 0, done
    (text,), = mill.sql("SELECT result FROM llm_results", db="a.db")
    assert canary.is_in(text.encode())
    assert not canary.is_in(done.raw + done.err.encode())
    assert find(mill, canary, "a.db") == []
    for table in "llm_attempts", "llm_runs", "llm_inputs":
        assert not canary.is_in(
            repr(mill.sql(f"SELECT * FROM {table}", db="a.db")).encode())


def test_a_spill_and_a_status_file_are_no_exception(mill, server, canary):
    done = run(mill, server, canary, list_places(mill), "--db",
               "no/such/place.db")
    assert done.status in (1, 74), done
    assert list(mill.dir.glob("*.spill.jsonl"))
    assert find(mill, canary) == []
    server.release.clear()
    running = start(mill, server, canary, "--prompt", "error_400", "--prompt",
                    "hold", "--db", "b.db", env={"LLMILL_FSTYPE": "nfs"})
    status = mill.dir / "b.db.status.json"
    until(status.exists, "a status file")
    assert server.held.wait(20)
    seen = status.read_bytes()
    server.release.set()
    running.wait()
    assert not canary.is_in(seen)
    assert find(mill, canary) == []


# --- what nobody says ---


def test_a_dry_run_shows_no_key(mill, server, canary):
    for more in [], ["--json"]:
        done = run(mill, server, canary, "--prompt", "a", "--dry-run", *more)
        assert done.status == 0, done
        assert not canary.is_in(done.raw + done.err.encode())
    assert server.seen == []


def proc(process, name):
    try:
        return (process.proc / name).read_bytes()
    except OSError:
        return b""


def test_no_process_shows_it(mill, server, canary):
    """Not in its arguments, and the workers not in their environment, where
    they have it from."""
    running = start(mill, server, canary, "--prompt", "hold", "--prompt",
                    "plain", "--db", "a.db")
    assert server.held.wait(20)
    processes = mill.processes("llmill")
    processes.append(Process(running.pid))
    assert len(processes) >= 3  # coordinator, nursery, worker
    for process in processes:
        assert not canary.is_in(proc(process, "cmdline")), process
        if process.pid != running.pid or not canary.env:
            assert proc(process, "environ") or process.pid != running.pid
            assert not canary.is_in(proc(process, "environ")), process
    (argv, settings), = mill.sql(
        "SELECT argv, settings FROM llm_runs", db="a.db")
    assert not canary.is_in((argv + settings).encode())
    server.release.set()
    assert running.wait().status == 0


@needs_root
def test_not_even_its_own_user_can_look_into_a_process_with_a_key(
        mill, server, canary):
    """/proc/PID/environ, which has what the user gave, and mem are closed."""
    mill.open_to(NO_ROOT)
    running = start(mill, server, canary, "--prompt", "hold", "--no-db",
                    preexec=lambda: os.setuid(NO_ROOT))
    assert server.held.wait(20), running.err()
    pids = {process.pid for process in mill.processes()} | {running.pid}
    for pid in pids:
        for name in "environ", "mem", "maps":
            done = subprocess.run(
                ["head", "-c1", f"/proc/{pid}/{name}"], capture_output=True,
                preexec_fn=lambda: os.setuid(NO_ROOT))
            assert b"Permission denied" in done.stderr, (pid, name, done)
    server.release.set()
    assert running.wait().status == 0


def test_it_is_guarded_before_the_input_has_been_read(mill, server, canary):
    os.mkfifo(mill.aside / "input")
    running = start(mill, server, canary, mill.aside / "input", "--no-db")
    limits = pathlib.Path(f"/proc/{running.pid}/limits")
    until(lambda: re.search(r"Max core file size +0 +0 ", limits.read_text()),
          "no core files")
    (mill.aside / "input").write_text("plain\n")
    assert running.wait().status == 0


@pytest.mark.parametrize("who", ["llmill: worker", "llmill: nursery", "mill"])
def test_no_core_file_has_it(mill, server, canary, who):
    def allow_cores():
        import resource
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    running = start(mill, server, canary, "--prompt", "hold", "--prompt",
                    "plain", "--db", "a.db", preexec=allow_cores)
    assert server.held.wait(20)
    found = [Process(running.pid)] if who == "mill" else mill.processes(who)
    assert found
    for process in found:
        process.signal(signal.SIGABRT)
    server.release.set()
    done = running.wait()
    assert done.status == (134 if who == "mill" else done.status)
    mill.no_process_left(within=3)
    cores = [path for place in (mill.dir, pathlib.Path("/var/crash"))
             if place.is_dir() for path in place.glob("*core*")]
    assert cores == []
    assert find(mill, canary) == []
