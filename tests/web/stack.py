#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stack.py - real Postfix, Dovecot and a postern for the browser tests.

Prints one line of JSON when all of it runs; then answers one command per line of input, each as one line of JSON,
until the input ends:
    {"do": "api", "method": "GET", "path": "/api/v1/accounts"}      {"do": "delivered", "user": "office", "subject": "…"}
    {"do": "fingerprint", "port": 465}  {"do": "show", "which": "own|other|signed|…"}  {"do": "stop"}  {"do": "start"}
    {"do": "run", "arguments": ["user", "list"]}  {"do": "many", "count": 5000}  {"do": "deliver", "user": "plant", "raw": "From: …"}
"""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from pki import Pki
from postern import ADMIN_PASSWORD, Api, Postern


def shown(port):
    """The fingerprint as a careful person gets it, colons and all."""
    pem = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}"], input="", capture_output=True,
                         text=True, timeout=30, check=False).stdout
    return subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=pem, capture_output=True,
                          text=True, check=True).stdout.strip().partition("=")[2]


def many(postern, count):
    """Accounts in several states, made over several connections at a time."""
    def make(numbers):
        api = Api(postern.port, postern.api.headers, keep=True)
        for n in numbers:
            answer = api.post("/api/v1/accounts", {"name": f"pump-{n}", "type": "OutgoingAccount", "hostname": f"mail{n % 50}.plant.example" if n % 10 else "",
                                                   "enabled": n % 7 != 0})
            if answer.status != 201:
                raise RuntimeError(repr(answer))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, [range(1 + first, count + 1, 4) for first in range(4)]))


class Stack:
    def __init__(self):
        self.keys = tempfile.TemporaryDirectory(prefix="postern-pki-")
        pki = Pki(self.keys.name)
        self.root = pki.ca("Browser Test Root")
        self.identities = {"own": pki.leaf(), "other": pki.leaf(), "signed": pki.leaf(issuer=self.root),
                           "expired": pki.leaf(days=(-30, -1)), "chained": pki.leaf(issuer=self.root),
                           "other-name": pki.leaf("mail.other.example", names=("mail.other.example",), addresses=())}
        self.identities["chained"].chain = pki.bundle(self.identities["chained"], self.root)    # sends its root as well
        self.second = pki.ca("Second Site Root", days=(-1, 20))
        self.site = servers.Site(self.identities["own"])
        self.postern = Postern()

    def __enter__(self):
        self.site.start()
        try:
            self.postern.start()
        except BaseException:
            self.site.stop()
            raise
        return self

    def __exit__(self, *error):
        try:
            self.postern.__exit__(*error)
        finally:
            self.site.stop()
            self.keys.cleanup()

    def facts(self):
        return {"url": self.postern.url, "username": "admin", "password": ADMIN_PASSWORD, "user": "plant",
                "userPassword": servers.USERS["plant"], "passwords": servers.USERS, "to": f"office@{servers.DOMAIN}", "ca": self.root.pem, "caDer": base64.b64encode(self.root.der).decode(), "secondCa": self.second.pem,
                "smtp": self.site.postfix.ports, "imap": self.site.dovecot.ports}

    def answer(self, command):
        do = command["do"]
        if do == "api":
            answer = self.postern.api.request(command["method"], command["path"], command.get("json"))
            return {"status": answer.status, "json": answer.json}
        if do == "delivered":
            message = self.site.dovecot.wait_for_message(command["user"], subject=command["subject"], seconds=20)
            return {"delivered": message is not None}
        if do == "fingerprint":
            return {"sha256": shown(command["port"])}
        if do == "show":
            self.site.replace_certificate(self.identities[command["which"]])
            return {}
        if do == "many":
            many(self.postern, command["count"])
            return {}
        if do == "deliver":
            self.site.dovecot.deliver(command["user"], [command["raw"].replace("\n", "\r\n").encode()])
            return {}
        if do == "run":
            return {"text": self.postern.run(*command["arguments"]).stdout.strip()}
        if do == "stop":
            self.postern.stop()
            return {}
        if do == "start":
            self.postern.start()
            return {}
        raise ValueError(do)


def main():
    servers.need_root()
    # The test that started this may be ended by a signal: the servers must not outlive it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Stack() as stack:
        print(json.dumps(stack.facts()), flush=True)
        for line in sys.stdin:
            try:
                answer = stack.answer(json.loads(line))
            except Exception as error:      # the test that asked shows it
                answer = {"error": repr(error)}
            print(json.dumps(answer), flush=True)


main()
