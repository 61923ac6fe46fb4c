#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Python functions as chat backends of llmill, and llmill from Python.

    llmill run prompts.txt --python my_chat:ask

calls ask(prompt) of my_chat.py, a text for a text, in as many processes as
there are workers. One that crashes or hangs costs its own prompt at most.

    def ask(prompt): ...                 gets the prompt
    def ask(prompt, request): ...        and all that llmill says of it: id,
                                         messages, system, the record's keys

An exception is a failed attempt with its text. With an attribute
`retry = False` no other try follows; `retry_after = 2.5` asks for a pause.
What the function, or a library of C below it, prints goes to stderr.

The same from a program of your own, started as `llmill ... --per-worker --
python3 my_program.py`:

    from llmill_chat import serve
    serve(ask)

And from Python, with the program `llmill` underneath:

    from llmill_chat import ParallelLLMProcessor
    with ParallelLLMProcessor(my_chat.ask, num_workers=16) as processor:
        answers = processor.process_prompts(["one", "two"])

Needs Python 3.7 and nothing else.
"""

import importlib
import importlib.util
import inspect
import json
import logging
import math
import numbers
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import traceback

__all__ = ["serve", "ParallelLLMProcessor", "ProcessorError"]

CANNOT_RUN = 127  # as a shell says it: nothing is wrong with the prompt
# Exit statuses of llmill
NOT_SAVED = 74  # answers are in the spill file
NO_DATABASE = (2, 65, 71, 75)  # before a run: other prompts, no database, busy

log = logging.getLogger("llmill")


# --- one side of a pipe: a line for a line ---


class Pipe:
    """Our end: what stdin and stdout were. In their places stand /dev/null
    and stderr, so that nobody else reads requests or prints between
    answers."""

    def __init__(self):
        sys.stdout.flush()
        self.requests = os.fdopen(os.dup(0), "rb")
        self.answers = os.fdopen(os.dup(1), "wb")
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def say(self, **line):
        # Lone surrogates pass as the escapes they were.
        self.answers.write(json.dumps(line).encode("ascii") + b"\n")
        self.answers.flush()


def takes_request(function):
    """Does it want to know more than the prompt?"""
    try:
        return "request" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False  # written in C: it says nothing about itself


def failure(error):
    """What an exception says, and what it says about another try."""
    line = {"error": str(error) or type(error).__name__}
    if getattr(error, "retry", None) is False:
        line["retry"] = False
    after = getattr(error, "retry_after", None)
    if isinstance(after, numbers.Real) and math.isfinite(after) and after >= 0:
        line["retry_after"] = float(after)
    return line


def answer(function, request, with_request):
    """Call it. Gives the line that is its answer, without the id."""
    prompt = request.get("prompt", request.get("messages"))
    try:
        if with_request:
            result = function(prompt, request=request)
        else:
            result = function(prompt)
    except (Exception, SystemExit) as error:  # whatever it is, it is ours
        traceback.print_exc()
        return failure(error)
    if isinstance(result, str):
        return {"result": result}
    return {"error": "the function gave {}, not a text".format(
        "None" if result is None else
        "{} ({:.60})".format(type(result).__name__, repr(result)))}


def serve(function, pipe=None):
    """Answer requests on stdin with function until there are no more. It
    takes the place of stdin and stdout; call it once, at the end."""
    pipe = pipe or Pipe()
    with_request = takes_request(function)
    pipe.say(ready=True)
    for line in pipe.requests:
        request = json.loads(line.decode("utf-8"))
        pipe.say(id=request["id"], **answer(function, request, with_request))
        sys.stderr.flush()


# --- which function ---


def load_file(path):
    name = os.path.splitext(os.path.basename(path))[0]
    if not os.path.isfile(path):
        raise ImportError("there is no file {}".format(path))
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def find(place):
    """Gives the function of "module:function" or "file.py:function"."""
    where, colon, name = place.rpartition(":")
    if not (colon and where and name):
        raise ImportError(
            "{}: give MODULE:FUNCTION or FILE.py:FUNCTION".format(place))
    if where.endswith(".py"):
        found = load_file(where)
    else:
        found = importlib.import_module(where)
    for part in name.split("."):
        if not hasattr(found, part):
            raise ImportError("{} has no {}".format(where, name))
        found = getattr(found, part)
    if not callable(found):
        raise ImportError("{}: {} is no function".format(where, name))
    return found


def main():
    if len(sys.argv) != 2:
        print("usage: python3 -m llmill_chat MODULE:FUNCTION",
              file=sys.stderr)
        return 2
    pipe = Pipe()
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        function = find(sys.argv[1])
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        print("{}: {} ({}, line {})".format(
            type(error).__name__, error, place.filename, place.lineno),
            file=sys.stderr, flush=True)
        return CANNOT_RUN
    serve(function, pipe)
    return 0


# --- llmill from Python ---


class ProcessorError(RuntimeError):
    """The run ended before all prompts were done. results: what there is, in
    order, None where nothing is; status: llmill's exit status."""

    def __init__(self, text, status, results):
        super().__init__(text)
        self.status = status
        self.results = results


def check_number(name, value, least, strict=False, whole=False):
    kind = numbers.Integral if whole else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError("{} must be {}, not {}".format(
            name, "a whole number" if whole else "a number",
            type(value).__name__))
    if math.isnan(value) or value < least or strict and value == least:
        raise ValueError("{} must be {} {}, not {}".format(
            name, ">" if strict else ">=", least, value))


def place_of(function):
    """Gives how other processes find the function, "module:function". Raises
    ValueError for one that they cannot."""
    name = getattr(function, "__qualname__", None)
    module = getattr(function, "__module__", None)
    advice = ("; llmill calls it in other processes, which find it by its "
              "name: define it with def at the top of a module and give "
              "that")
    if not callable(function):
        raise TypeError("chat_fn must be a function, not {}".format(
            type(function).__name__))
    if not name or not module:
        raise ValueError("chat_fn is {}, which has no name{}".format(
            type(function).__name__, advice))
    if "<lambda>" in name:
        raise ValueError("chat_fn is a lambda{}".format(advice))
    if "<locals>" in name:
        raise ValueError("chat_fn {} is defined inside a function{}".format(
            name.replace(".<locals>", ""), advice))
    where = module
    if module == "__main__":
        where = getattr(sys.modules[module], "__file__", None)
        if where is None:
            raise ValueError(
                "chat_fn {} is defined in an interactive session{}; for "
                "example in my_chat.py, then: import my_chat".format(
                    name, advice))
        where = os.path.abspath(where)
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not function and getattr(found, "__func__", None) is not \
            function:
        raise ValueError("chat_fn: {} of {} is something else{}".format(
            name, module, advice))
    return "{}:{}".format(where, name)


def find_llmill():
    """$LLMILL, the program that belongs to this file, or that of $PATH."""
    here = os.path.dirname(os.path.realpath(__file__))
    for path in (os.environ.get("LLMILL"),
                 os.path.join(here, "..", "build", "release", "llmill"),
                 os.path.join(here, "..", "..", "bin", "llmill"),
                 shutil.which("llmill")):
        if path and os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise FileNotFoundError(
        "the program llmill is not there; build or install it, or say in "
        "$LLMILL where it is")


class ParallelLLMProcessor:
    """Maps prompts through chat_fn, a function of a text that gives a text,
    in num_workers processes.

    retry_attempts   tries in all per prompt; 0 and 1 both mean one
    retry_delay      seconds before the second, doubling from then on
    timeout          seconds for one call; one that takes longer is killed
    save_to_db       keep every result at once in an SQLite database,
    db_filename      of this name, or llm_results_YYYYMMDD_HHMMSS.db

    A program that calls this at its top level is itself read by the workers
    if chat_fn stands in it: keep calls behind `if __name__ == "__main__":`.
    """

    def __init__(self, chat_fn, num_workers=4, retry_attempts=3,
                 retry_delay=1.0, timeout=60.0, save_to_db=False,
                 db_filename=None):
        if not callable(chat_fn):
            raise TypeError("chat_fn must be a function, not {}".format(
                type(chat_fn).__name__))
        check_number("num_workers", num_workers, 1, whole=True)
        check_number("retry_attempts", retry_attempts, 0, whole=True)
        check_number("retry_delay", retry_delay, 0)
        check_number("timeout", timeout, 0, strict=True)
        if db_filename is not None and not str(db_filename).strip():
            raise ValueError("db_filename must not be blank")
        self.place = place_of(chat_fn)
        self.chat_fn = chat_fn
        self.num_workers = num_workers
        self.retry_attempts = retry_attempts
        self.retry_delay = retry_delay
        self.timeout = timeout
        self.save_to_db = save_to_db
        self.db_filename = db_filename
        self.program = find_llmill()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Nothing is left open between two calls."""

    def process_prompts(self, prompts):
        """Gives the answers in the order of the prompts; where all tries
        failed "Error: Failed after N attempts: ..." stands in the place of
        one."""
        prompts = list(prompts)
        for at, prompt in enumerate(prompts):
            if not isinstance(prompt, str):
                raise TypeError("prompts[{}] must be a text, not {}".format(
                    at, type(prompt).__name__))
        if not prompts:
            return []
        with tempfile.TemporaryDirectory(prefix="llmill.") as aside:
            return self.run(prompts, aside)

    def run(self, prompts, aside):
        source = os.path.join(aside, "prompts.jsonl")
        results = os.path.join(aside, "results.jsonl")
        with open(source, "w", encoding="ascii") as file:
            for prompt in prompts:
                file.write(json.dumps({"prompt": prompt}) + "\n")
        database = []
        if not self.save_to_db:
            database = ["--no-db"]
        elif self.db_filename is not None:
            database = ["--db", os.fspath(self.db_filename)]
        status, told, said = self.call(source, results, database)
        if not told and self.save_to_db and status in NO_DATABASE:
            # Nothing was asked yet: the work goes on without it.
            log.warning("nothing is saved: %s", said.strip())
            status, told, said = self.call(source, results, ["--no-db"])
        found = read_results(results, len(prompts))
        if status == NOT_SAVED:
            log.warning("answers are not in the database, but in %s",
                        told.get("spill"))
        if status in (0, 1, NOT_SAVED) and None not in found:
            return found
        raise ProcessorError(
            told.get("stop_reason") or said.strip() or
            "llmill ended with status {}".format(status), status, found)

    def call(self, source, results, database):
        """Gives llmill's exit status, its summary and what it said."""
        command = [
            self.program, "run", source, *database, "-o", results,
            "-j", str(self.num_workers),
            "--retry-attempts", str(self.retry_attempts),
            "--retry-delay", "{:.3f}s".format(self.retry_delay),
            "--timeout", "{:.3f}s".format(max(self.timeout, 0.001)),
            "--progress", "none", "--json", "--allow-empty", "--per-worker",
            "--", sys.executable, "-m", "llmill_chat", self.place]
        here = os.path.dirname(os.path.realpath(__file__))
        path = [here] + [part or os.getcwd() for part in sys.path]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(path)))
        try:
            told, said = process.communicate()
        except BaseException:
            # Ctrl-C reached it as well: what it holds is saved first.
            process.send_signal(signal.SIGTERM)
            process.communicate()
            raise
        said = said.decode("utf-8", "replace")
        for line in said.splitlines():
            log.info("%s", line)
        try:
            told = json.loads(told.decode("utf-8"))
        except ValueError:
            told = {}
        return process.returncode, told, said

    @staticmethod
    def recover_from_database(db_filename):
        """Gives the results that a database holds, in the order of their
        prompts; None where one is open."""
        if not os.path.exists(db_filename):
            raise FileNotFoundError(
                "{}: there is no such database".format(db_filename))
        uri = "file:{}?mode=ro".format(
            os.path.abspath(db_filename).replace("%", "%25").replace(
                "?", "%3f").replace("#", "%23"))
        database = sqlite3.connect(uri, uri=True)
        try:
            database.text_factory = lambda text: text.decode(
                "utf-8", "surrogateescape")
            return [result for result, in database.execute(
                "SELECT result FROM llm_results ORDER BY id")]
        finally:
            database.close()


def read_results(path, count):
    found = [None] * count
    for name in (path, path + ".part"):
        if not os.path.exists(name):
            continue
        with open(name, encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                found[record["id"] - 1] = (
                    record["result"] if record["ok"] else record["error"])
        break
    return found


if __name__ == "__main__":
    sys.exit(main())
