# SPDX-License-Identifier: ISC
"""The rows: what is measured, against whom, and the mark to reach."""

import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import time

from frame import (BODY, HERE, PROGRAM, ROOT, Figure, again, in_turn, llmill,
                   nginx, place, prompts, seconds_of)

from instructions import instructions

sys.path.insert(0, str(ROOT / "tests/stub"))
from llm_server import StubServer  # noqa: E402
from throwaway import Authority  # noqa: E402

WORKERS = 64
BARE = ROOT / "build/release/tests/bench/bare"


def rate(count, *args):
    return count / llmill(prompts(count), *args)[0]


def http(url, *args):
    return ("-u", url, "-m", "m", "-j", WORKERS, *args)


def p1():
    """Zero latency, 64 workers, database on, against a bare libcurl loop."""
    count = 60_000
    with nginx() as url, place():
        ours, bare = in_turn(
            lambda: rate(count, *http(url, "--db", "x.db")),
            lambda: count / seconds_of(BARE, url + "/v1/chat/completions",
                                       WORKERS, count, BODY))
        yield Figure("P1", "http at zero latency ÷ bare libcurl", ours / bare,
                     0.85, note=f"{ours:,.0f}/s, bare {bare:,.0f}/s")


def p1_growth():
    """The same by workers: nothing worse than linear, beside what the bare
    loop does."""
    count = 60_000
    with nginx() as url, place():
        for workers in 1, 4, 16, 64, 256:
            ours, bare = in_turn(
                lambda: rate(count, "-u", url, "-m", "m", "-j", workers,
                             "--db", "x.db"),
                lambda: count / seconds_of(BARE, url + "/v1/chat/completions",
                                           workers, count, BODY))
            yield Figure("P1", f"http with {workers} workers", ours, None,
                         "/s", note=f"{ours / bare:.2f} of bare {bare:,.0f}/s")


def p2():
    """Against an aiohttp script, GNU parallel and xargs with curl, and the
    seed's design."""
    many, few = 20_000, 1_000
    with nginx() as url, place():
        target = url + "/v1/chat/completions"
        curl = ["curl", "-s", "-o", "/dev/null", "-d", BODY, "-H",
                "Content-Type: application/json", target]
        numbers = pathlib.Path("numbers")
        numbers.write_text("".join(f"{n}\n" for n in range(few)))

        def by(*command):
            began = time.monotonic()
            with numbers.open() as source:
                subprocess.run(command, stdin=source, check=True,
                               stdout=subprocess.DEVNULL)
            return few / (time.monotonic() - began)

        def seed():
            pathlib.Path("seed.db").unlink(missing_ok=True)
            return 5000 / seconds_of(
                "/usr/bin/python3", HERE / "peer_seed.py", target, WORKERS,
                5000, BODY, "seed.db")

        ours, aiohttp, theirs, parallel, xargs = in_turn(
            lambda: rate(many, *http(url, "--db", "x.db")),
            lambda: many / seconds_of("/usr/bin/python3",
                                      HERE / "peer_aiohttp.py", target,
                                      WORKERS, many, BODY),
            seed,
            lambda: by("parallel", "--will-cite", "-j", str(WORKERS),
                       *[f"'{word}'" for word in curl], "#"),
            lambda: by("xargs", "-P", str(WORKERS), "-I{}", *curl))
    for name, other, mark in (
            ("aiohttp, which stores nothing", aiohttp, 6),
            ("the seed's design", theirs, None),
            ("GNU parallel + curl", parallel, 100),
            ("xargs + curl", xargs, None)):
        yield Figure("P2", f"http ÷ {name}", ours / other, mark,
                     note=f"{ours:,.0f}/s, {other:,.0f}/s")


def p3():
    """What the database costs."""
    with nginx() as url, place():
        for after, count, mark in ("0", 60_000, 1.15), ("0.05", 12_000, 1.02):
            base = url if after == "0" else f"{url}/after/{after}/v1"
            with_db, without = in_turn(
                lambda: llmill(prompts(count), *http(base, "--db",
                                                     "x.db"))[0],
                lambda: llmill(prompts(count), *http(base, "--no-db"))[0])
            yield Figure(
                "P3", f"time with ÷ without a database, {after} s latency",
                with_db / without, mark, least=False,
                note=f"{with_db:.2f} s, {without:.2f} s")


def p4():
    """Pipes, frames and scheduling alone; then with the database."""
    with place():
        for what, count, args, mark in (
                ("without", 600_000, ("--no-db",), 150e3),
                ("with", 300_000, ("--db", "x.db"), 50e3)):
            got, = in_turn(lambda: rate(count, "--backend", "echo", "-j", 8,
                                        *args))
            yield Figure("P4", f"echo backend {what} a database", got, mark,
                         "/s")


def p4_growth():
    with place():
        for count in 10 ** 3, 10 ** 4, 10 ** 5, 10 ** 6:
            got, = in_turn(lambda: rate(count, "--backend", "echo", "-j", 8,
                                        "--db", "x.db"))
            yield Figure("P4", f"echo backend, {count:,} prompts", got, None,
                         "/s")


def worker_memory(coordinator):
    """The mean Pss of its workers, in kB."""
    children = pathlib.Path(
        f"/proc/{coordinator}/task/{coordinator}/children").read_text()
    sizes = []
    for pid in children.split()[1:]:
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        sizes.append(int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1]))
    return sum(sizes) / len(sizes)


def many(workers, rounds, url, *args):
    """Many workers at 1 s latency. Gives (seconds, until all were busy, memory
    of each)."""
    began, began_wall = time.monotonic(), time.time()
    run = subprocess.Popen(
        [PROGRAM, "run", prompts(workers * rounds), "-u", url + "/after/1/v1",
         "-m", "m", "-j", str(workers), "--db", "x.db", "--json", "-q", *args],
        stdout=subprocess.PIPE)
    time.sleep(4)
    memory = worker_memory(run.pid)
    run.communicate()
    seconds = time.monotonic() - began
    with sqlite3.connect("x.db") as database:
        firsts = database.execute(
            "SELECT min(started_ms) FROM llm_attempts GROUP BY worker"
        ).fetchall()
    assert len(firsts) == workers
    return seconds, max(firsts)[0] / 1000 - began_wall, memory


def p5():
    """Many workers, 1 s latency."""
    rounds = 30
    for workers, least, most_start in (1024, 0.98, 0.5), (4096, 0.92, 2):
        with nginx() as url, place():
            seconds, start, memory = many(workers, rounds, url)
        yield Figure("P5", f"{workers} workers: of the ideal rate",
                     rounds / seconds, least,
                     note=f"{seconds:.2f} s for {rounds} s")
        yield Figure("P5", f"{workers} workers: until all are busy", start,
                     most_start, "s", least=False)
        yield Figure("P5", f"{workers} workers: Pss of each", memory, 150,
                     "kB", least=False)
    with place() as path:
        ca = Authority(path)
        with nginx(ca) as (_, tls):
            _, _, memory = many(1024, 6, tls, "--cacert", ca.file)
    yield Figure("P5", "1024 workers with TLS: Pss of each", memory, 700,
                 "kB", least=False)


def peak_memory(*args):
    """Run it; gives the coordinator's peak in bytes."""
    done = subprocess.run(
        ["/usr/bin/time", "-f", "%M", PROGRAM, "run", *map(str, args), "-q"],
        stderr=subprocess.PIPE, text=True, check=True)
    return int(done.stderr.split()[-1]) * 1024


def p6():
    """A million prompts of 100 bytes: into the database, and what they
    take."""
    count, text = 1_000_000, "x" * 92
    with place():
        few, many = prompts(1000, text), prompts(count, text)
        size = os.path.getsize(many)

        def load(path, *db):
            return llmill(path, "--backend", "echo", "-n", 1, *db)[0]

        with_many, with_few = in_turn(
            lambda: load(many, "--db", "x.db"),
            lambda: load(few, "--db", "x.db"))
        yield Figure("P6", "rows read and inserted",
                     count / (with_many - with_few), 350e3, "/s",
                     note=f"{with_many:.2f} s")
        pathlib.Path("x.db").unlink()
        more = peak_memory(many, "--backend", "echo", "-n", 1, "--db", "x.db")
        pathlib.Path("x.db").unlink()
        less = peak_memory(few, "--backend", "echo", "-n", 1, "--db", "x.db")
        yield Figure("P6", "memory per prompt beyond its text",
                     (more - less - size) / count, 24, "bytes", least=False)


def p7():
    """The last 1,000 of a million."""
    count = 1_000_000
    with place():
        path = prompts(count, "x" * 92)
        llmill(path, "--backend", "echo", "-j", 8, "-n", count - 1000, "--db",
               "x.db")
        began = time.time()
        again(path, "--backend", "echo", "-j", 8, "--db", "x.db")
        with sqlite3.connect("x.db") as database:
            first, = database.execute(
                "SELECT min(started_ms) FROM llm_attempts WHERE run_id ="
                " (SELECT max(run_id) FROM llm_runs)").fetchone()
        yield Figure("P7", "resume: until the first call",
                     first / 1000 - began, 1, "s", least=False)
        for what, words in ("status", ["status", "x.db"]), (
                "export", ["export", "x.db", "-o", "out.jsonl"]):
            yield Figure("P7", f"{what} of a million answers",
                         seconds_of(PROGRAM, *words), None, "s")


def gaps(query):
    with sqlite3.connect("x.db") as database:
        return sorted(gap for gap, in database.execute(query))


def p8():
    """A worker dies; a worker hangs."""
    with place():
        llmill(prompts(4000), "--backend", "echo:crash=10%,tries=1,ms=5",
               "-j", 8, "--db", "x.db", "--poison", 255)
        found = gaps(
            "SELECT b.started_ms - a.started_ms - a.duration_ms FROM"
            " llm_attempts a JOIN llm_attempts b USING (id) WHERE"
            " a.outcome = 'crash' AND b.attempt = a.attempt + 1")
        yield Figure("P8", "a death: p99 until its prompt runs again",
                     found[len(found) * 99 // 100], 20, "ms", least=False,
                     note=f"{len(found)} deaths")
        llmill(prompts(200), "--backend", "echo:hang=30%,tries=9", "-j", 20,
               "--db", "x.db", "--timeout", "200ms", "--kill-grace", "100ms",
               "--retry-attempts", 1)
        found = gaps("SELECT duration_ms - 200 FROM llm_attempts"
                     " WHERE outcome = 'timeout_total'")
        yield Figure("P8", "a hang: p99 past its deadline until killed",
                     found[len(found) * 99 // 100], 150, "ms", least=False,
                     note="grace 100 ms")


def p9():
    """One prompt, from start to end."""
    with nginx() as url, place():
        got, = in_turn(lambda: llmill(prompts(1), "-u", url, "-m", "m",
                                      "--db", "x.db")[0] * 1000, turns=20)
        yield Figure("P9", "one prompt, start to end", got, 30, "ms",
                     least=False)


def p10():
    """A token bucket with Retry-After."""
    for limit, count in (20, 800), (200, 6000):
        script = {"bucket": {"rate": limit, "burst": limit}}
        with StubServer(script, delay=0.05) as server, place():
            llmill(prompts(count), "-u", server.url, "-m", "m", "-j", 32,
                   "--db", "x.db", "--retry-attempts", 20)
            seen = [line for line in server.requests() if line["prompt"]]
        times = sorted(line["time"] for line in seen)
        refused = len(seen) - count
        goodput = (count - limit) / (times[-1] - times[0])
        yield Figure("P10", f"goodput at a limit of {limit}/s",
                     goodput / limit, 0.95)
        yield Figure("P10", f"refused at a limit of {limit}/s",
                     refused / len(seen), 0.02, least=False)


ROWS = {"P1": (p1, p1_growth), "P2": (p2,), "P3": (p3,),
        "P4": (p4, p4_growth), "P5": (p5,), "P6": (p6,), "P7": (p7,),
        "P8": (p8,), "P9": (p9,), "P10": (p10,), "I": (instructions,)}
