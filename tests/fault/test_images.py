# SPDX-License-Identifier: ISC
"""Row 6: crash images. A run's I/O is recorded, and replayed into what a power
cut might have left; of each image the database opens, is sound, and holds,
with the spill file, every answer that was acknowledged before."""

import contextlib
import errno
import random
import shutil
import sqlite3

import pytest
from campaign import (acknowledged, amount, new_seed, report, shim, spilled,
                      until)
from images import Disk, read_ops, snapshot

COUNT = 40
IMAGES = amount(2000, 50000)
RUN_EACH = 50  # images of which the program itself makes the best


class Scene:
    """One recorded run: what was there before, and what it did."""

    def __init__(self, mill):
        self.mill = mill
        self.prompts = [f"prompt {i} " + "y" * (i * 37 % 900)
                        for i in range(1, COUNT + 1)]
        self.answers = {i + 1: p for i, p in enumerate(self.prompts)}
        (mill.aside / "p").write_text("".join(p + "\n" for p in self.prompts))
        self.acked = {}  # before it began
        self.twice = set()  # asked twice by then
        self.args = ["run", mill.aside / "p", "-j", 3, "--db", "x.db"]
        self.backend = ["--backend", "echo:ms=1-8,seed=1"]
        self.out = ["-o", "-", "-f", "jsonl"]

    def command(self):
        return [*self.args, *self.out, *self.backend]

    def start(self, env=None):
        return self.mill.start(*self.command(), env=env)

    def env(self, **more):
        return shim("record", RECORD_DIR=self.mill.dir,
                    RECORD_FILE=self.mill.aside / "ops", **more)

    def record(self):
        """Gives how it ended."""
        self.before = snapshot(self.mill.dir)
        done = self.run_recorded()
        self.ops = list(read_ops(self.mill.aside / "ops"))
        assert len(self.ops) > 50, "nothing was recorded"
        return done

    def run_recorded(self):
        done = self.start(self.env()).wait()
        assert done.status == 0, done
        return done


class NewDatabase(Scene):
    pass


class GoesOn(Scene):
    """A database whose first coordinator was killed."""

    def record(self):
        run = self.start()
        until(lambda: len(acknowledged(run.out())) >= COUNT // 3, "answers")
        run.popen.kill()
        self.acked = acknowledged(run.wait().out)
        return super().record()


class SpillsAndHeals(Scene):
    """The database refuses all writes for a while."""

    def run_recorded(self):
        trouble = self.mill.aside / "trouble"
        hits = self.mill.aside / "hits"
        self.backend = ["--backend", "echo:ms=90-110,seed=1"]
        env = self.env(FAIL_WHILE=trouble, FAIL_HITS=hits, FAIL_CALLS="write",
                       FAIL_ERRNO=errno.EIO, FAIL_PATH="/x.db-")
        env["LD_PRELOAD"] += " " + shim("fail")["LD_PRELOAD"]
        run = self.start(env)
        until(lambda: len(acknowledged(run.out())) >= 5, "answers")
        trouble.touch()
        run.wait_err("answers are kept in")
        trouble.unlink()
        done = run.wait()
        assert done.status == 0 and hits.stat().st_size > 0, done
        return done


class TakesIn(Scene):
    """An earlier run could not write into the database: its spill file."""

    def record(self):
        done = self.mill.run(*self.command()[:-2], "-n", 5, *self.backend)
        assert done.status == 0, done
        (self.mill.dir / "x.db").rename(self.mill.aside / "kept")
        (self.mill.dir / "x.db").symlink_to("no/x.db")
        self.args[self.args.index("x.db")] = "no/x.db"
        done = self.mill.run(*self.command())
        assert done.status == 74, done
        self.args[self.args.index("no/x.db")] = "x.db"
        (self.mill.dir / "x.db").unlink()
        (self.mill.aside / "kept").rename(self.mill.dir / "x.db")
        self.twice = set(range(1, 6))
        self.acked = spilled(self.mill.dir)
        assert len(self.acked) == COUNT
        return super().record()


class WritesFile(Scene):
    """-o FILE is written beside its place and renamed."""

    def __init__(self, mill):
        super().__init__(mill)
        self.out = ["-o", "out.jsonl"]


def rows_in(path):
    """What the database holds; it must be sound."""
    if not path.exists():
        return {}
    with contextlib.closing(sqlite3.connect(path)) as link:
        assert link.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        try:
            return dict(link.execute("SELECT id, result FROM llm_results "
                                     "WHERE result IS NOT NULL"))
        except sqlite3.OperationalError as error:
            assert "no such table" in str(error), error
            return {}


def judge_image(scene, place, acked):
    held = spilled(place) | rows_in(place / "x.db")
    for id, answer in acked.items():
        assert held.get(id) == answer, f"acknowledged, and lost: {id}"
    assert held.items() <= scene.answers.items()
    out = place / "out.jsonl"
    if out.exists():
        assert len(acknowledged(out.read_text())) == COUNT, "renamed, and torn"


def run_on_image(scene, place, acked):
    """The program itself goes on from it."""
    done = scene.mill.run(*scene.command(), cwd=place)
    assert done.status == 0, done
    assert rows_in(place / "x.db") == scene.answers
    with contextlib.closing(sqlite3.connect(place / "x.db")) as link:
        twice = {row[0] for row in link.execute(
            "SELECT id FROM llm_attempts WHERE outcome = 'ok' "
            "GROUP BY id HAVING COUNT(*) > 1")}
    twice -= scene.twice
    assert not twice & set(acked), f"asked again: {twice}"


def replay(scene, count, chance, syncs=True):
    """Make so many images of a scene, at any moments, and judge each."""
    disk = Disk(scene.mill.dir.stat().st_ino, scene.before, syncs)
    moments = sorted(chance.randint(1, len(scene.ops)) for _ in range(count))
    place = scene.mill.aside / "image"
    done = 0
    for number, moment in enumerate(moments):
        for op in scene.ops[done:moment]:
            disk.do(op)
        done = moment
        place.mkdir()
        disk.write_image(place, chance)
        acked = scene.acked | acknowledged(disk.said.decode())
        if number % RUN_EACH == 0 and syncs:
            run_on_image(scene, place, acked)
        else:
            judge_image(scene, place, acked)
        shutil.rmtree(place)


SCENES = NewDatabase, GoesOn, SpillsAndHeals, TakesIn, WritesFile


@pytest.mark.parametrize("scene", SCENES)
def test_no_power_cut_loses_what_was_acknowledged(mill, scene):
    name = f"row 6, {scene.__name__}"
    chance = random.Random(new_seed(name))
    count = IMAGES // len(SCENES)
    scene = scene(mill)
    scene.record()
    replay(scene, count, chance)
    report(name, f"{count} images of {len(scene.ops)} operations")


def test_images_of_a_disk_that_never_syncs_lose_answers(mill):
    """The control."""
    scene = NewDatabase(mill)
    scene.record()
    with pytest.raises((AssertionError, sqlite3.DatabaseError)):
        replay(scene, 200, random.Random("control"), syncs=False)
