# SPDX-License-Identifier: ISC
"""What a power cut might have left, made of recorded I/O (record.c).

A file's writes are safe once it was synced, the names of a directory once the
directory was. What is not safe yet is there or not, in any order, or torn
between two sectors of 512 bytes."""

import os
import struct

HEAD = struct.Struct("=IIQQQ")
WRITE, CUT, SYNC, CREATE, RENAME, UNLINK, SAY = range(7)
SECTOR = 512
FORGOTTEN = "-shm", ".lock"  # made anew by whoever comes after a power cut


class Op:
    def __init__(self, kind, inode, at, path, data):
        self.kind = kind
        self.inode = inode
        self.at = at
        self.path = os.path.basename(path.decode())
        self.data = data


def read_ops(path):
    raw = path.read_bytes()
    at = 0
    while at < len(raw):
        kind, path_bytes, inode, where, data_bytes = HEAD.unpack_from(raw, at)
        at += HEAD.size
        name = raw[at:at + path_bytes]
        at += path_bytes
        yield Op(kind, inode, where, name, raw[at:at + data_bytes])
        at += data_bytes


def snapshot(directory):
    """Names and contents as they are now: name → (inode, bytes)."""
    return {path.name: (path.stat().st_ino, path.read_bytes())
            for path in directory.iterdir() if path.is_file() and
            not path.name.endswith(FORGOTTEN)}


def put(content, op, piece=None):
    """Do one operation on a file's content."""
    if op.kind == CUT:
        del content[op.at:]
        content.extend(bytes(op.at - len(content)))
        return
    begin, end = piece or (0, len(op.data))
    if len(content) < op.at + begin:
        content.extend(bytes(op.at + begin - len(content)))
    content[op.at + begin:op.at + end] = op.data[begin:end]


class File:
    """One inode: what is safe of it, and what is not yet."""

    def __init__(self, content=b""):
        self.safe = bytearray(content)
        self.pending = []

    def sync(self):
        for op in self.pending:
            put(self.safe, op)
        self.pending.clear()

    def after_cut(self, chance, keep):
        content = bytearray(self.safe)
        pending = [op for op in self.pending
                   if keep is None or chance.random() < keep]
        if keep == 0.5 and chance.random() < 0.5:
            chance.shuffle(pending)
        for op in pending:
            if op.kind == WRITE and keep == 0.5 and chance.random() < 0.3:
                for piece in sectors(op):
                    if chance.random() < 0.5:
                        put(content, op, piece)
            else:
                put(content, op)
        return content


def sectors(op):
    """The pieces of a write that a disk takes as a whole."""
    begin = 0
    while begin < len(op.data):
        end = min(len(op.data),
                  begin + SECTOR - (op.at + begin) % SECTOR)
        yield begin, end
        begin = end


class Disk:
    """A directory while its recorded operations happen, one by one."""

    def __init__(self, directory_inode, before, syncs=True):
        self.directory = directory_inode
        self.syncs = syncs  # False: a disk that lies
        self.files = {inode: File(content)
                      for inode, content in before.values()}
        self.names = {name: inode for name, (inode, _) in before.items()}
        self.pending = []  # changes of names: [(name, inode or None), …]
        self.now = dict(self.names)
        self.said = b""

    def change(self, *changes):
        self.pending.append(changes)
        apply(self.now, changes)

    def do(self, op):
        if op.kind == SAY:
            self.said += op.data
        elif op.kind == SYNC and self.syncs:
            if op.inode == self.directory:
                for changes in self.pending:
                    apply(self.names, changes)
                self.pending.clear()
            elif op.inode in self.files:
                self.files[op.inode].sync()
        elif op.kind == CREATE:
            self.files[op.inode] = File()
            self.change((op.path, op.inode))
        elif op.kind == UNLINK:
            self.change((op.path, None))
        elif op.kind == RENAME:
            new = os.path.basename(op.data.decode())
            self.change((op.path, None), (new, self.now[op.path]))
        elif op.kind in (WRITE, CUT) and op.inode in self.files:
            self.files[op.inode].pending.append(op)

    def write_image(self, place, chance):
        """What might be left if the power went now."""
        keep = chance.choice((0, None, 0.5, 0.5, 0.5, 0.5))
        names = dict(self.names)
        pending = self.pending
        if keep == 0 or (keep == 0.5 and chance.random() < 0.5):
            pending = pending[:chance.randint(0, len(pending))]
        elif keep == 0.5:
            pending = [p for p in pending if chance.random() < 0.5]
        for changes in pending:
            apply(names, changes)
        for name, inode in names.items():
            if not name.endswith(FORGOTTEN):
                (place / name).write_bytes(
                    self.files[inode].after_cut(chance, keep))
        if chance.random() < 0.25 and "x.db" in names:
            (place / "x.db-shm").write_bytes(chance.randbytes(32768))


def apply(names, changes):
    for name, inode in changes:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode
