# SPDX-License-Identifier: ISC
"""Against Python's csv and json modules, on records made to be hard: what they
read llmill reads, and what llmill writes they read."""

import csv
import io
import json
import random
import sys

import pytest

COUNT = 10_000
# Pieces of which values are made: all that a format has a meaning for.
PIECES = ['"', '""', ",", ";", "\t", "\n", "\r", "\r\n", " ", "  ", "'", "\\",
          "\\n", "{", "}", "[", "]", "{{", "}}", "{{q}}", "null", "=1+1", "-2",
          "0.30", "é", "😀", "\u2028", "\ufeff", "\u0001", "\x7f", "#", "a",
          "word", "Error: Failed after 3 attempts: ", "NA", "x" * 300]
NUMBERS = ["0.30", "1e5", "-0", "12345678901234567890123", "1E+2", "100",
           "3.14159265358979323846"]


@pytest.fixture
def chance():
    seed = random.randrange(1 << 32)
    print("seed", seed)
    return random.Random(seed)


def text_of(chance, least=0):
    return "".join(chance.choices(PIECES, k=chance.randrange(least, 6)))


def ask(mill, *args, **kwargs):
    done = mill.run("run", *args, "--backend", "echo", "-j", 2, "--progress",
                    "none", "-q", "--allow-empty", patience=60, **kwargs)
    assert done.status == 0, done
    return done


def export(mill, *args):
    done = mill.run("export", "a.db", *args, patience=60)
    assert done.status == 0, done
    return done.raw.decode()


def table_of(rows, **dialect):
    out = io.StringIO()
    csv.writer(out, **dialect).writerows(rows)
    return out.getvalue()


def read_table(text, **dialect):
    csv.field_size_limit(sys.maxsize)
    return list(csv.reader(io.StringIO(text, newline=""), **dialect))


# Python keeps a blank line out as we do, but for one column.
@pytest.mark.parametrize("name, dialect", [
    ("a.csv", {}),
    ("a.csv", {"lineterminator": "\n", "quoting": csv.QUOTE_ALL}),
    ("a.tsv", {"delimiter": "\t"}),
    ("a.tsv", {"delimiter": "\t", "quoting": csv.QUOTE_NONNUMERIC}),
], ids=["plain", "all-quoted", "tabs", "tabs-quoted"])
def test_tables(mill, chance, name, dialect):
    names = ["id", "q", "a column", 'the "last"', "result"]
    rows = [names] + [[str(n), text_of(chance, 1), text_of(chance),
                       text_of(chance), text_of(chance)]
                      for n in range(COUNT)]
    mill.write(name, table_of(rows, **dialect))
    ask(mill, name, "-t", "{{q}}", "--db", "a.db")
    # In: each value as Python wrote it, each answer the prompt.
    got = [json.loads(line) for line in export(mill).split("\n")[:-1]]
    for row, record in zip(rows[1:], got, strict=True):
        assert [record[key] for key in names] == row
        assert record["llmill_result"] == row[1]
    # Out: the same tables, for Python to read.
    for form, delimiter in ("csv", ","), ("tsv", "\t"):
        back = read_table(export(mill, "-f", form), delimiter=delimiter)
        assert back[0][:6] == [*names, "llmill_id"]
        at = back[0].index("llmill_result")
        assert [row[:5] for row in back] == rows
        assert [row[at] for row in back[1:]] == [row[1] for row in rows[1:]]


def value_of(chance, depth=0):
    """A value as JSON text, in one of the many ways it can be written."""
    kind = chance.randrange(8 if depth < 3 else 5)
    if kind == 0:
        return chance.choice(["null", "true", "false"])
    if kind == 1:
        return chance.choice(NUMBERS)
    if kind < 5:
        return json.dumps(text_of(chance) + chance.choice(["", "\0", "\ud800"]),
                          ensure_ascii=True)
    if kind == 5:
        return "[" + chance.choice([",", " , "]).join(
            value_of(chance, depth + 1)
            for _ in range(chance.randrange(4))) + "]"
    return "{" + ", ".join(
        json.dumps(text_of(chance) + str(n)) + ":" + value_of(chance, depth + 1)
        for n in range(chance.randrange(3))) + "}"


def test_lines_of_json(mill, chance):
    lines = []
    for n in range(COUNT):
        members = [f'"own {key}": {value_of(chance)}'
                   for key in range(chance.randrange(4))]
        members.append(f'"prompt":{json.dumps(text_of(chance, 1))}')
        chance.shuffle(members)
        lines.append("{" + ",".join(members) + "}")
    mill.write("a.jsonl", "\n".join(lines))
    ask(mill, "a.jsonl", "--db", "a.db")
    out = export(mill).split("\n")[:-1]
    exact = {"parse_float": str, "parse_int": str}
    for line, got in zip(lines, out, strict=True):
        record, answer = json.loads(line, **exact), json.loads(got, **exact)
        prompt = record.pop("prompt")
        assert answer["result"] == prompt
        assert {key: answer[key] for key in record} == record
        for key in record:  # the same text, not only the same value
            assert f'"{key}":' in got


@pytest.mark.parametrize("form, ending", [
    ("jsonl", "jsonl"), ("csv", "csv"), ("tsv", "tsv"), ("nul", "nul")])
def test_every_byte_comes_around(mill, chance, form, ending):
    """in → database → out → in: the answers of one run are the prompts of the
    next, twice."""
    prompts = [text_of(chance, 1) for _ in range(2000)]
    mill.write("0.nul", "\0".join(prompts) + "\0")
    source = ("0.nul", "-0")
    for step in range(2):
        (mill.dir / "a.db").unlink(missing_ok=True)
        ask(mill, *source, "--db", "a.db")
        assert mill.results("a.db") == prompts
        done = mill.run("export", "a.db", "-f", form, "-o", f"x.{ending}",
                        *(() if form == "nul" else ("--fields",
                                                    "prompt=result")))
        assert done.status == 0, done
        source = (f"x.{ending}", "-0") if form == "nul" else (f"x.{ending}",)
