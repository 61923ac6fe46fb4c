# SPDX-License-Identifier: ISC
"""The echo backend: faults by script, and what each of them costs."""

import json

import pytest

COUNT = 40


@pytest.fixture
def prompts(mill):
    prompts = [f"prompt {i}" for i in range(1, COUNT + 1)]
    mill.write("p", "".join(prompt + "\n" for prompt in prompts))
    return prompts


def echo(mill, script, *args, db="x.db"):
    """Run the prompts, or others that args name. Gives (done, summary)."""
    given = [] if "--prompt" in args else ["p"]
    done = mill.run("run", *given, "--db", db, "--json", "-q",
                    "--retry-delay", "0", "--kill-grace", "0.2",
                    "--backend", f"echo:{script}", *args)
    return done, json.loads(done.out) if done.out else None


def test_it_answers_with_the_prompt(mill, prompts):
    done = mill.run("run", "p", "--db", "x.db", "--backend", "echo")
    assert done.status == 0, done
    assert mill.results("x.db") == prompts


def test_an_answer_may_have_any_bytes_of_utf8(mill):
    texts = ["ä€𝄞", "a'b\"; DROP TABLE llm_results; --", "\x1b[31m\x07\x7f",
             " blanks ", "\ttab", "x" * 100_000]
    mill.write("p", "\0".join(texts) + "\0")
    done, _ = echo(mill, "", "-0")
    assert done.status == 0, done
    assert mill.results("x.db") == texts


def test_it_takes_its_time(mill, prompts):
    done, facts = echo(mill, "ms=100", "-n", "8", "-j", "4")
    assert done.status == 0, done
    assert 0.2 <= facts["seconds"] < 1
    assert 95 <= facts["latency_ms"]["p50"] < 300


def test_bytes_sets_the_length_of_the_answer(mill):
    done, _ = echo(mill, "bytes=100000", "--prompt", "p")
    assert done.status == 0, done
    assert len(mill.results("x.db")[0]) == 100_000


def test_the_largest_answer_passes_and_one_byte_more_does_not(mill):
    for size, status in (32 << 20, 0), ((32 << 20) + 1, 1):
        done, facts = echo(mill, f"bytes={size}", "--prompt", "p",
                           "--max-answer-bytes", "32M", db=f"{status}.db")
        assert done.status == status, done
    assert len(mill.results("0.db")[0]) == 32 << 20
    assert facts["failed_by"] == {"too_long": 1}


@pytest.mark.parametrize("fault, outcome", [
    ("fail", "server_error"),
    ("empty", "empty"),
    ("crash", "crash"),
    ("exit", "crash"),
    ("garbage", "garbage"),
    ("hang", "timeout_total"),
])
def test_a_fault_of_the_first_try_is_survived(mill, prompts, fault, outcome):
    done, facts = echo(mill, f"{fault}=100%,tries=1", "-n", "8", "-j", "8",
                       "--timeout", "0.5" if fault == "hang" else "20")
    assert done.status == 0, done
    assert mill.results("x.db")[:8] == prompts[:8]
    assert facts["attempts"] == 16
    assert facts["attempts_by"] == {"ok": 8, outcome: 8}
    assert facts["retries"] == 8
    deaths = 8 if outcome == "crash" else 0
    killed = 8 if outcome in ("garbage", "timeout_total") else 0
    assert (facts["deaths"], facts["killed"]) == (deaths, killed)
    assert facts["hangs"] == (8 if fault == "hang" else 0)
    assert facts["late_answers"] == 0


def test_a_refusal_is_not_tried_again(mill):
    done, facts = echo(mill, "refuse=100%", "--prompt", "p")
    assert done.status == 1, done
    assert facts["attempts_by"] == {"refused": 1}
    assert mill.results("x.db") == [
        "Error: Failed after 1 attempts: echo: refused by script"]


@pytest.mark.parametrize("poison, tries", [("2", 2), ("1", 1)])
def test_a_prompt_that_kills_workers_is_not_tried_again(mill, poison, tries):
    done, facts = echo(mill, "crash=100%", "--prompt", "p",
                       "--retry-attempts", "10", "--poison", poison)
    assert done.status == 1, done
    (text,) = mill.results("x.db")
    assert text.startswith(f"Error: Failed after {tries} attempts: ")
    assert f"killed {tries} worker" in text
    assert "signal 11 (Segmentation fault)" in text
    assert facts["failed_by"] == {"poison": 1}
    assert facts["deaths"] == facts["attempts"] == tries


def test_timeouts_are_no_poison(mill):
    done, facts = echo(mill, "hang=100%", "--prompt", "p", "--timeout", "0.2",
                       "--retry-attempts", "3")
    assert done.status == 1, done
    (text,) = mill.results("x.db")
    assert text.startswith("Error: Failed after 3 attempts: no answer within ")
    assert facts["failed_by"] == {"timeout_total": 1}
    assert (facts["hangs"], facts["killed"], facts["deaths"]) == (3, 3, 0)
    # Attempts × (timeout + 40 ms + grace), and the program's own start.
    assert done.seconds < 3 * (0.2 + 0.04 + 0.2) + 1


def test_a_mixture_of_all_faults_costs_no_answer(mill, prompts):
    script = ("ms=1-5,fail=15%,empty=10%,hang=3%,crash=15%,exit=10%,"
              "garbage=15%,tries=3,seed=11")
    done, facts = echo(mill, script, "-j", "8", "--timeout", "0.5",
                       "--retry-attempts", "4", "--poison", "4")
    assert done.status == 0, done
    assert mill.results("x.db") == prompts
    assert set(facts["attempts_by"]) == {
        "ok", "server_error", "empty", "timeout_total", "crash", "garbage"}
    assert facts["answered"] == COUNT == facts["attempts_by"]["ok"]
    assert facts["attempts"] == sum(facts["attempts_by"].values()) == \
        mill.sql("SELECT COUNT(*) FROM llm_attempts", db="x.db")[0][0]


def test_the_same_seed_gives_the_same_faults(mill, prompts):
    fates = []
    for db, seed in ("a.db", 5), ("b.db", 5), ("c.db", 6):
        done, _ = echo(mill, f"fail=30%,refuse=20%,seed={seed}", "-j", "3",
                       "--retry-attempts", "2", db=db)
        assert done.status == 1, done
        fates.append(mill.sql("SELECT id, attempt, outcome FROM llm_attempts "
                              "ORDER BY id, attempt", db=db))
    assert fates[0] == fates[1] != fates[2]


@pytest.mark.parametrize("script, words", [
    ("bogus=1", "bogus"),
    ("fail", "KEY=VALUE"),
    ("fail=1", "share"),
    ("fail=101%", "share"),
    ("fail=-1%", "share"),
    ("fail=nan%", "share"),
    ("ms=-5", "ms"),
    ("ms=9-5", "ms"),
    ("ms=1x", "ms"),
    ("bytes=0", "bytes"),
    ("fail=60%,crash=60%", "120%"),
    (",", "KEY=VALUE"),
])
def test_a_script_that_makes_no_sense_is_refused(mill, script, words):
    done, _ = echo(mill, script, "--prompt", "p")
    assert done.status == 2, done
    assert words in done.words
    assert not mill.db("x.db").exists()
