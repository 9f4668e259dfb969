#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Settings of the services hold at once and after a restart (DESIGN 1, 5)."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from postern import Postern
from tap import diag, is_, main, ok

WEB = "/api/v1/services/WebService"


def by_name(postern, host):
    return postern.anonymous().get("/healthz", headers={"Host": host}).status


def allowed_hosts():
    with Postern() as postern:
        api = postern.api
        is_(by_name(postern, "mail.example.com"), 421, "a name nobody configured")
        is_(api.patch(WEB, {"allowedHosts": ["mail.example.com", "GATE.example.com.", "m\u00fcller.example", "2001:db8::1"]}).status, 200,
            "names are configured")
        for host, status in (("mail.example.com", 200), ("mail.example.com:8443", 200), ("MAIL.example.com.", 200),
                             ("gate.example.com", 200), ("xn--mller-kva.example", 200), ("[2001:db8::1]:80", 200),
                             ("[2001:db8::2]", 421), ("other.example.com", 421), ("localhost", 200), ("127.0.0.1", 200)):
            is_(by_name(postern, host), status, f"at once: {host}")
        is_(api.patch(WEB + "?dryRun=true", {"allowedHosts": []}).status, 200, "a dryRun")
        is_(by_name(postern, "mail.example.com"), 200, "takes nothing away")
        postern.restart()
        is_((by_name(postern, "mail.example.com"), by_name(postern, "other.example.com")), (200, 421), "also after a restart")
        is_(api.put(WEB, {"allowedHosts": ["other.example.com"]}).status, 200, "PUT")
        is_((by_name(postern, "mail.example.com"), by_name(postern, "other.example.com")), (421, 200), "replaces them")
        for wrong in ("", "a b", "mail.example.com:443", "https://mail.example.com", "-a.example", "a..b", "*"):
            answer = api.patch(WEB, {"allowedHosts": ["mail.example.com", wrong]})
            ok((answer.status, [at for at, _ in answer.codes()]) == (422, ["/allowedHosts"]), f"no host: {wrong!r}") or diag(repr(answer))
        is_((by_name(postern, "mail.example.com"), by_name(postern, "other.example.com")), (421, 200), "which changes nothing")


def session_limits():
    with Postern() as postern:
        api = postern.api
        person = postern.login()
        for settings, pointer in (({"sessionIdle": 0}, "/sessionIdle"), ({"sessionLifetime": 1}, "/sessionLifetime")):
            answer = api.patch(WEB, settings)
            is_((answer.status, answer.codes()[0][0]), (422, pointer), f"out of range: {pointer}")
        is_(api.patch(WEB, {"sessionIdle": 60, "sessionLifetime": 300}).status, 200, "shorter ones")
        is_(person.get("/api/v1/session").status, 200, "a session goes on that isn't over")


main(allowed_hosts, session_limits)
