#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole configuration as one document: exported, planned, applied all or nothing, pruned (DESIGN 5, /config)."""

import base64
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from pki import Pki
from postern import ADMIN_PASSWORD, Postern
from schema import faults
from tap import diag, is_, main, ok, scale

CONFIG = "/api/v1/config"
PASSWORD = "correct horse battery"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
SECTIONS = ["accounts", "allowedHosts", "services", "userCas", "users", "webhooks"]
pki = Pki()
root, leaf = pki.ca("Root"), pki.leaf("localhost")


def account(name, **more):
    return {"name": name, "type": "OutgoingAccount", "hostname": "127.0.0.1", "port": 1, "enabled": False, **more}


def basic(**more):
    return {"emailAuthenticator": {"type": "basic", "username": "plant", **more}}


def item_of(document, section, name, key="name"):
    return next(item for item in document[section] if item[key] == name)


def credential(postern, name, text):
    folder = os.path.join(postern.state, "credentials")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text + "\n")


def good(answer, name, status=200):
    return ok(answer.status == status, name) or diag(repr(answer))


def refused(api, document, expected, name, query="", status=422):
    """Refused with just these places and codes; nothing was applied."""
    before = api.get(CONFIG).text
    answer = api.put(CONFIG + query, document)
    ok((answer.status, sorted(answer.codes())) == (status, sorted(expected)), name) or diag(repr(answer))
    is_(api.get(CONFIG).text == before, True, f"nothing was applied: {name}")
    return answer


def whole(catcher):
    """A document with something in each section; every secret is given."""
    return {
        "services": [{"name": "EmailService", "type": "EmailService", "defaultOutgoingAccount": "catch"},
                     {"name": "WebService", "type": "WebService", "webhookPrivateTargets": ["127.0.0.1"]}],
        "accounts": [account("zeta", **basic(password="s3cret-of-zeta"), description="Größe ✓"),
                     account("catch", port=catcher.port, enabled=True, emailAuthenticator={"type": "none"}),
                     account("alpha", **basic(password={"$file": "alpha"})),
                     {"name": "in", "type": "IncomingAccount", "hostname": "127.0.0.1", "port": 1, "enabled": False,
                      **basic(password="s3cret-of-in")}],
        "userCas": [{"id": root.sha256, "certificate": root.pem, "names": ["plant.example"]}],
        "allowedHosts": [{"id": "mail.example:465", "approval": "approved", "sha256": leaf.sha256, "note": "checked by phone"},
                         {"id": "[2001:db8::1]:993", "approval": "rejected", "spkiSha256": "ab" * 32}],
        "users": [{"name": "alice", "role": "admin", "password": PASSWORD},
                  {"name": "bob", "role": "viewer", "description": "Night shift", "password": {"$file": "bob"}}],
        "webhooks": [{"name": "board", "url": "http://127.0.0.1:1/hook", "secret": SECRET, "events": ["message.*"]}],
    }


def secrets_given(document):
    """An exported document with its secrets written into it, as a tool would have it."""
    filled = json.loads(json.dumps(document))
    for item in filled["accounts"]:
        if item["name"] in ("zeta", "in"):
            item["emailAuthenticator"]["password"] = "s3cret-of-" + item["name"]
    item_of(filled, "webhooks", "board")["secret"] = SECRET
    item_of(filled, "users", "admin")["password"] = ADMIN_PASSWORD
    item_of(filled, "users", "alice")["password"] = PASSWORD
    item_of(filled, "users", "bob")["password"] = {"$file": "bob"}
    return filled


def prepared(postern):
    credential(postern, "alpha", "s3cret-of-alpha")
    credential(postern, "bob", "night shift password")


def round_trip():
    with Catcher() as catcher, Postern() as first, Postern() as second:
        prepared(first)
        prepared(second)
        answer = first.api.put(CONFIG, whole(catcher))
        good(answer, "a whole document is applied")
        exported = first.api.get(CONFIG)
        is_(exported.headers["ETag"], answer.headers["ETag"], "the answer has the ETag of what is there now")
        document = exported.json
        is_(list(document), SECTIONS, "the sections, sorted")
        is_([item["name"] for item in document["accounts"]], ["alpha", "catch", "in", "zeta"], "accounts, sorted")
        is_(exported.text, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "a line for each value, sorted")
        zeta, alpha = item_of(document, "accounts", "zeta"), item_of(document, "accounts", "alpha")
        is_(zeta["emailAuthenticator"].get("password"), None, "no secret")
        is_(zeta["emailAuthenticator"]["passwordSet"], True, "but that there is one")
        is_(alpha["emailAuthenticator"]["password"], {"$file": "alpha"}, "a reference stays")
        is_([one for one in ("s3cret", SECRET, PASSWORD, "night shift p", "yescrypt", "$y$") if one in exported.text], [],
            "no secret anywhere")
        is_(faults(document, first.api.get(CONFIG + "/schema").json), [], "fits its schema")
        is_(faults(whole(catcher), first.api.get(CONFIG + "/schema").json), [], "as does what was applied")

        missing = second.api.put(CONFIG, document)
        ok(missing.status == 422 and ("/accounts/2/emailAuthenticator/passwordSet", "secret.missing") in missing.codes()
           and ("/webhooks/0/secret", "property.required") in missing.codes()
           and ("/users/1/password", "property.required") in missing.codes(), "what is missing is named") or diag(repr(missing))

        filled = secrets_given(document)
        good(second.api.put(CONFIG, filled), "the export with its secrets goes into an empty Postern")
        is_(second.api.get(CONFIG).text == exported.text, True, "whose export is the same, byte for byte")
        good(second.anonymous().post("/api/v1/session", {"username": "bob", "password": "night shift password"}), "users can log in")

        second.api.until("/api/v1/accounts/catch/status", lambda status: status["status"]["state"] == "ok")
        events = second.api.get("/api/v1/events?limit=1", headers={"Accept": "application/json"}).json["items"]
        sessions, etag = catcher.sessions, second.api.get(CONFIG).headers["ETag"]
        again = second.api.put(CONFIG, filled)
        is_((again.status, again.json["changes"], again.json["unchanged"]), (200, [], 15), "the second application changes nothing")
        is_(again.headers["ETag"], etag, "nor the ETag")
        is_(catcher.sessions, sessions, "and nothing connects anew")
        is_(second.api.get("/api/v1/events?limit=1", headers={"Accept": "application/json"}).json["items"], events, "and nothing is told")
        good(second.api.put(CONFIG + "?prune=true", document), "the export itself changes nothing either, with prune")
        is_(second.api.get(CONFIG).headers["ETag"], etag, "secrets stay")
        second.restart()
        is_(second.api.get(CONFIG).text == exported.text, True, "the same after a restart")


def plans():
    with Postern() as postern:
        api = postern.api
        good(api.put(CONFIG, {"accounts": [account("a", **basic(password="one")), account("b")]}), "two accounts")
        document = {"accounts": [account("a", **basic(password="two")), account("b", description="x"), account("c")]}
        etag = api.get(CONFIG).headers["ETag"]
        plan = api.put(CONFIG + "?dryRun=true", document)
        changes = {change["resource"]: change for change in plan.json["changes"]}
        is_({name: change["action"] for name, change in changes.items()},
            {"OutgoingAccount/a": "change", "OutgoingAccount/b": "change", "OutgoingAccount/c": "create"}, "what would be done")
        is_((plan.json["unchanged"], plan.headers["ETag"]), (0, etag), "and nothing is")
        is_(api.get(CONFIG).headers["ETag"], etag, "indeed")
        one, other = changes["OutgoingAccount/a"], changes["OutgoingAccount/b"]
        is_((one["reconnects"], one["properties"]), (True, ["emailAuthenticator"]), "another password: it reconnects")
        is_("two" in json.dumps(one["after"]), False, "which is not shown")
        is_((other["reconnects"], other["properties"]), (False, ["description"]), "another description: it does not")
        is_(changes["OutgoingAccount/c"]["before"], None, "before the first: nothing")
        warned = api.put(CONFIG + "?dryRun=true", {"accounts": [account("w", port=465)]})
        is_([one["pointer"] for one in warned.json.get("warnings", [])], ["/accounts/0/port"], "what is worth knowing has its place")
        token = plan.json["planToken"]
        is_(api.put(f"{CONFIG}?plan={token}", {"accounts": [account("d")]}).status, 409, "a token of another document")
        is_(api.put(f"{CONFIG}?plan={token}&prune=true", document).status, 409, "or of another way to apply it")
        good(api.put(f"{CONFIG}?plan={token}", document), "the planned one")
        answer = api.put(f"{CONFIG}?plan={token}", document)
        is_((answer.status, answer.json["code"]), (409, "plan.stale"), "once: things changed since")
        fresh = api.put(CONFIG + "?dryRun=true", document).json["planToken"]
        api.patch("/api/v1/accounts/b", basic(password="elsewhere"))
        is_(api.put(f"{CONFIG}?plan={fresh}", document).status, 409, "also a secret that changed")
        etag = api.get(CONFIG).headers["ETag"]
        is_(api.get(CONFIG, headers={"If-None-Match": etag}).status, 304, "If-None-Match")
        is_(api.put(CONFIG, document, headers={"If-Match": '"0"'}).status, 412, "If-Match of something else")
        good(api.put(CONFIG, document, headers={"If-Match": etag}), "If-Match")
        is_(api.put(CONFIG, document, headers={"If-Match": etag}).status, 412, "which holds once")
        is_(api.put(CONFIG + "?purne=true", document).status, 422, "an unknown parameter")
        events = api.get("/api/v1/events?limit=500&type=config.applied", headers={"Accept": "application/json"}).json["items"]
        ok(len(events) >= 3 and events[-1]["data"] == {"created": 2, "changed": 0, "deleted": 0, "unchanged": 0}, "events tell of it") \
            or diag(repr(events))
        ok(any(one["action"] == "apply" and one["resource"] == "Config/config" for one in api.get("/api/v1/audit").json["items"]),
           "and the audit trail")


def wrong():
    with Postern() as postern:
        api = postern.api
        good(api.put(CONFIG, {"accounts": [account("a", **basic(password="one"))]}), "an account")
        cases = [
            ("two of one name", {"accounts": [account("x"), account("y"), account("x")]}, [("/accounts/2/name", "name.twice")]),
            ("an unknown property deep inside", {"accounts": [account("n"), account("m", **basic(pasword="x"))]},
             [("/accounts/1/emailAuthenticator/pasword", "property.unknown")]),
            ("a file that is not there", {"accounts": [account("n", **basic(password={"$file": "nowhere"}))]},
             [("/accounts/0/emailAuthenticator/password", "secret.missing")]),
            ("a path", {"accounts": [account("n", **basic(password={"$file": "../key"}))]},
             [("/accounts/0/emailAuthenticator/password", "secret.file")]),
            ("a file for a user that is not there", {"users": [{"name": "u", "password": {"$file": "nowhere"}}]},
             [("/users/0/password", "secret.missing")]),
            ("wrong types", {"accounts": [account("n", port="25"), account("m", enabled=1)], "webhooks": 7},
             [("/accounts/0/port", "property.type"), ("/accounts/1/enabled", "property.type"), ("/webhooks", "property.type")]),
            ("no objects", {"accounts": [7, None], "users": ["x"]},
             [("/accounts/0", "property.type"), ("/accounts/1", "property.type"), ("/users/0", "property.type")]),
            ("no name", {"accounts": [{"type": "OutgoingAccount"}], "allowedHosts": [{"approval": "approved"}]},
             [("/accounts/0/name", "property.required"), ("/allowedHosts/0/id", "property.required")]),
            ("an odd name", {"accounts": [account("a/b")]}, [("/accounts/0/name", "name.format")]),
            ("an unknown section", {"acounts": []}, [("/acounts", "property.unknown")]),
            ("odd names of what is unknown", {"a/b~c": 1, "accounts": [account("n", **{"a/b~c": 1})]},
             [("/a~1b~0c", "property.unknown"), ("/accounts/0/a~1b~0c", "property.unknown")]),
            ("no type", {"accounts": [{"name": "n"}]}, [("/accounts/0/type", "property.required")]),
            ("another type", {"accounts": [{"name": "a", "type": "IncomingAccount"}]}, [("/accounts/0/type", "type.fixed")]),
            ("a type of another section", {"users": [{"name": "u", "type": "Webhook", "password": PASSWORD}]},
             [("/users/0/type", "property.choice")]),
            ("a new user without a password", {"users": [{"name": "u"}]}, [("/users/0/password", "property.required")]),
            ("a short password", {"users": [{"name": "u", "password": "x"}]}, [("/users/0/password", "password.short")]),
            ("a service that there is not", {"services": [{"name": "MailService"}]}, [("/services/0", "notFound")]),
            ("an account that nobody has", {"services": [{"name": "EmailService", "defaultOutgoingAccount": "none"}]},
             [("/services/0/defaultOutgoingAccount", "reference.missing")]),
            ("a webhook that may not go there", {"webhooks": [{"name": "w", "url": "http://127.0.0.1/", "secret": SECRET}]},
             [("/webhooks/0/url", "webhook.cleartext")]),
            ("no certificate", {"userCas": [{"id": "ab" * 32}]}, [("/userCas/0/certificate", "property.required")]),
            ("another certificate", {"userCas": [{"id": "ab" * 32, "certificate": root.pem}]}, [("/userCas/0/id", "id.fixed")]),
            ("what a CA does not have", {"userCas": [{"id": root.sha256, "certificate": root.pem, "trust": 1}]},
             [("/userCas/0/trust", "property.unknown")]),
            ("no host", {"allowedHosts": [{"id": "x", "approval": "approved", "sha256": "ab" * 32}]},
             [("/allowedHosts/0/id", "id.format")]),
            ("an exemption that nobody may make",
             {"allowedHosts": [{"id": "h.example:25", "approval": "maybe", "sha256": "zz", "accepts": ["revoked"]}]},
             [("/allowedHosts/0/approval", "property.choice"), ("/allowedHosts/0/sha256", "fingerprint.format"),
              ("/allowedHosts/0/accepts/0", "reason.notAcceptable")]),
            ("nothing to keep", {"accounts": [account("n", **basic(passwordSet=True))]},
             [("/accounts/0/emailAuthenticator/passwordSet", "secret.missing")]),
        ]
        for name, document, expected in cases:
            before = api.get(CONFIG).text
            # What is right in the same document isn't applied either.
            right = [{"name": "UserService", "minPasswordLength": 12}]
            answer = api.put(CONFIG, {**document, "services": document.get("services", []) + right})
            ok((answer.status, sorted(answer.codes())) == (422, sorted(expected)), name) or diag(repr(answer))
            ok(api.get(CONFIG).text == before, f"{name}: nothing is applied")
        is_(api.put(CONFIG, data=b"{", headers={"Content-Type": "application/json"}).status, 400, "no JSON")
        is_(api.put(CONFIG, data=b'{"accounts":[],"accounts":[]}', headers={"Content-Type": "application/json"}).status, 400,
            "one section twice")
        is_(api.put(CONFIG, data=b"[]", headers={"Content-Type": "application/json"}).status, 422, "no object")
        many = api.put(CONFIG, {"accounts": [account(f"n{i}", port="x") for i in range(300)]})
        is_((many.status, len(many.codes())), (422, 100), "a hundred faults are enough")


def order():
    """What refers to what stands in any order; the last administrator stays."""
    with Postern() as postern:
        api = postern.api
        good(api.put(CONFIG, {"users": [{"name": "admin", "role": "viewer"}, {"name": "zoe", "role": "admin", "password": PASSWORD}]}),
             "one administrator for another")
        answer = api.put(CONFIG, {"users": [{"name": "zoe", "role": "viewer"}]})
        is_((answer.status, answer.codes()), (409, [("/users/0", "user.lastAdmin")]), "but the last one stays")
        person = postern.login("zoe", PASSWORD)
        good(api.put(CONFIG, {"users": [{"name": "zoe", "role": "admin", "password": PASSWORD + "2"}]}), "another password")
        is_(person.get("/api/v1/session").status, 401, "logs out")
        services = [{"name": "CertificateService", "exemptionDaysMax": 5}, {"name": "UserService", "minPasswordLength": 30}]
        host = {"id": "h.example:25", "approval": "approved", "sha256": leaf.sha256}
        answer = api.put(CONFIG, {"users": [{"name": "new", "password": PASSWORD}], "allowedHosts": [host], "services": services})
        is_((answer.status, sorted(answer.codes())),
            (422, [("/allowedHosts/0/expiresAt", "expiry.limit"), ("/users/0/password", "password.short")]),
            "the document's own settings hold for the rest of it")
        good(api.put(CONFIG, {"allowedHosts": [host]}), "an exemption without end")
        document = api.get(CONFIG).json
        good(api.put(CONFIG, {"services": services}), "a limit comes")
        answer = api.put(CONFIG, {"allowedHosts": document["allowedHosts"]})
        is_((answer.status, answer.json.get("unchanged")), (200, 1), "what stands is no decision again")
        good(api.put("/api/v1/users/eve", {"role": "operator", "password": PASSWORD * 2}), "an operator", 201)
        eve = postern.login("eve", PASSWORD * 2)
        is_((eve.get(CONFIG).status, eve.put(CONFIG, {}).status, eve.get(CONFIG + "/schema").status), (403, 403, 200),
            "export and application take an administrator")
        is_(postern.anonymous().get(CONFIG).status, 401, "and a log-in")


def pruning():
    with Catcher() as catcher, Postern() as postern:
        prepared(postern)
        api = postern.api
        good(api.put(CONFIG, whole(catcher)), "a whole document")
        api.post("/api/v1/accounts/zeta/messages", {"from": "a@example.com", "to": ["b@example.com"], "subject": "x"})
        api.patch("/api/v1/accounts/zeta", {"allowDisabledQueuing": True})
        sent = api.post("/api/v1/accounts/zeta/messages", {"from": "a@example.com", "to": ["b@example.com"], "subject": "x"})
        good(sent, "a message waits", 202)
        refused(api, {"accounts": []}, [("/accounts", "account.messagesWaiting"), ("/accounts", "account.isDefault")],
                "messages wait, and one is the default", "?prune=true", 409)
        good(api.put(CONFIG, {"accounts": []}), "without prune nothing goes")
        is_(len(api.get(CONFIG).json["accounts"]), 4, "indeed")
        plan = api.put(CONFIG + "?prune=true&dryRun=true", {"webhooks": [], "userCas": [], "allowedHosts": []})
        is_(sorted(change["resource"] for change in plan.json["changes"]),
            sorted(["Webhook/board", f"UserCa/{root.sha256}", "AllowedHost/mail.example:465", "AllowedHost/[2001:db8::1]:993"]),
            "a section that is not there is left alone")
        is_({change["action"] for change in plan.json["changes"]}, {"delete"}, "all of it goes")
        ok(all(change["before"] and change["after"] is None for change in plan.json["changes"]), "and is told as it was")
        good(api.put(CONFIG + "?prune=true", {"webhooks": [], "userCas": [], "allowedHosts": []}), "prune")
        now = api.get(CONFIG).json
        is_((now["webhooks"], now["userCas"], now["allowedHosts"], len(now["accounts"])), ([], [], [], 4), "is done")
        is_(api.get("/api/v1/trust/user").json["items"], [], "there too")
        answer = api.put(CONFIG + "?prune=true", {"users": []})
        is_((answer.status, {code for _, code in answer.codes()}), (409, {"user.lastAdmin"}), "not the last administrator")
        plan = api.put(CONFIG + "?prune=true&force=true&dryRun=true", {"accounts": []})
        ok(plan.status == 200 and "EmailService/EmailService" in [change["resource"] for change in plan.json["changes"]],
           "forced: the default goes with it") or diag(repr(plan))
        good(api.put(CONFIG + "?prune=true&force=true", {"accounts": []}), "forced")
        now = api.get(CONFIG).json
        is_((now["accounts"], item_of(now, "services", "EmailService")["defaultOutgoingAccount"]), ([], ""), "all gone")
        is_(api.get(f"/api/v1/messages/{sent.json['id']}").json["state"], "canceled", "its message is canceled, visibly")
        postern.restart()
        is_(api.get(CONFIG).json, now, "also after a restart")


def exemptions():
    """What servers do to an exemption is no change of the document."""
    renewed, other = pki.leaf("localhost", key=leaf.key), pki.leaf("localhost")
    with Catcher(leaf) as catcher, Postern() as postern:
        api = postern.api
        place = f"localhost:{catcher.port}"
        document = {"accounts": [account("out", hostname="localhost", port=catcher.port, useSsl=True, enabled=True,
                                         emailAuthenticator={"type": "none"})],
                    "allowedHosts": [{"id": place, "approval": "approved", "sha256": leaf.sha256, "note": "ours"}]}

        def entry():
            return api.get(f"/api/v1/trust/allowed-hosts/{place}").json

        def holds(name):
            report = api.action("out", "verify").json
            ok(report["ok"], name) or diag(repr(report))

        def same(name):
            answer = api.put(CONFIG, document)
            ok((answer.status, answer.json.get("changes")) == (200, []), name) or diag(repr(answer))

        good(api.put(CONFIG, document), "an exemption before the first contact")
        same("again")
        holds("it holds")
        same("again, when its key is known")
        catcher.identity = renewed
        holds("renewed with the same key it holds")
        same("again, with the renewed one")
        is_(api.action("out", "verify").json["ok"], True, "and still does")
        catcher.identity = other
        is_(api.action("out", "verify").json["ok"], False, "another key")
        is_(entry()["approval"], "changed", "is a question")
        same("to which the document is no answer")
        is_(entry()["approval"], "changed", "so that it stays one")
        is_(api.get(CONFIG).json["allowedHosts"][0]["approval"], "approved", "the export tells the decision that stands")
        document["allowedHosts"][0].update(sha256=other.sha256, note="changed by us")
        plan = api.put(CONFIG, document)
        is_([(change["resource"], change["action"]) for change in plan.json["changes"]], [(f"AllowedHost/{place}", "change")],
            "another fingerprint answers it")
        is_((plan.json["changes"][0]["before"]["sha256"], plan.json["changes"][0]["after"]["sha256"]), (leaf.sha256, other.sha256),
            "before and after")
        is_((entry()["approval"], api.action("out", "verify").json["ok"]), ("approved", True), "and holds")


def many():
    with Postern() as postern:
        api = postern.api.clone(timeout=scale(60, 300))
        document = {"accounts": [account(f"n{i:04}", **basic(password=f"p{i}")) for i in range(2000)]}
        begin = time.monotonic()
        plan = api.put(CONFIG + "?dryRun=true", document)
        took = time.monotonic() - begin
        is_((plan.status, len(plan.json["changes"])), (200, 2000), "two thousand accounts are planned")
        diag(f"planned in {took:.2f} s")
        ok(took < scale(10, 60), "in reasonable time")
        begin = time.monotonic()
        good(api.put(CONFIG, document), "and applied")
        diag(f"applied in {time.monotonic() - begin:.2f} s")
        again = api.put(CONFIG, document)
        is_((again.json["changes"], again.json["unchanged"]), ([], 2000), "once")


def at_once():
    """Two who apply, one who changes, and readers: each sees one document or the other."""
    with Postern() as postern:
        api = postern.api
        documents = [{"accounts": [account(f"n{i:02}", description=word) for i in range(50)]} for word in ("one", "other")]
        good(api.put(CONFIG, documents[0]), "fifty accounts")
        end = time.monotonic() + scale(3, 6)
        statuses, words, broken = set(), set(), []

        def apply(document):
            while time.monotonic() < end:
                statuses.add(api.put(CONFIG, document).status)

        def change():
            while time.monotonic() < end:
                api.put("/api/v1/accounts/besides", account("besides", description=str(time.monotonic())))
                api.delete("/api/v1/accounts/besides")

        threads = [threading.Thread(target=apply, args=(document,)) for document in documents] + [threading.Thread(target=change)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            seen = {item["description"] for item in api.get(CONFIG).json["accounts"] if item["name"] != "besides"}
            words |= seen
            if len(seen) != 1:
                broken.append(seen)
        for thread in threads:
            thread.join()
        is_((statuses, words, broken), ({200}, {"one", "other"}, []), "no export is half of each")


def killed():
    document = {"accounts": [account(f"n{i:04}") for i in range(2000)]}
    outcomes = set()
    for wait in (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.9, 1.4):
        postern = Postern().start()
        try:
            thread = threading.Thread(target=lambda p=postern: swallow(p, document))
            thread.start()
            time.sleep(wait)
            postern.kill9()
            thread.join()
            postern.start()
            count = len(postern.api.get(CONFIG).json["accounts"])
            outcomes.add(count)
            ok(count in (0, 2000), f"killed after {wait} s: all or nothing") or diag(str(count))
            postern.stop()
        finally:
            postern.kill9()
            postern.remove()
    diag(f"accounts then: {sorted(outcomes)}")


def swallow(postern, document):
    try:
        postern.api.put(CONFIG, document)
    except Exception:
        pass        # it was killed


main(round_trip, plans, wrong, order, pruning, exemptions, many, at_once, killed)
