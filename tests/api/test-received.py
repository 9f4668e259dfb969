#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Received messages over HTTP: what is in them and who may see it, reports beside what was sent, lists and searches,
acknowledging many, what is large (DESIGN 3)."""

import base64
import hashlib
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from maildrop import Maildrop
from postern import Api, Postern
from schema import faults
from tap import diag, is_, main, ok

MESSAGES = "/api/v1/messages"
ACKNOWLEDGE = MESSAGES + "/acknowledge"


def letter(subject, body="Good morning.", sender="Ann <ann@example.com>", head=""):
    return (f"From: {sender}\r\nTo: Plant <plant@example.com>, ops@example.com\r\nSubject: {subject}\r\n"
            f"Message-ID: <{hashlib.sha256(subject.encode()).hexdigest()[:20]}@example.com>\r\n"
            f"Date: Mon, 23 Nov 2026 11:42:00 +0000\r\n{head}\r\n{body}\r\n").encode()


PICTURE = bytes(range(256)) * 40
PARTS = (b"From: =?utf-8?q?J=C3=B6rg?= <j@example.com>\r\nTo: plant@example.com\r\nCc: Office <office@example.com>\r\n"
         b"Reply-To: help@example.com\r\nSubject: =?utf-8?q?St=C3=B6rung?= 7\r\nX-Plant: 7\r\nX-Plant: 8\r\n"
         b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: multipart/alternative; boundary=A\r\n\r\n"
         b"--A\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe\r\n--A\r\nContent-Type: text/html\r\n\r\n"
         b"<p>Gr&uuml;&szlig;e, <script>alert(1)</script>turbine</p>\r\n--A--\r\n--B\r\n"
         b"Content-Type: image/png; name=\"../a b.png\"\r\nContent-ID: <pic@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
         + base64.encodebytes(PICTURE).replace(b"\n", b"\r\n") + b"--B--\r\n")


def find(items, subject):
    return next(item for item in items if item["subject"] == subject)


def is_described(api, got, name):
    document = api.get("/api/v1/openapi.json").json
    wrong = faults(got, {"$ref": f"#/components/schemas/{name}"}, document)
    if not ok(not wrong, f"as the document describes {name}"):
        diag(wrong[:5])


def with_role(postern, role, **more):
    made = postern.api.post("/api/v1/tokens", {"name": role + str(len(more)), "role": role, **more}).json
    return Api(postern.port, {"Authorization": f"Bearer {made['token']}"})


# ---- content --------------------------------------------------------------------------------------------------------


def content():
    with Maildrop() as drop, Postern() as postern:
        api = postern.api
        drop.account(api, "inbox")
        drop.account(api, "bare", ignoreAttachments=True)
        items = drop.fetch(api, "inbox", PARTS, letter("plain", head="Auto-Submitted: auto-replied\r\n"))
        item = find(items, "Störung 7")
        is_((item["acknowledged"], item["automatic"], item["headersOnly"], item["isReport"], item["related"]),
            (False, False, False, False, None), "what its row says")
        is_(find(items, "plain")["automatic"], True, "an automatic reply is marked")
        is_described(api, item, "MessageItem")
        told = api.get(f"{MESSAGES}/{item['id']}").json
        is_described(api, told, "Message")
        is_((told["from"], told["cc"], told["replyTo"]), ("Jörg <j@example.com>", ["Office <office@example.com>"], "help@example.com"),
            "addresses")
        is_((told["text"], told["html"], told["partial"]),
            ("Grüße", "<p>Gr&uuml;&szlig;e, <script>alert(1)</script>turbine</p>", False), "text and html, as they came")
        is_(told["attachments"], [{"index": 0, "filename": "a b.png", "contentType": "image/png", "contentId": "pic@x",
                                   "size": len(PICTURE)}], "attachments")
        is_([one["value"] for one in told["headers"] if one["name"] == "X-Plant"], ["7", "8"], "every header")
        is_(find_header(told, "Subject"), "Störung 7", "decoded")
        raw = api.get(f"{MESSAGES}/{item['id']}/raw")
        is_((raw.body, raw.headers["Content-Type"]), (PARTS, "message/rfc822"), "the message itself, each byte")
        picture = api.get(f"{MESSAGES}/{item['id']}/attachments/0")
        is_((picture.body, picture.headers["Content-Type"], picture.headers["X-Attachment-Type"]),
            (PICTURE, "application/octet-stream", "image/png"), "the attachment")
        is_(api.get(f"{MESSAGES}/{item['id']}/attachments/1").status, 404, "there is no other")
        roles(postern, item)
        without(api, drop)


def find_header(told, name):
    return next(one["value"] for one in told["headers"] if one["name"] == name)


def roles(postern, item):
    viewer, operator = with_role(postern, "viewer"), with_role(postern, "operator")
    told = viewer.get(f"{MESSAGES}/{item['id']}")
    is_((told.status, told.json["subject"], sorted({"text", "html", "headers", "attachments", "cc"} & set(told.json))),
        (200, "Störung 7", []), "a viewer sees the state and none of the content")
    is_([viewer.get(f"{MESSAGES}/{item['id']}/{part}").status for part in ("raw", "attachments/0")], [403, 403], "in no form")
    is_(viewer.post(ACKNOWLEDGE, {"ids": [item["id"]]}).status, 403, "and acknowledges nothing")
    is_(operator.get(f"{MESSAGES}/{item['id']}").json["text"], "Grüße", "an operator sees it")
    is_("text" in operator.get(f"{MESSAGES}/{item['id']}?content=false").json, False, "unless it is not wanted")
    other = with_role(postern, "operator", accounts=["bare"])
    is_([other.get(f"{MESSAGES}/{item['id']}{part}").status for part in ("", "/raw", "/attachments/0")], [404] * 3,
        "a token for another account sees nothing")
    is_(other.get(f"{MESSAGES}?q=turbine").json["items"], [], "and finds nothing")
    is_(other.post(ACKNOWLEDGE, {"ids": [item["id"]]}).json, {"acknowledged": 0, "unknown": [item["id"]]}, "nor acknowledges it")
    is_(other.post(ACKNOWLEDGE, {"account": "inbox", "before": "2099-01-01T00:00:00Z"}).status, 404, "nor all of the account")


def without(api, drop):
    item = drop.fetch(api, "bare")      # what was put there before
    item = api.until(f"{MESSAGES}?account=bare", lambda json: len(json["items"]) == 2).json["items"]
    told = api.get(f"{MESSAGES}/{find(item, 'Störung 7')['id']}").json
    is_((told["text"], told["attachments"], told["size"]), ("Grüße", [{
        "index": 0, "filename": None, "contentType": "text/plain", "contentId": None,
        "size": len(f"[Attachment left out: a b.png, image/png, {len(PICTURE)} bytes]")}], len(PARTS)),
        "ignoreAttachments: a text says what was left out")


# ---- reports --------------------------------------------------------------------------------------------------------


def bounce(message_id, action="failed", status="5.1.1"):
    return (f"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nTo: plant@example.com\r\nSubject: Undelivered {action}\r\n"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=B\r\n\r\n--B\r\n\r\nSorry.\r\n--B\r\n"
            "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
            f"Final-Recipient: rfc822; nobody@example.net\r\nAction: {action}\r\nStatus: {status}\r\n"
            "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n\r\n--B\r\nContent-Type: text/rfc822-headers\r\n\r\n"
            f"Message-ID: {message_id}\r\n\r\n--B--\r\n").encode()


def reports():
    with Catcher() as catcher, Maildrop() as drop, Postern() as postern:
        api = postern.api
        drop.account(api, "inbox")
        api.put("/api/v1/accounts/out", {"type": "OutgoingAccount", "hostname": "127.0.0.1", "port": catcher.port,
                                         "emailAuthenticator": {"type": "none"}})
        sent = api.post("/api/v1/accounts/out/messages", {"from": "plant@example.com", "to": ["nobody@example.net"],
                                                          "subject": "Kiln", "text": "hot"}).json
        api.until(f"{MESSAGES}/{sent['id']}", lambda json: json["state"] == "sent")
        before = api.get(f"{MESSAGES}/{sent['id']}").json
        is_(before["reports"], [], "no report yet")
        items = drop.fetch(api, "inbox", bounce(sent["messageId"]), bounce(sent["messageId"], "delayed", "4.4.1"),
                           bounce("<somebody-elses@example.com>"))
        came = [item for item in items if item["isReport"]]
        is_(sorted(item["related"] or "" for item in came), sorted(["", sent["id"], sent["id"]]), "each knows what it speaks of")
        after = api.get(f"{MESSAGES}/{sent['id']}").json
        is_described(api, after, "Message")
        is_([(one["account"], one["recipients"][0]["action"], one["recipients"][0]["status"]) for one in after["reports"]],
            [("inbox", "delayed", "4.4.1"), ("inbox", "failed", "5.1.1")], "the sent message shows them, the newest first")
        is_({name: after[name] for name in ("state", "recipients", "finishedAt")},
            {name: before[name] for name in ("state", "recipients", "finishedAt")}, "and nothing else of it has changed")
        failed = next(one["id"] for one in after["reports"] if one["recipients"][0]["action"] == "failed")
        told = api.get(f"{MESSAGES}/{failed}").json
        is_described(api, told, "Message")
        is_(told["report"], {"recipients": [{"address": "nobody@example.net", "originalAddress": None, "action": "failed",
                                             "status": "5.1.1", "diagnostic": "550 5.1.1 No such user", "remoteMta": None}],
                             "messageIds": [sent["messageId"]], "envelopeId": None, "reportingMta": "mx.example"},
            "what the report says")
        is_((told["automatic"], told["sender"]), (True, ""), "nobody wrote it")
        bounced = api.get("/api/v1/events?type=message.bounced&limit=10", headers={"Accept": "application/json"}).json["items"]
        is_([(one["account"], one["resource"], one["data"]["report"], one["data"]["recipients"][0]["address"]) for one in bounced],
            [("out", f"Message/{sent['id']}", failed, "nobody@example.net")], "one event, of the one that failed")
        only_out, only_in = (with_role(postern, "operator", accounts=[name]) for name in ("out", "inbox"))
        is_(only_out.get(f"{MESSAGES}/{sent['id']}").json["reports"], [], "a token for the one account sees no report of the other")
        is_(only_in.get(f"{MESSAGES}/{failed}").json["related"], None, "nor what it speaks of")


# ---- lists and searches ---------------------------------------------------------------------------------------------


def found(api, query, **more):
    subjects, path = [], f"{MESSAGES}?{urllib.parse.urlencode({'q': query, **more})}"
    while path:
        answer = api.get(path)
        if answer.status != 200:
            return answer.status
        subjects += [item["subject"] for item in answer.json["items"]]
        path = answer.json["next"]
    return sorted(subjects)


def wait_found(api, query, subjects, name):
    """The words come into the index some time later."""
    path = f"{MESSAGES}?{urllib.parse.urlencode({'q': query})}"
    api.until(path, lambda json: sorted(item["subject"] for item in json["items"]) == sorted(subjects), 60)
    is_(found(api, query), sorted(subjects), name)


def search():
    with Maildrop() as drop, Postern() as postern:
        api = postern.api
        drop.account(api, "inbox")
        drop.fetch(api, "inbox", PARTS, letter("Kiln 3", "The kiln is too hot; open valve 12.", "Bob <bob@sensors.example>"),
                   letter("Kiln 4", "All is well.", "Cleo <cleo@example.com>"),
                   letter("café", "rendez-vous at noon", head="Content-Type: text/plain; charset=utf-8\r\n"))
        wait_found(api, "turbine", ["Störung 7"], "a word of a text in HTML")
        for query, subjects, name in (
                ("kiln", ["Kiln 3", "Kiln 4"], "a word of the subject"),
                ("KILN hot", ["Kiln 3"], "words are all there"),
                ("kil val", ["Kiln 3"], "beginnings of words"),
                ("iln", [], "but nothing from within"),
                ("\"too hot\"", ["Kiln 3"], "a phrase"),
                ("\"hot too\"", [], "in its order"),
                ("storung", ["Störung 7"], "without marks"),
                ("STÖRUNG", ["Störung 7"], "with them"),
                ("cafe", ["café"], "the other way"),
                ("grüße", ["Störung 7"], "a text in another charset"),
                ("alert", [], "no script"),
                ("bob@sensors.example", ["Kiln 3"], "an address"),
                ("cleo", ["Kiln 4"], "a name"),
                ("ops@example.com kiln", ["Kiln 3", "Kiln 4"], "a recipient"),
                ("a b.png", ["Störung 7"], "a file's name"),
                ("rendez-vous", ["café"], "a word with a hyphen"),
                ("12", ["Kiln 3"], "a number"),
                ("kiln €", ["Kiln 3", "Kiln 4"], "a sign is no word"),
                ("€", [], "and finds nothing"),
                ("nowhere", [], "a word that isn't there")):
            is_(found(api, query), subjects, f"{name}: {query}")
        for query in ("\"", "\"\"", "\"kiln", "AND", "kiln AND", "OR NOT NEAR(", "subject:x", "*", "kil*", "^kiln", "a\"b\"c", "(((", "-kiln",
                      "{a b}:c", "'; DROP TABLE message; --", "a" * 500, "\U0001f525", "%", "_"):
            ok(isinstance(found(api, query), list), f"no error: {query[:20]!r}")
        is_(found(api, "a" * 501), 422, "more than 500 bytes")
        is_(len(found(api, "  ")), 4, "blanks ask for nothing")
        is_(found(api, "kiln", account="nobody"), [], "with another account")
        is_(found(api, "kiln", direction="incoming", acknowledged="false"), ["Kiln 3", "Kiln 4"], "with filters")
        is_(found(api, "kiln", limit=1), ["Kiln 3", "Kiln 4"], "in pages")
        postern.restart()
        is_(found(postern.api, "turbine"), ["Störung 7"], "after a restart")
        postern.kill9()
        postern.start()
        drop.fetch(postern.api, "inbox", letter("late", "gasket"))
        wait_found(postern.api, "gasket", ["late"], "after it was killed")


def filters():
    with Maildrop() as drop, Postern() as postern:
        api = postern.api
        drop.account(api, "inbox")
        drop.fetch(api, "inbox", *(letter(f"n{n}") for n in range(12)))
        items = api.get(f"{MESSAGES}?limit=12").json["items"]
        answer = api.post(ACKNOWLEDGE, {"ids": [items[0]["id"], items[3]["id"], items[3]["id"], "nothing"]})
        is_((answer.status, answer.json), (200, {"acknowledged": 2, "unknown": ["nothing"]}), "two are acknowledged by their ids")
        is_described(api, answer.json, "Acknowledged")
        is_(names(api, "acknowledged=true"), [items[0]["subject"], items[3]["subject"]], "acknowledged ones, newest first")
        is_(len(names(api, "acknowledged=false&limit=4")), 10, "the others, in pages")
        is_(names(api, "acknowledged=true&direction=outgoing"), [], "sent ones are neither")
        is_(api.get(f"{MESSAGES}?acknowledged=maybe").status, 422, "true or false")
        created = sorted(api.get(f"{MESSAGES}/{item['id']}").json["createdAt"] for item in items)
        is_((len(names(api, f"since={created[0]}")), len(names(api, "since=2099-01-01T00:00:00Z")), len(names(api, f"until={created[0]}")),
             len(names(api, "until=2099-01-01T00:00:00%2B01:00"))), (12, 0, 0, 12), "since and until")
        is_((names(api, f"since={created[-1]}")[0], api.get(f"{MESSAGES}?until=yesterday").status), (items[0]["subject"], 422),
            "to the millisecond; a time is one")
        answer = api.post(ACKNOWLEDGE, {"account": "inbox", "before": "2099-01-01T00:00:00Z"})
        is_((answer.status, answer.json), (200, {"acknowledged": 10, "unknown": []}), "all of an account")
        is_(api.post(ACKNOWLEDGE, {"account": "inbox", "before": "2099-01-01T00:00:00Z"}).json["acknowledged"], 0, "once")
        api.until("/api/v1/accounts/inbox/status", lambda json: json["unacknowledged"] == 0)
        is_(api.status("inbox")["unacknowledged"], 0, "the account counts none")
        trail = [entry for entry in api.get("/api/v1/audit").json["items"] if entry["action"] == "acknowledge"]
        is_([(entry["resource"], entry["detail"]["count"]) for entry in trail], [("IncomingAccount/inbox", 10), ("Message", 2)],
            "the audit has who did it")
        heard = api.get("/api/v1/events?type=message.acknowledged&limit=50", headers={"Accept": "application/json"}).json["items"]
        is_(len(heard), 12, "an event for each")
        for body, pointers in (({}, ["/account", "/before"]), ({"ids": []}, ["/ids"]), ({"ids": "x"}, ["/ids"]),
                               ({"ids": [1]}, ["/ids/0"]), ({"ids": ["x"] * 501}, ["/ids"]),
                               ({"ids": ["x"], "account": "inbox"}, ["/account"]), ({"account": "inbox"}, ["/before"]),
                               ({"account": "inbox", "before": "now"}, ["/before"])):
            answer = api.post(ACKNOWLEDGE, body)
            is_((answer.status, [pointer for pointer, _ in answer.codes()]), (422, pointers), f"refused: {json.dumps(body)[:50]}")


def names(api, query):
    subjects, path = [], f"{MESSAGES}?{query}"
    while path:
        page = api.get(path).json
        subjects += [item["subject"] for item in page["items"]]
        path = page["next"]
    return subjects


# ---- what is large --------------------------------------------------------------------------------------------------


def large():
    with Maildrop() as drop, Postern() as postern:
        api = postern.api
        drop.account(api, "inbox", maxMessageSize=40_000_000)
        blob = os.urandom(1_000_000) * 20
        big = (b"Subject: big\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\nsee there\r\n--B\r\n"
               b"Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
               + base64.encodebytes(blob).replace(b"\n", b"\r\n") + b"--B--\r\n")
        hostile = b"Subject: hostile\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n" + b"--B\r\nA: b\r\n\r\nx\r\n" * 1_000_000
        items = drop.fetch(api, "inbox", big, hostile, seconds=180)
        item = find(items, "big")
        told = api.get(f"{MESSAGES}/{item['id']}").json
        is_((told["text"], told["attachments"][0]["size"], told["partial"]), ("see there", len(blob), False), "20 MB in an attachment")
        ok(api.get(f"{MESSAGES}/{item['id']}/raw").body == big, "the message as a whole")
        ok(api.get(f"{MESSAGES}/{item['id']}/attachments/0").body == blob, "the attachment as a whole")
        told = api.get(f"{MESSAGES}/{find(items, 'hostile')['id']}").json
        is_((told["partial"], len(told["attachments"]) <= 500), (True, True), "a million parts are told in part")
        drop.account(api, "inbox", maxMessageSize=10_000)
        item = find(drop.fetch(api, "inbox", letter("too large", "x" * 20_000)), "too large")
        is_((item["headersOnly"], item["size"] > 20_000), (True, True), "too large: marked, with the size it has")
        told = api.get(f"{MESSAGES}/{item['id']}").json
        is_((told["headersOnly"], told["partial"], told["text"] or ""), (True, True, ""), "and nothing of its text")


main(content, reports, search, filters, large)
