# SPDX-License-Identifier: ISC
"""What all kinds of database trouble share. The database of a case is fs/x.db
below the case's directory."""

import errno
import os
import re
import subprocess

START, MID, END, HEALS = "start", "mid", "end", "heals"
MOMENTS = START, MID, END, HEALS
NOBODY = 65534
SPILLED, SAVED = {74}, {0}


def tool(*words):
    subprocess.run([str(word) for word in words], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def fill(path):
    """Take all the space there is."""
    with open(path, "wb", buffering=0) as file:
        for size in 65536, 4096, 512:
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC, error


class Kind:
    """One kind of trouble, in one case.

    precedes  it can begin before the program starts; else "at start" means
              before the first answer
    noticed   what the program says when it meets it
    keeps     every answer is somewhere at the end, on disk
    shows     and all are in the output
    user      whom the program runs as
    """

    precedes = False
    noticed = None
    keeps = True
    shows = True
    user = None
    ends = {START: SPILLED, MID: SPILLED, END: SPILLED, HEALS: SAVED}
    refused = False  # at start, before anything is sent: status 71

    def __init__(self, case):
        self.case = case
        self.fs = case.mill.dir / "fs"
        self.db = self.fs / "x.db"
        self.wal = self.fs / "x.db-wal"
        self.cwd = case.mill.dir
        self.env = {}
        self.mounted = []
        self.is_mended = False

    def mount(self, place, *words):
        tool("mount", *words, place)
        self.mounted.append(place)

    def close(self):
        for place in reversed(self.mounted):
            tool("umount", place)

    def prepare(self):
        self.fs.mkdir()

    def preexec(self):
        if self.user is not None:
            os.setgroups([])
            os.setgid(self.user)
            os.setuid(self.user)

    def hits(self, said):
        """How often it was met; said is the program's stderr."""
        return len(re.findall(self.noticed, said))

    def mend(self):
        """Heal it, once; at the end, as people do, put a rescued file where
        it belongs."""
        if not self.is_mended:
            self.heal()
        self.is_mended = True
        if self.case.is_over:
            self.put_back_rescued()

    def put_back_rescued(self):
        found = [path for place in (self.fs, self.cwd)
                 for path in sorted(place.glob("x.db.rescued_*.db"))]
        for path in found[-1:]:
            self.wal.unlink(missing_ok=True)
            os.replace(path, self.db)
