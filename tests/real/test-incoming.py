#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=240
"""Incoming accounts against real Dovecot, IMAP and POP3: verify goes all the way to the mailbox, and says where it ends.

Every security mode, the challenge and its approval, each mechanism, wrong passwords, mailboxes that aren't there.
"""

import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from pki import Pki
from postern import Postern
from tap import diag, is_, main, ok

servers.need_root()
HOSTS = "/api/v1/trust/allowed-hosts"
AT_ONCE = 5         # seconds; "within a second", with slack for a busy machine
folder = tempfile.mkdtemp(prefix="postern-incoming-")
os.chmod(folder, 0o755)
pki = Pki()
root = pki.ca("Incoming Root")
own, second_own = pki.leaf(), pki.leaf()
dovecot = servers.Dovecot(os.path.join(folder, "dovecot"), own)
postern = Postern()
# name: (transport, port, security)
KINDS = {
    "imap-starttls": ("imap", "imap", {"useStartTls": True}),
    "imap-tls": ("imap", "imaps", {"useSsl": True}),
    "pop3-starttls": ("pop3", "pop3", {"useStartTls": True}),
    "pop3-tls": ("pop3", "pop3s", {"useSsl": True}),
}
BEFORE_TLS = {"starttls": ["resolve", "connect", "greeting", "starttls", "tls", "certificate"],
              "tls": ["resolve", "connect", "tls", "certificate", "greeting"],
              "plain": ["resolve", "connect", "greeting"]}
TO_THE_END = ["capabilities", "authenticate", "mailbox"]
MECHANISMS = ("auto", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5")


def basic(user="plant", **more):
    return {"type": "basic", "username": user, "password": servers.USERS.get(user, "nobody's"), "mechanism": "auto",
            **more}


def port_of(name):
    return dovecot.ports[KINDS[name][1]]


def create(name, transport, port, **more):
    answer = postern.api.post("/api/v1/accounts", {
        "name": name, "type": "IncomingAccount", "hostname": "localhost", "transport": transport, "port": port,
        "emailAuthenticator": basic(), "connectionTimeout": 10,
        "push": False, "pollrate": 86400, "deliveryPolicy": "markAsUnread", **more})     # no poll but those asked for, each on a connection of its own
    if not is_(answer.status, 201, f"{name}: created"):
        diag(answer)


def change(name, **changes):
    answer = postern.api.patch(f"/api/v1/accounts/{name}", changes)
    if answer.status != 200:
        diag(answer)
    return answer.status


def verify(name):
    answer = postern.api.action(name, "verify")
    if answer.status != 200:
        diag(answer)
    return answer.json


def steps(report):
    return [step["name"] for step in report["steps"]]


def failed_step(report):
    return next((step["name"] for step in report["steps"] if not step["ok"]), None)


def has_status(name, state, code=None):
    answer = postern.api.until(f"/api/v1/accounts/{name}/status", lambda found: found["status"]["state"] == state,
                               seconds=AT_ONCE).json
    status = answer["status"]
    if not ok(status["state"] == state and (code is None or status["code"] == code), f"{name}: {state} {code or ''}"):
        diag(answer)
    return answer


def passes(name, what="verify passes"):
    report = verify(name)
    if not ok(report["ok"] and failed_step(report) is None, f"{name}: {what}"):
        diag(report)
    return report


def fails(name, step, code, what):
    report = verify(name)
    if not is_((report["ok"], failed_step(report), report.get("code")), (False, step, code), f"{name}: {what}"):
        diag(report)
    return report


def approve(port, sha256):
    return postern.api.post(f"{HOSTS}/localhost:{port}/actions/approve", {"sha256": sha256}).status


def story():
    """A self-signed certificate: challenged, approved, and then well by itself."""
    for name, (transport, _, security) in KINDS.items():
        port = port_of(name)
        create(name, transport, port, debug=True, **security)
        report = fails(name, "certificate", "cert.challenge", "verify stops at the certificate")
        ok(report["challenge"], f"{name}: and tells of the challenge")
        has_status(name, "challenged", "cert.challenge")
        found = postern.api.get(f"{HOSTS}/localhost:{port}").json
        is_((found["approval"], found["reasons"], found["accounts"]), ("pending", ["self-signed"], [name]),
            f"{name}: recorded in Allowed Hosts")
        is_(approve(port, "00" * 32), 409, f"{name}: another fingerprint is refused")
        is_(approve(port, own.sha256), 200, f"{name}: approved")
        status = has_status(name, "ok")
        ok((status["lastTls"] or {}).get("sha256", "").replace(":", "").lower() == own.sha256,
           f"{name}: the status knows the certificate")
        ok(status["lastPollSuccess"], f"{name}: and when it was well")
        report = passes(name)
        is_(steps(report), BEFORE_TLS[name.partition("-")[2]] + TO_THE_END, f"{name}: step by step")
        is_(report["steps"][-1]["detail"], "0 messages", f"{name}: to the mailbox")


def from_the_background():
    """Nobody pressed Verify: `poll` meets the certificate as well."""
    dovecot.replace_certificate(second_own)
    for name in KINDS:
        is_(postern.api.action(name, "poll").status, 202, f"{name}: poll")
        has_status(name, "challenged", "cert.changed")
        found = postern.api.get(f"{HOSTS}/localhost:{port_of(name)}").json
        is_((found["approval"], found["certificate"]["sha256"].replace(":", "").lower()),
            ("changed", second_own.sha256), f"{name}: the entry is 'changed'")
        is_(approve(port_of(name), second_own.sha256), 200, f"{name}: the new key is approved")
        has_status(name, "ok")


def credentials():
    for name in KINDS:
        for mechanism in MECHANISMS:
            for user in ("plant", "office"):
                change(name, emailAuthenticator=basic(user, mechanism=mechanism))
                report = passes(name, f"{user} by {mechanism}")
                used = next(step["detail"] for step in report["steps"] if step["name"] == "authenticate")
                wanted = "SCRAM-SHA-256" if mechanism == "auto" else mechanism
                is_(used, wanted, f"{name}: by {wanted} indeed")
        for mechanism in ("auto", "PLAIN"):
            change(name, emailAuthenticator=basic(password="not this one", mechanism=mechanism))
            fails(name, "authenticate", "auth.refused", f"a wrong password, {mechanism}")
            has_status(name, "fault", "auth.refused")
        change(name, emailAuthenticator=basic(mechanism="SCRAM-SHA-256-PLUS"))
        fails(name, "authenticate", "auth.noMechanism", "a mechanism that isn't offered")
        change(name, emailAuthenticator=basic(user=""))
        fails(name, "authenticate", "config.authenticator", "no user name")
        change(name, emailAuthenticator=basic())
        is_(postern.api.action(name, "poll").status, 202, f"{name}: poll with the right one")
        has_status(name, "ok")


def make_mailbox(encoded, messages):
    """As Dovecot stores it: Maildir++ with the name that IMAP has on the wire."""
    path = dovecot.path("mail", "plant", "Maildir", "." + encoded)
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, sub))
    for number in range(messages):
        with open(os.path.join(path, "new", f"{number}.m.localhost"), "w", encoding="ascii") as file:
            file.write("Subject: kept\n\nbody\n")
    for where, _, files in os.walk(path):
        for one in (where, *(os.path.join(where, file) for file in files)):
            shutil.chown(one, "mail", "mail")
    return path


def mailboxes():
    for name in ("imap-starttls", "imap-tls"):
        change(name, mailbox="Nowhere")
        report = fails(name, "mailbox", "config.mailbox", "a mailbox that isn't there")
        ok("Mailbox doesn't exist" in report["cause"] and report["advice"], f"{name}: in the server's words")
        has_status(name, "fault", "config.mailbox")
    path = make_mailbox("Entw&APw-rfe &- &2D3cjA-", 2)
    for name in ("imap-starttls", "imap-tls"):
        change(name, mailbox="Entwürfe & \U0001F48C")
        report = passes(name, "a name in UTF-8")
        is_(report["steps"][-1]["detail"], "2 messages", f"{name}: with its messages")
        ok(len(os.listdir(os.path.join(path, "new"))) == 2, f"{name}: which are as new as before")
        change(name, mailbox='quoted "name\\')
        fails(name, "mailbox", "config.mailbox", "a name with quotes")
        change(name, mailbox="INBOX")
        passes(name)


def in_the_clear():
    for transport in ("imap", "pop3"):
        name = f"{transport}-plain"
        create(name, transport, dovecot.ports[transport])
        report = fails(name, "authenticate", "auth.cleartext", "credentials don't go out in the clear")
        is_(steps(report), BEFORE_TLS["plain"] + TO_THE_END[:2], f"{name}: step by step")
        has_status(name, "fault", "auth.cleartext")
        change(name, allowCleartextAuth=True)
        is_(steps(passes(name, "unless they may")), BEFORE_TLS["plain"] + TO_THE_END, f"{name}: to the end")
        has_status(name, "ok")


def mistakes():
    create("imap-at-pop3", "imap", dovecot.ports["pop3"], allowCleartextAuth=True)
    report = fails("imap-at-pop3", "greeting", "protocol.garbage", "a POP3 server")
    ok("looks like a POP3 server" in report["cause"], "imap-at-pop3: is told apart")
    create("pop3-at-imap", "pop3", dovecot.ports["imap"], allowCleartextAuth=True)
    report = fails("pop3-at-imap", "greeting", "protocol.garbage", "an IMAP server")
    ok("looks like an IMAP server" in report["cause"], "pop3-at-imap: is told apart")
    create("nobody-there", "imap", servers.free_port(), useSsl=True)
    fails("nobody-there", "connect", "connect.refused", "no server")
    create("no-mailbox", "imap", dovecot.ports["imap"], allowCleartextAuth=True, mailbox="")
    fails("no-mailbox", "mailbox", "config.mailbox", "no name at all")


def trusted():
    """A server with a certificate that a root vouches for needs no exemption."""
    dovecot.replace_certificate(pki.leaf(issuer=root))
    postern.api.post("/api/v1/trust/user", data=root.pem.encode(), headers={"Content-Type": "application/x-pem-file"})
    for name in KINDS:
        is_(postern.api.delete(f"{HOSTS}/localhost:{port_of(name)}").status, 204, f"{name}: the exemption is deleted")
        passes(name, "verify passes by the root")
        is_(postern.api.get(f"{HOSTS}/localhost:{port_of(name)}").status, 404, f"{name}: and makes no entry")


def restart():
    dovecot.stop()
    for name in KINDS:
        is_(postern.api.action(name, "poll").status, 202, f"{name}: poll while the server is down")
        has_status(name, "down", "connect.refused")
    dovecot.start()
    postern.restart()
    for name in KINDS:
        is_(postern.api.action(name, "poll").status, 202, f"{name}: poll when it is back")
        has_status(name, "ok")


def nothing_told():
    told = postern.log(10_000_000)
    for name in KINDS:
        told += postern.api.get(f"/api/v1/accounts/{name}/transcript").text
        told += str(postern.api.get(f"/api/v1/accounts/{name}?include=status").json)
    for password in servers.USERS.values():
        ok(password not in told, "no password in logs, transcripts and status")


try:
    dovecot.start()
    postern.start()
    main(story, from_the_background, credentials, mailboxes, in_the_clear, mistakes, trusted, restart, nothing_told,
         postern.stop)
finally:
    dovecot.stop()
    postern.kill9()
    postern.remove()
    shutil.rmtree(folder, ignore_errors=True)
