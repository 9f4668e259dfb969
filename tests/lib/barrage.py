# SPDX-License-Identifier: Apache-2.0
"""barrage.py - mailboxes that are never empty, read by a postern that is killed again and again: is each letter stored once?

    with Barrage(postern) as barrage:
        barrage.kills(100)
        barrage.judge()
"""

import os
import random
import shutil
import tempfile
import time

import servers
from inbox import Inbox, letters, trust
from pki import Pki
from tap import diag, is_, ok

# name: (kind, deliveryPolicy)
READERS = {
    "imap-delete": ("imap-tls", "delete"),
    "imap-read": ("imap-tls", "markAsRead"),
    "pop3-delete": ("pop3-tls", "delete"),
    "pop3-keep": ("pop3-tls", "markAsUnread"),
}
WAITING = 1000      # letters in each mailbox, at each start
PAUSE = 0.3         # seconds; the longest from a start to the kill, at first
PAUSE_MAX = 10
PATIENCE = 60


class Barrage:
    def __init__(self, postern, waiting=WAITING, readers=READERS):
        self.postern, self.waiting, self.readers = postern, waiting, readers
        self.folder = tempfile.mkdtemp(prefix="postern-barrage-")
        os.chmod(self.folder, 0o755)
        pki = Pki()
        self.root = pki.ca("Barrage Root")
        users = {name: f"Secret of {name}" for name in readers}
        self.dovecot = servers.Dovecot(os.path.join(self.folder, "dovecot"), pki.leaf(issuer=self.root), users=users)
        self.inboxes = []
        self.delivered = dict.fromkeys(readers, 0)
        self.known = {}     # how many were received, when we last looked
        self.cut = 0        # kills that came in the middle of polls of all

    def __enter__(self):
        try:
            self.dovecot.start()
            self.postern.start()
            trust(self.postern, self.root)
            self.fill()
            for name, (kind, policy) in self.readers.items():
                self.inboxes.append(Inbox(self.postern, self.dovecot, name, kind, user=name, deliveryPolicy=policy, push=False,
                                          pollrate=1, maxPerPoll=10000, retention=0).create())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.dovecot.stop()
        self.postern.kill9()
        self.postern.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def received(self):
        """By one request, which costs next to nothing."""
        items = self.postern.api.get("/api/v1/accounts?include=status&limit=500").json["items"]
        return {item["name"]: item["numberReceived"] for item in items}

    def fill(self):
        """As many as were received meanwhile, so far as that is known."""
        for name in self.readers:
            first, wanted = self.delivered[name], self.known.get(name, 0) + self.waiting
            self.dovecot.fill(name, letters(*range(first, wanted)))
            self.delivered[name] = max(first, wanted)

    def kills(self, count, after_kill=lambda: None):
        """So many at some moment when letters have come in since the start; those that came sooner are on top. How long that takes is
        found out."""
        longest, gained, number = PAUSE, 0, 0
        while gained < count and number < 4 * count:
            number += 1
            time.sleep(random.uniform(0, longest))
            before, self.known = self.known, self.received()
            self.postern.kill9()
            after_kill()
            news = sum(self.known.values()) > sum(before.values())
            emptied = any(self.known[name] == self.delivered[name] for name in self.readers)
            gained += news
            self.cut += news and not emptied
            longest = longest / 2 if emptied else longest * 0.6 if news else min(2 * longest, PAUSE_MAX)
            self.fill()
            self.postern.start()
        diag(f"{number} kills: at {gained} letters had come in since the start, at {self.cut} of these others waited in every "
             f"mailbox; {sum(self.delivered.values())} letters altogether")
        ok(gained >= count, f"{count} kills came in the middle of a poll")

    def judge(self, what="after the kills"):
        """All is fetched in the end: each once, and deleted or marked just as it should be."""
        for inbox in self.inboxes:
            wanted = self.delivered[inbox.name]
            inbox.until(lambda found, wanted=wanted: found["numberReceived"] >= wanted, 2 * PATIENCE)
            inbox.has(*range(wanted), what=f"{what}: each of {wanted} letters is stored once")
            is_(inbox.status()["numberReceived"], wanted, f"{inbox.name}: {what}: and counted once")
            deadline = time.monotonic() + PATIENCE
            while not self.is_settled(inbox) and time.monotonic() < deadline:
                time.sleep(0.2)
            ok(self.is_settled(inbox), f"{inbox.name}: {what}: the server has what it should")

    def is_settled(self, inbox):
        policy = self.readers[inbox.name][1]
        found = inbox.on_server()
        if policy == "delete":
            return found == {}
        return set(found) == set(range(self.delivered[inbox.name])) and \
            (policy != "markAsRead" or all(r"\Seen" in flags for flags in found.values()))

    def lost(self, inbox):
        """What is neither stored nor on the server."""
        return set(range(self.delivered[inbox.name])) - set(inbox.numbers()) - set(inbox.on_server())
