# SPDX-License-Identifier: ISC
"""Functions of Python as backends, and llmill from Python."""

import ast
import json
import os
import re
import subprocess
import sys

import pytest

from conftest import PROGRAM, ROOT

QUICK = ("--db", "a.db", "--retry-delay", "10ms")
CHAT = '''
import ctypes, os, sys, time

loaded = os.getpid()
print("loading")

def ask(prompt):
    print("a print")
    os.write(1, b"a print of C\\n")
    ctypes.CDLL(None).puts(b"another")
    ctypes.CDLL(None).fflush(None)
    word, _, rest = prompt.partition(" ")
    if word == "raise":
        raise ValueError(rest)
    if word == "silent":
        raise KeyError()
    if word == "final":
        error = RuntimeError(rest)
        error.retry = False
        raise error
    if word == "later":
        if not os.path.exists("came"):
            open("came", "w").close()
            error = RuntimeError("slow down")
            error.retry_after = float(rest)
            raise error
    if word == "exit":
        sys.exit(rest)
    if word == "give":
        return eval(rest)
    if word == "read":
        return repr(sys.stdin.read()) + repr(os.read(0, 9))
    if word == "hang":
        time.sleep(10000)
    if word == "segfault":
        ctypes.string_at(0)
    return "echo: " + prompt

def whole(prompt, request):
    return repr((prompt, sorted(request.items())))

class Chat:
    @staticmethod
    def ask(prompt):
        return "static " + prompt

    def __call__(self, prompt):
        return "called " + prompt

chat = Chat()
number = 7
'''


def send(mill, prompts, *args, place="my_chat:ask", **kwargs):
    mill.write("my_chat.py", CHAT)
    words = [word for text in prompts for word in ("--prompt", text)]
    return mill.run("run", *words, *QUICK, "--python", place, *args, **kwargs)


def attempts(mill):
    return mill.sql("SELECT outcome, error FROM llm_attempts ORDER BY rowid",
                    db="a.db")


# --- a function as a backend ---


def test_its_texts_are_the_answers_whatever_it_prints(mill):
    prompts = [f"prompt {n}\nof two lines" for n in range(20)]
    done = send(mill, prompts, "-j", 3)
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: " + text for text in prompts]


@pytest.mark.parametrize("place, answer", [
    ("my_chat.py:ask", "echo: a"), ("./my_chat.py:Chat.ask", "static a"),
    ("my_chat:chat", "called a")])
def test_places_of_a_function(mill, place, answer):
    done = send(mill, ["a"], place=place)
    assert done.status == 0, done
    assert mill.results("a.db") == [answer]


@pytest.mark.parametrize("prompt, error", [
    ("raise too\nbad", "too bad"),
    ("silent", "KeyError"),
    ("exit 3", "3"),
    ("give None", "the function gave None, not a text"),
    ("give {'a': 1}", "the function gave dict ({'a': 1}), not a text"),
    ("give b'x'", "the function gave bytes (b'x'), not a text")])
def test_what_is_no_answer_is_said(mill, prompt, error):
    done = send(mill, [prompt, "next"], "--retry-attempts", 2, "-j", 1)
    assert done.status == 1, done
    assert mill.results("a.db") == [
        "Error: Failed after 2 attempts: " + error, "echo: next"]


def test_an_exception_can_be_final_or_ask_for_a_pause(mill):
    done = send(mill, ["final no", "later 0.4"], "-j", 1)
    assert done.status == 1, done
    assert mill.results("a.db") == [
        "Error: Failed after 1 attempts: no", "echo: later 0.4"]
    assert sorted(attempts(mill)) == [
        ("bad_request", "no"), ("ok", None), ("rate_limited", "slow down")]
    assert done.seconds >= 0.4


def test_it_cannot_read_what_is_not_for_it(mill):
    done = send(mill, ["read", "next"], "-j", 1)
    assert done.status == 0, done
    assert mill.results("a.db") == ["''b''", "echo: next"]


def test_lone_surrogates_pass(mill):
    mill.write("my_chat.py", CHAT)
    mill.write("p.jsonl", r'{"prompt": "give \"a\\ud800b\""}' + "\n"
                          + r'{"prompt": "\ud800"}' + "\n")
    done = mill.run("run", "p.jsonl", *QUICK, "--python", "my_chat:ask")
    assert done.status == 0, done
    assert {outcome for outcome, _ in attempts(mill)} == {"ok"}


def test_it_can_see_the_whole_request(mill):
    mill.write("my_chat.py", CHAT)
    mill.write("p.jsonl", json.dumps(
        {"prompt": "a", "custom_id": "c", "topic": [1]}) + "\n")
    done = mill.run("run", "p.jsonl", *QUICK, "-s", "be kind", "--python",
                    "my_chat:whole")
    assert done.status == 0, done
    assert eval(mill.results("a.db")[0]) == ("a", [
        ("custom_id", "c"), ("id", 1), ("prompt", "a"),
        ("system", "be kind"), ("topic", [1])])


@pytest.mark.parametrize("place, told", [
    ("nowhere:ask", "ModuleNotFoundError: No module named 'nowhere'"),
    ("nowhere.py:ask", "there is no file nowhere.py"),
    ("my_chat:nothing", "my_chat has no nothing"),
    ("my_chat:number", "number is no function"),
    ("broken:ask", "ZeroDivisionError: division by zero")])
def test_what_cannot_be_called_stops_the_run(mill, place, told):
    mill.write("broken.py", "1 / 0\n")
    done = send(mill, ["a", "b", "c", "d"], place=place)
    assert done.status == 69, done
    assert told in " ".join(done.err.split())
    assert mill.results("a.db") == [None] * 4


@pytest.mark.parametrize("args, told", [
    (["--python", "my_chat"], "give MODULE:FUNCTION or FILE.py:FUNCTION"),
    (["--python", ":ask"], "give MODULE:FUNCTION"),
    (["--python", "m:f", "--", "cat"], "leave the command behind -- out"),
    (["--python", "m:f", "--backend", "http"], "leave --backend out"),
    (["--python", "m:f", "-u", "localhost:1"],
     "-u, --url means nothing to the coproc backend")], ids=str)
def test_what_does_not_go_together_is_refused(mill, args, told):
    done = mill.run("run", "--prompt", "a", *args)
    assert done.status == 2, done
    assert told in done.err


def test_a_later_run_needs_the_function_again(mill):
    first = send(mill, ["raise a", "b"], "--retry-attempts", 1)
    assert first.status == 1, first
    done = mill.run("resume", "a.db", "--retry-errors")
    assert done.status == 2, done
    assert "llmill resume a.db --python my_chat:ask" in done.err
    mill.write("my_chat.py", CHAT.replace("raise ValueError", "return str"))
    done = mill.run("resume", "a.db", "--retry-errors", "--python",
                    "my_chat:ask")
    assert done.status == 0, done
    assert mill.results("a.db") == ["a", "echo: b"]


def test_hangs_and_segfaults_of_one_in_a_hundred_each(mill):
    def prompt(n):
        return ("hang" if n % 100 == 7 else
                "segfault" if n % 100 == 57 else "prompt") + f" {n}"

    prompts = [prompt(n) for n in range(1000)]
    mill.write("my_chat.py", CHAT)
    mill.write("p.txt", "\n".join(prompts))
    done = mill.run("run", "p.txt", *QUICK, "--python", "my_chat:ask", "-j",
                    8, "--timeout", "1s", "--retry-attempts", 2,
                    "--kill-grace", "200ms", patience=80)
    assert done.status == 1, done
    results = mill.results("a.db")
    for n, (text, result) in enumerate(zip(prompts, results)):
        if n % 100 == 7:
            assert result.startswith(
                "Error: Failed after 2 attempts: no answer within 1 s")
        elif n % 100 == 57:
            assert result.startswith(
                "Error: Failed after 2 attempts: command died: signal 11")
        else:
            assert result == "echo: " + text
    mill.no_process_left()


def test_python_3_7_can_read_it():
    ast.parse((ROOT / "tools/llmill_chat.py").read_text(),
              feature_version=(3, 7))


# --- where it is found ---


def test_an_installed_llmill_finds_it(mill):
    place = mill.dir / "usr"
    subprocess.run(["make", "-s", "-C", str(ROOT), "install",
                    f"PREFIX={place}"], check=True, timeout=300,
                   stdout=subprocess.DEVNULL)
    mill.write("my_chat.py", CHAT)
    done = subprocess.run(
        [str(place / "bin/llmill"), "run", "--prompt", "a", "--no-db", "-o",
         "-", "--python", "my_chat:ask"], cwd=mill.dir, timeout=20,
        capture_output=True, text=True, env=mill.env(), check=False)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["result"] == "echo: a"
    found = subprocess.run(
        [sys.executable, "-c", "import llmill_chat;"
         "print(llmill_chat.find_llmill())"], text=True, capture_output=True,
        cwd=mill.dir, check=True, timeout=20, env=mill.env(
            PYTHONPATH=str(place / "share/llmill"))).stdout.strip()
    assert os.path.realpath(found) == str(place / "bin/llmill")
    subprocess.run(["make", "-s", "-C", str(ROOT), "uninstall",
                    f"PREFIX={place}"], check=True, timeout=60)
    assert not [path for path in place.rglob("*") if path.is_file()]


def test_in_a_virtual_environment_its_modules_are_there(mill):
    venv = mill.dir / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)],
                   check=True, timeout=60)
    site, = (venv / "lib").glob("python3*/site-packages")
    (site / "only_here.py").write_text(
        "import sys\ndef ask(prompt):\n    return sys.prefix\n")
    done = mill.run("run", "--prompt", "a", *QUICK, "--python",
                    "only_here:ask",
                    env={"PATH": f"{venv}/bin:{os.environ['PATH']}"})
    assert done.status == 0, done
    assert mill.results("a.db") == [str(venv)]


# --- llmill from Python ---


def python(mill, program, *args, name="program.py", env=None, **kwargs):
    mill.write("my_chat.py", CHAT)
    mill.write(name, program)
    return subprocess.run(
        [sys.executable, name, *args], cwd=mill.dir, text=True, timeout=60,
        capture_output=True, check=False, env=mill.env(
            PYTHONPATH=str(ROOT / "tools"), LLMILL=str(PROGRAM),
            **(env or {})), **kwargs)


def value(done):
    assert done.returncode == 0, done
    return eval(done.stdout.splitlines()[-1])


HEAD = "from llmill_chat import ParallelLLMProcessor as P\nimport my_chat\n"


def test_answers_come_in_order_with_errors_in_their_places(mill):
    got = value(python(mill, HEAD + '''
with P(my_chat.ask, num_workers=3, retry_attempts=2, retry_delay=0.01) as p:
    print(p.process_prompts(["a\\nb", "raise no", "", "Grüße 你好", "c"]))
'''))
    assert got == ["echo: a\nb", "Error: Failed after 2 attempts: no",
                   "echo: ", "echo: Grüße 你好", "echo: c"]
    assert not list(mill.dir.glob("*.db*"))


def test_results_are_kept_under_the_usual_name(mill):
    got = value(python(mill, HEAD + '''
p = P(my_chat.ask, save_to_db=True)
answers = p.process_prompts(["a", "b"])
import glob
name, = glob.glob("*.db")
print((name, answers, p.recover_from_database(name)))
p.close()
'''))
    assert re.fullmatch(r"llm_results_\d{8}_\d{6}\.db", got[0])
    assert got[1] == got[2] == ["echo: a", "echo: b"]


def test_a_database_goes_on_where_it_was(mill):
    program = HEAD + '''
p = P(my_chat.ask, save_to_db=True, db_filename="x.db", retry_attempts=1)
print(p.process_prompts(["a", "b"]))
'''
    first = value(python(mill, program))
    assert first == value(python(mill, program)) == ["echo: a", "echo: b"]
    assert mill.sql("SELECT count(*) FROM llm_attempts", db="x.db") == [(2,)]


def test_a_function_of_the_program_itself_will_do(mill):
    assert value(python(mill, HEAD + '''
def shout(prompt):
    return prompt.upper()

if __name__ == "__main__":
    print(P(shout).process_prompts(["a", "b"]))
''')) == ["A", "B"]


def test_an_empty_list_makes_no_file(mill):
    assert value(python(mill, HEAD + '''
print(P(my_chat.ask, save_to_db=True, db_filename="x.db").process_prompts([]))
''')) == []
    assert not (mill.dir / "x.db").exists()


def test_database_trouble_does_not_stop_it(mill):
    done = python(mill, HEAD + '''
import logging
logging.basicConfig()
p = P(my_chat.ask, save_to_db=True, db_filename="/nowhere/x.db")
print(p.process_prompts(["a", "b"]))
''')
    assert value(done) == ["echo: a", "echo: b"]
    assert "WARNING:llmill:answers are not in the database, but in " \
        + str(mill.dir / "x.db.spill.jsonl") in done.stderr


def test_a_database_of_other_prompts_does_not_stop_it_either(mill):
    done = python(mill, HEAD + '''
import logging
logging.basicConfig()
p = P(my_chat.ask, save_to_db=True, db_filename="x.db")
print((p.process_prompts(["a", "b"]), p.process_prompts(["c"])))
''')
    assert value(done) == (["echo: a", "echo: b"], ["echo: c"])
    assert "WARNING:llmill:nothing is saved: " in done.stderr
    assert mill.results("x.db") == ["echo: a", "echo: b"]


@pytest.mark.parametrize("args, error", [
    ("7", "TypeError: chat_fn must be a function, not int"),
    ("7, num_workers=0", "TypeError: chat_fn"),
    ("my_chat.ask, num_workers=0",
     "ValueError: num_workers must be >= 1, not 0"),
    ("my_chat.ask, num_workers=0, timeout=0", "ValueError: num_workers"),
    ("my_chat.ask, num_workers=1.5",
     "TypeError: num_workers must be a whole number, not float"),
    ("my_chat.ask, num_workers=True", "TypeError: num_workers"),
    ("my_chat.ask, retry_attempts=-1",
     "ValueError: retry_attempts must be >= 0, not -1"),
    ("my_chat.ask, retry_delay=-0.1",
     "ValueError: retry_delay must be >= 0, not -0.1"),
    ("my_chat.ask, retry_delay=float('nan')",
     "ValueError: retry_delay must be >= 0, not nan"),
    ("my_chat.ask, timeout=0", "ValueError: timeout must be > 0, not 0"),
    ("my_chat.ask, timeout='1'",
     "TypeError: timeout must be a number, not str"),
    ("my_chat.ask, db_filename=' '",
     "ValueError: db_filename must not be blank"),
    ("lambda prompt: prompt", "ValueError: chat_fn is a lambda; "),
    ("my_chat.chat", "ValueError: chat_fn is Chat, which has no name; ")])
def test_arguments_are_checked_in_their_order(mill, args, error):
    done = python(mill, HEAD + f"P({args})\n")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(error), last


def test_what_other_processes_cannot_find_is_refused(mill):
    done = python(mill, HEAD + '''
def make():
    def inner(prompt):
        return prompt
    return inner
P(make())
''')
    assert "chat_fn make.inner is defined inside a function; llmill calls it" \
        " in other processes" in done.stderr
    done = subprocess.run(
        [sys.executable, "-c", HEAD + "def ask(p): return p\nP(ask)\n"],
        cwd=mill.dir, text=True, capture_output=True, check=False, timeout=20,
        env=mill.env(PYTHONPATH=str(ROOT / "tools"), LLMILL=str(PROGRAM)))
    assert "chat_fn ask is defined in an interactive session; " in done.stderr
    assert "import my_chat" in done.stderr


def test_a_run_that_cannot_go_on_says_so(mill):
    done = python(mill, HEAD + '''
from llmill_chat import ProcessorError
import os
open("gone.py", "w").write("def ask(prompt): return prompt")
import gone
os.unlink("gone.py")
try:
    P(gone.ask).process_prompts(["a"] * 5)
except ProcessorError as error:
    print((error.status, error.results, str(error)))
''')
    status, results, text = value(done)
    assert status == 69 and results == [None] * 5
    assert "No module named 'gone'" in " ".join(text.split())


def test_only_texts_are_prompts(mill):
    done = python(mill, HEAD + "P(my_chat.ask).process_prompts(['a', 7])\n")
    assert done.stderr.splitlines()[-1] == \
        "TypeError: prompts[1] must be a text, not int"
