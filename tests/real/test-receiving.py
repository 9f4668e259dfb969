#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=300
"""Mail comes in from two real servers, Dovecot and Cyrus, by IMAP and POP3 and every kind of security: a challenge that nobody
asked for and its approval, each delivery policy, mail that is pushed, servers that go away in the middle of that.

Names of tests (security, policies, push, restarted) as arguments run only those.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from cyrus import Cyrus
from inbox import HOSTS, KINDS, Inbox, letter, letters, trust
from pki import Pki
from postern import Postern
from tap import diag, is_, main, ok

servers.need_root()
POLICIES = ("markAsRead", "markAsUnread", "delete")
LARGE = 40000       # bytes
LIMIT = 20000       # of maxMessageSize: between the large and the others
PUSHES = 10
folder = tempfile.mkdtemp(prefix="postern-receiving-")
os.chmod(folder, 0o755)
pki = Pki()
root = pki.ca("Receiving Root")
own = pki.leaf()
users = {name: f"Secret of {name}" for name in
         [*KINDS, *(f"{transport}-{policy.lower()}" for transport in ("imap", "pop3") for policy in POLICIES), "push", "push-plain"]}
# IDLE is told of what other programs put into the folder only now and then, so delivery goes through the server.
dovecot = servers.Dovecot(os.path.join(folder, "dovecot"), own, users=users)
cyrus = Cyrus(os.path.join(folder, "cyrus"), own, users=users)
SERVERS = {"dovecot": dovecot, "cyrus": cyrus}
postern = Postern()


def each_inbox(make):
    return [make(name, server) for name, server in SERVERS.items()]


# ---- every kind of security -----------------------------------------------------------------------------------------


def security():
    """Accounts are made and nothing else is done: no verify, no poll."""
    inboxes = [Inbox(postern, server, f"{name}-{kind}", kind, user=kind, pollrate=5, debug=True)
               for name, server in SERVERS.items() for kind in KINDS]
    for inbox in inboxes:
        inbox.server.deliver(inbox.user, letters(1, 2))
        inbox.create()
    challenged = [inbox for inbox in inboxes if not inbox.kind.endswith("plain")]
    for inbox in challenged:
        inbox.has_status("challenged", "cert.challenge")
        entry = postern.api.get(f"{HOSTS}/localhost:{inbox.port}").json
        is_((entry["approval"], entry["reasons"], sorted(entry["accounts"]), entry["certificate"]["sha256"].replace(":", "").lower()),
            ("pending", ["self-signed"], sorted(other.name for other in inboxes if other.port == inbox.port), own.sha256),
            f"{inbox.name}: Allowed Hosts has what was met")
        is_(inbox.items(), [], f"{inbox.name}: nothing was fetched")
    for inbox in challenged:
        approved = time.monotonic()
        inbox.approve(own)
        if inbox.server is cyrus:
            unbound(inbox)
        inbox.wait(2)
        diag(f"{inbox.name}: two letters {time.monotonic() - approved:.2f} s after the approval")
    for inbox in inboxes:
        inbox.wait_for(1, 2)
        status = inbox.has_status("ok")
        is_((status["numberReceived"], status["unacknowledged"]), (2, 2), f"{inbox.name}: two received, not acknowledged")
        ok(status["lastPollSuccess"], f"{inbox.name}: and when")
        if inbox in challenged:
            is_((status["lastTls"] or {}).get("sha256", "").replace(":", "").lower(), own.sha256,
                f"{inbox.name}: by the approved certificate")
    contents(inboxes)
    by_pollrate(inboxes)


def unbound(inbox):
    """Cyrus offers to bind the log-in to TLS 1.3 and can't. Only where a trust store vouches for it is that given up without asking."""
    inbox.has_status("fault", "auth.binding")
    inbox.change(emailAuthenticator={"mechanism": "SCRAM-SHA-256"})


def contents(inboxes):
    """What was stored is what was sent, and it is listed, shown and acknowledged."""
    for inbox in inboxes:
        raw = inbox.raw(2)
        # What a server puts before it on delivery is part of it by now.
        if not ok(isinstance(raw, bytes) and raw.endswith(letter(2)), f"{inbox.name}: each byte of it"):
            diag(raw)
        item = inbox.item(2)
        is_((item["account"], item["direction"], item["state"], item["from"], item["to"], item["subject"], item["date"]),
            (inbox.name, "incoming", "received", "Sensor 2 <sensor@example.test>", ["plant@example.test"], "letter 2",
             "2026-11-23T11:42:00.000Z"), f"{inbox.name}: its row in the list")
        is_(item["size"], len(raw), f"{inbox.name}: and its size")
        is_(inbox.message(2)["acknowledged"], False, f"{inbox.name}: not acknowledged")
        is_(postern.api.post(f"/api/v1/messages/{item['id']}/actions/acknowledge", {}).status, 200, f"{inbox.name}: acknowledge")
        is_(inbox.message(2)["acknowledged"], True, f"{inbox.name}: is acknowledged")
        status = inbox.until(lambda found: found["unacknowledged"] == 1)
        is_((status["numberReceived"], status["unacknowledged"]), (2, 1), f"{inbox.name}: one is left")


def by_pollrate(inboxes):
    """More mail, seen without anybody's doing."""
    for inbox in inboxes:
        inbox.server.deliver(inbox.user, letters(3))
    for inbox in inboxes:
        inbox.wait_for(1, 2, 3, what="the next one came by itself")
        secret = inbox.server.users[inbox.user]
        told = postern.api.get(f"/api/v1/accounts/{inbox.name}/transcript").text
        ok(secret not in told and "This is letter" not in told, f"{inbox.name}: no password and no letter in the transcript")
    for inbox in inboxes:
        postern.api.delete(f"/api/v1/accounts/{inbox.name}")


# ---- delivery policies ----------------------------------------------------------------------------------------------


def policies():
    """Letters 1 to 3 as they come; somebody has read 4 and flagged 5, and marked the large 6 as deleted without expunging it."""
    trusted()
    inboxes = [Inbox(postern, server, f"{name}-{transport}-{policy}", f"{transport}-tls", user=f"{transport}-{policy.lower()}",
                     deliveryPolicy=policy, maxMessageSize=LIMIT, push=False)
               for name, server in SERVERS.items() for transport in ("imap", "pop3") for policy in POLICIES]
    for inbox in inboxes:
        inbox.server.deliver(inbox.user, [*letters(1, 2, 3, 4, 5), letter(6, size=LARGE)])
        for number, flag in ((4, r"\Seen"), (5, r"\Flagged"), (6, r"\Deleted")):
            inbox.server.set_flags(inbox.user, [f"<{number}@letters.example.test>"], flag)
        before = inbox.on_server()
        inbox.create()
        inbox.wait(5)
        inbox.polled()
        check_policy(inbox, before)
        inbox.polled()
        is_(sorted(number for number in inbox.numbers() if number != 6), [1, 2, 3, 4, 5], f"{inbox.name}: a second poll brings nothing")


def check_policy(inbox, before):
    """The large letter stays as it is, whatever the policy. Marks and deletions come a little after the list."""
    policy = inbox.configuration["deliveryPolicy"]
    large = {6: before[6]}
    if policy == "delete":
        inbox.server_has(large, "all are gone but the large one, which is marked as it was")
    elif inbox.transport == "pop3":
        is_(set(inbox.on_server()), set(before), f"{inbox.name}: all are kept")
    elif policy == "markAsRead":
        inbox.server_has({**{number: flags | {r"\Seen"} for number, flags in before.items()}, **large},
                         "all are read but the large one")
    else:
        is_(inbox.on_server(), before, f"{inbox.name}: all are as they were")


def trusted():
    """From here on nobody needs to be asked."""
    for server in SERVERS.values():
        server.replace_certificate(pki.leaf(issuer=root))
    trust(postern, root)


# ---- push -----------------------------------------------------------------------------------------------------------


def push():
    """A poll would come in an hour. The time from delivery to the list is shown; a limit on it would judge the machine."""
    inboxes = each_inbox(lambda name, server: Inbox(postern, server, f"{name}-push", user="push"))
    for inbox in inboxes:
        inbox.server.deliver(inbox.user, letters(0))
        inbox.create()
        inbox.wait_for(0)
        inbox.has_status("ok")
    time.sleep(1)       # so that it waits by now
    for inbox in inboxes:
        took = []
        for number in range(1, PUSHES + 1):
            inbox.server.deliver(inbox.user, letters(number))
            delivered = time.monotonic()
            while inbox.item(number) is None and time.monotonic() < delivered + 60:
                time.sleep(0.01)
            took.append(time.monotonic() - delivered)
        diag(f"{inbox.name}: from delivery to the list: {min(took):.3f} / {statistics.median(took):.3f} / {max(took):.3f} s "
             "(min/median/max)")
        ok(max(took) < 10, f"{inbox.name}: {PUSHES} letters were pushed")
        inbox.has(*range(PUSHES + 1))
    without_push()


def without_push():
    """The same mailbox, looked at only when somebody asks."""
    inbox = Inbox(postern, dovecot, "no-push", user="push-plain", push=False).create()
    inbox.has_status("ok")
    dovecot.deliver(inbox.user, letters(1))
    time.sleep(2)
    is_(inbox.items(), [], "no-push: nothing comes by itself")
    inbox.poll()
    inbox.wait_for(1, what="but it does when asked")


def restarted():
    """The server goes away in the middle of an IDLE, in good order and not, and comes back."""
    inboxes = each_inbox(lambda name, server: Inbox(postern, server, f"{name}-restart", user="push", pollrate=5))
    there = common_letters(inboxes)
    for inbox in inboxes:
        inbox.create()
        inbox.wait_for(*there)
        inbox.has_status("ok")
    time.sleep(1)       # so that it waits by now
    for number, end in ((100, None), (200, servers.signal.SIGKILL)):
        for inbox in inboxes:
            if end:
                inbox.server.signal(end)
            inbox.server.stop()
            inbox.has_status("down")
        for inbox in inboxes:
            inbox.server.start()
            inbox.server.deliver(inbox.user, letters(number))
        for inbox in inboxes:
            inbox.wait_for(*there, number, what=f"{'killed' if end else 'stopped'}: what came since is there, all else only once")
            inbox.has_status("ok")
            inbox.server.deliver(inbox.user, letters(number + 1))
            inbox.wait_for(*there, number, number + 1, what="and mail flows")
        there += [number, number + 1]


def common_letters(inboxes):
    """What is in the mailboxes by now: the same in both."""
    found = [sorted(inbox.on_server()) for inbox in inboxes]
    is_(found[1], found[0], "both servers have the same letters")
    return found[0]


def all_tests():
    chosen = [globals()[name] for name in sys.argv[1:]] or [security, policies, push, restarted]
    if trusted not in chosen and policies not in chosen:
        chosen.insert(0, trusted)
    return chosen


try:
    dovecot.start()
    cyrus.start()
    postern.start()
    main(*all_tests(), postern.stop)
finally:
    dovecot.stop()
    cyrus.stop()
    postern.kill9()
    postern.remove()
    shutil.rmtree(folder, ignore_errors=True)
