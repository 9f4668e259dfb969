#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=300
"""Each scripted IMAP and POP3 server against a real postern: verify and the status name the right step and cause, what comes
is stored once, nothing is deleted that isn't stored, no credentials leak.

Names of dialogs as arguments (imap-starttls) run only those whose names begin like that.
"""

import base64
import concurrent.futures
import fnmatch
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
TIMEOUT = 2 if os.environ.get("POSTERN_SANITIZED") == "1" else 1     # seconds, the account's connectionTimeout
AT_A_TIME = 24
IN_TIME = 3 * TIMEOUT + 8
BODY = "body-6c1d"          # stands in every message of the dialogs


def wait(condition):
    """Whether it became true in time."""
    deadline = time.monotonic() + IN_TIME
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Trial:
    """One dialog: its facts are collected and told together, so that threads don't mix."""

    def __init__(self, api, transport, dialog, contexts):
        self.api, self.transport, self.dialog = api, transport, dialog
        self.name = f"{transport}-{dialog.name}"
        self.server = peer.Peer(dialog, contexts)
        word, _, times = dialog.get("action", "verify").partition(" ")
        self.verified = word == "verify"
        self.polls = int(times or 1)
        self.wrong = []

    def check(self, good, text):
        if not good:
            self.wrong.append(text)

    def run(self):
        with self.server:
            answer = self.api.post("/api/v1/accounts", {
                "name": self.name, "type": "IncomingAccount", "hostname": "127.0.0.1", "port": self.server.port,
                "transport": self.transport, "useStartTls": True, "connectionTimeout": TIMEOUT, "debug": True,
                "push": False, "emailAuthenticator": {"type": "basic", "username": USERNAME, "password": PASSWORD},
                **self.dialog.object("account"), "enabled": False})
            self.check(answer.status == 201, f"creating the account: {answer!r}")
            if answer.status == 201:
                if self.verified:
                    self.verify()
                self.poll()
                self.check_status()
                self.check_transcript()
            self.check_conversations()

    def verify(self):
        wanted = self.dialog.choices("expect-verify-step")
        started = time.monotonic()
        answer = self.api.action(self.name, "verify")
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
            self.check(report.get("code") in self.codes(), f"verify failed with {report.get('code')}, not {self.codes()}")
            self.check(all(step.get("detail") and step.get("advice") for step in failed),
                       "a failed step tells the cause and what to do")
        self.check(took < IN_TIME, f"verify took {took:.1f} s")

    def codes(self):
        return ["" if code == "-" else code for code in self.dialog.choices("expect-code")]

    def outcomes(self):
        """What changes with each poll that ends."""
        status = self.api.status(self.name)
        return status["lastPollSuccess"], status["lastPollFailure"]

    def poll(self):
        before = self.outcomes()
        self.check(self.api.patch(f"/api/v1/accounts/{self.name}", {"enabled": True}).status == 200, "enabling the account")
        for number in range(self.polls):
            if number > 0:
                answer = self.api.action(self.name, "poll")
                self.check(answer.status == 202, f"poll: {answer!r}")
            self.check(wait(lambda: self.outcomes() != before), f"poll no. {number + 1} has no outcome")
            before = self.outcomes()

    def received(self):
        answer = self.api.get(f"/api/v1/messages?account={self.name}&limit=100")
        return len(answer.json["items"]) if answer.status == 200 else -1

    def check_status(self):
        """A poll that failed is tried again after a while, so the state may still change."""
        states, wanted = self.dialog.choices("expect-state"), int(self.dialog.get("expect-received", "0"))

        def is_as_expected():
            status = self.api.status(self.name)["status"]
            return status["state"] in states and (status.get("code") or "") in self.codes() and self.received() == wanted

        wait(is_as_expected)
        answer = self.api.status(self.name)
        status = answer["status"]
        self.check(status["state"] in states and (status.get("code") or "") in self.codes(),
                   f"status is {status['state']} {status.get('code')} ({status.get('cause')}), not {states} {self.codes()}")
        self.check(self.received() == wanted, f"{self.received()} messages were received, not {wanted}")
        self.check(PASSWORD not in str(answer) and BODY not in str(answer), "the password or a message stands in the status")

    def check_transcript(self):
        text = self.api.get(f"/api/v1/accounts/{self.name}/transcript").text
        said = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()
        self.check(PASSWORD not in text and said not in text, "the password stands in the transcript")
        self.check(BODY not in text, "a message stands in the transcript")

    def check_conversations(self):
        wait(lambda: any(one.complete for one in self.server.conversations))
        ends = [conversation.end for conversation in self.server.conversations]
        self.check(any(one.complete for one in self.server.conversations), f"never played to its end: {ends}")
        for pattern in self.dialog.choices("never") if self.dialog.get("never") else []:
            seen = [line for one in self.server.conversations for line in one.lines()
                    if fnmatch.fnmatchcase(line.lower(), pattern.lower())]
            self.check(not seen, f"the client said {seen[:1]}")
        allowed = self.dialog.get("credentials", "none")
        for conversation in self.server.conversations:
            for problem in conversation.problems:
                self.check(False, f"the server saw: {problem}")
            for secret in (USERNAME, PASSWORD):
                if allowed != "clear":
                    self.check(not conversation.contains(secret, clear_only=True), "credentials went out in clear")
                if allowed == "none":
                    self.check(not conversation.contains(secret), "credentials went out")


def run(api, transport, dialog, contexts, telling):
    trial = Trial(api, transport, dialog, contexts)
    try:
        trial.run()
    except Exception as error:
        trial.wrong.append(f"{type(error).__name__}: {error}")
    with telling:
        if not ok(not trial.wrong, f"{trial.name}: {dialog.shows}"):
            diag("\n".join(trial.wrong))


def main():
    trials = [(transport, dialog) for transport in ("imap", "pop3")
              for dialog in peer.load(os.path.join(HERE, "..", "dialogs", transport))]
    if sys.argv[1:]:
        trials = [(transport, dialog) for transport, dialog in trials
                  if f"{transport}-{dialog.name}".startswith(tuple(sys.argv[1:]))]
    pki = Pki()
    root = pki.ca("Dialog Root")
    contexts = peer.contexts(pki, root)
    telling = threading.Lock()
    with Postern() as postern:
        imported = postern.api.post("/api/v1/trust/user", data=root.pem.encode(),
                                    headers={"Content-Type": "application/x-pem-file"})
        ok(imported.status == 201, "the root of the test is imported")
        with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(lambda one: run(postern.api, *one, contexts, telling), trials))
        guarded(postern.restart)
        log = postern.log(10_000_000)
        ok(PASSWORD not in log and base64.b64encode(PASSWORD.encode()).decode() not in log, "no password in the log")
    done()


main()
