# SPDX-License-Identifier: ISC
"""24 kinds of database trouble: how each begins, how it heals, how the
program may end."""

import errno
import os
import resource
import shutil
import signal
import sqlite3

from campaign import shim
from kind import (END, HEALS, Kind, MID, MOMENTS, NOBODY, SAVED, SPILLED,
                  START, fill, tool)


class Locked(Kind):
    noticed = "locked by another program"

    def begin(self):
        self.link = sqlite3.connect(
            self.db, isolation_level=None, check_same_thread=False)
        self.link.execute("BEGIN IMMEDIATE")

    def heal(self):
        self.link.execute("ROLLBACK")
        self.link.close()


class DiskFull(Kind):
    precedes = True
    noticed = "disk is full|No space left"

    def prepare(self):
        self.fs.mkdir()
        self.mount(self.fs, "-t", "tmpfs", "-o", "size=1m", "none")

    def begin(self):
        fill(self.fs / "fill")

    def heal(self):
        (self.fs / "fill").unlink()


class NoRoomAnywhere(DiskFull):
    """The database and all four places of a spill file."""

    keeps = shows = False

    def prepare(self):
        super().prepare()
        for name in "home", "tmp":
            (self.fs / name).mkdir()
        self.cwd = self.fs
        self.env = {"HOME": str(self.fs / "home"),
                    "TMPDIR": str(self.fs / "tmp")}


class OnlyHomeTakesTheSpill(DiskFull):
    """Full where the database is, read-only where the program runs."""

    def prepare(self):
        super().prepare()
        self.cwd = self.case.mill.dir / "ro"
        self.cwd.mkdir()
        self.mount(self.cwd, "--bind", self.cwd)
        tool("mount", "-o", "remount,ro,bind", self.cwd)


class LoopFile(Kind):
    """On a real file system in a file."""

    make = ("mkfs.ext4", "-q", "-F")
    size = 16 << 20
    options = "loop"

    def prepare(self):
        self.fs.mkdir()
        image = self.case.mill.aside / "image"
        image.touch()
        os.truncate(image, self.size)
        tool(*self.make, image)
        self.mount(self.fs, "-o", self.options, image)


class Quota(LoopFile):
    """Of btrfs, where no page of a file can be written in place: that of the
    -shm is memory for SQLite, and SIGBUS where there is no room for it."""

    precedes = True
    keeps = shows = False
    ends = {START: SPILLED, **dict.fromkeys(
        (MID, END, HEALS), SAVED | SPILLED | {128 + signal.SIGBUS})}
    noticed = "[Qq]uota|disk is full|disk I/O error"
    make = ("mkfs.btrfs", "-q")
    size = 128 << 20

    def prepare(self):
        super().prepare()
        tool("btrfs", "quota", "enable", self.fs)

    def begin(self):
        tool("btrfs", "qgroup", "limit", "64k", self.fs)  # used already

    def heal(self):
        tool("btrfs", "quota", "disable", self.fs)


class Immutable(LoopFile):
    precedes = True
    noticed = "Operation not permitted|disk I/O error|readonly|unable to open"

    def begin(self):
        self.files = [path for path in (self.db, self.wal, self.fs)
                      if path.exists()]
        tool("chattr", "+i", *self.files)

    def heal(self):
        tool("chattr", "-i", *self.files)


class Failing(Kind):
    """Calls on the database, its journals and the spill beside it fail."""

    precedes = True
    calls = "write"
    number = errno.EIO
    more = {}

    def __init__(self, case):
        super().__init__(case)
        self.file = case.mill.aside / "trouble"
        self.count = case.mill.aside / "hits"
        self.env = shim("fail", FAIL_WHILE=self.file, FAIL_HITS=self.count,
                        FAIL_CALLS=self.calls, FAIL_ERRNO=int(self.number),
                        FAIL_PATH="fs/x.db", **self.more)

    def begin(self):
        self.file.touch()

    def heal(self):
        self.file.unlink()

    def hits(self, said):
        return self.count.stat().st_size if self.count.exists() else 0


class WriteError(Failing):
    pass


class SyncError(Failing):
    calls = "sync"


class ReadError(Failing):
    """While it works it reads nothing but what it has in memory: only the
    journal at the end is read, and then stays. At start a spill file beside
    the database, which cannot be read either, keeps the answers."""

    calls = "read"
    shows = False
    ends = {START: SPILLED, MID: SAVED, END: SAVED, HEALS: SAVED}

    def hits(self, said):
        # What heals in between is never met: it has been in force.
        return super().hits(said) or self.case.moment == HEALS


class ShortWrite(Failing):
    number = errno.ENOSPC
    more = {"FAIL_SHORT": 1}


class ReadOnly(Failing):
    """At start a real read-only mount; later what such a one answers, for
    nobody can have one under an open file."""

    calls = "write open truncate unlink"
    number = errno.EROFS

    def begin(self):
        if self.case.moment != START:
            return super().begin()
        tool("mount", "--bind", self.fs, self.fs)
        tool("mount", "-o", "remount,ro,bind", self.fs)

    def heal(self):
        if self.case.moment != START:
            return super().heal()
        tool("umount", self.fs)

    def hits(self, said):
        return super().hits(said) + said.count("Read-only file system")


class NoMemory(Failing):
    """Whatever SQLite asks for."""

    calls = "malloc"
    number = errno.ENOMEM
    refused = True


class NoDescriptor(Failing):
    """Later nothing is opened: so its journal is removed as well."""

    calls = "open"
    number = errno.EMFILE
    refused = True  # is there a spill file, which may hold answers?

    def begin(self):
        super().begin()
        self.wal.unlink(missing_ok=True)


class NoDescriptorInTheSystem(NoDescriptor):
    number = errno.ENFILE


class NoPermission(Kind):
    precedes = True
    user = NOBODY
    noticed = "Permission denied|unable to open|readonly|moved"

    def prepare(self):
        super().prepare()
        os.chown(self.fs, NOBODY, NOBODY)

    def begin(self):
        self.fs.chmod(0)
        os.chown(self.fs, 0, 0)

    def heal(self):
        os.chown(self.fs, NOBODY, NOBODY)
        self.fs.chmod(0o755)


class DirectoryMoved(Kind):
    precedes = True
    noticed = "No such file|removed or replaced|unable to open"
    ends = dict.fromkeys(MOMENTS, SPILLED)  # it goes on where there is room

    def begin(self):
        self.away = self.cwd / "away"
        self.fs.rename(self.away)

    def heal(self):
        self.away.rename(self.fs)


class DirectoryRemoved(DirectoryMoved):
    """At start: a link that leads nowhere."""

    def begin(self):
        shutil.rmtree(self.fs)
        if self.case.moment == START:
            self.fs.symlink_to("nowhere")

    def heal(self):
        self.fs.unlink(missing_ok=True)
        self.fs.mkdir()


class FileRemoved(Kind):
    """Everything is saved at once under the same name."""

    noticed = "removed or replaced"
    ends = dict.fromkeys(MOMENTS, SAVED)

    def begin(self):
        self.db.unlink()

    def heal(self):
        pass


class FileReplaced(Kind):
    """By another program's database."""

    noticed = "removed or replaced"
    ends = dict.fromkeys(MOMENTS, SPILLED)  # it goes on beside it

    def begin(self):
        other = self.case.mill.aside / "other.db"
        link = sqlite3.connect(other)
        link.execute("CREATE TABLE other (x)")
        link.commit()
        link.close()
        os.replace(other, self.db)

    def heal(self):
        pass


class FileTruncated(Kind):
    """Nothing goes there any more; what was there is lost."""

    noticed = "corrupt"
    keeps = shows = False
    ends = dict.fromkeys(MOMENTS, SPILLED)

    def begin(self):
        os.truncate(self.db, 0)

    def heal(self):
        pass

    def put_back_rescued(self):
        for path in self.fs.glob("x.db*"):
            if "spill" not in path.name:
                path.unlink()


class WalRemoved(Kind):
    noticed = "-wal was removed"
    ends = dict.fromkeys(MOMENTS, SAVED)

    def begin(self):
        self.wal.unlink()

    def heal(self):
        pass


class ShmRemoved(Kind):
    """Nobody else has it open: nothing happens."""

    ends = dict.fromkeys(MOMENTS, SAVED)

    def begin(self):
        self.shm = self.fs / "x.db-shm"
        self.shm.unlink()

    def heal(self):
        pass

    def hits(self, said):
        return 1  # unlink() would have failed


class ShmTruncated(ShmRemoved):
    """The kernel kills whoever touches the lost memory; the answers that
    were acknowledged are there, the rest is asked for again."""

    keeps = shows = False
    ends = dict.fromkeys(MOMENTS, {128 + signal.SIGBUS})

    def begin(self):
        os.truncate(self.fs / "x.db-shm", 0)


class FileSizeLimit(Kind):
    """ulimit -f, whose signal SIGXFSZ kills who does not look out."""

    precedes = True
    noticed = "File too large|disk I/O error|disk is full"
    # A -wal that may not grow is written into the database, and begun anew.
    ends = {START: SPILLED, **dict.fromkeys((MID, END, HEALS), SAVED)}

    def preexec(self):
        if self.case.moment == START:
            resource.setrlimit(resource.RLIMIT_FSIZE, (
                20480, resource.RLIM_INFINITY))

    def set(self, size):
        resource.prlimit(self.case.run.pid, resource.RLIMIT_FSIZE,
                         (size, resource.RLIM_INFINITY))

    def begin(self):
        if self.case.moment != START:
            self.set(self.wal.stat().st_size)

    def heal(self):
        if self.case.is_over:
            self.preexec = lambda: None
        else:
            self.set(resource.RLIM_INFINITY)


KINDS = [Locked, DiskFull, NoRoomAnywhere, OnlyHomeTakesTheSpill, Quota,
         Immutable, WriteError, SyncError, ReadError, ShortWrite, ReadOnly,
         NoMemory, NoDescriptor, NoDescriptorInTheSystem, NoPermission,
         DirectoryMoved, DirectoryRemoved, FileRemoved, FileReplaced,
         FileTruncated, WalRemoved, ShmRemoved, ShmTruncated, FileSizeLimit]
