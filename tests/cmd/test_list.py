# SPDX-License-Identifier: ISC
"""Which of a list is done: --sample, --repeat, --dedup."""

import json

from conftest import until

CALLS = """
    read prompt
    echo "$prompt" >>calls
    test "$prompt" = bad || echo "$prompt!"\n"""


def calls(mill):
    path = mill.dir / "calls"
    return sorted(path.read_text().split()) if path.exists() else []


def run(mill, *args, **kwargs):
    return mill.run("run", "p", "--db", "a.db", *args, "--", "./cmd", **kwargs)


def begin(mill, prompts):
    mill.write("p", "".join(prompt + "\n" for prompt in prompts))
    mill.script("cmd", CALLS)


# --- a sample ---


def test_a_sample_is_drawn_and_the_rest_done_later(mill):
    begin(mill, [str(n) for n in range(100)])
    done = run(mill, "--sample", "10:7")
    assert done.status == 0, done
    first = calls(mill)
    assert len(first) == len(set(first)) == 10
    assert first != sorted(str(n) for n in range(10))
    assert len([text for text in mill.results("a.db") if text]) == 10
    assert run(mill, "--sample", "10:7").status == 0  # the same
    assert calls(mill) == first
    assert run(mill, "--sample", "15:7").status == 0  # five more
    assert len(calls(mill)) == 15 and set(first) < set(calls(mill))
    done = run(mill, "--json")
    assert done.status == 0, done
    assert calls(mill) == sorted(str(n) for n in range(100))


def test_another_seed_draws_others_within_a_range(mill):
    begin(mill, [str(n) for n in range(100)])
    drawn = []
    for seed in "1", "2", "":
        run(mill, "--sample", "10" + (":" + seed if seed else ""), "--range",
            "51:80")
        drawn.append(calls(mill))
        (mill.dir / "calls").unlink(missing_ok=True)
        (mill.dir / "a.db").unlink()
    assert drawn[0] == drawn[2] != drawn[1]
    assert all(50 <= int(prompt) < 80 for prompt in drawn[0] + drawn[1])


def test_a_sample_of_more_than_there_are_is_all(mill):
    begin(mill, ["a", "b"])
    assert run(mill, "--sample", "10").status == 0
    assert calls(mill) == ["a", "b"]


# --- again and again ---


def test_each_prompt_is_asked_so_many_times(mill):
    begin(mill, ["a", "b"])
    done = run(mill, "--repeat", 3)
    assert done.status == 0, done
    assert calls(mill) == ["a"] * 3 + ["b"] * 3
    assert mill.sql("SELECT id, prompt FROM llm_results ORDER BY id",
                    db="a.db") == list(enumerate("aaabbb", 1))
    done = run(mill, "--repeat", 2)
    assert done.status == 2, done  # another list


def test_bad_records_keep_as_many_ids(mill):
    mill.write("p", '{"prompt":"a"}\n{\n{"prompt":"b"}\n')
    mill.script("cmd", CALLS)
    done = run(mill, "--repeat", 2, "--skip-bad")
    assert done.status == 0, done
    assert mill.results("a.db") == ["a!", "a!", None, None, "b!", "b!"]


# --- the same only once ---


def test_the_same_request_is_sent_once_and_its_answer_copied(mill):
    begin(mill, ["a", "b", "a", "bad", "a", "bad"])
    done = run(mill, "--dedup", "--retry-attempts", 1, "--json")
    assert done.status == 1, done
    assert "3 of 6 to do are the same request as another" in done.err
    assert calls(mill) == ["a", "b", "bad"]
    results = mill.results("a.db")
    assert results[:3] == ["a!", "b!", "a!"] and results[4] == "a!"
    assert results[3] == results[5] == ("Error: Failed after 1 attempts: "
                                        "the answer is empty (--allow-empty "
                                        "takes it)")
    assert mill.sql("SELECT id, outcome, error FROM llm_attempts"
                    " WHERE attempt = 0 ORDER BY id", db="a.db") == [
        (3, "ok", "copy of prompt 1"), (5, "ok", "copy of prompt 1"),
        (6, "empty", "the answer is empty (--allow-empty takes it)")]
    assert mill.sql("SELECT id, attempts FROM llm_status ORDER BY id",
                    db="a.db") == [(1, 1), (2, 1), (3, 0), (4, 1), (5, 0),
                                   (6, 0)]
    told = json.loads(done.out)
    assert (told["answered"], told["failed"], told["attempts"]) == (4, 2, 3)
    assert mill.run("verify", "a.db").status == 0


def test_an_answer_of_an_earlier_run_is_copied_too(mill):
    begin(mill, ["a", "b", "a"])
    assert run(mill, "-n", 1).status == 0
    assert run(mill, "--dedup").status == 0
    assert calls(mill) == ["a", "b"]
    assert mill.results("a.db") == ["a!", "b!", "a!"]


def test_what_only_looks_the_same_is_not(mill, stub):
    server = stub()
    mill.write("p.jsonl", "".join(json.dumps(record) + "\n" for record in [
        {"prompt": "a"}, {"prompt": "a", "system": "s"},
        {"prompt": "a", "own": 1}, {"prompt": "a", "params": {"seed": 1}},
        {"messages": [{"role": "user", "content": "a"}]}]))
    done = mill.run("run", "p.jsonl", "--db", "a.db", "--dedup", "-u",
                    server.url, "-m", "m")
    assert done.status == 0, done
    assert len(server.requests()) == 4  # own members are not sent
    assert len(mill.results("a.db")) == 5


def test_a_run_that_is_killed_copies_later(mill):
    begin(mill, ["a", "b", "a", "c", "a"])
    mill.script("cmd", CALLS + "test -e go || exec sleep 100\n")
    running = mill.start("run", "p", "--db", "a.db", "--dedup", "-j", 1, "--",
                         "./cmd")
    until(lambda: calls(mill) == ["a"], "a call")
    running.popen.kill()
    running.wait()
    mill.write("go", "")
    done = mill.run("resume", "a.db", "--", "./cmd")  # which keeps it
    assert done.status == 0, done
    assert calls(mill) == ["a", "a", "b", "c"]
    assert mill.results("a.db") == ["a!", "b!", "a!", "c!", "a!"]
