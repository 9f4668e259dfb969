#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: plain timeout=600
"""kill -9, a power failure and a full disk, each in the middle of polls of 1,000 messages by IMAP and POP3: every message is stored
exactly once, and deleted on the server only when it is stored. And what was removed here after its time isn't fetched again.

Names of tests (killed, power_failure, disk_full, retention) as arguments run only those. $POSTERN_SCALE multiplies the number of kills.
"""

import contextlib
import os
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from barrage import READERS, Barrage
from inbox import letters
from postern import Postern
from shim import FailingDisk, PowerFailure
from tap import diag, is_, main, ok, scale

servers.need_root()
DELETING = {name: how for name, how in READERS.items() if how[1] == "delete"}


def killed():
    with Barrage(Postern()) as barrage:
        barrage.kills(scale(100, 10))
        barrage.judge()
        barrage.postern.stop()


def power_failure():
    """What wasn't synced is thrown away at each kill: what was deleted on the server too early is then lost."""
    with tempfile.TemporaryDirectory(prefix="postern-receive-") as folder:
        postern = Postern(state=os.path.join(os.path.realpath(folder), "state"))
        power = PowerFailure(folder, postern.state)
        postern.environment.update(power.environment())
        thrown = 0

        def restore():
            nonlocal thrown
            thrown += sum(power.restore().values())

        with Barrage(postern, readers=DELETING) as barrage:
            barrage.kills(scale(10, 5), restore)
            ok(thrown, f"{thrown} writes were thrown away")
            barrage.judge("after power failures")


def disk_full():
    """It fills up in the middle, and is emptied some time later."""
    with tempfile.TemporaryDirectory(prefix="postern-receive-") as folder:
        postern = Postern(state=os.path.join(os.path.realpath(folder), "state"))
        disk = FailingDisk(folder, postern.state)
        postern.environment.update(disk.environment(error="ENOSPC", from_then=True, live=True))
        with Barrage(postern, waiting=300, readers=DELETING) as barrage:
            for number in range(scale(4, 2)):
                fill_up(barrage, disk, 20 + 40 * number)
            barrage.judge("after the disk was full")
            postern.stop()


def fill_up(barrage, disk, ahead):
    postern = barrage.postern
    barrage.known = barrage.received()
    barrage.fill()
    disk.set(disk.calls() + ahead)
    time.sleep(2)
    if postern.process.poll() is not None:      # it may choose to end rather than go on with a sick disk
        ok(postern.process.returncode > 0, f"it ended with status {postern.process.returncode}")
        diag(postern.log(1000))
        disk.set(0)
        postern.process = None
        postern.start()
        return
    states = [inbox.status()["status"] for inbox in barrage.inboxes]
    diag([(status["state"], status["code"], status["cause"]) for status in states])
    ok(any(status["state"] != "ok" and status["cause"] for status in states), "a full disk: an account says so")
    for inbox in barrage.inboxes:
        is_(barrage.lost(inbox), set(), f"{inbox.name}: a full disk: nothing is deleted that isn't stored")
    disk.set(0)
    for inbox in barrage.inboxes:
        inbox.poll()
        inbox.has_status("ok")


def retention():
    """A day of it, and 40 hours go by: what was acknowledged is removed here, and still stands on the server."""
    postern = Postern()
    with Barrage(postern, waiting=20, readers={name: how for name, how in READERS.items() if how[1] != "delete"}) as barrage:
        for inbox in barrage.inboxes:
            inbox.change(retention=1)
            inbox.wait_for(*range(20))
            for item in inbox.items()[:10]:     # the newest: 10 to 19
                is_(postern.api.post(f"/api/v1/messages/{item['id']}/actions/acknowledge", {}).status, 200,
                    f"{inbox.name}: acknowledged")
        postern.stop()
        make_older(postern, 40)
        postern.start()
        for inbox in barrage.inboxes:
            deadline = time.monotonic() + 60
            while len(inbox.items()) > 10 and time.monotonic() < deadline:
                time.sleep(0.1)
            inbox.has(*range(10), what="after its time what was acknowledged is gone, and nothing else")
            inbox.polled()
            barrage.dovecot.fill(inbox.name, letters(20))
            inbox.polled()
            inbox.has(*range(10), 20, what="what is new comes, and nothing again")
        postern.stop()


def make_older(postern, hours):
    """As if what was done with the messages had been done so long ago: a clock that lies would lie about time-outs too."""
    with contextlib.closing(sqlite3.connect(os.path.join(postern.state, "postern.db"))) as database, database:
        database.execute("UPDATE message SET finished_at = finished_at - ? WHERE finished_at > 0", (hours * 3600_000,))


chosen = [globals()[name] for name in sys.argv[1:]] or [killed, power_failure, disk_full, retention]
main(*chosen)
