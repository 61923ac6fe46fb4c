# SPDX-License-Identifier: ISC
"""The tools themselves: what they promise, and that each of them can fail."""

import contextlib
import os
import pathlib
import pty
import shutil
import signal
import sqlite3
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
SPDX = "/* SPDX-License-Identifier: ISC */\n"


def run(*argv, stdin="", timeout=60, **kwargs):
    return subprocess.run([str(a) for a in argv], input=stdin, text=True,
                          capture_output=True, timeout=timeout, **kwargs)


def plant(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def script(root, name, text):
    plant(root, name, "#!/bin/sh\n" + text)
    (root / name).chmod(0o755)
    return root / name


# --- layers ---


@pytest.fixture
def house(tmp_path):
    """A small tree without any violation."""
    for room in "base", "wire", "data", "chat", "view", "run":
        plant(tmp_path, f"lib/{room}/{room}_x.h", SPDX)
    plant(tmp_path, "lib/llmill_run.h", SPDX)
    plant(tmp_path, "bin/llmill.c", SPDX + '#include "llmill_run.h"\n'
          "int\nmain(void)\n{\n\texit(0);\n}\n")
    return tmp_path


def test_layers_accepts_what_points_upwards(house):
    plant(house, "lib/run/a.c", SPDX + '#include "run/run_x.h"\n'
          '#include "chat/chat_x.h"\n#include "view/view_x.h"\n'
          '#include "base/base_x.h"\n/* exit(1); fork() */\n'
          'const char *s = "kill(1)"; int f(void) { return a->exec(2); }\n')
    plant(house, "lib/data/store.c", SPDX + "#include <sqlite3.h>\n")
    done = run(TOOLS / "layers", house)
    assert done.stdout.endswith("10 files, 0 violations\n"), done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize("path, line, rule", [
    ("lib/base/a.c", '#include "wire/wire_x.h"', "base may not know wire"),
    ("lib/data/a.h", '#include "run/run_x.h"', "data may not know run"),
    ("lib/run/a.c", '#include "llmill_run.h"', "run may not know api"),
    ("lib/view/a.c", '#include "chat/chat_x.h"', "do not know each other"),
    ("lib/chat/a.c", '#include "view/view_x.h"', "do not know each other"),
    ("lib/run/a.c", '#include "run_x.h"', "no such header"),
    ("bin/cmd_run.c", '#include "base/base_x.h"', "bin/ includes only"),
    ("bin/cmd_run.c", '#include "../lib/base/base_x.h"', "bin/ includes only"),
    ("lib/run/a.c", "#include <sqlite3.h>", "lib/data/, lib/view/"),
    ("lib/chat/http.c", "#include <curl/curl.h>", "lib/chat/curl"),
    ("lib/chat/http.c", "\tcurl_easy_init();", "lib/chat/curl"),
    ("lib/chat/http.c", "#include <json-c/json.h>", "lib/base/json.c"),
    ("lib/wire/a.c", "#  include <sys/epoll.h>", "lib/run/"),
    ("lib/run/pool.c", "\tepoll_create1(0);", "lib/run/loop.c"),
    ("lib/run/pool.c", "\tpid = fork();", "lib/wire/spawn.c"),
    ("lib/run/pool.c", "\texecvp(a, b);", "lib/wire/spawn.c"),
    ("lib/run/pool.c", "\tkill (pid, 9);", "lib/wire/spawn.c"),
    ("lib/run/pool.c", "\tsyscall(SYS_clone3, &a);", "lib/wire/spawn.c"),
    ("lib/run/pool.c", "\twaitid(P_ALL, 0, 0, 0);", "lib/wire/spawn.c"),
    ("lib/data/spill.c", "\trename(a, b);", "lib/base/place.c"),
    ("lib/run/pace.c", "\tx = time(NULL);", "lib/base/clock.c"),
    ("lib/run/pace.c", "\tclock_gettime(0, &t);", "lib/base/clock.c"),
    ("lib/chat/chat.c", '\tdlopen("x", 0);', "only in lib/chat/plugin.c"),
    ("lib/api/run.c", "\texit(1);", "bin/"),
    ("lib/run/pool.c", "\t_exit(1);", "lib/wire/spawn.c"),
])
def test_layers_refuses(house, path, line, rule):
    plant(house, path, SPDX + "/*\n*/\n" + line + "\n")
    done = run(TOOLS / "layers", house)
    assert done.returncode == 1
    assert f"{path}:4: " in done.stdout and rule in done.stdout, done.stdout
    assert done.stdout.endswith(" 1 violations\n")


# --- lint ---


def function(lines):
    return "int\nf(void)\n{\n" + "\tg();\n" * (lines - 2) + "}\n"


def test_lint_accepts_the_limits_themselves(tmp_path):
    shutil.copy(ROOT / ".clang-format", tmp_path)
    plant(tmp_path, "lib/a.c", SPDX + function(80)
          + "/* " + "ü" * 74 + " */\n" + 'const char *s = "gets(";\n')
    plant(tmp_path, "lib/b.c", SPDX + "/**/\n" * 599)
    script(tmp_path, "tools/x", "# SPDX-License-Identifier: ISC\n")
    done = run(TOOLS / "lint", tmp_path)
    assert done.returncode == 0, done.stdout
    assert "3 files, 0 violations, 2 over a soft limit" in done.stdout
    assert "lib/a.c:4: f has 80 lines" in run(
        TOOLS / "lint", "-v", tmp_path).stdout


@pytest.mark.parametrize("name, text, what", [
    ("a.c", "int x;\n", "1: the first line must be"),
    ("a.c", SPDX + function(81), "4: f has 81 lines, over 80"),
    ("a.h", SPDX + "/**/\n" * 600, "601: 601 lines, over 600"),
    ("a.c", SPDX + "/* " + "ü" * 75 + " */\n", "2: 81 columns, over 80"),
    ("a.c", SPDX + "\t" * 10 + "a\n", "2: 81 columns, over 80"),
    ("a.c", SPDX + "int x; \n", "2: blanks at the end"),
    ("a.c", SPDX + "int x = atoi(s);\n", "2: calls atoi; use strtonum"),
    ("a.c", SPDX + "int x = sprintf (s);\n", "2: calls sprintf"),
    ("a.c", SPDX + "void *x = signal(2, f);\n", "2: calls signal"),
    ("x.sh", "echo\n", "1: its first or second line must be"),
])
def test_lint_refuses(tmp_path, name, text, what):
    plant(tmp_path, "lib/ok.c", SPDX)
    plant(tmp_path, f"lib/{name}", text)
    done = run(TOOLS / "lint", tmp_path)
    assert done.returncode == 1
    assert f"lib/{name}:{what}" in done.stdout


def test_lint_refuses_a_source_that_make_does_not_know(tmp_path):
    plant(tmp_path, "GNUmakefile", "base := err \\\n\tbuf\napi := run\n")
    for name in "base/err.c", "base/buf.c", "api/run.c", "base/run.c":
        plant(tmp_path, f"lib/{name}", SPDX)
    done = run(TOOLS / "lint", tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("not listed") == 1
    assert "lib/base/run.c:1: not listed in GNUmakefile" in done.stdout


@pytest.mark.skipif(not shutil.which("clang-format"), reason="no clang-format")
def test_lint_refuses_another_format(tmp_path):
    shutil.copy(ROOT / ".clang-format", tmp_path)
    plant(tmp_path, "lib/a.c", SPDX + "int f(void) { return 1; }\n")
    done = run(TOOLS / "lint", tmp_path)
    if "format not checked" in done.stdout:
        pytest.skip("no clang-format 14")
    assert done.returncode == 1
    assert "lib/a.c:2: not as clang-format" in done.stdout


# --- runners ---


def cmocka(*results):
    """What a cmocka binary prints."""
    lines = [f"[==========] Running {len(results)} test(s)."]
    for number, result in enumerate(results):
        lines.append(f"[ RUN      ] t{number}")
        if result:
            lines.append(f"[{result}] t{number}")
    return "cat >&2 <<'END'\n" + "\n".join(lines) + "\nEND\n"


OK, BAD, SKIP = "       OK ", "  FAILED  ", "  SKIPPED "


def test_run_units_sums_up(tmp_path):
    one = script(tmp_path, "test_one", cmocka(OK, OK, SKIP))
    two = script(tmp_path, "test_two", cmocka(OK))
    done = run(TOOLS / "run-units", one, two)
    assert done.stdout.endswith("3 passed, 0 failed, 1 skipped\n")
    assert done.returncode == 0


@pytest.mark.parametrize("text, passed, failed, why", [
    (cmocka(OK, BAD) + "exit 1\n", 1, 1, "exit status 1"),
    (cmocka(OK, "") + "kill -SEGV $$\n", 1, 1, "exit status 139"),
    (cmocka(OK) + "exit 23\n", 1, 1, "exit status 23"),
    (cmocka(OK, "") + "sleep 100\n", 1, 1, "not done after 1 s"),
    ("exit 0\n", 0, 1, "exit status 0"),
    ("exit 1\n", 0, 1, "exit status 1"),
])
def test_run_units_notices(tmp_path, text, passed, failed, why):
    good = script(tmp_path, "test_good", cmocka(OK))
    bad = script(tmp_path, "test_bad", text)
    done = run(TOOLS / "run-units", bad, good,
               env={**os.environ, "TEST_LIMIT": "1"})
    assert done.returncode == 1
    assert why in done.stdout
    assert done.stdout.endswith(
        f"{passed + 1} passed, {failed} failed\n"), done.stdout


def test_run_units_without_tests_is_a_failure():
    assert run(TOOLS / "run-units").returncode != 0


def test_steps_run_all_and_end_with_totals():
    done = run(TOOLS / "steps", "a: echo 3 passed, 1 failed; exit 1",
               "b: true", "c: exit 7", "d: echo '2 failed, 5 passed in 1.2s'",
               "e: echo '4 passed, 0 failed, 2 skipped'; exit 1")
    assert done.stdout.splitlines()[-2:] == [
        "failed: a c d e", "13 passed, 5 failed, 2 skipped"]
    assert done.returncode == 1
    done = run(TOOLS / "steps", "a: echo 3 passed, 0 failed", "b: true")
    assert done.stdout.endswith("\n4 passed, 0 failed\n")
    assert done.returncode == 0


def test_steps_end_what_hangs():
    done = run(TOOLS / "steps", "a: sleep 100", "b: true",
               env={**os.environ, "STEP_LIMIT": "1"})
    assert done.returncode == 1
    assert "not done after 1 s" in done.stdout
    assert done.stdout.endswith("failed: a\n1 passed, 1 failed\n")


# --- arguments ---


@pytest.mark.parametrize("argv", [
    ["demo", "--what"], ["demo", "prompts.txt"], ["demo", "--server"],
    ["demo", "--server", "--model"], ["demo", "--model", "m"],
    ["demo", "--server", "http://x", "--model"],
    ["check", "--what"], ["install-deps", "--what"], ["layers", "-x"],
    ["install-deps", "--test", "x"], ["lint", "a", "b"],
    ["manual-check", "x"],
])
def test_wrong_arguments_are_one_line_and_exit_2(argv, tmp_path):
    done = run(TOOLS / argv[0], *argv[1:],
               env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert f"usage: tools/{argv[0]}" in done.stderr
    assert not list(tmp_path.iterdir())


# --- install-deps, with a Debian made of scripts ---


@pytest.fixture
def debian(tmp_path):
    """PATH with a dpkg-query that knows the packages in the file there, and
    an apt-get that adds what it is asked for."""
    script(tmp_path, "bin/dpkg-query",
           f"cat {tmp_path}/there; echo 'dpkg-query: no package' >&2; exit 1\n")
    script(tmp_path, "bin/apt-get",
           f'echo "$DEBIAN_FRONTEND $*" >>{tmp_path}/asked\n'
           f"[ ! -e {tmp_path}/broken ] || exit 100\n"
           f'for p; do printf "installed=%s " $p >>{tmp_path}/there; done\n')
    script(tmp_path, "bin/id", "echo ${FAKE_UID:-0}\n")
    (tmp_path / "there").write_text("installed=gcc not-installed=make ")
    for tool in "sh", "cat", "mktemp", "rm", "env", "true":
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))

    def deps(*argv, **env):
        return run(TOOLS / "install-deps", *argv,
                   env={"PATH": f"{tmp_path}/bin", **env})
    deps.dir = tmp_path
    return deps


def test_install_deps_installs_only_what_is_missing_without_questions(debian):
    done = debian()
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("install-deps: installing libc6-dev make ")
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    asked = (debian.dir / "asked").read_text()
    assert "noninteractive" in asked and " install -y " in asked
    assert " gcc" not in asked and " make " in asked
    assert "cmocka" not in asked
    again = debian()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert "libcmocka-dev" in debian("--test").stderr


def test_install_deps_says_what_apt_said_when_it_failed(debian):
    (debian.dir / "broken").touch()
    done = debian()
    assert done.returncode == 1
    assert "still missing: libc6-dev make " in done.stderr


def test_install_deps_without_root_uses_sudo_or_says_the_command(debian):
    done = debian(FAKE_UID="1000")
    assert done.returncode == 1
    assert "as root: apt-get install libc6-dev make " in done.stderr
    assert not (debian.dir / "asked").exists()
    script(debian.dir, "bin/sudo", '[ "$1" = -n ] && shift && exec "$@"\n')
    done = debian(FAKE_UID="1000")
    assert done.returncode == 0, done.stderr
    assert "noninteractive" in (debian.dir / "asked").read_text()


def test_install_deps_lets_sudo_ask_where_there_is_a_terminal(debian):
    """A sudo that refuses -n, because it wants a password first."""
    script(debian.dir, "bin/sudo",
           f'[ "$1" != -n ] || exit 1; echo "$1" >>{debian.dir}/sudo; '
           'exec "$@"\n')
    done = debian(FAKE_UID="1000")
    assert done.returncode == 1 and "as root: apt-get" in done.stderr
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            [TOOLS / "install-deps"], stdin=slave, stderr=slave, timeout=20,
            env={"PATH": f"{debian.dir}/bin", "FAKE_UID": "1000"})
        said = os.read(master, 65536).decode()
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == 0, said
    assert "sudo may ask for your password" in said
    assert (debian.dir / "sudo").read_text().split() == ["true", "env", "env"]
    assert "noninteractive" in (debian.dir / "asked").read_text()


def test_install_deps_elsewhere_lists_names(debian):
    (debian.dir / "bin/dpkg-query").unlink()
    done = debian("--test")
    assert done.returncode == 1
    assert "missing: make pkg-config gcc " in done.stderr
    assert "json-c" in done.stderr and "dnf install" in done.stderr


# --- eliza ---


@pytest.fixture(scope="module")
def eliza(tmp_path_factory):
    """Built apart, so that this file does not depend on the library."""
    binary = tmp_path_factory.mktemp("eliza") / "eliza"
    done = run("cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-g",
               "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
               "-o", binary, TOOLS / "eliza.c")
    assert done.returncode == 0, done.stderr

    def ask(text, *argv, **env):
        return run(binary, *argv, stdin=text, env={
            "ASAN_OPTIONS": "handle_segv=0", **env})
    ask.binary = binary
    return ask


# From Weizenbaum's paper, as far as the rotation begins at the same place.
CONVERSATION = [
    ("My boyfriend made me come here.", "our boyfriend made you come here"),
    ("He says I'm depressed much of the time.", "depressed"),
    ("I need some help, that much seems certain.", "some help"),
    ("You are like my father in some ways.", None),
    ("You don't argue with me.", "I don't argue with you"),
    ("You are afraid of me.", "I am afraid of you"),
    ("Bullies.", "our boyfriend made you come here"),  # from memory
]


def test_eliza_turns_what_is_said(eliza):
    done = eliza("\n".join(said for said, _ in CONVERSATION), "--talk")
    replies = done.stdout.splitlines()
    assert len(replies) == len(CONVERSATION) and done.stderr == ""
    for (said, part), reply in zip(CONVERSATION, replies):
        assert part is None or part in reply, (said, reply)


def test_eliza_replies_to_the_last_line_and_remembers_the_others(eliza):
    text = "My cat is ill.\n\nBullies.\n"
    assert "our cat is ill" in eliza(text).stdout
    assert eliza(text).stdout.count("\n") == 1


@pytest.mark.parametrize("prompt, replies", [
    ("I don’t sleep", ["sleep"]),
    ("Are you a machine?", ["computer", "Computer", "machine", "Machine"]),
    ("my name is Anna", ["names"]),
    ("Nonsense xyzzy", ["understand", "go on", "suggest", "strongly"]),
    ("", ["Please tell me your problem."]),
])
def test_eliza_uses_the_best_keyword(eliza, prompt, replies):
    for number in range(8):
        done = eliza(prompt, LLMILL_PROMPT_ID=str(number))
        assert done.returncode == 0
        assert any(r in done.stdout for r in replies) or (
            prompt.startswith("I don") and "trouble" in done.stdout)


def test_eliza_rotates_her_replies_and_repeats_herself_exactly(eliza):
    said = {eliza("Nobody loves me.", LLMILL_PROMPT_ID=str(n)).stdout
            for n in range(20)}
    assert len(said) >= 4
    assert len({eliza("Nobody loves me.", LLMILL_PROMPT_ID="7").stdout
                for _ in range(3)}) == 1


@pytest.mark.parametrize("text", [
    "you think " * 3000, "x" * 100_000, "私は悲しい" * 400, "'m " * 300,
    "I'm'm'm'm'm'm", "my " * 500, "(9) (3) | > = # *", "\x01\x1b[2J\x7f",
])
def test_eliza_survives_anything(eliza, text):
    for argv in [], ["--talk"]:
        done = eliza(text, *argv)
        assert done.returncode == 0 and done.stderr == ""
        assert done.stdout.count("\n") == 1
        assert "\x1b" not in done.stdout


def fate(eliza, number, attempt):
    """0: answered, SIGSEGV, or SIGKILL after it hung."""
    with subprocess.Popen(
            [eliza.binary, "--flaky"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={"ASAN_OPTIONS": "handle_segv=0",
                 "LLMILL_PROMPT_ID": str(number),
                 "LLMILL_ATTEMPT": str(attempt)}) as process:
        if b"think" in process.stderr.readline():
            process.kill()
        return process.wait()


def test_eliza_flaky_fails_by_prompt_and_attempt(eliza):
    fates = [fate(eliza, n, 1) for n in range(1, 256)]
    assert set(fates) == {0, -signal.SIGSEGV, -signal.SIGKILL}
    assert 4 <= fates.count(-signal.SIGSEGV) <= 18
    assert 3 <= fates.count(-signal.SIGKILL) <= 15
    bad = [n for n, f in enumerate(fates, 1) if f != 0]
    assert [fate(eliza, n, 1) for n in bad] == [
        f for f in fates if f != 0]
    again = [fate(eliza, n, 2) for n in range(1, 256)]
    assert 250 <= again.count(0)


def test_eliza_says_how_to_use_her(eliza):
    assert "--flaky" in eliza("", "--help").stdout
    done = eliza("", "--what")
    assert done.returncode == 2 and "usage" in done.stderr


# --- demo ---


def demo(tmp_path, *argv):
    """Run it; give what it said on stdout and stderr, and its database."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = run(TOOLS / "demo", *argv, cwd=tmp_path, timeout=200,
               env={**env, "TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    made, = tmp_path.iterdir()
    for line in done.stdout.splitlines():
        for word in line.split():  # what is to be typed has real paths
            assert not word.startswith("/") or os.path.exists(word), line
    with contextlib.closing(sqlite3.connect(made / "demo.db")) as db:
        outcomes = dict(db.execute(
            "SELECT outcome, count(*) FROM llm_attempts GROUP BY outcome"))
    return done.stdout, done.stderr, outcomes


def test_demo_survives_crashes_and_hangs(tmp_path):
    out, err, outcomes = demo(tmp_path)
    lines = (TOOLS / "prompts.txt").read_text().count("\n")
    assert outcomes["ok"] == lines
    assert outcomes["crash"] > 0 and outcomes["timeout_total"] > 0
    assert f"{lines} prompts: {lines} answered" in err
    assert f"{outcomes['timeout_total']} hangs" in err
    assert len(out.partition("Next")[2].split("\n  ")) == 4


def test_demo_runs_on_a_server(tmp_path, stub):
    server = stub()
    out, _, outcomes = demo(tmp_path, "--server", server.url, "--model", "m")
    assert outcomes == {"ok": len(server.requests())}
    assert server.requests()[0]["body"]["model"] == "m"
    assert f"llmill run -u {server.url} -m m " in out


# --- prompts ---


def test_prompts_are_many_and_all_different():
    lines = (TOOLS / "prompts.txt").read_text().splitlines()
    assert len(lines) >= 240
    assert len({line.lower() for line in lines}) == len(lines)
    assert all(line == line.strip() and line for line in lines)
