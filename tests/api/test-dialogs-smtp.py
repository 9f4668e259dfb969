#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=300
"""Each scripted SMTP server against a real postern: the right code in time, no credentials sent, nothing lost.

Names of dialogs as arguments run only those whose names begin like that.
"""

import base64
import concurrent.futures
import email
import os
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import peer
from pki import Pki
from postern import Postern
from tap import diag, done, guarded, ok

USERNAME, PASSWORD = "dialog-user-7f3a", "dialog-Secret-91c2"
BODY = "marker-of-the-body-5d1e"
TIMEOUT = 2 if os.environ.get("POSTERN_SANITIZED") == "1" else 1     # seconds, the account's connectionTimeout
WAITING = "queued|deferred|held|sending"
AT_A_TIME = 24
# One of ours waits for the connect and then for a reply; both with slack for a busy machine.
IN_TIME = 3 * TIMEOUT + 8


def merge(target, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


class Trial:
    """One dialog: its facts are collected and told together, so that threads don't mix."""

    def __init__(self, api, dialog, contexts):
        self.api, self.dialog = api, dialog
        self.server = peer.Peer(dialog, contexts)
        self.wrong = []

    def check(self, good, text):
        if not good:
            self.wrong.append(text)

    def run(self):
        with self.server:
            if self.create():
                self.verify()
                self.send()
                self.check_status()
                self.check_recipients()
                self.again()
            self.check_conversations()

    def create(self):
        account = merge({
            "name": self.dialog.name, "type": "OutgoingAccount", "hostname": "127.0.0.1", "port": self.server.port,
            "useStartTls": True, "connectionTimeout": TIMEOUT,
            "emailAuthenticator": {"type": "basic", "username": USERNAME, "password": PASSWORD},
        }, self.dialog.object("account"))
        answer = self.api.post("/api/v1/accounts", account)
        self.check(answer.status == 201, f"creating the account: {answer!r}")
        return answer.status == 201

    def verify(self):
        wanted = self.dialog.choices("expect-verify-step")
        started = time.monotonic()
        answer = self.api.action(self.dialog.name, "verify")
        took = time.monotonic() - started
        self.check(answer.status == 200, f"verify: {answer!r}")
        report = answer.json or {}
        failed = [step for step in report.get("steps", []) if not step.get("ok")]
        names = [step.get("name") for step in failed]
        if wanted == ["none"]:
            self.check(report.get("ok") is True and not failed, f"verify should pass: {failed}")
        else:
            self.check(report.get("ok") is False and names and names[0] in wanted,
                       f"verify should fail at {wanted}, failed at {names}: {answer.text[:300]}")
            self.check(all(step.get("detail") for step in failed), "a failed step tells the cause and what to do")
        self.check(took < IN_TIME, f"verify took {took:.1f} s")

    def send(self):
        message = merge({"from": "postern@example.test", "to": ["plant@example.test"],
                         "subject": self.dialog.name, "text": BODY}, self.dialog.object("message"))
        answer = self.api.post(f"/api/v1/accounts/{self.dialog.name}/messages", message)
        self.check(answer.status == 202, f"posting: {answer!r}")
        self.location = answer.headers.get("Location", "")
        wanted = self.dialog.choices("expect-message", WAITING)
        # Where the trouble comes after the password, the background has to meet it first.
        met_by_sending = self.dialog.get("expect-verify-step") == "none"
        self.message = self.api.until(self.location, lambda message: message["state"] in wanted and
                                      (not met_by_sending or message["state"] not in ("queued", "sending")),
                                      seconds=IN_TIME).json or {}
        self.check(self.message.get("state") in wanted, f"the message is {self.message.get('state')}, not {wanted}")

    def check_status(self):
        states = self.dialog.choices("expect-state")
        codes = ["" if code == "-" else code for code in self.dialog.choices("expect-code")]

        def good(answer):
            status = answer["status"]
            return status["state"] in states and (status.get("code") or "") in codes

        answer = self.api.until(f"/api/v1/accounts/{self.dialog.name}/status", good, seconds=IN_TIME).json or {}
        status = answer.get("status", {})
        self.check(status.get("state") in states and (status.get("code") or "") in codes,
                   f"status is {status.get('state')} {status.get('code')} ({status.get('cause')}), not {states} {codes}")
        self.check(status.get("state") == "ok" or status.get("cause"), "a cause is told")
        self.check(PASSWORD not in str(answer), "the password stands in the status")

    def check_recipients(self):
        got = {one.get("address"): one.get("state") for one in self.message.get("recipients", [])}
        for wanted in self.dialog.get("expect-recipients", "").split():
            address, _, states = wanted.partition("=")
            self.check(got.get(address) in states.split("|"), f"{address} is {got.get(address)}, not {states}")

    def again(self):
        """Not in half a minute, as it would by itself, but now."""
        if self.dialog.get("after-flush"):
            wanted, answer = self.dialog.get("after-flush"), self.api.action(self.dialog.name, "flush")
        elif self.dialog.get("after-retry"):
            wanted, answer = self.dialog.get("after-retry"), self.api.post(self.location + "/actions/retry", {})
        else:
            return
        self.check(answer.status in (200, 202, 204), f"trying again: {answer!r}")
        if wanted == self.message.get("state"):
            time.sleep(0.5)     # nothing should happen: give it the time to
        message = self.api.until(self.location, lambda message: message["state"] == wanted, seconds=IN_TIME).json or {}
        self.check(message.get("state") == wanted, f"tried again, the message is {message.get('state')}, not {wanted}")
        sent = [email.message_from_bytes(raw)["Message-ID"]
                for conversation in self.server.conversations for raw in conversation.messages]
        self.check(len(set(sent)) <= 1, f"the Message-ID changed between attempts: {sent}")

    def check_conversations(self):
        conversations = self.server.conversations
        if not self.dialog.get("listen"):
            deadline = time.monotonic() + IN_TIME
            while not any(one.complete for one in conversations) and time.monotonic() < deadline:
                time.sleep(0.02)
            ends = [conversation.end for conversation in conversations]
            self.check(any(one.complete for one in conversations), f"the dialog was never played to its end: {ends}")
        allowed = self.dialog.get("credentials", "none")
        secured = self.dialog.object("account").get("useStartTls", True) or \
            self.dialog.object("account").get("useSsl", False)
        for conversation in conversations:
            for problem in conversation.problems:
                self.check(False, f"the server saw: {problem}")
            for secret in (USERNAME, PASSWORD):
                if allowed != "clear":
                    self.check(not conversation.contains(secret, clear_only=True), "credentials went out in clear")
                if allowed == "none":
                    self.check(not conversation.contains(secret) or self.is_scram(conversation),
                               "credentials went out")
            if secured:
                self.check(not conversation.contains(BODY, clear_only=True), "the message went out in clear")

    @staticmethod
    def is_scram(conversation):
        """SCRAM tells the user's name, under TLS; never the password."""
        return b"AUTH SCRAM" in conversation.secure and not conversation.contains(PASSWORD)


def run(api, dialog, contexts, telling):
    trial = Trial(api, dialog, contexts)
    try:
        trial.run()
    except Exception as error:
        trial.wrong.append(f"{type(error).__name__}: {error}")
    with telling:
        if not ok(not trial.wrong, f"{dialog.name}: {dialog.shows}"):
            diag("\n".join(trial.wrong))
    return trial


def nothing_was_lost(api, trials):
    """Every message that was taken is still listed, in a state that says what became of it."""
    lost = []
    for trial in trials:
        location = getattr(trial, "location", "")
        answer = api.get(location) if location else None
        if answer is not None and (answer.status != 200 or "state" not in (answer.json or {})):
            lost.append(f"{trial.dialog.name}: {answer!r}")
    if not ok(not lost, "every accepted message is still known after a restart"):
        diag("\n".join(lost))


def main():
    dialogs = peer.load(os.path.join(HERE, "..", "dialogs", "smtp"))
    if sys.argv[1:]:
        dialogs = [dialog for dialog in dialogs if dialog.name.startswith(tuple(sys.argv[1:]))]
    pki = Pki()
    root = pki.ca("Dialog Root")
    contexts = peer.contexts(pki, root)
    telling = threading.Lock()
    with Postern() as postern:
        api = postern.api
        imported = api.post("/api/v1/trust/user", data=root.pem.encode(),
                            headers={"Content-Type": "application/x-pem-file"})
        ok(imported.status == 201, "the root of the test is imported")
        with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            trials = list(pool.map(lambda dialog: run(api, dialog, contexts, telling), dialogs))
        guarded(postern.restart)
        guarded(nothing_was_lost, postern.api, trials)
        log = postern.log(10_000_000)
        ok(PASSWORD not in log and base64.b64encode(PASSWORD.encode()).decode() not in log, "no password in the log")
    done()


main()
