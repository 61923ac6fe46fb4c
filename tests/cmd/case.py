# SPDX-License-Identifier: ISC
"""A scripted case: a directory with what a server sends (reply), what it is to
be asked (request), and what must come of it (want). tests/cases/README.md says
what can stand in these files; here they are read and judged.
"""

import contextlib
import json
import shlex
import sqlite3

from raw_server import RawServer
from script import Mistake, Script, Statement, parts, statements

FILES = {"args", "env", "prompt", "reply", "request", "want"}
# A subject of `attempt`, its column, and how the two are compared.
FACTS = {
    "error": ("error", "part"), "raw": ("raw", "part"),
    "finish": ("finish_reason", "same"), "model": ("model", "same"),
    "request_id": ("request_id", "same"), "reasoning": ("reasoning", "same"),
    "refusal": ("refusal", "same"), "tokens": ("tokens", "same"),
    "first_byte": ("first_byte_ms", "least"),
}
ATTEMPTS = """SELECT outcome, coalesce(http_status, 0) AS status, error, raw,
    finish_reason, model, request_id, reasoning, refusal, first_byte_ms,
    coalesce(input_tokens, '-') || ' ' || coalesce(output_tokens, '-')
    AS tokens, id FROM llm_attempts ORDER BY rowid"""


def brief(value):
    if isinstance(value, (bytes, str)) and len(value) > 400:
        return f"{value[:300]!r} … ({len(value)} bytes)"
    return repr(value)


def value_of(path):
    """The value that is all of a file."""
    line = Statement(path, 1, "", path.read_text().strip())
    return line.bytes()


def squeezed(text):
    return b" ".join(text.split())


class Attempt:
    """What is wanted of one: a line `attempt STATUS OUTCOME`, facts below."""

    def __init__(self, line):
        status, _, self.outcome = line.rest.partition(" ")
        self.status = 0 if status == "-" else line.integer(status)
        self.facts = []
        for text in line.below:
            inner = line.shifted()
            inner.word, _, inner.rest = text.partition(" ")
            inner.below = []
            none = inner.word == "no"
            if none:
                inner.word, inner.rest = inner.rest, ""
            if inner.word not in FACTS:
                raise line.mistake(f"unknown word {inner.word!r}")
            if not none and not inner.rest:
                raise line.mistake(f"{inner.word} wants something")
            self.facts.append((inner, none))

    def judge(self, row, name):
        """Give what is wrong with this attempt."""
        got = f"{row['status']} {row['outcome'].decode()}"
        if got != f"{self.status} {self.outcome}":
            yield (f"{name}: wanted {self.status} {self.outcome}, got {got}: "
                   f"{brief(row['error'])}")
        for line, none in self.facts:
            column, how = FACTS[line.word]
            value = row[column]
            if not self.fits(line, none, value, how):
                yield (f"{name}: {line.word}: wanted "
                       f"{'none' if none else line.rest}, got {brief(value)}")

    @staticmethod
    def fits(line, none, value, how):
        if none or value is None:
            return none and value in (None, b"- -")
        if how == "least":
            return value >= line.seconds() * 1000
        wanted = line.bytes()
        return wanted in value if how == "part" else wanted == value


class Want:
    """The file `want`."""

    def __init__(self, path, case):
        self.status = None
        self.ends = []  # of the prompts: a line each
        self.attempts = []
        self.cuts = None  # of a family: what becomes of a try that was cut
        self.whole = None  # and the answer where nothing is missing
        self.said = []
        self.unsaid = []  # that stands nowhere
        self.within = None
        self.connections = None
        for line in statements(path):
            self.take(line)
        if self.status is None:
            raise Mistake(f"{path}: no line `exit`")
        if case.script.is_family != (self.cuts is not None):
            raise Mistake(f"{path}: `cuts` belongs to a reply cut everywhere")
        if (self.cuts is None) != bool(self.attempts):
            raise Mistake(f"{path}: no line `attempt`, or too many")
        if len(self.ends) != (case.count if self.cuts is None else 1):
            raise Mistake(f"{path}: {case.count} prompts, {len(self.ends)} "
                          "lines that say what became of them")

    def take(self, line):
        word = line.word
        if word == "exit":
            self.status = line.integer()
        elif word in ("result", "failed", "calls", "open"):
            self.ends.append(line)
            if word == "calls":
                line.json()
        elif word == "attempt":
            self.attempts.append(Attempt(line))
        elif word == "cuts":
            self.cuts = line.rest.split()
        elif word == "whole":
            self.whole = line.bytes()
        elif word == "stderr":
            self.said.append(line.bytes())
        elif word == "nowhere":
            self.unsaid.append(line.bytes())
        elif word == "within":
            self.within = line.seconds()
        elif word == "connections":
            self.connections = line.integer()
        else:
            raise line.mistake(f"unknown word {word!r}")

    # --- judging ---

    def judge(self, run):
        """Give what is wrong, a sentence each."""
        if run.done.status != self.status:
            yield f"exit: wanted {self.status}, got {run.done.status}"
        if self.cuts is None:
            yield from self.judge_ends(run.results)
            yield from self.judge_attempts(run.attempts)
        else:
            yield from self.judge_family(run)
        for text in self.said:
            if squeezed(text) not in squeezed(run.done.err.encode()):
                yield f"stderr: no {text!r}"
        for text in self.unsaid:
            for place, data in run.traces().items():
                if text in data:
                    yield f"nowhere: {text!r} stands in {place}"
        if self.within is not None and run.done.seconds > self.within:
            yield f"within {self.within} s: took {run.done.seconds:.2f} s"
        got = max((r.connection for r in run.requests), default=0)
        if self.connections not in (None, got):
            yield f"connections: wanted {self.connections}, got {got}"

    def judge_ends(self, results):
        for number, (line, got) in enumerate(zip(self.ends, results), 1):
            if not is_end(line, got):
                yield (f"prompt {number}: wanted {line.word} {line.rest}, got "
                       f"{brief(got)}")

    def judge_attempts(self, rows):
        if len(rows) != len(self.attempts):
            yield (f"wanted {len(self.attempts)} attempts, got " + ", ".join(
                f"{row['status']} {row['outcome'].decode()} "
                f"({brief(row['error'])})" for row in rows))
            return
        for number, (wanted, row) in enumerate(zip(self.attempts, rows), 1):
            yield from wanted.judge(row, f"attempt {number}")

    def judge_family(self, run):
        """Whatever was cut is tried again, and only that."""
        first = run.case.script.replies[0]
        is_cut = first.every[0] == "cut"
        seen = set()
        for place, got in enumerate(run.results):
            tried = [row["outcome"].decode() for row in run.attempts
                     if row["id"] == place + 1]
            whole = not is_cut or place >= first.whole_at
            wanted = self.whole if whole and self.whole is not None \
                else self.ends[0].bytes()
            right = tried == ["ok"] if whole else (
                len(tried) == 2 and tried[0] in self.cuts and
                tried[1] == "ok")
            seen |= set(tried[:-1])
            if not right or got != wanted:
                data = first.steps[0][1]
                yield (f"{first.every[0]} at byte {place} of {len(data)} "
                       f"(whole at {first.whole_at}), behind "
                       f"{data[max(0, place - 30):place]!r}: {tried}, "
                       f"{brief(got)}")
        if seen != set(self.cuts):
            yield f"cuts: wanted {sorted(self.cuts)}, got {sorted(seen)}"


def is_end(line, got):
    if line.word == "open":
        return got is None
    if got is None:
        return False
    if line.word == "calls":
        with contextlib.suppress(ValueError):
            return json.loads(got) == json.loads(line.text())
        return False
    if line.word == "result":
        return got == line.bytes()
    return got.startswith(b"Error: Failed after ") and line.bytes() in got


# --- requests ---


def lacks(wanted, got, at="body"):
    """Give the places where got does not have what is wanted."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key, value in wanted.items():
            if key not in got:
                yield f"no {at}.{key}"
            else:
                yield from lacks(value, got[key], f"{at}.{key}")
    elif wanted != got or isinstance(wanted, bool) != isinstance(got, bool):
        yield f"{at}: wanted {wanted!r}, got {brief(got)}"


def judge_request(lines, request, before, name):
    """Give what is wrong with a request. before: the one before it."""
    for line in lines:
        for wrong in judge_line(line, request, before):
            yield f"{name}: {wrong}"


def judge_line(line, request, before):
    word = line.word
    if word.isupper():
        got = f"{request.method} {request.target}"
        if got != f"{word} {line.rest}":
            yield f"wanted {word} {line.rest}, got {got}"
    elif word == "header":
        key, _, value = line.rest.partition(": ")
        if value not in request.header(key):
            yield f"{key}: wanted {value!r}, got {request.header(key)}"
    elif word == "json":
        yield from lacks(json.loads(line.json()), json.loads(request.body))
    elif word == "exactly":
        if json.loads(line.json()) != json.loads(request.body):
            yield f"body: got {brief(request.body)}"
    elif word == "body":
        if line.bytes() not in request.body:
            yield f"no {line.rest} in the body: {brief(request.body)}"
    elif word == "no":
        yield from judge_absence(line.shifted(), request)
    elif word == "later":
        passed = request.time - before.time
        if passed < line.seconds():
            yield f"wanted {line.rest} after the last, got {passed:.3f} s"
    elif word == "sooner":
        passed = request.time - before.time
        if passed > line.seconds():
            yield f"wanted less than {line.rest}, got {passed:.3f} s"
    elif word == "connection":
        got = "kept" if before and before.connection == request.connection \
            else "new"
        if got != line.rest:
            yield f"wanted a {line.rest} connection, got a {got} one"
    else:
        raise line.mistake(f"unknown word {word!r}")


def judge_absence(line, request):
    if line.word == "header":
        if request.header(line.rest):
            yield f"has {line.rest}: {request.header(line.rest)}"
    elif line.word == "json":
        if line.rest in json.loads(request.body):
            yield f"has {line.rest} in its body"
    elif line.word == "body":
        if line.bytes() in request.body:
            yield f"has {line.rest} in its body"
    else:
        raise line.mistake("no wants: header NAME, json NAME, body TEXT")


# --- the case ---


class Run:
    """What came of a case."""

    def __init__(self, case, done, server, mill):
        self.case = case
        self.done = done
        self.dir = mill.dir
        self.requests = server.requests
        self.troubles = server.troubles
        self.unused = server.unused()
        self.results, self.attempts = [], []
        if (mill.dir / "a.db").exists():
            with contextlib.closing(sqlite3.connect(mill.dir / "a.db")) as db:
                db.text_factory = bytes
                self.results = [row[0] for row in db.execute(
                    "SELECT result FROM llm_results ORDER BY id")]
                db.row_factory = sqlite3.Row
                self.attempts = db.execute(ATTEMPTS).fetchall()

    def traces(self):
        """All that it left behind, by name."""
        files = {file.name: file.read_bytes() for file in self.dir.iterdir()}
        return {"stdout": self.done.raw, "stderr": self.done.err.encode(),
                **files}

    def wrongs(self):
        """Give all that is wrong, a sentence each."""
        yield from self.troubles
        if self.unused:
            yield f"{self.unused} of the replies were never asked for"
        yield from self.case.want.judge(self)
        for number, lines in enumerate(self.case.wanted_requests):
            if number >= len(self.requests):
                yield f"no request {number + 1}"
                continue
            yield from judge_request(
                lines, self.requests[number],
                self.requests[number - 1] if number else None,
                f"request {number + 1}")


class Case:
    """A directory, read. A Mistake tells what is wrong with the case."""

    def __init__(self, path):
        self.path = path
        self.inputs = []
        for file in sorted(path.iterdir()):
            if file.name.startswith("prompts"):
                self.inputs.append(file)
            elif file.name not in FILES:
                raise Mistake(f"{file}: unknown file")
        for name in ("reply", "want"):
            if not (path / name).exists():
                raise Mistake(f"{path}: no file {name!r}")
        self.script = Script(path / "reply")
        made = path / "prompt"
        self.prompt = value_of(made) if made.exists() else b"hi"
        if self.script.is_family + made.exists() + bool(self.inputs) > 1:
            raise Mistake(f"{path}: prompts from two places")
        self.args = self.words("args")
        self.env = dict(word.split("=", 1) for word in self.words("env"))
        self.count = sum(len(f.read_text().splitlines())
                         for f in self.inputs) or 1
        self.want = Want(path / "want", self)
        request = path / "request"
        self.wanted_requests = parts(request) if request.exists() else []
        if request.exists() and not all(self.wanted_requests):
            raise Mistake(f"{request}: a request of which nothing is wanted")

    def words(self, name):
        path = self.path / name
        return shlex.split(path.read_text(), comments=True) \
            if path.exists() else []

    def prompts(self):
        """The words of the command line that give the prompts."""
        if self.inputs:
            return [str(file) for file in self.inputs], ""
        if self.script.is_family:
            places = range(self.script.places())
            return ["-"], "".join(f"place {place}\n" for place in places)
        return ["-"], self.prompt

    def play(self, mill):
        """Run the program against the script. Gives a Run."""
        with RawServer(self.script) as server:
            def filled(text):
                return text.replace("{host}", server.host)
            inputs, stdin = self.prompts()
            args = [filled(word) for word in self.args]
            if "-u" not in args:
                args += ["-u", f"http://{server.host}/v1", "-m", "m"]
            if "-j" not in args:
                args += ["-j", "16" if self.script.is_family else "1"]
            done = mill.run(
                "run", *inputs, "--db", "a.db", "--retry-delay", "10ms",
                *args, stdin=stdin,
                env={name: filled(text) for name, text in self.env.items()})
        return Run(self, done, server, mill)
