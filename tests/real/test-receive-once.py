#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=300
"""A few kills under sanitizers (test-receive-kills has the hundred), and mailboxes that nobody should have to read: 2.5 GB in one
message, a server whose clock is wrong, one that says nothing any more. The accounts beside them go on.

Names of tests (killed, huge, clocks, hung) as arguments run only those.
"""

import contextlib
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from barrage import Barrage
from inbox import Inbox, letter, letters, trust
from pki import Pki
from postern import Postern
from tap import diag, main, ok, scale

servers.need_root()
HUGE = 2_500_000_000
pki = Pki()
root = pki.ca("Once Root")


def killed():
    with Barrage(Postern(), waiting=300) as barrage:
        barrage.kills(scale(20, 10))
        barrage.judge()
        barrage.postern.stop()


@contextlib.contextmanager
def site(**clocks):
    """A postern and a Dovecot for each name, with a clock that is so far off (None: right)."""
    folder = tempfile.mkdtemp(prefix="postern-once-")
    os.chmod(folder, 0o755)
    made = {name: servers.Dovecot(os.path.join(folder, name), pki.leaf(issuer=root), clock=clock)
            for name, clock in clocks.items()}
    try:
        for server in made.values():
            server.start()
        with Postern() as postern:
            trust(postern, root)
            yield postern, made
    finally:
        for server in made.values():
            server.signal(servers.signal.SIGCONT)
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def flows(neighbour, last):
    """Letters 1 to last are there, the last just delivered."""
    neighbour.server.deliver(neighbour.user, letters(last))
    neighbour.wait_for(*range(1, last + 1), what="beside it, mail flows")
    neighbour.has_status("ok")


def huge():
    with site(dovecot=None) as (postern, made):
        dovecot = made["dovecot"]
        neighbour = Inbox(postern, dovecot, "neighbour", user="office", pollrate=2).create()
        for number, kind in enumerate(("imap-tls", "pop3-tls")):
            dovecot.fill("plant", letters(1))
            if number == 0:
                dovecot.fill_huge("plant", letter(2), HUGE)
            dovecot.fill("plant", letters(3))
            inbox = Inbox(postern, dovecot, f"huge-{kind}", kind, deliveryPolicy="delete", push=False).create()
            inbox.wait_for(1, 2, 3)
            ok(inbox.item(2)["size"] == HUGE, f"{inbox.name}: the size is what the server says")
            inbox.server_has({2: set()}, "the others are deleted, the huge one stays")
            inbox.has_status("ok")
            flows(neighbour, number + 1)
            postern.api.delete(f"/api/v1/accounts/{inbox.name}")


def clocks():
    with site(ahead="+1h", behind="-1h") as (postern, made):
        for name, server in made.items():
            server.deliver("plant", letters(1, 2))
            inbox = Inbox(postern, server, name, pollrate=2).create()
            inbox.wait_for(1, 2)
            server.deliver("plant", letters(3))
            inbox.wait_for(1, 2, 3, what="whatever the server's clock says")
            server.stop()
            server.environment = None       # somebody sets it right
            server.start()
            server.deliver("plant", letters(4))
            inbox.wait_for(1, 2, 3, 4, what="and when it has been set")
            inbox.polled()
            inbox.has(1, 2, 3, 4)


def hung():
    """Its processes stop where they are, the connections stay open."""
    with site(hangs=None, works=None) as (postern, made):
        neighbour = Inbox(postern, made["works"], "neighbour", pollrate=2).create()
        made["hangs"].deliver("plant", letters(1))
        inboxes = [Inbox(postern, made["hangs"], f"hangs-{kind}", kind, push=False, pollrate=2, connectionTimeout=2).create()
                   for kind in ("imap-tls", "pop3-tls")]
        for inbox in inboxes:
            inbox.wait_for(1)
        made["hangs"].signal(servers.signal.SIGSTOP)
        for inbox in inboxes:
            status = inbox.has_status("down")
            diag(f"{inbox.name}: {status['status']['code']}: {status['status']['cause']}")
        flows(neighbour, 1)
        flows(neighbour, 2)
        made["hangs"].signal(servers.signal.SIGCONT)
        made["hangs"].deliver("plant", letters(2))
        for inbox in inboxes:
            inbox.poll()
            inbox.wait_for(1, 2, what="and once it goes on, so do we")


chosen = [globals()[name] for name in sys.argv[1:]] or [killed, huge, clocks, hung]
main(*chosen)
