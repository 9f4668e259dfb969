#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Users, passwords, sessions, API tokens and the audit trail (DESIGN 5)."""

import http.client
import os
import signal
import sys
import time
from datetime import datetime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from postern import ADMIN_PASSWORD, Postern
from tap import diag, is_, main, ok

SESSION, PASSWORD, USERS, TOKENS = "/api/v1/session", "/api/v1/session/password", "/api/v1/users", "/api/v1/tokens"
USER_SERVICE = "/api/v1/services/UserService"
GOOD = "correct horse battery"
OTHER = "another fine password"


def try_login(postern, username, password):
    return postern.anonymous().post(SESSION, {"username": username, "password": password})


def bearer(postern, token):
    api = postern.anonymous()
    api.headers["Authorization"] = f"Bearer {token}"
    return api


def sessions():
    with Postern() as postern:
        answer = try_login(postern, "admin", ADMIN_PASSWORD)
        is_(answer.status, 200, "log in")
        is_((answer.json["username"], answer.json["role"], answer.json["mustChangePassword"]), ("admin", "admin", False), "who it is")
        cookie = answer.headers["Set-Cookie"]
        ok("HttpOnly" in cookie and "SameSite=Strict" in cookie, "the cookie is HttpOnly and SameSite=Strict")
        is_(answer.headers["Cache-Control"], "no-store", "nobody keeps the answer")
        is_(postern.anonymous().get(SESSION).status, 401, "nobody is nobody")

        person = postern.login()
        is_(person.get(SESSION).json["csrfToken"], person.headers["X-CSRF-Token"], "the session tells its CSRF token again")
        bare = person.clone()
        bare.headers = {**person.headers, "X-CSRF-Token": None}
        is_(bare.post(USERS, {"name": "x", "password": GOOD}).status, 403, "a write without CSRF token")
        for method, path, body in (("DELETE", SESSION, None), ("DELETE", "/api/v1/sessions", None),
                                   ("PUT", PASSWORD, {"old": ADMIN_PASSWORD, "new": GOOD})):
            is_(bare.request(method, path, body).status, 403, f"{method} {path} without CSRF token")
        is_(person.delete(SESSION).status, 204, "log out")
        is_(person.get(SESSION).status, 401, "the session has ended")

        one, two = postern.login(), postern.login()
        is_(one.delete("/api/v1/sessions").status, 204, "log out everywhere")
        is_(two.get(SESSION).status, 401, "the other session has ended, too")

        for body, codes in (({}, [("/username", "property.required"), ("/password", "property.required")]),
                            ({"username": "admin", "password": 1}, [("/password", "property.type")]),
                            ({"username": "a", "password": "b", "otp": "c"}, [("/otp", "property.unknown")])):
            answer = postern.anonymous().post(SESSION, body)
            is_((answer.status, answer.codes()), (422, codes), f"log in with {sorted(body)}")


def guessing():
    with Postern() as postern:
        for _ in range(5):
            is_(try_login(postern, "admin", "wrong").status, 401, "a wrong password")
        answers = [try_login(postern, "admin", "wrong") for _ in range(3)]
        slowed = [answer for answer in answers if answer.status == 429]
        ok(slowed, "guessing is slowed")
        ok(slowed and int(slowed[0].headers["Retry-After"]) >= 1, "Retry-After says how long")
        is_(try_login(postern, "admin", ADMIN_PASSWORD).status, 429, "the right password waits as well")
        is_(try_login(postern, "somebody", "wrong").status, 401, "another user does not")
        trail = postern.api.get("/api/v1/audit?limit=100").json["items"]
        ok(any(one["action"] == "lockOut" and one["resource"] == "User/admin" for one in trail), "the lock-out is in the audit trail")
        ok(not any("somebody" in str(one) for one in trail), "a name that is none is not: it may be a password")
        deadline = time.monotonic() + 15
        while (answer := try_login(postern, "admin", ADMIN_PASSWORD)).status == 429 and time.monotonic() < deadline:
            time.sleep(0.2)
        is_(answer.status, 200, "after the wait the right password opens")


def guessing_around():
    with Postern() as postern:
        api = postern.api
        is_(api.patch(USER_SERVICE, {"failuresBeforeLockout": 3, "lockout": 2}).status, 200, "settings")
        statuses = [try_login(postern, f"user{i}", "wrong").status for i in range(13)]
        is_((set(statuses[:12]), try_login(postern, "one-more", "wrong").status), ({401}, 429), "one address that tries many names is slowed")
        is_(api.get(USERS).status, 200, "a good token from there is not")
        for _ in range(15):
            bearer(postern, "pst_0123456789abcdef_" + "x" * 43).get(USERS)
        is_(bearer(postern, "wrong").get(USERS).status, 429, "wrong tokens have to wait")
        is_(api.get(USERS).status, 200, "good ones from the same address do not")
        time.sleep(2.1)
        postern.login()
        for i in range(20):
            try_login(postern, "admin" if i < 2 else f"other{i}", "wrong")
        postern.login()
        ok(True, "where somebody logged in before, others' guessing is no obstacle")
        for _ in range(4):
            try_login(postern, "admin", "wrong")
        is_(try_login(postern, "admin", ADMIN_PASSWORD).status, 429, "one's own is")
        time.sleep(2.1)
        is_(api.patch(USER_SERVICE, {"failuresBeforeLockout": 100}).status, 200, "more patience, at once")
        is_([try_login(postern, "admin", "wrong").status for _ in range(3)], [401] * 3, "is what everybody gets")


def time_of(call, times=5):
    spent = []
    for _ in range(times):
        start = time.monotonic()
        call()
        spent.append(time.monotonic() - start)
    return min(spent)           # the others were held up by something else


def passwords():
    with Postern() as postern:
        person, other = postern.login(), postern.login()
        for body, codes in (({"old": "wrong", "new": GOOD}, [("/old", "password.wrong")]),
                            ({"old": ADMIN_PASSWORD, "new": "short"}, [("/new", "password.short")]),
                            ({"old": ADMIN_PASSWORD, "new": ADMIN_PASSWORD}, [("/new", "password.same")]),
                            ({"old": ADMIN_PASSWORD, "new": "x" * 600}, [("/new", "password.long")]),
                            ({"old": ADMIN_PASSWORD}, [("/new", "property.required")])):
            answer = person.put(PASSWORD, body)
            is_((answer.status, answer.codes()), (422, codes), f"a new password refused: {codes[0][1]}")
        etag = postern.api.get(USERS + "/admin").etag
        answer = person.put(PASSWORD, {"old": ADMIN_PASSWORD, "new": GOOD})
        is_(answer.status, 200, "change the password")
        ok(postern.api.get(USERS + "/admin").etag != etag, "the user's ETag is another")
        is_(other.get(SESSION).status, 401, "other sessions end")
        person.headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
        person.headers["X-CSRF-Token"] = answer.json["csrfToken"]
        is_(person.get(USERS).status, 200, "this one goes on with a new cookie")
        is_(try_login(postern, "admin", ADMIN_PASSWORD).status, 401, "the old password is wrong now")
        is_(try_login(postern, "admin", GOOD).status, 200, "the new one is right")
        is_(bearer(postern, postern.token()).put(PASSWORD, {"old": GOOD, "new": OTHER}).status, 403, "a token has no password")
        postern.restart()
        is_(try_login(postern, "admin", GOOD).status, 200, "also after a restart")
        # A name that is none must not answer sooner than one that is. Shown, not judged: a busy machine would decide.
        known = time_of(lambda: try_login(postern, "admin", "no"), 4)
        unknown = time_of(lambda: try_login(postern, "nobody", "no"), 4)
        diag(f"known {known * 1000:.1f} ms, unknown {unknown * 1000:.1f} ms")


def users():
    with Postern() as postern:
        api = postern.api
        answer = api.post(USERS, {"name": "alice", "role": "operator", "password": GOOD})
        is_((answer.status, answer.headers["Location"]), (201, USERS + "/alice"), "create")
        is_(answer.json, {"name": "alice", "type": "User", "role": "operator", "description": ""}, "what it answers")
        etag = answer.etag
        is_(api.post(USERS, {"name": "alice", "password": GOOD}).status, 409, "the name is taken")
        is_(api.post(USERS, {"name": "bob"}).codes(), [("/password", "property.required")], "a password is needed")
        is_(api.post(USERS, {"name": "a/b", "password": "x", "rolle": "admin"}).codes(),
            [("/name", "name.format"), ("/rolle", "property.unknown"), ("/password", "password.short")], "all that is wrong at once")
        is_(api.post(USERS, {"name": "bob", "password": 12}).codes(), [("/password", "property.type")], "a number is no password")

        is_(api.get(USERS + "/alice").etag, etag, "the same ETag when read")
        is_(api.get(USERS + "/alice", {"If-None-Match": etag}).status, 304, "304")
        is_(api.get(USERS + "/nobody").status, 404, "nobody")
        is_(api.patch(USERS + "/alice", {"description": "night shift"}, headers={"If-Match": '"0"'}).status, 412, "If-Match")
        answer = api.patch(USERS + "/alice", {"description": "night shift"}, headers={"If-Match": etag})
        is_((answer.status, answer.json["description"]), (200, "night shift"), "patch")
        etag = answer.etag
        answer = api.patch(USERS + "/alice", {"password": GOOD})
        is_((answer.status, answer.etag), (200, etag), "the same password again is no change")
        answer = api.patch(USERS + "/alice", {"password": OTHER}, headers={"If-Match": etag})
        ok(answer.status == 200 and answer.etag != etag, "another is")
        ok("password" not in answer.text and "$y$" not in answer.text, "and is not shown")
        is_(try_login(postern, "alice", OTHER).status, 200, "alice logs in")
        answer = api.put(USERS + "/alice", {"role": "viewer"})
        is_((answer.status, answer.json["role"], answer.json["description"]), (200, "viewer", ""), "replace: absent is default")
        is_(try_login(postern, "alice", OTHER).status, 200, "the password stays")
        answer = api.put(USERS + "/carol?dryRun=true", {"role": "viewer", "password": GOOD})
        is_((answer.status, answer.json["changes"][0]["action"]), (200, "create"), "a dry run tells")
        is_(api.get(USERS + "/carol").status, 404, "and does nothing")
        is_(api.put(USERS + "/carol", {"password": GOOD}).status, 201, "create by PUT")
        answer = api.get(USERS + "/alice?include=status")
        ok(answer.json["lastLogin"] and answer.etag is None, "lastLogin is status")
        is_([one["name"] for one in api.get(USERS).json["items"]], ["admin", "alice", "carol"], "the list")
        page = api.get(USERS + "?limit=2").json
        is_([one["name"] for one in api.get(f"{USERS}?limit=2&cursor={page['next']}").json["items"]], ["carol"], "the second page")
        for query in ("limit=0", "limit=501", "limit=x", "cursor=%21"):
            is_(api.get(f"{USERS}?{query}").status, 422, query)

        # Rights
        alice = postern.login("alice", OTHER)
        is_(alice.get(USERS).status, 403, "a viewer sees no users")
        is_(alice.get("/api/v1/accounts").status, 200, "but accounts")
        is_(api.patch(USERS + "/alice", {"role": "operator"}).status, 200, "alice is promoted")
        is_(alice.get(SESSION).status, 401, "and logs in again for it")
        for change, words in (({"role": "viewer"}, "demoted"), (None, "deleted")):
            answer = api.patch(USERS + "/admin", change) if change else api.delete(USERS + "/admin")
            is_((answer.status, answer.json["code"]), (409, "user.lastAdmin"), f"the last administrator is not {words}")
        is_(api.patch(USERS + "/carol", {"role": "admin"}).status, 200, "with another one")
        admin = postern.login()
        is_(api.delete(USERS + "/admin").status, 204, "it can be deleted")
        is_(admin.get(SESSION).status, 401, "which ends its sessions")
        is_(try_login(postern, "admin", ADMIN_PASSWORD).status, 401, "and its log-ins")


def tokens():
    with Postern() as postern:
        api = postern.api
        answer = api.post(TOKENS, {"name": "plc 7", "role": "operator", "accounts": ["alerts"]})
        is_(answer.status, 201, "create a token")
        made = answer.json
        is_(answer.headers["Location"], f"{TOKENS}/{made['id']}", "Location")
        ok(made["token"].startswith(f"pst_{made['id']}_") and len(made["token"]) == 64, "the token is shown")
        ok(made["token"] not in api.get(TOKENS).text and "hash" not in api.get(TOKENS).text, "once")
        for name in ("alerts", "office"):
            is_(api.post("/api/v1/accounts", {"name": name, "type": "OutgoingAccount"}).status, 201, f"account {name}")
        plc = bearer(postern, made["token"])
        is_(plc.get("/api/v1/accounts/alerts").status, 200, "it sees its account")
        is_(plc.get("/api/v1/accounts/office").status, 404, "and no other")
        is_([one["name"] for one in plc.get("/api/v1/accounts").json["items"]], ["alerts"], "in lists as well")
        is_(plc.get(TOKENS).status, 403, "an operator sees no tokens")
        is_(plc.get("/api/v1/audit").status, 403, "a limited token sees no audit trail")
        ok(api.get(f"{TOKENS}/{made['id']}?include=status").json["lastUsed"], "lastUsed")
        for bad in (made["token"][:-1] + ("A" if made["token"][-1] != "A" else "B"), "pst_x", made["token"] + "x", "",
                    "pst_" + "0" * 16 + "_" + "A" * 43):
            is_(bearer(postern, bad).get("/api/v1/accounts").status, 401, f"not a token: {bad[:8]}…")
        for body, codes in (({"role": "admin"}, [("/name", "property.required")]),
                            ({"name": "x", "role": "king"}, [("/role", "property.choice")]),
                            ({"name": "x", "expiresAt": "2020-01-01T00:00:00Z"}, [("/expiresAt", "token.expired")]),
                            ({"name": "x", "accounts": ["a/b"]}, [("/accounts/0", "name.format")]),
                            ({"name": "x", "days": 3}, [("/days", "property.unknown")])):
            answer = api.post(TOKENS, body)
            is_((answer.status, answer.codes()), (422, codes), f"a token refused: {codes[0]}")
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
        short = api.post(TOKENS, {"name": "short", "expiresAt": soon}).json
        is_(bearer(postern, short["token"]).get("/api/v1/accounts").status, 200, "before its end")
        time.sleep(2.2)
        is_(bearer(postern, short["token"]).get("/api/v1/accounts").status, 401, "after it")
        is_(api.delete(f"{TOKENS}/{made['id']}").status, 204, "delete")
        is_(plc.get("/api/v1/accounts/alerts").status, 401, "it ends at once")
        is_(api.delete(f"{TOKENS}/{made['id']}").status, 404, "it is gone")
        postern.restart()
        is_(api.get(TOKENS).status, 200, "tokens outlive a restart")

        # From the shell
        ids = {one["id"] for one in api.get(TOKENS).json["items"]}
        text = postern.run("token", "create", "--name", "shell", "--role", "viewer", "--expires", "90d", "--account", "alerts").stdout
        ok(text.count("\n") == 1 and text.startswith("pst_"), "the token alone on standard output")
        is_(bearer(postern, text.strip()).get("/api/v1/accounts/alerts").status, 200, "it works at once")
        items = api.until(TOKENS, lambda json: len(json["items"]) == len(ids) + 1).json["items"]
        new = [one for one in items if one["id"] not in ids][0]
        ok(new["name"] == "shell" and new["expiresAt"] and new["accounts"] == ["alerts"], "and is listed as it was asked for")
        ok(new["id"] in postern.run("token", "list").stdout, "token list")
        is_(postern.run("token", "delete", new["id"]).returncode, 0, "token delete")
        ended = api.until(TOKENS, lambda json: new["id"] not in str(json))
        ok(new["id"] not in ended.text, "the server knows")
        is_(bearer(postern, text.strip()).get("/api/v1/accounts").status, 401, "it has ended")
        postern.stop()
        text = postern.run("token", "create", "--name", "offline", "--role", "admin").stdout.strip()
        postern.start()
        is_(bearer(postern, text).get(TOKENS).status, 200, "made while no server ran")


def one_time_password():
    with Postern() as postern:
        person = postern.login()
        reset = postern.run("user", "reset-password", "admin")
        password = reset.stdout.strip()
        ok(len(password) >= 20 and "\n" not in password, "reset-password prints it alone")
        is_(try_login(postern, "admin", ADMIN_PASSWORD).status, 401, "the old one is wrong at once")
        deadline = time.monotonic() + 10
        while person.get(SESSION).status == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        is_(person.get(SESSION).status, 401, "sessions end")
        person = postern.login("admin", password)
        is_(person.get(SESSION).json["mustChangePassword"], True, "it must be changed")
        is_(person.get(USERS).status, 403, "before that nothing else opens")
        answer = person.put(PASSWORD, {"old": password, "new": GOOD})
        is_((answer.status, answer.json["mustChangePassword"]), (200, False), "change it")
        is_(postern.login("admin", GOOD).get(USERS).status, 200, "now all is open")
        is_(postern.run("user", "reset-password", "nobody", check=False).returncode, 1, "a user that is none")


def audit():
    with Postern() as postern:
        api = postern.api
        api.post(USERS, {"name": "alice", "password": GOOD, "role": "operator"})
        try_login(postern, "alice", "wrong")
        alice = postern.login("alice", GOOD)
        alice.put(PASSWORD, {"old": GOOD, "new": OTHER})
        made = api.post(TOKENS, {"name": "robot", "role": "viewer"}).json
        api.delete(f"{TOKENS}/{made['id']}")
        trail = api.get("/api/v1/audit?limit=500").json["items"]
        seen = [(one["user"], one["action"], one["resource"]) for one in reversed(trail)]
        for entry in (("token:test", "create", "User/alice"), ("alice", "loginFailed", "User/alice"), ("alice", "login", "User/alice"),
                      ("alice", "changePassword", "User/alice"), ("token:test", "create", f"Token/{made['id']}"),
                      ("token:test", "delete", f"Token/{made['id']}")):
            ok(entry in seen, f"{entry[0]}: {entry[1]} {entry[2]}")
        is_([one["address"] for one in trail if one["action"] == "login"], ["127.0.0.1"], "with the address")
        is_([one["at"] for one in trail], sorted((one["at"] for one in trail), reverse=True), "newest first")
        text = str(trail)
        ok(not any(secret in text for secret in (GOOD, OTHER, made["token"], "$y$")), "no secrets")
        first = api.get("/api/v1/audit?limit=2")
        ok('rel="next"' in first.headers["Link"], "a link to the next page")
        rest = api.get(f"/api/v1/audit?limit=500&cursor={first.json['next']}").json
        is_([one["id"] for one in first.json["items"] + rest["items"]], [one["id"] for one in trail], "pages join")
        is_(rest["next"], None, "the last page says so")


def audit_of_one():
    with Postern() as postern:
        api = postern.api
        api.post("/api/v1/accounts", {"name": "alerts", "type": "OutgoingAccount"})
        api.post("/api/v1/accounts", {"name": "other", "type": "OutgoingAccount"})
        basic = {"type": "basic", "username": "plant", "password": GOOD}
        api.patch("/api/v1/accounts/alerts", {"useSsl": True, "emailAuthenticator": basic})
        api.patch("/api/v1/accounts/alerts", {"emailAuthenticator": {"password": OTHER}})
        api.patch("/api/v1/accounts/alerts", {"useSsl": True})
        api.post("/api/v1/accounts/other/actions/rename", {"name": "third"})
        path = "/api/v1/audit?limit=2&resource=OutgoingAccount/alerts"
        page = api.get(path).json
        is_([(one["action"], one["detail"]) for one in page["items"]],
            [("change", {"properties": ["emailAuthenticator"]}), ("change", {"properties": ["useSsl", "port", "emailAuthenticator"]})],
            "the trail of one account: which properties, secrets among them, and what followed")
        rest = api.get(page["next"]).json
        is_(([one["action"] for one in rest["items"]], rest["next"]), (["create"], None), "the next page stays with it")
        is_(api.get("/api/v1/audit?resource=nothing").json["items"], [], "of what is not there: nothing")
        renamed = api.get("/api/v1/audit?limit=1").json["items"][0]
        is_((renamed["action"], renamed["resource"], renamed["detail"]), ("rename", "OutgoingAccount/other", {"to": "third"}), "a rename says to what")
        ok(GOOD not in api.get("/api/v1/audit?limit=500").text, "no secrets")


def session_limits():
    with Postern() as postern:
        told = postern.login("admin", ADMIN_PASSWORD).get(SESSION).json
        left = datetime.fromisoformat(told["expiresAt"].replace("Z", "+00:00")).timestamp() - time.time()
        is_(told["idleTimeout"], 1800, "how long it may lie idle")
        ok(12 * 3600 - 60 < left <= 12 * 3600 + 1, f"and when it ends in any case ({left:.0f} s)")
        postern.api.patch("/api/v1/services/WebService", {"sessionIdle": 600})
        is_(postern.login("admin", ADMIN_PASSWORD).get(SESSION).json["idleTimeout"], 600, "as the WebService says")


def held_up():
    """Password hashes are slow: many log-ins at once must not hold up anybody else."""
    with Postern() as postern:
        api = postern.api
        connections = []
        is_(api.patch(USER_SERVICE, {"failuresBeforeLockout": 50}).status, 200, "many at once from one address")
        body = b'{"username":"admin","password":"no"}'
        for i in range(40):
            connection = http.client.HTTPConnection("127.0.0.1", postern.port, timeout=60)
            connection.request("POST", SESSION, body=body.replace(b"admin", b"user%d" % i), headers={"Content-Type": "application/json"})
            connections.append(connection)
        slowest = max(time_of(lambda: api.get(USERS), 1) for _ in range(10))
        ok(slowest < 10, f"others are answered meanwhile ({slowest * 1000:.0f} ms)")
        statuses = {connection.getresponse().status for connection in connections}
        is_(statuses, {401}, "and every one of them is answered")


main(sessions, guessing, guessing_around, passwords, users, tokens, one_time_password, audit, audit_of_one, session_limits, held_up)
