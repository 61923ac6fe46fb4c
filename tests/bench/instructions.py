# SPDX-License-Identifier: ISC
"""Instructions per prompt, counted by callgrind: what a change costs shows up
on a noisy machine too.

Each figure is the difference between a longer and a shorter run, so that
starting up cancels out. It is held against baseline.json, which depends on the
compiler and the libraries; BENCH_KEEP=1 writes it anew. The profiles stay in
build/profile for callgrind_annotate.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import threading

from frame import HERE, PROGRAM, ROOT, Figure, machine, nginx, place, prompts

BASELINE = HERE / "baseline.json"
PROFILES = ROOT / "build/profile"
NEWCALLS = ROOT / "build/release/tests/bench/newcalls.so"
ALLOWED = 1.05  # beyond the baseline; the same program varies by 3 %


def lend_pidfds(path):
    """What newcalls.c asks for."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)

    def serve():
        while True:
            peer, _ = listener.accept()
            with peer:
                pid, = struct.unpack("i", peer.recv(4))
                try:
                    held = os.pidfd_open(pid)
                except OSError:
                    continue
                socket.send_fds(peer, [b"1"], [held])
                os.close(held)

    threading.Thread(target=serve, daemon=True).start()


def count(name, prompts_count, *args):
    """Run it. Gives what each process took, coordinator and nursery first."""
    profiles = PROFILES / f"{name}.{prompts_count}"
    shutil.rmtree(profiles, ignore_errors=True)
    profiles.mkdir(parents=True)
    pathlib.Path("x.db").unlink(missing_ok=True)
    subprocess.run(
        ["valgrind", "-q", "--tool=callgrind", "--trace-children=yes",
         f"--callgrind-out-file={profiles}/%p", "env",
         f"LD_PRELOAD={NEWCALLS}", PROGRAM, "run", prompts(prompts_count),
         *map(str, args), "-q"],
        env={**os.environ, "BENCH_PIDFD": os.path.abspath("pidfd")},
        stdout=subprocess.DEVNULL, check=True)
    return [int(re.search(r"^totals: (\d+)", path.read_text(), re.M)[1])
            for path in sorted(profiles.iterdir(),
                               key=lambda path: int(path.name))]


def per_prompt(name, few, many, *args):
    """Gives the same per prompt for (the coordinator, all workers)."""
    less, more = count(name, few, *args), count(name, many, *args)
    return [(sum(more[part]) - sum(less[part])) / (many - few)
            for part in (slice(0, 1), slice(2, None))]


def measure():
    """Yields (what, instructions per prompt)."""
    few, many = 2000, 8000
    db, no_db = ("--db", "x.db"), ("--no-db",)
    with nginx() as url, place():
        lend_pidfds("pidfd")
        boss, worker = per_prompt("echo", few, many, "--backend", "echo", "-j",
                                  8, *db)
        yield "coordinator, echo backend, with a database", boss
        yield "worker, echo backend", worker
        boss, _ = per_prompt("echo-no-db", few, many, "--backend", "echo",
                             "-j", 8, *no_db)
        yield "coordinator, echo backend, without a database", boss
        _, worker = per_prompt("http", few, many, "-u", url, "-m", "m", "-j",
                               1, *no_db)
        yield "worker, http backend", worker
        boss, _ = per_prompt("load", 10 * few, 10 * many, "--backend", "echo",
                             "-n", 1, *db)
        yield "coordinator, reading and inserting", boss


def instructions():
    """Instructions per prompt against the baseline."""
    known = json.loads(BASELINE.read_text())["instructions"] \
        if BASELINE.exists() else {}
    now = {}
    for what, value in measure():
        now[what] = round(value)
        mark = known.get(what)
        yield Figure("I", what, value, mark and mark * ALLOWED, "instr",
                     least=False, note=mark and f"baseline {mark:,}" or "")
    if os.environ.get("BENCH_KEEP"):
        BASELINE.write_text(json.dumps(
            {"machine": machine(), "instructions": now}, indent=1) + "\n")
