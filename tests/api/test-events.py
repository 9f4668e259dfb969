#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=600
"""/events: told live, resumed, in pages; who hears what, and when a stream ends."""

import datetime
import os
import re
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from pki import Pki
from postern import TOP, Postern
from schema import faults, strict
from sse import Stream
from tap import diag, is_, main, ok, scale

ACCOUNTS, MESSAGES, EVENTS, USERS, TOKENS = (f"/api/v1/{one}" for one in ("accounts", "messages", "events", "users", "tokens"))
PAGE = {"Accept": "application/json"}
PASSWORD = "correct horse battery"
STREAMS = 200                   # that a server has at a time


def account(api, name="out", port=1, **more):
    answer = api.put(f"{ACCOUNTS}/{name}", {"type": "OutgoingAccount", "hostname": "127.0.0.1", "port": port,
                                            "emailAuthenticator": {"type": "none"}, "connectionTimeout": 5, **more})
    if answer.status not in (200, 201):
        raise RuntimeError(repr(answer))


def post(api, name="out", **more):
    return api.post(f"{ACCOUNTS}/{name}/messages", {"from": "a@example.com", "to": ["b@example.com"], "text": "x",
                                                    **more}).json["id"]


def touch(api, count, name="out"):
    """So many events account.changed."""
    for number in range(count):
        answer = api.patch(f"{ACCOUNTS}/{name}", {"description": f"{number} {time.monotonic()}"})
        if answer.status != 200:
            raise RuntimeError(repr(answer))


def page(api, query=""):
    return api.get(EVENTS + query, headers=PAGE).json


def listen(postern, query="", last_id=None, token=None):
    return Stream(postern.port, {"Authorization": f"Bearer {token or postern.api.headers['Authorization'][7:]}"},
                  EVENTS + query, last_id)


def types(events):
    return [one.type if hasattr(one, "type") else one["type"] for one in events]


def live():
    with Postern() as postern:
        api = postern.api
        document = api.get("/api/v1/openapi.json").json
        described = document["components"]["schemas"]["Event"]["properties"]["type"]["examples"]
        listed = api.get(EVENTS + "/types").json["items"]
        is_([one["name"] for one in listed], described, "the document and the list of types say the same")
        ok(all(one["description"] and one["role"] in ("viewer", "operator", "admin") for one in listed), "with words")
        with listen(postern) as stream:
            is_((stream.status, stream.headers["Content-Type"], stream.headers["Cache-Control"]),
                (200, "text/event-stream", "no-store"), "a stream")
            touched = time.monotonic()
            account(api)
            event = stream.next()
            ok(time.monotonic() - touched < 10, "it comes by itself")
            is_((event.type, event.data["account"], event.data["resource"], event.data["data"]),
                ("account.created", "out", "OutgoingAccount/out", {"name": "out", "type": "OutgoingAccount"}), "an account")
            is_(event.data["id"], event.id, "its number is its id")
            touch(api, 20)
            events = stream.take(20)
            is_(types(events), ["account.changed"] * 20, "each change")
            is_([one.id for one in events], list(range(event.id + 1, event.id + 21)), "in order, without a hole")
            is_(api.patch(f"{ACCOUNTS}/out", {}).status, 200, "what changes nothing")
            api.action("out", "rename", {"name": "new"})
            event = stream.next()
            is_((event.type, event.data["account"], event.data["data"]["from"]), ("account.renamed", "new", "out"),
                "is no event; a rename is")
            api.patch("/api/v1/services/WebService", {"sessionIdle": 900})
            is_(stream.next().data["resource"], "WebService/WebService", "a service")
            api.put(f"{ACCOUNTS}/dry?dryRun=true", {"type": "OutgoingAccount"})
            api.put(f"{ACCOUNTS}/new", {"type": "OutgoingAccount", "port": 0})
            api.delete(f"{ACCOUNTS}/new")
            event = stream.next()
            is_((event.type, event.data["resource"]), ("account.deleted", "OutgoingAccount/new"), "not what was tried or refused")
            wrong = []
            for one in page(api, "?limit=500")["items"]:
                wrong += faults(one, strict({"$ref": "#/components/schemas/Event"}),
                                {**document, "components": strict(document["components"])})
                wrong += [f"{one['type']} isn't listed"] * (one["type"] not in described)
            is_(wrong, [], "events are as described")


def sources():
    """What the sources name stands in the table; what is put together at run time is tests/unit/test-events' to look at."""
    with Postern() as postern:
        known = {one["name"] for one in postern.api.get(EVENTS + "/types").json["items"]}
    named = set()
    for folder, _, files in os.walk(os.path.join(TOP, "server")):
        for name in files:
            if name.endswith(".c"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    for call in re.findall(r"\bevents_(?:add|note)\(([^;]*);", file.read()):
                        named |= set(re.findall(r'"([a-z]+(?:[A-Z]\w*)?\.\w+)"', call.partition("json_pack")[0]))
    ok(len(named) > 5, f"types in the sources: {len(named)}")
    is_(sorted(named - known), [], "each is in the table")


def negotiation():
    with Postern() as postern:
        token = postern.api.headers["Authorization"][7:]
        for accept, right in (
                (None, "text/event-stream"), ("text/event-stream", "text/event-stream"), ("*/*", "text/event-stream"),
                ("text/*", "text/event-stream"), ("application/json", "application/json"),
                ("application/*;q=0.9, */*;q=0.1", "application/json"),
                ("application/json;q=0.5, text/event-stream", "text/event-stream"),
                ("application/json, text/event-stream;q=0.9", "application/json"),
                ("application/json, */*;q=0", "application/json"), ("TEXT/EVENT-STREAM;charset=utf-8", "text/event-stream"),
                ("text/html", "application/problem+json"), ("application/json;q=0.000", "application/problem+json")):
            with Stream(postern.port, {"Authorization": f"Bearer {token}", "Accept": accept or ""}) if accept else \
                    Stream(postern.port, {"Authorization": f"Bearer {token}", "Accept": "*/*"}) as stream:
                is_((stream.status, stream.headers["Content-Type"]), (406 if "problem" in right else 200, right), f"Accept: {accept}")
        answer = postern.api.request("HEAD", EVENTS)
        is_((answer.status, answer.headers["Content-Type"], answer.body), (200, "text/event-stream", b""), "HEAD")
        answer = postern.api.get(EVENTS, headers={"Accept": None, **PAGE})
        is_(answer.headers["Cache-Control"], "no-store", "a page isn't kept")


def resuming():
    with Postern() as postern:
        api = postern.api
        account(api)
        with listen(postern) as stream:
            touch(api, 3)
            first = stream.take(3)
            last = stream.last_id
        with listen(postern) as stream:
            try:
                stream.next(0.5)
                ok(False, "without a number it begins now")
            except TimeoutError:
                ok(True, "without a number it begins now")
            is_(stream.last_id, last, "and says where now is")
        touch(api, 2)
        with listen(postern, last_id=last) as stream:
            is_([one.id for one in stream.take(2)], [last + 1, last + 2], "Last-Event-ID resumes")
            touch(api, 1)
            is_(stream.next().id, last + 3, "and goes on")
        with listen(postern, f"?after={first[0].id}") as stream:
            is_([one.id for one in stream.take(5)], list(range(first[1].id, last + 4)), "?after= as well")
        with listen(postern, f"?after={first[0].id}", last_id=last + 2) as stream:
            is_(stream.next().id, last + 3, "the header counts where both are there")
        postern.restart()
        with listen(postern, last_id=last) as stream:
            is_([one.id for one in stream.take(3)], [last + 1, last + 2, last + 3], "after a restart")
        touch(api, 1)
        postern.kill9()
        postern.start()
        touch(api, 1)
        with listen(postern, last_id=last + 3) as stream:
            is_(types(stream.take(2)), ["account.changed"] * 2, "and after a kill")
        touch(api, scale(3000, 700))
        with listen(postern, "?after=0") as stream:
            seen, deadline = [], time.monotonic() + 120
            touch(api, 1)
            newest = page(api, "?limit=1")["items"][0]["id"]
            while (not seen or seen[-1] < newest) and time.monotonic() < deadline:
                seen.append(stream.next().id)
            is_(seen, list(range(1, newest + 1)), f"all {newest} from the first one, from the store and then live")
        with listen(postern, "?after=0&type=user.created") as stream:
            is_(stream.next().id, 1, "one among many")
            api.post(USERS, {"name": "late", "password": PASSWORD})
            is_(stream.next().data["resource"], "User/late", "and the next one much later")


def gaps():
    with Postern() as postern:
        api = postern.api
        account(api)
        touch(api, 10)
        newest = page(api, "?limit=1")["items"][0]["id"]
        postern.stop()
        with sqlite3.connect(os.path.join(postern.state, "postern.db")) as database:
            database.execute("DELETE FROM event WHERE seq <= ?", (newest - 3,))
        database.close()
        postern.start()
        with listen(postern, last_id=2) as stream:
            gap = stream.next()
            is_((gap.type, gap.data["data"], gap.id), ("events.gap", {"from": 3, "to": newest - 3}, newest - 3), "what is lost is said")
            is_([one.id for one in stream.take(3)], [newest - 2, newest - 1, newest], "then what is there")
        items = page(api, "?after=2")["items"]
        is_((types(items), items[0]["data"]), (["events.gap"] + ["account.changed"] * 3, {"from": 3, "to": newest - 3}), "in a page, too")
        with listen(postern, last_id=newest - 3) as stream:
            is_(stream.next().id, newest - 2, "no gap where none is")
        with listen(postern, last_id=newest + 1000) as stream:
            gap = stream.next()
            is_((gap.type, gap.data["data"], stream.last_id), ("events.gap", {"from": newest + 1, "to": newest + 1000}, newest),
                "a listener that knows more than there is (a backup was restored) hears it, and goes on from here")
            touch(api, 1)
            is_(stream.next().id, newest + 1, "with what comes")


def purging():
    """The oldest go after 30 days; the newest stays, so that numbers go on."""
    with Postern() as postern:
        api = postern.api
        account(api)
        touch(api, 5)
        postern.stop()
        with sqlite3.connect(os.path.join(postern.state, "postern.db")) as database:
            database.execute("UPDATE event SET at = at - 31 * 86400000")
            newest = database.execute("SELECT max(seq) FROM event").fetchone()[0]
            # As many as are kept, without the time to make them one by one.
            database.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100200) "
                             "INSERT INTO event (at, type) SELECT ?, 'service.changed' FROM n", (int(time.time() * 1000),))
        database.close()
        postern.start()
        touch(api, 130)
        with sqlite3.connect(os.path.join(postern.state, "postern.db")) as database:
            count, first, last = database.execute("SELECT count(*), min(seq), max(seq) FROM event").fetchone()
        database.close()
        ok(count <= 100000 + 128 and last == newest + 100200 + 130 and count == last - first + 1, "100,000 are kept, without a hole")
        diag(f"{count} from {first} to {last}")
        started = time.monotonic()
        answer = page(api, "?type=webhook.failed")
        found, pages = answer["items"], 1
        while answer["next"]:
            answer = api.get(answer["next"], headers=PAGE).json
            found, pages = found + answer["items"], pages + 1
        is_(found, [], f"a filter that fits none of them: {pages} pages")
        diag(f"{time.monotonic() - started:.2f} s")
        ok(pages < 10, "each of which looks at many")


def pages():
    with Postern() as postern:
        api = postern.api
        account(api)
        account(api, "in")
        touch(api, 5)
        touch(api, 2, "in")
        every = page(api, "?limit=500")
        ids = [one["id"] for one in every["items"]]
        is_((ids, every["next"]), (sorted(ids, reverse=True), None), "newest first")
        walked, link = [], EVENTS + "?limit=3"
        while link:
            answer = api.get(link, headers=PAGE)
            walked += [one["id"] for one in answer.json["items"]]
            link = answer.json["next"]
            ok(len(answer.json["items"]) <= 3 and (link is None or answer.headers["Link"] == f'<{link}>; rel="next"'), "a page")
        is_(walked, ids, "page by page")
        walked, link = [], EVENTS + f"?limit=4&after={ids[-1]}"
        while link:
            answer = api.get(link, headers=PAGE)
            walked += [one["id"] for one in answer.json["items"]]
            link = answer.json["next"]
        is_(walked, ids[-2::-1], "from an event on, in order")
        is_(page(api, f"?after={ids[0]}"), {"items": [], "next": None}, "nothing after the newest")
        for query, count in (("?account=in", 3), ("?type=account.changed", 7), ("?type=account.*&account=out", 6),
                             ("?type=account.created,token.created", 3), ("?type=*", len(ids)), ("?account=nobody", 0),
                             ("?type=message.*", 0)):
            is_(len(page(api, query)["items"]), count, query)
        link = page(api, "?type=account.changed&account=out&limit=2")["next"]
        is_(types(api.get(link, headers=PAGE).json["items"]), ["account.changed"] * 2, "the filter goes on with the pages")
        for query in ("?type=nothing", "?type=message.", "?type=message.*,", "?type=", "?type=messag*", "?account=a%2Fb", "?after=x",
                      "?after=-1", "?after=99999999999999999999", "?limit=0", "?limit=501", "?cursor=%21", "?cursor=eA", "?account="):
            for headers in (PAGE, {}) if "limit" not in query and "cursor" not in query else (PAGE,):
                answer = api.get(EVENTS + query, headers=headers)
                is_((answer.status, answer.headers["Content-Type"]), (422, "application/problem+json"), f"{query} {headers}")
        is_(api.get(EVENTS, headers={"Last-Event-ID": "x"}).status, 422, "a Last-Event-ID that is none")
        is_(api.post(EVENTS, {}).status, 405, "nobody posts events")
        is_(postern.anonymous().get(EVENTS).status, 401, "nor hears them unknown")


def filters():
    with Postern() as postern:
        api = postern.api
        account(api)
        account(api, "in")
        with listen(postern, "?type=message.*,account.deleted") as some, listen(postern, "?account=in") as one:
            touch(api, 3)
            waiting = post(api, sendAt="2099-01-01T00:00:00Z")
            touch(api, 1, "in")
            api.delete(f"{ACCOUNTS}/in")
            seen = some.take(2)
            is_(types(seen), ["message.queued", "account.deleted"], "types")
            is_((seen[0].data["resource"], seen[0].data["data"]), (f"Message/{waiting}", {"id": waiting, "state": "queued"}), "a message")
            is_(types(one.take(2)), ["account.changed", "account.deleted"], "an account")


def messages():
    """What becomes of a message."""
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, port=catcher.port)
        with listen(postern, "?type=message.*") as stream:
            def expect(message, *wanted, name=None):
                seen = [stream.next() for _ in wanted]
                is_([(one.type, one.data["data"]["id"]) for one in seen], [(f"message.{one}", message) for one in wanted],
                    name or ", ".join(wanted))
                return seen[-1].data["data"]

            message = post(api)
            data = expect(message, "queued", "sent")
            is_(data, {"id": message, "state": "sent", "attempts": 1}, "with what is told of it")
            catcher.answers["RCPT c@example.com"] = "550 5.1.1 No such user"
            message = post(api, to=["b@example.com", "c@example.com"])
            is_(expect(message, "queued", "sent")["failedRecipients"], 1, "how many were refused")
            message = post(api, to=["c@example.com"])
            data = expect(message, "queued", "failed")
            ok(data["code"] == "delivery.refused" and "No such user" in data["cause"], "why it failed")
            catcher.answers["DATA"] = "451 4.3.0 Later"
            message = post(api)
            data = expect(message, "queued", "deferred")
            ok(data["attempts"] == 1 and data["nextAttempt"] and data["code"], "why and how long it waits")
            api.post(f"{MESSAGES}/{message}/actions/retry", {})
            expect(message, "queued", name="tried again")
            api.until(f"{MESSAGES}/{message}", lambda json: json["state"] == "deferred" and json["attempts"] == 2)
            api.post(f"{MESSAGES}/{message}/actions/hold", {})
            expect(message, "held", name="put off again for the same reason it is no news; then held")
            api.post(f"{MESSAGES}/{message}/actions/release", {})
            expect(message, "queued", name="released")
            api.until(f"{MESSAGES}/{message}", lambda json: json["state"] == "deferred" and json["attempts"] == 3)
            api.delete(f"{MESSAGES}/{message}")
            expect(message, "canceled")
            del catcher.answers["DATA"]
            waiting = [post(api, sendAt="2099-01-01T00:00:00Z") for _ in range(3)]
            for one in waiting:
                expect(one, "queued")
            api.action("out", "clearQueue")
            seen = stream.take(3)
            is_([(one.type, one.data["data"], one.data["resource"], one.data["account"]) for one in seen],
                [("message.canceled", {"id": one, "state": "canceled"}, f"Message/{one}", "out") for one in waiting],
                "a queue that is cleared: each message")
            one = post(api, sendAt="2099-01-01T00:00:00Z")
            expect(one, "queued")
            api.delete(f"{ACCOUNTS}/out?force=true")
            expect(one, "canceled", name="an account deleted with what waits")
        account(api, "limited", port=catcher.port, maxSendablePerDay=1)
        with listen(postern, "?type=message.*&account=limited") as stream:
            post(api, "limited")
            stream.until(lambda event: event.type == "message.sent")
            second = post(api, "limited")
            event = stream.until(lambda event: event.type == "message.held")[1]
            is_(event.data["data"]["id"], second, "held by the day's limit")
            api.action("limited", "resetNumberSent")
            event = stream.until(lambda event: event.type == "message.sent")
            is_((types(event[0]), event[1].data["data"]["id"]), (["message.queued"], second), "and sent when there is none")
        account(api, "once", port=catcher.port, deliveryGuarantee="atMostOnce")
        with listen(postern, "?type=message.*&account=once") as stream:
            catcher.answers["."] = "CLOSE"
            post(api, "once")
            event = stream.until(lambda event: event.type == "message.uncertain")[1]
            ok(event.data["data"]["code"] and "nextAttempt" not in event.data["data"], "uncertain, for a person")
            del catcher.answers["."]


def states_and_certificates():
    pki = Pki()
    first, second, root = pki.leaf("localhost"), pki.leaf("localhost"), pki.ca("Root")
    with Catcher(first) as catcher, Postern() as postern:
        api = postern.api
        hosts = f"/api/v1/trust/allowed-hosts/localhost:{catcher.port}"
        with listen(postern) as stream:
            def expect(*wanted):
                seen = [stream.until(lambda event, kind=kind: event.type == kind)[1] for kind in wanted]
                ok(True, ", ".join(wanted))
                return seen[-1].data

            account(api, port=catcher.port, hostname="localhost", useSsl=True)
            api.action("out", "verify")
            data = expect("certificate.challenge")
            is_({**data["data"], "reasons": sorted(data["data"]["reasons"])},
                {"id": f"localhost:{catcher.port}", "hostname": "localhost", "port": catcher.port, "approval": "pending",
                 "reasons": sorted(data["data"]["reasons"]), "sha256": first.sha256}, "with the fingerprint")
            data = expect("account.status")
            is_((data["data"]["from"], data["data"]["to"], data["data"]["code"], data["account"], data["resource"]),
                ("pending", "challenged", "cert.challenge", "out", "OutgoingAccount/out"), "and the account waits for it")
            api.action("out", "verify")
            api.post(hosts + "/actions/approve", {"sha256": first.sha256})
            event = stream.next()
            is_((event.type, event.data["resource"]), ("certificate.approved", f"AllowedHost/localhost:{catcher.port}"),
                "the same challenge again is no news")
            is_(expect("account.status")["data"]["to"], "ok", "the account works")
            catcher.identity = second
            api.action("out", "verify")
            is_(expect("certificate.changed")["data"]["sha256"], second.sha256, "another key")
            is_(expect("account.status")["data"]["code"], "cert.changed", "the mail stops")
            api.post(hosts + "/actions/reject", {"sha256": second.sha256})
            expect("certificate.rejected")
            api.delete(hosts)
            expect("certificate.forgotten")
            api.put("/api/v1/trust/allowed-hosts/h.example:465", {"approval": "approved", "sha256": "0" * 64})
            is_(expect("certificate.approved")["data"]["id"], "h.example:465", "provisioned")
            api.post("/api/v1/trust/user", data=root.pem.encode(), headers={"Content-Type": "application/x-pem-file"})
            is_(expect("userCa.created")["resource"], f"UserCa/{root.sha256}", "a CA")
            api.patch(f"/api/v1/trust/user/{root.sha256}", {"names": ["example.com"]})
            expect("userCa.changed")
            api.delete(f"/api/v1/trust/user/{root.sha256}")
            expect("userCa.deleted")
            api.patch(f"{ACCOUNTS}/out", {"enabled": False})
            is_(expect("account.status")["data"]["to"], "disabled", "disabled")
            api.post(USERS, {"name": "alice", "password": PASSWORD})
            api.patch(f"{USERS}/alice", {"role": "operator"})
            api.delete(f"{USERS}/alice")
            expect("user.created", "user.changed", "user.deleted")
            token = api.post(TOKENS, {"name": "t", "role": "viewer"}).json["id"]
            api.delete(f"{TOKENS}/{token}")
            expect("token.created", "token.deleted")
        postern.restart()
        time.sleep(1)
        newest = page(api, "?limit=1")["items"][0]
        is_(newest["type"], "token.deleted", "a start by itself is no news")


def rights():
    with Postern() as postern:
        api = postern.api
        account(api)
        account(api, "in")
        viewer = postern.token("viewer", "viewer")
        limited = api.post(TOKENS, {"name": "limited", "role": "operator", "accounts": ["in"]}).json["token"]
        with listen(postern, token=viewer) as all_accounts, listen(postern, token=limited) as one_account, \
                listen(postern, "?account=out", token=limited) as another:
            is_((all_accounts.status, one_account.status, another.status), (200, 200, 200), "a viewer, and a token for one account")
            api.post(USERS, {"name": "alice", "password": PASSWORD})
            api.patch("/api/v1/services/WebService", {"sessionIdle": 900})
            touch(api, 1)
            touch(api, 1, "in")
            is_([one.data["resource"] for one in all_accounts.take(3)],
                ["WebService/WebService", "OutgoingAccount/out", "OutgoingAccount/in"], "a viewer hears nothing of users")
            is_(one_account.next().data["resource"], "OutgoingAccount/in", "the limited one only of its account")
            try:
                another.next(0.5)
                ok(False, "and nothing when it asks for another")
            except TimeoutError:
                ok(True, "and nothing when it asks for another")
        for token, count in ((viewer, 0), (limited, 0)):
            answer = api.clone(headers={"Authorization": f"Bearer {token}"}).get(EVENTS + "?limit=500", headers=PAGE).json["items"]
            is_([one for one in answer if one["type"].split(".")[0] in ("user", "token")], [], "nor in pages")
            ok(answer, "which have the rest")
        ok(all(one["account"] == "in" for one in answer), "of its account")


def until_end(stream, seconds):
    """Whether the server ends it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if stream.next(1) is None:
                return True
        except TimeoutError:
            continue
    return False


def ends():
    with Postern() as postern:
        api = postern.api
        made = api.post(TOKENS, {"name": "gone", "role": "viewer"}).json
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)
        expiring = api.post(TOKENS, {"name": "short", "role": "viewer", "expiresAt": soon.isoformat()}).json
        person, other = postern.login(), postern.login()
        api.post(USERS, {"name": "alice", "password": PASSWORD, "role": "viewer"})
        alice = postern.login("alice", PASSWORD)
        with listen(postern, token=made["token"]) as by_token, listen(postern, token=expiring["token"]) as short, \
                Stream(postern.port, {"Cookie": person.headers["Cookie"]}) as by_session, \
                Stream(postern.port, {"Cookie": other.headers["Cookie"]}) as stays, \
                Stream(postern.port, {"Cookie": alice.headers["Cookie"]}) as of_alice:
            is_([one.status for one in (by_token, short, by_session, stays, of_alice)], [200] * 5, "a cookie opens a stream, as EventSource does")
            api.delete(f"{TOKENS}/{made['id']}")
            ok(until_end(by_token, 60), "a deleted token ends its stream")
            person.delete("/api/v1/session")
            ok(until_end(by_session, 60), "a log-out ends its")
            ok(until_end(short, 60), "an expired token, too")
            api.delete(f"{USERS}/alice")
            ok(until_end(of_alice, 60), "a deleted user")
            account(api)
            ok(stays.until(lambda event: event.type == "account.created"), "the others go on")
            is_(postern.anonymous().request("GET", EVENTS, headers={"Authorization": f"Bearer {made['token']}"}).status, 401,
                "and it can't come back")
            postern.process.send_signal(15)
            ok(until_end(stays, 30), "a server that stops ends them")
        postern.process.wait(30)
        postern.start()


def many():
    with Postern() as postern:
        api = postern.api
        account(api)
        streams = [listen(postern) for _ in range(100)]
        try:
            is_({one.status for one in streams}, {200}, "a hundred streams")
            touch(api, 3)
            is_({tuple(types(one.take(3))) for one in streams}, {("account.changed",) * 3}, "each hears everything")
            more = [listen(postern, "?type=message.*") for _ in range(STREAMS - 100)]
            streams += more
            is_({one.status for one in more}, {200}, f"{STREAMS} streams")
            with listen(postern) as refused:
                is_((refused.status, refused.headers["Retry-After"]), (503, "30"), "and no more")
            started = time.monotonic()
            touch(api, 20)
            ok(time.monotonic() - started < 20, "which keeps nobody from working")
            streams.pop().close()
            deadline = time.monotonic() + 40
            while time.monotonic() < deadline:
                with listen(postern) as stream:
                    if stream.status == 200:
                        break
                time.sleep(0.2)
            is_(stream.status, 200, "one that leaves makes room")
        finally:
            for one in streams:
                one.close()


def slow():
    with Postern() as postern:
        api = postern.api
        account(api)
        count = scale(4000, 1200)
        with listen(postern) as lazy, listen(postern) as eager:
            touch(api, count)
            seen = eager.take(count)
            is_([one.id for one in seen], list(range(seen[0].id, seen[0].id + count)), "one that reads isn't held up by one that doesn't")
            is_([one.id for one in lazy.take(count)], [one.id for one in seen], "which misses nothing when it reads at last")


def heartbeats():
    with Postern() as postern:
        api = postern.api
        account(api)
        with listen(postern, "?type=message.*") as stream:
            touch(api, 5)
            newest = page(api, "?limit=1")["items"][0]["id"]
            before = stream.comments
            try:
                stream.next(40)
                ok(False, "nothing is told")
            except TimeoutError:
                ok(True, "nothing is told")
            ok(stream.comments > before + 1, "a heartbeat comes")
            is_(stream.last_id, newest, "and says how far one has heard, also of what one didn't ask for")


main(live, sources, negotiation, resuming, gaps, purging, pages, filters, messages, states_and_certificates, rights, ends, many, slow,
     heartbeats)
