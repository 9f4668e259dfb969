#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""demo.py - what `./dev demo` runs: real mail servers with a self-signed certificate, and Postern beside them.

--once: make everything, verify every account, print what came of it and end; for whoever has no browser at hand.
"""

import os
import secrets
import signal
import socket
import sys
import tempfile
import time

import servers
from pki import Pki
from postern import TOP, Postern

PORT = 8025
USERS = {"plant": "plant-demo", "office": "office-demo"}
MAILBOXES = " and ".join(f"{user}@{servers.DOMAIN}" for user in USERS)

WORDS = """
Postern is at   {url}
User            admin
Password        {password}

Beside it run Postfix and Dovecot, with a certificate that nobody vouches for, for the two
mailboxes {mailboxes}. These accounts wait to be verified:

{accounts}

What to do:
  1. Log in, open EmailService in the tree, then the account '{first}'.
  2. Press Verify. It stops at the certificate: this server vouches for itself.
  3. Compare the fingerprint. The server's certificate has, as openssl prints it (SHA-256),
     {fingerprint}
  4. If it is the same, Accept. Verify again: every step passes.
  5. Send test to office@{domain}. It is written here when it arrives.
  6. Or import the CA instead, in the CertificateService: {ca}
     has signed the certificate that the servers show after `kill -HUP {pid}`.

Ctrl-C stops everything and removes it.
"""


def accounts(site):
    smtp, dovecot = site.postfix.ports, site.dovecot.ports
    basic = {"type": "basic", "username": "plant", "password": USERS["plant"]}
    common = {"hostname": "localhost", "emailAuthenticator": basic}
    outgoing = {"type": "OutgoingAccount", "from": f"plant@{servers.DOMAIN}", **common}
    incoming = {"type": "IncomingAccount", **common}
    return [
        ({"name": "alerts", "port": smtp["starttls"], "useStartTls": True, **outgoing}, "outgoing, Use Start Tls"),
        ({"name": "reports", "port": smtp["tls"], "useSsl": True, **outgoing}, "outgoing, Use Ssl"),
        ({"name": "commands", "transport": "imap", "port": dovecot["imaps"], "useSsl": True, **incoming},
         "incoming, IMAP, Use Ssl"),
        ({"name": "replies", "transport": "pop3", "port": dovecot["pop3"], "useStartTls": True, **incoming},
         "incoming, POP3, Use Start Tls"),
    ]


def free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def create(postern, site):
    """Makes the accounts; returns the lines that tell of them."""
    lines = []
    for account, words in accounts(site):
        answer = postern.api.post("/api/v1/accounts", account)
        if answer.status != 201:
            raise RuntimeError(f"account {account['name']}: {answer!r}")
        lines.append(f"  {account['name']:10} {words}, port {account['port']}")
    return lines


def watch(site, seen):
    """Tells of mail that arrived since the last look."""
    for user in USERS:
        for message in site.dovecot.messages(user):
            key = (user, message["Message-ID"])
            if key not in seen:
                seen.add(key)
                print(f"{time.strftime('%H:%M:%S')}  {user}@{servers.DOMAIN} got mail from {message['From']}: "
                      f"{message['Subject']}", flush=True)


def verify_all(postern, site):
    for account, _ in accounts(site):
        report = postern.api.action(account["name"], "verify").json
        failed = [step for step in report["steps"] if not step["ok"]]
        print(f"{account['name']}: " + (f"stops at {failed[0]['name']}: {failed[0]['detail']}" if failed else "all is well"))


class Stop(Exception):
    pass


def stop(*_):
    raise Stop


def run(once):
    print("Starting Postfix, Dovecot and Postern ...", flush=True)
    folder = tempfile.TemporaryDirectory(prefix="postern-demo-")
    os.chmod(folder.name, 0o755)
    pki = Pki(os.path.join(folder.name, "pki"))
    root = pki.ca("Postern Demo Root CA")
    own, signed = pki.leaf(), pki.leaf(issuer=root)
    password = secrets.token_urlsafe(9)
    site = servers.Site(own, users=USERS)
    postern = Postern(binary=os.environ.get("POSTERN") or os.path.join(TOP, "build", "postern"),
                      port=PORT if free(PORT) else None, password=password)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, lambda *_: site.replace_certificate(signed))
    try:
        site.start()
        postern.start()
        lines = create(postern, site)
        if once:
            verify_all(postern, site)
            return
        print(WORDS.format(url=postern.url, password=password, accounts="\n".join(lines), mailboxes=MAILBOXES,
                           first="alerts", fingerprint=own.openssl_fingerprint(), domain=servers.DOMAIN,
                           ca=root.cert, pid=os.getpid()), flush=True)
        seen = set()
        while postern.process.poll() is None:
            watch(site, seen)
            time.sleep(0.5)
        raise RuntimeError(f"postern ended with status {postern.process.returncode}\n{postern.log()}")
    except Stop:
        print("\nStopping ...", flush=True)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            postern.stop()
        finally:
            site.stop()
            postern.remove()
            folder.cleanup()


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--once"]):
        sys.exit(__doc__)
    run(once=bool(sys.argv[1:]))
