#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=300
"""Dovecot and Postfix that know no password but ask the authorization server about tokens (RFC 7662): IMAP, POP3 and submission, with
XOAUTH2 and with OAUTHBEARER; tokens of a few seconds, revoked ones, a mailbox that isn't there."""

import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from inbox import KINDS, Inbox, letters, trust
from pki import Pki
from postern import Postern
from tap import diag, is_, main, ok
from tokens import Tokens

servers.need_root()
ACCOUNTS, MESSAGES = "/api/v1/accounts", "/api/v1/messages"
SECURE = [kind for kind in KINDS if not kind.endswith("plain")]
folder = tempfile.mkdtemp(prefix="postern-tokens-")
os.chmod(folder, 0o755)
pki = Pki()
root = pki.ca("Token Root")
leaf = pki.leaf(issuer=root)
users = {name: "no password" for name in [*SECURE, "plant"]}


class Site(servers.Site):
    def __init__(self, tokens, mechanisms):
        path = tempfile.mkdtemp(dir=folder)
        os.chmod(path, 0o755)
        arguments = os.path.join(path, "introspection")
        with open(arguments, "w", encoding="ascii") as file:
            file.write(f"introspection_mode = post\nintrospection_url = http://127.0.0.1:{tokens.plain_port}/introspect\n"
                       "username_attribute = username\nusername_format = everybody\nactive_attribute = active\nactive_value = true\n")
        os.chmod(arguments, 0o644)
        super().__init__(leaf, users=users, extra=f"""
auth_mechanisms = {mechanisms}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {arguments}
}}
""")


def authenticator(tokens, user):
    return tokens.authenticator(user)


def outgoing(postern, site, tokens, port, security):
    name = f"out-{port}"
    answer = postern.api.put(f"{ACCOUNTS}/{name}", {
        "type": "OutgoingAccount", "hostname": "localhost", "port": site.postfix.ports[port], security: True,
        "emailAuthenticator": authenticator(tokens, "plant"), "connectionTimeout": 20})
    ok(answer.status == 201, f"{name}: created")
    sent = postern.api.post(f"{ACCOUNTS}/{name}/messages", {"from": "office@example.test", "to": ["plant@example.test"], "subject": name,
                                                            "text": "With a token.\n"}).json["id"]
    answer = postern.api.until(f"{MESSAGES}/{sent}", lambda json: json["state"] == "sent", 60).json
    if not is_(answer["state"], "sent", f"{name}: submitted"):
        diag(answer, site.postfix.log())
    ok(site.dovecot.wait_for_message("plant", subject=name), f"{name}: delivered")


def with_mechanisms(mechanisms):
    with Tokens(leaf) as tokens, Site(tokens, mechanisms) as site, Postern() as postern:
        trust(postern, root)
        inboxes = [Inbox(postern, site.dovecot, kind, kind, user=kind, emailAuthenticator=authenticator(tokens, kind), push=False)
                   for kind in SECURE]
        for inbox in inboxes:
            site.dovecot.deliver(inbox.user, letters(1, 2))
            inbox.create()
        for inbox in inboxes:
            inbox.wait_for(1, 2)
            inbox.has_status("ok")
        outgoing(postern, site, tokens, "starttls", "useStartTls")
        outgoing(postern, site, tokens, "tls", "useSsl")
        is_(len(tokens.requests), 1, f"{mechanisms}: one token for all of them")
        steps = postern.api.action("imap-tls", "verify").json["steps"]
        ok(any(step["name"] == "authenticate" and mechanisms.upper() in step["detail"] for step in steps), f"by {mechanisms}")
        tokens.revoke()
        for inbox in inboxes:
            site.dovecot.deliver(inbox.user, letters(3))
            inbox.poll()
        for inbox in inboxes:
            inbox.wait_for(1, 2, 3, what="also after the token was revoked")
            inbox.has_status("ok")
        is_(len(tokens.requests), 2, "by one more token")


def short_lives():
    """A day in seconds: polls go on over many tokens, and none is refused."""
    with Tokens(leaf) as tokens, Site(tokens, "xoauth2") as site, Postern() as postern:
        trust(postern, root)
        tokens.life = 5
        inbox = Inbox(postern, site.dovecot, "imap-tls", "imap-tls", user="plant", emailAuthenticator=authenticator(tokens, "plant"),
                      push=False, pollrate=5)
        inbox.create()
        for number in range(1, 5):
            site.dovecot.deliver("plant", letters(number))
            time.sleep(2)
            inbox.polled()
        inbox.wait_for(1, 2, 3, 4)
        ok(len(tokens.requests) >= 2, f"{len(tokens.requests)} tokens")
        ok("oauth2" not in postern.log() and "auth." not in postern.log(), "and none was refused")


def xoauth2():
    with_mechanisms("xoauth2")


def oauthbearer():
    with_mechanisms("oauthbearer")


if __name__ == "__main__":
    main(*(globals()[name] for name in sys.argv[1:] or ("xoauth2", "oauthbearer", "short_lives")))
