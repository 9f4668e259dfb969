#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=180
"""The real servers that other tests stand on are themselves what those tests believe them to be."""

import imaplib
import os
import poplib
import smtplib
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from cyrus import Cyrus
from pki import Pki
from tap import diag, is_, main, ok

servers.need_root()
PASSWORD = servers.USERS["plant"]
MESSAGE = "From: office@example.test\r\nTo: plant@example.test\r\nSubject: {}\r\n\r\nHello.\r\n"
pki = Pki()
root = pki.ca()
first = pki.leaf(issuer=root)
site = servers.Site(first)
cyrus = Cyrus(os.path.join(site.folder, "cyrus"), first)


def trusting():
    return ssl.create_default_context(cafile=root.cert)


def openssl_fingerprint(port, *options):
    """SHA-256 as a person gets it: openssl s_client, then openssl x509."""
    shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options], input="QUIT\n",
                           capture_output=True, text=True, timeout=30, check=False).stdout
    printed = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=shown,
                             capture_output=True, text=True, check=False).stdout
    return printed.strip().partition("=")[2]


def smtp_ports():
    ports = site.postfix.ports
    with smtplib.SMTP("127.0.0.1", ports["plain"], timeout=10) as plain:
        plain.ehlo()
        ok(not plain.has_extn("starttls"), "plain port: no STARTTLS offered")
        plain.sendmail("office@example.test", ["plant@example.test"], MESSAGE.format("by plain"))
    with smtplib.SMTP("localhost", ports["starttls"], timeout=10) as upgraded:
        upgraded.ehlo()
        ok(upgraded.has_extn("starttls") and not upgraded.has_extn("auth"), "STARTTLS port: AUTH only after TLS")
        upgraded.starttls(context=trusting())
        upgraded.ehlo()
        ok({"PLAIN", "SCRAM-SHA-256"} <= set(upgraded.esmtp_features["auth"].split()), "mechanisms under TLS")
        upgraded.login("plant", PASSWORD)
        upgraded.sendmail("office@example.test", ["plant@example.test"], MESSAGE.format("by starttls"))
    with smtplib.SMTP_SSL("localhost", ports["tls"], timeout=10, context=trusting()) as secure:
        secure.login("plant@example.test", PASSWORD)
        secure.sendmail("office@example.test", ["plant@example.test"], MESSAGE.format("by tls"))
    for subject in ("by plain", "by starttls", "by tls"):
        ok(site.dovecot.wait_for_message("plant", subject=subject), f"delivered: {subject}")


def smtp_refusals():
    with smtplib.SMTP_SSL("localhost", site.postfix.ports["tls"], timeout=10, context=trusting()) as secure:
        secure.ehlo()
        secure.mail("office@example.test")
        is_(secure.rcpt("plant@example.test")[0], 550, "no password, no mail")
        secure.rset()
        try:
            secure.login("plant", "wrong")
            ok(False, "a wrong password is refused")
        except smtplib.SMTPAuthenticationError as error:
            is_(error.smtp_code, 535, "a wrong password is refused")
        secure.login("office", servers.USERS["office"])
        secure.mail("office@example.test")
        is_([secure.rcpt(to)[0] for to in ("nobody@example.test", "x@elsewhere.test", "office@example.test")],
            [550, 550, 250], "an unknown mailbox and another domain: 550; the known one: 250")


def reading():
    ports = site.dovecot.ports
    with imaplib.IMAP4_SSL("localhost", ports["imaps"], ssl_context=trusting(), timeout=10) as imap:
        imap.login("plant", PASSWORD)
        is_(imap.select("INBOX")[1], [b"3"], "imaps: three messages")
    with imaplib.IMAP4("localhost", ports["imap"], timeout=10) as imap:
        imap.starttls(trusting())
        imap.login("plant", PASSWORD)
        is_(imap.status("INBOX", "(MESSAGES)")[0], "OK", "imap with STARTTLS")
    pop = poplib.POP3_SSL("localhost", ports["pop3s"], context=trusting(), timeout=10)
    pop.user("plant")
    pop.pass_(PASSWORD)
    is_(pop.stat()[0], 3, "pop3s: three messages")
    pop.quit()
    pop = poplib.POP3("localhost", ports["pop3"], timeout=10)
    pop.stls(trusting())
    pop.user("plant")
    pop.pass_(PASSWORD)
    is_(pop.stat()[0], 3, "pop3 with STLS")
    pop.quit()


def another_certificate():
    ports = site.postfix.ports
    is_(openssl_fingerprint(ports["tls"]), first.openssl_fingerprint(), "implicit TLS shows the certificate")
    is_(openssl_fingerprint(ports["starttls"], "-starttls", "smtp"), first.openssl_fingerprint(), "STARTTLS too")
    is_(first.openssl_fingerprint().replace(":", "").lower(), first.sha256, "one fingerprint, two ways to it")
    own = pki.leaf()
    site.replace_certificate(own)
    is_(openssl_fingerprint(ports["tls"]), own.openssl_fingerprint(), "replaced: implicit TLS")
    is_(openssl_fingerprint(ports["starttls"], "-starttls", "smtp"), own.openssl_fingerprint(), "replaced: STARTTLS")
    is_(openssl_fingerprint(site.dovecot.ports["imaps"]), own.openssl_fingerprint(), "replaced: imaps")


def another_server():
    """Cyrus, and what tests ask of both."""
    cyrus.start()
    is_(openssl_fingerprint(cyrus.ports["pop3s"]), first.openssl_fingerprint(), "Cyrus shows the certificate")
    for name, server in (("Cyrus", cyrus), ("Dovecot", site.dovecot)):
        message = MESSAGE.format("for both").encode().replace(b"\r\n\r\n", b"\r\nMessage-ID: <{}@example.test>\r\n\r\n")
        is_(server.flags("office"), {}, f"{name}: an empty mailbox")
        server.deliver("office", [message.replace(b"{}", b"1"), message.replace(b"{}", b"2")])
        server.append("office", message.replace(b"{}", b"3"), r"(\Flagged)")
        server.set_flags("office", ["<2@example.test>"], r"\Seen \Deleted")
        is_(server.flags("office"), {"<1@example.test>": set(), "<2@example.test>": {r"\Seen", r"\Deleted"},
                                     "<3@example.test>": {r"\Flagged"}}, f"{name}: three messages and their flags")
        pop = poplib.POP3("localhost", server.ports["pop3"], timeout=10)
        pop.stls(trusting())
        pop.user("office")
        pop.pass_(servers.USERS["office"])
        is_(pop.stat()[0], 3, f"{name}: and by pop3 with STLS")
        pop.quit()
    cyrus.remove_mailbox("office")
    is_(cyrus.flags("office"), {}, "Cyrus: a mailbox is removed")
    cyrus.stop()


def left_behind():
    sessions = site.postfix.sessions() + site.dovecot.sessions()
    is_(len(sessions), 3, "postfix, its master and dovecot run")
    site.stop()
    rest = [pid for session in sessions for pid in servers.session_processes(session)]
    if not ok(not rest and not os.path.exists(site.folder), "stopped: no process, no file is left"):
        diag(f"left: {rest}")


try:
    site.start()
    main(smtp_ports, smtp_refusals, reading, another_server, another_certificate, left_behind)
finally:
    cyrus.stop()
    site.stop()
