# SPDX-License-Identifier: ISC
"""What is read: formats, bad records, and where prompts come from."""

import json
import os
import threading

import pytest

ECHO = ("--backend", "echo", "--db", "a.db")


def prompts(mill):
    """The stored prompts in order."""
    ids, texts = zip(*mill.sql(
        "SELECT id, prompt FROM llm_results ORDER BY id", db="a.db"))
    assert list(ids) == list(range(1, len(ids) + 1))
    return list(texts)


def inputs(mill):
    return mill.sql("SELECT id, custom_id, file, line, fields, body"
                    " FROM llm_inputs ORDER BY id", db="a.db")


def read(mill, *args, **kwargs):
    """Run all that is given through echo. Gives the prompts."""
    done = mill.run("run", *args, *ECHO, **kwargs)
    assert done.status == 0, done
    assert mill.results("a.db") == prompts(mill)
    return prompts(mill)


def refused(mill, *args, **kwargs):
    """Run what is bad input. Gives its lines; nothing was made."""
    before = set(mill.dir.iterdir())
    done = mill.run("run", *args, *ECHO, **kwargs)
    assert done.status == 65, done
    assert done.out == "" and set(mill.dir.iterdir()) == before, done
    return done.err.splitlines()


# --- lines and pieces ---


@pytest.mark.parametrize("text, want", [
    ("a\nb\n", ["a", "b"]),
    ("a\nb", ["a", "b"]),
    ("a\r\nb\r\n", ["a", "b"]),
    ("a\rb\r\r\n", ["a\rb\r"]),
    ("\n\na\n\r\nb\n\n", ["a", "b"]),
    ("\ufeffa\n\ufeffb\n", ["a", "\ufeffb"]),
    ("  a \t\n \n", ["  a \t", " "]),
    ("é 漢字 🎈\n\x07\x1b[31m\n", ["é 漢字 🎈", "\x07\x1b[31m"]),
    ('{"no": "prompt"}\n{x\n', ['{"no": "prompt"}', "{x"]),
    ("a\u2028b\u0085c\n", ["a\u2028b\u0085c"]),
], ids=ascii)
def test_a_line_is_a_prompt_byte_for_byte(mill, text, want):
    mill.write("in.txt", text)
    assert read(mill, "in.txt") == want


def test_empty_lines_are_counted_and_have_no_id(mill):
    mill.write("in.txt", "\na\n\n\nb\n")
    done = mill.run("run", "in.txt", *ECHO)
    assert done.status == 0, done
    assert "skipped:  3 empty lines" in done.err
    assert prompts(mill) == ["a", "b"]


@pytest.mark.parametrize("option", ["-0", "--input-format=nul"])
def test_nul_ends_prompts_that_hold_line_ends(mill, option):
    mill.write("in.txt", "a\nb\n\0\0c\r\0d")
    assert read(mill, "in.txt", option) == ["a\nb\n", "c\r", "d"]


def test_a_line_of_a_megabyte_is_a_prompt(mill):
    long = "x" * (1 << 20)
    mill.write("in.txt", f"a\n{long}\nb\n")
    assert read(mill, "in.txt") == ["a", long, "b"]


def test_a_prompt_over_the_cap_is_a_bad_record(mill):
    mill.write("in.txt", "a" * 10 + "\n" + "b" * 11 + "\n" + "c" * 200000)
    assert refused(mill, "in.txt", "--max-prompt-bytes", "10") == [
        "llmill: error: in.txt:2: longer than 10 bytes (--max-prompt-bytes)",
        "llmill: error: in.txt:3: longer than 10 bytes (--max-prompt-bytes)",
        "llmill: 2 bad records; --skip-bad goes on without them"]


# --- jsonl ---


def test_jsonl_keeps_other_keys_as_the_same_text(mill):
    mill.write("in.jsonl", "\ufeff" + r'''
{"prompt": "a\u0041\n\"", "id": "x1", "w": 0.30, "z" : [1, {"k":1e400}]}

{"custom_id": "c2", "id": 7, "prompt": "b", "s": "\u00e9\/"}
{"id": 12345678901234567890, "prompt": "c"}
{"prompt": "d", "system": "S", "model": "M", "params": {"x": 1.0}}
'''[1:])
    assert read(mill, "in.jsonl") == ['aA\n"', "b", "c", "d"]
    assert inputs(mill) == [
        (1, "x1", "in.jsonl", 1, '{"w":0.30,"z":[1, {"k":1e400}]}', None),
        (2, "c2", "in.jsonl", 3, '{"s":"\\u00e9\\/","id":7}', None),
        (3, "12345678901234567890", "in.jsonl", 4, None, None),
        (4, None, "in.jsonl", 5, None,
         '{"system":"S","model":"M","params":{"x": 1.0}}')]


def test_messages_are_kept_as_they_are(mill):
    one = '[{"role":"user",  "content":"Hi"}]'
    many = one[:-1] + ', {"role":"assistant","content":"Ho"}]'
    mill.write("in.jsonl", f'{{"messages": {one}}}\n{{"messages":{many}}}\n')
    read(mill, "in.jsonl")
    assert prompts(mill) == ["Hi", many]
    assert [row[5] for row in inputs(mill)] == [
        f'{{"messages":{one}}}', f'{{"messages":{many}}}']


@pytest.mark.parametrize("name, text, want", [
    ("in.jsonl", '{"prompt": "a"}\n', "a"),
    ("IN.NDJSON", '{"prompt": "a"}\n', "a"),
    ("in", '\n {"prompt": "a"}\n', "a"),
    ("in.txt", '{"messages": [{"role":"user","content":"a"}]}', "a"),
    ("in.txt", '{"other": 1}', '{"other": 1}'),
    ("in.txt", '["prompt"]', '["prompt"]'),
])
def test_the_format_is_seen_from_name_and_first_line(mill, name, text, want):
    mill.write(name, text)
    assert read(mill, name) == [want]


def test_the_format_can_be_said(mill):
    mill.write("in.jsonl", '{"prompt": "a"}\n')
    assert read(mill, "in.jsonl", "--input-format", "lines") == [
        '{"prompt": "a"}']
    mill.write("in.txt", "a\n")
    assert refused(mill, "in.txt", "--input-format", "jsonl")[0].startswith(
        "llmill: error: in.txt:1: bad JSON")


BAD = [
    ("not json", "bad JSON"), ('{"prompt": "a"', "bad JSON"),
    ('{"prompt": "a"} x', "bad JSON"), ('["a"]', "not a JSON object"),
    ('{"x": 1}', "neither prompt nor messages"),
    ('{"prompt": "a", "messages": []}', "both prompt and messages"),
    ('{"prompt": 1}', "prompt is no string"),
    ('{"prompt": "a", "system": 1}', "system is no string"),
    ('{"prompt": "a", "model": []}', "model is no string"),
    ('{"prompt": "a", "params": 1}', "params is no object"),
    ('{"prompt": "a", "id": {}}', "id is neither string nor number"),
    ('{"messages": []}', "messages is no array with something in it"),
    ('{"messages": ["a"]}', "a message is no object"),
    ('{"messages": [{"content": "a"}]}', "a message has no role"),
    ('{"prompt": "a\\u0000b"}', "a NUL byte in the prompt"),
]

PARAMS = [
    ('{"prompt": "a", "params": {"n": 2}}', "params: n above 1"),
    ('{"prompt": "a", "params": {"n": 1, "n": 2}}', "params: n above 1"),
    ('{"messages": [{"role": "user", "content": "a"}], "params": {"n": 3}}',
     "params: n above 1"),
    ('{"prompt": "a", "params": {"stream": true}}', "params: stream is"),
    ('{"prompt": "a", "params": {"stream_options": {}}}',
     "params: stream_options"),
    ('{"prompt": "a", "params": {"messages": []}}', "params: messages"),
]


def test_what_changes_nothing_in_params_is_taken(mill):
    mill.write("in.jsonl", '{"prompt": "a", "params": '
               '{"n": 1, "stream": false, "top_k": 2}}')
    assert read(mill, "in.jsonl") == ["a"]


@pytest.mark.parametrize("rows", [BAD, PARAMS])
def test_bad_records_are_told_with_file_line_and_reason(mill, rows):
    lines = ['{"prompt": "good"}'] + [line for line, _ in rows]
    mill.write("in.jsonl", "\n".join(lines) + "\n\n" + "[" * 100000)
    said = refused(mill, "in.jsonl")
    assert said[-1] == (f"llmill: {len(rows) + 1} bad records; --skip-bad goes"
                        " on without them")
    for number, (said_line, (_, why)) in enumerate(zip(said, rows), 2):
        assert said_line.startswith(
            f"llmill: error: in.jsonl:{number}: {why}"), said_line
    assert said[-2].startswith(
        f"llmill: error: in.jsonl:{len(rows) + 3}: bad JSON")


@pytest.mark.parametrize("bad, why", [
    (b"ab\xffc", "not UTF-8 at byte 3"), (b"\xc0\x80", "not UTF-8 at byte 1"),
    (b"\xed\xa0\x80", "not UTF-8 at byte 1"),
    (b"a\0b", "a NUL byte in the prompt")], ids=str)
def test_what_is_no_text_is_a_bad_record(mill, bad, why):
    mill.write("in.txt", b"good\n" + bad + b"\n")
    assert refused(mill, "in.txt") == [
        f"llmill: error: in.txt:2: {why}",
        "llmill: 1 bad record; --skip-bad goes on without it"]


def test_only_the_first_twenty_are_told_but_all_are_counted(mill):
    mill.write("a.jsonl", "x\n" * 15)
    mill.write("b.jsonl", "x\n" * 15)
    said = refused(mill, "a.jsonl", "b.jsonl")
    assert len(said) == 21
    assert said[-1].startswith("llmill: 30 bad records (the first are listed)")
    assert said[14].startswith("llmill: error: a.jsonl:15: ")
    assert said[19].startswith("llmill: error: b.jsonl:5: ")


def test_bad_records_can_be_skipped_and_keep_their_id(mill):
    mill.write("in.jsonl", '{"prompt": "a"}\nx\n{"prompt": "b"}\n')
    command = ("run", "in.jsonl", *ECHO, "--skip-bad")
    done = mill.run(*command)
    assert done.status == 0, done
    assert prompts(mill) == ["a", "", "b"]
    assert mill.results("a.db") == ["a", None, "b"]
    assert "llmill: in.jsonl:2: bad JSON" in done.err
    assert "llmill: warning: 1 bad record skipped\n" in done.err
    done = mill.run(*command)
    assert done.status == 0, done
    assert mill.sql("SELECT count(*) FROM llm_attempts", db="a.db") == [(2,)]


def test_when_all_records_are_bad_nothing_is_left_to_do(mill):
    mill.write("in.jsonl", "x\ny\n")
    done = mill.run("run", "in.jsonl", *ECHO, "--skip-bad", "-o", "out")
    assert done.status == 0, done
    assert "nothing to do" in done.err and "2 bad records" in done.err
    assert [json.loads(line)["ok"] for line in
            (mill.dir / "out").read_text().splitlines()] == [False, False]


def test_terminal_controls_in_names_are_escaped(mill):
    mill.write("e\x1b[31m.txt", b"\xff\n")
    said = refused(mill, "e\x1b[31m.txt")
    assert "\x1b" not in "".join(said)
    assert "\\x1B[31m.txt:1: not UTF-8" in said[0]


# --- where from ---


def test_several_inputs_are_one_list_with_prompts_in_front(mill):
    mill.write("a.txt", "a1\na2")
    mill.write("b.jsonl", '\n{"prompt": "b1", "n": 1}\n')
    assert read(mill, "a.txt", "--prompt", "p1", "-", "--prompt=p2",
                "b.jsonl", stdin="s1\ns2\n") == [
        "p1", "p2", "a1", "a2", "s1", "s2", "b1"]
    assert inputs(mill) == [(7, None, "b.jsonl", 2, '{"n":1}', None)]


def test_without_input_standard_input_is_read(mill):
    assert read(mill, stdin="a\nb\n") == ["a", "b"]


def test_jsonl_is_seen_on_standard_input_too(mill):
    assert read(mill, stdin='{"prompt": "a"}\n') == ["a"]


def test_a_prompt_may_hold_line_ends_and_be_empty_looking(mill):
    assert read(mill, "--prompt", "a\nb\r", "--prompt", " ") == ["a\nb\r", " "]


def test_everything_is_read_before_anything_is_sent(mill, stub):
    server = stub()
    os.mkfifo(mill.dir / "pipe")
    running = mill.start("run", "pipe", "-u", server.url, "-m", "m1", "--db",
                         "a.db")
    with open(mill.dir / "pipe", "w") as pipe:  # opened when llmill reads
        pipe.write("a\n" * 100)
        pipe.flush()
        pipe.write("b\xe9\n")
        assert server.requests() == []
    assert running.wait().status == 0
    assert len(server.requests()) == 101


def test_process_substitution_works(mill):
    read_end, write_end = os.pipe()
    threading.Thread(target=lambda: (os.write(write_end, b"a\nb\n"),
                                     os.close(write_end))).start()
    try:
        done = mill.run("run", "/dev/fd/0", *ECHO,
                        preexec=lambda: os.dup2(read_end, 0))
    finally:
        os.close(read_end)
    assert done.status == 0, done
    assert prompts(mill) == ["a", "b"]


@pytest.mark.parametrize("words, stdin, where", [
    (["in.txt"], "", "in.txt"), (["in.txt", "in.txt"], "", "in.txt and 1"),
    ([], "", "stdin"), (["-"], "\n\n", "stdin"),
    (["/dev/null"], "", "/dev/null")], ids=str)
def test_no_prompts_at_all_is_bad_input(mill, words, stdin, where):
    mill.write("in.txt", "\n\r\n")
    said, = refused(mill, *words, stdin=stdin)
    assert said.startswith(f"llmill: no prompts in {where}")


@pytest.mark.parametrize("name, why", [
    ("nosuch.txt", "nosuch.txt: No such file"), ("dir", "dir: is a directory"),
    ("a.txt/b", "Not a directory"), ("/dev/zero", "is a device"),
    ("loop", "symbolic links"),
    ("table.xlsx", "there is no reader for .xlsx files")])
def test_what_cannot_be_read_is_said_in_one_line(mill, name, why):
    mill.write("a.txt", "a\n")
    (mill.dir / "dir").mkdir()
    (mill.dir / "loop").symlink_to("loop")
    mill.write("table.xlsx", "prompt,n\na,1\n")
    before = set(mill.dir.iterdir())
    done = mill.run("run", "a.txt", name, *ECHO)
    assert done.status == 65, done
    assert why in done.err and done.err.count("\n") == 1
    assert set(mill.dir.iterdir()) == before


def test_a_hundred_thousand_prompts_are_read_and_kept(mill):
    count = 100000
    mill.write("in.jsonl", "".join(
        f'{{"prompt":"prompt number {n}","n":{n}}}\n' for n in range(count)))
    done = mill.run("run", "in.jsonl", *ECHO, "-n", 1, "--json")
    assert done.status == 0, done
    assert json.loads(done.out)["total"] == count
    assert mill.sql("SELECT count(*), count(result), max(id) FROM llm_results",
                    db="a.db") == [(count, 1, count)]
    assert done.seconds < 5
