#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=300
"""A mailbox is seldom ours alone: somebody else deletes and adds in the middle of a poll, or holds the maildrop; servers can do little,
or let us only read; a hundred of them hang; and the administrator changes settings all the while. Against real Dovecot and Cyrus.

Names of tests (poor, read_only, in_use, shared, changed_meanwhile, whole, starved, service_off) as arguments run only those.
"""

import contextlib
import hashlib
import os
import poplib
import random
import shutil
import socket
import sys
import tempfile

import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from cyrus import Cyrus
from inbox import Inbox, letter, letters, message_id, trust
from pki import Pki
from postern import Postern
from tap import diag, is_, main, ok, scale

servers.need_root()
CROWDED = 1000      # letters in a mailbox that somebody else works in
HUNG = 100          # servers
LARGE = 20_000_000  # bytes
folder = tempfile.mkdtemp(prefix="postern-others-")
os.chmod(folder, 0o755)
pki = Pki()
root = pki.ca("Others Root")
signed = pki.leaf(issuer=root)
USERS = {name: f"Secret of {name}" for name in ("plant", "poor", "reader", "drop", "shared", "changed", "whole", "service", "owner")}
dovecot = servers.Dovecot(os.path.join(folder, "dovecot"), signed, users=USERS)
# What it can do is more than it says, but nobody may ask for what isn't offered.
poor_dovecot = servers.Dovecot(os.path.join(folder, "poor"), signed, users=USERS,
                               extra="imap_capability = IMAP4rev1\npop3_lock_session = yes\n")
cyrus = Cyrus(os.path.join(folder, "cyrus"), signed, users=USERS)
postern = Postern()


def poor():
    """Neither IDLE nor UIDPLUS nor MOVE: it is polled, and nothing is expunged that somebody else has marked."""
    poor_dovecot.fill("poor", letters(1, 2, 3))
    inbox = Inbox(postern, poor_dovecot, "poor", user="poor", pollrate=2, deliveryPolicy="delete", maxMessageSize=20000).create()
    inbox.wait_for(1, 2, 3)
    inbox.server_has({}, "letters are deleted where nobody else has marked any")
    poor_dovecot.fill("poor", [letter(4, size=40000)])
    inbox.wait_for(1, 2, 3, 4, what="a large one, polled for")
    poor_dovecot.set_flags("poor", [message_id(4)], r"\Deleted")
    poor_dovecot.fill("poor", letters(5))
    inbox.wait_for(1, 2, 3, 4, 5)
    deadline = time.monotonic() + 10
    while (found := inbox.on_server()).get(5) != {r"\Deleted"} and time.monotonic() < deadline:
        time.sleep(0.1)
    is_((found.get(4), found.get(5)), ({r"\Deleted"}, {r"\Deleted"}), "poor: what somebody else has marked isn't taken along")
    inbox.polled()
    inbox.has(1, 2, 3, 4, 5, what="and what had to stay isn't received again")


def read_only():
    """A folder of somebody else's, which this user may only read: all is received, and the account says what it can't do."""
    cyrus.deliver("owner", letters(1, 2))
    with cyrus.imap("owner") as client:
        servers.answered(client.setacl("INBOX", "reader", "lr"))
    inbox = Inbox(postern, cyrus, "reader", user="reader", mailbox="Other Users/owner", pollrate=2).create()
    inbox.wait_for(1, 2)
    status = inbox.has_status("fault", "config.readOnly")
    diag(status["status"]["cause"])
    cyrus.deliver("owner", letters(3))
    inbox.wait_for(1, 2, 3, what="and mail flows all the same")
    inbox.change(deliveryPolicy="markAsUnread")
    inbox.has_status("ok")
    inbox.has(1, 2, 3)


def in_use():
    """A maildrop has one reader at a time; the next waits for its turn."""
    poor_dovecot.fill("drop", letters(1, 2))
    with pop3_session(poor_dovecot, "drop"):
        inbox = Inbox(postern, poor_dovecot, "drop", "pop3-tls", user="drop", pollrate=2, deliveryPolicy="delete").create()
        status = inbox.has_status("down")
        diag((status["status"]["code"], status["status"]["cause"]))
        is_(inbox.items(), [], "drop: nothing while somebody else reads it")
    inbox.poll()
    inbox.wait_for(1, 2, what="then it is our turn")
    inbox.server_has({}, "and all is deleted")
    inbox.has_status("ok")


@contextlib.contextmanager
def pop3_session(server, user):
    client = poplib.POP3_SSL("127.0.0.1", server.ports["pop3s"], context=servers.unverified(), timeout=60)
    client.user(user)
    client.pass_(server.users[user])
    yield client
    client.quit()


def shared():
    """Somebody deletes at random and adds more, in the middle of our polls."""
    for transport, kind in (("imap", "imap-tls"), ("pop3", "pop3-tls")):
        count = scale(CROWDED, 300)
        dovecot.fill("shared", letters(*range(count)))
        inbox = Inbox(postern, dovecot, f"shared-{transport}", kind, user="shared", maxPerPoll=200, pollrate=1, push=False,
                      deliveryPolicy="markAsRead").create()
        removed = set()
        for turn in range(20):
            with dovecot.imap("shared") as client:
                there = servers.answered(client.search(None, "ALL"))[0].split()
                for one in random.sample(there, min(len(there), 10)):
                    servers.answered(client.store(one, "+FLAGS.SILENT", r"(\Deleted)"))
                client.expunge()
            dovecot.fill("shared", letters(count + turn))
        left = set(inbox.on_server())
        removed = set(range(count + 20)) - left
        inbox.until(lambda found, wanted=len(left): found["numberReceived"] >= wanted)
        deadline = time.monotonic() + 60
        while not left <= set(inbox.numbers()) and time.monotonic() < deadline:
            time.sleep(0.2)
        numbers = inbox.numbers()
        ok(left <= set(numbers), f"{inbox.name}: all that was left is received")
        ok(len(set(numbers)) == len(numbers), f"{inbox.name}: each once")
        ok(set(numbers) <= left | removed, f"{inbox.name}: and nothing that never was")
        inbox.polled()
        postern.api.delete(f"/api/v1/accounts/{inbox.name}")
        for name in ("new", "cur"):
            path = dovecot.path("mail", "shared", "Maildir", name)
            for file in os.listdir(path):
                os.remove(os.path.join(path, file))


def changed_meanwhile():
    """Each change begins a new connection, in the middle of the old one's poll."""
    count = scale(CROWDED, 300)
    dovecot.fill("changed", letters(*range(count)))
    inbox = Inbox(postern, dovecot, "changed", user="changed", maxPerPoll=10000, deliveryPolicy="delete", pollrate=2).create()
    changes, ended = 0, time.monotonic() + 60
    while inbox.status()["numberReceived"] < count and time.monotonic() < ended:
        changes += 1
        answer = postern.api.patch("/api/v1/accounts/changed", {"description": f"change {changes}", "push": changes % 2 == 0})
        if answer.status != 200:
            diag(answer)
        if changes % 10 == 0:
            inbox.name = f"changed-{changes % 20}"
            postern.api.action(f"changed{'' if changes == 10 else f'-{(changes - 10) % 20}'}", "rename", {"name": inbox.name})
            postern.api.action(inbox.name, "rename", {"name": "changed"})
            inbox.name = "changed"
        time.sleep(random.uniform(0, 0.05))
    diag(f"{changes} changes")
    inbox.wait_for(*range(count), what=f"{changes} changes in the middle of it, and each is there once")
    inbox.server_has({}, "and all are deleted")


def whole():
    """Large ones that are not too large come in as they are, several at a time."""
    for number in range(3):
        dovecot.fill("whole", [letter(number, size=LARGE)])
    for kind in ("imap-tls", "pop3-tls"):
        inbox = Inbox(postern, dovecot, f"whole-{kind}", kind, user="whole", deliveryPolicy="markAsUnread").create()
        inbox.wait_for(0, 1, 2)
        for number in range(3):
            raw = inbox.raw(number)
            is_(hashlib.sha256(raw).hexdigest(), hashlib.sha256(letter(number, size=LARGE)).hexdigest(),
                f"{inbox.name}: {LARGE} bytes, as they are")


def starved():
    """A hundred servers that accept a connection and say nothing; ten accounts on each of ten of them."""
    listeners = []
    try:
        for number in range(HUNG):
            listener = socket.create_server((f"127.0.1.{number + 1}", 0), backlog=64)
            listeners.append(listener)
            postern.api.post("/api/v1/accounts", {
                "name": f"hung-{number}", "type": "IncomingAccount", "hostname": f"127.0.1.{number + 1}", "transport": "imap",
                "useSsl": True, "port": listener.getsockname()[1], "pollrate": 1, "connectionTimeout": 30,
                "emailAuthenticator": {"type": "basic", "username": "x", "password": "y"}})
        time.sleep(2)
        inbox = Inbox(postern, dovecot, "beside", push=False, pollrate=2).create()
        for number in range(3):
            delivered = time.monotonic()
            dovecot.deliver("plant", letters(number))
            inbox.wait_for(*range(number + 1), what=f"beside {HUNG} servers that hang, mail flows")
            diag(f"after {time.monotonic() - delivered:.1f} s")
    finally:
        for listener in listeners:
            listener.close()
        for number in range(HUNG):
            postern.api.delete(f"/api/v1/accounts/hung-{number}")


def service_off():
    """The EmailService rests, and with it every account."""
    inbox = Inbox(postern, dovecot, "service", user="service", pollrate=2).create()
    dovecot.deliver("service", letters(1))
    inbox.wait_for(1)
    is_(postern.api.patch("/api/v1/services/EmailService", {"enabled": False}).status, 200, "the EmailService is disabled")
    inbox.has_status("disabled")
    dovecot.deliver("service", letters(2))
    time.sleep(3)
    inbox.has(1, what="nothing comes")
    is_(postern.api.patch("/api/v1/services/EmailService", {"enabled": True}).status, 200, "the EmailService is enabled")
    inbox.wait_for(1, 2, what="it comes")
    inbox.has_status("ok")


try:
    for server in (dovecot, poor_dovecot, cyrus):
        server.start()
    postern.start()
    trust(postern, root)
    chosen = [globals()[name] for name in sys.argv[1:]] or [poor, read_only, in_use, shared, changed_meanwhile, whole, starved,
                                                            service_off]
    main(*chosen, postern.stop)
finally:
    for server in (dovecot, poor_dovecot, cyrus):
        server.stop()
    postern.kill9()
    postern.remove()
    shutil.rmtree(folder, ignore_errors=True)
