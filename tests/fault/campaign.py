# SPDX-License-Identifier: ISC
"""What all fault tests share: how much of the campaign is run, its seed, its
figures, and the stub server's log read piece by piece.

The program itself is driven by the Mill of tests/cmd/conftest.py."""

import concurrent.futures
import contextlib
import importlib.util
import json
import os
import pathlib
import random
import sqlite3
import sys
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("FAULT_TOOLS") or
                     ROOT / "build/release/tests/fault").resolve()
LONG = os.environ.get("FAULT_LONG", "") not in ("", "0")
WITHIN = 2.0  # seconds after which no process may be alive
HANDS = len(os.sched_getaffinity(0))  # cases at the same time

# There are two files of the name conftest: this one goes by another.
_spec = importlib.util.spec_from_file_location(
    "black_box", ROOT / "tests/cmd/conftest.py")
black_box = sys.modules["black_box"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(black_box)
Mill, until, StubServer = (
    black_box.Mill, black_box.until, black_box.StubServer)


def _is_root():
    """Of the machine, not of a namespace of our own."""
    words = pathlib.Path("/proc/self/uid_map").read_text().split()
    return os.getuid() == 0 and words[:2] == ["0", "0"]


needs_loop_devices = pytest.mark.skipif(
    not (_is_root() and os.path.exists("/dev/loop-control")),
    reason="mounts and loop devices are for root")

figures = []  # lines for the end of the session


def amount(sample, whole):
    """How much is done: a sample, or the long column of the table."""
    return whole if LONG else sample


def report(row, text):
    """A line for people, printed at the end whatever the verdict."""
    figures.append(f"{row}: {text}")
    print(figures[-1])


def new_seed(row):
    """A seed, printed; FAULT_SEED in the environment sets it."""
    seed = int(os.environ.get("FAULT_SEED") or random.randrange(1 << 32))
    report(row, f"seed {seed}")
    return seed


def shim(name, **words):
    """Environment that puts tests/fault/NAME.c in front of the libraries."""
    return {"LD_PRELOAD": str(TOOLS / f"{name}.so"),
            **{key: str(value) for key, value in words.items()}}


def together(*shims):
    """The environment of several of them at once."""
    whole = {}
    for words in shims:
        whole.update(words)
    whole["LD_PRELOAD"] = " ".join(words["LD_PRELOAD"] for words in shims)
    return whole


STALL_MAX_MS = 50  # what a turn of the loop may sleep (contract, G4)


def longest_sleep(turns):
    """What a turn asked the kernel to wait for at most, in ms; the file is
    that of turns.c."""
    words = [line.split() for line in turns.read_text().splitlines()]
    assert ["turns"] in [word[:1] for word in words], "it never turned"
    return max([int(word[1]) for word in words if word[0] == "slept"] + [0])


def side_by_side(task, cases, hands=HANDS):
    """Do task(case) for all, some at the same time; gives what they gave.
    The first failure is raised, once nothing runs any more."""
    with concurrent.futures.ThreadPoolExecutor(hands) as pool:
        futures = [pool.submit(task, case) for case in cases]
        concurrent.futures.wait(
            futures, return_when=concurrent.futures.FIRST_EXCEPTION)
        for future in futures:
            future.cancel()
    return [future.result() for future in futures if not future.cancelled()]


@contextlib.contextmanager
def mill_in(path):
    """A Mill outside of the fixture: one of many in a test."""
    path.mkdir(parents=True)
    mill = Mill(path)
    try:
        yield mill
        mill.no_process_left(WITHIN)
    finally:
        mill.kill_all()
        mill.close()


def acknowledged(out):
    """What a -o - -f jsonl stream counts as done: id → answer. A torn last
    line says nothing."""
    lines = out.split("\n")[:-1]
    return {row["id"]: row["result"]
            for row in map(json.loads, lines) if row["ok"]}


def rows_of(mill, db="x.db"):
    """id → result of all prompts that are in the database; {} without."""
    if not mill.db(db).exists():
        return {}
    try:
        return dict(mill.sql("SELECT id, result FROM llm_results", db=db))
    except sqlite3.OperationalError as error:
        assert "no such table" in str(error), error
        return {}


def answers_of(mill, db="x.db"):
    return {id: result for id, result in rows_of(mill, db).items()
            if result is not None}


def spilled(*directories, name="x.db"):
    """id → answer of what spill files hold."""
    found = {}
    for directory in directories:
        path = directory / f"{name}.spill.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        for line in lines:
            with contextlib.suppress(ValueError):  # torn, and ended later
                row = json.loads(line)
                if row["state"] == "answered":
                    found[row["id"]] = row["text"]
    return found


class CallLog:
    """The stub server's own log from now on, read once, piece by piece."""

    def __init__(self, stub, whole=False):
        self.stub = stub
        self.file = open(stub.log_path, "rb")
        self.rest = b""
        if not whole:
            self.settle()
            self.seek_end()

    def seek_end(self):
        """Others write meanwhile: a line that has begun is not seen whole."""
        end = self.file.seek(0, os.SEEK_END)
        if end > 0:
            self.file.seek(end - 1)
            last = self.file.read(1)
            while not last.endswith(b"\n"):
                last = self.file.readline()

    def settle(self):
        """Wait until the server has read what was sent to it before."""
        base = self.stub.url.rsplit("/", 1)[0]
        for _ in range(2):
            with urllib.request.urlopen(base + "/health", timeout=20) as done:
                done.read()

    def more(self):
        """Chat requests since the last time."""
        self.settle()
        text = self.rest + self.file.read()
        *lines, self.rest = text.split(b"\n")
        rows = map(json.loads, lines)
        return [row for row in rows if row["event"] == "request" and
                row["method"] == "POST"]

    def close(self):
        self.file.close()
