# SPDX-License-Identifier: ISC
"""C code of others as a backend: --plugin."""

import json
import re
import subprocess

import pytest

from conftest import ROOT

QUICK = ("--db", "a.db", "--retry-delay", "10ms", "--kill-grace", "200ms")
SOURCE = ROOT / "tests/stub/plugin.c"


def build(place, name, *flags, source=SOURCE):
    path = place / name
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-D_GNU_SOURCE",
                    f"-I{ROOT}/lib", *flags, "-o", str(path), str(source)],
                   check=True, timeout=60)
    return path


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    place = tmp_path_factory.mktemp("plugin")
    place.chmod(0o755)
    return build(place, "zoo.so")


def send(mill, plugin, prompts, *args, **kwargs):
    words = [word for text in prompts for word in ("--prompt", text)]
    return mill.run("run", *words, *QUICK, "--plugin", plugin, *args,
                    **kwargs)


def attempts(mill, *columns):
    return mill.sql(f"SELECT {', '.join(columns)} FROM llm_attempts"
                    " ORDER BY rowid", db="a.db")


def test_it_answers(mill, plugin):
    prompts = [f"prompt {n}\nof two lines" for n in range(50)]
    done = send(mill, plugin, prompts, "-j", 3)
    assert done.status == 0, done
    assert mill.results("a.db") == [text.upper() for text in prompts]


def test_the_example_of_its_header_does_what_it_says(mill):
    text = (ROOT / "lib/llmill_plugin.h").read_text()
    example = re.search(r" \*\t#include <ctype.h>\n(?: \*.*\n)*? \*\t\};\n",
                        text)[0]
    source = mill.write("shout.c", re.sub(r"^ \*\t?", "", example,
                                          flags=re.M))
    path = mill.dir / "shout.so"
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    f"-I{ROOT}/lib", "-o", str(path), str(source)],
                   check=True, timeout=60)
    done = send(mill, "./shout.so", ["how are you?"])
    assert done.status == 0, done
    assert mill.results("a.db") == ["HOW ARE YOU?"]


def test_it_sees_the_whole_request(mill, plugin):
    mill.write("p.jsonl", '{"prompt": "first"}\n{"messages": [{"role": '
               '"user", "content": "facts"}], "params": {"x": 0.30}}\n')
    done = mill.run("run", "p.jsonl", *QUICK, "--plugin", plugin, "-s",
                    "be kind", "-j", 1, "--timeout", "7s")
    assert done.status == 0, done
    words = mill.results("a.db")[1].split(" ", 5)
    assert words[:3] == ["2", "1", "0"]
    assert mill.results("a.db")[1].startswith("2 1 0 be kind {")
    assert '"params":{"x": 0.30}' in mill.results("a.db")[1]
    assert mill.results("a.db")[1].endswith(" 7000")


def test_what_comes_with_an_answer_is_kept(mill, plugin):
    done = send(mill, plugin, ["counted"])
    assert done.status == 0, done
    assert attempts(mill, "model", "finish_reason", "input_tokens",
                    "output_tokens") == [("m", "stop", 3, 4)]


def test_it_can_fail_for_now_for_good_or_for_a_while(mill, plugin):
    done = send(mill, plugin, ["error out\nof luck", "final never",
                               "later 300", "nothing", "long 3000000"],
                "--retry-attempts", 2, "--max-answer-bytes", "1M", "-j", 1)
    assert done.status == 1, done
    results = mill.results("a.db")
    assert results[0] == "Error: Failed after 2 attempts: out of luck"
    assert results[1] == "Error: Failed after 1 attempts: never"
    assert results[2] == "LATER 300"
    assert "neither a text nor an error" in results[3]
    assert "longer than --max-answer-bytes" in results[4]
    assert {outcome for outcome, in attempts(mill, "outcome")} == {
        "exit_status", "bad_request", "rate_limited", "garbage", "ok",
        "too_long"}


# test_zoo.py has all that a plugin can do.
@pytest.mark.parametrize("deed, outcome, told", [
    ("segv", "crash", "signal 11"), ("deaf", "timeout_total", "within 0.5 s"),
    ("scribbles", "garbage", "")])
def test_what_it_did_costs_one_try(mill, plugin, deed, outcome, told):
    others = [f"prompt {n}" for n in range(20)]
    done = send(mill, plugin, ["first " + deed, *others], "-j", 3,
                "--timeout", "500ms")
    assert done.status == 0, done
    assert mill.results("a.db") == [
        ("first " + deed).upper(), *[text.upper() for text in others]]
    failed, = [row for row in attempts(mill, "id", "outcome", "error")
               if row[1] != "ok"]
    assert failed[:2] == (1, outcome)
    assert told in failed[2]
    mill.no_process_left()


# --- what cannot be used ---


@pytest.mark.parametrize("flags, told", [
    (["-DABI=7"], "it is made for version 7 of llmill_plugin.h, and this is "
                  "version 1"),
    (["-Dllmill_plugin=other"], "it has no symbol llmill_plugin"),
    (["-Dtoupper=not_to_be_had"], "undefined symbol: not_to_be_had")],
    ids=str)
def test_what_is_no_plugin_stops_the_run_before_a_prompt(mill, flags, told):
    path = build(mill.dir, "x.so", *flags)
    done = send(mill, path, ["a", "b"])
    assert done.status == 69, done
    assert told in " ".join(done.err.split())
    assert mill.results("a.db") == [None, None]
    assert not attempts(mill, "id")


def test_one_that_cannot_begin_stops_the_run(mill):
    path = build(mill.dir, "x.so", "-DINIT_FAILS")
    done = send(mill, path, ["a"])
    assert done.status == 69, done
    assert "no card is free" in done.err
    assert not attempts(mill, "id")


def test_who_can_change_a_plugin_matters(mill, plugin):
    done = send(mill, "nowhere.so", ["a"])
    assert done.status == 2 and "nowhere.so: No such file" in done.err
    done = send(mill, ".", ["a"])
    assert done.status == 2 and "that is no file" in done.err
    copy = mill.write("x.so", plugin.read_bytes(), 0o757)
    done = send(mill, copy, ["a"])
    assert done.status == 2 and "all users can change it" in done.err
    copy.chmod(0o755)
    (mill.dir / "open").mkdir()
    (mill.dir / "open").chmod(0o777)
    copy.rename(mill.dir / "open/x.so")
    done = send(mill, "open/x.so", ["a"])
    assert done.status == 2 and "another file in its place" in done.err
    (mill.dir / "open").chmod(0o1777)
    assert send(mill, "open/x.so", ["a"]).status == 0


@pytest.mark.parametrize("args, told", [
    (["--plugin", "x.so", "--", "cat"], "runs no command"),
    (["--plugin", "x.so", "--python", "m:f"], "leave --python out"),
    (["--plugin", "x.so", "-u", "a"], "means nothing to the plugin backend"),
    (["--backend", "plugin"], "wants a file: --plugin FILE")], ids=str)
def test_what_does_not_go_together_is_refused(mill, args, told):
    done = mill.run("run", "--prompt", "a", *args)
    assert done.status == 2, done
    assert told in done.err


def test_a_later_run_needs_it_again(mill, plugin):
    first = send(mill, plugin, ["error a", "b"], "--retry-attempts", 1)
    assert first.status == 1, first
    done = mill.run("resume", "a.db", "--retry-errors")
    assert done.status == 2
    assert f"llmill resume a.db --plugin {plugin}" in done.err
    done = mill.run("resume", "a.db", "--retry-errors", "--plugin", plugin)
    assert done.status == 1, done
    assert len(attempts(mill, "id")) == 3


def test_check_and_dry_run_name_it(mill, plugin):
    check = mill.run("check", "--plugin", plugin)
    assert check.status == 0, check
    assert f"plugin    {plugin}" in check.out
    dry = send(mill, plugin, ["a"], "--dry-run")
    assert dry.status == 0 and f"plugin:  {plugin}" in dry.out
    dry = send(mill, plugin, ["a"], "--dry-run", "--json")
    assert json.loads(dry.out)["first"]["plugin"] == str(plugin)
