# SPDX-License-Identifier: ISC
"""What is written about the program is true: options, variables, places,
and every example, run as it stands."""

import gzip
import json
import os
import pty
import re
import shutil
import subprocess

import pytest

from conftest import PATIENCE, PROGRAM, ROOT
from llm_server import StubServer
from throwaway import Authority

README = ROOT / "README.md"
MANUAL = ROOT / "bin/llmill.1"
COMMAND = re.compile(r"(llmill|sqlite3|export) ")


def examples_of_readme():
    """Indented blocks of commands."""
    for block in re.findall(r"(?:^    .*\n)+", README.read_text(), re.M):
        lines = [line[4:] for line in block.splitlines()]
        if all(COMMAND.match(line) for line in lines):
            yield "\n".join(lines)


def examples_of_manual():
    """Displays of commands, with roff's escapes taken out."""
    text = MANUAL.read_text()
    found = re.findall(r"^\.Dl (.*)|^\.Bd -literal.*\n((?:.*\n)*?)\.Ed", text,
                       re.M)
    for line, block in found:
        example = (line or block).strip()
        if COMMAND.match(example):
            yield example.replace("\\-", "-").replace("\\e", "\\")


def examples_of_help():
    text = subprocess.run([PROGRAM, "help"], capture_output=True, text=True,
                          check=True).stdout
    for line in text.splitlines():
        if line.startswith("  llmill "):
            yield re.split(r" {3,}", line.strip())[0]


@pytest.fixture(scope="module")
def server():
    with StubServer() as server:
        yield server


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Servers on a socket, with TLS, and a second one: what is written → what
    is there."""
    path = tmp_path_factory.mktemp("others")
    ca = Authority(path)
    with StubServer(more=["--unix", path / "llm.sock"]), \
            StubServer(more=["--tls", *ca.issue("localhost")]) as secure, \
            StubServer() as second:
        yield {"./shout.so": build_plugin(path),
               "/run/llm.sock": str(path / "llm.sock"),
               "gpu1:": "localhost:",
               "gpu2:8000": second.url.split("/")[2],
               "https://gpu.example": secure.url.replace(
                   "127.0.0.1", "localhost"),
               "ca.pem": str(ca.file)}


def build_plugin(place):
    """Gives the path of one, in a directory that is ours alone."""
    (place / "plugin").mkdir(mode=0o755)
    path = place / "plugin/shout.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-D_GNU_SOURCE",
                    f"-I{ROOT}/lib", "-o", str(path),
                    str(ROOT / "tests/stub/plugin.c")], check=True,
                   timeout=60)
    return str(path)


@pytest.fixture
def shell(mill, server, others):
    """Run example lines where all that they name is there: the files, the
    commands, and the stub in the place of every server."""
    port = re.search(r":(\d+)", server.url)[1]
    tools = mill.aside / "bin"
    tools.mkdir()
    (tools / "llmill").symlink_to(PROGRAM)
    mill.write("prompts.txt", "".join(f"Say {n}.\n" for n in range(15)))
    mill.write("prompts.jsonl", '{"prompt": "Say 1.", "n": 1}\n')
    mill.write("questions.csv.gz", gzip.compress(
        b'id,question,lang\n7,"Why, ""then""?",fr\n'))
    mill.write("batch.jsonl", json.dumps({
        "custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "my-model", "messages": [
            {"role": "user", "content": "Say 1."}]}}) + "\n")
    mill.write("system.txt", "Be brief.\n")
    mill.script("chat.sh", "cat\n")
    mill.write("my_chat.py", "def ask(prompt):\n    return prompt\n")
    (mill.script("ollama", 'test "$1 $2" = "run llama3"; echo "$3"\n')
     .rename(tools / "ollama"))

    master, slave = pty.openpty()

    def run(lines):
        for written, there in others.items():
            lines = lines.replace(written, there)
        lines = lines.replace(":8000", ":" + port)
        return subprocess.run(
            ["sh", "-e", "-c", lines],
            cwd=mill.dir, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            stdout=slave if "--watch" in lines else subprocess.PIPE,
            text=True, timeout=PATIENCE, env=mill.env(
                PATH=f"{tools}:{os.environ['PATH']}",
                OPENAI_BASE_URL=server.url))

    yield run
    os.close(master)
    os.close(slave)


ALL = [pytest.param(lines, id=f"{where}-{number}")
       for where, examples in (("readme", examples_of_readme()),
                               ("manual", examples_of_manual()),
                               ("help", examples_of_help()))
       for number, lines in enumerate(examples)]


def test_there_are_examples():
    ids = [param.id for param in ALL]
    assert sum(name.startswith("readme") for name in ids) >= 5
    assert sum(name.startswith("manual") for name in ids) >= 10
    assert sum(name.startswith("help") for name in ids) == 3


@pytest.mark.parametrize("lines", ALL)
def test_every_example_works_as_it_stands(mill, shell, lines):
    if "sqlite3" in lines and not shutil.which("sqlite3"):
        pytest.skip("no sqlite3 here")
    if "answers.db" in lines and "llmill run" not in lines:
        assert shell("llmill run prompts.txt -m gpt-4o-mini --db answers.db"
                     ).returncode == 0
    done = shell(lines)
    assert done.returncode == 0, (lines, done)
    assert "warning" not in done.stderr
    mill.no_process_left()


# --- the manual ---


def test_manual_and_program_know_the_same_options():
    done = subprocess.run([ROOT / "tools/manual-check", PROGRAM, MANUAL],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_option_stands_in_the_section_of_its_group(mill):
    headings = {"input": "Input", "backend": "Backend", "running": "Running",
                "output": "Database and output", "seeing": "Seeing"}
    sections = dict(re.findall(r"^\.Ss (.*)\n((?:(?!\.S[sh]).*\n)*)",
                               MANUAL.read_text(), re.M))
    lines = mill.run("help", "--list-options").out.splitlines()
    assert len(lines) > 40
    for line in lines:
        letter, name, argument, group = line.split()
        page = sections[headings[group]]
        flag = name[1:] if name != "--" else letter[1:]
        item = re.search(rf"^\.It .*Fl {re.escape(flag)}\b(.*)", page, re.M)
        assert item, line
        if argument.startswith("["):
            argument = f" Op Ar {argument[1:-1]}"
        assert argument == "-" or argument in item[1], line


def test_defaults_in_help_and_manual_are_the_same(mill):
    text = " ".join(mill.run("help", "run").out.split())
    page = " ".join(MANUAL.read_text().split())
    found = re.findall(
        r"--([a-z-]+) [A-Z]+ (?:(?! --)[^\[\]])*\[(\d\w*)\]", text)
    assert len(found) >= 8
    for option, default in found:
        item = re.search(rf"\.It (?:Fl \w , )?Fl -{option} (.*?)(?:\.It|\.El)",
                         page)
        assert re.search(rf"default is {default}\b", item[1]), option


def test_every_environment_variable_that_is_read_is_described():
    found = set()
    for path in (*ROOT.glob("lib/*/*.c"), *ROOT.glob("bin/*.c")):
        found.update(re.findall(r'(?:getenv|environment)\("(\w+)"\)',
                                path.read_text()))
    page = MANUAL.read_text()
    assert len(found) >= 5
    assert [name for name in sorted(found)
            if not re.search(rf"\b{name}\b", page)] == []


@pytest.mark.parametrize("status", [0, 1, 2, 4, 65, 69, 71, 74, 75, 130])
def test_every_exit_status_is_described(status):
    section = re.search(r"^\.Sh EXIT STATUS\n((?:(?!\.Sh).*\n)*)",
                        MANUAL.read_text(), re.M)[1]
    assert re.search(rf"^\.It {status}$", section, re.M)


# --- the README ---


def test_places_named_in_the_readme_are_there():
    text = README.read_text()
    map_of_house = text[text.index("## Where things are"):]
    places = re.findall(r"^ {4,6}([a-z]+/)", map_of_house, re.M)
    assert {"bin/", "lib/", "base/", "tests/", "tools/"} <= set(places)
    for place in places:
        assert (ROOT / place).is_dir() or (ROOT / "lib" / place).is_dir()
    for name in re.findall(r"\./(tools/[a-z-]+)", text):
        assert os.access(ROOT / name, os.X_OK), name
    for name in re.search(r"^ {4}tools/ +(.*)", text, re.M)[1].split():
        assert (ROOT / "tools" / name).exists(), name


def test_the_readme_names_no_option_that_is_not_there(mill):
    known = set(mill.run("help", "--list-options").out.split())
    for block in examples_of_readme():
        for option in re.findall(r" (--[a-z][a-z-]*)", block):
            assert option in known, block


def queries(text):
    """All of SQL that it shows."""
    return re.findall(r"(SELECT [^;\"]*)[;\"]", text)


def test_the_queries_that_are_shown_work_everywhere(mill):
    """In sqlite3 and in Python's sqlite3, with the same rows."""
    shown = queries((ROOT / "README.md").read_text())
    shown += queries(mill.run("help", "status").out)
    assert len(shown) == 9
    mill.write("p", "aa\nbad\nbbbb\nopen\n")
    done = mill.run("run", "p", "--db", "answers.db", "-n", 3,
                    "--retry-attempts", 1, "--", "sh", "-c",
                    'read p; test "$p" != bad && echo "$p"')
    assert done.status == 1, done
    rows = {}
    for query in shown:
        shell = subprocess.run(
            ["sqlite3", "-list", mill.dir / "answers.db", query], text=True,
            capture_output=True, check=True, timeout=20)
        assert shell.stderr == ""
        found = mill.sql(query, db="answers.db")
        assert shell.stdout.split("\n")[:-1] == [
            "|".join("" if value is None else str(value) for value in row)
            for row in found], query
        rows[query] = found
    success, longest, average, remaining, causes, *again = rows.values()
    assert success == [(50.0,)] and average == [(3.0,)]
    assert longest == [(3, 4), (1, 2)] and remaining == [(2,), (4,)]
    assert sorted(causes) == [("exit_status", 1), ("ok", 2)]
    assert again == [longest]  # written in one line less
