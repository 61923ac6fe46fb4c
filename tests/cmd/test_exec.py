# SPDX-License-Identifier: ISC
"""The exec backend: what goes into a command, what is made of what it does."""

import os

import pytest
from conftest import until

QUICK = ("-q", "--db", "x.db", "--retry-delay", "0", "--kill-grace", "0.2")


def ask(mill, *args, **kwargs):
    """Run without talk into x.db."""
    return mill.run("run", *QUICK, *args, **kwargs)


def outcomes(mill):
    return [row[0] for row in mill.sql(
        "SELECT outcome FROM llm_attempts ORDER BY id, attempt", db="x.db")]


# --- what goes in ---


def test_the_prompt_and_a_newline_come_on_stdin(mill):
    mill.write("p", "abc\n")
    assert ask(mill, "p", "--", "od", "-An", "-c").status == 0
    assert mill.results("x.db") == ["   a   b   c  \\n"]


def test_a_placeholder_becomes_the_prompt_and_stdin_is_empty(mill):
    prompt = "$(id); `id` \"'*"
    done = ask(mill, "--prompt", prompt, "--", "sh", "-c",
               'printf "%s|" "$@"; wc -c', "sh", "{}", "$HOME", "{}")
    assert done.status == 0, done
    assert mill.results("x.db") == [f"{prompt}|$HOME|{prompt}|0"]
    assert done.err == ""


def test_a_placeholder_inside_a_word_stays_and_is_warned_of_once(mill):
    done = mill.run("run", "--db", "x.db", "--prompt", "p", "--prompt", "q",
                    "--", "sh", "-c", 'printf "%s " "$@"; cat', "sh",
                    "a{}b", "x{}")
    assert done.status == 0, done
    assert mill.results("x.db") == ["a{}b x{} p", "a{}b x{} q"]
    assert done.err.count("warning") == 1
    assert '"a{}b"' in done.err


def test_the_placeholder_cannot_be_the_command(mill):
    done = ask(mill, "--prompt", "reboot", "--", "{}")
    assert done.status == 2
    assert "{}" in done.err
    assert not mill.db("x.db").exists()


def test_arguments_that_are_too_long_together_fail_naming_stdin(mill):
    """Under a small stack the kernel takes 131,072 bytes of all."""
    mill.write("p", "x" * 130_000 + "\nshort\n")
    done = ask(mill, "p", "--", "sh", "-c", 'echo ${#1}', "sh", "{}",
               before=("prlimit", "--stack=262144:"),
               env={"FILLER": "y" * 20_000})
    assert done.status == 1, done
    assert outcomes(mill) == ["bad_request", "ok"]
    assert mill.results("x.db")[0].endswith(
        "cannot run sh: Argument list too long: use stdin (leave out {})")


def test_a_prompt_too_long_for_an_argument_fails_naming_stdin(mill):
    mill.write("p", "x" * 131072 + "\n" + "y" * 131071 + "\n")
    done = ask(mill, "p", "--", "sh", "-c", 'echo ${#1}', "sh", "{}")
    assert done.status == 1
    long, short = mill.results("x.db")
    assert long.startswith("Error: Failed after 1 attempts: ")
    assert "stdin" in long
    assert short == "131071"


def test_a_command_that_never_reads_a_large_prompt_still_answers(mill):
    mill.write("p", "x" * (1 << 20) + "\n")
    assert ask(mill, "p", "--", "echo", "hi").status == 0
    assert mill.results("x.db") == ["hi"]


def test_a_large_prompt_arrives_whole_while_the_answer_comes(mill):
    mill.write("p", "x" * (1 << 20) + "\n")
    assert ask(mill, "p", "--", "cat").status == 0
    assert mill.results("x.db") == ["x" * (1 << 20)]


def test_records_that_are_more_than_a_text_are_bad_ones(mill):
    """Nothing of them is dropped without a word, and nothing is sent."""
    bad = {'"system": "s"': "system", '"model": "m"': "model",
           '"params": {"seed": 1}': "params"}
    mill.write("p.jsonl", "".join(
        f'{{"prompt": "p", {more}}}\n' for more in bad) +
        '{"messages": [{"role": "system", "content": "s"},'
        ' {"role": "user", "content": "u"}]}\n'
        '{"messages": [{"role": "user", "content": "alone"}], "x": 1}\n')
    done = ask(mill, "p.jsonl", "--", "cat")
    assert done.status == 65, done
    for number, part in enumerate([*bad.values(), "more than one text"], 1):
        assert f"p.jsonl:{number}: {part}" in done.err
    assert "only the http backend" in done.err and "4 bad" in done.err
    assert not (mill.dir / "x.db").exists()
    done = ask(mill, "p.jsonl", "--skip-bad", "--", "cat")
    assert done.status == 0, done
    assert mill.results("x.db") == [None] * 4 + ["alone"]


def test_environment_is_unchanged_but_for_three_variables(mill):
    done = ask(mill, "--prompt", "p", "-j", "1", "--", "env", "-0",
               env={"FOO": "a\nb", "LLMILL_ATTEMPT": "old", "ODD": ""})
    assert done.status == 0, done
    got = mill.sql("SELECT CAST(result AS BLOB) FROM llm_results",
                   db="x.db")[0][0]
    got = dict(line.split("=", 1)
               for line in got.decode().split("\0") if line)
    assert got == {**mill.env(FOO="a\nb", ODD=""), "LLMILL_PROMPT_ID": "1",
                   "LLMILL_ATTEMPT": "1", "LLMILL_WORKER": "0"}


def test_variables_count_prompts_attempts_and_workers(mill):
    mill.write("p", "a\nb\nc\nd\n")
    # Each waits for all four to be there: then four workers are at work.
    mill.script("cmd", """
        touch "here$LLMILL_PROMPT_ID"
        until test -e here1 -a -e here2 -a -e here3 -a -e here4; do
            sleep 0.02
        done
        test "$LLMILL_ATTEMPT" = 2 || exit 1
        echo "$LLMILL_PROMPT_ID $LLMILL_ATTEMPT"
        echo "$LLMILL_WORKER" >>workers\n""")
    done = ask(mill, "p", "-j", "4", "--", "./cmd")
    assert done.status == 0, done
    assert mill.results("x.db") == ["1 2", "2 2", "3 2", "4 2"]
    workers = set((mill.dir / "workers").read_text().split())
    assert workers <= {"0", "1", "2", "3"}
    first = mill.sql("SELECT worker FROM llm_attempts WHERE attempt = 1",
                     db="x.db")
    assert sorted(first) == [(0,), (1,), (2,), (3,)]


def test_a_command_starts_with_plain_signals_in_the_same_directory(mill):
    done = ask(mill, "--prompt", "p", "--", "sh", "-c",
               "cat /proc/self/status; pwd")
    assert done.status == 0, done
    lines = mill.results("x.db")[0].split("\n")
    assert [line.split()[-1] for line in lines if line[:3] == "Sig"][1:] == \
        ["0" * 16] * 4  # pending, blocked, ignored, caught
    assert lines[-1] == str(mill.dir)


def test_a_command_has_no_descriptor_but_its_three(mill):
    run = mill.start("run", *QUICK, "--prompt", "p", "--timeout", "10",
                     "--", "sh", "-c", 'exec sleep "${0}00"', "7")
    (command,) = until(lambda: mill.processes("sleep 700"), "the command")

    def has_three():  # there is a fourth while its libraries are loaded
        fds = command.fds()
        return sorted(fds) == [0, 1, 2] and \
            all(what.startswith("pipe:") for what in fds.values())

    until(has_three, "three pipes and nothing else")
    run.signal(9)
    run.wait()


# --- what comes out ---


def test_an_answer_is_stored_byte_by_byte_less_one_newline(mill):
    # Each prompt is a printf format that makes the answer.
    cases = [
        (r"a", b"a"),
        (r"a\n", b"a"),
        (r"a\n\n", b"a\n"),
        (r"\na\r\n", b"\na\r"),
        (r"\n\n", b"\n"),
        (r" a\t", b" a\t"),
        (r"x\000y", b"x\0y"),
        (r"\000", b"\0"),
        (r"\377\376\000\001", b"\xff\xfe\0\x01"),
        (r"\303\244\303", b"\xc3\xa4\xc3"),
        (r"\355\240\200", b"\xed\xa0\x80"),
        (r"\303\244", "ä".encode()),
    ]
    mill.write("p", "".join(prompt + "\n" for prompt, _ in cases))
    done = ask(mill, "p", "--", "sh", "-c", 'IFS= read -r f; printf "$f"')
    assert done.status == 0, done
    rows = mill.sql("SELECT CAST(result AS BLOB), typeof(result) "
                    "FROM llm_results ORDER BY id", db="x.db")
    assert [row[0] for row in rows] == [answer for _, answer in cases]
    # What is no UTF-8 would break every reader as TEXT.
    assert [row[1] for row in rows] == \
        ["text"] * 8 + ["blob"] * 3 + ["text"]


@pytest.mark.parametrize("words", ["true", "echo"])
def test_an_empty_answer_is_a_failed_attempt(mill, words):
    done = ask(mill, "--prompt", "p", "--retry-attempts", "2", "--", words)
    assert done.status == 1
    assert mill.results("x.db")[0].startswith(
        "Error: Failed after 2 attempts: ")
    assert outcomes(mill) == ["empty", "empty"]


def test_an_empty_answer_is_one_with_allow_empty(mill):
    done = ask(mill, "--prompt", "p", "--allow-empty", "--", "true")
    assert done.status == 0, done
    assert mill.results("x.db") == [""]


def test_an_answer_may_be_as_long_as_the_limit_but_no_longer(mill):
    mill.write("p", "1023\n1024\n1025\n")
    done = ask(mill, "p", "--max-answer-bytes", "1K", "--", "sh", "-c",
               'read n; head -c "$n" /dev/zero | tr "\\0" x; echo')
    assert done.status == 1
    short, exact, long = mill.results("x.db")
    assert (short, exact) == ("x" * 1023, "x" * 1024)
    assert long.startswith("Error: Failed after 1 attempts: ")
    assert outcomes(mill) == ["ok", "ok", "too_long"]


def test_nine_megabytes_are_too_long_and_the_command_is_ended(mill):
    mill.script("cmd", """
        head -c 9437184 /dev/zero | tr '\\0' x
        exec sleep 1000\n""")
    done = ask(mill, "--prompt", "p", "--", "./cmd")
    assert done.status == 1
    assert done.seconds < 5
    (text,) = mill.results("x.db")
    assert text.startswith("Error: Failed after 1 attempts: ")
    assert "--max-answer-bytes" in text
    assert outcomes(mill) == ["too_long"]


def test_a_command_that_closes_stdout_early_is_waited_for(mill):
    mill.write("p", "1\n0\n")
    mill.script("cmd", """
        read wait
        echo "hi $wait"
        exec >&-
        test $wait = 0 || exec sleep 1000
        until test -e go; do sleep 0.02; done
        exit 0\n""")
    run = mill.start("run", *QUICK, "p", "-j", "2", "--timeout", "1",
                     "--retry-attempts", "1", "--", "./cmd")
    until(lambda: mill.processes("sleep 1000"), "one sleeps")
    mill.write("go", "")
    assert run.wait().status == 1
    late, good = mill.results("x.db")
    assert late.startswith("Error: Failed after 1 attempts: ")
    assert good == "hi 0"
    assert outcomes(mill) == ["timeout_total", "ok"]


def test_a_daemon_that_holds_stdout_open_delays_nothing(mill):
    mill.write("p", "plain\nsetsid\n")
    mill.script("cmd", """
        read how
        case $how in
        plain) sleep 1000 & ;;
        setsid) setsid sleep 1000 & ;;
        esac
        echo "$how"\n""")
    done = ask(mill, "p", "-j", "2", "--timeout", "10", "--", "./cmd")
    assert done.status == 0, done
    assert done.seconds < 5
    assert mill.results("x.db") == ["plain", "setsid"]
    mill.no_process_left(0.1)


def test_a_daemon_does_not_outlive_its_prompt(mill):
    mill.write("p", "leave\nlook\n")
    mill.script("cmd", """
        read how
        case $how in
        leave) setsid sh -c 'echo $$ >pid; exec sleep 1000' &
               until test -s pid; do sleep 0.02; done
               echo left ;;
        look)  kill -0 "$(cat pid)" && echo alive || echo gone ;;
        esac\n""")
    done = ask(mill, "p", "-j", "1", "--", "./cmd")
    assert done.status == 0, done
    assert mill.results("x.db") == ["left", "gone"]


# --- how it ends ---


def test_a_failed_command_says_status_and_last_words(mill):
    mill.script("cmd", """
        echo call >>calls
        echo first words >&2
        i=0
        while [ $i -lt 200 ]; do
            echo "line $i of many" >&2
            i=$((i + 1))
        done
        printf 'last\\twords\\033[2J\\n' >&2
        exit 3\n""")
    done = ask(mill, "--prompt", "p", "--log", "log", "--", "./cmd")
    assert done.status == 1
    (text,) = mill.results("x.db")
    assert text.startswith("Error: Failed after 3 attempts: exit status 3: ")
    tail = text.split("exit status 3: ")[1]
    assert 900 < len(tail) <= 1100  # 1 KiB, some of it escaped
    assert "last" in tail and "first words" not in tail
    assert "\n" not in text and "\033" not in text
    assert (mill.dir / "calls").read_text() == "call\n" * 3
    log = (mill.dir / "log").read_text()
    assert log.count("first words") == 3
    assert log.count("line 100 of many") == 3


def test_a_signal_is_named(mill):
    done = mill.run("run", "--prompt", "p", "--db", "x.db", "--retry-delay",
                    "10ms", "--", "sh", "-c", "kill -SEGV $$")
    assert done.status == 1
    assert mill.results("x.db") == [
        "Error: Failed after 3 attempts: command crashed: signal 11"
        " (Segmentation fault)"]
    assert "worker" not in done.err and "failed: 1 crashed" in done.words
    assert "survived" not in done.err and "besides: 2 retries" in done.words
    assert outcomes(mill) == ["crash"] * 3


def test_exit_75_is_asked_again_and_not_charged(mill):
    mill.script("cmd", """
        echo call >>calls
        test "$(wc -l <calls)" -ge 6 || exit 75
        cat\n""")
    done = ask(mill, "--prompt", "p", "--retry-attempts", "1", "--", "./cmd")
    assert done.status == 0, done
    assert mill.results("x.db") == ["p"]
    assert outcomes(mill) == ["rate_limited"] * 5 + ["ok"]


def test_exit_75_ends_after_max_wait(mill):
    done = ask(mill, "--prompt", "p", "--max-wait", "0.2",
               "--", "sh", "-c", "echo busy >&2; exit 75")
    assert done.status == 1
    (text,) = mill.results("x.db")
    assert text.startswith("Error: Failed after ") and "busy" in text


@pytest.mark.parametrize("name, why", [
    ("no-such-command", "No such file"),
    ("./missing", "No such file"),
    ("./plain", "Permission denied"),
    ("./dir", "Permission denied"),
    ("./lost", "No such file"),
])
def test_a_command_that_cannot_run_stops_the_run(mill, name, why):
    mill.write("p", "".join(f"{i}\n" for i in range(40)))
    mill.write("plain", "#!/bin/sh\necho hi\n")
    mill.write("lost", "#!/no/such/interpreter\n", 0o755)
    (mill.dir / "dir").mkdir()
    done = mill.run("run", "--db", "x.db", "p", "--", name, "--flag")
    assert done.status == 69, done
    assert name in done.words and why in done.words
    assert "to do: The command cannot be run. Is it in $PATH" in done.words
    assert "(chmod +x)?" in done.words and "interpreter" in done.words
    assert mill.results("x.db") == [None] * 40
    assert done.seconds < 5


def test_no_shell_stands_in_for_a_script_without_its_first_line(mill):
    mill.write("plain", "echo should not run\n", 0o755)
    mill.write("p", "a\nb\nc\n")
    done = mill.run("run", "p", "--db", "x.db", "--", "./plain")
    assert done.status == 69, done
    assert "cannot run ./plain: Exec format error" in done.words
    assert "first line such as #!/bin/sh" in done.words
    assert mill.results("x.db") == [None] * 3


def test_a_command_is_looked_for_once(mill):
    """What appears earlier in $PATH while a run goes on is another one."""
    for name in "first", "second":
        (mill.dir / name).mkdir()
    mill.script("second/tool", 'read p; echo second; if [ "$p" = a ]; then '
                r'printf "#!/bin/sh\necho first\n" >first/tool; '
                "chmod +x first/tool; fi\n")
    mill.write("first/other", "no program")
    mill.write("p", "a\nb\nc\n")
    done = mill.run("run", "p", "--db", "x.db", "-q", "-j1", "--", "tool", env={
        "PATH": f"first:second:{os.environ['PATH']}"})
    assert done.status == 0, done
    assert mill.results("x.db") == ["second"] * 3


@pytest.mark.parametrize("status", [126, 127])
def test_exit_126_and_127_blame_the_command(mill, status):
    mill.write("p", "".join(f"{i}\n" for i in range(40)))
    done = mill.run("run", "--db", "x.db", "p", "-j", "1", "--", "sh", "-c",
                    f"echo call >>calls; echo my words >&2; exit {status}")
    assert done.status == 69, done
    assert f"exit status {status}" in done.words and "my words" in done.words
    assert mill.results("x.db") == [None] * 40
    assert (mill.dir / "calls").read_text() == "call\n" * 3


def test_one_127_among_answers_is_its_own_prompts_failure(mill):
    mill.write("p", "a\nb\nbad\nc\nd\n")
    done = ask(mill, "p", "-j", "1", "--", "sh", "-c",
               'read p; [ "$p" = bad ] && exit 127; echo "$p"')
    assert done.status == 1
    results = mill.results("x.db")
    assert results[:2] + results[3:] == ["a", "b", "c", "d"]
    assert results[2].startswith("Error: Failed after 1 attempts: ")


def test_a_command_past_its_time_gets_term_and_then_kill(mill):
    mill.write("p", "polite\ndeaf\n")
    mill.script("cmd", """
        read how
        trap 'echo "$how" >>terms; test $how = deaf || exit 9' TERM
        while :; do sleep 0.05; done\n""")
    done = ask(mill, "p", "-j", "2", "--timeout", "0.5", "--retry-attempts",
               "1", "--", "./cmd")
    assert done.status == 1
    assert 0.5 <= done.seconds < 3
    assert outcomes(mill) == ["timeout_total"] * 2
    assert all("no answer within 0.5 s" in text
               for text in mill.results("x.db"))
    assert sorted((mill.dir / "terms").read_text().split()) == \
        ["deaf", "polite"]
