#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sending while people change things: accounts renamed, deleted, paused, limited under way; kill -9; the default account."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from pki import Pki
from postern import Postern
from tap import is_, main, ok

ACCOUNTS, MESSAGES, EMAIL = "/api/v1/accounts", "/api/v1/messages", "/api/v1/services/EmailService"


def simple(**more):
    return {"from": "plant@example.com", "to": ["a@example.com"], "subject": "Hello", "text": "Good morning.\n", **more}


def account(api, port, name="out", **more):
    answer = api.put(f"{ACCOUNTS}/{name}", {"type": "OutgoingAccount", "hostname": "127.0.0.1", "port": port,
                                            "emailAuthenticator": {"type": "none"}, "connectionTimeout": 5, **more})
    if answer.status not in (200, 201):
        raise RuntimeError(repr(answer))


def post(api, name="out", count=1, **more):
    return [api.post(f"{ACCOUNTS}/{name}/messages", simple(**more)).json["id"] for _ in range(count)]


def wait_state(api, message, *states, seconds=20):
    return api.until(f"{MESSAGES}/{message}", lambda json: json["state"] in states, seconds).json["state"]


def states(api, ids):
    return [api.get(f"{MESSAGES}/{one}").json["state"] for one in ids]


def until(good, seconds=20):
    deadline = time.monotonic() + seconds
    while not good() and time.monotonic() < deadline:
        time.sleep(0.02)
    return good()


def default_account():
    with Postern() as postern:
        api = postern.api
        account(api, 2525)
        is_(api.patch(EMAIL, {"defaultOutgoingAccount": "out"}).status, 200, "a default")
        tag = api.get(EMAIL).etag
        plan = api.action("out", "rename?dryRun=true", {"name": "site"}).json["changes"]
        is_([(one["resource"], one["action"]) for one in plan], [("OutgoingAccount/out", "rename"), ("EmailService/EmailService", "change")],
            "a dry run shows that the reference follows")
        is_(api.get(EMAIL).etag, tag, "and changes nothing")
        is_(api.action("out", "rename", {"name": "site"}).status, 200, "renamed")
        is_(api.get(EMAIL).json["defaultOutgoingAccount"], "site", "the reference follows")
        ok(api.get(EMAIL).etag != tag, "with another ETag")
        answer = api.delete(ACCOUNTS + "/site")
        is_((answer.status, answer.json["code"]), (409, "account.isDefault"), "the default isn't deleted by the way")
        ok("site" in answer.json["detail"], "and the refusal names it")
        postern.restart()
        is_(postern.api.get(EMAIL).json["defaultOutgoingAccount"], "site", "it followed on the disk as well")
        is_(postern.api.delete(ACCOUNTS + "/site?force=true").status, 204, "force")
        is_(postern.api.get(EMAIL).json["defaultOutgoingAccount"], "", "leaves none")
        is_(postern.api.post(MESSAGES, simple()).json["code"], "account.noDefault", "so there is none to post to")


def kill_and_restart():
    """What was answered survives kill -9: a pause, a message for later."""
    with Catcher() as catcher, Postern() as postern:
        account(postern.api, catcher.port)
        is_(postern.api.action("out", "pause").json, {"paused": True}, "paused")
        waiting, = post(postern.api)
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
        later, = post(postern.api, sendAt=at)
        postern.kill9()
        postern.start()
        is_((postern.api.status("out")["paused"], postern.api.status("out")["queueSize"]), (True, 2), "still paused after kill -9")
        is_(catcher.quiet(0.5), [], "nothing goes out")
        is_(postern.api.action("out", "resume").json, {"paused": False}, "resumed")
        is_(wait_state(postern.api, waiting, "sent"), "sent", "what waited goes out")
        is_(wait_state(postern.api, later, "sent"), "sent", "and what was for later")
        ok(time.time() >= time.mktime(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone, "not before its time")
        is_(postern.api.action("out", "pause").status, 200, "paused again")
        postern.api.action("out", "resume")
        postern.kill9()
        postern.start()
        is_(postern.api.status("out")["paused"], False, "and a resume survives as well")


def paused_under_way():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, maxConnections=1)
        catcher.hold()
        ids = post(api, count=5)
        ok(until(lambda: "sending" in states(api, ids)), "one is under way")
        is_(api.post(f"{MESSAGES}/{ids[0]}/actions/cancel").status, 409, "which can't be canceled")
        api.action("out", "pause")
        catcher.release()
        is_(wait_state(api, ids[0], "sent"), "sent", "it is finished")
        ok(until(lambda: states(api, ids) == ["sent"] + ["queued"] * 4), "the others of its batch wait")
        is_((catcher.quiet(0.5), len(catcher.taken)), ([], 1), "paused means at once")
        api.action("out", "resume")
        is_([wait_state(api, one, "sent") for one in ids], ["sent"] * 5, "resumed")
        is_(len(catcher.taken), 5, "each once")


def renamed_under_way():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, maxConnections=1)
        catcher.hold()
        ids = post(api, count=4)
        ok(until(lambda: "sending" in states(api, ids)), "one is under way")
        is_(api.action("out", "rename", {"name": "new"}).status, 200, "renamed meanwhile")
        catcher.release()
        is_([wait_state(api, one, "sent") for one in ids], ["sent"] * 4, "all are sent")
        is_((api.status("new")["numberSent"], api.until(ACCOUNTS + "/new/status", lambda json: json["queueSize"] == 0).json["queueSize"]), (4, 0),
            "and counted under the new name")
        is_(len(catcher.taken), 4, "each once")
        postern.kill9()
        postern.start()
        is_(postern.api.status("new")["numberSent"], 4, "and that is kept")


def deleted_under_way():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, maxConnections=1)
        catcher.hold()
        ids = post(api, count=4)
        ok(until(lambda: "sending" in states(api, ids)), "one is under way")
        is_(api.delete(ACCOUNTS + "/out").status, 409, "messages wait")
        is_(api.delete(ACCOUNTS + "/out?force=true").status, 204, "deleted by force meanwhile")
        account(api, catcher.port)
        catcher.release()
        is_(wait_state(api, ids[0], "sent"), "sent", "what was on the wire is delivered")
        ok(until(lambda: states(api, ids[1:]) == ["canceled"] * 3), "the others are canceled, also those a worker had taken")
        is_(api.get(f"{MESSAGES}/{ids[1]}").json["recipients"][0]["state"], "canceled", "with their recipients")
        is_((catcher.quiet(0.5), len(catcher.taken)), ([], 1), "a new account of that name doesn't send them")
        status = api.status("out")
        is_((status["queueSize"], status["numberSent"]), (0, 0), "and begins at nothing")
        is_(wait_state(api, *post(api), "sent"), "sent", "it sends its own")
        api.delete(ACCOUNTS + "/out")
        is_([api.post(f"{MESSAGES}/{ids[1]}/actions/{act}").status for act in ("retry", "release")], [409, 409],
            "nothing goes back into the queue of an account that is gone")


def connections():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, maxConnections=3)
        catcher.hold()
        ids = post(api, count=60)
        ok(until(lambda: catcher.sessions == 3), "three connections")
        time.sleep(0.5)
        is_(catcher.sessions, 3, "and no more")
        api.patch(ACCOUNTS + "/out", {"maxConnections": 1})
        catcher.release()
        is_({wait_state(api, one, "sent") for one in ids}, {"sent"}, "all are sent")
        ok(len({one.session for one in catcher.taken[-20:]}) <= 1, "lowered under way: one connection goes on")
        is_(len(catcher.taken), 60, "each once")


def limited_with_connections():
    """The day's limit is about what was sent, not about what several workers have in hand."""
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, maxConnections=4, maxSendablePerDay=8)
        api.action("out", "pause")
        ids = post(api, count=7)
        catcher.answers["RCPT bad@example.com"] = "550 5.1.1 No such user"
        bad = post(api, to=["bad@example.com"])
        api.action("out", "resume")
        is_([wait_state(api, one, "sent", "held") for one in ids], ["sent"] * 7, "nothing is held under the limit")
        is_(wait_state(api, *bad, "failed"), "failed", "a refused one")
        is_(api.status("out")["numberSent"], 7, "doesn't count")
        is_(wait_state(api, *post(api), "sent"), "sent", "so there is room for one more")
        sessions = catcher.sessions
        held, = post(api)
        is_(wait_state(api, held, "held"), "held", "and then no more")
        time.sleep(0.5)
        ok(catcher.sessions <= sessions + 1, "no connection is opened for what may not be sent")
        api.patch(ACCOUNTS + "/out", {"maxSendablePerDay": 9})
        is_(wait_state(api, held, "sent"), "sent", "a raised limit holds at once")


def repeated():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port)
        key = {"Idempotency-Key": "a"}
        first = api.post(ACCOUNTS + "/out/messages", simple(), headers=key)
        api.patch(ACCOUNTS + "/out", {"enabled": False})
        again = api.post(ACCOUNTS + "/out/messages", simple(), headers=key)
        is_((again.status, again.json), (202, first.json), "a repetition gets the first answer, also from a disabled account")
        is_(api.post(ACCOUNTS + "/out/messages", simple(), headers={"Idempotency-Key": "b"}).json["code"], "account.disabled", "a new one doesn't")
        is_(api.get(MESSAGES).json["items"][1:], [], "and leaves nothing")


def blame():
    """A certificate that waits costs no message, however short retryFor is; and what has nothing to do with it leaves it waiting."""
    with Catcher(Pki().leaf()) as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, hostname="localhost", useSsl=True, retryFor=0)
        one, = post(api)
        status = api.until(ACCOUNTS + "/out/status", lambda json: json["status"]["state"] == "challenged").json
        is_(status["status"]["code"], "cert.challenge", "challenged")
        is_((wait_state(api, one, "deferred", "failed"), api.status("out")["numberDiscarded"]), ("deferred", 0), "the message waits")
        api.patch(ACCOUNTS + "/out", {"description": "The one in the cellar."})
        api.patch(EMAIL, {"defaultOutgoingAccount": "out"})
        is_(api.status("out")["status"]["code"], "cert.challenge", "a description doesn't make the challenge go away")
        host = f"/api/v1/trust/allowed-hosts/localhost:{catcher.port}"
        is_(api.post(host + "/actions/approve", {"sha256": catcher.identity.sha256}).status, 200, "approved")
        is_(wait_state(api, one, "sent", seconds=3), "sent", "sent at once")


def secret_files():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        folder = os.path.join(postern.state, "credentials")
        os.makedirs(folder, exist_ok=True)
        os.mkfifo(os.path.join(folder, "fifo"))
        os.makedirs(os.path.join(folder, "folder"))
        for name in ("fifo", "folder", "missing"):
            account(api, catcher.port, emailAuthenticator={"type": "basic", "username": "plant", "password": {"$file": name}})
            begun = time.monotonic()
            answer = api.action("out", "verify").json
            is_((answer["ok"], answer["code"]), (False, "config.secretFile"), f"a secret file that isn't one: {name}")
            ok(time.monotonic() - begun < 3, "is told at once")
        for bad in ("../key", "a/b", ".hidden", ""):
            is_(api.patch(ACCOUNTS + "/out", {"emailAuthenticator": {"password": {"$file": bad}}}).status, 422, f"no path: '{bad}'")


main(default_account, kill_and_restart, paused_under_way, renamed_under_way, deleted_under_way, connections, limited_with_connections,
     repeated, blame, secret_files)
