# SPDX-License-Identifier: ISC
"""Backends that do all that is bad, as a command, as a command per worker and
as a plugin: it costs their own prompt, and nothing else."""

import re
import subprocess

import pytest

from conftest import ROOT, needs_namespaces
from test_plugin import build

OTHERS = [f"prompt {n}" for n in range(12)]
LIMIT = "256M"  # of a worker's memory
FINE = ("ok", None)
EMPTY = ("empty", "the answer is empty")
LONG = ("too_long", "longer than --max-answer-bytes")
SLOW = ("timeout_total", r"no answer within 0\.6 s")
HOARD = ("out_of_memory", r"out of memory: [2-4]\d\d MB, more than --worker-memory")
FORMS = ("exec", "coproc", "plugin")

PATIENT = ("flood", "hoards 400")  # these take their time

# What becomes of the prompt: outcome and text of its only attempt.
DEEDS = {
    "segv": [("crash", r"signal 11 \(Segmentation fault\)")] * 3,
    "abort": [("crash", r"signal 6 \(Aborted\)")] * 3,
    "exit": [EMPTY,
             ("crash", "exit status 0"),
             ("crash", "exit status 0")],
    "hang": [SLOW] * 3,
    "deaf": [SLOW] * 3,
    "stop": [SLOW] * 3,
    "daemon": [FINE] * 3,
    "bomb": [SLOW] * 3,
    "noise": [FINE, ("garbage", ""), FINE],
    "flood": [LONG, LONG, FINE],
    "babble": [SLOW] * 3,
    "bytes": [FINE, ("garbage", ""), FINE],
    "half": [SLOW] * 3,
    "hoards 400": [HOARD] * 3,
    "closes": [EMPTY, ("crash", "exit status"), ("crash", "exit status")],
    "scribbles": [FINE, FINE, ("garbage", "")],
}


# With a worker that is process 1 of a namespace: it stops for no signal of
# its own, and what abort() sends itself is one.
ISOLATED = {
    ("abort", "plugin"): ("crash", r"signal 11 \(Segmentation fault\)"),
    ("stop", "plugin"): FINE,
}


def wanted(deed, form, isolated=False):
    usual = DEEDS[deed][FORMS.index(form)]
    return ISOLATED.get((deed, form), usual) if isolated else usual


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """The words that choose each form."""
    place = tmp_path_factory.mktemp("zoo")
    place.chmod(0o755)
    beast = place / "beast"
    subprocess.run(["cc", "-w", "-D_GNU_SOURCE", "-o", str(beast),
                    str(ROOT / "tests/stub/beast.c")], check=True, timeout=60)
    return {"exec": ["--", beast],
            "coproc": ["--per-worker", "--", beast, "lines"],
            "plugin": ["--plugin", build(place, "zoo.so")]}


def start(mill, prompts, words, *args):
    patience = "20s" if set(prompts) & set(PATIENT) else "600ms"
    mill.write("p", "".join(prompt + "\n" for prompt in prompts))
    return mill.start("run", "p", "--db", "a.db", "-j", 3, "--retry-attempts",
                      1, "--timeout", patience, "--kill-grace", "100ms",
                      "--worker-memory", LIMIT, *args, *words)


def fates(mill):
    """What became of each prompt: {prompt: [(outcome, error, result)]}."""
    found = {}
    for prompt, *fate in mill.sql(
            "SELECT prompt, outcome, error, CAST(result AS BLOB) FROM"
            " llm_results JOIN llm_attempts USING (id)", db="a.db"):
        found.setdefault(prompt, []).append(tuple(fate))
    return found


def judge(deed, form, fate, isolated=False):
    outcome_wanted, told = wanted(deed, form, isolated)
    (outcome, error, result), = fate
    assert outcome == outcome_wanted, (deed, fate)
    if outcome == "ok":
        answer = b"a\0\xff\xfe z" if deed == "bytes" else deed.upper().encode()
        if (deed, form) == ("noise", "exec"):  # its stdout is the answer
            answer = b"n" * (1 << 20) + answer
        assert error is None and result == answer
    else:
        assert re.search(told, error), error
        assert result.decode().startswith(
            "Error: Failed after 1 attempts: " + error)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("deed", DEEDS)
def test_it_costs_its_own_prompt(mill, forms, deed, form):
    run = start(mill, [*OTHERS[:4], deed, *OTHERS[4:]], forms[form])
    done = run.wait()
    mill.no_process_left(1)
    found = fates(mill)
    judge(deed, form, found.pop(deed))
    assert found == {prompt: [("ok", None, prompt.upper().encode())]
                     for prompt in OTHERS}
    assert done.status == (0 if wanted(deed, form) == FINE else 1), done


@needs_namespaces
@pytest.mark.parametrize("form", FORMS)
def test_isolated_too(mill, forms, form):
    deeds = [deed for deed in DEEDS if deed not in PATIENT]
    prompts = [prompt for pair in zip(OTHERS * 2, deeds) for prompt in pair]
    done = start(mill, prompts, forms[form], "--isolate=ns").wait()
    mill.no_process_left(1)
    found = fates(mill)
    for deed in deeds:
        judge(deed, form, found.pop(deed), isolated=True)
    assert {prompt: set(fate) for prompt, fate in found.items()} == {
        prompt: {("ok", None, prompt.upper().encode())} for prompt in OTHERS}
    assert done.status == 1, done
