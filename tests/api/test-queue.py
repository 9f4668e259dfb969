#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The queue: states, what people do to messages, results, uncertain ones, the day's limit, batch (DESIGN 2.3, 3)."""

import email
import email.policy
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from postern import Postern
from tap import is_, main, ok

ACCOUNTS, MESSAGES = "/api/v1/accounts", "/api/v1/messages"
OUT = "OutgoingAccount"
POST = ACCOUNTS + "/out/messages"


def simple(**more):
    return {"from": "plant@example.com", "to": ["a@example.com"], "subject": "Hello", "text": "Good morning.\n",
            **more}


def account(api, port, name="out", **more):
    answer = api.put(f"{ACCOUNTS}/{name}", {"type": OUT, "hostname": "127.0.0.1", "port": port,
                                            "emailAuthenticator": {"type": "none"},
                                            "connectionTimeout": 5, **more})
    if answer.status not in (200, 201):
        raise RuntimeError(repr(answer))


def wait_state(api, message, *states, seconds=20):
    return api.until(f"{MESSAGES}/{message}", lambda json: json["state"] in states, seconds).json


def parse(content):
    return email.message_from_bytes(content, policy=email.policy.default)


def steering():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port)

        def act(message, action, body=None):
            return api.post(f"{MESSAGES}/{message}/actions/{action}", body)

        later = "2099-01-01T00:00:00Z"
        one = api.post(POST, simple(sendAt=later)).json["id"]
        whole = api.get(f"{MESSAGES}/{one}").json
        is_((whole["state"], whole["sendAt"][:19], whole["nextAttempt"][:19]), ("queued", later[:19], later[:19]),
            "sendAt: waits")
        is_(catcher.quiet(0.2), [], "really")
        for action, status, state in (("release", 409, "queued"), ("hold", 200, "held"), ("hold", 409, "held"),
                                      ("retry", 409, "held"),
                                      ("release", 200, "queued"), ("acknowledge", 409, "queued"),
                                      ("cancel", 200, "canceled"),
                                      ("cancel", 409, "canceled"), ("hold", 409, "canceled"),
                                      ("release", 409, "canceled"),
                                      ("retry", 409, "canceled"), ("explode", 404, "canceled")):
            answer = act(one, action)
            is_((answer.status, api.get(f"{MESSAGES}/{one}").json["state"]), (status, state),
                f"{action}: {status}, {state}")
        is_(api.get(f"{MESSAGES}/{one}").json["recipients"][0]["state"], "canceled", "the recipient is canceled, too")
        is_(api.delete(f"{MESSAGES}/{one}").status, 409, "DELETE of a canceled one")

        two = api.post(POST, simple(sendAt=later)).json["id"]
        is_((api.delete(f"{MESSAGES}/{two}").status, api.get(f"{MESSAGES}/{two}").json["state"]), (204, "canceled"),
            "DELETE cancels")
        three = api.post(POST, simple(sendAt=later)).json["id"]
        is_((act(three, "retry").status, wait_state(api, three, "sent")["state"]), (200, "sent"),
            "retry doesn't wait for sendAt")
        for action in ("cancel", "hold", "release", "retry"):
            is_(act(three, action).status, 409, f"{action} once sent")
        answer = api.delete(f"{MESSAGES}/{three}")
        is_((answer.status, answer.json["code"]), (409, "message.state"), "DELETE once sent: 409")
        is_(api.delete(f"{MESSAGES}/nothing").status, 404, "DELETE of nothing")

        catcher.hold()
        four = api.post(POST, simple()).json["id"]
        catcher.wait_command("DATA")
        is_(wait_state(api, four, "sending")["state"], "sending", "while it is being sent")
        is_((api.delete(f"{MESSAGES}/{four}").status, act(four, "hold").status), (409, 409),
            "too late to cancel or hold")
        catcher.release()
        is_(wait_state(api, four, "sent")["state"], "sent", "it is sent")

        api.action("out", "pause")
        is_(api.status("out")["paused"], True, "paused")
        five, six = api.post(POST, simple()).json["id"], api.post(POST, simple()).json["id"]
        is_((catcher.quiet(0.3), api.status("out")["queueSize"]), ([], 2), "messages wait")
        postern.restart()
        is_((catcher.quiet(0.3), api.status("out")["queueSize"], api.status("out")["paused"]), ([], 2, True),
            "also after a restart")
        act(six, "hold")
        api.action("out", "resume")
        is_((wait_state(api, five, "sent")["state"], api.get(f"{MESSAGES}/{six}").json["state"]), ("sent", "held"),
            "resume: what isn't held goes out")
        is_(api.action("out", "clearQueue").json, {"changed": 1}, "clearQueue")
        is_((api.get(f"{MESSAGES}/{six}").json["state"], api.status("out")["queueSize"]), ("canceled", 0),
            "cancels what waits")


def results():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, retryFor=3600)
        catcher.answers["RCPT no@example.com"] = "550 5.1.1 No such user here"
        catcher.answers["RCPT later@example.com"] = "450 4.2.0 Greylisted"
        both = api.post(POST, simple(to=["a@example.com", "no@example.com"])).json["id"]
        whole = wait_state(api, both, "sent", "failed")
        is_((whole["state"], [(one["state"], one["code"], one["enhancedCode"], one["text"])
                              for one in whole["recipients"]]),
            ("sent", [("sent", 250, "2.0.0", "Ok: taken"), ("failed", 550, "5.1.1", "No such user here")]),
            "5xx is final for that recipient only")
        is_(whole["lastCode"], "delivery.refused", "and is said")
        none = api.post(POST, simple(to=["no@example.com"])).json["id"]
        whole = wait_state(api, none, "failed")
        is_((whole["state"], whole["finishedAt"] is not None, whole["nextAttempt"]), ("failed", True, None),
            "nobody took it: failed")
        status = api.until(ACCOUNTS + "/out/status", lambda json: json["numberDiscarded"] == 1).json
        is_((status["numberDiscarded"], status["status"]["state"]), (1, "ok"),
            "the account counts it; it is none of its faults")
        ok("no@example.com" in status["lastDiscardCause"] and status["lastDiscard"], "and says why")
        wait = api.post(POST, simple(to=["a@example.com", "later@example.com"])).json["id"]
        whole = wait_state(api, wait, "deferred")
        is_([(one["state"], one["code"]) for one in whole["recipients"]], [("sent", 250), ("deferred", 450)],
            "4xx: later, for that recipient only")
        ok(whole["nextAttempt"] > whole["createdAt"], "with a time")
        is_(api.status("out")["queueSize"], 1, "it waits")
        count = len(catcher.taken)
        del catcher.answers["RCPT later@example.com"]
        is_(api.action("out", "flush").json, {"changed": 1}, "flush tries it now")
        whole = wait_state(api, wait, "sent")
        is_((whole["attempts"], catcher.wait(count + 1)[count].recipients), (2, ["later@example.com"]),
            "for those who have it not yet")

        del catcher.answers["RCPT no@example.com"]
        answer = api.post(f"{MESSAGES}/{none}/actions/retry")
        is_((answer.status, wait_state(api, none, "sent")["state"]), (200, "sent"),
            "a failed one can be retried by a person")

        for stage, text, state in (("MAIL", "452 4.3.1 Disk full", "deferred"),
                                   ("MAIL", "550 5.7.1 Not you", "failed"),
                                   ("DATA", "451 4.3.0 Later", "deferred"), ("DATA", "554 5.6.0 Never", "failed"),
                                   (".", "452 4.3.1 Disk full", "deferred"), (".", "554 5.7.1 Spam", "failed"),
                                   ("RCPT", "CLOSE", "deferred"),
                                   ("DATA", "421 4.3.2 Closing", "deferred")):
            catcher.answers[stage] = text
            message = api.post(POST, simple()).json["id"]
            whole = wait_state(api, message, state)
            is_((whole["state"], bool(whole["lastCode"]), bool(whole["lastCause"])), (state, True, True),
                f"{stage}: {text}: {state}, with the cause")
            del catcher.answers[stage]
            if state == "deferred":
                api.post(f"{MESSAGES}/{message}/actions/retry")
                is_(wait_state(api, message, "sent")["state"], "sent", "  retried: sent")
        account(api, catcher.port, retryFor=0)
        catcher.answers["RCPT"] = "450 4.2.0 Later"
        message = api.post(POST, simple()).json["id"]
        is_(wait_state(api, message, "failed")["recipients"][0]["state"], "failed", "after retryFor it is given up")


def uncertain():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, deliveryGuarantee="atMostOnce")
        account(api, catcher.port, "again", deliveryGuarantee="atLeastOnce")
        catcher.answers["."] = "CLOSE"
        once = api.post(POST, simple()).json
        whole = wait_state(api, once["id"], "uncertain")
        is_((whole["state"], whole["recipients"][0]["state"], whole["nextAttempt"]), ("uncertain", "uncertain", None),
            "atMostOnce: left to a person")
        again = api.post(ACCOUNTS + "/again/messages", simple()).json
        whole = wait_state(api, again["id"], "uncertain")
        ok(whole["state"] == "uncertain" and whole["nextAttempt"], "atLeastOnce: tried again later")
        del catcher.answers["."]
        count = len(catcher.taken)
        for made in (once, again):
            is_(api.post(f"{MESSAGES}/{made['id']}/actions/retry").status, 200, "a person says: send it again")
            is_(wait_state(api, made["id"], "sent")["state"], "sent", "sent")
        taken = catcher.wait(count + 2)
        is_([parse(one.content)["Message-ID"] for one in taken[count:]], [once["messageId"], again["messageId"]],
            "under the same Message-ID")
        catcher.answers["."] = "CLOSE"
        third = api.post(POST, simple()).json["id"]
        wait_state(api, third, "uncertain")
        is_((api.delete(f"{MESSAGES}/{third}").status, api.get(f"{MESSAGES}/{third}").json["state"]),
            (204, "canceled"), "or: leave it")


def per_day():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, maxSendablePerDay=3)
        ids = [api.post(POST, simple(subject=str(i))).json["id"] for i in range(5)]
        status = api.until(ACCOUNTS + "/out/status", lambda json: json["numberSent"] == 3).json
        is_((status["numberSent"], status["queueSize"]), (3, 2), "at the limit the others wait")
        states = [wait_state(api, one, "sent", "held") for one in ids]
        is_([one["state"] for one in states], ["sent"] * 3 + ["held"] * 2, "held, in the order they came")
        ok(all(one["heldByLimit"] and one["nextAttempt"] for one in states[3:]), "for midnight")
        more = api.post(POST, simple()).json["id"]
        is_(wait_state(api, more, "held")["heldByLimit"], True, "a new one waits as well")
        is_(api.status("out")["numberDiscarded"], 0, "none is dropped")
        postern.restart()
        is_(api.status("out")["numberSent"], 3, "the count is kept over a restart")
        is_(api.get(f"{MESSAGES}/{more}").json["state"], "held", "and the messages")
        is_((catcher.quiet(0.3), len(catcher.taken)), ([], 3), "nothing went out")
        api.action("out", "resetNumberSent")
        is_([wait_state(api, one, "sent")["state"] for one in (*ids[3:], more)], ["sent"] * 3,
            "resetNumberSent: they go on")
        is_((api.status("out")["numberSent"], len(catcher.taken)), (3, 6), "each once")
        last = api.post(POST, simple()).json["id"]
        wait_state(api, last, "held")
        api.patch(ACCOUNTS + "/out", {"maxSendablePerDay": 0})
        is_(wait_state(api, last, "sent")["state"], "sent", "the limit taken away: it goes on")


def batch():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port, batch=True, pollrate=2)
        for _ in range(3):
            api.post(POST, simple())
        taken = catcher.wait(3)
        is_((len(taken), len({one.session for one in taken})), (3, 1),
            "batch: all over one connection at the next tick")
        account(api, catcher.port, "daily", batch=True, pollrate=86400)
        waiting = api.post(ACCOUNTS + "/daily/messages", simple()).json["id"]
        is_((catcher.quiet(0.3), api.get(f"{MESSAGES}/{waiting}").json["state"]), ([], "queued"),
            "waits for its tick")
        api.action("daily", "flush")
        is_(wait_state(api, waiting, "sent")["state"], "sent", "flush doesn't wait")


def with_the_account():
    with Catcher() as catcher, Postern() as postern:
        api = postern.api
        account(api, catcher.port)
        api.action("out", "pause")
        ids = [api.post(POST, simple()).json["id"] for _ in range(2)]
        answer = api.delete(ACCOUNTS + "/out")
        is_((answer.status, answer.json["code"]), (409, "account.messagesWaiting"),
            "an account whose messages wait isn't deleted")
        is_(api.post(ACCOUNTS + "/out/actions/rename", {"name": "new"}).status, 200, "renamed")
        is_([api.get(f"{MESSAGES}/{one}").json["account"] for one in ids], ["new", "new"], "its messages go with it")
        is_((api.status("new")["queueSize"], api.status("new")["paused"]), (2, True), "and so does its state")
        api.action("new", "resume")
        is_(wait_state(api, ids[0], "sent")["state"], "sent", "they go out")
        is_(wait_state(api, ids[1], "sent")["state"], "sent", "both")
        api.action("new", "pause")
        last = api.post(ACCOUNTS + "/new/messages", simple()).json["id"]
        is_(api.delete(ACCOUNTS + "/new?force=true&dryRun=true").status, 200, "a dry run")
        is_(api.get(f"{MESSAGES}/{last}").json["state"], "queued", "changes nothing")
        is_(api.delete(ACCOUNTS + "/new?force=true").status, 204, "force")
        is_(api.get(f"{MESSAGES}/{last}").json["state"], "canceled", "cancels what waits")
        is_(api.post(f"{MESSAGES}/{last}/actions/retry").status, 409, "which stays so")
        is_(api.get(f"{MESSAGES}/{ids[0]}").json["state"], "sent", "what was sent is still told")


main(steering, results, uncertain, per_day, batch, with_the_account)
