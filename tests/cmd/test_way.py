# SPDX-License-Identifier: ISC
"""The way to the server where it is no plain TCP connection: Unix sockets."""

import json
import os
import socket

import pytest

from conftest import NO_ROOT, needs_root
from llm_server import StubServer

QUICK = ("-m", "m1", "--db", "a.db")
KEY = "sk-test-abcdefghijklmnopqrstuvwxyz"


def outcomes(mill):
    return [row[0] for row in mill.sql(
        "SELECT DISTINCT outcome FROM llm_attempts", db="a.db")]


# --- Unix sockets ---


@pytest.fixture
def path(mill):
    return mill.dir / "llm.sock"


def serve(path, **kwargs):
    return StubServer(more=["--unix", path], **kwargs)


def test_a_server_on_a_socket_is_asked_like_any_other(mill, path):
    mill.write("in.txt", "\n".join(f"p{n}" for n in range(20)))
    proxies = {"http_proxy": "http://127.0.0.1:9", "all_proxy": "127.0.0.1:9"}
    with serve(path) as server:
        done = mill.run("run", "in.txt", *QUICK[2:], "-u", f"unix:{path}",
                        "-j", 2, env=proxies)
    assert done.status == 0, done
    assert mill.results("a.db") == [f"echo: p{n}" for n in range(20)]
    lines = server.requests()
    assert {line["headers"]["host"] for line in lines} == {"localhost"}
    assert [line["path"] for line in lines] == [
        "/v1/models", *["/v1/chat/completions"] * 20]
    assert len({line["connection"] for line in lines}) <= 3
    settings, = mill.sql("SELECT settings FROM llm_runs", db="a.db")[0]
    assert json.loads(settings)["urls"] == [f"unix:{path}:/v1"]


@pytest.mark.parametrize("form, asked", [
    ("unix://{}", "/v1"), ("unix:{}:/", "/v1"), ("unix:{}:/api", "/api"),
    ("unix:{}:/api/chat/completions", "/api")])
def test_forms_of_a_socket_url(mill, path, form, asked):
    with serve(path) as server:
        done = mill.run("check", "-u", form.format(path), "-m", "m")
        assert done.status == 0, done
        line, = server.requests()
    assert line["path"] == asked + "/chat/completions"


@pytest.mark.parametrize("args, sent", [
    ([], None), (["--key-env", "OPENAI_API_KEY"], "Bearer " + KEY)])
def test_over_a_socket_a_key_goes_only_when_it_is_named(
        mill, path, args, sent):
    with serve(path) as server:
        done = mill.run("check", "-u", f"unix:{path}", "-m", "m", *args,
                        env={"OPENAI_API_KEY": KEY})
        assert done.status == 0, done
        assert server.requests()[0]["headers"].get("authorization") == sent
    assert KEY not in done.out
    assert ("none: $OPENAI_API_KEY goes" in done.out) == (sent is None)


def ask_nobody(mill, path, **kwargs):
    done = mill.run("run", "--prompt", "a", "--prompt", "b", *QUICK, "-u",
                    f"unix:{path}", "--wait-server", "0", **kwargs)
    assert done.status == 69, done
    assert outcomes(mill) == ["no_server"]
    assert mill.results("a.db") == [None, None]
    return done.words


def test_a_socket_that_is_not_there_is_said_to_be_that(mill, path):
    assert (f"cannot connect to unix:{path}: No such file or directory; "
            "is the server running?") in ask_nobody(mill, path)


def test_a_socket_that_nobody_serves_is_said_to_be_that(mill, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert (f"unix:{path}: Connection refused; is the server running?"
            ) in ask_nobody(mill, path)


@needs_root
def test_a_socket_that_may_not_be_used_is_said_to_be_that(mill, path):
    with serve(path):
        path.chmod(0o600)
        mill.open_to(NO_ROOT)
        said = ask_nobody(mill, path, preexec=lambda: os.setuid(NO_ROOT))
    assert (f"unix:{path}: Permission denied; may this user read and write "
            "the socket?") in said


def test_a_socket_that_comes_up_later_is_waited_for(mill, path):
    running = mill.start("run", "--prompt", "a", *QUICK, "-u", f"unix:{path}",
                         "--retry-attempts", 1)
    running.wait_err("waiting for the server")
    with serve(path):
        done = running.wait()
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: a"]


@pytest.mark.parametrize("form, why", [
    ("unix:llm.sock", "begins with a slash"),
    ("unix:/" + "a" * 107, "longer than 107 bytes")])
def test_what_is_no_path_of_a_socket_is_refused(mill, form, why):
    done = mill.run("run", "--prompt", "a", "-u", form, "-m", "m")
    assert done.status == 2, done
    assert why in done.err and done.err.count("\n") == 1
    assert not list(mill.dir.iterdir())
