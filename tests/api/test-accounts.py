#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Accounts: create, replace, merge patch, delete, rename, ETags, lists, dry runs, ports that follow security (DESIGN 2, 5)."""

import glob
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from postern import Postern
from tap import diag, is_, main, ok

ACCOUNTS = "/api/v1/accounts"
OUT, IN = "OutgoingAccount", "IncomingAccount"
SECRET = "S3cret-of-the-mail-server"
READ_ONLY = ("status", "lastPollSuccess", "lastPollFailure", "lastPollFailureCause", "lastTls", "queueSize",
             "numberSent",
             "numberDiscarded", "lastDiscard", "lastDiscardCause")
# DESIGN 2.1 and 2.3
BOTH = {"enabled": True, "hostname": "", "useSsl": False, "useStartTls": False, "tlsMinProtocol": "tlsv1.2",
        "verifyName": "",
        "trustStores": "systemAndUser", "allowCleartextAuth": False, "connectionTimeout": 30, "pollrate": 60,
        "debug": False,
        "description": "", "emailAuthenticator": {"type": "basic", "username": "", "passwordSet": False,
                                                  "mechanism": "auto"},
        "maxMessageSize": 26214400, "retention": 30}
DEFAULTS = {
    OUT: {**BOTH, "port": 25, "transport": "smtp", "from": "", "replyTo": "", "maxQueueSize": 10000,
          "maxSendablePerDay": 0,
          "allowDisabledQueuing": False, "batch": False, "maxConnections": 2, "retryFor": 432000,
          "deliveryGuarantee": "atLeastOnce"},
    IN: {**BOTH, "port": 110, "transport": "pop3", "mailbox": "INBOX", "push": True, "deliveryPolicy": "markAsRead",
         "maxPerPoll": 100,
         "ignoreAttachments": False},
}


def basic(**more):
    return {"type": "basic", "username": "plant", "password": SECRET, **more}


def problem(answer, status, code, name):
    """RFC 9457, and what every answer of ours has."""
    body = answer.json or {}
    good = answer.status == status and answer.headers["Content-Type"] == "application/problem+json" and \
        body.get("status") == status and body.get("code") == code and bool(body.get("title")) and bool(body.get("detail")) and \
        "type" in body and body.get("requestId") == answer.headers["X-Request-Id"]
    if not ok(good, f"{name}: {status} {code}"):
        diag(repr(answer))
    return good


def create_and_read():
    with Postern() as postern:
        api = postern.api
        for kind in (OUT, IN):
            name = kind.lower()
            answer = api.post(ACCOUNTS, {"name": name, "type": kind})
            is_((answer.status, answer.headers["Location"]), (201, f"{ACCOUNTS}/{name}"), f"create an {kind}")
            is_(answer.headers["Content-Type"], "application/json", "Content-Type")
            is_(answer.json, {"name": name, "type": kind, **DEFAULTS[kind]},
                "every property at its default, and nothing read-only")
            ok(re.fullmatch(r'"[0-9a-f]+"', answer.etag or ""), "a strong hex ETag")
            read = api.get(f"{ACCOUNTS}/{name}")
            is_((read.status, read.etag, read.body), (200, answer.etag, answer.body), "the same when read")
            not_modified = api.get(f"{ACCOUNTS}/{name}", {"If-None-Match": answer.etag})
            is_((not_modified.status, not_modified.body, not_modified.etag), (304, b"", answer.etag),
                "304 without a body")
            is_(api.get(f"{ACCOUNTS}/{name}", {"If-None-Match": f'"00", W/{answer.etag}'}).status, 304,
                "304 for one of several")
            is_(api.get(f"{ACCOUNTS}/{name}", {"If-None-Match": '"00"'}).status, 200, "200 for another")
            is_(api.get(f"{ACCOUNTS}/{name}", {"If-None-Match": "*"}).status, 304, "304 for any")
        problem(api.post(ACCOUNTS, {"name": "outgoingaccount", "type": OUT}), 409, "name.taken", "the name is taken")
        problem(api.post(ACCOUNTS, {"name": "outgoingaccount", "type": IN}), 409, "name.taken",
                "also for another type")
        problem(api.get(ACCOUNTS + "/nobody"), 404, "notFound", "an account that isn't there")
        for body, codes in (({"type": OUT}, [("/name", "property.required")]),
                            ({"name": 5, "type": OUT}, [("/name", "property.required")]),
                            ({"name": "x"}, [("/type", "property.required")]),
                            ({"name": "x", "type": "Account"}, [("/type", "property.choice")]),
                            ({"name": "x", "type": 5}, [("/type", "property.choice")])):
            answer = api.post(ACCOUNTS, body)
            is_((answer.status, answer.codes()), (422, codes), f"POST {body}")
        for name in ("a/b", "", ".hidden", "x" * 65, "a b", "ä", "a\nb", "..", "a%2fb", "~"):
            answer = api.post(ACCOUNTS, {"name": name, "type": OUT})
            is_((answer.status, answer.codes()), (422, [("/name", "name.format")]),
                f"a name that is none: {name!r:.20}")
        for path in (".hidden", "x" * 65, "a%20b", "%C3%A4"):
            answer = api.put(f"{ACCOUNTS}/{path}", {"type": OUT})
            is_((answer.status, answer.codes()), (422, [("/name", "name.format")]), f"in the path: {path:.20}")
        is_(api.put(f"{ACCOUNTS}/a/b", {"type": OUT}).status, 404, "a slash as it is: another path")
        for path in ("a%2Fb", "a%0Ab", "a%00b", "a%zz", "a%", "%ff"):
            is_(api.put(f"{ACCOUNTS}/{path}", {"type": OUT}).status, 400, f"a path that is badly encoded: {path}")
        for name in ("x" * 64, "A-Z_a.z-09", "-", "_", "a..b"):
            is_(api.put(f"{ACCOUNTS}/{name}", {"type": OUT}).status, 201, f"a name that is one: {name:.20}")
        is_(api.get(f"{ACCOUNTS}/verify").status, 404, "an account called verify isn't there")
        is_(api.put(f"{ACCOUNTS}/verify", {"type": OUT}).status, 201, "and may be")


def replace():
    with Postern() as postern:
        api, path = postern.api, ACCOUNTS + "/alerts"
        answer = api.put(path, {"type": OUT, "hostname": "mail.example.com", "useSsl": True,
                                "emailAuthenticator": basic()})
        is_((answer.status, answer.json["port"]), (201, 465), "PUT creates; the port follows")
        etag = answer.etag
        answer = api.put(path, {"type": OUT, "hostname": "mail.example.com", "useSsl": True,
                                "emailAuthenticator": basic()})
        is_((answer.status, answer.etag), (200, etag), "the same again: 200, same ETag")
        answer = api.put(path, api.get(path).json)
        is_((answer.status, answer.etag), (200, etag), "what GET gave, PUT back: no change")
        is_(api.get(path).json["emailAuthenticator"]["passwordSet"], True, "the password is still there")
        answer = api.put(path, {"hostname": "mail2.example.com"})
        is_((answer.status, answer.json),
            (200, {"name": "alerts", "type": OUT, **DEFAULTS[OUT], "hostname": "mail2.example.com"}),
            "replace without type: absent means default")
        ok(answer.etag != etag, "another ETag")
        answer = api.put(path, {"type": IN, "hostname": "x"})
        is_((answer.status, answer.codes()), (422, [("/type", "type.fixed")]), "type is fixed")
        answer = api.put(path, {"name": "other", "hostname": "x"})
        is_((answer.status, answer.codes()), (422, [("/name", "name.fixed")]), "name comes from the path")
        answer = api.put(path, {"name": "alerts", "type": OUT, "hostname": "mail2.example.com"})
        is_(answer.status, 200, "the same name and type are welcome")
        is_(api.put(ACCOUNTS + "/new", {"hostname": "x"}).codes(), [("/type", "property.required")],
            "a new one needs a type")


def preconditions():
    with Postern() as postern:
        api, path = postern.api, ACCOUNTS + "/alerts"
        problem(api.put(path, {"type": OUT}, headers={"If-Match": "*"}), 412, "precondition.failed",
                "If-Match: * where nothing is")
        is_(api.put(path, {"type": OUT}, headers={"If-None-Match": "*"}).status, 201, "If-None-Match: * creates")
        problem(api.put(path, {"type": OUT}, headers={"If-None-Match": "*"}), 412, "precondition.failed",
                "and only creates")
        etag = api.get(path).etag
        for method in ("PUT", "PATCH", "DELETE"):
            body = None if method == "DELETE" else {"description": "x"}
            problem(api.request(method, path, body, headers={"If-Match": '"00"'}), 412, "precondition.failed",
                    f"{method} with another ETag")
            problem(api.request(method, path, body, headers={"If-Match": "W/" + etag}), 412, "precondition.failed",
                    f"{method}: weak never matches")
        is_(api.get(path).etag, etag, "nothing was changed")
        is_(api.patch(path, {"description": "x"}, headers={"If-Match": f'"00", {etag}'}).status, 200,
            "one of several")
        is_(api.patch(path, {"description": "y"}, headers={"If-Match": etag}).status, 412, "the old ETag is gone")
        is_(api.patch(path, {"description": "y"}, headers={"If-Match": "*"}).status, 200, "any")
        is_(api.delete(path, {"If-Match": api.get(path).etag}).status, 204, "DELETE")
        is_(api.delete(path).status, 404, "it is gone")
        is_(api.get(path).status, 404, "really")


def merge_patch():
    with Postern() as postern:
        api, path = postern.api, ACCOUNTS + "/alerts"
        api.put(path, {"type": OUT, "hostname": "mail.example.com", "description": "for alarms",
                       "emailAuthenticator": basic()})
        start = api.get(path)
        for patch in ({}, {"description": "for alarms"}, {"emailAuthenticator": {"username": "plant"}},
                      {"emailAuthenticator": {}},
                      {"emailAuthenticator": {"password": SECRET}}, {"emailAuthenticator": {"passwordSet": True}},
                      {"name": "alerts", "type": OUT}, start.json):
            answer = api.patch(path, patch)
            is_((answer.status, answer.etag), (200, start.etag), f"nothing to change: {str(patch)[:60]}")
        answer = api.patch(path, {"description": None})
        is_((answer.status, answer.json["description"], answer.json["hostname"]), (200, "", "mail.example.com"),
            "null: back to the default")
        answer = api.patch(path, {"emailAuthenticator": {"username": "other"}})
        is_(answer.json["emailAuthenticator"],
            {"type": "basic", "username": "other", "passwordSet": True, "mechanism": "auto"},
            "members merge; the secret stays")
        etag = answer.etag
        answer = api.patch(path, {"emailAuthenticator": {"password": SECRET + "2"}})
        ok(answer.status == 200 and answer.etag != etag and answer.json["emailAuthenticator"]["passwordSet"],
           "another secret is a change")
        etag = answer.etag
        answer = api.patch(path, {"emailAuthenticator": {"password": None}})
        is_((answer.status, answer.json["emailAuthenticator"]["passwordSet"]), (200, False),
            "null takes a secret away")
        answer = api.patch(path, {"emailAuthenticator": {"password": {"$file": "mail-password"}}})
        is_((answer.status, answer.json["emailAuthenticator"]["passwordSet"]), (200, True), "a secret by reference")
        for bad in ("../etc/passwd", "a/b", "", 5):
            is_(api.patch(path, {"emailAuthenticator": {"password": {"$file": bad}}}).status, 422,
                f"a reference that is none: {bad!r}")
        answer = api.patch(path, {"emailAuthenticator": {"type": "none"}})
        is_((answer.status, answer.json["emailAuthenticator"]), (200, {"type": "none"}),
            "another type of authenticator")
        answer = api.patch(path, {"emailAuthenticator": {"type": "oauth2", "provider": "gmail", "clientId": "c",
                                                         "clientSecret": SECRET}})
        is_((answer.status, answer.json["emailAuthenticator"]["clientSecretSet"]), (200, True),
            "oauth2 with a secret")
        ok(SECRET not in answer.text, "which isn't shown")
        answer = api.patch(path, {"emailAuthenticator": None})
        is_((answer.status, answer.json["emailAuthenticator"]), (200, DEFAULTS[OUT]["emailAuthenticator"]),
            "null: the default authenticator")
        problem(api.patch(ACCOUNTS + "/nobody", {"description": "x"}), 404, "notFound", "nothing to patch")
        is_(api.patch(path, {"name": "other"}).codes(), [("/name", "name.fixed")],
            "a rename is an action, never a side effect")
        is_(api.patch(path, {"type": IN}).codes(), [("/type", "type.fixed")], "type is fixed")
        for headers in ({"Content-Type": "application/json"},
                        {"Content-Type": "application/merge-patch+json; charset=utf-8"}):
            is_(api.patch(path, {"description": "z"}, headers=headers).status, 200,
                f"PATCH as {headers['Content-Type']}")


WRONG = [
    ({"useSsl": True, "useStartTls": True},
     {("/useSsl", "property.exclusive"), ("/useStartTls", "property.exclusive")}),
    ({"port": 0}, {("/port", "property.invalid")}),
    ({"port": 70000}, {("/port", "property.range")}),
    ({"port": -2}, {("/port", "property.range")}),
    ({"port": "25"}, {("/port", "property.type")}),
    ({"port": 25.5}, {("/port", "property.type")}),
    ({"port": True}, {("/port", "property.type")}),
    ({"port": 10 ** 18}, {("/port", "property.range")}),
    ({"useSsl": "true"}, {("/useSsl", "property.type")}),
    ({"useSsl": 1}, {("/useSsl", "property.type")}),
    ({"transport": "imap"}, {("/transport", "property.choice")}),
    ({"tlsMinProtocol": "sslv3"}, {("/tlsMinProtocol", "property.choice")}),
    ({"hostname": 5}, {("/hostname", "property.type")}),
    ({"hostname": "mail example.com"}, {("/hostname", "property.format")}),
    ({"hostname": "mail.example.com:465"}, {("/hostname", "property.format")}),
    ({"hostname": "a\r\nb"}, {("/hostname", "property.format")}),
    ({"hostname": "x" * 300}, {("/hostname", "property.format")}),
    ({"description": 5}, {("/description", "property.type")}),
    ({"from": "not an address"}, {("/from", "property.format")}),
    ({"from": "a@example.com\r\nBcc: b@example.com"}, {("/from", "property.format")}),
    ({"hostnam": "x"}, {("/hostnam", "property.unknown")}),
    ({"mailbox": "INBOX"}, {("/mailbox", "property.unknown")}),
    ({"a/b~c": 1}, {("/a~1b~0c", "property.unknown")}),
    ({"queueSize": 5}, {("/queueSize", "property.readOnly")}),
    ({"status": {"state": "ok"}}, {("/status", "property.readOnly")}),
    ({"emailAuthenticator": "basic"}, {("/emailAuthenticator", "property.type")}),
    ({"emailAuthenticator": {"type": "kerberos"}}, {("/emailAuthenticator/type", "property.choice")}),
    ({"emailAuthenticator": {"type": "basic", "user": "x"}}, {("/emailAuthenticator/user", "property.unknown")}),
    ({"emailAuthenticator": {"type": "basic", "password": 5}}, {("/emailAuthenticator/password", "property.type")}),
    ({"emailAuthenticator": {"type": "basic", "mechanism": "GSSAPI"}},
     {("/emailAuthenticator/mechanism", "property.choice")}),
    ({"connectionTimeout": 0}, {("/connectionTimeout", "property.range")}),
    ({"maxQueueSize": 0}, {("/maxQueueSize", "property.range")}),
    ({"retention": -1}, {("/retention", "property.range")}),
    ({"port": 0, "useSsl": 5, "x": 1, "hostname": []},
     {("/port", "property.invalid"), ("/useSsl", "property.type"), ("/x", "property.unknown"),
      ("/hostname", "property.type")}),
]


def wrong():
    with Postern() as postern:
        api, path = postern.api, ACCOUNTS + "/alerts"
        api.put(path, {"type": OUT, "description": "untouched"})
        etag = api.get(path).etag
        for body, codes in WRONG:
            for method in ("PUT", "PATCH"):
                answer = api.request(method, path, body)
                details = all(error.get("detail") for error in (answer.json or {}).get("errors", []))
                if not ok(answer.status == 422 and set(answer.codes()) == codes and details,
                          f"{method} {str(body)[:70]}"):
                    diag(f"expected {codes}: {answer!r}")
        is_(api.get(path).etag, etag, "nothing was changed by any of them")
        is_(api.put(ACCOUNTS + "/in", {"type": IN, "emailAuthenticator": {"type": "none"}}).codes(),
            [("/emailAuthenticator/type", "property.choice")], "no authenticator is for outgoing ones only")
        is_(api.put(ACCOUNTS + "/in", {"type": IN, "batch": True}).codes(), [("/batch", "property.unknown")],
            "outgoing properties are")
        for name in READ_ONLY[:5]:
            is_(api.patch(path, {name: None}).codes(), [(f"/{name}", "property.readOnly")],
                f"{name} can't be taken away either")
        for good in ("mail.example.com", "127.0.0.1", "::1", "bücher.example", "localhost", "a_b.example"):
            answer = api.patch(path, {"hostname": good})
            is_((answer.status, answer.json.get("hostname")), (200, good), f"hostname {good}")
        for good in ("plant@example.com", "Plant 7 <plant@example.com>", "\"Müller, Werk\" <m@example.com>", ""):
            is_(api.patch(path, {"from": good}).status, 200, f"from {good}")


# DESIGN 2.2: transport, useSsl, useStartTls and the usual port
CELLS = [("smtp", False, False, 25), ("smtp", False, True, 587), ("smtp", True, False, 465),
         ("imap", False, False, 143), ("imap", False, True, 143), ("imap", True, False, 993),
         ("pop3", False, False, 110), ("pop3", False, True, 110), ("pop3", True, False, 995)]


def codes_of(answer):
    return [(one["pointer"], one["code"]) for one in answer.json.get("warnings", [])]


def ports():
    with Postern() as postern:
        api = postern.api
        for transport, ssl, starttls, port in CELLS:
            name = f"{ACCOUNTS}/{transport}-{ssl}-{starttls}"
            kind = OUT if transport == "smtp" else IN
            security = {"transport": transport, "useSsl": ssl, "useStartTls": starttls}
            answer = api.put(name, {"type": kind, **security})
            is_((answer.status, answer.json["port"], codes_of(answer)), (201, port, []), f"{security}: port {port}")
            answer = api.patch(name, {"port": 2525})
            is_((answer.status, answer.json["port"], codes_of(answer)), (200, 2525, [("/port", "port.unusual")]),
                "an unusual port: made, with a warning")
            ok("warnings" not in api.get(name).json, "a warning is of the answer, not of the account")
            answer = api.patch(name, {"port": port})
            is_((answer.json["port"], codes_of(answer)), (port, []), "the usual one again")
            answer = api.patch(name, {"port": -1})
            is_((answer.json["port"], codes_of(answer)), (-1, []), "-1 is the usual one by itself")
            for transport2, ssl2, starttls2, port2 in CELLS:
                if (transport2 == "smtp") != (transport == "smtp"):
                    continue
                change = {"transport": transport2, "useSsl": ssl2, "useStartTls": starttls2}
                api.patch(name, {**security, "port": port})
                moved = api.patch(name, change)
                api.patch(name, {**security, "port": 2525})
                stayed = api.patch(name, change)
                api.patch(name, {**security, "port": port})
                given = api.patch(name, {**change, "port": port})
                if not ok((moved.json["port"], stayed.json["port"], given.json["port"]) == (port2, 2525, port) and
                          codes_of(moved) == [] and codes_of(stayed) == [("/port", "port.unusual")] and
                          codes_of(given) == ([] if port == port2 else [("/port", "port.unusual")]),
                          f"  to {change}"):
                    diag(f"{moved!r} {stayed!r} {given!r}")
        answer = api.post(ACCOUNTS, {"name": "given", "type": OUT, "useSsl": True, "port": 25})
        is_((answer.status, answer.json["port"], codes_of(answer)), (201, 25, [("/port", "port.unusual")]),
            "a port that was given stays")
        is_(api.patch(ACCOUNTS + "/given", {"hostname": "x"}).json["port"], 25, "also when something else changes")


def lists():
    with Postern() as postern:
        api = postern.api
        names = [f"account-{i:03}" for i in range(120)]
        for name in names:
            kind = IN if name.endswith("7") else OUT
            if api.put(f"{ACCOUNTS}/{name}", {"type": kind, "hostname": f"{name}.example.com"}).status != 201:
                return ok(False, f"create {name}")
        first = api.get(ACCOUNTS)
        is_([len(first.json["items"]), bool(first.json["next"])], [50, True], "50 unless asked for more")
        ok('rel="next"' in (first.headers["Link"] or ""), "a link to the next page")
        is_(first.json["items"][0],
            {**api.get(f"{ACCOUNTS}/{names[0]}").json, "etag": api.get(f"{ACCOUNTS}/{names[0]}").etag.strip('"')},
            "an item is the account and its etag")
        for limit in (1, 7, 40, 120, 500):
            seen, url, pages = [], f"{ACCOUNTS}?limit={limit}", 0
            while url:
                answer = api.get(url)
                seen += [item["name"] for item in answer.json["items"]]
                pages += 1
                link = re.match(r'<([^>]+)>; rel="next"', answer.headers["Link"] or "")
                url = answer.json["next"]
                if (link.group(1) if link else None) != url or pages > 130:
                    ok(False, f"Link and next agree: {answer.headers['Link']} {url}")
                    break
            is_((seen, pages), (names, -(-120 // limit)), f"limit={limit}: all of them, once, in order")
        is_([api.patch(f"{ACCOUNTS}/{names[7]}", {"maxMessageSize": size}).status for size in (943718400, 1000000000, 1073741824)],
            [200, 422, 422], "no message is promised room that the store doesn't have")
        both = api.get(f"{ACCOUNTS}?type={IN}").json["items"]
        is_([item["name"] for item in both], [name for name in names if name.endswith("7")], "type=")
        is_([item["name"] for item in api.get(f"{ACCOUNTS}?q=t-01&limit=500").json["items"]], names[10:20],
            "q= in the name")
        is_([item["name"] for item in api.get(f"{ACCOUNTS}?q=011.example").json["items"]], names[11:12],
            "q= in the hostname")
        is_(len(api.get(f"{ACCOUNTS}?state=pending&type={OUT}&limit=500").json["items"]), 108, "state=, of those that wait to be used")
        is_(api.get(f"{ACCOUNTS}?state=ok").json, {"items": [], "next": None}, "state= that nothing is in")
        answer = api.get(f"{ACCOUNTS}?type={IN}&limit=5")
        ok(f"type={IN}" in answer.headers["Link"] and "limit=5" in answer.headers["Link"],
           "the link keeps the filters")
        page = api.get(f"{ACCOUNTS}?limit=2").json
        own = re.search("cursor=([^&]+)", page["next"]).group(1)
        is_([item["name"] for item in api.get(f"{ACCOUNTS}?limit=2&cursor={own}").json["items"]], names[2:4],
            "the cursor in it may be used by itself")
        api.delete(f"{ACCOUNTS}/{names[1]}")
        is_([item["name"] for item in api.get(f"{ACCOUNTS}?limit=2&cursor={page['next']}").json["items"]], names[2:4],
            "the cursor holds when its item is gone")
        for query in ("limit=0", "limit=501", "limit=-1", "limit=x", "limit=", "cursor=%21%21", "cursor=AA%00",
                      "type=X", "state=X"):
            answer = api.get(f"{ACCOUNTS}?{query}")
            ok(answer.status in (400, 422) and answer.headers["Content-Type"] == "application/problem+json",
               f"?{query}: {answer.status}")
        answer = api.get(f"{ACCOUNTS}?include=status&limit=3")
        is_((answer.headers["Cache-Control"], answer.etag), ("no-store", None),
            "a list with status: no-store, no ETag")
        ok(all(name in item for name in READ_ONLY[:5] for item in answer.json["items"]), "each with its status")


def status():
    with Postern() as postern:
        api, path = postern.api, ACCOUNTS + "/alerts"
        api.put(path, {"type": OUT})
        config = api.get(path)
        is_([name for name in READ_ONLY if name in config.json], [], "the configuration has nothing read-only")
        answer = api.get(path + "/status")
        is_((answer.status, answer.headers["Cache-Control"], answer.etag), (200, "no-store", None),
            "the status: no-store, no ETag")
        is_([name for name in READ_ONLY if name not in answer.json], [], "everything read-only")
        is_((answer.json["status"]["state"], answer.json["status"]["code"]), ("fault", "config.hostname"),
            "no hostname: fault")
        ok(answer.json["status"]["cause"]
           and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", answer.json["status"]["since"]), "cause and since")
        is_((answer.json["queueSize"], answer.json["numberSent"], answer.json["lastDiscard"], answer.json["lastTls"]),
            (0, 0, None, None), "nothing yet")
        both = api.get(path + "?include=status")
        is_((both.headers["Cache-Control"], both.etag), ("no-store", None), "both: no-store, no ETag")
        ok(both.json == {**config.json, **answer.json}, "both in one")
        etag = api.get(path).etag
        api.patch(path, {"hostname": "127.0.0.1"})
        is_(api.status("alerts")["status"]["state"], "pending", "with a hostname: pending")
        api.patch(path, {"enabled": False})
        is_(api.status("alerts")["status"]["state"], "disabled", "disabled")
        api.patch(path, {"enabled": True, "hostname": ""})
        is_(api.get(path).etag, etag, "the ETag is of the configuration, never of the status")
        api.patch("/api/v1/services/EmailService", {"enabled": False})
        is_(api.status("alerts")["status"]["state"], "disabled", "disabling the EmailService disables all")
        api.patch("/api/v1/services/EmailService", {"enabled": True})
        is_(api.status("alerts")["status"]["state"], "fault", "and back")
        is_(api.get(ACCOUNTS + "/nobody/status").status, 404, "of nothing")
        api.put(ACCOUNTS + "/in", {"type": IN})
        incoming = api.status("in")
        ok("numberReceived" in incoming and "unacknowledged" in incoming and "queueSize" not in incoming,
           "an incoming account has its own")


def dry_run():
    with Postern() as postern:
        api, path = postern.api, ACCOUNTS + "/alerts"
        answer = api.put(path + "?dryRun=true",
                         {"type": OUT, "hostname": "mail.example.com", "emailAuthenticator": basic()})
        is_((answer.status, answer.json["unchanged"]), (200, 0), "PUT")
        change = answer.json["changes"][0]
        is_((change["resource"], change["action"], change["before"], change["after"]["hostname"]),
            ("OutgoingAccount/alerts", "create", None, "mail.example.com"), "would create")
        ok(SECRET not in answer.text, "without secrets")
        is_(api.get(path).status, 404, "and didn't")
        is_(api.post(ACCOUNTS + "?dryRun=true", {"name": "alerts", "type": OUT}).status, 200, "POST")
        is_(api.get(path).status, 404, "didn't either")
        answer = api.put(path + "?dryRun=true", {"type": OUT, "port": 0})
        is_((answer.status, answer.codes()), (422, [("/port", "property.invalid")]), "what is wrong is wrong")
        api.put(path, {"type": OUT, "hostname": "mail.example.com"})
        etag = api.get(path).etag
        answer = api.patch(path + "?dryRun=true", {"useSsl": True, "port": 25})
        change = answer.json["changes"][0]
        is_((change["action"], change["before"]["useSsl"], change["after"]["useSsl"]), ("change", False, True),
            "PATCH: before and after")
        is_([one["code"] for one in answer.json["warnings"]], ["port.unusual"], "with the warnings")
        is_(api.patch(path + "?dryRun=true", {"hostname": "mail.example.com"}).json, {"changes": [], "unchanged": 1},
            "nothing to change")
        answer = api.delete(path + "?dryRun=true")
        is_((answer.status, answer.json["changes"][0]["action"], answer.json["changes"][0]["after"]),
            (200, "delete", None), "DELETE")
        answer = api.post(path + "/actions/rename?dryRun=true", {"name": "other"})
        is_((answer.status, answer.json["changes"][0]["action"]), (200, "rename"), "rename")
        is_((api.get(path).etag, api.get(ACCOUNTS + "/other").status), (etag, 404), "nothing was done")
        is_(api.delete(path + "?dryRun=false").status, 204, "dryRun=false does it")
        is_(api.delete(path + "?dryRun=true").status, 404, "nothing to delete")
        for query, status in (("dryRun=1", 422), ("dryRun=", 422), ("dryRun", 422), ("dryRun=%00", 400),
                              ("dryRun=%zz", 400),
                              ("x=1&dryRun=true", 422), ("dryrun=true", 422), ("dryRun=false&dryRun=true", 422)):
            answer = api.put(f"{path}?{query}", {"type": OUT})
            ok(answer.status == status and answer.json["code"].startswith("query."),
               f"?{query}: {status}") or diag(repr(answer))
        is_(api.get(path).status, 404, "never done")
        api.put(path, {"type": OUT})
        is_(api.delete(path + "?force=yes").status, 422, "force=yes")
        is_(api.post(path + "/actions/pause?dryRun=true", {}).status, 422, "an action that can't be tried")
        is_(api.get(path).status, 200, "and it is still there")


def rename():
    with Postern() as postern:
        api = postern.api
        api.put(ACCOUNTS + "/old", {"type": OUT, "hostname": "x.example", "emailAuthenticator": basic()})
        api.put(ACCOUNTS + "/taken", {"type": IN})
        action = ACCOUNTS + "/old/actions/rename"
        problem(api.post(action, {"name": "taken"}), 409, "name.taken", "the name is taken")
        is_(api.post(action, {"name": "a/b"}).codes(), [("/name", "name.format")], "a name that is none")
        is_(api.post(action, {}).codes(), [("/name", "property.required")], "no name")
        is_(api.post(action, {"name": "x", "force": True}).codes(), [("/force", "property.unknown")],
            "an unknown member")
        answer = api.post(action, {"name": "new"})
        is_((answer.status, answer.json["name"], answer.json["hostname"]), (200, "new", "x.example"), "rename")
        is_((api.get(ACCOUNTS + "/old").status, api.get(ACCOUNTS + "/new").status), (404, 200),
            "the old name is gone")
        is_(api.get(ACCOUNTS + "/new").json["emailAuthenticator"]["passwordSet"], True, "the secret came along")
        postern.restart()
        is_((api.get(ACCOUNTS + "/old").status, api.get(ACCOUNTS + "/new").status), (404, 200),
            "also after a restart")


def secrets():
    with Postern() as postern:
        api, path = postern.api, ACCOUNTS + "/alerts"
        answers = [api.put(path, {"type": OUT, "hostname": "127.0.0.1", "port": 9, "emailAuthenticator": basic()}),
                   api.get(path),
                   api.patch(path, {"emailAuthenticator": {"password": SECRET}}), api.get(path + "?include=status"),
                   api.get(ACCOUNTS),
                   api.patch(path, {"emailAuthenticator": {"password": SECRET, "nonsense": SECRET}}),
                   api.patch(path, {"emailAuthenticator": {"mechanism": "auto", "password": [SECRET]}}),
                   api.patch(path, {"port": "x", "emailAuthenticator": {"type": SECRET}}),
                   api.patch(path, data=f'{{"emailAuthenticator":{{"password":"{SECRET}"'.encode(),
                             headers={"Content-Type": "application/json"}),
                   api.patch(path, data=f'{{"emailAuthenticator":{{"password":"{SECRET}" "x"}}}}'.encode(),
                             headers={"Content-Type": "application/json"}),
                   api.post(ACCOUNTS + "/verify",
                            {"type": OUT, "hostname": "127.0.0.1", "port": 9, "emailAuthenticator": basic()}),
                   api.action("alerts", "verify"), api.get(path + "/transcript"), api.get("/api/v1/audit?limit=500"),
                   api.get("/metrics"),
                   api.put(path + "?dryRun=true", {"emailAuthenticator": basic(username="other")})]
        is_([i for i, answer in enumerate(answers) if "nonsense" not in answer.text and SECRET in answer.text], [],
            "no answer shows the secret")
        ok(SECRET not in answers[5].text.replace('"nonsense"', ""), "nor one about a wrong member")
        ok(SECRET not in postern.log(10_000_000), "nor the log")
        is_(answers[1].json["emailAuthenticator"]["passwordSet"], True, "passwordSet tells that it is there")
        postern.stop()
        files = [file for file in glob.glob(postern.state + "/**", recursive=True) if os.path.isfile(file)]
        found = []
        for file in files:
            with open(file, "rb") as opened:
                if SECRET.encode() in opened.read():
                    found.append(os.path.basename(file))
        ok(len(files) >= 2, "there are files")
        is_(found, [], "no file holds it in clear")
        is_([oct(os.stat(file).st_mode & 0o077) for file in files if os.stat(file).st_mode & 0o077], [],
            "no file is open to others")
        postern.start()
        answer = postern.api.put(path, {"type": OUT, "hostname": "127.0.0.1", "port": 9,
                                        "emailAuthenticator": basic()})
        is_((answer.status, answer.etag), (200, answers[0].etag),
            "after a restart the same secret is still no change")


def restart():
    """What was configured is there again, byte for byte."""
    with Postern() as postern:
        api = postern.api
        bodies = {
            "full": {"type": OUT, "enabled": False, "hostname": "bücher.example", "port": 2525, "useStartTls": True,
                     "tlsMinProtocol": "tlsv1.3", "verifyName": "mail.internal", "trustStores": "user",
                     "emailAuthenticator": basic(),
                     "allowCleartextAuth": True, "connectionTimeout": 7, "pollrate": 3600, "debug": True,
                     "description": "Zeile 1\nZeile 2 \u2603",
                     "from": "Plant <plant@example.com>", "replyTo": "office@example.com", "maxQueueSize": 5,
                     "maxMessageSize": 4096,
                     "maxSendablePerDay": 9, "allowDisabledQueuing": True, "batch": True, "maxConnections": 3,
                     "retryFor": 60, "retention": 0,
                     "deliveryGuarantee": "atMostOnce"},
            "oauth": {"type": IN, "transport": "imap", "useSsl": True, "mailbox": "Berichte/2026", "push": False,
                      "deliveryPolicy": "delete",
                      "maxPerPoll": 7, "ignoreAttachments": True,
                      "emailAuthenticator": {"type": "oauth2", "provider": "custom", "grant": "deviceCode",
                                             "username": "u", "tenant": "t",
                                             "clientId": "c", "clientSecret": SECRET,
                                             "clientSecretExpires": "2030-01-01T00:00:00Z",
                                             "scope": "s", "metadataUrl": "https://example.com/m"}},
            "relay": {"type": OUT, "emailAuthenticator": {"type": "none"}},
        }
        before = {}
        for name, body in bodies.items():
            answer = api.put(f"{ACCOUNTS}/{name}", body)
            shown = {key: value for key, value in body.items() if key != "emailAuthenticator"}
            if not ok(answer.status == 201 and {key: answer.json.get(key) for key in shown} == shown,
                      f"{name}: as it was given"):
                diag(repr(answer))
            before[name] = (answer.etag, api.get(f"{ACCOUNTS}/{name}").body)
        postern.restart()
        for name, (etag, body) in before.items():
            answer = api.get(f"{ACCOUNTS}/{name}")
            is_((answer.etag, answer.body), (etag, body), f"{name}: the same after a restart, ETag and all")


def actions():
    with Postern() as postern:
        api = postern.api
        api.put(ACCOUNTS + "/out", {"type": OUT, "hostname": "127.0.0.1", "port": 9, "connectionTimeout": 2})
        api.put(ACCOUNTS + "/in", {"type": IN, "hostname": "127.0.0.1", "port": 9, "connectionTimeout": 2})
        answer = api.action("out", "verify")
        is_((answer.status, answer.json["ok"], answer.headers["Cache-Control"]), (200, False, "no-store"),
            "verify answers 200 and says no")
        ok(set(answer.json) >= {"ok", "steps", "tls", "certificate", "challenge"}, "with everything DESIGN names")
        is_([(step["name"], step["ok"]) for step in answer.json["steps"]], [("resolve", True), ("connect", False)],
            "step by step")
        ok(all(isinstance(step["ms"], int) and step["detail"] for step in answer.json["steps"]),
           "with times and words")
        until = api.until(ACCOUNTS + "/out/status", lambda json: json["status"]["state"] == "down")
        is_((until.json["status"]["state"], until.json["status"]["code"]), ("down", "connect.refused"),
            "the status tells too")
        answer = api.post(ACCOUNTS + "/verify", {"type": OUT, "hostname": "127.0.0.1", "port": 9})
        is_((answer.status, answer.json["ok"]), (200, False), "settings that aren't stored")
        is_([item["name"] for item in api.get(ACCOUNTS).json["items"]], ["in", "out"], "are not stored then either")
        is_(api.post(ACCOUNTS + "/verify", {"type": OUT, "port": 0}).codes(), [("/port", "property.invalid")],
            "wrong ones")
        is_(api.post(ACCOUNTS + "/verify", {"hostname": "x"}).status, 422, "no type")
        for action, result in (("pause", {"paused": True}), ("resume", {"paused": False}), ("flush", {"changed": 0}),
                               ("resetNumberSent", {"changed": 0}), ("clearQueue", {"changed": 0})):
            answer = api.action("out", action)
            is_((answer.status, answer.json), (200, result), action)
            is_(api.post(f"{ACCOUNTS}/out/actions/{action}").status, 200, f"{action} without a body")
        problem(api.action("out", "poll"), 404, "notFound", "an outgoing account doesn't poll")
        problem(api.action("in", "flush"), 404, "notFound", "an incoming one has no queue")
        problem(api.action("out", "explode"), 404, "notFound", "an action that is none")
        problem(api.action("nobody", "verify"), 404, "notFound", "an account that isn't there")
        is_(api.action("out", "sendTest").codes(), [("/to", "property.required")], "sendTest without an address")
        is_([pointer[:3] for pointer, _ in api.action("out", "sendTest", {"to": "x y"}).codes()], ["/to"],
            "sendTest with a wrong one")
        is_(api.action("out", "sendTest", {"to": "a@example.com", "cc": "b@example.com"}).codes(),
            [("/cc", "property.unknown")], "an unknown member")
        for action in ("flush", "verify", "pause"):
            is_(api.action("out", action, {"x": 1}).codes(), [("/x", "property.unknown")],
                f"{action} takes no parameters")
        is_(api.get(f"{ACCOUNTS}/out/actions/flush").status, 405, "an action is a POST")


def roles():
    with Postern() as postern:
        api = postern.api
        for name in ("mine", "theirs"):
            api.put(f"{ACCOUNTS}/{name}", {"type": OUT, "hostname": "127.0.0.1", "port": 9, "connectionTimeout": 1})
        clones = {role: api.clone(headers={"Authorization": f"Bearer {postern.token(role, role)}"})
                  for role in ("viewer", "operator")}
        clones["nobody"] = postern.anonymous()
        clones["admin"] = api
        table = [("GET", "", None, "viewer"), ("GET", "/mine", None, "viewer"),
                 ("GET", "/mine/status", None, "viewer"),
                 ("GET", "/mine/transcript", None, "operator"), ("PATCH", "/mine", {"debug": True}, "operator"),
                 ("PATCH", "/mine", {"enabled": True}, "operator"), ("PATCH", "/mine", {"description": "x"}, "admin"),
                 ("PATCH", "/mine", {"enabled": False, "hostname": "y"}, "admin"),
                 ("PUT", "/mine", {"hostname": "127.0.0.1", "port": 9}, "admin"),
                 ("POST", "", {"name": "new", "type": OUT}, "admin"),
                 ("POST", "/mine/actions/verify", {}, "operator"),
                 ("POST", "/mine/actions/flush", {}, "operator"), ("POST", "/mine/actions/pause", {}, "operator"),
                 ("POST", "/mine/actions/resume", {}, "operator"), ("POST", "/mine/actions/clearQueue", {}, "admin"),
                 ("POST", "/mine/actions/rename", {"name": "x/y"}, "admin"),
                 ("POST", "/verify", {"type": OUT, "hostname": "127.0.0.1", "port": 9}, "admin"),
                 ("DELETE", "/new", None, "admin")]
        order = ["nobody", "viewer", "operator", "admin"]
        for method, path, body, least in table:
            for role in order:
                answer = clones[role].request(method, ACCOUNTS + path, body)
                if role == "nobody":
                    good = answer.status == 401 and "Bearer" in (answer.headers["WWW-Authenticate"] or "")
                elif order.index(role) < order.index(least):
                    good = answer.status == 403
                else:
                    good = answer.status in (200, 201, 204, 422 if "rename" in path else 200)
                if not good:
                    ok(False, f"{role}: {method} {path} {answer.status}")
                    diag(repr(answer))
            ok(True, f"{method} {path or '/'} {list(body or {})[:2]} takes {least}")
        made = api.post("/api/v1/tokens", {"name": "limited", "role": "admin", "accounts": ["mine"]}).json
        limited = api.clone(headers={"Authorization": f"Bearer {made['token']}"})
        is_([item["name"] for item in limited.get(ACCOUNTS).json["items"]], ["mine"], "a limited token lists its own")
        tree = limited.get("/api/v1/tree").text
        ok("mine" in tree and "theirs" not in tree, "and sees no other in the tree")
        for method, path, body in (("GET", "/theirs", None), ("PATCH", "/theirs", {"debug": True}),
                                   ("PUT", "/theirs", {"hostname": "y"}),
                                   ("DELETE", "/theirs", None), ("GET", "/theirs/status", None),
                                   ("GET", "/theirs/transcript", None),
                                   ("POST", "/theirs/actions/verify", {}),
                                   ("POST", "/theirs/actions/rename", {"name": "z"}),
                                   ("POST", "/theirs/messages",
                                    {"to": ["a@example.com"], "from": "b@example.com", "text": "x"})):
            is_(limited.request(method, ACCOUNTS + path, body).status, 404,
                f"limited: {method} {path} isn't there for it")
        for method, path, body in (("POST", "", {"name": "theirs2", "type": OUT}), ("PUT", "/theirs2", {"type": OUT}),
                                   ("POST", "/mine/actions/rename", {"name": "theirs2"})):
            answer = limited.request(method, ACCOUNTS + path, body)
            ok(answer.status in (403, 404), f"limited: {method} {path} makes no other: {answer.status}")
        is_(api.get(ACCOUNTS + "/theirs2").status, 404, "none was made")
        # Else it would make itself a token without limits, or another administrator.
        for method, path, body in (("GET", "/users", None),
                                   ("POST", "/users", {"name": "x", "password": "long enough for this"}),
                                   ("GET", "/tokens", None), ("POST", "/tokens", {"name": "x", "role": "admin"}),
                                   ("GET", "/audit", None),
                                   ("PATCH", "/services/WebService", {}),
                                   ("POST", "/trust/probe", {"hostname": "127.0.0.1", "port": 9, "useSsl": True}),
                                   ("GET", "/trust/allowed-hosts", None),
                                   ("PUT", "/trust/allowed-hosts/h:1", {"approval": "approved", "sha256": "0" * 64}),
                                   ("POST", "/accounts/verify", {"type": OUT, "hostname": "127.0.0.1"})):
            problem(limited.request(method, "/api/v1" + path, body), 403, "token.limited",
                    f"limited: {method} {path}")
        for path in ("/types", "/services", "/services/EmailService", "/providers", "/messages", "/openapi.json",
                     "/session"):
            is_(limited.get("/api/v1" + path).status, 200, f"limited: GET {path}")


main(create_and_read, replace, preconditions, merge_patch, wrong, ports, lists, status, dry_run, rename, secrets,
     restart, actions, roles)
