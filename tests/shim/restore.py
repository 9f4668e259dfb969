#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""restore.py UNDO_DIR - after a kill: what lose-unsynced.c remembered goes back into the files.

Prints, for each file, how many writes were thrown away. As a module: restore(undo_dir) -> {path: writes}.
"""

import os
import struct
import sys

RECORD = struct.Struct("=IIQQQ")        # magic, made, size, at, kept
MAGIC = 0x4F444E55


def records(log):
    """Oldest first. A record cut short by the kill belongs to a write that was never made."""
    with open(log, "rb") as file:
        data = file.read()
    found, at = [], 0
    while at + RECORD.size <= len(data):
        magic, made, size, offset, kept = RECORD.unpack_from(data, at)
        if magic != MAGIC:
            raise ValueError(f"{log}: broken at {at}")
        at += RECORD.size
        if at + kept > len(data):
            break
        found.append((made, size, offset, data[at:at + kept]))
        at += kept
    return found


def undo(path, log):
    done = 0
    for made, size, offset, old in reversed(records(log)):
        done += 1
        if made:
            if os.path.exists(path):
                os.unlink(path)
            continue
        if not os.path.exists(path):        # deleted since, which we don't undo
            continue
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(old)
            file.truncate(size)
    return done


def restore(undo_dir):
    lost = {}
    for name in sorted(os.listdir(undo_dir)):
        log, path = os.path.join(undo_dir, name), name.replace("%", "/")
        if path.endswith("-shm"):
            if os.path.exists(path):
                os.unlink(path)
        else:
            lost[path] = undo(path, log)
        os.unlink(log)
    return lost


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    for path, count in restore(sys.argv[1]).items():
        print(f"{path}: {count} writes lost")
