#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=900
"""/webhooks: who may be told, what arrives, what happens when it doesn't."""

import base64
import ipaddress
import os
import re
import socket
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from pki import Pki
from postern import Postern
from receiver import Receiver, signed
from servers import free_port
from tap import diag, is_, main, ok, scale

HOOKS, ACCOUNTS, EVENTS, WEB = "/api/v1/webhooks", "/api/v1/accounts", "/api/v1/events", "/api/v1/services/WebService"
PAGE = {"Accept": "application/json"}
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
DAY = 86400000


def allow(api, *names):
    answer = api.patch(WEB, {"webhookPrivateTargets": list(names)})
    if answer.status != 200:
        raise RuntimeError(repr(answer))


def hook(api, url, name="hook", **more):
    answer = api.put(f"{HOOKS}/{name}", {"url": url, "secret": SECRET, "events": ["account.*"], **more})
    if answer.status not in (200, 201):
        raise RuntimeError(repr(answer))
    return answer


def account(api, name="out"):
    answer = api.put(f"{ACCOUNTS}/{name}", {"type": "OutgoingAccount"})
    if answer.status not in (200, 201):
        raise RuntimeError(repr(answer))


def touch(api, count=1, name="out"):
    for number in range(count):
        answer = api.patch(f"{ACCOUNTS}/{name}", {"description": f"{number} {time.monotonic()}"})
        if answer.status != 200:
            raise RuntimeError(repr(answer))


def page(api, query=""):
    return api.get(EVENTS + query, headers=PAGE).json["items"]


def deliveries(api, name="hook", query="?limit=500"):
    return api.get(f"{HOOKS}/{name}/deliveries{query}").json["items"]


def until_delivery(api, good, name="hook", seconds=60):
    """The newest delivery that is no test, once it is good."""
    deadline = time.monotonic() + seconds
    while True:
        found = [one for one in deliveries(api, name, "?limit=20") if one["event"]]
        if (found and good(found[0])) or time.monotonic() > deadline:
            return found[0] if found else {}
        time.sleep(0.05)


def status(api, name="hook"):
    return api.get(f"{HOOKS}/{name}?include=status").json["status"]


def seconds_until(when):
    return api_time(when) - time.time()


def api_time(text):
    import datetime
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def database(postern):
    return sqlite3.connect(os.path.join(postern.state, "postern.db"))


def configuration():
    with Receiver() as receiver, Postern() as postern:
        api = postern.api
        allow(api, "127.0.0.1")
        answer = api.post(HOOKS, {"name": "made", "url": receiver.url})
        made = answer.json
        is_((answer.status, answer.headers["Location"], answer.headers["Cache-Control"]), (201, f"{HOOKS}/made", "no-store"), "made")
        ok(re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made["secret"]), "a secret is made, and shown once")
        answer = api.get(f"{HOOKS}/made")
        is_((answer.json.get("secret"), answer.json["secretSet"], answer.json["enabled"], answer.json["events"], answer.json["accounts"]),
            (None, True, True, [], []), "and never again")
        tag = answer.etag
        answer = api.put(f"{HOOKS}/made", {"url": receiver.url})
        is_((answer.status, answer.etag, "secret" in answer.json), (200, tag, False), "put again without a secret: no change")
        answer = api.put(f"{HOOKS}/made", {"url": receiver.url, "secretSet": True})
        is_((answer.status, answer.etag), (200, tag), "nor with what was read")
        answer = api.patch(f"{HOOKS}/made", {"secret": None})
        ok(answer.status == 200 and answer.json["secret"] not in (made["secret"], None) and answer.etag != tag, "a new one when it is taken away")
        tag = answer.etag
        answer = api.patch(f"{HOOKS}/made", {"secret": SECRET})
        ok("secret" not in answer.json and answer.etag != tag, "one that is given isn't shown")
        is_(api.patch(f"{HOOKS}/made", {"secret": SECRET}).etag, answer.etag, "the same again is no change")
        is_(api.get(f"{HOOKS}/made", headers={"If-None-Match": answer.etag}).status, 304, "304")
        is_(api.patch(f"{HOOKS}/made", {"description": "x"}, headers={"If-Match": tag}).status, 412, "412")
        answer = api.post(HOOKS, {"name": "made", "url": receiver.url})
        is_((answer.status, answer.codes()), (409, [("/name", "name.taken")]), "a name that is taken")
        answer = api.request("POST", HOOKS + "?dryRun=true", {"name": "dry", "url": receiver.url})
        is_((answer.status, answer.json["changes"][0]["action"], "secret" in answer.json["changes"][0]["after"]), (200, "create", False), "a try")
        is_(api.get(f"{HOOKS}/dry").status, 404, "makes nothing")
        for document, wrong in (
                ({}, [("/url", "property.required")]), ({"url": ""}, [("/url", "property.required")]),
                ({"url": "ftp://example.com/"}, [("/url", "property.invalid")]), ({"url": "example.com"}, [("/url", "property.invalid")]),
                ({"url": "https://user:password@example.com/"}, [("/url", "property.invalid")]),
                ({"url": "https://user@example.com/"}, [("/url", "property.invalid")]),
                ({"url": "https://example.com/#x"}, [("/url", "property.invalid")]),
                ({"url": "https://example.com/a b"}, [("/url", "property.invalid")]),
                ({"url": "https://exämple.com/"}, [("/url", "property.invalid")]), ({"url": "https:///x"}, [("/url", "property.invalid")]),
                ({"url": "https://example.com\\@127.0.0.1/"}, [("/url", "property.invalid")]),
                ({"url": "https://example.com:0/"}, [("/url", "property.invalid")]),
                ({"url": "https://example.com:99999/"}, [("/url", "property.invalid")]),
                ({"url": "https://[::1/"}, [("/url", "property.invalid")]), ({"url": "https://[x]/"}, [("/url", "property.invalid")]),
                ({"url": "https://a-b.example/%"}, []), ({"url": "https://example.com:8443/?q=@x"}, []),
                ({"url": "http://example.com/"}, [("/url", "webhook.cleartext")]),
                ({"url": "http://localhost/"}, [("/url", "webhook.cleartext")]),
                ({"url": "https://localhost/"}, [("/url", "webhook.private")]),
                ({"url": "https://a.localhost/"}, [("/url", "webhook.private")]),
                ({"url": "https://10.1.2.3/"}, [("/url", "webhook.private")]),
                ({"url": "https://169.254.169.254/latest"}, [("/url", "webhook.private")]),
                ({"url": "https://[::1]/"}, [("/url", "webhook.private")]),
                ({"url": "https://[::ffff:127.0.0.2]/"}, [("/url", "webhook.private")]),
                ({"url": "https://[fd00::1]:8443/"}, [("/url", "webhook.private")]),
                ({"url": receiver.url, "events": ["message.nothing", "*", "x.*"]},
                 [("/events/0", "event.unknown"), ("/events/2", "event.unknown")]),
                ({"url": receiver.url, "events": "message.*"}, [("/events", "property.type")]),
                ({"url": receiver.url, "accounts": ["a/b"]}, [("/accounts", "property.invalid")]),
                ({"url": receiver.url, "secret": "x"}, [("/secret", "property.invalid")]),
                ({"url": receiver.url, "secret": "whsec_c2hvcnQ="}, [("/secret", "property.invalid")]),
                ({"url": receiver.url, "secret": 7}, [("/secret", "property.type")]),
                ({"url": receiver.url, "status": {}}, [("/status", "property.readOnly")]),
                ({"url": receiver.url, "uri": "x"}, [("/uri", "property.unknown")])):
            answer = api.put(f"{HOOKS}/try?dryRun=true", document)
            is_((answer.status, answer.codes()), (422 if wrong else 200, wrong), f"{document}")
        allow(api, "127.0.0.1", "LocalHost", "::1", "10.0.0.0")
        for url, good in (("http://localhost/", True), ("https://[::1]/", True), ("https://[0:0:0:0:0:0:0:1]/", True),
                          ("https://10.0.0.1/", False), ("http://a.localhost/", False)):
            is_(api.put(f"{HOOKS}/try?dryRun=true", {"url": url}).status, 200 if good else 422, f"{url} where some are named")
        is_(api.patch(WEB, {"webhookPrivateTargets": ["127.0.0.1:80"]}).status, 422, "names have no port")
        for role, reads, writes in (("viewer", 403, 403), ("operator", 200, 403)):
            client = api.clone(headers={"Authorization": f"Bearer {postern.token(role, role)}"})
            is_((client.get(HOOKS).status, client.get(f"{HOOKS}/made").status, client.get(f"{HOOKS}/made/deliveries").status,
                 client.put(f"{HOOKS}/made", {"url": receiver.url}).status, client.patch(f"{HOOKS}/made", {"enabled": False}).status,
                 client.delete(f"{HOOKS}/made").status), (reads,) * 3 + (writes,) * 3, role)
        trail = [(one["action"], one["resource"]) for one in api.get("/api/v1/audit?limit=100").json["items"] if "Webhook" in one["resource"]]
        is_(trail, [("change", "Webhook/made")] * 2 + [("create", "Webhook/made")], "in the audit trail")
        ok(SECRET not in api.get("/api/v1/audit?limit=100").text and SECRET[6:] not in postern.log(), "without secrets")
        is_(api.delete(f"{HOOKS}/made").status, 204, "deleted")
        is_((api.get(f"{HOOKS}/made").status, api.get(f"{HOOKS}/made/deliveries").status, api.post(f"{HOOKS}/made/actions/test").status),
            (404, 404, 404), "and gone")
        for number in range(50):
            hook(api, receiver.url, f"n{number}", enabled=False)
        answer = api.post(HOOKS, {"name": "more", "url": receiver.url})
        is_((answer.status, answer.codes()), (422, [("", "webhook.tooMany")]), "there are bounds")
        listed = api.get(HOOKS + "?limit=20")
        ok(len(listed.json["items"]) == 20 and listed.json["next"] and "secret" not in listed.json["items"][0], "a page of them")
        answer = api.get(HOOKS + "?include=status&limit=2")
        is_((answer.json["items"][0]["status"]["state"], answer.headers["Cache-Control"]), ("disabled", "no-store"), "with status")


def delivering():
    with Receiver() as receiver, Postern() as postern:
        api = postern.api
        allow(api, "127.0.0.1")
        account(api, "before")
        hook(api, receiver.url)
        is_(status(api)["state"], "pending", "not told anything yet")
        account(api)
        account(api, "in")
        touch(api, 30)
        requests = receiver.wait(32)
        events = receiver.events()
        told = [one for one in page(api, "?limit=500&type=account.*")[::-1] if one["data"]["name"] != "before"]
        is_(events, told, "every event, as it is told elsewhere, in order, and none from before")
        ok(all(signed(one, SECRET) for one in requests), "signed, as can be checked without knowing Postern")
        ok(not signed(requests[0]._replace(body=requests[1].body), SECRET), "which no other body is")
        is_(len({one.headers["webhook-id"] for one in requests}), 32, "each has an id of its own")
        ok(all(abs(int(one.headers["webhook-timestamp"]) - one.at) < 30 for one in requests), "and its time")
        is_((requests[0].path, requests[0].headers["Content-Type"]), ("/hook", "application/json"), "as JSON")
        ok(receiver.connections < 10, f"over few connections: {receiver.connections}")
        until_delivery(api, lambda one: one["state"] == "delivered")
        shown = status(api)
        is_((shown["state"], shown["waiting"], shown["lastFailure"]), ("ok", 0, None), "and the webhook is well")
        listed = deliveries(api)
        is_([one["event"] for one in listed], [one["id"] for one in events[::-1]], "the history, newest first")
        is_({(one["state"], one["attempts"], one["status"], one["code"]) for one in listed}, {("delivered", 1, 200, None)}, "what became of each")
        is_({one["id"] for one in listed}, {one.headers["webhook-id"] for one in requests}, "under its id")
        one = api.get(f"{HOOKS}/hook/deliveries/{listed[0]['id']}").json
        is_((one["body"], one["type"]), (events[-1], "account.changed"), "with what was sent")
        walked, link = [], f"{HOOKS}/hook/deliveries?limit=7"
        while link:
            answer = api.get(link).json
            walked, link = walked + [one["event"] for one in answer["items"]], answer["next"]
        is_(walked, [one["event"] for one in listed], "page by page")
        is_((deliveries(api, query="?state=failed"), len(deliveries(api, query="?state=delivered&limit=3"))), ([], 3), "by state")
        for query in ("?state=x", "?limit=0", "?cursor=x"):
            is_(api.get(f"{HOOKS}/hook/deliveries{query}").status, 422, query)
        is_(api.get(f"{HOOKS}/hook/deliveries/nothing").status, 404, "a delivery that isn't there")
        hook(api, receiver.url, "other")
        is_(api.get(f"{HOOKS}/other/deliveries/{listed[0]['id']}").status, 404, "nor under another webhook")
        answer = api.post(f"{HOOKS}/hook/deliveries/{listed[3]['id']}/actions/redeliver", {})
        is_((answer.status, answer.json["state"]), (200, "waiting"), "again")
        again = receiver.wait(33)[32]
        is_((again.headers["webhook-id"], again.body), (listed[3]["id"], requests[-4].body), "the same, under the same id")
        ok(signed(again, SECRET), "signed anew")
        api.patch(f"{HOOKS}/other", {"accounts": ["in"], "events": ["account.changed", "message.*"]})
        touch(api, 2)
        touch(api, 1, "in")
        waiting = api.post(f"{ACCOUNTS}/in/messages", {"from": "a@example.com", "to": ["b@example.com"], "text": "x",
                                                       "sendAt": "2099-01-01T00:00:00Z"})
        receiver.wait(33 + 3 + (2 if waiting.status == 202 else 1))
        listed = deliveries(api, "other")
        ok({one["type"] for one in listed} <= {"account.changed", "message.queued"}, "types and accounts are chosen")
        ok(all(api.get(f"{HOOKS}/other/deliveries/{one['id']}").json["body"]["account"] == "in" for one in listed), "by webhook")
        api.patch(f"{HOOKS}/hook", {"enabled": False})
        count = len(receiver.requests)
        touch(api, 3)
        api.patch(f"{HOOKS}/hook", {"enabled": True})
        account(api, "late")
        receiver.wait(count + 1)
        time.sleep(0.5)
        is_([one["data"]["name"] for one in receiver.events()[count:]], ["late"], "what happens while it is disabled isn't told later")
        is_(status(api)["state"], "ok", "enabled again")
        answer = api.post(f"{HOOKS}/hook/deliveries/{deliveries(api)[0]['id']}/actions/redeliver", {"x": 1})
        is_(answer.status, 422, "a parameter nobody knows")


def retrying():
    with Receiver() as receiver, Postern() as postern:
        api = postern.api
        allow(api, "127.0.0.1")
        account(api)
        hook(api, receiver.url)
        receiver.answer = (500, {}, b"no")
        touch(api)
        one = until_delivery(api, lambda one: one["attempts"] == 1)
        is_((one["state"], one["status"], one["code"]), ("waiting", 500, "webhook.status"), "refused: it waits")
        ok(6 < seconds_until(one["nextAttempt"]) < 13, "some ten seconds")
        is_((status(api)["state"], status(api)["code"], status(api)["waiting"]), ("down", "webhook.status", 1), "and the webhook is down")
        touch(api, 2)
        receiver.answer = (200, {}, b"")
        requests = receiver.wait(4, 40)
        is_([one["id"] for one in receiver.events()], [receiver.events()[0]["id"]] * 2 + [receiver.events()[0]["id"] + 1, receiver.events()[0]["id"] + 2],
            "it is tried again, and those after it keep their places")
        is_(requests[0].headers["webhook-id"], requests[1].headers["webhook-id"], "under the same id")
        until_delivery(api, lambda one: one["state"] == "delivered")
        is_([one["attempts"] for one in deliveries(api)], [1, 1, 2], "attempts are counted")
        is_(status(api)["state"], "ok", "and all is well")
        # One event that the target can't stand holds up the others for a while, not for ever.
        poison = page(api, "?limit=1")[0]["id"] + 1
        receiver.answer = lambda request: (400 if f'"id":{poison},'.encode() in request.body else 200, {}, b"")
        count = len(receiver.requests)
        touch(api, 3)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and len([one for one in receiver.events() if one["id"] == poison + 2]) == 0:
            time.sleep(0.2)
        seen = [one["id"] - poison for one in receiver.events()[count:]]
        is_(seen, [0, 0, 0, 1, 2], "a bad event is tried three times, then others overtake it")
        one = deliveries(api)[2]
        is_((one["event"], one["state"], one["attempts"]), (poison, "waiting", 3), "and it goes on waiting")
        touch(api, 2)
        receiver.wait(count + 7)
        is_([one["id"] - poison for one in receiver.events()[count + 5:]], [3, 4], "nobody waits for it any more")
        receiver.answer = (200, {}, b"")
        answer = api.post(f"{HOOKS}/hook/deliveries/{one['id']}/actions/redeliver")
        is_((answer.status, answer.json["code"]), (409, "delivery.state"), "what waits can't be redelivered")
        api.patch(f"{HOOKS}/hook", {"description": "mended"})
        receiver.wait(count + 8)
        is_(receiver.events()[-1]["id"], poison, "a changed webhook is tried at once")


def answers():
    """What a target may answer, each in a webhook of its own."""
    with Receiver() as receiver, Receiver() as elsewhere, Postern() as postern:
        api = postern.api
        allow(api, "127.0.0.1")
        account(api)
        closed = free_port()
        rows = {
            "created": ((201, {}, b"ok"), "delivered", 201, None), "empty": ((204, {}, b""), "delivered", 204, None),
            "redirect": ((302, {"Location": elsewhere.url}, b""), "waiting", 302, "webhook.redirect"),
            "moved": ((308, {"Location": elsewhere.url}, b""), "waiting", 308, "webhook.redirect"),
            "missing": ((404, {}, b""), "waiting", 404, "webhook.status"),
            "later": ((503, {"Retry-After": "500"}, b""), "waiting", 503, "webhook.status"),
            "much": ((429, {"Retry-After": "99999999"}, b""), "waiting", 429, "webhook.status"),
            "odd": ((503, {"Retry-After": "soon"}, b""), "waiting", 503, "webhook.status"),
            "hangs-up": ("CLOSE", "waiting", 0, "connect.closed"),
        }
        receiver.answer = lambda request: rows[request.path.rsplit("/", 1)[1]][0]
        for name in rows:
            hook(api, f"{receiver.url}/{name}", name)
        hook(api, f"http://127.0.0.1:{closed}/", "nobody")
        rows["nobody"] = (None, "waiting", 0, "connect.refused")
        touch(api)
        for name, (_, state, code, cause) in rows.items():
            one = until_delivery(api, lambda one: one["attempts"] == 1, name)
            is_((one["state"], one["status"], one["code"]), (state, code, cause), name)
            if name == "later":
                ok(480 < seconds_until(one["nextAttempt"]) < 501, "Retry-After is kept")
            if name == "much":
                ok(3000 < seconds_until(one["nextAttempt"]) < 3601, "an hour of it")
            if name == "odd":
                ok(seconds_until(one["nextAttempt"]) < 13, "what can't be read isn't")
            if name == "redirect":
                ok(elsewhere.url in one["cause"], "the new address is told")
        is_(elsewhere.requests, [], "and not gone to")
        touch(api)
        time.sleep(0.5)
        is_(len([one for one in receiver.requests if one.path.endswith("/later")]), 1, "nothing is sent before the time it asked for")


def huge_and_slow():
    with Receiver() as receiver, Receiver() as healthy, Postern() as postern:
        api = postern.api
        allow(api, "127.0.0.1")
        account(api)
        receiver.more = b"x" * 65536
        hook(api, receiver.url)
        touch(api)
        one = until_delivery(api, lambda one: one["attempts"] == 1)
        is_((one["state"], one["status"]), ("delivered", 200), "who took it may say more than we read")
        receiver.answer = (500, {}, b"")
        touch(api)
        one = until_delivery(api, lambda one: one["attempts"] == 1 and one["status"] == 500)
        is_((one["state"], one["status"]), ("waiting", 500), "who didn't, didn't")
        api.delete(f"{HOOKS}/hook")
        receiver.more = None
        # Many that take the request and never answer.
        receiver.answer = (200, {}, b"")
        receiver.hold()
        for number in range(40):
            hook(api, receiver.url, f"slow{number}")
        hook(api, healthy.url, "healthy")
        started = time.monotonic()
        touch(api)
        healthy.wait(1, 60)
        took = time.monotonic() - started
        ok(len(healthy.requests) == 1 and took < 12, "forty targets that don't answer keep another waiting for nothing")
        touch(api, 20)
        ok(len(healthy.wait(21, 60)) == 21, "also afterwards")
        diag(f"{took:.2f} s, {time.monotonic() - started:.2f} s")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and deliveries(api, "slow7")[-1]["attempts"] == 0:
            time.sleep(0.2)
        is_(deliveries(api, "slow7")[-1]["code"], "http.timeout", "which time out")
        started = time.monotonic()
        postern.stop()
        ok(time.monotonic() - started < 10, "stopping waits for none of them")
        receiver.release()
        for _ in range(5):
            postern.start()
            postern.stop()
        postern.start()


def gone():
    with Receiver() as receiver, Receiver() as other, Postern() as postern:
        api = postern.api
        allow(api, "127.0.0.1")
        account(api)
        hook(api, receiver.url)
        hook(api, other.url, "other", events=["webhook.*"])
        receiver.answer = (410, {}, b"")
        touch(api, 3)
        api.until(f"{HOOKS}/hook", lambda json: not json["enabled"])
        is_(api.get(f"{HOOKS}/hook").json["enabled"], False, "410 disables it")
        until_delivery(api, lambda one: one["state"] == "canceled")
        listed = deliveries(api)
        is_((listed[-1]["state"], listed[-1]["code"]), ("failed", "webhook.gone"), "the one that was answered so is over")
        ok(all(one["state"] in ("failed", "canceled") for one in listed), "the others are canceled")
        other.wait(3)
        kinds = [one["type"] for one in other.events()]
        ok("webhook.disabled" in kinds and "webhook.failed" in kinds and "webhook.changed" in kinds, "others hear it")
        trail = api.get("/api/v1/audit?limit=5").json["items"]
        ok(any((one["user"], one["action"], one["resource"]) == ("postern", "change", "Webhook/hook") for one in trail), "it is in the audit trail")
        answer = api.post(f"{HOOKS}/hook/deliveries/{listed[0]['id']}/actions/redeliver")
        is_((answer.status, answer.json["code"]), (409, "webhook.disabled"), "nothing is redelivered to a disabled one")
        answer = api.post(f"{HOOKS}/hook/actions/test", {}).json
        is_((answer["ok"], answer["status"], answer["code"]), (False, 410, "webhook.gone"), "but it can be tested")
        receiver.answer = (200, {}, b"")
        api.patch(f"{HOOKS}/hook", {"enabled": True})
        count = len(receiver.requests)
        touch(api)
        receiver.wait(count + 1)
        is_(receiver.events()[-1]["type"], "account.changed", "and enabled when it is back")


def testing():
    with Receiver() as receiver, Postern() as postern:
        api = postern.api
        allow(api, "127.0.0.1")
        hook(api, receiver.url)
        answer = api.post(f"{HOOKS}/hook/actions/test", {})
        is_((answer.status, answer.json["ok"], answer.json["status"], answer.json["code"]), (200, True, 200, ""), "a test")
        request = receiver.wait(1)[0]
        event = receiver.events()[0]
        is_((event["type"], event["resource"], event["data"]), ("webhook.test", "Webhook/hook", {"webhook": "hook"}), "says that it is one")
        ok(signed(request, SECRET) and request.headers["webhook-id"] == answer.json["delivery"], "and is signed")
        is_((deliveries(api)[0]["id"], deliveries(api)[0]["state"]), (answer.json["delivery"], "delivered"), "it is in the history")
        receiver.answer = (500, {}, b"")
        answer = api.post(f"{HOOKS}/hook/actions/test").json
        is_((answer["ok"], answer["status"], answer["code"]), (False, 500, "webhook.status"), "one that fails")
        is_((deliveries(api)[0]["state"], deliveries(api)[0]["attempts"]), ("failed", 1), "isn't tried again")
        is_(api.post(f"{HOOKS}/hook/actions/test", {"x": 1}).status, 422, "it takes no parameters")
        is_(api.post(f"{HOOKS}/hook/actions/nothing", {}).status, 404, "there is no other action")
        os.makedirs(os.path.join(postern.state, "credentials"), exist_ok=True)
        api.patch(f"{HOOKS}/hook", {"secret": {"$file": "hook-secret"}})
        receiver.answer = (200, {}, b"")
        answer = api.post(f"{HOOKS}/hook/actions/test").json
        is_((answer["ok"], answer["code"]), (False, "config.secretFile"), "a secret in a file that isn't there")
        with open(os.path.join(postern.state, "credentials", "hook-secret"), "w", encoding="ascii") as file:
            file.write("hello\n")
        is_(api.post(f"{HOOKS}/hook/actions/test").json["code"], "config.secretFile", "or holds no secret")
        with open(os.path.join(postern.state, "credentials", "hook-secret"), "w", encoding="ascii") as file:
            file.write(SECRET + "\n")
        ok(api.post(f"{HOOKS}/hook/actions/test").json["ok"] and signed(receiver.requests[-1], SECRET), "it is read when it is needed")


def guarded():
    """Private targets: not by their address, nor by a name that leads there."""
    with Receiver() as receiver, Postern() as postern:
        api = postern.api
        account(api)
        port = receiver.port
        for name, url in (("short", f"https://127.1:{port}/"), ("number", f"https://2130706433:{port}/"), ("hex", f"https://0x7f000001:{port}/"),
                          ("octal", f"https://0177.0.0.1:{port}/")):
            hook(api, url, name)
            answer = api.post(f"{HOOKS}/{name}/actions/test").json
            is_((answer["ok"], answer["code"]), (False, "webhook.private"), f"{url} leads to 127.0.0.1")
            ok("127.0.0.1" in answer["cause"], "which is said")
        touch(api)
        is_(until_delivery(api, lambda one: one["attempts"] == 1, "short")["code"], "webhook.private", "in the background, too")
        is_(status(api, "short")["state"], "fault", "it is for somebody to mend")
        is_(receiver.connections, 0, "and no connection was made")
        allow(api, "127.0.0.1")
        one = until_delivery(api, lambda one: one["code"] != "webhook.private", "short")
        ok(one["code"] in ("tls.handshake", "connect.closed", "http.garbage"), "the address is named: any name may lead there, and is tried at once")
        diag(str(one))
        hook(api, receiver.url, "plain")
        ok(api.post(f"{HOOKS}/plain/actions/test").json["ok"], "plain http, where it is named")
        allow(api)
        answer = api.post(f"{HOOKS}/plain/actions/test").json
        is_((answer["ok"], answer["code"]), (False, "webhook.cleartext"), "and not when it isn't any more")
        is_((api.patch(f"{HOOKS}/plain", {"enabled": False}).status, api.patch(f"{HOOKS}/plain", {"enabled": True}).status), (200, 422),
            "such a one may be disabled, and not enabled")
        own = socket.gethostname()
        try:
            where = socket.getaddrinfo(own, port, socket.AF_INET)[0][4][0]
        except OSError:
            where = None
        if where and ipaddress.ip_address(where).is_private and re.fullmatch(r"[A-Za-z0-9.-]+", own):
            hook(api, f"https://{own}:{port}/", "named")
            answer = api.post(f"{HOOKS}/named/actions/test").json
            is_((answer["ok"], answer["code"], where in answer["cause"]), (False, "webhook.private", True), "a name that leads inside")
            allow(api, own)
            ok(api.post(f"{HOOKS}/named/actions/test").json["code"] != "webhook.private", "may be named")
            is_(api.post(f"{HOOKS}/short/actions/test").json["code"], "webhook.private", "which opens nothing for an address of it")
        else:
            diag(f"this machine's name leads to {where}: a name that leads inside isn't tried")
    with Receiver() as receiver, Postern(environment={"http_proxy": "http://127.0.0.1:1/", "https_proxy": "http://127.0.0.1:1/"}) as postern:
        allow(postern.api, "127.0.0.1")
        hook(postern.api, receiver.url)
        ok(postern.api.post(f"{HOOKS}/hook/actions/test").json["ok"], "no proxy of the environment is used")


def secured():
    pki = Pki()
    root, stranger = pki.ca("Root"), pki.ca("Stranger")
    leaf, other_name = pki.leaf("localhost", root), pki.leaf("other.example", root, names=("other.example",), addresses=())
    with Receiver(leaf) as receiver, Receiver(other_name) as misnamed, Postern() as postern:
        api = postern.api
        allow(api, "localhost")
        account(api)
        hook(api, receiver.url)
        hook(api, misnamed.url, "misnamed")
        touch(api)
        one = until_delivery(api, lambda one: one["attempts"] == 1)
        is_((one["state"], one["code"]), ("waiting", "cert.refused"), "a certificate that no store vouches for")

        def import_ca(ca, names=""):
            answer = api.post("/api/v1/trust/user" + (f"?names={names}" if names else ""), data=ca.pem.encode(),
                              headers={"Content-Type": "application/x-pem-file"})
            if answer.status not in (200, 201):
                raise RuntimeError(repr(answer))

        import_ca(stranger)
        is_(api.post(f"{HOOKS}/hook/actions/test").json["code"], "cert.refused", "nor another CA does")
        import_ca(root, "example.com")
        is_(api.post(f"{HOOKS}/hook/actions/test").json["code"], "cert.refused", "nor one that is limited to other names")
        is_(receiver.requests, [], "nothing was sent so far")
        api.patch(f"/api/v1/trust/user/{root.sha256}", {"names": ["localhost"]})
        requests = receiver.wait(1)
        ok(requests and signed(requests[0], SECRET), "once its CA is in the User Trust Store it is told at once")
        is_(until_delivery(api, lambda one: one["state"] == "delivered", seconds=20)["state"], "delivered", "over TLS")
        answer = api.post(f"{HOOKS}/misnamed/actions/test").json
        is_((answer["ok"], answer["code"]), (False, "cert.refused"), "the name counts")
        is_(misnamed.requests, [], "nothing went there")
        api.delete(f"/api/v1/trust/user/{root.sha256}")
        is_(api.post(f"{HOOKS}/hook/actions/test").json["code"], "cert.refused", "a deleted CA vouches for nothing")


def restarting():
    with Postern() as postern:
        receiver = Receiver(port=free_port())
        api = postern.api
        allow(api, "127.0.0.1")
        account(api)
        hook(api, receiver.url)
        touch(api, 5)
        until_delivery(api, lambda one: one["state"] == "waiting")
        postern.restart()
        touch(api, 250)
        wanted = [one["id"] for one in page(api, "?limit=500&type=account.changed")[::-1]]
        shown = status(api)
        ok(shown["waiting"] == 200, "so many wait, and the rest where events are kept")
        diag(str(shown))
        with receiver:
            postern.restart()
            api.patch(f"{HOOKS}/hook", {"description": "back"})
            receiver.wait(len(wanted))
            is_([one["id"] for one in receiver.events()], wanted, "all of it comes in order when the target is there")
            touch(api)
            receiver.wait(len(wanted) + 1)
            is_(len(receiver.requests), len(wanted) + 1, "each once")


def killing():
    with Receiver() as receiver, Postern() as postern:
        api = postern.api
        allow(api, "127.0.0.1")
        account(api)
        hook(api, receiver.url)

        def slowly(_request):
            time.sleep(0.003)
            return 200, {}, b""

        receiver.answer = slowly
        for _ in range(scale(6, 4)):
            touch(api, 60)
            postern.kill9()
            postern.start()
        touch(api)
        wanted = [one["id"] for one in page(api, "?limit=500&type=account.changed")[::-1]]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and wanted[-1] not in [one["id"] for one in receiver.events()]:
            time.sleep(0.2)
        seen, ids = [], {}
        for request, event in zip(receiver.requests, receiver.events()):
            if event["id"] not in ids:
                seen.append(event["id"])
                ids[event["id"]] = request.headers["webhook-id"]
            elif ids[event["id"]] != request.headers["webhook-id"]:
                ok(False, f"event {event['id']} came twice under two ids")
        is_([one for one in seen if one in set(wanted)], wanted, "a killed Postern loses nothing, and keeps the order")
        diag(f"{len(receiver.requests)} requests for {len(wanted)} events")
        ok(len(receiver.requests) < len(wanted) + 40 * 8, "what came twice has the same id, and is little")


def giving_up():
    with Receiver() as receiver, Receiver() as other, Postern() as postern:
        api = postern.api
        allow(api, "127.0.0.1")
        account(api)
        receiver.answer = (500, {}, b"")
        hook(api, other.url, "other", events=["webhook.*"])
        hook(api, receiver.url, events=["account.*", "webhook.*"])
        touch(api)
        until_delivery(api, lambda one: one["attempts"] == 1)
        postern.stop()
        with database(postern) as connection:
            connection.execute("UPDATE webhook_delivery SET created_at = created_at - ?, next_attempt = 1 WHERE state = 'waiting'", (3 * DAY,))
        connection.close()
        postern.start()
        other.wait(1)
        failed = [one for one in other.events() if one["type"] == "webhook.failed"]
        deadline = time.monotonic() + 60
        while not failed and time.monotonic() < deadline:
            time.sleep(0.1)
            failed = [one for one in other.events() if one["type"] == "webhook.failed"]
        one = deliveries(api)[-1]
        is_((one["state"], one["status"], one["nextAttempt"]), ("failed", 500, None), "after three days it is given up")
        data = next(more["data"] for more in failed if more["data"]["delivery"] == one["id"])
        is_((data["webhook"], data["delivery"], data["status"], data["code"]), ("hook", one["id"], 500, "webhook.status"), "which others hear")
        time.sleep(1)
        ok(not any(one["type"] == "webhook.failed" for one in deliveries(api)), "and not itself")
        # One that waited for too long finds a gap.
        receiver.answer = (200, {}, b"")
        api.patch(f"{HOOKS}/hook", {"events": ["account.*"]})
        until_delivery(api, lambda one: one["state"] == "delivered")
        postern.stop()
        with database(postern) as connection:
            newest = connection.execute("SELECT max(seq) FROM event").fetchone()[0]
            connection.execute("UPDATE webhook_cursor SET event = ? WHERE webhook = 'hook'", (newest - 4,))
            connection.execute("DELETE FROM event WHERE seq < ?", (newest,))
            # And a history longer than what is kept.
            connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1400) INSERT INTO webhook_delivery "
                               "(id, webhook, event, type, body, state, attempts, created_at, next_attempt, last_attempt, finished_at, status, ms) "
                               "SELECT 'old' || i, 'hook', 1, 'account.changed', '{}', 'delivered', 1, ?, 0, 1, 1, 200, 1 FROM n",
                               (int(time.time() * 1000),))
        connection.close()
        count = len(receiver.requests)
        postern.start()
        touch(api)
        receiver.wait(count + 2)
        gap = receiver.events()[count]
        is_((gap["type"], gap["data"]), ("events.gap", {"from": newest - 3, "to": newest - 1}), "what was purged before it was told is said")
        touch(api, 3)
        receiver.wait(count + 5)
        with database(postern) as connection:
            kept = connection.execute("SELECT count(*) FROM webhook_delivery WHERE webhook = 'hook'").fetchone()[0]
        connection.close()
        ok(1000 <= kept <= 1010, f"a thousand deliveries are kept: {kept}")
        api.delete(f"{HOOKS}/hook")
        with database(postern) as connection:
            kept = connection.execute("SELECT (SELECT count(*) FROM webhook_delivery WHERE webhook = 'hook') + "
                                      "(SELECT count(*) FROM webhook_cursor WHERE webhook = 'hook')").fetchone()[0]
        connection.close()
        is_(kept, 0, "and none of a deleted webhook")


def deleting_under_way():
    with Receiver() as receiver, Postern() as postern:
        api = postern.api
        allow(api, "127.0.0.1")
        account(api)
        receiver.hold()
        hook(api, receiver.url)
        touch(api, 5)
        receiver.wait(1)
        is_(api.delete(f"{HOOKS}/hook").status, 204, "deleted while a request is under way")
        hook(api, receiver.url)
        receiver.release()
        touch(api)
        newest = page(api, "?limit=1")[0]["id"]
        until_delivery(api, lambda one: one["state"] == "delivered")
        is_([one["event"] for one in deliveries(api)], [newest], "another of the name begins anew")
        for number in range(scale(30, 10)):
            hook(api, receiver.url, "brief")
            touch(api)
            api.delete(f"{HOOKS}/brief")
        ok(postern.process.poll() is None, "come and gone many times")


main(configuration, delivering, retrying, answers, huge_and_slow, gone, testing, guarded, secured, restarting, killing, giving_up,
     deleting_under_way)
