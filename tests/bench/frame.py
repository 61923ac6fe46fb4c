# SPDX-License-Identifier: ISC
"""What all rows share: servers, turns, and the table at the end.

A row gives figures. Each is a ratio, or an amount, with the mark that it
should reach; the two sides of a ratio are run in turn, A B A B …, and the
median of each is taken, because machines are noisy.
"""

import contextlib
import json
import os
import pathlib
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/bench"
PROGRAM = pathlib.Path(
    os.environ.get("LLMILL") or ROOT / "build/release/llmill").resolve()
TURNS = int(os.environ.get("BENCH_TURNS", "5"))
BODY = json.dumps({"model": "m", "messages": [
    {"role": "user", "content": "prompt 12345"}]}, separators=(",", ":"))
ANSWER = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "An answer of usual length."}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 6,
              "total_tokens": 15}}, separators=(",", ":"))

NGINX = """
daemon off;
worker_processes 2;
worker_rlimit_nofile 20000;
error_log stderr crit;
pid {place}/nginx.pid;
{modules}
events {{ worker_connections 9000; }}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    ssl_session_cache shared:kept:10m;
    server {{
        listen 127.0.0.1:{port} backlog=8192;
        {tls}
        default_type application/json;
        location / {{ return 200 '{answer}'; }}
        location /after/ {{
            content_by_lua_block {{
                ngx.sleep(tonumber(ngx.var.uri:match("/after/([%d.]+)/")))
                ngx.print('{answer}')
            }}
        }}
    }}
}}
"""


class Figure:
    """One line of the table."""

    def __init__(self, row, what, value, mark, unit="", least=True, note=""):
        self.row, self.what, self.note = row, what, note
        self.value, self.mark, self.unit = value, mark, unit
        self.least = least  # value >= mark, or <=

    def reached(self):
        if self.mark is None:
            return None
        return self.value >= self.mark if self.least else \
            self.value <= self.mark


TLS = """listen 127.0.0.1:{port} ssl backlog=8192;
        ssl_certificate {cert};
        ssl_certificate_key {key};
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def nginx(ca=None):
    """Answers at once under /v1, after S seconds under /after/S/v1. Gives its
    address; where an authority is given, that for TLS as well."""
    with tempfile.TemporaryDirectory() as place:
        port, tls_port = free_port(), free_port()
        tls = ""
        if ca is not None:
            cert, key = ca.issue("localhost")
            tls = TLS.format(port=tls_port, cert=cert, key=key)
        conf = pathlib.Path(place, "nginx.conf")
        modules = "".join(
            f"load_module {path};\n" for path in
            ("/usr/lib/nginx/modules/ndk_http_module.so",
             "/usr/lib/nginx/modules/ngx_http_lua_module.so")
            if os.path.exists(path))
        conf.write_text(NGINX.format(place=place, port=port, modules=modules,
                                     tls=tls, answer=ANSWER))
        server = subprocess.Popen(
            [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(conf),
             "-p", place], stderr=subprocess.DEVNULL)
        try:
            wait_for(port)
            url = f"http://127.0.0.1:{port}"
            yield url if ca is None else (url, f"https://localhost:{tls_port}")
        finally:
            server.terminate()
            server.wait()


def wait_for(port):
    for _ in range(500):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.01)
    raise RuntimeError("the server did not start")


@contextlib.contextmanager
def place():
    """A directory of its own, the current one meanwhile."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as path:
        os.chdir(path)
        try:
            yield pathlib.Path(path)
        finally:
            os.chdir(before)


def prompts(count, text="prompt"):
    path = pathlib.Path(f"in.{count}")
    if not path.exists():
        with path.open("w") as out:
            out.writelines(f"{text} {n}\n" for n in range(count))
    return str(path)


def llmill(*args):
    """Run it. Gives (seconds, the summary)."""
    pathlib.Path("x.db").unlink(missing_ok=True)
    return again(*args)


def again(*args):
    """The same on the database that is there."""
    began = time.monotonic()
    done = subprocess.run([PROGRAM, "run", *map(str, args), "--json", "-q"],
                          stdout=subprocess.PIPE, check=False)
    seconds = time.monotonic() - began
    if done.returncode not in (0, 1):
        raise RuntimeError(f"llmill {args}: status {done.returncode}")
    return seconds, json.loads(done.stdout)


def seconds_of(*command):
    began = time.monotonic()
    subprocess.run([*map(str, command)], check=True,
                   stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def in_turn(*sides, turns=TURNS):
    """The median of what each side gives, run A B A B …"""
    got = [[] for _ in sides]
    for _ in range(turns):
        for side, values in zip(sides, got):
            values.append(side())
    return [statistics.median(values) for values in got]


def machine():
    def said(*command):
        try:
            return subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, check=False).stdout.split("\n")[0]
        except OSError:
            return "none"

    model = next((line.split(":", 1)[1].strip() for line in open(
        "/proc/cpuinfo") if line.startswith("model name")), "?")
    return {"command": " ".join(["bench.py", *sys.argv[1:]]),
            "turns": TURNS, "cpus": os.cpu_count(), "cpu": model,
            "kernel": platform.release(), "date": time.strftime("%Y-%m-%d"),
            "llmill": said(str(PROGRAM), "version"),
            "nginx": said("/usr/sbin/nginx", "-v"),
            "python": platform.python_version(),
            "aiohttp": said("/usr/bin/python3", "-c",
                            "import aiohttp; print(aiohttp.__version__)"),
            "parallel": said("parallel", "--version"),
            "curl": said("curl", "--version"),
            "valgrind": said("valgrind", "--version")}


def show(figures):
    """Print the table; keep it as JSON in build/bench.json."""
    facts = machine()
    print()
    for key, value in facts.items():
        print(f"{key}: {value}")
    for figure in figures:
        mark = "" if figure.mark is None else \
            f"{'>=' if figure.least else '<='} {figure.mark:g}"
        verdict = {None: "", True: "ok", False: "MISSED"}[figure.reached()]
        print(f"{figure.row:4} {figure.what:52} {figure.value:10.4g}"
              f" {figure.unit:7} {mark:10} {verdict:7} {figure.note}")
    missed = [figure.what for figure in figures if figure.reached() is False]
    print(f"{len(figures)} figures, {len(missed)} marks missed")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build/bench.json").write_text(json.dumps({
        "machine": facts, "figures": [
            {**vars(figure), "reached": figure.reached()}
            for figure in figures]}, indent=1) + "\n")
