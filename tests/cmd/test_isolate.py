# SPDX-License-Identifier: ISC
"""--isolate=ns: workers that are process 1 of a namespace, as root and as
somebody else, and machines that do not allow it."""

import os
import signal

import pytest

from conftest import (
    NO_ROOT, kernel_allows, needs_namespaces, needs_root, until)

# Leaves a daemon that hears nothing, and says what number its parent has.
DAEMONS = """
    read prompt
    setsid sh -c 'trap "" TERM HUP INT; exec sleep 1000' >/dev/null 2>&1 &
    echo "$prompt $PPID"
    test "$prompt" != wait || exec sleep 1000\n"""

users = pytest.mark.parametrize("user", [
    None, pytest.param(NO_ROOT, marks=needs_root)], ids=["us", "nobody"])


def start(mill, user, *args):
    if user is not None:
        mill.open_to(user)
    return mill.start("run", "--db", "a.db", "--isolate=ns", *args,
                      preexec=lambda: user is None or os.setuid(user))


@needs_namespaces
@users
def test_a_worker_is_process_one_and_its_daemons_end_with_it(mill, user):
    mill.script("cmd", DAEMONS)
    done = start(mill, user, "--prompt", "a", "--prompt", "b", "-j", 2,
                 "--", "./cmd").wait()
    assert done.status == 0, done
    assert mill.results("a.db") == ["a 1", "b 1"]
    mill.no_process_left(0)


@needs_namespaces
@users
def test_a_killed_coordinator_leaves_nobody(mill, user):
    mill.script("cmd", DAEMONS)
    running = start(mill, user, "--prompt", "wait", "--", "./cmd")
    until(lambda: len(mill.processes("sleep")) == 2, "daemon and command")
    running.popen.send_signal(signal.SIGKILL)
    running.wait()
    mill.no_process_left()


@needs_namespaces
@users
def test_a_server_is_asked_from_there_with_a_key(mill, stub, user):
    server = stub()
    mill.write("key", "sesame\n", mode=0o600)
    if user is not None:
        os.chown(mill.dir / "key", user, user)
    done = start(mill, user, "--prompt", "a", "-u", server.url, "-m", "m",
                 "--key-file", "key").wait()
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: a"]
    assert server.requests()[0]["headers"]["authorization"] == "Bearer sesame"


@needs_namespaces
def test_going_on_keeps_it(mill):
    mill.script("cmd", "read p; test -e go && echo $PPID\n")
    done = start(mill, None, "--prompt", "a", "--retry-attempts", 1, "--",
                 "./cmd").wait()
    assert done.status == 1, done
    mill.write("go", "")
    done = mill.run("resume", "a.db", "--retry-errors", "--", "./cmd")
    assert done.status == 0, done
    assert mill.results("a.db") == ["1"]


@pytest.mark.skipif(
    not kernel_allows(["-U", "-r", "true"]), reason="no user namespaces")
def test_a_kernel_that_refuses_is_said_to(mill):
    mill.script("cmd", "echo x >>called; cat\n")
    done = mill.run("run", "--prompt", "a", "--db", "a.db", "--isolate=ns",
                    "--", "./cmd", before=(
                        "unshare", "-U", "-r", "sh", "-c",
                        "echo 0 >/proc/sys/user/max_pid_namespaces &&"
                        ' exec "$@"', "sh"))
    assert done.status == 71, done
    assert done.err.count("\n") == 1
    assert "workers cannot be isolated here" in done.err
    assert "No space left on device" in done.err
    assert not (mill.dir / "called").exists()
    assert not (mill.dir / "a.db").exists()
    mill.no_process_left()


def test_a_way_that_does_not_exist_is_refused(mill):
    done = mill.run("run", "--prompt", "a", "--isolate=cage", "--", "cat")
    assert done.status == 2, done
    assert "none" in done.err and "ns" in done.err and "cage" in done.err
    assert not list(mill.dir.iterdir())
