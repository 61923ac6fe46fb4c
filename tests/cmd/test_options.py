# SPDX-License-Identifier: ISC
"""What a user can type: all of it is judged before anything is opened or
sent, and what is wrong gets one line and exit status 2."""

import contextlib
import json
import os
import re
import socket
import sqlite3
import stat

import pytest

KEY = "sk-test-abcdefghijklmnopqrstuvwxyz"
ECHO = ("--backend", "echo", "--no-db", "-q")


def refused(mill, *args, **kwargs):
    """Run what must be refused. Gives the one line it says."""
    before = set(mill.dir.iterdir())
    done = mill.run(*args, **kwargs)
    assert done.status == 2, done
    assert done.out == "", done
    assert done.err.startswith("llmill: "), done
    assert done.err.endswith("\n") and done.err.count("\n") == 1, done
    assert set(mill.dir.iterdir()) == before, done
    return done.err


# --- unknown words ---


@pytest.mark.parametrize("typed, meant", [
    ("--worker", "-j, --workers"), ("--wokers", "-j, --workers"),
    ("--workers-count=3", None), ("-P", "-j, --workers"), ("-P8", None),
    ("--concurrency", "-j, --workers"), ("--jobs=4", "-j, --workers"),
    ("--num_workers", "-j, --workers"), ("--parallel", "-j, --workers"),
    ("--threads", "-j, --workers"), ("--retries=5", "--retry-attempts"),
    ("--max-retries", "--retry-attempts"), ("--base-url", "-u, --url"),
    ("--api-base", "-u, --url"), ("--endpoint", "-u, --url"),
    ("--timout", "--timeout"), ("--max-time", "--timeout"),
    ("--temprature", "--temperature"), ("--temp", "--temperature"),
    ("--modle", "-m, --model"), ("--system-prompt", "-s, --system"),
    ("--database", "--db"), ("--db_filename", "--db"),
    ("--save-to-db", "--db"), ("--out", "-o, --output"),
    ("--output-format", "-f, --format"), ("--limit", "-n, --first"),
    ("--quiet", "-q"), ("--verbose", "-v"), ("--dryrun", "--dry-run"),
    ("--max-new-tokens", "--max-tokens"), ("-workers", "--workers"),
])
def test_an_unknown_option_is_answered_with_the_nearest(mill, typed, meant):
    said = refused(mill, "run", "in.txt", typed)
    assert typed.split("=")[0][:2] in said
    if meant:
        assert f"did you mean {meant}?" in said


def test_without_a_near_one_the_list_is_named(mill):
    assert refused(mill, "run", "--xyzzyplugh") == (
        'llmill: unknown option --xyzzyplugh; "llmill help run" lists all\n')


@pytest.mark.parametrize("typed, advice", [
    ("--resume", "the same command again goes on"),
    ("--input=x", "files stand without an option"),
    ("--command=x", "a command stands at the end"),
])
def test_options_of_other_programs_get_advice(mill, typed, advice):
    assert advice in refused(mill, "run", typed)


def test_options_of_run_are_not_those_of_check(mill):
    assert "--db is an option of run" in refused(mill, "check", "--db", "x")


@pytest.mark.parametrize("word, said", [
    ("rum", "did you mean run?"), ("hlep", "did you mean help?"),
    ("-j", "did you mean: llmill run -j"),
    ("--url=http://secret@x/", "did you mean: llmill run --url"),
    ("frobnicate", '"llmill help" lists all'),
    ("in.txt", "did you mean: llmill run in.txt?"),
])
def test_an_unknown_command_is_answered_with_the_nearest(mill, word, said):
    mill.write("in.txt", "a\n")
    line = refused(mill, word)
    assert said in line and "secret" not in line


# --- values ---


@pytest.mark.parametrize("args", [
    "-j 0", "-j 8193", "-j -1", "-j 4x", "-j 1.5", "-j nan", "-j ''",
    "--workers=", "--retry-attempts=-1", "--retry-attempts 2x",
    "--retry-delay=-1s", "--retry-delay nan", "--retry-delay 1d",
    "--timeout 0", "--timeout inf", "--timeout 5 s", "--timeout 99999999999",
    "--connect-timeout 0", "--kill-grace x", "--wait-server -5",
    "--max-wait 1e3", "--poison 0", "--poison 256",
    "--retry-attempts 65536", "--max-answer-bytes 0",
    "--max-answer-bytes 33M", "--max-answer-bytes 2X",
    "--max-prompt-bytes 0", "--max-prompt-bytes 1T", "--first 0",
    "-n x", "--range 0:5", "--range 5:3", "--range 5", "--range :",
    "--range a:b", "--range 1:2:3", "--temperature nan",
    "--temperature -1", "--temperature 0x1", "--temperature .5",
    "--top-p 1.1", "--max-tokens 0", "--max-tokens -5", "--seed 1.5",
    "--seed x", "--input-format xml", "--format xml -o x",
    "--progress fancy", "--backend nosuch", "-p temperature",
    "-p =1", "-p x={bad", "-p messages=[]", "-p model=x", "-p stream=true",
    "-p n=2", "-p x=@nosuch", "-s @nosuch", "-H novalue", "-H 'A B: c'",
    "-H Content-Length:5", "-H @nosuch", "-m ''", "--key-file nosuch",
    "--key-env NOSUCH", "--prompt ''", "--db ''", "--db -", "--log -",
    "--dry-run=yes", "-f jsonl",
])
def test_bad_values_are_named(mill, args):
    words = [word.strip("'") for word in args.replace(
        "'A B: c'", "A\0B:\0c").replace("5 s", "5\0s").split(" ")]
    words = [word.replace("\0", " ") for word in words]
    option = words[0].split("=")[0]
    said = refused(mill, "run", "--prompt", "a", "-u", "127.0.0.1:1", *words)
    assert option in said or option in ("-H", "-s", "--key-file"), said
    value = words[1] if len(words) > 1 else words[0].partition("=")[2]
    if option in ("-j", "--timeout", "--range", "--first"):
        assert f'"{value}"' in said and "it takes" in said


@pytest.mark.parametrize("args, why", [
    ("-j", "-j, --workers wants N"),
    ("--timeout", "--timeout wants TIME"),
    ("--timeout --json", "--timeout wants TIME, but --json follows"),
    ("--", "-- wants a command behind it"),
    ("--db x --no-db", "--db and --no-db exclude each other"),
    ("--require-db --no-db", "--require-db and --no-db exclude"),
    ("--new --db x", "--new and --db exclude"),
    ("-n 3 --range 1:2", "--first and --range exclude each other"),
    ("--key-file a --key-env B", "there is one key"),
    ("-o - --json", "both write to standard output"),
    ("- -", "standard input (-) can be read only once"),
    ("--temperature 1 -p temperature=2", "say the same"),
    ("--key-env sk-not-a-name", "not the key itself"),
])
def test_what_does_not_go_together_is_said(mill, args, why):
    said = refused(mill, "run", "--prompt", "a", *args.split())
    assert why in said and "sk-not" not in said


@pytest.mark.parametrize("args", [
    "-j 8192", "-j8", "-qj2", "--workers=1", "--retry-attempts 0",
    "--retry-delay 0", "--timeout 500ms", "--timeout 1.5", "--timeout 1h",
    "--kill-grace 0", "--max-answer-bytes 64K", "--max-prompt-bytes 1G",
    "-n 1k", "--range 1:", "--range :1", "--first=1", "--progress plain",
    "--input-format nul", "-0",
])
def test_good_values_are_taken(mill, args):
    done = mill.run("run", "--prompt", "a", "--backend", "echo", "--dry-run",
                    *args.split())
    assert done.status == 0, done


@pytest.mark.parametrize("option", [
    "--api-key", "--key", "--token", "--openai-api-key", "--bearer", "-k"])
@pytest.mark.parametrize("form", ["{o} {k}", "{o}={k}"])
def test_no_option_takes_a_key_and_none_is_echoed(mill, option, form):
    words = form.format(o=option, k=KEY).split()
    said = refused(mill, "run", *words)
    assert "--key-env NAME, --key-file FILE" in said
    assert KEY not in said


@pytest.mark.parametrize("header", [
    "Authorization: Bearer " + KEY, "authorization:" + KEY,
    "api-key: " + KEY, "X-Api-Key: " + KEY, "Cookie: a=" + KEY,
    "Proxy-Authorization: " + KEY])
def test_headers_with_keys_come_from_files_only(mill, header):
    said = refused(mill, "run", "--prompt", "a", "-H", header)
    assert "-H @FILE" in said and KEY not in said


def test_a_header_that_is_none_is_told_by_its_option_and_number(mill):
    said = refused(mill, "run", "--prompt", "a", "-H", "A: b", "-H", "secret")
    assert "-H: header 2 is not of the form" in said and "secret" not in said


def test_a_key_in_a_header_file_others_can_write_is_refused(mill):
    mill.write("h", f"Authorization: Bearer {KEY}\n", 0o622)
    said = refused(mill, "run", "--prompt", "a", "-u", "127.0.0.1:1",
                   "-H", "@h")
    assert "others can write" in said and KEY not in said


@pytest.mark.parametrize("args", [
    "-m x", "-u x", "--system x", "--temperature 1", "--max-tokens 5",
    "-p a=b", "-H A:b", "--seed 1", "--key-env HOME", "--wait-server 5",
    "--connect-timeout 5", "--stop x", "--allow-http-key"])
@pytest.mark.parametrize("backend", [
    ["--", "cat"], ["--backend", "echo"]], ids=["exec", "echo"])
def test_options_that_the_backend_does_not_know_are_refused(
        mill, args, backend):
    said = refused(mill, "run", "--prompt", "a", *args.split(), *backend)
    assert "means nothing to the " in said
    assert args.split()[0] in said


def test_a_backend_and_a_command_must_fit(mill):
    assert "wants a command" in refused(
        mill, "run", "--prompt", "a", "--backend", "exec")
    assert "runs no command" in refused(
        mill, "run", "--prompt", "a", "--backend", "http", "--", "cat")


# --- files ---


@pytest.mark.parametrize("args", [
    "in.txt -o in.txt", "in.txt --db in.txt", "in.txt --log in.txt",
    "in.txt -o ./in.txt", "in.txt -o link", "link --log in.txt",
    "in.txt -o x --db x", "in.txt -o x --log x", "in.txt --db x --log ./x",
    "in.txt -o x --db x.part", "in.txt -o ../work/new --db new",
    "in.txt --db x -o x-wal", "in.txt --db x -o x-shm",
    "in.txt --db x -o ./x-journal", "in.txt --db x --log x.lock",
    "in.txt --db x -o x.spill.jsonl",
    "in.txt --db dblink -o there.db-wal",
    "x.spill.jsonl --db x", "in.txt --db in -o in-wal",
])
def test_no_file_is_written_that_is_read_or_written_elsewhere(mill, args):
    mill.write("in.txt", "a\n")
    os.link(mill.dir / "in.txt", mill.dir / "link")
    mill.write("there.db", "")
    (mill.dir / "dblink").symlink_to("there.db")
    said = refused(mill, "run", *args.split(), "--", "cat")
    assert "are the same file" in said
    assert (mill.dir / "in.txt").read_text() == "a\n"


@pytest.mark.parametrize("option", [
    "-s @named", "-p x=@named", "-p x=1 -p y=@./named", "-H A:b -H @named"])
@pytest.mark.parametrize("written", ["-o", "--log", "--db"])
def test_a_file_that_an_option_reads_is_not_written_over(
        mill, option, written):
    mill.write("named", "A: b\n", 0o600)
    assert "are the same file" in refused(
        mill, "run", "--prompt", "a", "-u", "127.0.0.1:1", "-m", "m",
        *option.split(), written, "named")
    assert (mill.dir / "named").read_text() == "A: b\n"


def test_a_key_file_is_not_written_over(mill):
    mill.write("key", KEY, 0o600)
    assert "are the same file" in refused(
        mill, "run", "--prompt", "a", "--key-file", "key", "--log", "key")


def test_a_closed_output_is_noticed_before_anything_is_paid(mill):
    said = refused(mill, "run", "--prompt", "a", *ECHO, "-o", "-",
                   preexec=lambda: os.close(1))
    assert "standard output is closed" in said


# --- which prompts ---


@pytest.mark.parametrize("args, ids", [
    ("-n 2", [1, 2]), ("--first=9", [1, 2, 3, 4, 5]), ("--range 2:4",
     [2, 3, 4]), ("--range 4:", [4, 5]), ("--range :2", [1, 2]),
    ("--range 5:5", [5]), ("--range 4:99", [4, 5])])
def test_a_part_is_done_and_a_later_run_does_the_rest(mill, args, ids):
    mill.write("in.txt", "a\nb\nc\nd\ne\n")
    command = ("run", "in.txt", "--db", "a.db", "--backend", "echo")
    done = mill.run(*command, *args.split())
    assert done.status == 0, done
    assert [row[0] for row in mill.sql(
        "SELECT id FROM llm_results WHERE result IS NOT NULL ORDER BY id",
        db="a.db")] == ids
    assert len(mill.results("a.db")) == 5
    rest = f"next:     {mill.program} {' '.join(command)}\n"
    assert (rest in done.err) == (len(ids) < 5), done
    done = mill.run(*command)
    assert done.status == 0, done
    assert (f"{len(ids)} of 5 answered, {5 - len(ids)} to do" in done.err)
    assert mill.results("a.db") == ["a", "b", "c", "d", "e"]
    assert mill.sql("SELECT count(*) FROM llm_attempts", db="a.db") == [(5,)]


@pytest.mark.parametrize("before, after", [
    ("in.txt -vn2 --db a.db", "in.txt -v --db a.db"),
    ("-n 2 --db a.db in.txt", "--db a.db in.txt"),
    ("--range=1:2 -j2 --db=a.db in.txt", "-j2 --db=a.db in.txt"),
    ("--db a.db in.txt --range 1:2 -- cat -n", "--db a.db in.txt -- cat -n"),
    ("-vn 1 --range 1:2", None)])
def test_the_next_command_is_the_one_without_the_part(mill, before, after):
    mill.write("in.txt", "a\nb\nc\n")
    more = () if "cat" in before or not after else ("--backend", "echo")
    done = mill.run("run", *more, *before.split())
    if after is None:
        assert done.status == 2, done
        return
    assert done.status == 0, done
    assert done.err.endswith("next:     " + " ".join(
        [str(mill.program), "run", *more, after]) + "\n"), done
    assert mill.run(*done.err.rpartition("next: ")[2].split()[1:]).status == 0
    assert None not in mill.results("a.db")


def test_a_range_behind_the_list_is_refused(mill):
    mill.write("in.txt", "a\nb\n")
    assert "begins behind the last prompt (2)" in refused(
        mill, "run", "in.txt", "--range", "3:", "--backend", "echo")


# --- help ---


def test_without_a_word_there_is_usage_and_three_examples(mill):
    done = mill.run()
    assert done.status == 2 and done.out == ""
    assert done.err.startswith("usage: llmill COMMAND")
    assert done.err.count("\n  llmill run ") == 3


def test_run_on_a_terminal_without_input_says_what_to_do(mill):
    """Three examples, not a program that waits for nobody knows what."""
    master, slave = os.openpty()
    try:
        done = mill.run("run", "-m", "x", preexec=lambda: os.dup2(slave, 0))
    finally:
        os.close(master)
        os.close(slave)
    assert done.status == 2, done
    assert "no prompts: give a file" in done.err
    assert done.err.count("\n  llmill run ") == 3


@pytest.mark.parametrize("words", [
    ["help"], ["--help"], ["-h"], ["help", "run"], ["run", "--help"],
    ["run", "-h"], ["run", "-j", "4", "--help"], ["help", "check"],
    ["check", "-h"], ["help", "version"], ["help", "status"],
    ["status", "-h"], ["help", "verify"], ["verify", "--help"]], ids=" ".join)
def test_help_fits_the_window_and_goes_to_stdout(mill, words):
    done = mill.run(*words)
    assert done.status == 0 and done.err == "", done
    assert done.out.startswith("usage: llmill ")
    assert max(map(len, done.out.splitlines())) <= 80


def test_help_has_every_option_and_every_default(mill):
    text = "".join(mill.run("help", command).out
                   for command in ("run", "status", "merge",
                                   "slurm-script"))
    for line in mill.run("help", "--list-options").out.splitlines():
        letter, name, *_ = line.split()
        assert name == "--" or f"{name}" in text
        assert letter == "-" or f"  {letter}" in text
    for default in ("[4]", "[3]", "[1s]", "[600s", "[2s]"):
        assert default in text


def test_help_about_what_is_not_there_is_refused(mill):
    assert "did you mean run?" in refused(mill, "help", "rnu")
    assert "one command" in refused(mill, "help", "run", "check")


@pytest.mark.parametrize("word", ["version", "--version", "-V"])
def test_version(mill, word):
    done = mill.run(word)
    assert done.status == 0 and done.err == "", done
    assert re.fullmatch(
        r"llmill \d+\.\d+\.\d+ \(SQLite [\d.]+, libcurl [\d.]+\)\n", done.out)


@pytest.mark.parametrize("words", [
    ["help", "run"], ["version"], ["status", "a.db"],
    ["status", "a.db", "a.db"], ["verify", "a.db"],
    ["check", "--backend", "echo"],
    ["run", "--prompt", "a", *ECHO, "--json"],
    ["run", "--prompt", "a", *ECHO, "--dry-run"]], ids=" ".join)
def test_output_that_cannot_be_written_is_said(mill, words):
    assert mill.run("run", "--prompt", "a", "--backend", "echo", "--db",
                    "a.db").status == 0
    with open("/dev/full", "wb") as full:
        done = mill.run(*words, preexec=lambda: os.dup2(full.fileno(), 1))
    assert done.status == 74, done
    assert done.err.count("cannot write to standard output: "
                          "No space left on device\n") == 1


# --- check ---


def entries(text):
    """The labels and texts of check's page."""
    found, label = {}, None
    for line in text.splitlines():
        if line[2:3].strip():
            label = line[2:12].strip()
            found[label] = line[12:]
        else:
            found[label] += " " + line.strip()
    return found


def test_check_says_what_it_used_and_what_came(mill, stub):
    server = stub()
    done = mill.run("check", "-u", server.url, "-m", "m1", "--key-env",
                    "MINE", "--prompt", "Say something.", env={"MINE": KEY})
    assert done.status == 0, done
    page = entries(done.out)
    assert page["backend"] == "http" and page["url"] == server.url
    assert page["key"] == "from $MINE" and page["model"] == "m1"
    assert page["answer"] == "echo: Say something."
    assert page["tokens"] == "2 in, 3 out"
    assert done.err == "" and KEY not in done.out
    assert not list(mill.dir.iterdir())


@pytest.mark.parametrize("do, wrong, advice", [
    ({"status": 401, "body": {"error": {"message": "Incorrect key"}}},
     "auth (HTTP status 401)", "--key-file FILE"),
    ({"status": 404, "body": {"error": {"message": "no model m1",
                                        "code": "model_not_found"}}},
     "no_model (HTTP status 404)", "/models"),
    ({"status": 429}, "rate_limited (HTTP status 429)", "fewer workers"),
    ({"status": 429, "headers": {"Retry-After": "5"}},
     "rate_limited (HTTP status 429)", "fewer workers"),
    ({"body": "<html>"}, "garbage (HTTP status 200)", "/v1"),
], ids=str)
def test_check_says_what_is_wrong_and_what_to_do(
        mill, stub, do, wrong, advice):
    server = stub([{"match": {}, "do": do}])
    done = mill.run("check", "-u", server.url, "-m", "m1")
    assert done.status == 69, done
    page = entries(done.out)
    assert page["wrong"] == wrong
    assert advice in page["to do"]
    assert len(server.requests()) == 1
    assert not list(mill.dir.iterdir())


def test_check_of_a_wrong_port_does_not_wait(mill):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    done = mill.run("check", "-u", f"127.0.0.1:{port}", "-m", "m1")
    assert done.status == 69 and done.seconds < 5, done
    page = entries(done.out)
    assert page["wrong"] == "no_server"
    assert f"127.0.0.1:{port}: Connection refused" in page["reason"]
    assert "give -u localhost:PORT" in page["to do"]


@pytest.mark.parametrize("words, status, wrong", [
    (["cat"], 0, None), (["nosuch-command"], 69, "no_command"),
    (["./plain"], 69, "no_command"), (["false"], 69, "exit_status"),
    (["sh", "-c", "kill -9 $$"], 69, "crash")])
def test_check_of_a_command(mill, words, status, wrong):
    mill.write("plain", "not executable")
    done = mill.run("check", "--", *words)
    assert done.status == status, done
    page = entries(done.out)
    assert page["command"].startswith(words[0])
    assert page.get("wrong") == wrong
    assert ("to do" in page) == bool(wrong)
    assert ("answer" in page) == (not wrong)


@pytest.mark.parametrize("args, why", [
    (["in.txt"], "check takes no input file"),
    (["--prompt", "a", "--prompt", "b"], "check sends one prompt, not 2")])
def test_check_sends_one_prompt(mill, args, why):
    assert why in refused(mill, "check", *args)


# --- seeing before sending ---


def test_a_dry_run_shows_the_first_request_and_makes_nothing(mill, stub):
    server = stub()
    mill.write("in.txt", "Hello there\nTwo\n")
    done = mill.run("run", "in.txt", "-u", server.url, "-m", "m1", "-s",
                    "Be brief.", "--max-tokens", "100", "--db", "a.db", "-o",
                    "out", "--key-env", "MINE", "--dry-run",
                    env={"MINE": KEY})
    assert done.status == 0, done
    assert f"POST {server.url}/chat/completions\n" in done.out
    assert '"content":"Hello there"' in done.out and "Be brief." in done.out
    assert "2 prompts" in done.out
    assert "at most 200 output tokens" in done.out
    assert "from MINE" in done.out and KEY not in done.out
    assert server.requests() == []
    assert [path.name for path in mill.dir.iterdir()] == ["in.txt"]


def test_a_dry_run_shows_the_command(mill):
    done = mill.run("run", "--prompt", "Hi", "--dry-run", "--", "./chat.sh",
                    "an arg")
    assert done.status == 0, done
    assert "./chat.sh 'an arg'" in done.out and "Hi" in done.out
    assert not list(mill.dir.iterdir())


def test_a_dry_run_shows_a_prompt_that_is_an_argument(mill):
    command = ("run", "--prompt", "Hi you", "--dry-run")
    done = mill.run(*command, "--", "say", "-v", "{}", "a{}")
    assert done.status == 0, done
    assert "command: say -v 'Hi you' 'a{}'\nstdin:   (empty)\n" in done.out
    told = json.loads(mill.run(*command, "--json", "--", "say", "{}").out)
    assert told["first"] == {"id": 1, "backend": "exec", "stdin": "",
                             "command": ["say", "Hi you"]}
    assert told["to_do"] == 1 and told["database"] is None


def snapshot(mill):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns)
            for path in mill.dir.iterdir()}


@pytest.mark.parametrize("db", [["--db", "a.db"], []], ids=str)
def test_a_dry_run_counts_what_is_open_in_the_database(mill, db):
    """And leaves it, and its directory, as they are."""
    mill.write("in.txt", "one one\ntwo two\nthree three\nfour four\n")
    command = ("run", "in.txt", "--backend", "echo", *db)
    assert mill.run(*command, "-n", 2).status == 0
    before = snapshot(mill)
    done = mill.run(*command, "--dry-run")
    assert done.status == 0 and snapshot(mill) == before, done
    name = mill.db(db[1] if db else None).name
    assert "prompt:  three three\n" in done.out and "one" not in done.out
    assert f"going on with {name}: 2 of 4 answered\n" in done.out
    assert "2 prompts to do, about 5 input tokens" in done.out
    told = json.loads(mill.run(*command, "--dry-run", "--json").out)
    assert (told["to_do"], told["answered"], told["database"]) == (2, 2, name)
    assert mill.run(*command).status == 0
    done = mill.run(*command, "--dry-run")
    assert done.status == 0, done
    if db:
        assert "nothing to do\n" in done.out and "prompt:" not in done.out
    else:
        assert "4 prompts to do" in done.out
        assert f"{name} holds this plan already" in done.err


def test_a_dry_run_goes_on_with_a_seeds_database(mill):
    mill.write("in.txt", "a\nb\nc\n")
    with contextlib.closing(sqlite3.connect(mill.dir / "a.db")) as link:
        link.executescript(
            "CREATE TABLE llm_results (id INTEGER PRIMARY KEY, prompt TEXT NOT"
            " NULL, result TEXT, created_at TIMESTAMP);"
            "INSERT INTO llm_results VALUES (1, 'a', 'A', 0), (2, 'b', '', 0)")
    before = snapshot(mill)
    command = ("run", "in.txt", "--backend", "echo", "--db", "a.db")
    done = mill.run(*command, "--dry-run")
    assert done.status == 0 and snapshot(mill) == before, done
    assert "1 of 3 answered\n2 prompts to do" in done.out
    mill.write("in.txt", "a\nx\nc\n")
    done = mill.run(*command, "--dry-run")
    assert done.status == 2 and "prompt 2 differs" in done.err, done


@pytest.mark.parametrize("change", [
    lambda mill: mill.write("in.txt", "a\nx\n"),
    lambda mill: mill.write("in.txt", "a\n"),
    lambda mill: mill.write("a.db", "no database at all, but a long text"),
    lambda mill: ((mill.dir / "a.db").unlink(), (mill.dir / "a.db").mkdir()),
    lambda mill: ((mill.dir / "a.db").rename(mill.dir / "b.db"),
                  (mill.dir / "a.db").symlink_to("b.db")),
    lambda mill: ["echo:seed=2"]])
def test_a_dry_run_refuses_what_the_run_would_refuse(mill, change):
    mill.write("in.txt", "a\nb\n")
    command = ["run", "in.txt", "--db", "a.db", "--backend", "echo"]
    assert mill.run(*command, "-n", 1).status == 0
    other = change(mill)
    if isinstance(other, list):
        command[-1:] = other
    names = sorted(path.name for path in mill.dir.iterdir())
    dry = mill.run(*command, "--dry-run")
    assert dry.status in (2, 65) and dry.out == "", dry
    assert sorted(path.name for path in mill.dir.iterdir()) == names
    real = mill.run(*command)
    assert (real.status, real.err) == (dry.status, dry.err)


def test_a_dry_run_leaves_bad_records_out(mill):
    mill.write("in.jsonl", 'x\n{"prompt": "good one"}\ny\n')
    done = mill.run("run", "in.jsonl", "--skip-bad", "--backend", "echo",
                    "--dry-run")
    assert done.status == 0, done
    assert "prompt:  good one\n" in done.out and "\n1 prompt to do" in done.out


def test_a_dry_run_says_that_the_model_would_be_asked_for(mill):
    command = ("run", "--prompt", "a", "-u", "127.0.0.1:1", "--dry-run")
    done = mill.run(*command)
    assert done.status == 0, done
    assert "model: none was named; the server would be asked" in done.out
    assert json.loads(mill.run(*command, "--json").out)["first"]["asks_model"]
    assert "none was named" not in mill.run(*command, "-m", "m").out


# --- the log ---


def test_the_log_is_private_and_appended_to(mill):
    for count in 1, 2:
        assert mill.run("run", "--prompt", "a", *ECHO, "--log", "run.log"
                        ).status == 0
        path = mill.dir / "run.log"
        assert path.read_text().count(" begins prompts=1 to_do=1") == count
        assert path.read_text().count("1 prompt: 1 answered") == count
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_log_tells_a_run_from_its_beginning_to_its_end(mill):
    mill.write("p", "a\nb\n")
    done = mill.run("run", "p", "--db", "a.db", "--log", "run.log", "-q",
                    "--retry-delay", "10ms", "--", "sh", "-c",
                    'read p; [ "$p" = a ] && echo ok && exit; '
                    r'printf "one\0two\nthree\n" >&2; exit 3')
    assert done.status == 1 and done.err == "", done
    log = (mill.dir / "run.log").read_text()
    plan, = mill.sql("SELECT plan FROM llm_runs", db="a.db")[0]
    assert f"database=a.db plan={plan}" in log and "backend=exec" in log
    assert log.count("prompt 2, attempt ") == 3
    assert log.count(r"stderr: one\x00two" + "\n") == 3
    assert log.count("stderr: three\n") == 3
    assert "2 prompts: 1 answered, 1 failed" in log
    assert "answers:  a.db" in log and log.count("\n") > 12
    done = mill.run("run", "p", "--db", "a.db", "--log", "run.log", "-q", "-m",
                    "m")
    assert done.status == 2
    assert (mill.dir / "run.log").read_text().count("backend was") == 1


@pytest.mark.parametrize("words, status", [
    (["-u", "ftp://x"], 2), (["--key-env", "NONE", "-u", "localhost:9"], 2),
    (["-u", "localhost:9", "-m", "m", "--dry-run"], 0)], ids=str)
def test_no_log_is_made_where_nothing_is_done(mill, words, status):
    done = mill.run("run", "--prompt", "a", *words, "--log", "run.log")
    assert done.status == status, done
    assert not list(mill.dir.iterdir())


def test_a_log_may_be_a_device_but_no_link(mill):
    mill.write("there", "")
    (mill.dir / "link").symlink_to("there")
    os.mkfifo(mill.dir / "pipe")
    command = ("run", "--prompt", "a", "--backend", "echo", "--no-db", "--log")
    done = mill.run(*command, "link")
    assert done.status == 71 and "it is a symbolic link; name" in done.err
    assert (mill.dir / "there").read_text() == ""
    done = mill.run(*command, "/dev/stderr")
    assert done.status == 0 and " begins " in done.err
    done = mill.run(*command, "pipe")
    assert done.status == 71 and "nobody reads from it" in done.err


def test_a_log_that_cannot_be_written_is_said_once(mill):
    done = mill.run("run", "--prompt", "a", "--prompt", "b", "--backend",
                    "echo", "--no-db", "--log", "/dev/full")
    assert done.status == 0, done
    assert done.err.count("warning: cannot write the log: No space left") == 1


def test_a_log_that_cannot_be_opened_stops_the_run(mill):
    done = mill.run("run", "--prompt", "a", *ECHO, "--log", "no/such")
    assert done.status == 71, done
    assert "cannot open the log no/such" in done.err
    assert done.err.count("\n") == 1


def test_a_dry_run_shows_what_this_run_would_do(mill):
    mill.write("p.txt", "one\ntwo\nthree\n")
    done = mill.run("run", "p.txt", "--range", "2:3", "-m", "m", "-u",
                    "localhost:9", "-H", "X-Team: blue", "--dry-run")
    assert done.status == 0, done
    assert '"content":"two"' in done.out and "one" not in done.out
    assert "\n2 prompts to do, about 2 input tokens" in done.out
    assert "X-Team: (as given)" in done.out and "blue" not in done.out
