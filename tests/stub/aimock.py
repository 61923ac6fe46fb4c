# SPDX-License-Identifier: ISC
"""A server that others wrote: @copilotkit/aimock, an OpenAI- and
Anthropic-compatible mock from the npm registry, which has no dependencies.

    with Aimock({"prompt": "answer"}, "--chunk-size", 5) as server:
        ... server.url ...

It is fetched once into build/npm, this version and no other; Missing says why
it cannot be had."""

import base64
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request

VERSION = "1.43.0"
SHA512 = ("V8D8cjSMtAR4rHaD2ulp3DR/ZguXQjDNOqwKDNvjb/OJL/KR1I0SDf5xpRCd+TYK"
          "jhmf9fM8Xpg3QBKPmV9Kmw==")
REGISTRY = "https://registry.npmjs.org"
PATH = f"/@copilotkit/aimock/-/aimock-{VERSION}.tgz"
NODE_LEAST = (20, 15)
PLACE = pathlib.Path(__file__).parents[2] / "build/npm" / f"aimock-{VERSION}"
START_WITHIN = 20  # seconds


class Missing(Exception):
    pass


def check_node():
    if shutil.which("node") is None:
        raise Missing("there is no node")
    version = subprocess.run(["node", "--version"], capture_output=True,
                             text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", version)
    if not found or tuple(map(int, found.groups())) < NODE_LEAST:
        raise Missing(f"node is {version.strip()}, older than"
                      f" {'.'.join(map(str, NODE_LEAST))}")


def fetch():
    registry = os.environ.get("npm_config_registry") or REGISTRY
    try:
        with urllib.request.urlopen(registry.rstrip("/") + PATH,
                                    timeout=20) as response:
            archive = response.read()
    except (OSError, urllib.error.URLError) as error:
        raise Missing(f"the npm registry does not give it: {error}") from error
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != SHA512:
        raise Missing("what the npm registry gives is something else")
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE.parent) as aside:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(aside)  # as it was published: the digest says so
        try:
            os.rename(pathlib.Path(aside) / "package", PLACE)
        except OSError:
            if not PLACE.exists():  # else another was faster
                raise


def prepare():
    """Gives its program. Raises Missing."""
    check_node()
    if not PLACE.exists():
        fetch()
    return PLACE / "dist/cli.js"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Aimock:
    def __init__(self, answers, *args):
        program = prepare()
        self.dir = tempfile.TemporaryDirectory(prefix="aimock.")
        fixtures = os.path.join(self.dir.name, "fixtures.json")
        with open(fixtures, "w", encoding="utf-8") as file:
            json.dump({"fixtures": [
                {"match": {"userMessage": prompt},
                 "response": {"content": answer}}
                for prompt, answer in answers.items()]}, file)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/v1"
        self.process = subprocess.Popen(
            ["node", str(program), "--port", str(port), "--fixtures",
             fixtures, "--log-level", "silent", *map(str, args)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.await_start(port)

    def await_start(self, port):
        end = time.monotonic() + START_WITHIN
        while self.process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise RuntimeError("aimock did not start")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.dir.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
