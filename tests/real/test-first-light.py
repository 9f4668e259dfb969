#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=240
"""From a new account to a delivered message, against real Postfix and Dovecot: the story of an exemption.

Self-signed certificate, challenge, approval, delivery; the server's key changes and the mail waits; the CA is imported
and the exemption has become redundant. All of it by STARTTLS and by implicit TLS.
"""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from pki import Pki
from postern import Postern
from tap import diag, is_, main, ok

servers.need_root()
PASSWORD = servers.USERS["plant"]
HOSTS = "/api/v1/trust/allowed-hosts"
AT_ONCE = 5         # seconds; "within a second", with slack for a busy machine
KEPT = 3            # seconds; longer than postern keeps an idle connection
pki = Pki()
root = pki.ca("First Light Root")
own, second_own = pki.leaf(), pki.leaf()
signed, signed_again = pki.leaf(issuer=root), pki.leaf(issuer=root)
site = servers.Site(own)
postern = Postern()
SECURITY = {"starttls": {"useStartTls": True}, "tls": {"useSsl": True}}


def shown_fingerprint(kind):
    """As a careful person gets it: openssl x509 -fingerprint -sha256 of what the server shows."""
    options = ["-starttls", "smtp"] if kind == "starttls" else []
    shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{site.postfix.ports[kind]}", *options],
                           input="QUIT\n", capture_output=True, text=True, timeout=30, check=False).stdout
    printed = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=shown,
                             capture_output=True, text=True, check=True).stdout
    return printed.strip().partition("=")[2]


def entry_path(kind):
    return f"{HOSTS}/localhost:{site.postfix.ports[kind]}"


def entry(kind):
    return postern.api.get(entry_path(kind)).json


def approve(kind, sha256, **more):
    return postern.api.post(f"{entry_path(kind)}/actions/approve", {"sha256": sha256, **more})


def send(kind, subject, **more):
    answer = postern.api.post(f"/api/v1/accounts/{kind}/messages", {
        "from": "plant@example.test", "to": ["office@example.test"], "subject": subject, "text": "It works.", **more})
    if not ok(answer.status == 202, f"{kind}: '{subject}' is accepted"):
        diag(answer)
    return answer.headers.get("Location")


def delivered(subject, user="office", seconds=AT_ONCE):
    return site.dovecot.wait_for_message(user, subject=subject, seconds=seconds)


def is_delivered(kind, subject):
    if not ok(delivered(subject), f"{kind}: '{subject}' is in the mailbox"):
        diag(postern.api.status(kind))
        diag(postern.api.get(f"/api/v1/messages?account={kind}&limit=5"))


def is_waiting(kind, location, subject):
    time.sleep(0.5)
    state = postern.api.get(location).json["state"]
    ok(state in ("queued", "deferred", "held") and not delivered(subject, seconds=0.2),
       f"{kind}: '{subject}' waits ({state})")


def has_status(kind, state, code=None):
    path = f"/api/v1/accounts/{kind}/status"
    answer = postern.api.until(path, lambda found: found["status"]["state"] == state, seconds=AT_ONCE).json
    status = answer["status"]
    if not ok(status["state"] == state and (code is None or status["code"] == code), f"{kind}: {state} {code or ''}"):
        diag(answer)


def verify(kind):
    answer = postern.api.action(kind, "verify")
    if answer.status != 200:
        diag(answer)
    return answer.json


def failed_step(report):
    return next((step["name"] for step in report["steps"] if not step["ok"]), None)


def create(kind):
    account = {"name": kind, "type": "OutgoingAccount", "hostname": "localhost", "port": site.postfix.ports[kind],
               "from": "plant@example.test",
               "emailAuthenticator": {"type": "basic", "username": "plant", "password": PASSWORD}, **SECURITY[kind]}
    answer = postern.api.post("/api/v1/accounts", account)
    is_(answer.status, 201, f"{kind}: created")
    ok(any(warning["code"] == "port.unusual" for warning in answer.json.get("warnings", [])),
       f"{kind}: warned of the unusual port")
    has_status(kind, "pending")


def challenge(kind):
    report = verify(kind)
    is_((report["ok"], failed_step(report)), (False, "certificate"), f"{kind}: verify stops at the certificate")
    is_(report["certificate"]["sha256"].replace(":", "").lower(), own.sha256, f"{kind}: verify shows the certificate")
    ok(report["challenge"], f"{kind}: verify tells of the challenge")
    has_status(kind, "challenged", "cert.challenge")
    found = entry(kind)
    is_(found["approval"], "pending", f"{kind}: recorded in Allowed Hosts")
    is_(found["reasons"], ["self-signed"], f"{kind}: the reason, and no other")
    is_(found["certificate"]["sha256"].replace(":", "").upper(), shown_fingerprint(kind).replace(":", ""),
        f"{kind}: the SHA-256 that openssl prints")
    is_(found["certificate"]["spkiSha256"].replace(":", "").lower(), own.spki_sha256, f"{kind}: and the key's")
    ok(kind in found["accounts"], f"{kind}: the entry names the account")
    ok("sasl_username" not in site.postfix.log(), f"{kind}: nobody logged in")


def all_reasons(kind):
    """The whole list, not the first: by an account that expects another name."""
    answer = postern.api.post("/api/v1/trust/probe", {
        "hostname": "localhost", "port": site.postfix.ports[kind], "transport": "smtp", **SECURITY[kind],
        "verifyName": "elsewhere.example"})
    found = answer.json or {}
    is_((answer.status, found.get("verdict"), sorted(found.get("reasons", []))),
        (200, "refused", ["name-mismatch", "self-signed"]), f"{kind}: probe tells every reason")


def approval(kind):
    waiting = send(kind, f"{kind} before approval")
    is_waiting(kind, waiting, f"{kind} before approval")
    is_(approve(kind, "00" * 32).status, 409, f"{kind}: another fingerprint is refused")
    is_(entry(kind)["approval"], "pending", f"{kind}: and nothing changed")
    answer = approve(kind, shown_fingerprint(kind), note="compared by telephone")
    if not is_(answer.status, 200, f"{kind}: approved with the fingerprint"):
        diag(answer)
    found = entry(kind)
    is_((found["approval"], found["accepts"], found["note"]), ("approved", ["self-signed"], "compared by telephone"),
        f"{kind}: the entry says so")
    is_delivered(kind, f"{kind} before approval")
    report = verify(kind)
    is_((report["ok"], failed_step(report)), (True, None), f"{kind}: verify passes")
    has_status(kind, "ok")
    send(kind, f"{kind} after approval")
    is_delivered(kind, f"{kind} after approval")
    is_(entry(kind)["redundant"], False, f"{kind}: the exemption is needed")


def changed_key(kind):
    waiting = send(kind, f"{kind} while changed")
    has_status(kind, "challenged", "cert.changed")
    found = entry(kind)
    is_(found["approval"], "changed", f"{kind}: the entry is 'changed'")
    is_((found["previous"] or {}).get("sha256", "").replace(":", "").lower(), own.sha256, f"{kind}: old beside new")
    is_(found["certificate"]["sha256"].replace(":", "").lower(), signed.sha256, f"{kind}: new beside old")
    is_(found["reasons"], ["unknown-issuer"], f"{kind}: the new reason")
    is_waiting(kind, waiting, f"{kind} while changed")
    is_(approve(kind, own.sha256).status, 409, f"{kind}: the old fingerprint no longer counts")
    is_(approve(kind, shown_fingerprint(kind)).status, 200, f"{kind}: the new one is approved")
    is_delivered(kind, f"{kind} while changed")


def redundant(kind):
    """After the CA was imported."""
    ok(verify(kind)["ok"], f"{kind}: verify passes")
    is_(entry(kind)["redundant"], True, f"{kind}: the exemption is redundant")
    is_(postern.api.delete(entry_path(kind)).status, 204, f"{kind}: deleted")
    is_(postern.api.get(entry_path(kind)).status, 404, f"{kind}: gone")
    send(kind, f"{kind} by the CA")
    is_delivered(kind, f"{kind} by the CA")


def renewed_by_ca(kind):
    """Another key, the same CA: nobody needs to be asked."""
    send(kind, f"{kind} renewed")
    is_delivered(kind, f"{kind} renewed")
    is_(postern.api.get(entry_path(kind)).status, 404, f"{kind}: no entry was made")


def back_to_self_signed(kind):
    waiting = send(kind, f"{kind} self-signed again")
    has_status(kind, "challenged", "cert.challenge")
    is_waiting(kind, waiting, f"{kind} self-signed again")
    is_(approve(kind, second_own.sha256).status, 200, f"{kind}: approved")
    is_delivered(kind, f"{kind} self-signed again")
    is_(postern.api.delete(entry_path(kind)).status, 204, f"{kind}: the exemption is withdrawn")
    waiting = send(kind, f"{kind} withdrawn")
    has_status(kind, "challenged", "cert.challenge")
    is_waiting(kind, waiting, f"{kind} withdrawn")
    is_(approve(kind, second_own.sha256).status, 200, f"{kind}: approved once more")
    is_delivered(kind, f"{kind} withdrawn")


def replace_certificate(identity):
    """A connection that is kept for more mail has still met the old one: let it go first."""
    time.sleep(KEPT)
    site.replace_certificate(identity)


def each(step):
    for kind in SECURITY:
        step(kind)


def story():
    for step in (create, challenge, all_reasons, approval):
        each(step)
    replace_certificate(signed)
    each(changed_key)
    imported = postern.api.post("/api/v1/trust/user", data=root.pem.encode(),
                                headers={"Content-Type": "application/x-pem-file"})
    is_(imported.status, 201, "the CA is imported")
    again = postern.api.post("/api/v1/trust/user", data=root.pem.encode(),
                             headers={"Content-Type": "application/x-pem-file"})
    is_(again.status, 200, "importing twice changes nothing")
    each(redundant)
    replace_certificate(signed_again)
    each(renewed_by_ca)
    replace_certificate(second_own)
    each(back_to_self_signed)


def contents():
    """What arrives is what was given, whatever is in it."""
    subject = "Grüße aus Köln – 漢字"
    location = send("tls", subject, text="Zeile 1\n.Zeile mit Punkt\n..zwei\nÄÖÜ\n", to=["office@example.test"],
                    cc=["plant@example.test"], bcc=["nobody@example.test"],
                    attachments=[{"filename": "maß.txt", "contentType": "text/plain", "content": "aGFsbG8="}])
    found = delivered(subject)
    if ok(found, "UTF-8 in the subject"):
        is_(found.get_body(("plain",)).get_content().replace("\r\n", "\n"),
            "Zeile 1\n.Zeile mit Punkt\n..zwei\nÄÖÜ\n", "the text, leading dots and all")
        is_([part.get_filename() for part in found.iter_attachments()], ["maß.txt"], "the attachment's name")
        ok(found["Bcc"] is None, "Bcc isn't shown")
    ok(delivered(subject, user="plant"), "the copy arrived too")
    state = postern.api.until(location, lambda one: one["state"] == "sent").json
    is_({one["address"]: (one["state"], one["code"]) for one in state["recipients"]},
        {"office@example.test": ("sent", 250), "plant@example.test": ("sent", 250),
         "nobody@example.test": ("failed", 550)}, "each recipient has a result of its own")
    raw = b"From: plant@example.test\r\nTo: office@example.test\r\nSubject: raw\r\nX-Odd: kept\r\n as it is\r\n\r\n.dot\r\n"
    answer = postern.api.post("/api/v1/accounts/tls/messages", data=raw, headers={"Content-Type": "message/rfc822"})
    is_(answer.status, 202, "a raw message is accepted")
    found = delivered("raw")
    ok(found and b"X-Odd: kept\n as it is" in found.raw.replace(b"\r\n", b"\n") and
       found.raw.replace(b"\r\n", b"\n").endswith(b"\n\n.dot\n"), "and arrives as it was")


def test_message():
    answer = postern.api.action("starttls", "sendTest", {"to": "office@example.test"})
    if not ok(answer.status in (200, 202), f"sendTest ({answer.status})"):
        diag(answer)
    before = len(site.dovecot.messages("office"))
    deadline = time.monotonic() + AT_ONCE
    while time.monotonic() < deadline and len(site.dovecot.messages("office")) <= before:
        if any("test" in (message["Subject"] or "").lower() for message in site.dovecot.messages("office")):
            break
        time.sleep(0.1)
    ok(any("test" in (message["Subject"] or "").lower() for message in site.dovecot.messages("office")),
       "the test message is in the mailbox")


def wrong_password():
    answer = postern.api.patch("/api/v1/accounts/starttls", {
        "emailAuthenticator": {"type": "basic", "username": "plant", "password": "not this one"}})
    is_(answer.status, 200, "the password is changed to a wrong one")
    report = verify("starttls")
    is_((report["ok"], failed_step(report)), (False, "authenticate"), "verify stops at the login")
    has_status("starttls", "fault", "auth.refused")
    location = send("starttls", "with a wrong password")
    is_waiting("starttls", location, "with a wrong password")
    answer = postern.api.patch("/api/v1/accounts/starttls", {"emailAuthenticator": {"password": PASSWORD}})
    is_(answer.status, 200, "and back to the right one")
    is_delivered("starttls", "with a wrong password")


def after_restart():
    postern.restart()
    for kind in SECURITY:
        send(kind, f"{kind} after a restart")
        is_delivered(kind, f"{kind} after a restart")
    ok(PASSWORD not in postern.log(10_000_000), "no password in the log")


try:
    site.start()
    postern.start()
    main(story, contents, test_message, wrong_password, after_restart, postern.stop)
finally:
    site.stop()
    postern.kill9()
    postern.remove()
