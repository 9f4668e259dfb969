#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document against the server: every operation is there, answers what it says in the shape it says, and takes no
more than it says. A route without a sample here fails."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from pki import Pki
from postern import ADMIN_PASSWORD, Postern
from schema import faults, references, strict
from tap import diag, is_, main, ok

METHODS = ["get", "put", "post", "delete", "patch"]
PASSWORD = "correct horse battery"
PAGE = {"Accept": "application/json, */*;q=0.5"}        # of /events: otherwise it is a stream without end
pki = Pki()
root, leaf = pki.ca("Root"), pki.leaf("localhost")


def document_itself():
    with Postern() as postern:
        answer = postern.anonymous().get("/api/v1/openapi.json")
        is_((answer.status, answer.headers["Content-Type"]), (200, "application/json"), "open to all")
        document = answer.json
        is_(document["openapi"][:3], "3.1", "OpenAPI 3.1")
        ok(document["info"]["title"] and document["info"]["version"] and document["components"]["securitySchemes"],
           "title, version, security")
        broken = []
        for reference in references(document):
            name = reference.removeprefix("#/components/schemas/")
            if name not in document["components"]["schemas"]:
                broken.append(reference)
        is_(broken, [], "every reference leads somewhere")
        used = {reference.rsplit("/", 1)[1] for reference in references(document["paths"])}
        reached, more = set(), used
        while more:
            reached |= more
            more = {one.rsplit("/", 1)[1] for name in more
                    for one in references(document["components"]["schemas"][name])} - reached
        is_(sorted(set(document["components"]["schemas"]) - reached), [], "every schema is used")
        ids = []
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                ids.append(operation["operationId"])
                named = re.findall(r"{(\w+)}", path)
                given = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
                good = operation["summary"] and named == given and operation["responses"] and \
                    all(one["required"] for one in operation["parameters"] if one["in"] == "path")
                if path.startswith("/api/"):
                    good = good and "application/problem+json" in operation["responses"]["default"]["content"]
                good = good and (("requestBody" in operation) or method not in ("put", "patch"))
                if not good:
                    ok(False, f"{method} {path} is described")
                    diag(str(operation))
        ok(len(ids) > 50 and len(ids) == len(set(ids)), "each operation has an id of its own")
        ok(all(re.fullmatch(r"[A-Za-z0-9_]+", one) for one in ids), "that a generator can use")


def samples(context):
    """(method, path): (path's values, query, body, media, status, client)."""
    account = {"type": "OutgoingAccount", "hostname": "localhost", "port": context["port"], "useSsl": True,
               "emailAuthenticator": {"type": "none"}}
    message = {"from": "a@example.com", "to": ["b@example.com"], "subject": "x", "text": "y",
               "attachments": [{"filename": "a", "content": "YQ==", "contentType": "text/plain"}]}
    acc, msg, trust, hooks = "/api/v1/accounts", "/api/v1/messages", "/api/v1/trust", "/api/v1/webhooks"
    target = f"https://localhost:{context['port']}/"
    name, later = {"name": "out"}, {**message, "sendAt": "2099-01-01T00:00:00Z"}
    token, user, ca = {"id": context["token"]}, {"name": "alice"}, {"id": root.sha256}
    waits, seen = {"id": context["message"]}, {"id": f"localhost:{context['port']}"}
    return [
        ("get", "/healthz", {}, "", None, 200), ("get", "/readyz", {}, "", None, 200),
        ("get", "/metrics", {}, "", None, 200),
        ("get", "/api/v1/openapi.json", {}, "", None, 200),
        ("get", acc, {}, "", None, 200), ("get", acc, {}, "?include=status", None, 200),
        ("post", acc, {}, "", {**account, "name": "new"}, 201),
        ("post", acc, {}, "?dryRun=true", {**account, "name": "newer"}, 200),
        ("post", acc + "/verify", {}, "", account, 200), ("get", acc + "/{name}", name, "", None, 200),
        ("get", acc + "/{name}", name, "?include=status", None, 200),
        ("put", acc + "/{name}", name, "", {**account, "debug": True}, 200),
        ("put", acc + "/{name}", {"name": "newest"}, "", {**account, "port": 2525}, 201),
        ("patch", acc + "/{name}", name, "", {"description": "x"}, 200),
        ("get", acc + "/{name}/status", name, "", None, 200),
        ("get", acc + "/{name}/transcript", name, "", None, 200),
        ("post", acc + "/{name}/actions/{action}", {**name, "action": "verify"}, "", {}, 200),
        ("post", acc + "/{name}/actions/{action}", {**name, "action": "pause"}, "", None, 200),
        ("post", acc + "/{name}/actions/{action}", {**name, "action": "sendTest"}, "", {"to": "b@example.com"}, 202),
        ("post", acc + "/{name}/messages", name, "", later, 202), ("post", msg, {}, "", message, 202),
        ("get", msg, {}, "?limit=2", None, 200), ("get", msg, {}, "?q=x&acknowledged=false&since=2026-01-01T00:00:00Z", None, 200),
        ("post", msg + "/acknowledge", {}, "", {"ids": [context["message"]]}, 200),
        ("get", msg + "/{id}", waits, "", None, 200), ("get", msg + "/{id}/raw", waits, "", None, 200),
        ("get", msg + "/{id}/attachments/{n}", {**waits, "n": "0"}, "", None, 200),
        ("post", msg + "/{id}/actions/{action}", {**waits, "action": "hold"}, "", None, 200),
        ("delete", msg + "/{id}", waits, "", None, 204),
        ("delete", acc + "/{name}", {"name": "new"}, "", None, 204),
        ("get", "/api/v1/config", {}, "", None, 200), ("get", "/api/v1/config/schema", {}, "", None, 200),
        ("put", "/api/v1/config", {}, "?dryRun=true&prune=true&force=true", {"accounts": [], "webhooks": []}, 200),
        ("put", "/api/v1/config", {}, "", {"accounts": [{**account, "name": "old"}]}, 200),
        ("get", "/api/v1/tree", {}, "", None, 200), ("get", "/api/v1/types", {}, "", None, 200),
        ("get", "/api/v1/types/{type}", {"type": "AllowedHost"}, "", None, 200),
        ("get", "/api/v1/providers", {}, "", None, 200),
        ("get", "/api/v1/services", {}, "", None, 200),
        ("get", "/api/v1/services/{name}", {"name": "WebService"}, "", None, 200),
        ("put", "/api/v1/services/{name}", {"name": "EmailService"}, "", {"defaultOutgoingAccount": "out"}, 200),
        ("patch", "/api/v1/services/{name}", {"name": "UserService"}, "", {}, 200),
        ("get", "/api/v1/services/{name}/status", {"name": "EmailService"}, "", None, 200),
        ("get", "/api/v1/services/{name}/status", {"name": "WebService"}, "", None, 200),
        ("get", trust + "/system", {}, "?limit=3", None, 200), ("get", trust + "/user", {}, "", None, 200),
        ("post", trust + "/user", {}, "?dryRun=true", pki_text(), 200),
        ("post", trust + "/user", {}, "", pki_text(), 200),
        ("get", trust + "/user/{id}", ca, "", None, 200),
        ("patch", trust + "/user/{id}", ca, "", {"names": ["example.com"]}, 200),
        ("delete", trust + "/user/{id}", ca, "?dryRun=true", None, 200),
        ("delete", trust + "/user/{id}", ca, "", None, 204),
        ("get", trust + "/keys", {}, "", None, 200),
        ("post", trust + "/keys", {}, "?dryRun=true", {"name": "k", "keyType": "ed25519", "sans": ["localhost"], "days": 30}, 200),
        ("post", trust + "/keys", {}, "", {"name": "k", "keyType": "ed25519", "commonName": "localhost"}, 201),
        ("post", trust + "/keys/import", {}, "", {"name": "i", "pem": key_text()}, 201),
        ("get", trust + "/keys/{name}", {"name": "i"}, "", None, 200),
        ("put", trust + "/keys/{name}/certificate", {"name": "i"}, "", {"pem": leaf.pem}, 200),
        ("post", trust + "/keys/{name}/actions/request", {"name": "i"}, "", {"sans": ["localhost"]}, 200),
        ("post", trust + "/keys/{name}/actions/export", {"name": "i"}, "", {"passphrase": PASSWORD, "format": "pem"}, 200),
        ("post", trust + "/keys/{name}/actions/export", {"name": "i"}, "", {"passphrase": PASSWORD}, 200),
        ("delete", trust + "/keys/{name}", {"name": "i"}, "", None, 204),
        ("get", trust + "/allowed-hosts", {}, "", None, 200),
        ("get", trust + "/allowed-hosts/{id}", seen, "", None, 200),
        ("put", trust + "/allowed-hosts/{id}", {"id": "h.example:465"}, "",
         {"approval": "approved", "sha256": "0" * 64}, 201),
        ("post", trust + "/allowed-hosts/{id}/actions/{action}", {**seen, "action": "approve"}, "",
         {"sha256": leaf.sha256}, 200),
        ("post", trust + "/allowed-hosts/{id}/{action}", {**seen, "action": "reject"}, "", {"note": "x"}, 200),
        ("delete", trust + "/allowed-hosts/{id}", seen, "?dryRun=true", None, 200),
        ("delete", trust + "/allowed-hosts/{id}", seen, "", None, 204),
        ("post", trust + "/probe", {}, "", {"hostname": "localhost", "port": context["port"], "useSsl": True}, 200),
        ("get", "/api/v1/users", {}, "?include=status", None, 200),
        ("post", "/api/v1/users", {}, "", {"name": "bob", "password": PASSWORD}, 201),
        ("get", "/api/v1/users/{name}", user, "", None, 200),
        ("put", "/api/v1/users/{name}", user, "", {"role": "viewer", "password": PASSWORD}, 200),
        ("patch", "/api/v1/users/{name}", user, "", {"description": "x"}, 200),
        ("delete", "/api/v1/users/{name}", {"name": "bob"}, "", None, 204),
        ("get", "/api/v1/tokens", {}, "?include=status", None, 200),
        ("post", "/api/v1/tokens", {}, "", {"name": "t", "role": "viewer"}, 201),
        ("post", "/api/v1/tokens", {}, "?dryRun=true", {"name": "t", "role": "viewer"}, 200),
        ("get", "/api/v1/tokens/{id}", token, "?include=status", None, 200),
        ("delete", "/api/v1/tokens/{id}", token, "", None, 204),
        ("get", "/api/v1/audit", {}, "", None, 200),
        ("get", hooks, {}, "?include=status", None, 200),
        ("post", hooks, {}, "", {"name": "made", "url": target, "enabled": False}, 201),
        ("post", hooks, {}, "?dryRun=true", {"name": "tried", "url": target}, 200),
        ("get", hooks + "/{name}", {"name": "hook"}, "?include=status", None, 200),
        ("put", hooks + "/{name}", {"name": "made"}, "", {"url": target, "events": ["message.*"]}, 200),
        ("patch", hooks + "/{name}", {"name": "made"}, "", {"secretSet": False}, 200),
        ("post", hooks + "/{name}/actions/test", {"name": "hook"}, "", {}, 200),
        ("get", hooks + "/{name}/deliveries", {"name": "hook"}, "?state=failed", None, 200),
        ("get", hooks + "/{name}/deliveries/{id}", {"name": "hook", "id": context["delivery"]}, "", None, 200),
        ("post", hooks + "/{name}/deliveries/{id}/actions/redeliver", {"name": "hook", "id": context["delivery"]}, "", {}, 200),
        ("delete", hooks + "/{name}", {"name": "made"}, "", None, 204),
        ("get", "/api/v1/events", {}, "?limit=500", None, 200), ("get", "/api/v1/events/types", {}, "", None, 200),
        ("post", "/api/v1/session", {}, "", {"username": "admin", "password": ADMIN_PASSWORD}, 200),
        ("get", "/api/v1/session", {}, "", None, 200),
        ("put", "/api/v1/session/password", {}, "", {"old": ADMIN_PASSWORD, "new": PASSWORD}, 200, "person"),
        ("delete", "/api/v1/session", {}, "", None, 204, "second"),
        ("delete", "/api/v1/sessions", {}, "", None, 204, "third"),
    ]


def key_text():
    with open(leaf.key, encoding="ascii") as file:
        return file.read() + leaf.pem


def pki_text():
    return root.pem


def call(clients, method, path, values, query, body, client="api"):
    api = clients[client]() if client != "api" else clients["api"]
    for name, value in values.items():
        path = path.replace("{%s}" % name, value)
    if isinstance(body, str):
        return api.post(path + query, data=body.encode(), headers={"Content-Type": "application/x-pem-file"})
    return api.request(method.upper(), path + query, body, headers=PAGE)


def operations():
    with Catcher(leaf) as catcher, Postern() as postern:
        api = postern.api
        document = api.get("/api/v1/openapi.json").json
        api.put("/api/v1/accounts/out", {"type": "OutgoingAccount", "hostname": "localhost", "port": catcher.port,
                                         "useSsl": True, "debug": True,
                                         "emailAuthenticator": {"type": "none"}})
        api.patch("/api/v1/services/EmailService", {"defaultOutgoingAccount": "out"})
        api.action("out", "verify")
        waits = api.post("/api/v1/accounts/out/messages",
                         {"from": "a@example.com", "to": ["b@example.com"], "sendAt": "2099-01-01T00:00:00Z",
                                                           "attachments": [{"content": "YQ=="}]}).json["id"]
        api.post("/api/v1/users", {"name": "alice", "password": PASSWORD})
        api.post("/api/v1/trust/user", data=root.pem.encode(), headers={"Content-Type": "application/x-pem-file"})
        token = api.post("/api/v1/tokens", {"name": "x", "role": "viewer"}).json["id"]
        passwords = iter([ADMIN_PASSWORD, PASSWORD, PASSWORD])
        clients = {"api": api, **{name: lambda: postern.login(password=next(passwords))
                                  for name in ("person", "second", "third")}}
        api.patch("/api/v1/services/WebService", {"webhookPrivateTargets": ["localhost"]})
        api.put("/api/v1/webhooks/hook", {"url": f"https://localhost:{catcher.port}/"})
        delivery = api.post("/api/v1/webhooks/hook/actions/test").json["delivery"]
        rows = samples({"port": catcher.port, "message": waits, "token": token, "delivery": delivery})
        listed = {(method, path) for path, operations in document["paths"].items() for method in operations}
        is_(sorted(listed - {row[:2] for row in rows}), [], "every operation has a sample here")
        is_(sorted({row[:2] for row in rows} - listed), [], "and every sample is described")
        for method, path, values, query, body, status, *client in rows:
            operation = document["paths"].get(path, {}).get(method)
            if operation is None:
                continue
            answer = call(clients, method, path, values, query, body, *client)
            name = f"{method} {path}{query}"
            problems = []
            if answer.status != status:
                problems.append(f"{answer!r}, not {status}")
            described = operation["responses"].get(str(answer.status))
            if described is None:
                problems.append(f"{answer.status} isn't described")
            content = (described or {}).get("content", {})
            media = answer.headers["Content-Type"]
            if answer.body and not any(media and (media.startswith(one) or one == "*/*") for one in content):
                problems.append(f"{media} isn't described")
            if media == "application/json" and media in content:
                problems += faults(answer.json, strict(content[media]["schema"]),
                                   {**document, "components": strict(document["components"])})
            if isinstance(body, dict):
                media = "application/merge-patch+json" if method == "patch" else "application/json"
                problems += [f"request {fault}"
                             for fault in faults(body, operation["requestBody"]["content"][media]["schema"],
                                                 document)]
            for parameter in re.findall(r"[?&](\w+)=", query):
                if parameter not in [one["name"] for one in operation["parameters"] if one["in"] == "query"]:
                    problems.append(f"parameter {parameter} isn't described")
            if not ok(not problems, name):
                diag("\n".join(problems[:12]))


def other_methods():
    with Postern() as postern:
        api = postern.api
        document = api.get("/api/v1/openapi.json").json
        for path, described in document["paths"].items():
            concrete = re.sub(r"{\w+}", "x", path)
            for method in METHODS:
                if method in described:
                    continue
                answer = api.request(method.upper(), concrete, {} if method in ("put", "post", "patch") else None)
                allowed = {one.strip().lower() for one in (answer.headers["Allow"] or "").split(",")}
                if answer.status != 405 or not set(described) <= allowed:
                    # A literal path may lie over one with a name in it: /accounts/verify over /accounts/{name}.
                    if not any(method in more and re.fullmatch(re.sub(r"{\w+}", "[^/]+", other), path) for other,
                               more in document["paths"].items() if other != path):
                        ok(False, f"{method} {path}: 405 with Allow")
                        diag(f"{answer!r} {answer.headers['Allow']}")
            answer = api.request("OPTIONS", concrete)
            if not (answer.status == 204 and "OPTIONS" in (answer.headers["Allow"] or "")):
                ok(False, f"OPTIONS {path}")
        ok(True, f"methods that {len(document['paths'])} paths don't take")
        for path in ("/api/v1", "/api/v1/", "/api/v2/accounts", "/api/v1/accounts/", "/api/v1/nothing", "/api"):
            answer = api.get(path)
            is_((answer.status, answer.headers["Content-Type"]), (404, "application/problem+json"),
                f"nothing at {path}")


def without_rights():
    """x-role is what is asked for."""
    order = ["none", "viewer", "operator", "admin"]
    with Postern() as postern:
        api = postern.api
        document = api.get("/api/v1/openapi.json").json
        clients = {"none": postern.anonymous(),
                   **{role: api.clone(headers={"Authorization": f"Bearer {postern.token(role, role)}"})
                      for role in order[1:3]}}
        for path, described in document["paths"].items():
            for method, operation in described.items():
                least = order.index(operation["x-role"])
                for role, client in clients.items():
                    answer = client.request(method.upper(), re.sub(r"{\w+}", "x", path),
                                            {} if method in ("put", "post", "patch") else None, headers=PAGE)
                    refused = answer.status == (401 if role == "none" else 403)
                    if refused != (order.index(role) < least) and "/session" not in path:
                        ok(False, f"{role}: {method} {path} takes {operation['x-role']}")
                        diag(repr(answer))
        ok(True, "roles are as they are described")


main(document_itself, operations, other_methods, without_rights)
