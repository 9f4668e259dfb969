#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The shims that durability is tested with do disturb: SQLite without syncs loses data to them, with syncs it doesn't."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from shim import FailingDisk, PowerFailure
from tap import diag, is_, main, ok

# Commits rows and says so, until it is killed.
WRITER = """
import sqlite3, sys
database, journal, synchronous, rows = sys.argv[1:5]
db = sqlite3.connect(database, isolation_level=None)
db.execute(f"PRAGMA journal_mode={journal}")
db.execute(f"PRAGMA synchronous={synchronous}")
db.execute("PRAGMA wal_autocheckpoint=20")
db.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, x TEXT)")
for number in range(int(rows)):
    try:
        db.execute("INSERT INTO t(x) VALUES (?)", ("x" * 900,))
    except sqlite3.Error as error:
        print("error", error, flush=True)
        break
    print("committed", number + 1, flush=True)
if rows != "5":
    sys.stdin.read()
"""


def writer(folder, environment, journal, synchronous, rows):
    state = os.path.join(folder, "state")
    os.makedirs(state, exist_ok=True)
    return subprocess.Popen([sys.executable, "-c", WRITER, os.path.join(state, "db"), journal, synchronous, str(rows)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            env={**os.environ, **environment})


def rows_after_power_failure(journal, synchronous, rows=100):
    with tempfile.TemporaryDirectory() as folder:
        power = PowerFailure(folder, os.path.join(folder, "state"))
        process = writer(folder, power.environment(), journal, synchronous, rows)
        while process.stdout.readline().strip() != f"committed {rows}":
            pass
        process.send_signal(signal.SIGKILL)
        process.communicate()
        lost = power.restore()
        diag(f"{journal} {synchronous}: {sum(lost.values())} writes thrown away")
        try:
            db = sqlite3.connect(os.path.join(folder, "state", "db"))
            whole = db.execute("PRAGMA integrity_check").fetchone()[0]
            count = db.execute("SELECT count(*) FROM t").fetchone()[0] if whole == "ok" else whole
            db.close()
            return count
        except sqlite3.Error as error:
            return str(error)


def power_failure():
    for journal in ("WAL", "DELETE"):
        is_(rows_after_power_failure(journal, "FULL"), 100, f"{journal}, synchronous=FULL: all 100 rows are there")
        ok(rows_after_power_failure(journal, "OFF") != 100, f"{journal}, synchronous=OFF: rows are lost")
    ok(rows_after_power_failure("WAL", "NORMAL") != 100, "WAL, synchronous=NORMAL: the last commits are lost")


FILES = """
import os, sys
os.chdir(sys.argv[1])
def put(name, data, sync):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, data)
    if sync: os.fsync(fd)
    os.close(fd)
put("kept", b"old", True)
fd = os.open("kept", os.O_WRONLY)
os.pwrite(fd, b"NEWER", 1)
os.ftruncate(fd, 2)
put("never-synced", b"x", False)
put("emptied", b"old", True)
put("emptied", b"new", False)
put("a.new", b"renamed", True)
os.rename("a.new", "a")
fd = os.open("appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.write(fd, b"one "); os.fsync(fd); os.write(fd, b"two "); os.write(fd, b"three")
"""


def plain_files():
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "state")
        os.makedirs(state)
        power = PowerFailure(folder, state)
        subprocess.run([sys.executable, "-c", FILES, state], env={**os.environ, **power.environment()}, check=True)
        power.restore()
        left = {}
        for name in sorted(os.listdir(state)):
            with open(os.path.join(state, name), encoding="ascii") as file:
                left[name] = file.read()
        is_(left, {"a": "renamed", "appended": "one ", "emptied": "old", "kept": "old"},
            "overwritten, cut, made, emptied, renamed, appended: back to what was synced")


def failing_disk():
    """Each call in turn: what was committed before stays, the failure is told, and the next start works."""
    with tempfile.TemporaryDirectory() as folder:
        disk = FailingDisk(folder, os.path.join(folder, "state"))
        process = writer(folder, disk.environment(), "WAL", "FULL", 5)
        process.communicate("")
        calls = disk.calls()
        ok(calls > 10, f"{calls} calls were counted")
    failures, wrong = 0, []
    for at in range(1, calls + 1):
        for error in ("EIO", "ENOSPC"):
            with tempfile.TemporaryDirectory() as folder:
                disk = FailingDisk(folder, os.path.join(folder, "state"))
                process = writer(folder, disk.environment(at, error, from_then=True), "WAL", "FULL", 5)
                said = process.communicate("")[0].splitlines()
                told = "error" in " ".join(said) or process.returncode != 0
                failures += told
                committed = sum(line.startswith("committed") for line in said)
                db = sqlite3.connect(os.path.join(folder, "state", "db"))
                tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
                kept = db.execute("SELECT count(*) FROM t").fetchone()[0] if tables else 0
                db.close()
                if kept < committed:
                    wrong.append(f"call {at} {error}: {committed} committed, {kept} kept")
    ok(not wrong, "no committed row is lost to a failing call")
    diag("\n".join(wrong) or "none lost")
    ok(failures > calls // 2, f"{failures} failures were noticed by SQLite")


def mended():
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "state"))
        disk = FailingDisk(folder, os.path.join(folder, "state"))
        script = ("import os, sys\nfd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)\n"
                  "for line in sys.stdin:\n"
                  "    try: os.write(fd, b'x'); print(0, flush=True)\n"
                  "    except OSError as error: print(error.errno, flush=True)\n")
        process = subprocess.Popen([sys.executable, "-c", script, os.path.join(folder, "state", "f")], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   env={**os.environ, **disk.environment(error="ENOSPC", from_then=True, live=True)})
        said = []
        for fail_at in (0, 1, 0):
            disk.set(fail_at)
            process.stdin.write("\n")
            process.stdin.flush()
            said.append(int(process.stdout.readline()))
        process.communicate()
        is_(said, [0, errno.ENOSPC, 0], "a running program's disk fills up and is emptied again")


main(power_failure, plain_files, failing_disk, mended)
