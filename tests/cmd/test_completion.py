# SPDX-License-Identifier: ISC
"""What shells complete, asked of the shells themselves."""

import re
import shutil
import subprocess

import pytest

FILES = ["list.txt", "list two.txt", "answers.db"]

BASH = r"""
source ./llmill.bash
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_llmill
printf '%s\n' "${COMPREPLY[@]}"
"""

# What zsh would offer goes into a file; ^X behind it says that this is all.
ZSH = r"""
fpath=($PWD $fpath)
autoload -Uz compinit
compinit -u -D
bindkey '^I' complete-word
compadd() {
    local -a offered
    builtin compadd -O offered "$@"
    (( $#offered )) && print -rl -- $offered >>offered
    builtin compadd "$@"
}
that_is_all() { print -r -- DONE >>offered }
zle -N that_is_all
bindkey '^X' that_is_all
"""


def bash(mill, *words):
    return subprocess.run(["bash", "-c", BASH, "bash", *words], cwd=mill.dir,
                          check=True, capture_output=True,
                          text=True).stdout.split("\n")[:-1]


def zsh(mill, *words):
    """A zsh on a terminal of its own; TAB behind the words."""
    line = " ".join(words)
    offered = mill.write("offered", "")
    mill.write("rc", ZSH)
    mill.write("_llmill", (mill.dir / "llmill.zsh").read_text())
    script = f"""
zmodload zsh/zpty
zpty z TERM=dumb zsh -f -i
zpty -w z '. ./rc; print -r -- rea''dy'
zpty -r -m z seen '*ready*'
zpty -w -n z $'{line}\\t\\C-x'
until grep -q DONE offered; do sleep 0.01; done
zpty -d z
"""
    subprocess.run(["zsh", "-fc", script], cwd=mill.dir, check=True,
                   timeout=20, capture_output=True)
    return offered.read_text().split("\n")[:-2]


def fish(mill, *words):
    home = mill.aside / "home"
    home.mkdir(exist_ok=True)
    line = " ".join(words)
    out = subprocess.run(
        ["fish", "--no-config", "-c", "source ./llmill.fish; complete -C " +
         repr(line)], cwd=mill.dir, check=True, capture_output=True,
        text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(home)}).stdout
    return [row.split("\t")[0] for row in out.split("\n")[:-1]]


@pytest.fixture(params=[bash, zsh, fish], ids=lambda shell: shell.__name__)
def offers(request, mill):
    """offers(*words): what stands for the last one, which may be begun."""
    shell = request.param
    name = shell.__name__
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    done = mill.run("completion", name)
    assert done.status == 0 and done.err == "", done
    script = mill.write(f"llmill.{name}", done.out)
    subprocess.run([name, "-n", script], check=True)
    for file in FILES:
        mill.write(file, "")
    (mill.dir / "place").mkdir()
    return lambda *words: shell(mill, "llmill", *words)


def test_commands(offers):
    assert {"run", "resume", "status", "slurm-script"} <= set(offers(""))
    assert offers("sta") == ["status"]


def test_options_of_the_command_and_no_others(offers, mill):
    known = mill.run("help", "status").out
    offered = {word for word in offers("status", "--") if word != "--"}
    assert {word.rstrip("=") for word in offered} == set(
        re.findall(r"--[a-z-]+", known.split("\nSeeing")[1]))
    assert "--retry-delay" in offers("run", "--retry-d")[0]


@pytest.mark.parametrize("words", [
    ("run", "--progress", "pl"), ("run", "--isolate", "n"),
    ("export", "-f", "csv")])
def test_choices(offers, words):
    expected = {"pl": {"plain"}, "n": {"none", "ns"}, "csv": {"csv"}}
    assert set(offers(*words)) == expected[words[-1]]


def test_files_where_files_are_meant_and_directories(offers):
    assert {name.replace("\\ ", " ") for name in offers("run", "li")} == {
        "list two.txt", "list.txt"}
    assert set(offers("run", "--db", "ans")) == {"answers.db"}
    assert {name.rstrip("/") for name in offers(
        "run", "--scratch", "pl")} == {"place"}


@pytest.mark.parametrize("shell, label", [
    ("bash", "{}"), ("zsh", "{}"), ("fish", " -l {}")])
def test_every_option_is_known(mill, shell, label):
    text = mill.run("completion", shell).out
    for line in mill.run("help", "--list-options").out.splitlines():
        _, name, _, _ = line.split()
        name = name[2:] if shell == "fish" else name
        assert name in ("", "--") or label.format(name) in text, line


def test_bash_takes_the_equals_sign_for_a_word(mill):
    mill.write("llmill.bash", mill.run("completion", "bash").out)
    assert bash(mill, "llmill", "run", "--progress", "=", "pl") == ["plain"]
    assert set(bash(mill, "llmill", "run", "--isolate", "=")) == {
        "none", "ns"}
    assert "cat" in bash(mill, "llmill", "run", "--", "cat")


@pytest.mark.parametrize("words", [[], ["tcsh"], ["bash", "zsh"]])
def test_another_shell_is_refused(mill, words):
    done = mill.run("completion", *words)
    assert done.status == 2 and "bash, zsh or fish" in done.err, done
