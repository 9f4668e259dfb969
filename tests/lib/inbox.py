# SPDX-License-Identifier: Apache-2.0
"""inbox.py - an IncomingAccount of a test, the mailbox on a real server that it reads, and letters to put there.

    inbox = Inbox(postern, dovecot, "sensors", "imap-tls", user="plant", deliveryPolicy="delete")
    inbox.create()
    dovecot.deliver("plant", letters(1, 2))
    inbox.wait_for(1, 2)                # they are listed, and each once
    inbox.on_server()                   # {number: flags}
"""

import collections
import re
import time
import urllib.parse

from tap import diag, is_, ok

# name: (transport, name of the port, security)
KINDS = {
    "imap-plain": ("imap", "imap", {"allowCleartextAuth": True}),
    "imap-starttls": ("imap", "imap", {"useStartTls": True}),
    "imap-tls": ("imap", "imaps", {"useSsl": True}),
    "pop3-plain": ("pop3", "pop3", {"allowCleartextAuth": True}),
    "pop3-starttls": ("pop3", "pop3", {"useStartTls": True}),
    "pop3-tls": ("pop3", "pop3s", {"useSsl": True}),
}
HOSTS = "/api/v1/trust/allowed-hosts"
PATIENCE = 30       # seconds; nothing here should take so long, but the machine may be busy


def message_id(number):
    return f"<{number}@letters.example.test>"


def letter(number, size=0, body="", headers=""):
    """Known by its number, whichever way one looks at it. size: of the whole message, about."""
    head = (f"From: Sensor {number} <sensor@example.test>\r\nTo: plant@example.test\r\nSubject: letter {number}\r\n"
            f"Message-ID: {message_id(number)}\r\nDate: Mon, 23 Nov 2026 11:42:00 +0000\r\n{headers}\r\n")
    text = body or f"This is letter {number}.\r\n"
    line = "The quick brown fox jumps over the lazy dog, and the dog looks up.\r\n"
    return (head + text + line * max(0, (size - len(head) - len(text)) // len(line))).encode()


def letters(*numbers, **options):
    return [letter(number, **options) for number in numbers]


def number_of(text):
    found = re.search(r"(?:letter |<)(\d+)", text or "")
    return int(found.group(1)) if found else text


def trust(postern, root):
    answer = postern.api.post("/api/v1/trust/user", data=root.pem.encode(), headers={"Content-Type": "application/x-pem-file"})
    if answer.status not in (200, 201):
        raise RuntimeError(f"the root isn't taken: {answer!r}")


class Inbox:
    """properties: what its account has beside the usual."""

    def __init__(self, postern, server, name, kind="imap-tls", user="plant", **properties):
        self.postern, self.server, self.name, self.kind, self.user = postern, server, name, kind, user
        self.transport, port, security = KINDS[kind]
        self.port = server.ports[port]
        self.configuration = {
            "type": "IncomingAccount", "hostname": "localhost", "transport": self.transport, "port": self.port,
            "connectionTimeout": 20, "pollrate": 3600,
            "emailAuthenticator": {"type": "basic", "username": user, "password": server.users[user]}, **security, **properties}

    # ---- the account ----------------------------------------------------------------------------------------------

    def create(self):
        answer = self.postern.api.post("/api/v1/accounts", {"name": self.name, **self.configuration})
        if not ok(answer.status == 201, f"{self.name}: created"):
            diag(answer)
        return self

    def change(self, **changes):
        answer = self.postern.api.patch(f"/api/v1/accounts/{self.name}", changes)
        if not ok(answer.status == 200, f"{self.name}: changed: {', '.join(changes)}"):
            diag(answer)

    def as_user(self, user):
        """The change that lets it read another's mailbox."""
        self.user = user
        return {"type": "basic", "username": user, "password": self.server.users[user]}

    def poll(self):
        answer = self.postern.api.action(self.name, "poll")
        if answer.status != 202:
            ok(False, f"{self.name}: poll")
            diag(answer)

    def status(self):
        return self.postern.api.status(self.name)

    def polled(self):
        """A whole poll that began after now has ended well. False: it hasn't."""
        before = self.status()["lastPollSuccess"]
        time.sleep(0.002)       # its time has milliseconds
        self.poll()
        after = self.until(lambda found: found["lastPollSuccess"] not in (None, before) and found["status"]["state"] == "ok")
        if not ok(after["status"]["state"] == "ok" and after["lastPollSuccess"] != before, f"{self.name}: polled"):
            diag(after)

    def until(self, good, seconds=PATIENCE):
        return self.postern.api.until(f"/api/v1/accounts/{self.name}/status", good, seconds).json

    def has_status(self, state, *codes):
        found = self.until(lambda found: found["status"]["state"] == state and (not codes or found["status"]["code"] in codes))
        if not ok(found["status"]["state"] == state and (not codes or found["status"]["code"] in codes),
                  f"{self.name}: {state} {' or '.join(codes)}"):
            diag(found)
        return found

    def approve(self, identity):
        answer = self.postern.api.post(f"{HOSTS}/localhost:{self.port}/actions/approve", {"sha256": identity.sha256})
        if not ok(answer.status == 200, f"{self.name}: the certificate is approved"):
            diag(answer)

    # ---- what was received ----------------------------------------------------------------------------------------

    def items(self):
        """As listed, newest first, all pages."""
        path = f"/api/v1/messages?account={urllib.parse.quote(self.name)}&direction=incoming&limit=500"
        found, more = [], path
        while more:
            page = self.postern.api.get(more)
            if page.status != 200:
                raise RuntimeError(f"{more}: {page!r}")
            found += page.json["items"]
            more = page.json["next"]
            if more and not more.startswith("/"):
                more = f"{path}&cursor={urllib.parse.quote(more, safe='')}"
        return found

    def numbers(self):
        """Of the letters, in the order of their arrival."""
        return [number_of(item["subject"]) for item in reversed(self.items())]

    def item(self, number):
        return next((item for item in self.items() if number_of(item["subject"]) == number), None)

    def message(self, number):
        """In full."""
        return self.postern.api.get(f"/api/v1/messages/{self.item(number)['id']}").json

    def raw(self, number):
        answer = self.postern.api.get(f"/api/v1/messages/{self.item(number)['id']}/raw")
        return answer.body if answer.status == 200 else answer

    def wait(self, count, seconds=PATIENCE):
        """Until there are so many, by the account's own count; how many there are."""
        return self.until(lambda found: found["numberReceived"] >= count, seconds)["numberReceived"]

    def has(self, *wanted, what="each is there, and once"):
        """These letters and no others, each once."""
        found = collections.Counter(self.numbers())
        if not ok(found == collections.Counter(wanted), f"{self.name}: {what}"):
            missing, extra = sorted(set(wanted) - set(found), key=str), sorted(set(found) - set(wanted), key=str)
            diag(f"missing: {missing[:20]} ({len(missing)}), not expected: {extra[:20]} ({len(extra)}), "
                 f"several times: {[number for number, count in found.items() if count > 1][:20]}")
            diag(self.status())

    def wait_for(self, *wanted, what="each is there, and once"):
        deadline = time.monotonic() + PATIENCE
        while not set(wanted) <= set(self.numbers()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.has(*wanted, what=what)

    # ---- what is on the server ------------------------------------------------------------------------------------

    def on_server(self, mailbox="INBOX"):
        return {number_of(name): flags for name, flags in self.server.flags(self.user, mailbox).items()}

    def server_has(self, wanted, what, seconds=PATIENCE):
        """{number: flags}, in the end: marks and deletions come a little after the list."""
        deadline = time.monotonic() + seconds
        while (found := self.on_server()) != wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        is_(found, wanted, f"{self.name}: {what}")


def events(postern, kind, account=None):
    """Those of one type, oldest first; None while there is no /events."""
    path = f"/api/v1/events?type={kind}&limit=500" + (f"&account={account}" if account else "")
    answer = postern.api.get(path, headers={"Accept": "application/json"})
    return list(reversed(answer.json["items"])) if answer.status == 200 else None
