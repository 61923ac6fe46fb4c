# SPDX-License-Identifier: ISC
"""--metrics: a run's numbers for Prometheus."""

import re
import shutil
import stat
import subprocess

import pytest

from conftest import until

LINE = re.compile(r'(\w+)\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\} ([0-9.]+)$')


def read(path):
    """{(name, labels but the usual): value}."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = LINE.fullmatch(line).groups()
        labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))
        assert labels.pop("gen_ai_operation_name") == "chat"
        labels.pop("gen_ai_provider_name")
        labels.pop("gen_ai_request_model", None)
        labels.pop("llmill_database", None)
        key = (name, *labels.values())
        assert key not in found
        found[key] = float(value)
    return found


def check(path):
    """What Prometheus' own tool says of it."""
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here")
    with open(path, "rb") as file:
        done = subprocess.run(["promtool", "check", "metrics"], stdin=file,
                              capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def run(mill, stub, *words, **kwargs):
    server = stub([{"match": {"attempt": 1, "share": 0.3}, "do": {
        "status": 500}}, {"match": {}, "do": {"usage": {
            "prompt_tokens": 20, "completion_tokens": 300}}}], **kwargs)
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(40)))
    return ["run", "in.txt", "-u", server.url, "-m", "a\"b\\c", "--db",
            "x.db", "--retry-delay", "10ms", "--metrics", "x.prom", *words]


def test_the_numbers_are_those_of_the_summary(mill, stub):
    done = mill.run(*run(mill, stub, "--price-out", "2", delay=0.05))
    assert done.status == 0, done
    path = mill.dir / "x.prom"
    one = read(path)
    attempts, failed = mill.sql("SELECT count(*), sum(outcome != 'ok')"
                                " FROM llm_attempts", db="x.db")[0]
    assert one["llmill_attempts_total", "ok"] == 40
    assert one["llmill_attempts_total", "server_error"] == failed > 0
    assert one["llmill_retries_total",] == failed == attempts - 40
    assert [one["llmill_prompts", state] for state in (
        "answered", "failed", "open")] == [40, 0, 0]
    duration = "gen_ai_client_operation_duration_seconds"
    assert one[f"{duration}_count",] == 40 == one[f"{duration}_bucket",
                                                  "+Inf"]
    assert one[f"{duration}_bucket", "0.04"] == 0
    assert one[f"{duration}_bucket", "40.96"] == 40
    assert 40 * 0.05 <= one[f"{duration}_sum",] < 40 * 5
    usage = "gen_ai_client_token_usage"
    assert one[f"{usage}_sum", "input"] == 800
    assert one[f"{usage}_bucket", "output", "256"] == 0
    assert one[f"{usage}_bucket", "output", "1024"] == 40
    assert one["llmill_cost_total",] == 40 * 300 * 2 / 1e6
    assert one["llmill_running",] == 0
    text = path.read_text()
    assert 'gen_ai_request_model="a\\"b\\\\c"' in text
    assert f'llmill_database="{mill.dir}/x.db"' in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    check(path)


def test_it_is_there_while_the_run_goes_on(mill, stub):
    running = mill.start(*run(mill, stub, "-j", 1, delay=0.05))
    path = mill.dir / "x.prom"
    until(path.exists, "the first numbers")
    one = read(path)
    assert one["llmill_running",] == 1
    assert one["llmill_prompts", "open"] <= 40
    assert running.wait().status == 0
    assert not (mill.dir / "x.prom.part").exists()
    check(path)


def test_where_it_cannot_be_is_said_before_a_call(mill, stub):
    words = run(mill, stub)
    words[words.index("x.prom")] = "gone/x.prom"
    done = mill.run(*words)
    assert done.status == 71 and "gone/x.prom" in done.err, done
    words[words.index("gone/x.prom")] = "x.db"
    assert mill.run(*words).status == 2  # the database's own file


def test_shards_have_one_each(mill):
    mill.write("in.txt", "a\nb\n")
    for shard in range(2):
        done = mill.run("run", "in.txt", "--backend", "echo", "--shard",
                        f"{shard}/2", "--db", "x.{shard}.db", "--metrics",
                        "x.{shard}.prom")
        assert done.status == 0, done
    texts = [(mill.dir / f"x.00{n}of002.prom").read_text() for n in (0, 1)]
    assert all(f"x.00{n}of002.db" in texts[n] for n in (0, 1))
