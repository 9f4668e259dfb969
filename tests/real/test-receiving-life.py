#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=300
"""What happens to an account that receives: mailboxes that aren't there or lose their numbers, limits, another server or user, a
report about mail that was sent, a new name, a rest, an end, a restart. Against real Dovecot, and Postfix.

Names of tests (mailboxes, limits, numbered_anew, moved, life, bounced) as arguments run only those.
"""

import base64
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from cyrus import Cyrus
from inbox import Inbox, events, letter, letters, message_id, trust
from pki import Pki
from postern import Postern
from tap import diag, is_, main, ok

servers.need_root()
LIMIT = 20000
pki = Pki()
root = pki.ca("Life Root")
signed = pki.leaf(issuer=root)
USERS = {name: f"Secret of {name}" for name in (
    "plant", "missing", "named", "large", "attached", "many", "anew-imap", "anew-pop3", "one", "other", "renamed", "resting", "deleted",
    "kept", "sender", "hung")}
site = servers.Site(signed, users=USERS)
dovecot = site.dovecot
cyrus = Cyrus(os.path.join(site.folder, "cyrus"), signed, users=USERS)
postern = Postern()
# Postfix takes mail for this one, and learns only from Dovecot that there is no such mailbox: so it must write a report.
with open(site.postfix.path("etc/mailboxes"), "a", encoding="ascii") as mailboxes_file:
    mailboxes_file.write(f"ghost@{dovecot.domain} ghost\n")


def happened(kind, account):
    """How many events of this type there were."""
    found = events(postern, kind, account)
    if found is None:
        diag(f"there is no /events to ask for {kind}")
    return None if found is None else len(found)


# ---- mailboxes ------------------------------------------------------------------------------------------------------


def mailboxes():
    inbox = Inbox(postern, dovecot, "missing", user="missing", mailbox="Later").create()
    inbox.has_status("fault", "config.mailbox")
    dovecot.fill("missing", letters(1, 2), mailbox=".Later")
    inbox.poll()
    inbox.has_status("ok")
    inbox.wait_for(1, 2, what="once the mailbox is there, so are its letters")
    dovecot.fill("named", letters(3, 4), mailbox=".Entw&APw-rfe &- &2D3cjA-")
    inbox = Inbox(postern, dovecot, "named", user="named", mailbox="Entwürfe & \U0001F48C").create()
    inbox.wait_for(3, 4)
    inbox.has_status("ok")


# ---- limits ---------------------------------------------------------------------------------------------------------


def limits():
    too_large()
    attachments()
    several_polls()


def too_large():
    """Recorded by its headers; on the server it stays, whatever the policy, and isn't fetched again and again."""
    large = letter(2, size=3 * LIMIT, body="Not to be fetched.\r\n")
    dovecot.fill("large", [letter(1), large, letter(3)])
    for kind in ("imap-tls", "pop3-tls"):
        inbox = Inbox(postern, dovecot, f"large-{kind}", kind, user="large", maxMessageSize=LIMIT, deliveryPolicy="delete",
                      push=False).create()
        inbox.wait_for(1, 2, 3)
        inbox.server_has({2: set()}, "all but the large one are deleted")
        item, raw = inbox.item(2), inbox.raw(2)
        ok(abs(item["size"] - len(large)) < 200, f"{inbox.name}: its size as the server says ({item['size']}, {len(large)})")
        if not ok(isinstance(raw, bytes) and raw.endswith(b"\r\n\r\n") and message_id(2).encode() in raw and b"Not to be" not in raw,
                  f"{inbox.name}: of the large one there are the headers"):
            diag(raw)
        for _ in range(2):
            inbox.polled()
        inbox.has(1, 2, 3, what="it is recorded once, however often it is met")
        skipped = happened("mailbox.messageSkipped", inbox.name)
        ok(skipped in (None, 1), f"{inbox.name}: and there is one event about it ({skipped})")
        postern.api.delete(f"/api/v1/accounts/{inbox.name}")
        dovecot.fill("large", letters(1, 3))


def attachments():
    secret = base64.b64encode(b"what is attached " * 100).decode()
    body = ("--b\r\nContent-Type: text/plain\r\n\r\nPlease see.\r\n--b\r\nContent-Type: application/octet-stream\r\n"
            "Content-Disposition: attachment; filename=\"plan.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + "\r\n".join(secret[at:at + 76] for at in range(0, len(secret), 76)) + "\r\n--b--\r\n")
    message = letter(1, body=body, headers='MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n')
    dovecot.fill("attached", [message])
    with_it = Inbox(postern, dovecot, "attached", user="attached").create()
    without = Inbox(postern, dovecot, "not-attached", user="attached", ignoreAttachments=True).create()
    for inbox, wanted in ((with_it, True), (without, False)):
        inbox.wait_for(1)
        raw = inbox.raw(1)
        is_((secret[:76].encode() in raw, b"Please see." in raw), (wanted, True),
            f"{inbox.name}: its attachment is {'there' if wanted else 'left out'}, its text is there")


def several_polls():
    """25 letters, 10 in a poll: the oldest first, and all in the end without anybody's doing."""
    dovecot.fill("many", letters(*range(25)))
    inbox = Inbox(postern, dovecot, "many", user="many", maxPerPoll=10, pollrate=2, push=False).create()
    inbox.wait_for(*range(25))
    numbers = inbox.numbers()
    is_(sorted(numbers[:10]), list(range(10)), "many: the first ten came first")


# ---- numbers --------------------------------------------------------------------------------------------------------


def numbered_anew():
    """The server forgets its UIDs: nothing comes twice, what is new comes, and there is an event."""
    for transport, kind in (("imap", "imap-tls"), ("pop3", "pop3-tls")):
        user = f"anew-{transport}"
        dovecot.fill(user, letters(1, 2, 3))
        dovecot.number_anew(user, 1700000000)
        inbox = Inbox(postern, dovecot, user, kind, user=user, deliveryPolicy="markAsUnread", push=False).create()
        inbox.wait_for(1, 2, 3)
        inbox.polled()
        dovecot.fill(user, letters(4))
        dovecot.number_anew(user, 1700000001)
        inbox.polled()
        inbox.wait_for(1, 2, 3, 4, what="after the UIDs changed only the new one came")
        inbox.polled()
        inbox.has(1, 2, 3, 4)
        if transport == "imap":
            count = happened("mailbox.uidValidityChanged", inbox.name)
            ok(count in (None, 1), f"{inbox.name}: there is one event about it ({count})")
    for message in letters(1, 2, 3):
        cyrus.append("plant", message)
    inbox = Inbox(postern, cyrus, "anew-cyrus", user="plant", deliveryPolicy="markAsUnread", push=False).create()
    inbox.wait_for(1, 2, 3)
    inbox.polled()
    time.sleep(1)           # UIDVALIDITY is a time in seconds
    cyrus.remove_mailbox("plant")
    for message in letters(2, 3, 4):
        cyrus.append("plant", message)
    inbox.polled()
    inbox.wait_for(1, 2, 3, 4, what="a mailbox was made anew, only what is new came")


# ---- another place --------------------------------------------------------------------------------------------------


def moved():
    """Two mailboxes whose UIDs and UIDVALIDITY are the same are two mailboxes all the same."""
    for user, numbers in (("one", (1, 2, 3)), ("other", (11, 12, 13))):
        dovecot.fill(user, letters(*numbers))
        dovecot.number_anew(user, 1700000000)
    dovecot.fill("one", letters(21, 22, 23), mailbox=".Archive")
    dovecot.number_anew("one", 1700000000, mailbox=".Archive")
    for kind in ("imap-tls", "pop3-tls"):
        inbox = Inbox(postern, dovecot, f"moved-{kind}", kind, user="one", deliveryPolicy="markAsUnread").create()
        there = [1, 2, 3]
        inbox.wait_for(*there)
        inbox.change(emailAuthenticator=inbox.as_user("other"))
        there += [11, 12, 13]
        inbox.wait_for(*there, what="another user's letters came at once")
        inbox.change(emailAuthenticator=inbox.as_user("one"))
        inbox.polled()
        inbox.has(*there, what="back at the first, nothing comes twice")
        inbox.change(hostname="127.0.0.1")
        inbox.polled()
        inbox.has(*there, what="nor does it by the server's other name")
        if kind == "imap-tls":
            inbox.change(mailbox="Archive")
            there += [21, 22, 23]
            inbox.wait_for(*there, what="another mailbox's letters came at once")
            inbox.change(mailbox="INBOX")
            inbox.polled()
            inbox.has(*there, what="and back")


# ---- its life -------------------------------------------------------------------------------------------------------


def life():
    renamed()
    resting()
    deleted()
    kept()


def renamed():
    inbox = Inbox(postern, dovecot, "renamed", user="renamed").create()
    dovecot.deliver("renamed", letters(1))
    inbox.wait_for(1)
    is_(postern.api.action("renamed", "rename", {"name": "renamed.now"}).status, 200, "renamed: has another name")
    inbox.name = "renamed.now"
    inbox.has(1, what="what it had is listed under its new name")
    dovecot.deliver("renamed", letters(2))
    inbox.wait_for(1, 2, what="mail is pushed as before")
    inbox.polled()
    inbox.has(1, 2, what="and nothing came twice")


def resting():
    inbox = Inbox(postern, dovecot, "resting", user="resting", pollrate=2).create()
    dovecot.deliver("resting", letters(1))
    inbox.wait_for(1)
    inbox.change(enabled=False)
    inbox.has_status("disabled")
    left = wait_for_nobody("resting")
    ok(not left, "resting: a disabled account has no connection")
    dovecot.deliver("resting", letters(2))
    time.sleep(4)
    inbox.has(1, what="and receives nothing")
    is_(postern.api.action("resting", "poll").status, 409, "resting: a poll is refused")
    inbox.change(enabled=True)
    inbox.wait_for(1, 2, what="enabled, it has all")


def deleted():
    inbox = Inbox(postern, dovecot, "deleted", user="deleted").create()
    dovecot.deliver("deleted", letters(1))
    inbox.wait_for(1)
    is_(postern.api.delete("/api/v1/accounts/deleted").status, 204, "deleted: is deleted")
    ok(not wait_for_nobody("deleted"), "deleted: and its connection is closed")
    dovecot.deliver("deleted", letters(2))
    time.sleep(1)
    ok(2 not in inbox.numbers(), "deleted: nothing comes any more")
    inbox.create()
    inbox.wait(1)
    inbox.postern.api.until("/api/v1/messages?account=deleted&direction=incoming",
                            lambda page: any(item["subject"] == "letter 2" for item in page["items"]))
    ok(2 in inbox.numbers(), "deleted: made anew, it receives")


def wait_for_nobody(user, seconds=20):
    """Who is logged in as this user, in the end: nobody, it is hoped."""
    deadline = time.monotonic() + seconds
    while True:
        shown = servers.subprocess.run(["doveadm", "-c", dovecot.path("dovecot.conf"), "who", "-1", user], text=True,
                                       capture_output=True, check=False).stdout
        left = [line for line in shown.splitlines() if line.startswith(user + " ")]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def kept():
    """A restart of Postern, in good order and not."""
    inbox = Inbox(postern, dovecot, "kept", user="kept").create()
    dovecot.deliver("kept", letters(1, 2))
    inbox.wait_for(1, 2)
    number = inbox.status()["numberReceived"]
    for last, end in ((3, postern.stop), (4, postern.kill9)):
        end()
        dovecot.deliver("kept", letters(last))
        postern.start()
        inbox.wait_for(*range(1, last + 1), what="after a restart what came meanwhile is there, and nothing twice")
        is_(inbox.status()["numberReceived"], number + last - 2, "kept: it goes on counting")


# ---- what comes back ------------------------------------------------------------------------------------------------


def bounced():
    """Postfix takes a message, can't deliver it, and writes to the sender: the report is found beside what was sent."""
    inbox = Inbox(postern, dovecot, "bounces", user="sender").create()
    inbox.has_status("ok")
    answer = postern.api.post("/api/v1/accounts", {
        "name": "outgoing", "type": "OutgoingAccount", "hostname": "localhost", "port": site.postfix.ports["tls"], "useSsl": True,
        "emailAuthenticator": {"type": "basic", "username": "sender", "password": USERS["sender"]}})
    is_(answer.status, 201, "outgoing: created")
    answer = postern.api.post("/api/v1/accounts/outgoing/messages", {
        "from": f"sender@{dovecot.domain}", "to": [f"ghost@{dovecot.domain}"], "subject": "to a ghost", "text": "Are you there?"})
    is_(answer.status, 202, "outgoing: a message to a mailbox that only seems to be there")
    sent = answer.json["id"]
    state = postern.api.until(f"/api/v1/messages/{sent}", lambda found: found["state"] == "sent").json
    is_(state["state"], "sent", "outgoing: is taken by the server")
    ok(inbox.wait(1) == 1, "bounces: a report came back")
    item = inbox.items()[0]
    report = postern.api.get(f"/api/v1/messages/{item['id']}").json
    if not ok(f"ghost@{dovecot.domain}" in str(report.get("report")) and report.get("related") == sent,
              "bounces: it is a report, on the message that was sent"):
        diag(report)
    found = events(postern, "message.bounced")
    ok(found is None or any(event["resource"] == f"Message/{sent}" for event in found), "bounces: there is an event about it")
    is_(postern.api.get(f"/api/v1/messages/{sent}").json["state"], "sent", "bounces: what was sent stays as it is")


try:
    site.start()
    cyrus.start()
    postern.start()
    trust(postern, root)
    chosen = [globals()[name] for name in sys.argv[1:]] or [mailboxes, limits, numbered_anew, moved, life, bounced]
    main(*chosen, postern.stop)
finally:
    cyrus.stop()
    site.stop()
    postern.kill9()
    postern.remove()
