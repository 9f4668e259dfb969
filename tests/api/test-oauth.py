#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: timeout=300
"""Access tokens by client credentials: fetched, shared, renewed early, replaced when refused; every wrong answer is told and stored
nowhere. The authorization server is scripted (tests/lib/tokens.py): most of what is here no real one would say."""

import base64
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from catcher import Catcher
from inbox import trust
from pki import Pki
from postern import Postern
from servers import free_port
from tap import diag, is_, main, ok, scale
from tokens import CLIENT, METADATA, SECRET, Tokens, json_answer

ACCOUNTS, MESSAGES, EVENTS = "/api/v1/accounts", "/api/v1/messages", "/api/v1/events"
pki = Pki()
root = pki.ca("Token Root")
leaf = pki.leaf("localhost", issuer=root)
MANY = scale(500, 120)


class Mail(Catcher):
    """Takes whoever brings a token that the authorization server knows, and refuses in the words of `refusal`."""

    def __init__(self, tokens, **options):
        super().__init__(leaf, capabilities=("8BITMIME", "SIZE 50000000", "AUTH XOAUTH2 OAUTHBEARER"), **options)
        self.tokens, self.refusal, self.answers, self.mechanisms = tokens, "535 5.7.8 Authentication failed", Answers(self), set()
        self.pretend = None

    def judge(self):
        line = [one for one in self.commands if one.startswith("AUTH ")][-1]
        words = base64.b64decode(line.split(" ")[2]).decode()
        self.mechanisms.add(line.split(" ")[1])
        token = re.search(r"auth=Bearer ([^\x01]*)\x01", words).group(1)
        return self.refusal if self.pretend == "no" or not self.tokens.is_good(token) else "235 2.7.0 Welcome"


class Answers(dict):
    def __init__(self, mail):
        super().__init__()
        self.mail = mail

    def get(self, key, default=None):
        return self.mail.judge() if key == "AUTH" else super().get(key, default)


def account(api, name, mail, authenticator, **more):
    answer = api.put(f"{ACCOUNTS}/{name}", {"type": "OutgoingAccount", "hostname": "localhost", "port": mail.port, "useSsl": True,
                                            "emailAuthenticator": authenticator, "connectionTimeout": 20, **more})
    if answer.status not in (200, 201):
        raise RuntimeError(repr(answer))


def send(api, name, **more):
    return api.post(f"{ACCOUNTS}/{name}/messages", {"from": "plant@example.com", "to": ["a@example.com"], "subject": "Hello",
                                                    "text": "Good morning.\n", **more}).json["id"]


def state(api, message, *states, seconds=60):
    return api.until(f"{MESSAGES}/{message}", lambda json: json["state"] in states, seconds).json["state"]


def verify(api, name):
    answer = api.action(name, "verify")
    return answer.json


def until(good, seconds=60):
    deadline = time.monotonic() + seconds
    while not good() and time.monotonic() < deadline:
        time.sleep(0.02)
    return good()


def sent_with_a_token():
    with Tokens(leaf) as tokens, Mail(tokens) as mail, Postern() as postern:
        api = postern.api
        account(api, "out", mail, tokens.authenticator("plant@example.com"))
        answer = verify(api, "out")
        is_((answer["ok"], answer["code"], answer["steps"][-1]["name"]), (False, "oauth.certificate", "authenticate"),
            "an authorization server that nobody vouches for is asked nothing")
        is_((len(tokens.requests), mail.sessions), (0, 0), "and the mail server neither")
        trust(postern, root)
        answer = verify(api, "out")
        if not is_(answer["ok"], True, "verify"):
            diag(answer)
        message = send(api, "out")
        is_(state(api, message, "sent"), "sent", "a message goes out")
        is_(len(tokens.requests), 1, "with the same token")
        _, headers, form = tokens.requests[0]
        is_(form, {"grant_type": "client_credentials", "scope": "mail send"}, "what was asked, and no secret in the body")
        is_(headers["Content-Type"], "application/x-www-form-urlencoded", "as a form")
        is_(base64.b64decode(headers["Authorization"].split(" ")[1]), b"post%3Aroom:s3cret+%26+more%2F".replace(b"+", b"%20"),
            "name and secret encoded before they are joined")
        is_(mail.mechanisms, {"OAUTHBEARER"}, "the standard one of the two mechanisms")
        account(api, "post", mail, tokens.authenticator("plant@example.com", scope="other"))
        tokens.methods = ["client_secret_post"]
        is_(verify(api, "post")["ok"], True, "a server that takes the secret in the body only")
        is_({name: tokens.requests[-1][2][name] for name in ("client_id", "client_secret")}, {"client_id": CLIENT, "client_secret": SECRET},
            "has it there")
        ok("Authorization" not in tokens.requests[-1][1], "and there only")
        no_secrets(postern, tokens)


def no_secrets(postern, tokens):
    with open(postern.stderr, encoding="utf-8", errors="replace") as file:
        text = file.read()
    for folder, _, names in os.walk(postern.state):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                text += file.read().decode("latin-1")
    ok(SECRET not in text and not any(token in text for token in tokens.given), "no secret and no token in the log or on the disk")


def one_request_for_many():
    with Tokens(leaf) as tokens, Mail(tokens) as mail, Postern() as postern:
        api = postern.api
        trust(postern, root)
        api.patch("/api/v1/services/EmailService", {"enabled": False})
        for number in range(MANY):
            account(api, f"out-{number}", mail, tokens.authenticator(f"plant-{number}@example.com"), allowDisabledQueuing=True)
        waiting = [send(api, f"out-{number}") for number in range(MANY)]
        tokens.pause = 0.5
        api.patch("/api/v1/services/EmailService", {"enabled": True})
        mail.wait(MANY, 200)
        is_(len(mail.taken), MANY, f"{MANY} accounts send")
        is_((len(tokens.requests), tokens.metadata_requests), (1, 1), "with one token, asked for once")
        is_({state(api, message, "sent") for message in waiting}, {"sent"}, "and nothing is lost")


def renewed_early():
    with Tokens(leaf) as tokens, Mail(tokens) as mail, Postern() as postern:
        api = postern.api
        trust(postern, root)
        tokens.life = 4
        account(api, "out", mail, tokens.authenticator("plant@example.com"))
        is_(verify(api, "out")["ok"], True, "a token of four seconds")
        began, refused = time.monotonic(), 0
        while time.monotonic() - began < 9:
            refused += not verify(api, "out")["ok"]
            time.sleep(0.1)
        is_(refused, 0, "used again and again, none is ever refused")
        is_(sum(line.startswith("AUTH ") for line in mail.commands) > len(tokens.requests), True, "each is used more than once")
        ok(2 <= len(tokens.requests) <= 8, f"and renewed ({len(tokens.requests)} requests)")
        tokens.life = 3600
        time.sleep(4)
        verify(api, "out")
        before = len(tokens.requests)
        tokens.revoke()
        is_(verify(api, "out")["ok"], True, "a token that is revoked is replaced at once")
        is_(len(tokens.requests), before + 1, "by one request")
        mail.pretend = "no"
        answer = verify(api, "out")
        is_((answer["ok"], answer["code"], answer["steps"][-1]["name"]), (False, "auth.refused", "authenticate"),
            "a server that takes no token at all is the server's fault")
        is_(len(tokens.requests), before + 1, "and no reason to ask for one after the other")
        for words, code in (("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", "auth.smtpDisabled"),
                            ("535 5.7.3 Authentication unsuccessful", "oauth.mailbox"), ("535 5.7.30 Something", "auth.refused")):
            mail.refusal = words
            answer = verify(api, "out")
            is_((answer["code"], answer["steps"][-1]["code"]), (code, code), f"{words[:20]}: {code}")
            ok(answer["advice"] and answer["advice"] == answer["steps"][-1]["advice"], "with what to do")


def description(words):
    return {"error": "invalid_client", "error_description": words}


def wrong_answers():
    token = {"access_token": "abc", "token_type": "Bearer"}
    with Tokens(leaf) as tokens, Tokens(leaf) as other, Mail(tokens) as mail, Postern() as postern:
        api = postern.api
        trust(postern, root)
        text = {"Content-Type": "text/html"}
        table = [
            ("/token", (200, {}, b'{"access_token":"' + b"a" * 10_000_000 + b'"}'), "oauth.answer", "10 MB"),
            ("/token", (200, text, b'{"access_token":"a","token_type":"Bearer"}'), "oauth.answer", "not JSON by its type"),
            ("/token", (200, {}, b"<html>"), "oauth.answer", "not JSON by its content"),
            ("/token", (200, {}, b'["a"]'), "oauth.answer", "a list"),
            ("/token", (200, {}, b'{"access_token":"a","access_token":"b","token_type":"Bearer"}'), "oauth.answer", "two tokens"),
            ("/token", json_answer({**token, "token_type": "mac"}), "oauth.answer", "another kind of token"),
            ("/token", json_answer({"access_token": "abc"}), "oauth.answer", "no kind"),
            ("/token", json_answer({"token_type": "Bearer"}), "oauth.answer", "no token"),
            ("/token", json_answer({**token, "access_token": "a\r\nb"}), "oauth.answer", "a token with a line break"),
            ("/token", json_answer({**token, "access_token": "a\x01b"}), "oauth.answer", "a token with a control character"),
            ("/token", json_answer({**token, "access_token": "a" * 17000}), "oauth.answer", "a token that is too long"),
            ("/token", json_answer({**token, "expires_in": -5}), "oauth.answer", "a negative life"),
            ("/token", json_answer({**token, "expires_in": 0}), "oauth.answer", "no life"),
            ("/token", json_answer({**token, "expires_in": "soon"}), "oauth.answer", "a life in words"),
            ("/token", (302, {"Location": other.issuer + "/token"}, b""), "oauth.redirect", "a redirect"),
            ("/token", (307, {"Location": other.issuer + "/token"}, b""), "oauth.redirect", "a redirect that repeats the body"),
            ("/token", (503, {}, b""), "oauth.temporary", "out of order"),
            ("/token", json_answer({"error": "temporarily_unavailable"}, 400), "oauth.temporary", "in words"),
            ("/token", (404, text, b"<html>"), "oauth.answer", "nothing there"),
            ("/token", json_answer({"error": "invalid_scope"}, 400), "oauth.invalidScope", "scope"),
            ("/token", json_answer({"error": "unauthorized_client"}, 400), "oauth.unauthorizedClient", "grant not allowed"),
            ("/token", json_answer({"error": "consent_please"}, 400), "oauth.refused", "an error that RFC 6749 doesn't know"),
            *[("/token", json_answer(description(f"AADSTS{number}: Words. Trace ID: 1 Correlation ID: 2"), 401), code, f"AADSTS{number}")
              for number, code in ((700016, "oauth.unknownClient"), (7000215, "oauth.wrongSecret"), (7000222, "oauth.secretExpired"),
                                   (50126, "oauth.user"), (65001, "oauth.consent"), (90002, "oauth.tenant"), (7000160, "oauth.invalidClient"))],
            (METADATA, json_answer(tokens.metadata(token_endpoint=f"http://localhost:{tokens.plain_port}/token")), "oauth.endpoint", "an http endpoint"),
            (METADATA, json_answer(tokens.metadata(token_endpoint=f"https://127.0.0.1:{other.port}/token")), "oauth.endpoint", "another host's endpoint"),
            (METADATA, json_answer(tokens.metadata(token_endpoint=5)), "oauth.metadata", "an endpoint that is none"),
            (METADATA, json_answer(tokens.metadata(issuer=other.issuer)), "oauth.metadata", "another issuer"),
            (METADATA, json_answer(tokens.metadata(issuer=tokens.issuer + "/tenant")), "oauth.metadata", "an issuer further down"),
            (METADATA, json_answer({"token_endpoint": tokens.issuer + "/token"}), "oauth.metadata", "no issuer"),
            (METADATA, json_answer(tokens.metadata(token_endpoint_auth_methods_supported=["private_key_jwt"])), "oauth.metadata", "no secret taken"),
            (METADATA, (302, {"Location": other.issuer + METADATA}, b""), "oauth.redirect", "metadata elsewhere"),
            (METADATA, (404, text, b""), "oauth.metadata", "no metadata"),
            (METADATA, (200, {}, b"a" * 70000), "oauth.answer", "metadata that doesn't end"),
            (METADATA, (200, {}, b"null"), "oauth.metadata", "metadata of nothing"),
        ]
        account(api, "out", mail, tokens.authenticator("plant@example.com"))
        for path, told, code, name in table:
            tokens.answers = {path: told}
            answer = verify(api, "out")
            if not is_((answer["ok"], answer["code"], answer["steps"][-1]["name"]), (False, code, "authenticate"), f"{name}: {code}"):
                diag(answer)
            ok("Trace" not in answer["cause"] and SECRET not in answer["cause"], f"{name}: {answer['cause']}")
        is_((mail.sessions, other.requests), (0, []), "nobody else was asked, and no mail server called")
        echo = json_answer(description(f"The secret {SECRET} is wrong"), 401)
        tokens.answers = {"/token": echo}
        answer = verify(api, "out")
        ok(SECRET not in repr(answer) and "invalid_client" in answer["cause"], "a secret that is said back isn't shown")
        tokens.answers = {}
        tokens.more = {"expires_in": 10 ** 15}
        is_(verify(api, "out")["ok"], True, "a life without end is cut, not refused")
        account(api, "text", mail, tokens.authenticator("plant@example.com", scope="text"))
        tokens.more = {"expires_in": "3600"}
        is_(verify(api, "text")["ok"], True, "a number in quotes is a number")


def wrong_settings():
    with Tokens(leaf) as tokens, Mail(tokens) as mail, Postern() as postern:
        api = postern.api
        trust(postern, root)
        for name, code, changes in (
                ("code", "config.unsupported", {"grant": "authorizationCode"}),
                ("device", "config.unsupported", {"grant": "deviceCode"}),
                ("gmail", "config.unsupported", {"provider": "gmail"}),
                ("nobody", "config.authenticator", {"username": ""}),
                ("client", "config.authenticator", {"clientId": ""}),
                ("tenant", "config.authenticator", {"provider": "microsoft365", "tenant": ""}),
                ("path", "config.authenticator", {"provider": "microsoft365", "tenant": "../common?"}),
                ("url", "config.authenticator", {"metadataUrl": ""}),
                ("http", "oauth.endpoint", {"metadataUrl": f"http://localhost:{tokens.plain_port}{METADATA}"}),
                ("file", "config.secretFile", {"clientSecret": {"$file": "missing"}}),
                ("wrong", "oauth.invalidClient", {"clientSecret": "guess"}),
                ("closed", "oauth.unreachable", {"metadataUrl": f"https://localhost:{free_port()}{METADATA}"})):
            account(api, name, mail, tokens.authenticator("plant@example.com", **changes))
            answer = verify(api, name)
            if not is_((answer["ok"], answer["code"], answer["steps"][-1]["name"]), (False, code, "authenticate"), f"{name}: {code}"):
                diag(answer)
            is_(api.status(name)["status"]["code"], code, f"{name}: in its status: {answer['cause']}")
        os.makedirs(os.path.join(postern.state, "credentials"), exist_ok=True)
        with open(os.path.join(postern.state, "credentials", "missing"), "w", encoding="utf-8") as file:
            file.write(SECRET + "\n")
        is_(verify(api, "file")["ok"], True, "a secret by reference, once its file is there")


def delayed_not_lost():
    """The authorization server is down for longer than the account retries; the message goes when it is back."""
    with Tokens(leaf) as tokens, Mail(tokens) as mail, Postern() as postern:
        api = postern.api
        trust(postern, root)
        tokens.answers["/token"] = (503, {"Retry-After": "1"}, b"")
        account(api, "out", mail, tokens.authenticator("plant@example.com"), retryFor=1)
        message = send(api, "out")
        is_(state(api, message, "deferred", "failed"), "deferred", "no token: the message waits")
        is_(api.get(f"{MESSAGES}/{message}").json["lastCode"], "oauth.temporary", "and says why")
        is_(api.status("out")["status"]["state"], "down", "the account as well")
        time.sleep(2)
        api.action("out", "flush")
        time.sleep(1)
        is_(api.get(f"{MESSAGES}/{message}").json["state"] in ("deferred", "queued"), True, "also past retryFor")
        tokens.pause = 3
        tokens.answers.clear()
        is_(verify(api, "out")["ok"], True, "it is back, and slow")
        is_(state(api, message, "sent"), "sent", "the message goes out")


def in_days(days):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * 86400))


def secret_ends():
    """Nobody at the provider says so in time; Postern does, once."""
    def told(api, account="out"):
        items = api.get(f"{EVENTS}?type=account.secretExpires&limit=500", headers={"Accept": "application/json"}).json["items"]
        return [item["data"]["days"] for item in items if item["account"] == account]

    with Tokens(leaf) as tokens, Mail(tokens) as mail, Postern() as postern:
        api = postern.api
        account(api, "out", mail, tokens.authenticator("plant@example.com", clientSecretExpires=in_days(100)))
        account(api, "other", mail, tokens.authenticator("plant@example.com"))
        status = api.status("out")
        is_((status["clientSecretDays"], status["clientSecretAdvice"]), (99, ""), "in its status: far away")
        ok("clientSecretDays" not in api.status("other"), "nothing where no end is known")
        for number, days in enumerate((20, 5, 2, -1), 1):
            account(api, "out", mail, tokens.authenticator("plant@example.com", clientSecretExpires=in_days(days)))
            ok(until(lambda: len(told(api)) == number), f"{days} days: told")
        is_(sorted(told(api)), [0, 3, 14, 30], "as 30, 14, 3 and 0 days")
        status = api.status("out")
        is_((status["clientSecretDays"], bool(status["clientSecretAdvice"])), (0, True), "in its status: over, and what to do")
        postern.restart()
        account(postern.api, "other", mail, tokens.authenticator("plant@example.com", clientSecretExpires=in_days(1)))
        ok(until(lambda: told(postern.api, "other") == [3]), "another account after a restart")
        time.sleep(3)       # a look at all of them comes two seconds after the start
        is_(sorted(told(postern.api)), [0, 3, 14, 30], "what was told before it isn't told again")


def stopped_meanwhile():
    with Tokens(leaf) as tokens, Mail(tokens) as mail, Postern() as postern:
        trust(postern, root)
        tokens.pause = 30
        account(postern.api, "out", mail, tokens.authenticator("plant@example.com"))
        message = send(postern.api, "out")
        ok(until(lambda: tokens.requests), "a token is asked for")
        began = time.monotonic()
        postern.stop()
        ok(time.monotonic() - began < 20, "a stop doesn't wait for it")
        tokens.pause = 0
        postern.start()
        is_(state(postern.api, message, "sent"), "sent", "the message is sent after the start")


if __name__ == "__main__":
    main(sent_with_a_token, renewed_early, wrong_answers, wrong_settings, delayed_not_lost, secret_ends, stopped_meanwhile, one_request_for_many)
