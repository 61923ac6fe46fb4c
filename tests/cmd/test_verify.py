# SPDX-License-Identifier: ISC
"""llmill verify: what is sound, what it finds, and that it changes nothing."""

import contextlib
import re
import sqlite3

import pytest

from test_status import cut_short, make, make_seed, traces


def alter(mill, *statements, db="a.db"):
    link = sqlite3.connect(mill.dir / db)
    with contextlib.closing(link):
        for statement in statements:
            link.execute(statement)
        link.commit()


def test_a_sound_database_is_called_so(mill):
    make(mill, 30, "echo:fail=30%,seed=7", "a.db", "--retry-attempts", 1)
    failed = sum(r.startswith("Error:") for r in mill.results("a.db"))
    before = traces(mill.dir)
    done = mill.run("verify", "a.db")
    assert done.status == 0 and done.err == "", done
    assert done.out.startswith("a.db: sound\n")
    assert (f"checked:  30 prompts, {30 - failed} answers as received, "
            f"{failed} result") in " ".join(done.out.split("\n          "))
    assert traces(mill.dir) == before


def test_an_answer_that_was_altered_is_found(mill):
    make(mill)
    alter(mill, "UPDATE llm_results SET result = 'p7 ' WHERE id = 8",
          "UPDATE llm_results SET result = '' WHERE id = 20")
    done = mill.run("verify", "a.db")
    assert done.status == 65 and done.err == "", done
    assert done.out.startswith("a.db: damaged\n")
    assert ("altered:  2 answers are not what was received: prompt 8, 20\n"
            in done.out)


def test_the_first_twenty_are_listed_and_all_are_counted(mill):
    make(mill, 50)
    alter(mill, "UPDATE llm_results SET result = 'x' WHERE id > 10")
    done = mill.run("verify", "a.db")
    text = " ".join(done.out.split())
    assert done.status == 65
    assert "40 answers are not what was received: prompt 11, 12," in text
    assert "29, 30, …" in text and "31" not in text, done


def test_a_later_answer_counts_not_an_earlier_one(mill):
    make(mill, 1)
    alter(mill, "INSERT INTO llm_attempts (id, run_id, attempt, outcome, "
          "sha256) VALUES (1, 1, 2, 'ok', 'other')")
    assert mill.run("verify", "a.db").status == 65
    alter(mill, "INSERT INTO llm_attempts (id, run_id, attempt, outcome, "
          "sha256) SELECT 1, 1, 3, 'ok', sha256 FROM llm_attempts LIMIT 1")
    assert mill.run("verify", "a.db").status == 0


def test_a_row_that_is_gone_is_found(mill):
    make(mill)
    alter(mill, "DELETE FROM llm_results WHERE id = 5")
    done = mill.run("verify", "a.db")
    assert done.status == 65 and ": 5 is missing" in done.out, done


def test_a_broken_page_is_found(mill):
    make(mill, 2000)
    whole = bytearray(mill.db("a.db").read_bytes())
    middle = len(whole) // 2 // 4096 * 4096
    whole[middle:middle + 4096] = b"\xff" * 4096
    mill.db("a.db").write_bytes(whole)
    done = mill.run("verify", "a.db")
    assert done.status == 65, done
    assert re.search("^file: ", done.out, re.M) or "corrupt" in done.err, done


def test_a_seeds_database_has_nothing_to_compare(mill):
    make_seed(mill, [None, "NA", "yes"])
    done = mill.run("verify", "seed.db")
    assert done.status == 0, done
    assert "3 prompts, 2 results without a sha256" in done.out, done


def test_answers_in_the_journal_of_a_dead_run_are_checked(mill):
    answered = cut_short(mill)
    before = traces(mill.dir)
    done = mill.run("verify", "a.db")
    assert done.status == 0, done
    assert f"{answered} answers as received" in done.out, done
    assert traces(mill.dir) == before


@pytest.mark.parametrize("name, says", [
    ("none.db", "No such file"), (".", "a directory"),
    ("text.db", "not a database")])
def test_what_is_no_database_is_one_line_and_65(mill, name, says):
    mill.write("text.db", "this is no database, but text\n" * 100)
    done = mill.run("verify", name)
    assert done.status == 65 and done.out == "", done
    assert says in done.err and done.err.count("\n") == 1, done


def test_one_bad_database_does_not_hide_the_others(mill):
    make(mill, 2)
    done = mill.run("verify", "none.db", "a.db")
    assert done.status == 65 and "a.db: sound\n" in done.out, done


def test_without_a_name_the_newest_here_is_taken(mill):
    assert mill.run("verify").status == 2
    make(mill, 2, "echo", "llm_results_20260101_000000.db")
    done = mill.run("verify")
    assert done.out.startswith("llm_results_20260101_000000.db: sound\n")
