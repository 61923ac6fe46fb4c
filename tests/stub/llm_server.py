#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A scripted stand-in for an OpenAI-compatible server.

    llm_server.py [--port 0] [--script FILE.json] [--log FILE] [--delay S]
                  [--unix PATH | --tls CERT.pem KEY.pem]

prints `ready http://127.0.0.1:PORT/v1` once it listens on loopback, and
serves until SIGTERM or the end of its standard input (a file or /dev/null as
stdin is no such end). It can listen on a Unix socket (`ready unix:PATH:/v1`)
or speak TLS (`ready https://…`). Nothing but Python's standard library is needed.

Paths
    POST …/chat/completions   the answer "echo: <last user text>", the model
                              echoed, usage counted in words, x-request-id;
                              as a stream of events where the request says so
    POST …/messages           the same in Anthropic's shape
    GET  /v1/models           one model, "stub-model"
    GET  /health              {"status":"ok"}
    anything else             404 with an error object

Script: a JSON list of rules, or {"rules": […], "models": ["name", …]}, which
can have beside them
    "bucket"   {"rate": R, "burst": B, "after": "exact", "ceil" or "none"}:
               a limit of R chat requests per second, of which B are saved
               up; over it 429 with Retry-After as said
    "window"   {"limit": L, "seconds": S}: L chat requests in each S seconds,
               over it 429; every answer says in headers what is left
    "bears"    K: a chat request while K others are answered gets 503
Of the rules the first match wins; without one the default answer goes out.

    {"match": {…}, "do": {…}}

match (all that are given must hold; none: every chat request)
    "prompt"   part of the last user text, or "/regex/" searched in it
    "attempt"  n-th time this very text came, from 1; or a list of such
    "nth"      n-th chat request of all, from 1; or a list of such
    "share"    0 … 1 of all prompts, chosen by a hash of text and
    "seed"     (default 0): the same prompts every time
    "path"     exact path; such rules also see GETs, others only chats

do (what is not said is as in the default answer)
    "status", "headers": {…}
    "body"         text, or an object sent as JSON, instead of an answer
    "content"      the answer's text; "content_bytes": n, so many letters x
    "message"      {…} merged into the answer's message
    "finish_reason", "usage", "model"
    "gzip": true   compressed, with Content-Encoding
    "delay"        seconds before anything is sent
    "until"        a path: nothing is sent before a file is there
    "chunk"        body in chunks of n bytes (Transfer-Encoding: chunked),
    "chunk_delay"  seconds between two of them
    "split": true  head and body in two packets, without TCP_NODELAY
    "stall_after"  so many bytes of the body, then silence
    "cut_after"    so many bytes of the body, then the connection is closed
    "reset": true  the connection is reset, nothing is sent
    "hang": true   nothing is ever sent
    "garbage"      n random bytes instead of a body, the same every time
    "raw"          text sent as it is instead of a whole response, then close
    "close_kept"   true: the answer goes out whole and the connection is
                   closed behind it, without a word in the headers;
                   "read": a request on a connection that has answered
                   before is read and the connection closed, as servers do
                   that time out kept connections; on a fresh one it is
                   answered. Such a request does not count for attempt

Log: one JSON object per line, flushed at once.
    {"event": "request", "time", "n", "connection", "method", "path",
     "headers", "body", "prompt", "seen", "outcome"}   when it has been read;
        n numbers all requests, connection all connections from 1, seen is
        how often this prompt came, outcome is what the script chose
    {"event": "sent", "time", "n"}   the kernel has all of the response
    {"event": "cut", "time", "n"}    the script broke it off
    {"event": "lost", "time", "n"}   client or server left before that

As a module:

    from llm_server import StubServer
    with StubServer([{"match": {"attempt": 1}, "do": {"status": 500}}]) as s:
        ... s.url ...
        assert len(s.requests()) == 2

runs it in a process of its own; log() gives all lines, requests() those of
requests, stop() ends it.
"""

import argparse
import asyncio
import gzip
import hashlib
import json
import os
import random
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

import anthropic_shape

BODY_MAX = 1 << 30
CHAT = "/chat/completions"
MESSAGES = "/messages"
GATE_NAP = 0.01  # seconds between two looks at the file of "until"


def last_user_text(body):
    """The text of the last user message, its parts joined; None if none."""
    messages = body.get("messages") if isinstance(body, dict) else None
    for message in reversed(messages if isinstance(messages, list) else []):
        if not isinstance(message, dict) or message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, list):
            return "".join(part.get("text", "") for part in content
                           if isinstance(part, dict))
        return content if isinstance(content, str) else ""
    return None


def chosen_by_hash(prompt, share, seed):
    digest = hashlib.sha256(f"{seed}:{prompt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0 ** 64


def is_among(number, wanted):
    return number in wanted if isinstance(wanted, list) else number == wanted


class Request:
    """One request as read, and what the server knows of it."""

    def __init__(self, method, path, headers, raw):
        self.method = method
        self.path = path.split("?", 1)[0]
        self.target = path
        self.headers = headers
        self.number = 0
        self.chat_number = 0
        self.seen = 0
        self.anthropic = self.path.endswith(MESSAGES)
        self.is_chat = method == "POST" and (
            self.anthropic or self.path.endswith(CHAT))
        self.text = raw.decode("utf-8", "backslashreplace")
        try:
            self.body = json.loads(raw) if raw else None
        except ValueError:
            self.body = self.text
        self.prompt = last_user_text(self.body) if self.is_chat else None


class Rule:
    def __init__(self, rule):
        unknown = set(rule) - {"match", "do"}
        if unknown:
            raise ValueError(f"unknown keys in a rule: {sorted(unknown)}")
        self.match = rule.get("match", {})
        self.do = rule.get("do", {})
        unknown = set(self.match) - {
            "prompt", "attempt", "nth", "share", "seed", "path"}
        if unknown:
            raise ValueError(f"unknown keys in match: {sorted(unknown)}")
        prompt = self.match.get("prompt")
        self.regex = None
        if prompt and len(prompt) > 1 and prompt[0] == prompt[-1] == "/":
            self.regex = re.compile(prompt[1:-1])

    def fits(self, request):
        match = self.match
        if "path" in match:
            if request.path != match["path"]:
                return False
        elif not request.is_chat:
            return False
        text = request.prompt or ""
        if self.regex is not None:
            if not self.regex.search(text):
                return False
        elif "prompt" in match and match["prompt"] not in text:
            return False
        if "attempt" in match and not is_among(request.seen, match["attempt"]):
            return False
        if "nth" in match and not is_among(request.chat_number, match["nth"]):
            return False
        return "share" not in match or chosen_by_hash(
            text, match["share"], match.get("seed", 0))


class Response:
    """Head and body, composed from what a rule says."""

    def __init__(self, request, do, models):
        status = do.get("status", 200)
        self.headers = {"Content-Type": "application/json"}
        if not request.anthropic:
            self.headers["x-request-id"] = f"req-{request.number}"
        elif "body" not in do:
            self.headers["request-id"] = f"req-{request.number}"
        if "garbage" in do:
            body = random.Random(do["garbage"]).randbytes(do["garbage"])
        elif "body" in do:
            body = do["body"]
        elif request.is_chat and status < 300:
            body = self.answer(request, do)
        else:
            status, body = plain(request, status, models)
        if isinstance(body, (dict, list)):
            body = json.dumps(body, ensure_ascii=False)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        if do.get("gzip"):
            body = gzip.compress(body)
            self.headers["Content-Encoding"] = "gzip"
        self.body = body
        self.chunk = do.get("chunk", 0)
        if self.chunk:
            self.headers["Transfer-Encoding"] = "chunked"
        else:
            self.headers["Content-Length"] = str(len(body))
        self.headers.update(do.get("headers", {}))
        lines = [f"HTTP/1.1 {status} Stub"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        self.head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def answer(self, request, do):
        body = answer(request, do)
        if request.anthropic:
            body = anthropic_shape.reshape(body)
        if not is_streaming(request):
            return body
        self.headers["Content-Type"] = "text/event-stream"
        if request.anthropic:
            return anthropic_shape.stream(body, pieces)
        return as_stream(body, request.body)


def answer(request, do):
    body = request.body if isinstance(request.body, dict) else {}
    prompt = request.prompt or ""
    content = do.get("content", "echo: " + prompt)
    if "content_bytes" in do:
        content = "x" * do["content_bytes"]
    asked = len(prompt.split())
    given = len(content.split()) if isinstance(content, str) else 0
    message = {"role": "assistant", "content": content}
    message.update(do.get("message", {}))
    return {
        "id": f"chatcmpl-{request.number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": do.get("model", body.get("model", "stub-model")),
        "choices": [{"index": 0, "message": message,
                     "finish_reason": do.get("finish_reason", "stop")}],
        "usage": do.get("usage", {
            "prompt_tokens": asked, "completion_tokens": given,
            "total_tokens": asked + given}),
    }


def is_streaming(request):
    return isinstance(request.body, dict) and request.body.get("stream") is True


def pieces(text):
    """Words with the blanks before them; few even for a long text."""
    words = re.findall(r"\s*\S{1,4096}|\s+$", text)
    step = max(1, len(words) // 50)
    return ["".join(words[at:at + step]) for at in range(0, len(words), step)]


def as_stream(whole, asked):
    """The events that a server would send instead of this answer."""
    choice = whole["choices"][0]
    message = dict(choice["message"])
    content = message.pop("content")
    deltas = [{"role": "assistant"}]
    for name, value in message.items():
        if name == "tool_calls" and isinstance(value, list):
            value = [{"index": at, **call} for at, call in enumerate(value)]
        deltas.append({name: value})
    if isinstance(content, str):
        deltas += [{"content": piece} for piece in pieces(content)]
    elif content is not None:
        deltas.append({"content": content})
    common = {key: whole[key] for key in ("id", "created", "model")}
    common["object"] = "chat.completion.chunk"
    events = [{**common, "choices": [
        {"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas]
    events.append({**common, "choices": [
        {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    options = asked.get("stream_options") or {}
    if options.get("include_usage") and whole["usage"]:
        events.append({**common, "choices": [], "usage": whole["usage"]})
    lines = [json.dumps(event, ensure_ascii=False) for event in events]
    return "".join(f"data: {line}\n\n" for line in lines + ["[DONE]"])


def plain(request, status, models):
    """What goes out on any path but the chat's, or with a bad status."""
    if status == 200 and request.method == "GET":
        if request.path == "/health":
            return status, {"status": "ok"}
        if request.path.endswith("/models"):
            return status, {"object": "list", "data": [
                {"id": name, "object": "model", "owned_by": "stub"}
                for name in models]}
    if status == 200:
        status = 404
    text = f"stub: status {status} for {request.path}"
    if request.anthropic:
        return status, {**anthropic_shape.error(status, text),
                        "request_id": f"req-{request.number}"}
    return status, {"error": {
        "message": text,
        "type": "stub_error", "param": None, "code": None}}


class Bucket:
    """A limit of requests per second."""

    def __init__(self, rate, burst, after="ceil"):
        self.rate = rate
        self.burst = self.tokens = burst
        self.after = after
        self.time = time.monotonic()

    def refuse(self):
        """Take a token. Gives None, or what to do with the request."""
        now = time.monotonic()
        self.tokens = min(
            self.burst, self.tokens + (now - self.time) * self.rate)
        self.time = now
        if self.tokens >= 1:
            self.tokens -= 1
            return None
        wait = (1 - self.tokens) / self.rate
        after = {"exact": f"{wait:.3f}", "ceil": str(int(wait + 1))}
        headers = {"Retry-After": after[self.after]} \
            if self.after in after else {}
        return {"status": 429, "headers": headers, "delay": 0}


class Window:
    """A limit of requests in a fixed time, and headers that tell of it."""

    def __init__(self, limit, seconds):
        self.limit = self.left = limit
        self.seconds = seconds
        self.end = time.monotonic() + seconds

    def count(self, do):
        """Gives what to do with a request that is to be answered so."""
        now = time.monotonic()
        if now >= self.end:
            self.left = self.limit
            self.end = now + self.seconds
        if self.left == 0:
            do = {"status": 429, "delay": 0}
        self.left = max(0, self.left - 1)
        return {**do, "headers": {
            **do.get("headers", {}),
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.left),
            "x-ratelimit-reset-requests": f"{self.end - now:.3f}s"}}


class Server:
    """What all connections share: script, counters, log."""

    bucket = None
    window = None
    bears = None
    busy = 0

    def __init__(self, script, log, delay):
        if isinstance(script, dict):
            self.models = script.get("models", ["stub-model"])
            self.bears = script.get("bears")
            if "bucket" in script:
                self.bucket = Bucket(**script["bucket"])
            if "window" in script:
                self.window = Window(**script["window"])
            script = script.get("rules", [])
        else:
            self.models = ["stub-model"]
        self.rules = [Rule(rule) for rule in script]
        self.out = log
        self.delay = delay
        self.requests = 0
        self.chats = 0
        self.connections = 0
        self.seen = {}

    def write(self, **line):
        if self.out is None:
            return
        line["time"] = round(time.time(), 6)
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()

    def choose(self, request, connection):
        """Count the request, find its rule, log it. Gives what to do."""
        self.requests += 1
        request.number = self.requests
        before = (self.chats, self.seen.get(request.prompt, 0))
        if request.is_chat:
            self.chats += 1
            self.seen[request.prompt] = before[1] + 1
        request.chat_number = self.chats
        request.seen = self.seen.get(request.prompt, 0)
        do = next((r.do for r in self.rules if r.fits(request)), {})
        if request.is_chat and self.bucket is not None:
            do = self.bucket.refuse() or do
        if request.is_chat and self.window is not None:
            do = self.window.count(do)
        if request.is_chat and self.bears and self.busy > self.bears:
            do = {"status": 503, "delay": 0}
        if do.get("close_kept") == "read" and connection.answered > 0:
            self.chats, self.seen[request.prompt] = before
            do = {"close": True}
        self.write(event="request", n=request.number,
                   connection=connection.number, method=request.method,
                   path=request.target, headers=request.headers,
                   body=request.body, text=request.text,
                   prompt=request.prompt,
                   seen=request.seen, outcome=do or "default")
        return do


class Connection(asyncio.Protocol):
    """One client: requests are read and answered one after the other."""

    def __init__(self, server):
        self.server = server
        self.buffer = bytearray()
        self.task = None
        self.answered = 0
        self.flushed = asyncio.Event()

    def connection_made(self, transport):
        self.server.connections += 1
        self.number = self.server.connections
        self.transport = transport
        self.flushed.set()
        transport.set_write_buffer_limits(high=0)

    def connection_lost(self, exc):
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self):
        self.flushed.clear()

    def resume_writing(self):
        self.flushed.set()

    def data_received(self, data):
        self.buffer += data
        self.advance()

    def advance(self):
        if self.task is not None or self.transport.is_closing():
            return
        try:
            request = self.parse()
        except ValueError:
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\n"
                                 b"Content-Length: 0\r\n\r\n")
            self.transport.close()
            return
        if request is not None:
            self.task = asyncio.get_running_loop().create_task(
                self.serve(request))

    def parse(self):
        """Cut one request off the buffer, or give None."""
        if self.buffer and not 65 <= self.buffer[0] <= 90:
            raise ValueError("no method: TLS or noise")
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        lines = self.buffer[:end].decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.strip().lower()] = value.strip()
        size = int(headers.get("content-length", "0"))
        if size < 0 or size > BODY_MAX:
            raise ValueError("content-length")
        if len(self.buffer) < end + 4 + size:
            return None
        raw = bytes(self.buffer[end + 4:end + 4 + size])
        del self.buffer[:end + 4 + size]
        return Request(method, path, headers, raw)

    async def serve(self, request):
        self.server.busy += 1
        do = self.server.choose(request, self)
        try:
            whole = await self.perform(request, do)
            if whole:
                await self.flushed.wait()
        except asyncio.CancelledError:
            self.server.write(event="lost", n=request.number)
            raise
        finally:
            self.server.busy -= 1
        self.answered += 1
        self.task = None
        self.server.write(event="sent" if whole else "cut", n=request.number)
        self.advance()

    async def perform(self, request, do):
        """Gives whether a whole response went out."""
        delay = do.get("delay", self.server.delay)
        if delay > 0:
            await asyncio.sleep(delay)
        while "until" in do and not os.path.exists(do["until"]):
            await asyncio.sleep(GATE_NAP)
        if do.get("hang"):
            await asyncio.Event().wait()
        if do.get("close"):
            self.transport.close()
            return False
        if do.get("reset"):
            self.reset()
            return False
        if "raw" in do:
            self.transport.write(do["raw"].encode("latin-1"))
            self.transport.close()
            return True
        await self.respond(Response(request, do, self.server.models), do)
        if do.get("close_kept") is True:
            self.transport.close()
        return "cut_after" not in do

    def reset(self):
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        self.transport.abort()

    async def respond(self, response, do):
        body = response.body
        limit = do.get("stall_after", do.get("cut_after", len(body)))
        whole = limit >= len(body)
        body = body[:limit]
        if do.get("split"):
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            self.transport.write(response.head)
            self.transport.write(body[:1])
            self.transport.write(body[1:])
        elif not response.chunk:
            self.transport.write(response.head + body)
        else:
            await self.send_chunks(response, body, do, whole)
        if "stall_after" in do:
            await asyncio.Event().wait()
        if "cut_after" in do:
            self.transport.close()

    async def send_chunks(self, response, body, do, whole):
        self.transport.write(response.head)
        for at in range(0, len(body), response.chunk):
            piece = body[at:at + response.chunk]
            self.transport.write(
                f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if do.get("chunk_delay"):
                await asyncio.sleep(do["chunk_delay"])
            await self.flushed.wait()
        if whole:
            self.transport.write(b"0\r\n\r\n")


def watch_stdin(loop, stop):
    """End with stdin, where it is a pipe, socket or terminal."""

    def readable():
        if not os.read(0, 4096):
            stop.set()

    try:
        loop.add_reader(0, readable)
    except OSError:
        pass


async def listen(args, factory):
    """Gives the listener and its base URL."""
    loop = asyncio.get_running_loop()
    if args.unix:
        return (await loop.create_unix_server(factory, args.unix),
                f"unix:{args.unix}:/v1")
    context = None
    if args.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*args.tls)
    listener = await loop.create_server(
        factory, "127.0.0.1", args.port, backlog=4096, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    return listener, f"http{'s' if context else ''}://127.0.0.1:{port}/v1"


async def run(args):
    script = []
    if args.script:
        with open(args.script, encoding="utf-8") as file:
            script = json.load(file)
    log = open(args.log, "a", encoding="utf-8") if args.log else None
    server = Server(script, log, args.delay)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    listener, url = await listen(args, lambda: Connection(server))
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    watch_stdin(loop, stop)
    print(f"ready {url}", flush=True)
    await stop.wait()
    # Whoever is still being served finds the connection closed.
    listener.close()


class StubServer:
    """The server in a process of its own; a context manager."""

    def __init__(self, script=None, delay=0, port=0, more=()):
        """more: further words of its command line."""
        self.dir = tempfile.TemporaryDirectory(prefix="llm_server.")
        self.log_path = os.path.join(self.dir.name, "log")
        script_path = os.path.join(self.dir.name, "script")
        with open(script_path, "w", encoding="utf-8") as file:
            json.dump(script or [], file)
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--port", str(port),
             "--script", script_path, "--log", self.log_path,
             "--delay", str(delay), *map(str, more)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        if words[:1] != ["ready"]:
            self.stop()
            raise RuntimeError("the stub server did not start")
        self.url = words[1]

    def log(self):
        """All lines so far."""
        with open(self.log_path, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line[-1:] == "\n"]

    def requests(self):
        """Requests so far, in the order they were read."""
        return [line for line in self.log() if line["event"] == "request"]

    def stop(self):
        """End it. The log can still be read until the object is gone."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


def main():
    parser = argparse.ArgumentParser(
        description="a scripted OpenAI-compatible server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", metavar="FILE.json")
    parser.add_argument("--log", metavar="FILE")
    parser.add_argument("--delay", type=float, default=0, metavar="S")
    parser.add_argument("--unix", metavar="PATH")
    parser.add_argument("--tls", nargs=2, metavar=("CERT.pem", "KEY.pem"))
    try:
        asyncio.run(run(parser.parse_args()))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
