# SPDX-License-Identifier: Apache-2.0
"""crowd.py - one Dovecot with very many mailboxes, and a Postern with an account for each of them."""

import os
import time

from bench import bearer, http_load, start_postern
from pki import Pki
from servers import CROWD, Dovecot

SECRET = "Secret-of-all"
PATIENCE = 600


def user_of(number):
    """As http_load writes numbers."""
    return f"user-{number:08}"


def letter(number):
    return (f"From: sensor@example.test\r\nTo: plant@example.test\r\nSubject: letter {number}\r\n"
            f"Message-ID: <{number}@bench.example.test>\r\nDate: Mon, 23 Nov 2026 11:42:00 +0000\r\n\r\n"
            + "The level of tank 4 has passed its upper limit.\r\n" * 20).encode()


class Crowd:
    """A certificate that a root vouches for; the same root is given to everybody who reads mail here."""

    def __init__(self, scratch, count):
        self.scratch, self.count = scratch, count
        os.makedirs(scratch.path("pki"))
        pki = Pki(scratch.path("pki"))
        self.root = pki.ca("Bench Root")
        self.dovecot = scratch.start(Dovecot(scratch.path("dovecot"), pki.leaf(issuer=self.root),
                                             users={user_of(number): SECRET for number in range(count)}, extra=CROWD,
                                             own_uids=True, scram=True))
        self.postern = start_postern(scratch)
        self.token = bearer(self.postern.api and self.postern.admin)
        self.postern.api.post("/api/v1/trust/user", data=self.root.pem.encode(), headers={"Content-Type": "application/x-pem-file"})

    def make_accounts(self, **properties):
        """All disabled at first."""
        changes = "".join(f',"{name}":{value}' for name, value in properties.items())
        body = self.scratch.write("account.json", (
            '{"name":"account-@@@@@@@@","type":"IncomingAccount","hostname":"localhost","transport":"imap","useSsl":true,'
            f'"port":{self.dovecot.ports["imaps"]},"emailAuthenticator":{{"type":"basic","username":"user-@@@@@@@@",'
            f'"password":"{SECRET}"}}{changes}}}'))
        self.enable(False)
        http_load(self.postern.port, "/api/v1/accounts", 20, self.count, body=body, status=201,
                  headers=(self.token, "Content-Type: application/json"))

    def enable(self, enabled):
        """All at once."""
        answer = self.postern.api.patch("/api/v1/services/EmailService", {"enabled": enabled})
        if answer.status != 200:
            raise RuntimeError(f"EmailService: {answer!r}")

    def statuses(self):
        path, found = "/api/v1/accounts?include=status&limit=500", []
        while path:
            page = self.postern.api.get(path).json
            found += page["items"]
            path = page["next"]
        return found

    def wait_until_all(self, good, what):
        """Looks once a second, so that looking costs little."""
        deadline = time.monotonic() + PATIENCE
        while (left := [one for one in self.statuses() if not good(one)]) and time.monotonic() < deadline:
            time.sleep(1)
        if left:
            raise RuntimeError(f"{len(left)} of {self.count} accounts aren't {what}: {left[0]}\n{self.postern.log()}")

    def logins(self):
        """How many there were so far."""
        with open(self.dovecot.path("log"), "rb") as file:
            return file.read().count(b"imap-login: Info: Login:")
