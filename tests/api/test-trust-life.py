#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trust over time: resumed TLS sessions, exemptions that end, their longest life, another System Trust Store (DESIGN 4)."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from pki import Pki
from postern import Postern
from tap import is_, main, ok

ACCOUNTS, MESSAGES, HOSTS = "/api/v1/accounts", "/api/v1/messages", "/api/v1/trust/allowed-hosts"
CERTIFICATES = "/api/v1/services/CertificateService"
KEPT = 2.5          # s; longer than an idle connection is kept
pki = Pki()
root = pki.ca("Trust Life Root")
own, other, signed = pki.leaf(), pki.leaf(), pki.leaf(issuer=root)


def account(api, port, name="out", **more):
    answer = api.put(f"{ACCOUNTS}/{name}", {"type": "OutgoingAccount", "hostname": "localhost", "port": port, "useSsl": True,
                                            "emailAuthenticator": {"type": "none"}, "connectionTimeout": 5, **more})
    if answer.status not in (200, 201):
        raise RuntimeError(repr(answer))


def post(api, name="out"):
    return api.post(f"{ACCOUNTS}/{name}/messages", {"from": "plant@example.com", "to": ["a@example.com"], "text": "x"}).json["id"]


def state(api, message, *states, seconds=3):
    return api.until(f"{MESSAGES}/{message}", lambda json: json["state"] in states, seconds).json["state"]


def in_seconds(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds + 0.999))


def resumed():
    """What a resumed session showed is of the past: where it is no longer trusted, a whole handshake decides."""
    with Catcher(own, resumable=True) as catcher, Postern() as postern:
        api = postern.api
        host = f"{HOSTS}/localhost:{catcher.port}"
        is_(api.post("/api/v1/trust/user", data=root.pem.encode(), headers={"Content-Type": "application/x-pem-file"}).status, 201, "a CA")
        account(api, catcher.port)
        api.action("out", "verify")
        end = in_seconds(2 * KEPT + 3)
        is_(api.post(host + "/actions/approve", {"sha256": own.sha256, "expiresAt": end}).status, 200, "approved for a few seconds")
        is_(state(api, post(api), "sent"), "sent", "mail flows")
        time.sleep(KEPT)
        is_((state(api, post(api), "sent"), catcher.resumed), ("sent", 1), "again, with a resumed session")
        before = api.get(host).json
        time.sleep(KEPT)
        catcher.identity = signed
        is_(api.action("out", "verify").json["certificate"]["sha256"], signed.sha256, "verify shows what the server has now, not what it had")
        catcher.identity = own
        api.action("out", "verify")
        catcher.identity = signed
        api.until(host, lambda json: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > end, 20)
        is_((state(api, post(api), "sent"), catcher.resumed), ("sent", 2), "the exemption ended, the certificate is renewed: mail flows")
        after = api.get(host).json
        is_((after["approval"], after["redundant"], after["certificate"]["sha256"]), ("approved", True, signed.sha256), "nobody was asked")
        ok(after["count"] > before["count"], "it was noted")


def ended():
    with Catcher(own, resumable=True) as catcher, Postern() as postern:
        api = postern.api
        host = f"{HOSTS}/localhost:{catcher.port}"
        account(api, catcher.port)
        api.action("out", "verify")
        end = in_seconds(KEPT + 1)
        api.post(host + "/actions/approve", {"sha256": own.sha256, "expiresAt": end})
        is_(state(api, post(api), "sent"), "sent", "mail flows")
        count = api.get(host).json["count"]
        time.sleep(KEPT + 2)
        message = post(api)
        is_(state(api, message, "deferred"), "deferred", "the exemption ended: the message waits")
        entry = api.get(host).json
        is_((entry["approval"], entry["count"]), ("pending", count + 1), "asked once, by a whole handshake")
        is_(catcher.resumed, 1, "though a session had been resumed")
        is_(api.status("out")["status"]["code"], "cert.challenge", "the account says so")
        api.post(host + "/actions/approve", {"sha256": own.sha256})
        is_(state(api, message, "sent"), "sent", "approved anew: it goes at once")


def longest_life():
    with Catcher(own) as catcher, Postern() as postern:
        api = postern.api
        host = f"{HOSTS}/localhost:{catcher.port}"
        account(api, catcher.port)
        api.action("out", "verify")
        is_(api.patch(CERTIFICATES, {"exemptionDaysMax": 30}).status, 200, "exemptions live 30 days at most")
        limit = [("/expiresAt", "expiry.limit")]
        is_(api.post(host + "/actions/approve", {"sha256": own.sha256}).codes(), limit, "not for ever")
        is_(api.post(host + "/actions/approve", {"sha256": own.sha256, "expiresAt": in_seconds(31 * 86400)}).codes(), limit, "nor for longer")
        is_(api.put(host, {"approval": "approved", "sha256": own.sha256}).codes(), limit, "nor provisioned")
        wrong = {"approval": "rejected", "sha256": own.sha256, "hostname": "other", "port": 1, "id": f"localhost:{catcher.port}"}
        is_(api.put(host, wrong).codes(), [("/hostname", "id.fixed"), ("/port", "id.fixed")], "the document speaks of another place")
        is_(api.put(host, {"approval": "rejected", "sha256": own.sha256}).status, 200, "a refusal has no end")
        is_(api.post(host + "/actions/approve", {"sha256": own.sha256, "expiresAt": in_seconds(29 * 86400)}).status, 200, "for less")


def another_system_store():
    with Catcher(signed) as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, trustStores="system")
        message = post(api)
        is_(state(api, message, "deferred"), "deferred", "unknown to this System Trust Store")
        is_(api.patch(CERTIFICATES, {"systemTrustStore": root.cert}).status, 200, "another file")
        is_(state(api, message, "sent"), "sent", "holds at once: the waiting account tried again")
        is_([one["certificate"]["sha256"] for one in api.get("/api/v1/trust/system").json["items"]], [root.sha256], "its roots are the system's")
        api.patch(CERTIFICATES, {"systemTrustStore": root.cert + ".gone"})
        is_(state(api, post(api), "deferred"), "deferred", "a file that isn't there vouches for nobody")


def one_file():
    with Postern() as postern:
        api = postern.api
        pem = {"Content-Type": "application/x-pem-file"}
        answer = api.post("/api/v1/trust/user", data=(root.pem + root.pem).encode(), headers=pem)
        is_((answer.status, len(answer.json["items"])), (201, 1), "the same CA twice in one file is one")
        path = f"/api/v1/trust/user/{root.sha256}"
        tag = api.patch(path, {"names": ["example.com"]}).etag
        audit = len(api.get("/api/v1/audit?limit=500").json["items"])
        is_(api.patch(path, {"names": ["example.com"]}).etag, tag, "a change that is none")
        is_(len(api.get("/api/v1/audit?limit=500").json["items"]), audit, "is not made")


main(resumed, ended, longest_life, another_system_store, one_file)
