#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Services, types and the tree: one property table is the source of all of them (DESIGN 1, 5)."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from postern import Postern
from schema import faults
from tap import diag, is_, main, ok

ACCOUNTS, SERVICES, TYPES = "/api/v1/accounts", "/api/v1/services", "/api/v1/types"
NAMES = ["CertificateService", "EmailService", "UserService", "WebService"]
OUT, IN = "OutgoingAccount", "IncomingAccount"


def services():
    with Postern() as postern:
        api = postern.api
        listed = api.get(SERVICES).json
        is_(([one["name"] for one in listed["items"]], listed["next"]), (NAMES, None), "four services")
        for item in listed["items"]:
            path = f"{SERVICES}/{item['name']}"
            one = api.get(path)
            is_(({**one.json, "etag": one.etag.strip('"')}, one.json["type"]), (item, item["name"]),
                f"{item['name']}: as in the list")
            is_(api.get(path, {"If-None-Match": one.etag}).status, 304, "  304")
            for method, body in (("PUT", one.json), ("PATCH", {}), ("PATCH", one.json)):
                answer = api.request(method, path, body)
                is_((answer.status, answer.etag), (200, one.etag), f"  {method} of what is there: no change")
            is_(api.patch(path, {"colour": 1}).codes(), [("/colour", "property.unknown")], "  an unknown property")
            is_(api.patch(path, {"name": "x"}).codes(), [("/name", "name.fixed")], "  its name is fixed")
            is_(api.patch(path, {"type": "x"}).codes(), [("/type", "type.fixed")], "  and its type")
            is_(api.put(path, {}, headers={"If-Match": '"0"'}).status, 412, "  If-Match")
            is_((api.delete(path).status, api.post(path, {}).status), (405, 405), "  is there for good")
            is_(api.get(path + "/status").status, 200, "  status")
        for method in ("GET", "PUT", "PATCH"):
            is_(api.request(method, SERVICES + "/FaxService", None if method == "GET" else {}).status, 404,
                f"{method} of a service that isn't there")
        is_(api.get(SERVICES + "/FaxService/status").status, 404, "nor has it a status")

        path = SERVICES + "/UserService"
        etag = api.get(path).etag
        answer = api.patch(path, {"minPasswordLength": 20}, headers={"If-Match": etag})
        is_((answer.status, answer.json["minPasswordLength"], answer.etag != etag), (200, 20, True), "a change")
        is_(api.post("/api/v1/users", {"name": "x", "password": "fifteen letters"}).codes(),
            [("/password", "password.short")], "holds at once")
        is_(api.patch(path + "?dryRun=true",
                      {"minPasswordLength": 10}).json["changes"][0]["after"]["minPasswordLength"], 10, "a dry run")
        is_(api.get(path).etag, answer.etag, "changes nothing")
        postern.restart()
        is_(api.get(path).etag, answer.etag, "kept over a restart")
        is_(api.put(path, {}).json["minPasswordLength"], 10, "PUT: absent means default")
        for change, code in (({"minPasswordLength": 7}, "property.range"),
                             ({"minPasswordLength": "x"}, "property.type"), ({"lockout": 0}, "property.range")):
            is_(api.patch(path, change).codes(), [("/" + next(iter(change)), code)], f"refused: {change}")
        for hosts, good in ((["mail.example.com", "10.1.2.3"], True), (["a b"], False), (["host:8025"], False),
                            ([5], False), ("x", False), ([""], False)):
            is_(api.patch(SERVICES + "/WebService", {"allowedHosts": hosts}).status, 200 if good else 422,
                f"allowedHosts {hosts}")
        is_(api.get(SERVICES, {"Host": f"mail.example.com:{postern.port}"}).status, 200, "a name that was allowed")
        api.patch(SERVICES + "/WebService", {"allowedHosts": []})
        is_(api.get(SERVICES, {"Host": "mail.example.com"}).status, 421, "and no longer is")

        operator = api.clone(headers={"Authorization": f"Bearer {postern.token('op', 'operator')}"})
        is_(operator.patch(SERVICES + "/EmailService", {"enabled": False}).status, 200,
            "an operator may stop all mail")
        is_(operator.patch(SERVICES + "/EmailService", {"enabled": True, "defaultOutgoingAccount": ""}).status, 403,
            "and change nothing else")
        is_(operator.put(SERVICES + "/EmailService", {}).status, 403, "or replace it")
        is_(operator.patch(SERVICES + "/WebService", {"sessionIdle": 60}).status, 403, "or touch the others")
        viewer = api.clone(headers={"Authorization": f"Bearer {postern.token('v', 'viewer')}"})
        is_((viewer.get(SERVICES + "/WebService").status,
             viewer.patch(SERVICES + "/EmailService", {"enabled": True}).status), (200, 403), "a viewer looks")


def the_default_account():
    with Postern() as postern:
        api, service = postern.api, SERVICES + "/EmailService"
        for name in ("out", "other"):
            api.put(f"{ACCOUNTS}/{name}", {"type": OUT})
        is_(api.patch(service, {"defaultOutgoingAccount": "out"}).status, 200, "a default account")
        answer = api.delete(ACCOUNTS + "/out")
        is_((answer.status, answer.json["code"]), (409, "account.isDefault"), "isn't deleted by the way")
        is_(api.delete(ACCOUNTS + "/other").status, 204, "another is")
        is_(api.post(ACCOUNTS + "/out/actions/rename", {"name": "new"}).status, 200, "renamed")
        is_(api.get(service).json["defaultOutgoingAccount"], "new", "the reference follows")
        is_(api.put(service, api.get(service).json).status, 200, "what GET gave, PUT back")
        postern.restart()
        is_(api.get(service).json["defaultOutgoingAccount"], "new", "also after a restart")
        is_(api.delete(ACCOUNTS + "/new?force=true").status, 204, "force")
        is_(api.get(service).json["defaultOutgoingAccount"], "", "leaves none")


def types():
    with Postern() as postern:
        api = postern.api
        listed = api.get(TYPES).json["items"]
        ok({OUT, IN, *NAMES} <= {one["name"] for one in listed}, "every type is listed")
        for item in listed:
            answer = api.get(item["schema"])
            schema = answer.json
            is_((answer.status, schema["$schema"], schema["type"]),
                (200, "https://json-schema.org/draft/2020-12/schema", "object"), f"{item['name']}: a JSON Schema")
            if item["name"] in ("Token", "AllowedHost", "UserCa", "KeyPair", "User"):
                continue
            secrets = {name for name, one in schema["properties"].items() if one.get("writeOnly")}
            shown = {name: one for name, one in schema["properties"].items()
                     if name not in ("name", "type") and name.removesuffix("Set") not in secrets - {name}}
            orders = [one["x-order"] for one in shown.values()]
            is_(sorted(orders), list(range(1, len(orders) + 1)), "  an order")
            for name, one in shown.items():
                words = re.sub(r"([A-Z])", r" \1", name)
                if not (one["title"] == words[0].upper() + words[1:] and one["description"].endswith(".")
                        and one.get("x-group")):
                    ok(False, f"  {name}: title, description and group")
                    diag(str(one))
        is_(api.get(TYPES + "/Fax").status, 404, "a type that isn't there")
        schema = api.get(f"{TYPES}/{OUT}").json
        is_((schema["properties"]["useStartTls"]["title"], schema["properties"]["tlsMinProtocol"]["title"]),
            ("Use Start Tls", "Tls Min Protocol"), "display names")
        is_(schema["x-exclusive"], [["useSsl", "useStartTls"]], "what excludes what")
        table = {tuple(row["when"].values()): row["value"]
                 for row in schema["properties"]["port"]["x-dependentDefault"]["table"]}
        is_(table, {("smtp", False, False): 25, ("smtp", False, True): 587, ("smtp", True, False): 465},
            "ports that follow security")
        incoming = api.get(f"{TYPES}/{IN}").json
        is_(len(incoming["properties"]["port"]["x-dependentDefault"]["table"]), 6, "for imap and pop3 as well")
        is_([one["name"] for one in schema["x-actions"]],
            ["verify", "sendTest", "flush", "pause", "resume", "resetNumberSent", "clearQueue"], "its actions")
        is_([one["name"] for one in incoming["x-actions"]], ["verify", "poll"], "an incoming account's")
        titles = [one["title"] for one in schema["properties"]["emailAuthenticator"]["oneOf"]]
        is_((titles, [one["title"] for one in incoming["properties"]["emailAuthenticator"]["oneOf"]]),
            (["Basic", "OAuth 2", "None"], ["Basic", "OAuth 2"]),
            "none is for outgoing ones only")
        for kind in (OUT, IN):
            account = api.put(f"{ACCOUNTS}/{kind}", {"type": kind}).json
            is_(faults(account, api.get(f"{TYPES}/{kind}").json), [], f"{kind}: the defaults pass their own schema")
            for name, one in api.get(f"{TYPES}/{kind}").json["properties"].items():
                if "default" in one and name != "emailAuthenticator" and account[name] != one["default"]:
                    ok(False, f"{kind}: {name} defaults to {one['default']!r} and is {account[name]!r}")
            told = api.get(f"{ACCOUNTS}/{kind}/status").json
            is_(sorted(told), sorted(name for name, one in api.get(f"{TYPES}/{kind}").json["properties"].items()
                                     if one.get("readOnly")), f"{kind}: status has what is read-only")
        # What the schema forbids the API refuses, and the other way round.
        for change in ({"port": 70000}, {"port": "x"}, {"useSsl": 1}, {"transport": "imap"}, {"tlsMinProtocol": "x"},
                       {"x": 1}, {"retention": -1}, {"maxConnections": 101},
                       {"emailAuthenticator": {"type": "x"}},
                       {"emailAuthenticator": {"type": "none", "username": "x"}}, {"connectionTimeout": 3600},
                       {"port": 1},
                       {"emailAuthenticator": {"type": "basic", "mechanism": "LOGIN"}},
                       {"emailAuthenticator": {"type": "basic", "password": {"$file": "x"}}}):
            answer = api.patch(f"{ACCOUNTS}/{OUT}", change)
            is_(answer.status == 200, faults(change, schema) == [], f"{change}: schema and API agree")
        is_(api.get("/api/v1/providers").json["next"], None, "presets of providers")
        for one in api.get("/api/v1/providers").json["items"]:
            if not ({"id", "name", "host", "port", "security", "authenticator"} <= set(one)
                    and one["security"] in ("useSsl", "useStartTls")):
                ok(False, f"a preset: {one}")


def tree():
    with Postern() as postern, Catcher() as catcher:
        api = postern.api

        def node(*names):
            at = api.get("/api/v1/tree").json
            for name in names:
                at = next(one for one in at["children"] if one["name"] == name)
            return at

        is_((node()["name"], [one["name"] for one in node()["children"]]), ("Station", ["Services", "Logs"]),
            "Station: Services and Logs")
        is_([one["name"] for one in node("Services")["children"]],
            ["EmailService", "CertificateService", "WebService", "UserService"], "the services")
        is_(node("Services", "EmailService")["state"], "ok", "nothing is wrong where nothing is")
        api.put(ACCOUNTS + "/b", {"type": OUT})
        api.put(ACCOUNTS + "/a", {"type": IN, "enabled": False})
        accounts = node("Services", "EmailService")["children"]
        is_([(one["name"], one["type"], one["state"]) for one in accounts],
            [("a", IN, "disabled"), ("b", OUT, "fault")], "accounts in order, with their states")
        ok(accounts[1]["code"] == "config.hostname" and accounts[1]["cause"] and accounts[1]["advice"]
           and api.get(accounts[1]["path"]).status == 200,
           "where, why and what to do, and where to look")
        is_(node("Services", "EmailService")["state"], "fault", "the service shows the worst")
        api.patch(ACCOUNTS + "/b",
                  {"hostname": "127.0.0.1", "port": catcher.port, "emailAuthenticator": {"type": "none"}})
        is_(node("Services", "EmailService", "b")["state"], "pending", "not tried yet")
        api.action("b", "verify")
        is_((node("Services", "EmailService", "b")["state"], node("Services", "EmailService")["state"]), ("ok", "ok"),
            "verified")
        is_(node("Services", "EmailService")["accounts"],
            {"pending": 0, "ok": 1, "down": 0, "fault": 0, "challenged": 0, "disabled": 1}, "counted")
        is_(api.get(SERVICES + "/EmailService/status").json["status"],
            {"state": "ok", "accounts": node("Services", "EmailService")["accounts"]}, "as its status")
        is_(api.get("/api/v1/tree").headers["Cache-Control"], "no-store", "and never kept")
        email = api.get("/api/v1/tree?accounts=false").json["children"][0]["children"][0]
        is_((email["children"], email["state"], email["accounts"]["ok"]), ([], "ok", 1), "without the accounts: counted all the same")


main(services, the_default_account, types, tree)
