# SPDX-License-Identifier: ISC
"""What people see: one clean line in a window, plain lines elsewhere."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import termios
import uuid

import pytest

from conftest import until

BAR = "\r\x1b[K"


class Window:
    """A tmux window of a given width; shell commands run in it."""

    def __init__(self, mill, columns):
        self.mill = mill
        self.name = "llmill-" + uuid.uuid4().hex[:12]
        self.run("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y",
                 24, "-c", mill.dir, "sh")
        # Else the last line scrolls away when the window is small.
        self.run("set-option", "-g", "history-limit", 1000)

    def run(self, *words):
        done = subprocess.run(
            ["tmux", "-L", self.name, *map(str, words)], text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=20,
            env=self.mill.env(TERM="xterm-256color", PS1="$ ", TMUX=None))
        assert done.returncode == 0, done
        return done.stdout

    def go(self, *words):
        """Run llmill in it; the line after its last is end=STATUS."""
        command = " ".join(f"'{word}'" for word in (
            self.mill.program, *words))
        self.mill.script("go", f"trap : INT\nclear\n{command}\n"
                         "echo end=$?\n")
        self.run("send-keys", "./go", "Enter")

    def lines(self):
        """What can be seen, without the empty rest of the window."""
        return self.run("capture-pane", "-p").rstrip("\n").split("\n")

    def wait(self, pattern):
        """Wait for a line; gives all lines of that moment."""
        def seen():
            lines = self.lines()
            return any(re.search(pattern, line) for line in lines) and lines
        return until(seen, f"a line like {pattern!r}")

    def close(self):
        subprocess.run(["tmux", "-L", self.name, "kill-server"], check=False,
                       capture_output=True, timeout=20)


@pytest.fixture
def window(mill):
    if not shutil.which("tmux"):
        pytest.skip("no tmux here")
    windows = []

    def make(columns):
        windows.append(Window(mill, columns))
        return windows[-1]

    yield make
    for window in windows:
        window.close()
    mill.no_process_left()


# --- a window ---


@pytest.mark.parametrize("columns", [80, 40])
def test_progress_is_one_line_within_the_window(mill, window, columns):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(72)))
    screen = window(columns)
    screen.go("run", "in.txt", "--no-db", "-j", 8, "--retry-delay", "10ms",
              "--backend", "echo:ms=100,fail=30%,tries=1")
    for done in (r"\d", r"[3-9]\d"):
        lines = screen.wait(rf"\b{done}/72")
        assert len(lines) == 1 and len(lines[0]) < columns, lines
    lines = screen.wait("^end=0$")
    assert max(map(len, lines)) <= columns
    bars = [line for line in lines if "72/72" in line]
    assert len(bars) == 1, lines
    assert any(line.startswith("72 prompts: 72 answered") for line in lines)
    assert any(line.startswith("survived: ") for line in lines)


def test_warnings_do_not_break_the_line(mill, window, stub):
    """Each stands on a line of its own, and the bar below them."""
    server = stub([{"match": {"nth": 4}, "do": {
        "status": 503, "body": {"error": {"message": "Loading model"}}}}],
        delay=0.1)
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(16)))
    screen = window(80)
    screen.go("run", "in.txt", "--no-db", "-j", 1, "-m", "m1", "-u",
              server.url)
    lines = screen.wait("the server is back")
    assert lines[0].startswith("llmill: ")
    assert all(line.startswith("llmill: ") or "/16" in line or not line
               or line.startswith(" ") for line in lines), lines
    lines = screen.wait("^end=0$")
    said = [line for line in lines if line.startswith("llmill: ")]
    assert len(said) >= 2
    assert not any("/16" in line for line in said)
    assert len([line for line in lines if "16/16" in line]) == 1
    assert len([line for line in lines if "/16" in line]) == 1


def test_a_narrow_window_breaks_the_summary_at_words(mill):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(40)))
    running = mill.start("run", "in.txt", "--db", "a.db", "--progress", "none",
                         "--", "./no-such-command", terminal=True, screen=True,
                         preexec=lambda: fcntl.ioctl(
                             2, termios.TIOCSWINSZ,
                             struct.pack("HHHH", 24, 40, 0, 0)))
    assert running.wait().status == 69
    lines = running.screen().replace("\r", "").split("\n")
    words = [line for line in lines if not line.startswith(
        ("llmill: ", "next: ", "answers: "))]
    assert max(map(len, words)) <= 40, lines
    assert "stopped:  " in words[0] and "no-such-command" in " ".join(words)


def test_failures_come_with_their_first_reason_without_a_database_too(mill):
    mill.write("in.txt", "a\nb\nc\n")
    done = mill.run("run", "in.txt", "--no-db", "--retry-attempts", 1, "--json",
                    "--", "sh", "-c", 'read p; [ "$p" = a ] && echo ok && exit;'
                    ' echo "no $p" >&2; exit 3')
    assert done.status == 1, done
    assert re.search(r"^failed:   2 command failed; prompt [23]: exit status 3:"
                     r" no [bc]$", done.err, re.M), done
    first = json.loads(done.out)["failed_first"]["exit_status"]
    assert first["reason"] == "exit status 3: no " + " abc"[first["id"]]


def test_the_summary_fits_80_columns_and_says_what_to_type_next(mill, window):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(40)))
    mill.script("chat", 'read p; case $p in p7) exit 3;; p9) kill -9 $$;; esac'
                '; echo "$p"')
    screen = window(80)
    screen.go("run", "in.txt", "--db", "a.db", "--retry-attempts", 1, "--",
              "./chat")
    lines = screen.wait("^end=1$")
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert re.search(r"^40 prompts: 38 answered, 2 failed in .*/s\)$", text,
                     re.M)
    assert re.search(r"^failed:   1 .*; prompt 10: .*Killed.*\n"
                     r"          1 .*; prompt 8: exit status 3$", text, re.M)
    assert re.search(r"^latency:  p50 .*, p95 .*, p99 ", text, re.M)
    assert "\nanswers:  a.db\n" in text
    assert f"next:     {mill.program} status a.db" in "".join(lines)


def test_an_interrupt_at_the_terminal_says_how_to_go_on(mill, window):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(40)))
    screen = window(80)
    screen.go("run", "in.txt", "--db", "a.db", "--backend", "echo:ms=300")
    screen.wait("[1-9]/40")
    screen.run("send-keys", "C-c")
    screen.wait(r"finishing \d calls?, at most .*; Ctrl-C again leaves")
    lines = screen.wait("^end=130$")
    assert "stopped:  interrupted" in lines
    assert any(re.match(r"open:     \d+ of 40 prompts", line)
               for line in lines)
    joined = "".join(lines)
    assert f"next:     {mill.program} run in.txt --db a.db" in joined


# --- no window ---


def test_a_pipe_gets_plain_lines_without_controls(mill):
    done = mill.run("run", "--prompt", "a", "--no-db", "--backend", "echo")
    assert done.status == 0, done
    assert "\r" not in done.err and "\x1b" not in done.err
    assert done.err.splitlines()[-2].startswith("1 prompt: 1 answered")


@pytest.mark.parametrize("args", [
    [], ["--progress", "plain"], ["--progress", "none"]], ids=str)
def test_a_run_of_less_than_ten_seconds_tells_its_end_alone(mill, args):
    done = mill.run("run", "--prompt", "a", "--no-db", "--backend", "echo",
                    *args)
    assert done.err.startswith("1 prompt: 1 answered in "), done


@pytest.mark.slow
def test_a_longer_run_tells_a_plain_line_every_ten_seconds(mill):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(4)))
    done = mill.run("run", "in.txt", "--no-db", "-j", 1, "--backend",
                    "echo:ms=2800")
    assert done.status == 0, done
    lines = done.err.splitlines()
    assert lines[0].startswith("llmill: 3 of 4 done, 1 in flight, ")
    assert lines[1].startswith("4 prompts: 4 answered in ")


def on_screen(mill, *args, ms=30, **env):
    """Run it with a terminal as its stderr. Gives all that it wrote there."""
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(24)))
    running = mill.start("run", "in.txt", "--no-db", "--backend",
                         f"echo:ms={ms},fail=20%,tries=1", "--retry-delay", 0,
                         *args, terminal=True, screen=True, env=env)
    done = running.wait()
    assert done.status == 0, done
    return running.screen()


def test_a_terminal_gets_a_bar_in_colour_and_at_most_ten_a_second(mill):
    seen = on_screen(mill, ms=100)
    assert 3 <= seen.count(BAR) <= 3 + 10 * 2
    assert re.search(r"\x1b\[[\d;]*m", seen)
    assert seen.count("\n") <= 12


def test_answers_that_go_elsewhere_do_not_wipe_the_bar(mill):
    """Each wipe but the bar's own ten a second would be one too many."""
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(300)))
    running = mill.start("run", "in.txt", "--no-db", "--backend",
                         "echo:ms=10", "-j", 2, "-o", "out.jsonl",
                         terminal=True, screen=True)
    done = running.wait()
    assert done.status == 0, done
    assert 3 <= running.screen().count(BAR) <= 5 + 10 * done.seconds


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"NO_COLOR": "yes"}])
def test_no_color_is_respected(mill, env):
    seen = on_screen(mill, **env)
    assert BAR in seen
    assert not re.search(r"\x1b\[[\d;]*m", seen)


def test_an_empty_no_color_means_nothing(mill):
    assert re.search(r"\x1b\[[\d;]*m", on_screen(mill, NO_COLOR=""))


@pytest.mark.parametrize("args, env", [
    (["--progress", "plain"], {}), (["--progress", "none"], {}),
    ([], {"TERM": "dumb"}), ([], {"TERM": None}), (["-q"], {})], ids=str)
def test_nothing_is_redrawn_where_that_is_not_wanted(mill, args, env):
    seen = on_screen(mill, *args, **env)
    assert "\x1b" not in seen and "\r" not in seen.replace("\r\n", "")
    if args == ["-q"]:
        assert seen == ""
    if args == ["--progress", "none"]:
        assert "24/24" not in seen and "24 prompts: 24 answered" in seen


def test_a_bar_can_be_asked_for_in_a_pipe(mill):
    done = mill.run("run", "--prompt", "a", "--no-db", "--backend", "echo",
                    "--progress", "bar")
    assert BAR in done.err and not re.search(r"\x1b\[[\d;]*m", done.err)


def test_quiet_is_silent_but_for_errors(mill):
    done = mill.run("run", "--prompt", "a", "--no-db", "-q", "--backend",
                    "echo:fail=100%", "--retry-delay", 0)
    assert done.status == 1 and done.err == "" and done.out == "", done
    done = mill.run("run", "--prompt", "a", "-q", "--db", "no/such/a.db",
                    "--backend", "echo", "-o", "/dev/full")
    assert done.status == 74, done
    assert "/dev/full" in done.err


@pytest.mark.parametrize("option, told", [
    (None, []), ("-v", ["empty line", "prompt 2, attempt 1: exit_status"]),
    ("-vv", ["empty line", "prompt 2, attempt 1: exit_status",
             "stderr: a warning"])])
def test_more_is_said_on_wish(mill, option, told):
    mill.write("in.txt", "good\n\nbad\n")
    mill.script("chat", 'echo "a warning" >&2; read p; [ $p = good ] && '
                'echo $p')
    done = mill.run("run", "in.txt", "--no-db", "--retry-delay", 0,
                    *([option] if option else []), "--", "./chat")
    assert done.status == 1, done
    said = [line for line in done.err.splitlines()
            if line.startswith("llmill: ")]
    for words in "empty line", "prompt 2, attempt 1", "stderr: a warning":
        assert any(words in line for line in said) == any(
            words in line for line in told), done


def test_the_log_has_all_in_lines_with_time_and_role(mill):
    mill.script("chat", 'echo "a \033[31mwarning" >&2; exit 3')
    done = mill.run("run", "--prompt", "a", "--no-db", "-q", "--log", "log",
                    "--retry-delay", 0, "--", "./chat")
    assert done.status == 1, done
    lines = (mill.dir / "log").read_text().splitlines()
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} "
                        r"(error|warning|note|info|debug) +\w+\[\d+\] ", line)
    assert any("warning" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_text_of_a_server_is_escaped_in_the_summary(mill, stub):
    server = stub([{"match": {}, "do": {"status": 401, "body": {"error": {
        "message": "\x1b]0;owned\x07 \u202eabc\r\nnew line"}}}}])
    done = mill.run("run", "--prompt", "a", "-u", server.url, "-m", "m1",
                    "--db", "a.db")
    assert done.status == 69, done
    for bad in ("\x1b", "\x07", "\u202e", "\r"):
        assert bad not in done.err
    assert "owned" in done.err


def answered(mill):
    with contextlib.suppress(sqlite3.OperationalError):
        return mill.sql("SELECT count(result) FROM llm_results",
                        db="a.db")[0][0]
    return 0


# Two lines of log for each prompt, more than any pipe or terminal holds.
LOUD = ["--backend", "echo:fail=100%,tries=1", "--retry-delay", 0, "--db",
        "a.db", "-vv", "-j", 2]


def test_a_screen_that_is_full_or_stopped_holds_nobody_up(mill):
    """Nobody reads the terminal (Ctrl-S): the work goes on."""
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(3000)))
    running = mill.start("run", "in.txt", *LOUD, terminal=True, screen=True)
    until(lambda: answered(mill) == 3000, "all answers")
    done = running.wait()
    assert done.status == 0, done
    assert re.search(r"\d lines of the log were lost: nobody read them",
                     running.screen())


def test_an_error_stream_that_nobody_reads_holds_nobody_up(mill):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(3000)))
    before, fd = mill.pipe("err")
    running = mill.start("run", "in.txt", *LOUD, before=before)
    until(lambda: answered(mill) == 3000, "all answers")
    text = b""
    while running.popen.poll() is None:
        with contextlib.suppress(BlockingIOError):
            text += os.read(fd, 65536)
    assert running.wait().status == 0
    with contextlib.suppress(BlockingIOError):
        text += os.read(fd, 65536)
    assert re.search(rb"\d lines of the log were lost: nobody read", text)
    assert b"3,000 prompts: 3,000 answered" in text


def test_a_summary_that_nobody_reads_holds_no_signal_up(mill):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(1500)))
    before, _ = mill.pipe("err")
    running = mill.start("run", "in.txt", *LOUD, before=before)
    until(lambda: answered(mill) == 1500, "all answers")
    until(lambda: not mill.processes("llmill: worker"), "workers that leave")
    until(lambda: not (mill.dir / "a.db-wal").exists(), "one file")
    assert running.popen.poll() is None
    running.signal(signal.SIGTERM)
    assert running.wait(2).status == 0


def test_a_log_into_a_pipe_is_not_waited_for(mill):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(1500)))
    os.mkfifo(mill.dir / "log")
    words = ["run", "in.txt", *LOUD, "-q", "--log", "log"]
    done = mill.run(*words)
    assert done.status != 0 and "log" in done.err, done
    fd = os.open(mill.dir / "log", os.O_RDWR | os.O_NONBLOCK)
    done = mill.run(*words)
    os.close(fd)
    assert done.status == 0, done
