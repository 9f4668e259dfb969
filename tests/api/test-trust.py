#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trust: importing CAs, Allowed Hosts from the first look to a redundant entry, provisioning, the probe (DESIGN 4)."""

import base64
import datetime
import os
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from pki import Pki
from postern import Postern
from tap import diag, is_, main, ok

ACCOUNTS, USER, HOSTS, PROBE = "/api/v1/accounts", "/api/v1/trust/user", "/api/v1/trust/allowed-hosts", "/api/v1/trust/probe"
PEM, DER, PKCS7 = "application/x-pem-file", "application/pkix-cert", "application/pkcs7-mime"
FACTS = {"subject", "issuer", "sans", "serial", "notBefore", "notAfter", "keyType", "keyBits", "signatureAlgorithm",
         "sha256", "spkiSha256", "pem"}
ENTRY = {"id", "hostname", "port", "approval", "reasons", "accepts", "certificate", "chain", "previous", "accounts",
         "firstSeen", "lastSeen",
         "count", "lastUsed", "expiresAt", "note", "approvedBy", "approvedAt", "redundant"}
pki = Pki()
root = pki.ca("Site Root")
other_root = pki.ca("Other Root")
expired_root = pki.ca("Old Root", days=(-900, -10))
weak_root = pki.ca("Weak Root", key_type="rsa", bits=1024)
leaf = pki.leaf("localhost", issuer=root)
self_signed = pki.leaf("localhost")
renewed = pki.leaf("localhost", key=self_signed.key)
another = pki.leaf("localhost")
expired = pki.leaf("localhost", days=(-30, -1))
elsewhere = pki.leaf("elsewhere.example", names=("elsewhere.example",), addresses=())
weak = pki.leaf("localhost", key_type="rsa", bits=1024)


def upload(api, data, media=PEM, query=""):
    return api.post(USER + query, data=data if isinstance(data, bytes) else data.encode(),
                    headers={"Content-Type": media})


def in_days(days):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pkcs7(*identities):
    with open(pki.path("p7b"), "wb") as file:
        command = ["openssl", "crl2pkcs7", "-nocrl", "-outform", "DER"]
        for identity in identities:
            command += ["-certfile", identity.cert]
        subprocess.run(command, stdout=file, check=True)
    with open(file.name, "rb") as made:
        return made.read()


def path_of(catcher, host="localhost"):
    return f"{HOSTS}/{urllib.parse.quote(f'{host}:{catcher.port}', safe=':')}"


def account(api, catcher, name="out", **more):
    answer = api.put(f"{ACCOUNTS}/{name}", {"type": "OutgoingAccount", "hostname": "localhost", "port": catcher.port,
                                            "useSsl": True,
                                            "connectionTimeout": 10, "emailAuthenticator": {"type": "none"}, **more})
    if answer.status not in (200, 201):
        raise RuntimeError(repr(answer))


def post(api, name="out", **more):
    return api.post(f"{ACCOUNTS}/{name}/messages",
                    {"from": "plant@example.com", "to": ["a@example.com"], "subject": "x", **more}).json["id"]


def state(api, message):
    return api.get(f"/api/v1/messages/{message}").json["state"]


def sent(api, message, seconds=5):
    return api.until(f"/api/v1/messages/{message}", lambda json: json["state"] == "sent",
                     seconds).json["state"] == "sent"


def importing():
    with Postern() as postern:
        api = postern.api
        answer = upload(api, root.pem)
        is_((answer.status, answer.headers["Location"]), (201, f"{USER}/{root.sha256}"),
            "import a root: 201, Location by its SHA-256")
        is_((answer.json["id"], answer.json["warnings"], len(answer.json["items"])), (root.sha256, [], 1),
            "the id is the SHA-256")
        one = api.get(f"{USER}/{root.sha256}")
        ok(one.status == 200 and FACTS <= set(one.json["certificate"]), "its facts")
        is_((one.json["certificate"]["sha256"], one.json["certificate"]["spkiSha256"]),
            (root.sha256, root.spki_sha256), "fingerprints as openssl prints them")
        ok("Site Root" in one.json["certificate"]["subject"] and one.json["addedBy"] == "token:test"
           and one.json["addedAt"], "whose, from whom, when")
        again = upload(api, root.pem)
        is_((again.status, again.json["id"], again.headers["Location"]), (200, root.sha256, None), "twice: 200")
        is_(api.get(f"{USER}/{root.sha256}").etag, one.etag, "and nothing has changed")
        is_(api.get(f"{USER}/{root.sha256}", {"If-None-Match": one.etag}).status, 304, "304")
        answer = upload(api, expired_root.pem)
        is_((answer.status, [w["code"] for w in answer.json["warnings"]]), (201, ["certificate.expired"]),
            "an expired one: taken with a warning")
        is_((upload(api, expired_root.pem).status,
             [w["code"] for w in upload(api, expired_root.pem).json["warnings"]]), (200, ["certificate.expired"]),
            "twice: 200 with the warning")
        answer = upload(api, weak_root.pem)
        is_((answer.status, [w["code"] for w in answer.json["warnings"]]), (201, ["certificate.weak-key"]),
            "a weak one: taken with a warning")
        is_(len(api.get(USER).json["items"]), 3, "three in the list")
        for identity in (root, expired_root, weak_root):
            is_(api.delete(f"{USER}/{identity.sha256}").status, 204, "delete")
        is_(api.delete(f"{USER}/{root.sha256}").status, 404, "it is gone")

        is_(upload(api, root.der, DER).status, 201, "DER")
        is_(upload(api, pkcs7(root, other_root), PKCS7).json["items"][1]["new"], True, "PKCS#7: the second is new")
        is_(upload(api, root.pem + other_root.pem).status, 200, "PEM with several: nothing new")
        for identity in (root, other_root):
            api.delete(f"{USER}/{identity.sha256}")
        answer = upload(api, "Comment before\n" + root.pem + "\r\n" + other_root.pem)
        is_((answer.status, len(answer.json["items"])), (201, 2), "several at once: 201")
        api.delete(f"{USER}/{other_root.sha256}")
        is_(upload(api, root.pem + other_root.pem).status, 201, "one of two new: 201")

        for name, data, media, code in (
                ("a server's certificate", leaf.pem, PEM, "import.notCa"),
                ("a CA and a server's", other_root.pem + leaf.pem, PEM, "import.notCa"),
                ("a self-signed one", self_signed.pem, PEM, "import.notCa"), ("nothing", b"", PEM, "import.empty"),
                ("spaces", b" \n", PEM, "import.empty"),
                ("no certificate", b"hello", PEM, "import.empty"), ("garbage as DER", b"\x30\x82hello", DER, None),
                ("garbage as PKCS#7", b"hello", PKCS7, None),
                ("DER as PEM", root.der, PEM, None), ("PEM as DER", root.pem, DER, None),
                ("half a PEM", root.pem[:300], PEM, None),
                ("a broken PEM", root.pem.replace("M", "!", 5), PEM, None),
                ("DER and more", root.der + b"x", DER, None),
                ("a private key", open(root.key, encoding="ascii").read(), PEM, "import.privateKey"),
                ("a bundle with a private key", root.pem + open(root.key, encoding="ascii").read(), PEM,
                 "import.privateKey")):
            answer = upload(api, data, media)
            good = answer.status == 422 and answer.headers["Content-Type"] == "application/problem+json" and answer.json["detail"]
            if not ok(good and code in (None, answer.json["code"]), f"refused: {name}"):
                diag(repr(answer))
        ok("Allowed Hosts" in upload(api, leaf.pem).json["detail"],
           "a certificate that isn't a CA: a pointer to Allowed Hosts")
        is_(api.get(f"{USER}/{other_root.sha256}").status, 200, "what was there stays")
        is_(upload(api, root.pem, "application/json").status, 415, "JSON is no certificate")
        is_(api.post(USER, data=root.pem.encode()).status, 415, "no media type")
        is_(upload(api, b"x" * (11 << 20)).status, 413, "11 MB")
        key = open(root.key, encoding="ascii").read().splitlines()[5]
        ok(key not in postern.log(10_000_000), "a key that was refused isn't in the log")


def names_and_dry_runs():
    with Postern() as postern, Catcher(leaf) as catcher:
        api = postern.api
        account(api, catcher)
        is_(api.action("out", "verify").json["challenge"]["reasons"], ["unknown-issuer"], "nobody vouches yet")
        answer = upload(api, root.pem, query="?dryRun=true")
        is_(answer.status, 200, "a dry run")
        is_([(one["allowedHost"], one["accounts"], one["before"], one["after"]) for one in answer.json["impact"]],
            [(f"localhost:{catcher.port}", ["out"], "refused", "trusted")],
            "tells which accounts and exemptions would change verdict")
        is_([(one["resource"], one["action"], one["before"]) for one in answer.json["changes"]],
            [(f"UserCa/{root.sha256}", "create", None)], "and what would be made")
        is_(api.get(USER).json["items"], [], "and imports nothing")
        is_(upload(api, root.pem, query="?names=example.com,example.org").json["names"],
            ["example.com", "example.org"], "limited to host suffixes")
        path = f"{USER}/{root.sha256}"
        is_(api.action("out", "verify").json["ok"], False, "it vouches for no other")
        etag = api.get(path).etag
        is_(api.patch(path, {"names": ["localhost"]}, headers={"If-Match": '"0"'}).status, 412, "If-Match")
        answer = api.patch(path + "?dryRun=true", {"names": ["localhost"]})
        is_([one["after"] for one in answer.json["impact"]], ["trusted"], "another dry run")
        is_([(one["before"]["names"], one["after"]["names"]) for one in answer.json["changes"]],
            [(["example.com", "example.org"], ["localhost"])], "with before and after")
        is_(api.get(path).etag, etag, "changes nothing")
        answer = api.patch(path, {"names": ["localhost"]}, headers={"If-Match": etag})
        is_((answer.status, answer.json["names"], answer.etag != etag), (200, ["localhost"], True),
            "change the limit")
        is_(api.patch(path, {"names": ["localhost"]}).etag, answer.etag, "again: same ETag")
        is_(api.action("out", "verify").json["ok"], True, "now it vouches")
        is_(api.patch(path, {"certificate": None}).codes(), [("/certificate", "property.readOnly")],
            "the certificate is what it is")
        is_(api.patch(path, {"names": [5]}).status, 422, "no names")
        is_(api.patch(path, {"colour": 1}).codes(), [("/colour", "property.unknown")], "an unknown member")
        is_(api.patch(f"{USER}/{'0' * 64}", {"names": []}).status, 404, "no such CA")
        answer = api.delete(path + "?dryRun=true")
        is_((answer.status, [one["after"] for one in answer.json["impact"]]), (200, ["refused"]),
            "a dry run of a deletion")
        is_(api.action("out", "verify").json["ok"], True, "deletes nothing")
        postern.restart()
        is_(api.get(path).json["names"], ["localhost"], "kept over a restart")
        is_(api.action("out", "verify").json["ok"], True, "and it vouches still")
        is_(api.delete(path).status, 204, "delete")
        is_(api.action("out", "verify").json["ok"], False, "at once")


def life():
    with Postern() as postern, Catcher(self_signed) as catcher:
        api, path = postern.api, path_of(catcher)
        account(api, catcher)
        # Background sending records the host, whether or not anyone is looking.
        message = post(api)
        entry = api.until(path, lambda json: True).json
        is_(sorted(ENTRY - set(entry)), [], "an entry has all that DESIGN names")
        is_((entry["id"], entry["hostname"], entry["port"], entry["approval"], entry["reasons"], entry["accounts"]),
            (f"localhost:{catcher.port}", "localhost", catcher.port, "pending", ["self-signed"], ["out"]),
            "recorded by the sender alone")
        ok(FACTS <= set(entry["certificate"]) and entry["certificate"]["sha256"] == self_signed.sha256,
           "the certificate's facts")
        is_((entry["count"] >= 1, entry["lastUsed"], entry["expiresAt"], entry["previous"], entry["redundant"]),
            (True, None, None, None, False), "and no more")
        status = api.until(ACCOUNTS + "/out/status",
                           lambda json: json["status"]["state"] == "challenged").json["status"]
        is_((status["state"], status["code"]), ("challenged", "cert.challenge"), "the account says so")
        ok(not catcher.commands, "not a word was said to the server")
        ok(api.until(f"/api/v1/messages/{message}",
                     lambda json: json["state"] == "deferred").json["lastCode"] == "cert.challenge",
           "the message waits, and says why")
        is_(api.get(HOSTS + "?approval=pending").json["items"][0]["id"], entry["id"], "in the list, with its etag")
        is_(api.get(HOSTS + "?approval=approved").json["items"], [], "?approval=")
        is_(api.get("/api/v1/tree").json["children"][0]["children"][1]["challenges"], 1, "the tree counts it")

        approve = path + "/actions/approve"
        for body, status, code in (({}, 422, "property.required"), ({"sha256": "zz"}, 422, "fingerprint.format"),
                                   ({"sha256": "0" * 64}, 409, "certificate.other"),
                                   ({"sha256": another.sha256}, 409, "certificate.other"),
                                   ({"sha256": self_signed.sha256, "accepts": ["revoked"]}, 422,
                                    "reason.notAcceptable"),
                                   ({"sha256": self_signed.sha256, "colour": 1}, 422, "property.unknown")):
            answer = api.post(approve, body)
            is_((answer.status, answer.json["code"]), (status, code), f"approve {str(body)[:50]}: {status}")
        is_(api.get(path).json["approval"], "pending", "nothing is approved")
        is_(api.post(path + "/actions/admire", {}).status, 404, "an action that is none")
        is_(api.post(f"{HOSTS}/nowhere:1/actions/approve", {"sha256": "0" * 64}).status, 404,
            "an entry that isn't there")
        etag = api.get(path).etag
        is_(api.post(approve + "?dryRun=true",
                     {"sha256": self_signed.sha256}).json["changes"][0]["after"]["approval"], "approved", "a dry run")
        is_((api.get(path).json["approval"], api.get(path).etag), ("pending", etag), "approves nothing")
        is_(api.post(approve, {"sha256": self_signed.sha256}, headers={"If-Match": '"0"'}).status, 412, "If-Match")
        started = time.monotonic()
        answer = api.post(approve, {"sha256": self_signed.openssl_fingerprint(), "note": "compared by telephone"})
        is_((answer.status, answer.json["approval"], answer.json["accepts"], answer.json["note"],
             answer.json["approvedBy"]),
            (200, "approved", ["self-signed"], "compared by telephone", "token:test"),
            "approve with what openssl prints")
        ok(sent(api, message), f"waiting mail goes at once ({time.monotonic() - started:.2f} s)")
        entry = api.get(path).json
        ok(entry["lastUsed"] and entry["approval"] == "approved", "lastUsed")
        is_(api.status("out")["lastTls"]["sha256"], self_signed.sha256, "lastTls")

        catcher.identity = renewed
        time.sleep(2)       # longer than an idle connection is kept
        ok(sent(api, post(api)), "renewed with the same key: goes on")
        is_(api.get(path).json["approval"], "approved", "still approved")
        catcher.identity = another
        time.sleep(2)
        message = post(api)
        entry = api.until(path, lambda json: json["approval"] == "changed").json
        is_((entry["approval"], entry["certificate"]["sha256"], entry["previous"]["sha256"]),
            ("changed", another.sha256, renewed.sha256),
            "another key: changed, old and new side by side")
        api.until(ACCOUNTS + "/out/status", lambda json: json["status"]["state"] == "challenged")
        is_((api.status("out")["status"]["code"], state(api, message) in ("deferred", "queued")),
            ("cert.changed", True), "mail waits")
        is_(api.post(approve, {"sha256": renewed.sha256}).status, 409, "the old fingerprint approves nothing")
        is_(api.post(approve, {"sha256": base64.b64encode(bytes.fromhex(another.sha256)).decode()}).json["previous"],
            None, "approve the new one, in base64")
        ok(sent(api, message), "mail flows")

        is_(api.post(path + "/actions/reject", {"sha256": another.sha256}).json["approval"], "rejected", "reject")
        message = post(api)
        status = api.until(ACCOUNTS + "/out/status",
                           lambda json: json["status"]["code"] == "cert.rejected").json["status"]
        is_((status["code"], state(api, message) in ("deferred", "queued")), ("cert.rejected", True),
            "rejected: mail waits")
        is_(api.post(path + "/actions/approve", {"sha256": another.sha256}).status, 200, "approve it after all")
        ok(sent(api, message), "mail flows")
        is_(api.delete(path, {"If-Match": '"0"'}).status, 412, "DELETE with another ETag")
        is_(api.delete(path).status, 204, "DELETE forgets")
        is_(api.get(path).status, 404, "it is gone")
        message = post(api)
        is_(api.until(path, lambda json: True).json["approval"], "pending",
            "and asked anew: open connections were closed")
        postern.restart()
        is_(api.get(path).json["approval"], "pending", "kept over a restart")
        trail = [(one["action"], one["resource"]) for one in api.get("/api/v1/audit?limit=500").json["items"]]
        resource = f"AllowedHost/localhost:{catcher.port}"
        is_([action for action in ("approve", "reject", "delete") if (action, resource) not in trail], [],
            "all of it is in the audit trail")


def redundant():
    with Postern() as postern, Catcher(leaf) as catcher:
        api, path = postern.api, path_of(catcher)
        account(api, catcher)
        answer = api.action("out", "verify").json
        is_((answer["ok"], answer["challenge"]["id"], answer["certificate"]["sha256"]),
            (False, f"localhost:{catcher.port}", leaf.sha256), "verify brings the challenge")
        is_([step["name"] for step in answer["steps"]][-1], "certificate", "at the step certificate")
        ok(answer["steps"][-1]["ok"] is False and answer["steps"][-1]["detail"], "with its cause")
        is_(api.post(path + "/approve", {"sha256": leaf.sha256}).status, 200, "the short path does it, too")
        ok(sent(api, post(api)), "mail flows")
        is_(api.get(path).json["redundant"], False, "the exemption is needed")
        is_(upload(api, root.pem).status, 201, "import the root")
        api.action("out", "verify")
        entry = api.until(path, lambda json: json["redundant"]).json
        is_((entry["redundant"], entry["approval"]), (True, "approved"), "redundant, and still there")
        is_(api.delete(path).status, 204, "delete it")
        ok(sent(api, post(api)), "mail still flows")
        is_(api.get(path).status, 404, "and nothing was recorded anew")
        is_(api.delete(f"{USER}/{root.sha256}").status, 204, "delete the root")
        message = post(api)
        is_(api.until(path, lambda json: True).json["approval"], "pending",
            "open connections that relied on it were closed")
        ok(state(api, message) != "sent", "the next message waits")


def reasons():
    """All that is wrong, not the first; what nobody can accept; dates only for a time; the name stays checked."""
    with Postern() as postern:
        api = postern.api
        for identity, host, expected in ((expired, "localhost", ["self-signed", "expired"]),
                                         (elsewhere, "localhost", ["self-signed", "name-mismatch"]),
                                         (weak, "localhost", ["self-signed", "weak-key"]),
                                         (leaf, "127.0.0.1", ["unknown-issuer"])):
            with Catcher(identity) as catcher:
                account(api, catcher, hostname=host)
                answer = api.action("out", "verify").json
                entry = api.get(path_of(catcher, host)).json
                is_((answer["ok"], set(entry["reasons"])), (False, set(expected)), f"at {host}: {expected}")
                is_(set(answer["challenge"]["reasons"]), set(expected), "  told by verify as well")
                if identity is expired:
                    for body, code in (({}, "expiry.required"), ({"expiresAt": in_days(91)}, "expiry.required"),
                                       ({"expiresAt": in_days(-1)}, "expiry.past")):
                        refused = api.post(path_of(catcher) + "/actions/approve", {"sha256": identity.sha256, **body})
                        is_((refused.status, refused.codes()), (422, [("/expiresAt", code)]),
                            f"  expired, {body}: {code}")
                    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
                    is_(api.post(path_of(catcher) + "/actions/approve",
                                 {"sha256": identity.sha256, "expiresAt": soon}).status, 200, "  for a time")
                    is_(api.action("out", "verify").json["ok"], True, "  it is good")
                    time.sleep(3.2)
                    is_(api.action("out", "verify").json["ok"], False, "  and then no longer")
                if identity is weak:
                    answer = api.post(path_of(catcher) + "/actions/approve", {"sha256": identity.sha256})
                    is_((answer.status, answer.json["code"]), (422, "reason.notAcceptable"),
                        "  nobody can accept a weak key")
                    is_((entry["acceptable"], api.status("out")["status"]["code"]), (False, "cert.refused"),
                        "  and it says so")
                if identity is elsewhere:
                    api.patch(ACCOUNTS + "/out", {"verifyName": "elsewhere.example"})
                    is_(api.action("out", "verify").json["challenge"]["reasons"], ["self-signed"],
                        "  verifyName is the name that counts")


def provisioning():
    with Postern() as postern, Catcher(self_signed) as catcher:
        api, path = postern.api, path_of(catcher)
        account(api, catcher)
        answer = api.put(path, {"approval": "approved", "spkiSha256": self_signed.spki_sha256,
                                "note": "from the plan"}, headers={"If-None-Match": "*"})
        is_((answer.status, answer.json["approval"], answer.json["certificate"], answer.json["count"]),
            (201, "approved", None, 0), "before the first contact: 201")
        is_(api.put(path, {"approval": "approved", "spkiSha256": self_signed.spki_sha256,
                           "note": "from the plan"}).etag, answer.etag, "again: 200, same ETag")
        is_(api.put(path, {"approval": "approved", "sha256": self_signed.sha256},
                    headers={"If-None-Match": "*"}).status, 412, "If-None-Match: *")
        ok(sent(api, post(api)), "mail flows without a question")
        catcher.identity = another
        time.sleep(2)
        post(api)
        is_(api.until(path, lambda json: json["approval"] == "changed").json["approval"], "changed",
            "another key is a change")
        is_(api.put(path, {"approval": "rejected", "sha256": another.sha256}).json["approval"], "rejected",
            "PUT rejects as well")
        for name, fingerprint in (("sha256", another.sha256), ("spkiSha256", another.spki_sha256)):
            is_(api.put(path, {"approval": "approved", name: fingerprint}).status, 200, f"approved by {name}")
            is_(api.action("out", "verify").json["ok"], True, "  good")
        for body, codes in (({}, [("/approval", "property.required"), ("/sha256", "property.required")]),
                            ({"approval": "pending", "sha256": "0" * 64}, [("/approval", "property.choice")]),
                            ({"approval": "approved", "sha256": "x"}, [("/sha256", "fingerprint.format")]),
                            ({"approval": "approved", "spkiSha256": "0" * 63},
                             [("/spkiSha256", "fingerprint.format")]),
                            ({"approval": "approved", "sha256": "0" * 64, "accepts": ["expired"]},
                             [("/expiresAt", "expiry.required")]),
                            ({"approval": "approved", "sha256": "0" * 64, "accepts": ["malformed"]},
                             [("/accepts/0", "reason.notAcceptable")]),
                            ({"approval": "approved", "sha256": "0" * 64, "colour": 1},
                             [("/colour", "property.unknown")])):
            answer = api.put(path, body)
            ok(answer.status == 422 and all(one in answer.codes() for one in codes),
               f"refused: {codes}") or diag(repr(answer))
        for bad in ("localhost", "localhost:0", "localhost:70000", ":465", "localhost:0465", "::1:465", "a%20b:465"):
            answer = api.put(f"{HOSTS}/{bad}", {"approval": "approved", "sha256": "0" * 64})
            is_((answer.status, answer.json["code"]), (422, "id.format"), f"no host:port: {bad}")
        is_(api.put(f"{HOSTS}/%5B::1%5D:465", {"approval": "approved", "sha256": "0" * 64}).json["hostname"], "::1",
            "an IPv6 literal")
        is_(api.put(f"{HOSTS}/new.example:465?dryRun=true",
                    {"approval": "approved", "sha256": "0" * 64}).json["changes"][0]["action"], "create", "a dry run")
        is_(api.get(f"{HOSTS}/new.example:465").status, 404, "makes nothing")
        ids = [f"h{i:02}.example:465" for i in range(12)]
        for one in ids:
            api.put(f"{HOSTS}/{one}", {"approval": "approved", "sha256": "0" * 64})
        first = api.get(HOSTS + "?limit=8").json
        rest = api.get(f"{HOSTS}?limit=500&cursor={first['next']}").json
        listed = [one["id"] for one in first["items"] + rest["items"]]
        ok(len(first["items"]) == 8 and rest["next"] is None and [one for one in listed if one in ids] == ids,
           "pages join")
        ok(all(one["etag"] for one in first["items"]), "each with its etag")


def another_store():
    with Postern() as postern, Catcher(leaf) as catcher:
        api = postern.api
        upload(api, root.pem)
        for store, good in (("systemAndUser", True), ("user", True), ("system", False)):
            account(api, catcher, trustStores=store)
            is_(api.action("out", "verify").json["ok"], good, f"trustStores {store}: {'trusted' if good else 'not'}")
        system = api.get("/api/v1/trust/system?limit=5").json
        if system["items"]:
            ok(FACTS <= set(system["items"][0]["certificate"]) and system["items"][0]["id"], "the System Trust Store")
            more = api.get(f"/api/v1/trust/system?limit=5&cursor={system['next']}").json
            ok(not {one["id"] for one in system["items"]} & {one["id"] for one in more["items"]}, "in pages")
        is_(api.post("/api/v1/trust/system", {}).status, 405, "is read-only")
        is_(api.get("/api/v1/trust/keys").status, 200, "the User Key Store")


def probing():
    with Postern() as postern, Catcher(self_signed) as catcher, Catcher(leaf, starttls=True) as upgraded:
        api = postern.api
        body = {"hostname": "localhost", "port": catcher.port, "transport": "smtp", "useSsl": True}
        answer = api.post(PROBE, body)
        is_((answer.status, answer.json["verdict"], answer.json["acceptable"], answer.json["reasons"]),
            (200, "refused", True, ["self-signed"]), "a self-signed one")
        ok(FACTS <= set(answer.json["certificate"]) and answer.json["certificate"]["sha256"] == self_signed.sha256
           and answer.json["chain"] == [], "its facts")
        is_(answer.json["tls"]["protocol"], "tlsv1.3", "how it was said")
        is_(api.get(HOSTS).json["items"], [], "nothing is recorded")
        answer = api.post(PROBE, {"hostname": "localhost", "port": upgraded.port, "useStartTls": True})
        is_((answer.json["verdict"], answer.json["reasons"]), ("refused", ["unknown-issuer"]), "by STARTTLS")
        upload(api, root.pem)
        is_(api.post(PROBE, {"hostname": "localhost", "port": upgraded.port, "useStartTls": True}).json["verdict"],
            "trusted", "trusted")
        api.put(path_of(catcher), {"approval": "approved", "sha256": self_signed.sha256})
        is_(api.post(PROBE, body).json["verdict"], "exempt", "exempt")
        answer = api.post(PROBE, {"hostname": "localhost", "port": catcher.port, "useSsl": True,
                                  "verifyName": "other.example"})
        ok("name-mismatch" in answer.json["reasons"], "verifyName")
        ok(not any(line.startswith(("AUTH", "MAIL")) for one in (catcher, upgraded) for line in one.commands),
           "it logs in nowhere")
        for wrong, codes in (({}, {"/hostname", "/useSsl"}),
                             ({**body, "useStartTls": True}, {"/useSsl", "/useStartTls"}),
                             ({**body, "port": 0}, {"/port"}),
                             ({**body, "colour": 1}, {"/colour"}), ({**body, "password": "x"}, {"/password"}),
                             ({**body, "transport": "http"}, {"/transport"})):
            answer = api.post(PROBE, wrong)
            ok(answer.status == 422 and {pointer for pointer, _ in answer.codes()} == codes,
               f"refused: {sorted(codes)}") or diag(repr(answer))
        answer = api.post(PROBE, {"hostname": "localhost", "port": 9, "useSsl": True})
        is_((answer.status, answer.json["verdict"], answer.json["code"], answer.json["certificate"]),
            (200, "refused", "connect.refused", None), "nobody there")
        operator = api.clone(headers={"Authorization": f"Bearer {postern.token('op', 'operator')}"})
        is_(operator.post(PROBE, body).status, 403, "it is an administrator's")
        ok(any(one["action"] == "probe" for one in api.get("/api/v1/audit").json["items"]), "and audited")
        answers = [api.post(PROBE, {"hostname": "localhost", "port": 9, "useSsl": True}) for _ in range(25)]
        limited = [answer for answer in answers if answer.status == 429]
        ok(limited and int(limited[0].headers["Retry-After"]) >= 1, "and limited in rate")


def roles():
    with Postern() as postern:
        api = postern.api
        upload(api, root.pem)
        api.put(f"{HOSTS}/h.example:465", {"approval": "approved", "sha256": "0" * 64})
        clones = {role: api.clone(headers={"Authorization": f"Bearer {postern.token(role, role)}"})
                  for role in ("viewer", "operator")}
        for path in ("/api/v1/trust/system?limit=1", USER, f"{USER}/{root.sha256}", HOSTS, f"{HOSTS}/h.example:465"):
            is_([clones["viewer"].get(path).status, postern.anonymous().get(path).status], [200, 401],
                f"GET {path[:40]}")
        for method, path, body in (("PATCH", f"{USER}/{root.sha256}", {"names": []}),
                                   ("DELETE", f"{USER}/{root.sha256}", None),
                                   ("PUT", f"{HOSTS}/h.example:465", {"approval": "approved", "sha256": "1" * 64}),
                                   ("DELETE", f"{HOSTS}/h.example:465", None),
                                   ("POST", f"{HOSTS}/h.example:465/actions/reject", {})):
            is_([clones[role].request(method, path, body).status for role in clones], [403, 403],
                f"{method} {path[:40]} is an administrator's")
        is_([upload(clones[role], other_root.pem).status for role in clones], [403, 403], "and so is importing")
        is_((api.get(f"{HOSTS}/h.example:465").json["approval"], len(api.get(USER).json["items"])), ("approved", 1),
            "nothing has changed")


main(importing, names_and_dry_runs, life, redundant, reasons, provisioning, another_store, probing, roles)
