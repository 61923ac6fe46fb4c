# SPDX-License-Identifier: ISC
"""--shard: each process has a part of the list, under the ids of the whole."""

import json

import pytest


def texts(count):
    return [f"p{n}" for n in range(1, count + 1)]


def shard(mill, which, *more, count=10, db="a.{shard}.db", **kwargs):
    mill.write("in.txt", "".join(f"{text}\n" for text in texts(count)))
    return mill.run("run", "in.txt", "--backend", "echo", "--shard", which,
                    "--db", db, *more, **kwargs)


def ids(mill, db):
    return [number for number, in mill.sql(
        "SELECT id FROM llm_results ORDER BY id", db=db)]


def test_shards_together_have_every_prompt_once_under_its_own_id(mill):
    found = {}
    for number in range(4):
        done = shard(mill, f"{number}/4", "-o", "a.{shard}.jsonl")
        assert done.status == 0, done
        name = f"a.00{number}of004"
        rows = mill.sql("SELECT id, prompt, result FROM llm_results",
                        db=name + ".db")
        assert all(f"p{id}" == prompt == result for id, prompt, result in rows)
        found[number] = [id for id, _, _ in rows]
        lines = (mill.dir / (name + ".jsonl")).read_text().splitlines()
        assert [json.loads(line)["id"] for line in lines] == found[number]
        assert mill.sql("SELECT shard FROM llm_runs", db=name + ".db") == [
            (f"{number}/4",)]
    assert found == {number: list(range(number + 1, 11, 4))
                     for number in range(4)}


def test_ids_are_those_of_the_whole_for_commands_and_dry_runs(mill):
    mill.write("in.txt", "".join(f"{text}\n" for text in texts(5)))
    done = mill.run("run", "in.txt", "--shard", "1/2", "--db", "x.db", "--",
                    "sh", "-c", "echo $LLMILL_PROMPT_ID")
    assert done.status == 0, done
    assert mill.results("x.db") == ["2", "4"]
    done = shard(mill, "3/4", "--dry-run", "--json")
    assert json.loads(done.out)["first"]["id"] == 4, done


@pytest.mark.parametrize("choice, chosen", [
    (("--first", "6"), [2, 6]), (("--range", "3:9"), [6]),
    (("--range", "6:"), [6, 10])])
def test_ranges_are_those_of_the_whole(mill, choice, chosen):
    done = shard(mill, "1/4", *choice, db="x.db")
    assert done.status == 0, done
    assert mill.sql("SELECT id FROM llm_results WHERE result NOT NULL",
                    db="x.db") == [(number,) for number in chosen]


def test_a_shard_goes_on_and_is_resumed_without_its_input(mill):
    shard(mill, "1/3", "--first", "4", db="x.db")
    assert mill.results("x.db") == ["p2", None, None]
    done = mill.run("resume", "x.db", "--first", "5")
    assert done.status == 0, done
    assert mill.results("x.db") == ["p2", "p5", None]
    done = shard(mill, "1/3", db="x.db")
    assert done.status == 0 and "2 of 3 answered, 1 to do" in done.err, done
    assert ids(mill, "x.db") == [2, 5, 8]
    assert mill.sql("SELECT DISTINCT shard FROM llm_runs", db="x.db") == [
        ("1/3",)]


def test_status_says_which_shard_it_is(mill):
    shard(mill, "1/3", db="x.db")
    done = mill.run("status", "x.db")
    assert "3: 3 answered; shard 1/3 of a list" in done.out, done
    done = mill.run("status", "--json", "x.db")
    assert json.loads(done.out)["shard"] == "1/3"
    mill.run("run", "in.txt", "--backend", "echo", "--db", "y.db")
    assert json.loads(mill.run("status", "--json", "y.db").out)[
        "shard"] is None


def test_a_shard_with_no_prompt_is_nothing_to_do(mill):
    done = shard(mill, "3/4", count=2)
    assert done.status == 0, done
    assert "shard 3 of 4 has none of the 2 prompts" in done.err
    assert not list(mill.dir.glob("*.db"))


@pytest.mark.parametrize("which, told", [
    ("1/4", "x.db holds shard 1/3, this is shard 1/4"),
    ("2/3", "x.db holds shard 1/3, this is shard 2/3"),
    (None, "x.db holds shard 1/3, this is a whole list")])
def test_another_shard_is_refused(mill, which, told):
    shard(mill, "1/3", db="x.db")
    words = ["--shard", which] if which else []
    done = mill.run("run", "in.txt", "--backend", "echo", "--db", "x.db",
                    *words)
    assert done.status == 2 and told in done.err, done
    dry = mill.run("run", "in.txt", "--backend", "echo", "--db", "x.db",
                   "--dry-run", *words)
    assert dry.status == 2 and told in dry.err, dry


def test_a_list_that_changed_is_refused_and_one_that_grew_wants_extend(mill):
    shard(mill, "1/3", db="x.db")
    mill.write("other.txt", "".join(
        f"{text}\n" for text in texts(9) + ["another"]))
    done = mill.run("run", "other.txt", "--backend", "echo", "--db", "x.db",
                    "--shard", "1/3")
    assert done.status == 2 and "a shard of another list" in done.err, done
    done = shard(mill, "1/3", count=12, db="x.db")
    assert done.status == 2 and "--extend takes one that only" in done.err
    assert ids(mill, "x.db") == [2, 5, 8]
    done = shard(mill, "1/3", "--extend", count=12, db="x.db")
    assert done.status == 0 and "the list grew by 1 prompt" in done.err, done
    assert ids(mill, "x.db") == [2, 5, 8, 11]
    assert mill.results("x.db") == ["p2", "p5", "p8", "p11"]
    done = shard(mill, "1/3", count=12, db="x.db")
    assert done.status == 0, done


def test_a_whole_list_is_no_shard(mill):
    mill.write("in.txt", "".join(f"{text}\n" for text in texts(4)))
    mill.run("run", "in.txt", "--backend", "echo", "--db", "x.db")
    done = shard(mill, "0/2", count=4, db="x.db")
    assert done.status == 2, done
    assert "x.db holds a whole list, this is shard 0/2" in done.err


@pytest.mark.parametrize("env, number", [
    ({"SLURM_ARRAY_TASK_ID": "2"}, 2),
    ({"SLURM_ARRAY_TASK_ID": "2", "SLURM_PROCID": "0",
      "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1"}, 2),
    ({"PBS_ARRAY_INDEX": "0"}, 0),
    ({"LSB_JOBINDEX": "1"}, 0), ({"LSB_JOBINDEX": "3"}, 2),
    ({"OAR_ARRAY_INDEX": "2"}, 1), ({"FLUX_JOB_CC": "1"}, 1),
    ({"SLURM_PROCID": "1", "SLURM_STEP_ID": "0",
      "SLURM_STEP_NUM_TASKS": "3"}, 1),
    ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3"}, 2),
    ({"LSB_JOBINDEX": "0", "FLUX_TASK_RANK": "1"}, 1)])
def test_the_batch_system_says_which(mill, env, number):
    done = shard(mill, "auto/3", env=env)
    assert done.status == 0, done
    assert ids(mill, f"a.00{number}of003.db")[0] == number + 1


@pytest.mark.parametrize("env, told", [
    ({}, "no task of an array and no rank of a step"),
    # A batch script has a rank as well, but is in no step.
    ({"SLURM_PROCID": "0"}, "no task of an array"),
    ({"LSB_JOBINDEX": "0"}, "no task of an array"),
    ({"SLURM_ARRAY_TASK_ID": "3"},
     '$SLURM_ARRAY_TASK_ID is "3": --shard auto/3 wants 0 to 2'),
    ({"LSB_JOBINDEX": "4"}, '$LSB_JOBINDEX is "4": --shard auto/3 wants 1 to'),
    ({"PBS_ARRAY_INDEX": "x"}, '$PBS_ARRAY_INDEX is "x"'),
    ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"},
     '$OMPI_COMM_WORLD_SIZE is "2", but --shard auto/3 wants 3')])
def test_what_the_batch_system_says_is_judged(mill, env, told):
    done = shard(mill, "auto/3", env=env)
    assert done.status == 2 and told in done.err, done
    assert not list(mill.dir.glob("*.db"))


@pytest.mark.parametrize("words, told", [
    (["--shard", "4/4", "--db", "x"], '"4/4" is not allowed'),
    (["--shard", "1", "--db", "x"], "takes K/N"),
    (["--shard", "-1/4", "--db", "x"], "takes K/N"),
    (["--shard", "1/0", "--db", "x"], "takes K/N"),
    (["--shard", "any/4", "--db", "x"], "takes K/N"),
    (["--shard", "1/4"], "--shard wants a --db of its own"),
    (["--shard", "1/4", "--no-db"], "--shard wants a --db of its own"),
    (["--db", "x.{shard}"], "means nothing without --shard"),
    (["--extend"], "--extend is for --shard")])
def test_shards_are_judged_before_anything_is_read(mill, words, told):
    done = mill.run("run", "nothing.txt", "--backend", "echo", *words)
    assert done.status == 2 and told in done.err, done


def test_only_the_shard_is_kept_in_memory(mill):
    text = "x" * 1000
    mill.write("in.txt", "".join(f"{text}{n}\n" for n in range(40_000)))

    def peak(*words):
        done = mill.run("run", "in.txt", "--backend", "echo", "-n", "1", "-j",
                        "1", *words, before=["/usr/bin/env", "python3", "-c",
                        "import os,resource,subprocess,sys;"
                        "subprocess.run(sys.argv[1:], check=True);"
                        "print(resource.getrusage("
                        "resource.RUSAGE_CHILDREN).ru_maxrss)"])
        assert done.status == 0, done
        return int(done.out.split()[-1])

    whole = peak("--db", "whole.db")
    assert peak("--db", "x.db", "--shard", "1/40") < whole - 30_000


# --- merging them ---

def merge(mill, *words):
    return mill.run("merge", "-o", "all.db", *words,
                    *sorted(path.name for path in mill.dir.glob("a.*.db")))


def test_all_shards_become_the_whole_list(mill):
    for number in range(4):
        shard(mill, f"{number}/4")
    done = merge(mill)
    assert done.status == 0 and done.err == "", done
    assert mill.results("all.db") == texts(10)
    assert mill.run("verify", "all.db").status == 0
    # The whole list goes on with it, no shard does.
    done = mill.run("run", "in.txt", "--backend", "echo", "--db", "all.db")
    assert done.status == 0 and "10 of 10 answered" in done.err, done
    assert shard(mill, "1/4", db="all.db").status == 2
    assert mill.run("resume", "all.db").status == 0


def test_missing_and_unfinished_shards_are_said_with_what_does_them(mill):
    for number in (0, 2, 3, 7, 9, 10, 11):
        shard(mill, f"{number}/12", count=40)
    shard(mill, "5/12", "--first", "6", count=40)
    done = merge(mill)
    assert done.status == 65, done
    assert "4 of 12 shards are missing: 1,4,6,8" in done.err
    assert "a.005of012.db: 2 prompts of shard 5 are still open" in done.err
    assert "`sbatch --array=1,4-6,8`" in done.err
    assert not (mill.dir / "all.db").exists()
    done = merge(mill, "--partial")
    assert done.status == 0, done
    assert "sbatch --array=1,4-6,8 of the same job" in " ".join(
        done.out.split())
    assert "4 of 12 shards are missing" in done.err
    done = merge(mill, "--partial", "--json")
    assert json.loads(done.out)["shards_lacking"] == "1,4-6,8"
    for number in (1, 4, 5, 6, 8):
        shard(mill, f"{number}/12", count=40)
    assert merge(mill).status == 0
    assert mill.results("all.db") == texts(40)


def test_a_list_of_shards_too_long_for_a_line_is_not_cut_to_a_wrong_one(mill):
    mill.write("in.txt", "".join(f"{text}\n" for text in texts(240)))
    for number in range(0, 240, 2):
        mill.run("run", "in.txt", "--backend", "echo", "--shard",
                 f"{number}/240", "--db", "a.{shard}.db")
    lacking = ",".join(str(number) for number in range(1, 240, 2))
    done = merge(mill)
    assert done.status == 65 and "sbatch" not in done.err, done
    assert "120 of 240 shards are missing: 1,3,5," in done.err
    shown = done.err.split("missing: ")[1].split("…")[0]
    assert lacking.startswith(shown) and shown.endswith(",")
    assert "with --json lists the shards that are left" in done.err
    done = merge(mill, "--partial", "--json")
    assert json.loads(done.out)["shards_lacking"] == lacking


def test_shards_that_have_no_prompt_are_not_missing(mill):
    for number in range(3):
        assert shard(mill, f"{number}/3", count=2).status == 0
    assert merge(mill).status == 0
    assert mill.results("all.db") == texts(2)


def test_shards_cut_otherwise_are_no_whole(mill):
    shard(mill, "0/2")
    shard(mill, "1/3")
    done = merge(mill)
    assert done.status == 65, done
    assert "a.000of002.db holds shard 0/2, a.001of003.db holds shard 1/3" in \
        done.err


def test_shards_of_a_list_that_grew_are_told_from_the_others(mill):
    shard(mill, "0/2")
    shard(mill, "1/2", count=11)
    done = merge(mill)
    assert done.status == 65, done
    assert "a.000of002.db is shard 0/2 of a list of 10 prompts" in done.err
    assert "run the shorter one again with --extend" in done.err
    shard(mill, "0/2", "--extend", count=11)
    assert merge(mill).status == 0
    assert mill.results("all.db") == texts(11)


def test_a_failed_prompt_is_no_reason_to_wait(mill):
    shard(mill, "0/2")
    done = mill.run("run", "in.txt", "--backend", "echo:fail=100%,tries=9",
                    "--shard", "1/2", "--db", "a.{shard}.db",
                    "--retry-attempts", "1")
    assert done.status == 1, done
    done = merge(mill, "--partial")
    assert "5 failed" in done.out and "missing" not in done.err, done
