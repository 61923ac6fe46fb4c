# SPDX-License-Identifier: ISC
"""The language of the files in tests/cases: lines of a word and what belongs
to it, and replies of a server composed from them. tests/cases/README.md
says what there is.

    statements(path)     the lines of a file
    replies(path)        the Script of a file `reply`
"""

import itertools
import json
import re
import zlib

STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(?:\*(\d+))?\s*')
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.S)
PLAIN_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
NEWLINES = {"LF": b"\n", "CR": b"\r", "CRLF": b"\r\n"}
# How a compressor is told what to make.
ENCODINGS = {"gzip": 31, "deflate": 15, "raw-deflate": -15}
DRIP_PAUSE = 0.0002  # seconds: enough to make two packets of two sends


class Mistake(ValueError):
    """Something in a case that cannot be meant."""


class Statement:
    """A word, and the rest of its line with the indented ones below it."""

    def __init__(self, path, number, word, rest):
        self.path = path
        self.number = number
        self.word = word
        self.rest = rest
        self.below = []

    def mistake(self, what):
        return Mistake(f"{self.path}:{self.number}: {what}")

    def text(self):
        return "\n".join([self.rest, *self.below])

    def bytes(self):
        """Its strings, or without quotes the line as it is."""
        text = self.text()
        if not text.startswith('"'):
            return text.encode()
        found, at = b"", 0
        while at < len(text):
            match = STRING.match(text, at)
            if match is None:
                raise self.mistake(f"no string: {text[at:at + 40]}")
            found += unescape(match[1]) * int(match[2] or 1)
            at = match.end()
        return found

    def json(self):
        """A JSON text as it stands there; one that is none is a mistake."""
        try:
            json.loads(self.text())
        except ValueError as error:
            raise self.mistake(f"no JSON ({error})") from None
        return self.text()

    def integer(self, text=None):
        text = self.rest if text is None else text
        if not re.fullmatch(r"-?\d+", text):
            raise self.mistake(f"{self.word} wants a number, not {text!r}")
        return int(text)

    def seconds(self, text=None):
        text = self.rest if text is None else text
        match = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
        if match is None:
            raise self.mistake(f"{self.word} wants a time, not {text!r}")
        return float(match[1]) * UNITS[match[2]]

    def alone(self):
        if self.text():
            raise self.mistake(f"{self.word} stands alone")

    def shifted(self):
        """What stands behind the word, as a statement of its own."""
        word, _, rest = self.rest.partition(" ")
        inner = Statement(self.path, self.number, word, rest.strip())
        inner.below = self.below
        return inner


def unescape(text):
    def one(match):
        code = match[1]
        if code[0] == "u":
            return chr(int(code[1:], 16)).encode("utf-8", "surrogatepass")
        if code[0] == "x":
            return bytes([int(code[1:], 16)])
        return PLAIN_ESCAPES.get(code, code).encode()
    found, at = b"", 0
    for match in ESCAPE.finditer(text):
        found += text[at:match.start()].encode() + one(match)
        at = match.end()
    return found + text[at:].encode()


def statements(path):
    """All statements of a file; comments and empty lines are none."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in " \t":
            if not found:
                raise Mistake(f"{path}:{number}: indented under nothing")
            found[-1].below.append(line.strip())
            continue
        word, _, rest = line.partition(" ")
        found.append(Statement(path, number, word, rest.strip()))
    return found


def parts(path):
    """The statements between the lines `then`: a list of lists."""
    found = [[]]
    for statement in statements(path):
        if statement.word == "then":
            statement.alone()
            found.append([])
        else:
            found[-1].append(statement)
    return found


# --- bodies ---


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def whole(message, reason):
    return compact({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1,
        "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", **message},
             "finish_reason": reason}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5,
                  "total_tokens": 8}})


def piece(choices, **more):
    return compact({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
        "model": "m", "choices": choices, **more})


class Bodies:
    """What each word for a body makes: bytes as they stand in the body."""

    STREAM = {"sse", "event", "delta", "finish", "usage", "done"}

    def __init__(self):
        self.newline = b"\n"

    def event(self, data, name=None):
        lines = [b"event: " + name.encode()] if name else []
        lines += [b"data: " + line.encode() for line in data.split("\n")]
        return self.newline.join(lines) + 2 * self.newline

    def of_text(self, statement):
        return statement.bytes()

    def of_json(self, statement):
        return statement.json().encode("utf-8", "surrogatepass")

    def of_answer(self, statement):
        return whole({"content": statement.bytes().decode()}, "stop").encode()

    def of_message(self, statement):
        inner = statement.shifted()
        reason = None if inner.word == "null" else inner.word
        return whole(json.loads(inner.json()), reason).encode()

    def of_sse(self, statement):
        return self.event(statement.json())

    def of_event(self, statement):
        inner = statement.shifted()
        return self.event(inner.json(), inner.word)

    def of_delta(self, statement):
        return self.event(piece([{"index": 0, "finish_reason": None,
                                  "delta": json.loads(statement.json())}]))

    def of_finish(self, statement):
        return self.event(piece([{
            "index": 0, "delta": {}, "finish_reason": statement.rest}]))

    def of_usage(self, statement):
        asked, given = map(statement.integer, statement.rest.split())
        return self.event(piece([], usage={
            "prompt_tokens": asked, "completion_tokens": given,
            "total_tokens": asked + given}))

    def of_done(self, statement):
        statement.alone()
        return self.event("[DONE]")


# --- replies ---


class Reply:
    """What one request gets: steps, in order.

    ("send", bytes, times)   times: None for ever
    ("wait", seconds) ("drip", bytes, seconds)
    ("close",) ("reset",) ("hang",) ("keep",)   how it ends
    """

    HEAD = {"status", "header", "no", "http", "chunked", "newline", *ENCODINGS}
    ENDS = {"close", "reset", "hang"}

    def __init__(self, lines):
        self.path = lines[0].path
        self.bodies = Bodies()
        self.items = []
        self.status = "200 OK"
        self.version = "1.1"
        self.headers = []
        self.dropped = set()
        self.chunk = None  # bytes per chunk; 0: a chunk per statement
        self.encoding = None
        self.cut = None
        self.every = None
        self.is_stream = False
        self.early = False  # before the body of the request was read
        self.whole_at = None
        for line in lines:
            self.take(line)
        self.steps = self.compose()

    def take(self, line):
        word = line.word
        if self.items and self.items[-1][0] in self.ENDS:
            raise line.mistake("behind the end")
        if word in self.HEAD:
            self.take_head(line)
        elif word in ("repeat", "forever", "send") or hasattr(
                self.bodies, "of_" + word):
            self.take_bytes(line)
        elif word == "wait":
            self.items.append(("wait", line.seconds()))
        elif word == "drip":
            count, _, pause = line.rest.partition(" ")
            self.items.append(("drip", line.integer(count), line.seconds(
                pause) if pause else DRIP_PAUSE))
        elif word == "early":
            line.alone()
            self.early = True
        elif word == "whole":
            line.alone()
            self.items.append(("whole",))
        elif word in self.ENDS:
            line.alone()
            self.items.append((word,))
        elif word in ("cut", "split"):
            self.take_cut(line)
        else:
            raise line.mistake(f"unknown word {word!r}")

    def take_head(self, line):
        word = line.word
        if any(item[0] == "body" for item in self.items):
            raise line.mistake(f"{word} belongs before the body")
        if word == "newline":
            if line.rest not in NEWLINES:
                raise line.mistake(f"newline wants one of {list(NEWLINES)}")
            self.bodies.newline = NEWLINES[line.rest]
            return
        self.begin_head()
        if word == "status":
            self.status = line.rest
        elif word == "http":
            self.version = line.rest
        elif word == "header":
            self.headers.append(line.bytes())
        elif word == "no":
            what, _, name = line.rest.partition(" ")
            if what != "header" or not name:
                raise line.mistake("no wants: header NAME")
            self.dropped.add(name.lower())
        elif word == "chunked":
            self.chunk = line.integer() if line.rest else 0
        else:
            line.alone()
            self.encoding = word

    def begin_head(self):
        if ("head",) not in self.items:
            self.items.append(("head",))

    def take_bytes(self, line):
        times, inner = 1, line
        if line.word == "repeat":
            inner = line.shifted()
            times = line.integer(inner.word)
            inner = inner.shifted()
        elif line.word == "forever":
            times, inner = None, line.shifted()
        if inner.word == "send":
            self.items.append(("raw", inner.bytes(), times))
            return
        make = getattr(self.bodies, "of_" + inner.word, None)
        if make is None:
            raise line.mistake(f"{inner.word!r} makes no body")
        self.is_stream |= inner.word in Bodies.STREAM
        self.begin_head()
        self.items.append(("body", make(inner), times))

    def take_cut(self, line):
        where, _, how = line.rest.partition(" ")
        if where == "every":
            self.every = (line.word, how or "close")
        elif line.word == "split":
            raise line.mistake("split wants: every")
        else:
            self.cut = (line.integer(where), how or "close")
        if line.word == "cut" and (how or "close") not in self.ENDS:
            raise line.mistake(f"a cut ends in one of {sorted(self.ENDS)}")

    # --- from items to steps ---

    def has_header(self, name):
        start = name.lower().encode() + b":"
        return any(line.lower().startswith(start) for line in self.headers)

    def head(self, size):
        """size: of the body; None when nobody knows it."""
        lines = [f"HTTP/{self.version} {self.status}".encode()]
        kind = "text/event-stream" if self.is_stream else "application/json"
        defaults = [("Content-Type", kind)]
        if self.encoding:
            name = self.encoding.removeprefix("raw-")
            defaults.append(("Content-Encoding", name))
        if self.chunk is not None:
            defaults.append(("Transfer-Encoding", "chunked"))
        elif size is not None and not self.has_header("Transfer-Encoding"):
            defaults.append(("Content-Length", str(size)))
        for name, value in defaults:
            if not self.has_header(name) and name.lower() not in self.dropped:
                lines.append(f"{name}: {value}".encode())
        return b"\r\n".join(lines + self.headers) + b"\r\n\r\n"

    def encode(self):
        """The same items, their bodies compressed as one stream."""
        packer = zlib.compressobj(9, zlib.DEFLATED, ENCODINGS[self.encoding])
        found, last = [], None
        for item in self.items:
            if item[0] != "body":
                found.append(item)
                continue
            for _ in range(item[2]):
                data = packer.compress(item[1])
                found.append(
                    ("body", data + packer.flush(zlib.Z_SYNC_FLUSH), 1))
            last = len(found) - 1
        found[last] = ("body", found[last][1] + packer.flush(), 1)
        return found

    def chunks(self, data):
        step = self.chunk or len(data)
        return b"".join(
            b"%x\r\n%b\r\n" % (len(data[at:at + step]), data[at:at + step])
            for at in range(0, len(data), step))

    def end(self, framed):
        if self.items and self.items[-1][0] in self.ENDS:
            return self.items[-1]
        if ("head",) in self.items and framed and self.version == "1.1" and \
                not any(line.lower() == b"connection: close"
                        for line in self.headers):
            return ("keep",)
        return ("close",)

    def compose(self):
        items = self.encode() if self.encoding else self.items
        bodies = [item for item in items if item[0] == "body"]
        endless = any(times is None for _, _, times in bodies)
        size = None if endless else sum(
            len(data) * times for _, data, times in bodies)
        head = self.head(size)
        framed = self.chunk is not None or b"\r\ncontent-length:" in \
            head.lower() or b"\r\ntransfer-encoding:" in head.lower()
        end = self.end(framed)
        steps = []
        for item in items:
            if item[0] == "head":
                steps.append(("send", head, 1))
            elif item[0] == "raw":
                steps.append(("send", item[1], item[2]))
            elif item[0] == "body":
                data = item[1] if self.chunk is None else self.chunks(item[1])
                steps.append(("body", data, item[2]))
            elif item[0] not in self.ENDS:
                steps.append(item)
        if self.chunk is not None and end == ("keep",):
            steps.append(("body", b"0\r\n\r\n", 1))
        if self.cut is not None:
            steps, end = self.cut_off(steps), (self.cut[1],)
        if self.every is not None:
            return self.flatten(steps) + [end]
        return [("send", *step[1:]) if step[0] == "body" else step
                for step in steps if step[0] != "whole"] + [end]

    def cut_off(self, steps):
        """Leave away what lies behind so many bytes of the body."""
        left = self.cut[0]
        if left < 0:
            left += sum(len(step[1]) * step[2] for step in steps
                        if step[0] == "body")
        found = []
        for step in steps:
            if step[0] != "body":
                found.append(step)
                continue
            for _ in range(step[2]):
                found.append(("body", step[1][:left], 1))
                left -= len(step[1])
                if left <= 0:
                    return found
        return found

    def flatten(self, steps):
        """All as one send, to be cut anywhere; it knows where it is whole."""
        data = b""
        for step in steps:
            if step[0] == "whole":
                self.whole_at = len(data)
            elif step[0] in ("send", "body"):
                data += step[1] * step[2]
            else:
                raise Mistake(
                    f"{self.path}: {step[0]} where all is cut or split")
        if self.whole_at is None:
            self.whole_at = len(data)
        return [("send", data, 1)]

    def size(self):
        """How many places there are to cut it."""
        return len(self.steps[0][1])

    def cut_at(self, place):
        """The steps of one of a family: cut, or split, at this byte."""
        kind, how = self.every
        data = self.steps[0][1]
        if kind == "cut":
            return [("send", data[:place], 1), (how,)]
        return [("send", data[:place], 1), ("wait", 0.001),
                ("send", data[place:], 1), self.steps[-1]]


class Script:
    """The replies of a case, in the order of the requests for them.

    A family, one reply cut at every byte, has them in this order for every
    prompt, and a prompt for each place.
    """

    def __init__(self, path):
        found = parts(path)
        self.always = None  # the reply to all requests behind the others
        is_endless = bool(found[-1]) and found[-1][0].word == "every"
        if is_endless:
            found[-1].pop(0).alone()
        if not all(found):
            raise Mistake(f"{path}: an empty reply")
        if is_endless:
            self.always = Reply(found.pop())
        self.replies = [Reply(lines) for lines in found]
        self.is_family = bool(self.replies and self.replies[0].every)
        for reply in self.replies[1:] + [self.always]:
            if reply is not None and reply.every:
                raise Mistake(f"{path}: only the first can be cut everywhere")

    def places(self):
        return self.replies[0].size()

    def is_early(self, number):
        """Does it wait for no more than the head of that request?"""
        return number < len(self.replies) and self.replies[number].early

    def count(self):
        """How many requests it needs to be used up."""
        return len(self.replies) + (self.always is not None)

    def reply(self, number, place=None):
        """The steps for the request with this number, from 0; None: none."""
        if number >= len(self.replies):
            return self.always and self.always.steps
        if number == 0 and self.is_family:
            return self.replies[0].cut_at(place)
        return self.replies[number].steps


def times(count):
    return itertools.repeat(None) if count is None else range(count)
