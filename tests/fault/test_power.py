# SPDX-License-Identifier: ISC
"""Row 7: power cuts on real file systems. The writer is stopped in mid run,
the file system shut down without a word to its journal, and mounted again:
what was acknowledged is there. Where nothing is synced, it must not be."""

import contextlib
import fcntl
import os
import random
import signal
import struct
import subprocess

import pytest
from campaign import (acknowledged, amount, answers_of, mill_in,
                      needs_loop_devices, new_seed, report, shim,
                      side_by_side, until)

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = struct.pack("=I", 2)
COUNT = 3000
CUTS = amount(6, 100)
KINDS = {"ext4": (["mkfs.ext4", "-q", "-F"], 64 << 20),
         "xfs": (["mkfs.xfs", "-q"], 300 << 20)}

pytestmark = needs_loop_devices


class Cut:
    """One run on a file system of its own, one power cut."""

    def __init__(self, path, kind, name, chance, env=None):
        with mill_in(path / name) as self.mill:
            self.chance = chance
            self.image = self.mill.aside / "image"
            self.place = self.mill.dir / "fs"
            self.place.mkdir()
            self.image.touch()
            make, size = KINDS[kind]
            os.truncate(self.image, size)
            subprocess.run([*make, self.image], check=True)
            with self.mounted():
                acked = self.run_until_cut(env)
            with self.mounted():  # its journal is replayed
                held = answers_of(self.mill, "fs/x.db")
                self.acked = len(acked)
                self.lost = len(acked.items() - held.items())
                if env is None:
                    self.go_on(held)
            self.image.unlink()  # it lies in memory

    @contextlib.contextmanager
    def mounted(self):
        subprocess.run(["mount", "-o", "loop", self.image, self.place],
                       check=True)
        try:
            yield
        finally:
            self.mill.kill_all()
            subprocess.run(["umount", self.place], check=True)

    def command(self):
        return ["run", self.mill.aside / "p", "-j", 4, "--db", "fs/x.db",
                "-o", "-", "-f", "jsonl", "--backend", "echo:ms=1-5,seed=1"]

    def run_until_cut(self, env):
        """Gives what was acknowledged when the power went."""
        (self.mill.aside / "p").write_text(
            "".join(f"prompt {i}\n" for i in range(1, COUNT + 1)))
        enough = self.chance.randint(20, COUNT // 3)
        fd = os.open(self.place, os.O_RDONLY)
        run = self.mill.start(*self.command(), env=env)
        try:
            until(lambda: run.out().count("\n") >= enough, "answers")
            run.signal(signal.SIGSTOP)
            until(lambda: open(f"/proc/{run.pid}/stat").read()
                  .rpartition(")")[2].split()[0] == "T", "it stopped")
            fcntl.ioctl(fd, SHUTDOWN, NO_LOG_FLUSH)
            run.signal(signal.SIGKILL)
        finally:
            os.close(fd)
        done = run.wait()
        assert done.status == 128 + 9, done
        return acknowledged(done.out)

    def go_on(self, held):
        done = self.mill.run(*self.command(), patience=60)
        assert done.status == 0, done
        assert answers_of(self.mill, "fs/x.db") == {
            i: f"prompt {i}" for i in range(1, COUNT + 1)}
        assert self.mill.sql("PRAGMA integrity_check", db="fs/x.db") == \
            [("ok",)]


def cut_all(path, seed, count, env=None):
    """Gives the cuts."""
    def one(number):
        kind = sorted(KINDS)[number % len(KINDS)]
        name = f"{kind}-{number}"
        return Cut(path, kind, name, random.Random(f"{seed} {name}"), env)
    return side_by_side(one, range(count))


def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path):
    cuts = cut_all(tmp_path, new_seed("row 7"), CUTS)
    acked = sum(cut.acked for cut in cuts)
    report("row 7", f"{len(cuts)} power cuts on ext4 and xfs, {acked} answers "
           f"acknowledged, {sum(cut.lost for cut in cuts)} lost")
    assert acked > 20 * CUTS
    assert not any(cut.lost for cut in cuts)


def test_a_power_cut_without_syncs_loses_answers(tmp_path):
    """The control, for each file system."""
    cuts = cut_all(tmp_path, "control", 2, shim("lie", LIE="sync"))
    report("row 7", "without syncs: " + ", ".join(
        f"{cut.lost} of {cut.acked} lost" for cut in cuts))
    assert all(cut.lost > 0 for cut in cuts)
