# SPDX-License-Identifier: ISC
"""What all black-box tests share: the program, started in a directory of its
own, every wait with a deadline, and nothing left alive behind a test.

Fixtures
    mill    a Mill: run() and start() the program, look at its processes and
            at its database; when the test ends, no process may be left
    stub    stub(rules, delay=0) starts a scripted server (stub/llm_server.py)
"""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import termios
import time
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(
    os.environ.get("LLMILL") or ROOT / "build/release/llmill").resolve()
PATIENCE = 20  # seconds: no wait here is longer, whatever happens
MARKER = "LLMILL_TEST"

sys.path.insert(0, str(ROOT / "tests/stub"))
from llm_server import StubServer  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: many seconds; -m slow runs it")


def pytest_collection_modifyitems(config, items):
    if not config.option.markexpr:
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: -m slow"))


def kernel_allows(flags):
    """Does unshare(1) get these namespaces?"""
    return subprocess.run(["unshare", *flags, "true"], timeout=PATIENCE,
                          stderr=subprocess.DEVNULL).returncode == 0


# What SQLite says of a file that somebody is just making.
TO_COME = re.compile("no such table|unable to open|database is locked")
NO_ROOT = 65534  # a user and group without rights
needs_root = pytest.mark.skipif(
    os.getuid() != 0, reason="needs another user: no root")
needs_namespaces = pytest.mark.skipif(
    not kernel_allows(["-p", "-f"]) and not kernel_allows(["-U", "-p", "-f"]),
    reason="the kernel allows no namespace of processes")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    item.has_failed = not report.passed  # as expected, or not


def until(condition, what, patience=PATIENCE):
    """Wait for condition() to be true, and give what it gave."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"not within {patience} s: {what}")
        time.sleep(0.005)


class Process:
    """One living process, as /proc shows it."""

    def __init__(self, pid):
        self.pid = pid
        self.proc = pathlib.Path(f"/proc/{pid}")
        stat = (self.proc / "stat").read_text()
        self.state, self.ppid = stat.rpartition(")")[2].split()[:2]
        self.ppid = int(self.ppid)
        words = (self.proc / "cmdline").read_bytes().rstrip(b"\0")
        self.title = words.replace(b"\0", b" ").decode("utf-8", "replace")

    def __repr__(self):
        return f"{self.pid} ({self.state}, child of {self.ppid}) {self.title}"

    def signal(self, number):
        """Gives whether it was still there."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def fds(self):
        """Its descriptors: number → what it is open on."""
        found = {}
        for entry in (self.proc / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found[int(entry.name)] = os.readlink(entry)
        return found


class Done:
    """How a run of the program ended."""

    def __init__(self, status, out, err, seconds):
        self.status = status  # as the shell sees it: 128 + n after a signal
        self.raw = out
        self.out = out.decode("utf-8", "backslashreplace")
        self.err = err.decode("utf-8", "backslashreplace")
        self.words = " ".join(self.err.split())  # its wrapped lines undone
        self.seconds = seconds

    def __repr__(self):
        return (f"status {self.status} after {self.seconds:.2f} s\n"
                f"--- stdout\n{self.out[-4000:]}\n"
                f"--- stderr\n{self.err[-4000:]}")


class Running:
    """The program at work."""

    def __init__(self, mill, popen, out, err, master):
        self.mill = mill
        self.popen = popen
        self.pid = popen.pid
        self.began = time.monotonic()
        self.out_path = out
        self.err_path = err
        self.master = master  # of its terminal; None without
        self.seen = b""

    def out(self):
        return self.out_path.read_bytes().decode("utf-8", "backslashreplace")

    def err(self):
        return self.err_path.read_bytes().decode("utf-8", "backslashreplace")

    def screen(self):
        """All that its terminal has shown so far."""
        with contextlib.suppress(BlockingIOError, OSError):
            while True:
                piece = os.read(self.master, 65536)
                if not piece:
                    break
                self.seen += piece
        return self.seen.decode("utf-8", "backslashreplace")

    def signal(self, number):
        os.kill(self.pid, number)

    def wait_err(self, text, patience=PATIENCE):
        """Wait until its stderr says text."""
        def said():
            assert text in self.err() or self.popen.poll() is None, self.err()
            return text in self.err()
        until(said, f"{text!r} on stderr", patience)

    def wait(self, patience=PATIENCE):
        """Wait for its end; one that does not come fails the test."""
        end = time.monotonic() + patience
        while self.popen.poll() is None:
            if self.master is not None:
                self.screen()  # a full terminal would hold it up
            if time.monotonic() > end:
                alive = self.mill.processes()
                self.mill.kill_all()
                pytest.fail(f"not finished within {patience} s; alive: "
                            f"{alive}\n--- stderr\n{self.err()[-4000:]}")
            time.sleep(0.005)
        seconds = time.monotonic() - self.began
        if self.master is not None:
            self.screen()
        status = self.popen.returncode
        return Done(status if status >= 0 else 128 - status,
                    self.out_path.read_bytes(), self.err_path.read_bytes(),
                    seconds)


class Mill:
    """The program in a directory of its own."""

    def __init__(self, path):
        self.program = PROGRAM
        path = path.resolve()
        self.dir = path / "work"  # where it runs; nothing but its files
        self.aside = path / "aside"  # what it printed, $HOME, $TMPDIR
        self.marker = uuid.uuid4().hex
        self.numbers = itertools.count(1)  # of runs
        self.masters = []
        self.places = {self.dir}
        for new in (self.dir, self.aside, self.aside / "home",
                    self.aside / "tmp"):
            new.mkdir()

    def env(self, **more):
        """The environment of a run: nothing of the tester's own but PATH."""
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
               "TERM": "xterm", "HOME": str(self.aside / "home"),
               "TMPDIR": str(self.aside / "tmp"), MARKER: self.marker}
        env.update(more)
        return {key: value for key, value in env.items() if value is not None}

    # --- running it ---

    def start(self, *args, stdin=b"", env=None, cwd=None, before=(),
              terminal=False, screen=False, preexec=None, program=PROGRAM):
        """Start it with args; before: words in front, such as ("nohup",).

        It has a session of its own: without terminal=True no controlling
        terminal. screen=True makes that terminal its stderr, too.
        """
        number = next(self.numbers)
        self.places.add(pathlib.Path(cwd or self.dir).resolve())
        out = self.aside / f"out{number}"
        err = self.aside / f"err{number}"
        given = self.aside / f"in{number}"
        given.write_bytes(stdin.encode() if isinstance(stdin, str) else stdin)
        master = slave = None
        if terminal:
            master, slave = pty.openpty()
            os.set_blocking(master, False)
            self.masters.append(master)

        def in_child():
            if terminal:
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            if preexec is not None:
                preexec()

        with given.open("rb") as fd0, out.open("wb") as fd1, \
                err.open("wb") as fd2:
            popen = subprocess.Popen(
                [str(a) for a in (*before, program, *args)],
                stdin=fd0, stdout=fd1, stderr=slave if screen else fd2,
                env=self.env(**(env or {})), cwd=cwd or self.dir,
                start_new_session=True,
                preexec_fn=in_child if terminal or preexec else None)
        if slave is not None:
            os.close(slave)
        return Running(self, popen, out, err, master)

    def run(self, *args, patience=PATIENCE, **kwargs):
        """Start it and wait for its end."""
        return self.start(*args, **kwargs).wait(patience)

    # --- pipes that nobody reads, unless the test does ---

    def pipe(self, name):
        """A named pipe. Gives (words in front of the program that open it as
        its descriptor 1 or 2, a descriptor to read from)."""
        path = self.aside / name
        os.mkfifo(path)
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.masters.append(fd)
        number = 1 if name.startswith("out") else 2
        return ["sh", "-c", f'exec "$0" "$@" {number}>{path}'], fd

    # --- files ---

    def write(self, name, text, mode=0o644):
        """A file where the program runs. Gives its path."""
        path = self.dir / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    def open_to(self, user):
        """Let this user work where the program runs; for root only."""
        for path in (self.dir, self.aside, *self.aside.iterdir()):
            os.chown(path, user, user)
        for path in self.dir.parents:  # pytest's, closed to others
            if str(path).startswith("/tmp/"):
                path.chmod(path.stat().st_mode | 0o055)

    def script(self, name, body):
        """An executable shell script where the program runs."""
        return self.write(name, "#!/bin/sh\n" + body, 0o755)

    def db(self, name=None):
        """The database by name, or the only default-named one."""
        if name is not None:
            return self.dir / name
        found = sorted(self.dir.glob("llm_results_*.db"))
        assert len(found) == 1, found
        return found[0]

    def sql(self, query, *args, db=None):
        """Rows of a query, the database opened for reading only."""
        path = self.db(db)
        try:
            return self.query(f"file:{path}?mode=ro", query, args)
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
        # Killed in a commit: who reads has to repair, here a copy of it.
        for file in path.parent.glob(path.name + "*"):
            if file.is_socket():
                continue
            shutil.copy(file, self.aside)
        return self.query(f"file:{self.aside / path.name}", query, args)

    @staticmethod
    def query(uri, query, args):
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as link:
            return link.execute(query, args).fetchall()

    def sql_so_far(self, query, db):
        """Rows of a query, while somebody else may yet make the file."""
        try:
            return self.sql(query, db=db)
        except sqlite3.OperationalError as error:
            if not TO_COME.match(str(error)):
                raise
            return []

    def answered(self, db):
        """The ids that have a result so far."""
        return [row[0] for row in self.sql_so_far(
            "SELECT id FROM llm_results WHERE result NOT NULL", db)]

    def said_answered(self, db):
        """How many a run says are answered that has its database alone."""
        beside = self.dir / f"{db}.status.json"
        if not beside.exists():
            return 0
        return json.loads(json.loads(beside.read_text())["json"])["answered"]

    def results(self, db=None):
        """All results in order; None where open."""
        return [row[0] for row in self.sql(
            "SELECT result FROM llm_results ORDER BY id", db=db)]

    # --- processes ---

    def is_ours(self, process):
        # A title overwrites the environment that /proc shows: workers and
        # nursery are known by where they are.
        try:
            here = pathlib.Path(os.readlink(process.proc / "cwd"))
            if here in self.places:
                return True
            environ = (process.proc / "environ").read_bytes()
        except OSError:
            return False
        return f"{MARKER}={self.marker}".encode() in environ.split(b"\0")

    def processes(self, words=""):
        """Living processes of this test whose title begins with words."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    process = Process(int(entry))
                    if process.state not in "ZX" and \
                            process.title.startswith(words) and \
                            self.is_ours(process):
                        found.append(process)
        return found

    def kill_all(self):
        """Kill what is left, until nothing is. Gives what it killed."""
        killed = []
        while found := self.processes():
            killed += found
            for process in found:
                process.signal(signal.SIGKILL)
        return killed

    def no_process_left(self, within=1.0):
        """No process of this test may be alive within so many seconds."""
        end = time.monotonic() + within
        while left := self.processes():
            if time.monotonic() > end:
                pytest.fail(f"left alive after {within} s: {left}")
            time.sleep(0.005)

    def close(self):
        for master in self.masters:
            os.close(master)


@pytest.fixture
def mill(tmp_path, request):
    mill = Mill(tmp_path)
    try:
        yield mill
        if not request.node.has_failed:
            mill.no_process_left()
    finally:
        mill.kill_all()
        mill.close()


@pytest.fixture
def stub():
    """stub(rules, delay=0) gives a StubServer that ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda rules=None, **kw: stack.enter_context(
            StubServer(rules, **kw))
