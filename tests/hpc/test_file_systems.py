# SPDX-License-Identifier: ISC
"""A database on a file system that other hosts may mount, too: a real one in
user space, and those that LLMILL_FSTYPE claims."""

import json
import shutil
import signal
import subprocess

import pytest

from conftest import until


@pytest.fixture
def mounted(mill):
    """A directory that lies on FUSE."""
    if not shutil.which("bindfs"):
        pytest.skip("no bindfs here")
    place = mill.dir / "net"
    behind = mill.aside / "behind"
    place.mkdir()
    behind.mkdir()
    done = subprocess.run(["bindfs", behind, place], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no FUSE here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def run(mill, db, *words, **kwargs):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(200)))
    return mill.start("run", "in.txt", "--db", db, "--backend", *words,
                      **kwargs)


def look_at(mill, db, env=None):
    """status, while it runs: from the file beside the database."""
    done = mill.run("status", "--json", db, env=env)
    assert done.status == 0, done
    return json.loads(done.out)


def goes_on_after_a_kill(mill, db, kind, env=None):
    running = run(mill, db, "echo:ms=100", "-j", "4", env=env)
    until(lambda: mill.said_answered(db) > 8, "some are saved")
    assert f"{db} lies on {kind}: one commit a second" in running.err()
    assert not list(mill.dir.glob(f"{db}-wal"))
    seen = look_at(mill, db, env)
    assert seen["total"] == 200 and seen["answered"] > 0
    running.signal(signal.SIGKILL)
    running.popen.wait()
    done = run(mill, db, "echo:ms=100", "-j", "64", env=env).wait()
    assert done.status == 0, done
    assert mill.results(db) == [f"p{n}" for n in range(200)]
    assert mill.sql("SELECT DISTINCT outcome FROM llm_attempts", db=db) == [
        ("ok",)]
    # A clean end leaves one file.
    assert [path.name for path in (mill.dir / db).parent.iterdir()
            if path.name.startswith("x.db")] == ["x.db"]


def test_a_real_one_in_user_space(mill, mounted):
    goes_on_after_a_kill(mill, "net/x.db", "fuse")
    assert mounted.exists()


@pytest.mark.parametrize("kind", ["nfs", "lustre", "gpfs"])
def test_one_that_is_claimed(mill, kind):
    goes_on_after_a_kill(mill, "x.db", kind, {"LLMILL_FSTYPE": kind})


def test_local_is_local(mill, mounted):
    done = run(mill, "net/x.db", "echo",
               env={"LLMILL_FSTYPE": "local"}).wait()
    assert done.status == 0 and "lies on" not in done.err, done
