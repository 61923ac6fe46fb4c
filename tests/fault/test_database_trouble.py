# SPDX-License-Identifier: ISC
"""Row 8: 24 kinds of database trouble, each at start, in the middle, at the
end, and healing while the run goes on. Every prompt is answered, every answer
is saved somewhere, the exit status tells the truth, and the same command once
more ends with everything in the database and without a single call."""

import collections
import os
import pathlib
import shutil
import tempfile

import pytest
from campaign import (CallLog, StubServer, WITHIN, acknowledged, answers_of,
                      black_box, mill_in, needs_loop_devices, report, shim,
                      side_by_side, spilled, until)
from kind import END, HEALS, MID, MOMENTS, START
from kinds import KINDS, ShmTruncated

GROUPS = {"early": range(1, 11), "middle": range(11, 31),
          "late": range(31, 40), "last": range(40, 41)}
COUNT = 40
HANDS = 12  # cases at the same time: mostly they wait

pytestmark = needs_loop_devices


class Case:
    """One kind at one moment, from the first run to the healed one."""

    def __init__(self, kind, moment, gates):
        self.name = f"{kind.__name__}-{moment}"
        self.kind_class = kind
        self.moment = moment
        self.gates = gates
        self.prompts = [f"{self.name} {group} {i}"
                        for group, ids in GROUPS.items() for i in ids]
        self.answers = {i + 1: "echo: " + prompt
                        for i, prompt in enumerate(self.prompts)}
        self.is_over = False
        self.called = collections.Counter()

    # --- what the server answers, and when ---

    def gate(self, group):
        return self.gates / f"{self.name}.{group}"

    def rules(self):
        return [{"match": {"prompt": f"/^{self.name} {group} /"},
                 "do": {"until": str(self.gate(group))}} for group in GROUPS]

    def open(self, *groups):
        for group in groups:
            self.gate(group).touch()

    def calls(self):
        """All so far, by prompt."""
        self.called.update(
            row["prompt"] for row in self.log.more()
            if row["prompt"].startswith(self.name + " "))
        return self.called

    # --- the program ---

    def command(self):
        return ["run", self.mill.aside / "p", "-j", 4, "--db",
                os.path.relpath(self.mill.dir / "fs/x.db", self.kind.cwd),
                "-o", "-", "-f", "jsonl", "-u", self.server.url, "-m", "m"]

    def start(self, env=None):
        return self.mill.start(
            *self.command(), cwd=self.kind.cwd,
            env={**self.kind.env, **(env or {})}, preexec=self.kind.preexec,
            program=self.gates / "llmill")

    def acked(self, count):
        until(lambda: len(acknowledged(self.run.out())) >= count or
              self.run.popen.poll() is not None, f"{count} answers")

    def first_run(self, env):
        """Run it, with the trouble in its moment. Gives how it ended."""
        kind, moment = self.kind, self.moment
        precedes = moment == START and kind.precedes
        if precedes:
            kind.begin()
        self.open(*{START: [], MID: ["early"], HEALS: ["early"],
                    END: ["early", "middle", "late"]}[moment])
        self.run = self.start(env)
        if moment != START:
            self.acked(39 if moment == END else 10)
        elif not precedes:
            until(self.calls, "a call")
        if not precedes:
            kind.begin()
        if moment == HEALS:
            self.open("middle")
            until(lambda: kind.hits(self.run.err()) or
                  self.run.popen.poll() is not None, "the trouble")
            kind.mend()
        self.open(*GROUPS)
        return self.run.wait()

    def places(self):
        """Where a spill file may be."""
        return [self.mill.dir / "fs", self.kind.cwd,
                self.mill.aside / "home", self.mill.aside / "tmp"]

    def judge_trouble(self, done):
        kind = self.kind
        assert kind.hits(done.err) > 0, f"never met: {done}"
        if kind.refused and self.moment == START:
            assert done.status == 71 and not self.calls(), done
            kind.mend()
            return set(self.answers)
        assert done.status in kind.ends[self.moment], done
        if done.status in (0, 74) and kind.shows:
            assert acknowledged(done.out) == self.answers, done
        self.is_over = True
        kind.mend()
        if done.status == 0:
            assert answers_of(self.mill, "fs/x.db") == self.answers, done
        saved = spilled(*self.places()) | answers_of(self.mill, "fs/x.db")
        wrong = {id for id in saved if saved[id] != self.answers[id]}
        assert not wrong, f"wrong: {wrong}"
        lost = set(self.answers) - set(saved)
        if done.status not in (0, 74):
            gone = set(acknowledged(done.out)) & lost
            assert not gone, f"acknowledged, and lost: {gone}"
        assert not (kind.keeps and lost), f"not saved: {lost} {done}"
        return lost

    def judge_healed(self, lost):
        """The same command again: all is there, and only what was nowhere
        is asked for once more."""
        before = self.calls().copy()
        assert set(before.values()) <= {1}, before
        done = self.start().wait()
        assert done.status == 0, done
        assert answers_of(self.mill, "fs/x.db") == self.answers
        assert self.mill.sql("PRAGMA integrity_check", db="fs/x.db") == \
            [("ok",)]
        again = self.calls() - before
        assert set(again) <= {self.prompts[id - 1] for id in lost}, again
        assert not spilled(*self.places())

    def prepare(self):
        """Everything that the user of the kind needs, and may change."""
        mill, kind = self.mill, self.kind
        (mill.aside / "p").write_text(
            "".join(prompt + "\n" for prompt in self.prompts))
        kind.prepare()
        if kind.user is not None:
            for place in mill.dir, mill.aside / "home", mill.aside / "tmp":
                os.chown(place, kind.user, kind.user)

    def judge(self, path, server, env=None):
        self.server = server
        self.log = CallLog(server)
        with mill_in(path / self.name) as self.mill:
            self.kind = self.kind_class(self)
            try:
                self.prepare()
                self.judge_healed(self.judge_trouble(self.first_run(env)))
            finally:
                self.mill.kill_all()
                self.kind.close()
        self.log.close()


def judge_all(kinds_and_moments, env=None):
    """Gives failures: name of the case → what was wrong."""
    failures = {}

    def one(case):
        try:
            case.judge(path, server, env)
        except (Exception, pytest.fail.Exception) as error:
            failures[case.name] = f"{type(error).__name__}: {error}"

    # Where another user gets as well: pytest's own directories are closed.
    path = pathlib.Path(tempfile.mkdtemp())
    path.chmod(0o755)
    gates = path / "gates"
    gates.mkdir()
    shutil.copy(black_box.PROGRAM, gates)
    cases = [Case(kind, moment, gates) for kind, moment in kinds_and_moments]
    with StubServer([rule for case in cases for rule in case.rules()]) \
            as server:
        side_by_side(one, cases, HANDS)
    shutil.rmtree(path, ignore_errors=True)  # a case that failed may mount
    return failures


def test_no_trouble_of_the_database_loses_or_repeats_an_answer():
    only = os.environ.get("FAULT_CASE", "")
    chosen = [(kind, moment) for kind in KINDS for moment in MOMENTS
              if only in f"{kind.__name__}-{moment}"]
    failures = judge_all(chosen)
    report("row 8", f"{len({kind for kind, _ in chosen})} kinds, "
           f"{len(chosen)} cases, {len(failures)} of them failed")
    assert not failures, "\n".join(
        f"--- {name}: {text}" for name, text in failures.items())


def test_trouble_is_noticed_where_commits_lie():
    """The control: what is committed at the end only is not there when the
    program dies in between."""
    failures = judge_all([(ShmTruncated, MID)], shim("lie", LIE="commit"))
    assert "acknowledged" in "".join(failures.values()), failures
