# SPDX-License-Identifier: ISC
"""What goes in and what comes out: each folder of tests/formats is a case.

    args     words of the command line, as in a shell; without a backend they
             get one that gives the prompt back
    stdin    what it reads there, if there is such a file
    stdout   what it must print, byte for byte
    stderr   a regular expression a line: all must be found, in this order
    status   its exit status, else 0
    FILE     anything else is an input; FILE.hex is the file FILE in hex
    FILE.want    what an output file must hold
"""

import re
import shlex

import pytest

from conftest import ROOT

CASES = ROOT / "tests/formats"
OURS = ("args", "stdin", "stdout", "stderr", "status")


def read(case, name, otherwise):
    path = case / name
    return path.read_bytes() if path.exists() else otherwise


def copy_inputs(case, place):
    for path in case.iterdir():
        if path.name in OURS or path.suffix == ".want":
            continue
        if path.suffix == ".hex":
            (place / path.stem).write_bytes(bytes.fromhex(path.read_text()))
        else:
            (place / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    "case", sorted(CASES.iterdir()), ids=lambda path: path.name)
def test_case(mill, case):
    copy_inputs(case, mill.dir)
    before = {path.name for path in mill.dir.iterdir()}
    for line in (case / "args").read_text().splitlines():
        args = shlex.split(line)
        if args[0] == "run" and not {"-m", "-u", "--"} & set(args):
            args += ["--", "cat"]
        done = mill.run(*args, stdin=read(case, "stdin", b""))
    assert done.status == int(read(case, "status", b"0")), done
    out = re.sub(rb'"duration_ms":\d+', b'"duration_ms":0', done.raw)
    assert out == read(case, "stdout", b""), done
    rest = done.err
    for line in read(case, "stderr", b"").decode().splitlines():
        found = re.search(line, rest, re.MULTILINE)
        assert found, (line, done)
        rest = rest[found.end():]
    assert (case / "stderr").exists() or "llmill: " not in done.err, done
    for want in case.glob("*.want"):
        assert (mill.dir / want.stem).read_bytes() == want.read_bytes()
    if done.status in (2, 65):  # nothing is left where nothing is sent
        assert {path.name for path in mill.dir.iterdir()} == before
