# SPDX-License-Identifier: ISC
"""What one worker may use: memory, processor time, prompts."""

import json
import re

import pytest

from test_plugin import attempts, plugin, send  # noqa: F401

HOG = """
import json, subprocess, sys, time
for line in sys.stdin:
    request = json.loads(line)
    word, _, rest = request["prompt"].partition(" ")
    if word == "hoard":
        held = b"x" * (int(rest) << 20)
        time.sleep(1000)
    if word == "child":
        subprocess.run([sys.executable, "-c",
                        f"import time; x = b'x' * ({rest} << 20);"
                        "time.sleep(1000)"])
    print(json.dumps({"id": request["id"], "result": request["prompt"]}),
          flush=True)
"""


def test_a_worker_is_replaced_after_so_many_prompts(mill):
    words = [word for n in range(30) for word in ("--prompt", f"p{n}")]
    done = mill.run("run", *words, "--db", "a.db", "-j", 2, "--worker-jobs",
                    5, "--backend", "echo", "--json")
    assert done.status == 0, done
    told = json.loads(done.out)
    assert 6 <= told["births"] <= 8
    assert told["deaths"] == told["killed"] == 0


def test_a_plugin_that_hoards_memory_costs_one_try(mill, plugin):  # noqa
    done = send(mill, plugin, ["first hoards 200", "a", "b"], "-j", 2,
                "--worker-memory", "100M")
    assert done.status == 0, done
    assert sorted(attempts(mill, "id", "outcome"))[:2] == [
        (1, "ok"), (1, "out_of_memory")]
    told, = [row[0] for row in attempts(mill, "error") if row[0]]
    assert re.match(r"out of memory: [12]\d\d MB, .*--worker-memory", told)


@pytest.mark.parametrize("prompt", ["hoard 200", "child 200"])
def test_so_does_a_command_with_its_children(mill, prompt):
    mill.write("hog.py", HOG)
    done = mill.run("run", "--prompt", prompt, "--prompt", "a", "--db",
                    "a.db", "-j", 1, "--worker-memory", "100M",
                    "--retry-attempts", 1, "--per-worker", "--",
                    "/usr/bin/python3", "hog.py")
    assert done.status == 1, done
    results = mill.results("a.db")
    assert re.match("Error: Failed after 1 attempts: out of memory: [12]",
                    results[0])
    assert results[1] == "a"
    mill.no_process_left()


def test_who_holds_less_is_left_alone(mill, plugin):  # noqa: F811
    done = send(mill, plugin, ["hoards 20", "a"], "-j", 2,
                "--worker-memory", "200M", "--timeout", "2500ms",
                "--retry-attempts", 1)
    assert done.status == 1, done
    assert ("timeout_total",) in attempts(mill, "outcome")


def test_one_that_never_stops_computing_is_ended(mill, plugin):  # noqa
    done = send(mill, plugin, ["first burns", "a"], "-j", 1, "--worker-cpu",
                "1s")
    assert done.status == 0, done
    assert done.seconds < 8
    told, = [row[0] for row in attempts(mill, "error") if row[0]]
    assert "signal 24" in told or "CPU" in told


def test_what_is_too_little_is_refused(mill):
    for args in (["--worker-jobs", "0"], ["--worker-memory", "1k"],
                 ["--worker-cpu", "10ms"]):
        done = mill.run("run", "--prompt", "a", *args, "--backend", "echo")
        assert done.status == 2, done
        assert f'{args[0]}: "{args[1]}" is not allowed' in done.err
