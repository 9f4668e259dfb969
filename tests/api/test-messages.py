#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Messages: accepting, refusing, idempotency, limits, lists, what arrives (DESIGN 3)."""

import base64
import email
import email.policy
import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from postern import Postern
from tap import diag, is_, main, ok

ACCOUNTS, MESSAGES = "/api/v1/accounts", "/api/v1/messages"
OUT = "OutgoingAccount"
POST = ACCOUNTS + "/out/messages"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
HEADERS = b"From: plant@example.com\r\nTo: a@example.com\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <one@example.com>\r\n"


def simple(**more):
    return {"from": "plant@example.com", "to": ["a@example.com"], "subject": "Hello", "text": "Good morning.\n",
            **more}


def account(api, port, name="out", **more):
    answer = api.put(f"{ACCOUNTS}/{name}", {"type": OUT, "hostname": "127.0.0.1", "port": port,
                                            "emailAuthenticator": {"type": "none"},
                                            "connectionTimeout": 5, **more})
    if answer.status not in (200, 201):
        raise RuntimeError(repr(answer))


def raw(api, data, query="", path=POST, **headers):
    return api.post(path + query, data=data, headers={"Content-Type": "message/rfc822", **headers})


def wait_state(api, message, *states, seconds=20):
    return api.until(f"{MESSAGES}/{message}", lambda json: json["state"] in states, seconds).json


def parse(content):
    return email.message_from_bytes(content, policy=email.policy.default)


def accepting():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port)
        answer = api.post(POST, simple(cc=["Büro <b@example.com>"], bcc="c@example.com", replyTo="office@example.com",
                                       subject="Störung 7 \u2603",
                                       text="Zeile 1\n.\n..Zeile 3\nFrom here on\n", html="<p>Grüße</p>",
                                       headers={"X-Plant": "7", "X-Name": "Jürgen"},
                                       attachments=[{"filename": "Bericht ä.pdf", "contentType": "application/pdf",
                                                     "content": base64.b64encode(bytes(range(256)) * 20).decode()},
                                                    {"filename": "a.txt", "contentType": "text/plain",
                                                     "content": base64.b64encode(b"line\r\nend\n.\n").decode()}]))
        is_(answer.status, 202, "accepted")
        made = answer.json
        is_((sorted(made), made["state"]), (["id", "messageId", "state"], "queued"), "id, messageId, state")
        ok(re.fullmatch(UUID, made["id"]), "a UUID of version 7")
        ok(re.fullmatch(r"<[^<>@\s]+@example\.com>", made["messageId"]), "a Message-ID with the sender's domain")
        is_(answer.headers["Location"], f"{MESSAGES}/{made['id']}", "Location")
        taken = catcher.wait(1)
        is_((taken[0].sender, sorted(taken[0].recipients)),
            ("plant@example.com", ["a@example.com", "b@example.com", "c@example.com"]), "the envelope")
        message = parse(taken[0].content)
        is_((message["Subject"], message["From"], message["To"], message["Reply-To"], message["Message-ID"]),
            ("Störung 7 \u2603", "plant@example.com", "a@example.com", "office@example.com", made["messageId"]),
            "the headers")
        is_((message["Cc"], message["Bcc"], message["X-Plant"], message["X-Name"]),
            ("Büro <b@example.com>", None, "7", "Jürgen"),
            "Cc is there, Bcc isn't, nor is a header lost")
        ok(message["Date"] and message["MIME-Version"], "Date and MIME-Version")
        is_(message.get_body(("plain",)).get_content().replace("\r\n", "\n"), "Zeile 1\n.\n..Zeile 3\nFrom here on\n",
            "the text, dots and all")
        is_(message.get_body(("html",)).get_content().strip(), "<p>Grüße</p>", "the HTML")
        parts = list(message.iter_attachments())
        is_([(part.get_filename(), part.get_content_type()) for part in parts],
            [("Bericht ä.pdf", "application/pdf"), ("a.txt", "text/plain")],
            "the attachments")
        is_(parts[0].get_content(), bytes(range(256)) * 20, "byte for byte")
        ok(all(len(line) <= 998 for line in taken[0].content.split(b"\r\n")) and taken[0].content.isascii(),
           "short lines, 7 bits")

        whole = wait_state(api, made["id"], "sent")
        is_((whole["state"], whole["account"], whole["direction"], whole["subject"], whole["attempts"]),
            ("sent", "out", "outgoing", "Störung 7 \u2603", 1), "sent")
        is_(sorted((one["address"], one["state"], one["code"]) for one in whole["recipients"]),
            [(f"{who}@example.com", "sent", 250) for who in "abc"], "for every recipient, with the code")
        is_((whole["messageId"], whole["sender"], whole["createdBy"]),
            (made["messageId"], "plant@example.com", "token:test"), "from whom, by whom")
        got = api.get(f"{MESSAGES}/{made['id']}/raw")
        is_((got.status, got.headers["Content-Type"], got.body), (200, "message/rfc822", taken[0].content),
            "raw is what was sent")
        is_(whole["size"], len(got.body), "size")
        got = api.get(f"{MESSAGES}/{made['id']}/attachments/0")
        is_((got.status, got.body, got.headers["X-Attachment-Type"]),
            (200, bytes(range(256)) * 20, "application/pdf"), "an attachment")
        ok("attachment" in got.headers["Content-Disposition"]
           and "Bericht%20%C3%A4.pdf" in got.headers["Content-Disposition"], "to be saved, with its name")
        ok(got.headers["Content-Type"] == "application/octet-stream"
           and got.headers["X-Content-Type-Options"] == "nosniff", "never to be run")
        for number in ("2", "-1", "x", "99999999999999999999"):
            is_(api.get(f"{MESSAGES}/{made['id']}/attachments/{number}").status, 404, f"attachment {number}")
        for path in ("", "/raw", "/attachments/0"):
            is_(api.get(f"{MESSAGES}/00000000-0000-7000-8000-000000000000{path}").status, 404,
                f"no such message{path}")
        is_(api.get(f"{MESSAGES}/x").status, 404, "an id that is none")
        item = api.get(MESSAGES).json["items"][0]
        is_(sorted(set(item) & {"id", "account", "direction", "state", "from", "to", "subject", "date", "size"}),
            sorted(["id", "account", "direction", "state", "from", "to", "subject", "date", "size"]),
            "an item has what DESIGN names")
        is_((item["from"], item["to"]), ("plant@example.com", ["a@example.com"]), "from and to")
        status = api.status("out")
        is_((status["status"]["state"], status["numberSent"], status["queueSize"]), ("ok", 1, 0),
            "the account counts it")


def plainly():
    """The least that makes a message; defaults of the account and of the service."""
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, **{"from": "Plant 7 <plant@example.com>", "replyTo": "office@example.com"})
        is_(api.post(MESSAGES, simple()).json["code"], "account.noDefault", "no default account yet")
        is_(api.post(MESSAGES, simple()).status, 409, "409")
        for bad in ("nobody", "in"):
            if bad == "in":
                api.put(ACCOUNTS + "/in", {"type": "IncomingAccount"})
            is_(api.patch("/api/v1/services/EmailService", {"defaultOutgoingAccount": bad}).codes(),
                [("/defaultOutgoingAccount", "reference.missing")], f"no default that can't send: {bad}")
        is_(api.patch("/api/v1/services/EmailService", {"defaultOutgoingAccount": "out"}).status, 200, "set it")
        answer = api.post(MESSAGES, {"to": "a@example.com"})
        is_(answer.status, 202, "an address is enough")
        message = parse(catcher.wait(1)[0].content)
        is_((message["From"], message["Reply-To"], catcher.taken[0].sender),
            ("Plant 7 <plant@example.com>", "office@example.com", "plant@example.com"),
            "From and Reply-To of the account")
        answer = api.post(POST, simple(to=["a@example.com", "A@example.com", "a@example.com"], cc=["a@example.com"]))
        is_(sorted(catcher.wait(2)[1].recipients), ["A@example.com", "a@example.com"], "each address once")
        answer = api.post(POST, simple(to=["Group <g@bücher.example>", "jürgen@example.com"]))
        is_(answer.status, 202, "international addresses")
        is_(sorted(catcher.wait(3)[2].recipients), ["g@xn--bcher-kva.example", "jürgen@example.com"],
            "A-labels; UTF-8 where the server takes it")
        ok(any(line.startswith("MAIL") and "SMTPUTF8" in line for line in catcher.commands), "and is asked to")
        answer = api.post(POST, {"bcc": ["secret@example.com"], "subject": "x"})
        is_(answer.status, 202, "Bcc alone")
        is_(parse(catcher.wait(4)[3].content)["Bcc"], None, "is told to nobody")
        # A connection carries many messages.
        is_({taken.session for taken in catcher.taken}, {1}, "all over one connection")
        is_(api.post(ACCOUNTS + "/in/messages", simple()).json["code"], "account.type",
            "an incoming account sends nothing")
        is_(api.post(ACCOUNTS + "/nobody/messages", simple()).status, 404, "no such account")


WRONG = [
    ({}, [("/from", "property.required"), ("/to", "property.required")]),
    (simple(to=[]), [("/to", "property.required")]),
    (simple(to=["not an address"]), [("/to/0", None)]),
    (simple(to=["a@example.com", "b@", "@c"]), [("/to/1", None), ("/to/2", None)]),
    (simple(to=["a@example.com\r\nBcc: b@example.com"]), [("/to/0", None)]),
    (simple(to=["a\u0007@example.com"]), [("/to/0", None)]),
    (simple(to=["a@exa\u007fmple.com"]), [("/to/0", None)]),
    (simple(to=["a@example.com> NOTIFY=NEVER <b@example.com"]), [("/to/0", None)]),
    (simple(to=[5]), [("/to/0", "property.type")]),
    (simple(to={"a": 1}), [("/to", "property.type")]),
    (simple(cc=["x"]), [("/cc/0", None)]),
    (simple(bcc=["x y@example.com"]), [("/bcc/0", None)]),
    (simple(**{"from": "a@example.com, b@example.com"}), [("/from", None)]),
    (simple(**{"from": "a\n@example.com"}), [("/from", None)]),
    (simple(replyTo="x\r\ny"), [("/replyTo", None)]),
    (simple(subject="a\r\nBcc: b@example.com"), [("/subject", None)]),
    (simple(subject="a\nb"), [("/subject", None)]),
    (simple(subject=5), [("/subject", "property.type")]),
    (simple(text=[]), [("/text", "property.type")]),
    (simple(html=5), [("/html", "property.type")]),
    (simple(headers={"X-A": "a\r\nX-B: b"}), [("/headers/X-A", None)]),
    (simple(headers={"X-A": "a\nb"}), [("/headers/X-A", None)]),
    (simple(headers={"X A": "a"}), [("/headers/X A", None)]),
    (simple(headers={"X-A: b\r\nX-C": "a"}), [("/headers/X-A: b  X-C", None)]),
    (simple(headers={"": "a"}), [("/headers/", None)]),
    (simple(headers={"X-A": 5}), [("/headers/X-A", "property.type")]),
    (simple(headers={"Content-Type": "text/html"}), [("/headers/Content-Type", None)]),
    (simple(headers={"Bcc": "b@example.com"}), [("/headers/Bcc", None)]),
    (simple(headers=["a"]), [("/headers", "property.type")]),
    (simple(attachments={}), [("/attachments", "property.type")]),
    (simple(attachments=[{"filename": "x"}]), [("/attachments/0/content", "property.required")]),
    (simple(attachments=[{"content": "###"}]), [("/attachments/0/content", "attachment.base64")]),
    (simple(attachments=[{"content": "", "name": "x"}]), [("/attachments/0/name", "property.unknown")]),
    (simple(attachments=[{"content": "", "contentType": "text/plain\r\nX: y"}]),
     [("/attachments/0/contentType", None)]),
    (simple(attachments=["x"]), [("/attachments/0", None)]),
    (simple(sendAt="tomorrow"), [("/sendAt", "property.type")]),
    (simple(sendAt=5), [("/sendAt", "property.type")]),
    (simple(priority="high"), [("/priority", "property.unknown")]),
    (simple(subject=5, priority=1, to=["x"], sendAt="y"),
     [("/subject", "property.type"), ("/priority", "property.unknown")]),
]
WRONG_RAW = [
    (b"", "", "nothing"), (b"\r\n", "", "no headers"), (b"no headers at all\r\n", "", "not a message"),
    (b"Subject: x\r\n\r\nhello\r\n", "", "no recipients"),
    (HEADERS + b"X: a\0b\r\n\r\nbody", "", "a zero byte"),
    (b"From: a@example.com\r\nTo: not an address\r\n\r\nx", "", "a wrong address"),
    (HEADERS + b"\r\nx", "?to=not%20an%20address", "a wrong to="),
    (HEADERS + b"\r\nx", "?to=a@example.com%0d%0aRCPT", "a line break in to="),
    (HEADERS + b"\r\nx", "?from=x", "a wrong from="), (HEADERS + b"\r\nx", "?to=", "an empty to="),
]


def refusing():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port)
        for body, expected in WRONG:
            answer = api.post(POST, body)
            got = answer.codes()
            good = answer.status == 422 and all(any(pointer == one and code in (None, is_code) for one,
                                                    is_code in got) for pointer, code in expected)
            if not ok(good, f"refused: {str(body)[-60:]}"):
                diag(f"expected {expected}: {answer!r}")
        for data, query, name in WRONG_RAW:
            answer = raw(api, data, query)
            if not ok(answer.status == 422 and answer.headers["Content-Type"] == "application/problem+json",
                      f"refused as it is: {name}"):
                diag(repr(answer))
        for data, headers, status in ((b"{", {"Content-Type": "application/json"}, 400),
                                      (b'{"to":"\xff"}', {"Content-Type": "application/json"}, 400),
                                      (b"[]", {"Content-Type": "application/json"}, 422),
                                      (b"hello", {"Content-Type": "text/plain"}, 415),
                                      (b"hello", {}, 415), (b'{"to":"a@example.com","to":"b@example.com"}',
                                                            {"Content-Type": "application/json"}, 400)):
            answer = api.post(POST, data=data, headers=headers)
            is_((answer.status, answer.headers["Content-Type"]), (status, "application/problem+json"),
                f"{data!r} as {headers}")
        is_(catcher.quiet(0.3), [], "nothing of it was sent")
        is_(api.get(MESSAGES).json["items"], [], "or kept")
        ok(not any("RCPT" in line for line in catcher.commands), "no recipient was ever told")


def as_it_is():
    """message/rfc822: the same bytes at the other end and in /raw."""
    bodies = {
        "plain": HEADERS + b"Subject: x\r\n\r\nHello\r\n.\r\n..two\r\nlast\r\n",
        "8 bits": HEADERS + b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4\xf6\xfc\xff\x80\r\n",
        "folded and strange": HEADERS + b"Subject: a\r\n\tb\r\n  c\r\nX-Odd:\r\nReceived: x\r\nReceived: y\r\n\r\n\r\n\r\nbody \t \r\n \r\n",
        "long lines": HEADERS + b"\r\n" + b"x" * 990 + b"\r\n" + b"y" * 5 + b"\r\n",
        "no body": HEADERS + b"\r\n",
        "multipart": HEADERS + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\none\r\n--b--\r\nepilogue\r\n",
    }
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port)
        for number, (name, data) in enumerate(bodies.items()):
            answer = raw(api, data)
            if not ok(answer.status == 202, f"{name}: accepted"):
                diag(repr(answer))
                continue
            is_(answer.json["messageId"], "<one@example.com>", "  its own Message-ID")
            is_(api.get(f"{MESSAGES}/{answer.json['id']}/raw").body, data, "  raw: the same bytes")
            is_(catcher.wait(number + 1)[number].content, data, "  sent: the same bytes")
        count = len(bodies)
        answer = raw(api, HEADERS + b"Bcc: hidden@example.com,\r\n other@example.com\r\nSubject: x\r\n\r\nHello\r\n")
        taken = catcher.wait(count + 1)[count]
        is_((sorted(taken.recipients), b"hidden" in taken.content, taken.content),
            (["a@example.com", "hidden@example.com", "other@example.com"], False,
            HEADERS + b"Subject: x\r\n\r\nHello\r\n"), "Bcc: in the envelope only")
        answer = raw(api, HEADERS + b"\r\nHello\r\n", "?from=bounce@example.com&to=x@example.com,y@example.com")
        taken = catcher.wait(count + 2)[count + 1]
        is_((taken.sender, taken.recipients, taken.content),
            ("bounce@example.com", ["x@example.com", "y@example.com"], HEADERS + b"\r\nHello\r\n"),
            "?from=&to= make the envelope; the message stays")
        answer = raw(api, b"From: plant@example.com\nTo: a@example.com\nSubject: bare\n\nline\n.\nend\n")
        taken = catcher.wait(count + 3)[count + 2]
        ok(b"\n" not in taken.content.replace(b"\r\n", b""), "bare line feeds: CRLF on the wire")
        ok(taken.content.endswith(b"\r\nline\r\n.\r\nend\r\n"), "the text as it was")
        message = parse(taken.content)
        is_((message["Message-ID"], bool(message["Date"])), (answer.json["messageId"], True),
            "what was missing was added")
        answer = raw(api, HEADERS + b"\r\nno newline at the end")
        ok(catcher.wait(count + 4)[count + 3].content.endswith(b"no newline at the end\r\n"), "the last line ends")
        is_({taken.session for taken in catcher.taken}, {1}, "all over one connection")


def idempotency():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port)
        account(api, catcher.port, "other")
        key = {"Idempotency-Key": "order-4711"}
        first = api.post(POST, simple(), headers=key)
        again = api.post(POST, simple(), headers=key)
        is_((again.status, again.json, again.headers["Location"]), (202, first.json, first.headers["Location"]),
            "same key and body: the first answer again")
        is_(again.headers["Idempotency-Replayed"], "true", "and says that it is")
        other = api.post(POST, simple(subject="another"), headers=key)
        is_((other.status, other.json["code"]), (422, "idempotency.mismatch"), "same key, another body")
        is_(api.post(POST + "?x=1", simple(), headers=key).status, 422, "a parameter that nobody knows")
        is_(api.post(POST, simple(), headers={"Idempotency-Key": "order-4712"}).json["id"] != first.json["id"], True,
            "another key: another message")
        second = api.post(ACCOUNTS + "/other/messages", simple(), headers=key)
        is_((second.status, second.json["id"] != first.json["id"]), (202, True), "per account")
        made = api.post("/api/v1/users", {"name": "alice", "role": "operator", "password": "correct horse battery"})
        is_(made.status, 201, "a user")
        alice = postern.login("alice", "correct horse battery")
        third = alice.post(POST, simple(), headers=key)
        is_((third.status, third.json["id"] not in (first.json["id"], second.json["id"])), (202, True),
            "and per user")
        for bad in ("", "x" * 256):
            answer = api.post(POST, simple(), headers={"Idempotency-Key": bad})
            is_((answer.status, answer.json["code"]), (422, "idempotency.key"), f"a key that is none: {bad:.5}")
        data = HEADERS + b"\r\nHello\r\n"
        one = raw(api, data, **{"Idempotency-Key": "raw"})
        is_(raw(api, data, **{"Idempotency-Key": "raw"}).json, one.json, "as it is: the same")
        is_(raw(api, data, "?to=b@example.com", **{"Idempotency-Key": "raw"}).status, 422,
            "another envelope is another request")
        is_(raw(api, data + b"x", **{"Idempotency-Key": "raw"}).status, 422, "another body, too")
        wait_state(api, first.json["id"], "sent")
        sent = api.post(POST, simple(), headers=key)
        is_((sent.status, sent.json), (202, first.json), "also when it was sent meanwhile")
        postern.restart()
        is_(api.post(POST, simple(), headers=key).json, first.json, "also after a restart")
        is_(api.post(POST, simple(subject="another"), headers=key).status, 422, "and the other body, too")
        is_(len(api.get(MESSAGES + "?limit=500").json["items"]), 5, "five messages are what came of it")
        is_(len(catcher.wait(5)), 5, "and five were sent")


def limits():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, maxQueueSize=2, maxMessageSize=20000)
        api.action("out", "pause")
        ids = [api.post(POST, simple()).json["id"] for _ in range(2)]
        full = api.post(POST, simple())
        is_((full.status, full.json["code"]), (503, "queue.full"), "a full queue refuses the new message")
        ok(int(full.headers["Retry-After"]) > 0, "with Retry-After")
        is_((api.status("out")["queueSize"], api.status("out")["numberDiscarded"]), (2, 0), "nothing is dropped")
        is_(api.delete(f"{MESSAGES}/{ids[0]}").status, 204, "room is made")
        is_(api.post(POST, simple()).status, 202, "and filled")
        is_(api.post(POST, simple()).status, 503, "full again")
        api.action("out", "clearQueue")

        big = api.post(POST, simple(text="x\n" * 12000))
        is_((big.status, big.json["code"]), (413, "message.tooLarge"), "larger than maxMessageSize")
        is_(raw(api, HEADERS + b"\r\n" + b"x\r\n" * 8000).status, 413, "as it is, too")
        is_(api.post(POST, simple(text="x\n" * 5000)).status, 202, "smaller")
        api.action("out", "clearQueue")

        forty = b'{"from":"b@example.com","to":"a@example.com","text":"' + b"x" * (40 << 20) + b'"}'
        answer = api.post(POST, data=forty, headers={"Content-Type": "application/json"})
        is_((answer.status, answer.headers["Content-Type"]), (413, "application/problem+json"), "a 40 MB body")
        account(api, catcher.port, maxMessageSize=60 << 20)
        answer = raw(api, HEADERS + b"\r\n" + b"0123456789\r\n" * 1_000_000)
        is_(answer.status, 202, "12 MB for an account that takes it")
        is_(len(api.get(f"{MESSAGES}/{answer.json['id']}/raw").body), len(HEADERS) + 2 + 12_000_000, "whole")
        api.action("out", "clearQueue")

        for change, name in (({"enabled": False}, "account"), (None, "EmailService")):
            if change:
                api.patch(ACCOUNTS + "/out", change)
            else:
                api.patch("/api/v1/services/EmailService", {"enabled": False})
            answer = api.post(POST, simple())
            is_((answer.status, answer.json["code"]), (409, "account.disabled"), f"disabled {name}: refused")
            api.patch(ACCOUNTS + "/out", {"allowDisabledQueuing": True})
            api.action("out", "resume")
            queued = api.post(POST, simple())
            is_(queued.status, 202, "allowDisabledQueuing takes it")
            is_(catcher.quiet(0.3), [], "and opens no connection")
            api.patch(ACCOUNTS + "/out", {"allowDisabledQueuing": False, "enabled": True})
            api.patch("/api/v1/services/EmailService", {"enabled": True})
            is_(wait_state(api, queued.json["id"], "sent")["state"], "sent", "enabled again, it goes out")


def lists():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port)
        account(api, catcher.port, "office")
        api.action("office", "pause")
        ids = [api.post(f"{ACCOUNTS}/{'office' if i % 3 == 0 else 'out'}/messages",
                        simple(subject=f"Report {i:03}", to=[f"r{i}@example.com"])).json["id"] for i in range(60)]
        api.until(ACCOUNTS + "/out/status", lambda json: json["queueSize"] == 0)

        def found(query):
            items, url = [], f"{MESSAGES}?{query}"
            while url:
                answer = api.get(url)
                items += [item["id"] for item in answer.json["items"]]
                link = re.match(r'<([^>]+)>; rel="next"', answer.headers["Link"] or "")
                if bool(link) != bool(answer.json["next"]):
                    ok(False, f"{url}: Link and next agree")
                url = link.group(1) if link else None
            return items

        newest = ids[::-1]
        is_(len(api.get(MESSAGES).json["items"]), 50, "50 unless asked for more")
        for limit in (1, 7, 50, 60, 500):
            is_(found(f"limit={limit}"), newest, f"limit={limit}: all, newest first, each once")
        is_(found("account=office&limit=7"),
            newest[::3] if 59 % 3 == 0 else [one for i, one in enumerate(newest) if (59 - i) % 3 == 0], "account=")
        is_(found("state=queued&limit=9"), [one for i, one in enumerate(newest) if (59 - i) % 3 == 0], "state=")
        is_(len(found("state=sent")), 40, "state=sent")
        is_(found("state=sent&account=office"), [], "both")
        is_(found("direction=outgoing&limit=500"), newest, "direction=outgoing")
        is_(found("direction=incoming"), [], "direction=incoming")
        is_(found("q=Report%20017"), [ids[17]], "q= in the subject")
        is_(found("q=report%20017"), [ids[17]], "in any case")
        is_(found("q=r42%40example"), [ids[42]], "in the recipients")
        is_(found("q=plant%40&limit=500"), newest, "in the sender")
        is_(found("q=%25"), [], "a per cent sign is no wildcard")
        is_(found("q=_eport"), [], "nor is an underscore")
        is_(found("account=nobody"), [], "an account that isn't there")
        is_(found("account=" + urllib.parse.quote("' OR 1=1 --")), [], "nor one that is SQL")
        for query in ("state=nonsense", "direction=up", "limit=0", "limit=501", "cursor=zz", "cursor=AAAA"):
            answer = api.get(f"{MESSAGES}?{query}")
            is_((answer.status, answer.headers["Content-Type"]), (422, "application/problem+json"), f"?{query}")
        made = api.post("/api/v1/tokens", {"name": "limited", "role": "operator", "accounts": ["office"]}).json
        limited = api.clone(headers={"Authorization": f"Bearer {made['token']}"})
        is_({item["account"] for item in limited.get(MESSAGES + "?limit=500").json["items"]}, {"office"},
            "a limited token sees its own")
        is_(limited.get(MESSAGES + "?account=out").json["items"], [], "and no other")
        for method, path in (("GET", ""), ("GET", "/raw"), ("GET", "/attachments/0"), ("DELETE", ""),
                             ("POST", "/actions/retry")):
            is_(limited.request(method, f"{MESSAGES}/{ids[1]}{path}").status, 404,
                f"limited: {method} {path} isn't there for it")
        is_(limited.post(MESSAGES, simple()).status, 409, "nor is a default account")
        viewer = api.clone(headers={"Authorization": f"Bearer {postern.token('v', 'viewer')}"})
        table = (("GET", MESSAGES, 200), ("GET", f"{MESSAGES}/{ids[0]}", 200),
                 ("GET", f"{MESSAGES}/{ids[0]}/raw", 403),
                 ("GET", f"{MESSAGES}/{ids[0]}/attachments/0", 403), ("DELETE", f"{MESSAGES}/{ids[0]}", 403),
                 ("POST", f"{MESSAGES}/{ids[0]}/actions/cancel", 403), ("POST", MESSAGES, 403), ("POST", POST, 403))
        for method, path, status in table:
            is_(viewer.request(method, path, simple() if method == "POST" else None).status, status,
                f"a viewer: {method} {path[-20:]}")
            is_(postern.anonymous().request(method, path, simple() if method == "POST" else None).status, 401,
                "  nobody: 401")


main(accepting, plainly, refusing, as_it_is, idempotency, limits, lists)
