#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Does it cost more when there is more? One GET, list pages and PATCHes with 10 and with 100,000 accounts; pages of messages
with 1,000 and with 200,000 (BENCH_MESSAGES; 0: none). Both run side by side; a ratio of 1 means flat."""

import os
import urllib.parse

from bench import Scratch, alternate, bearer, compare, headline, http_load, raw_message, scaled, start_postern

FEW, MANY = 10, scaled(100_000)
FEW_MESSAGES, MANY_MESSAGES = 1000, scaled(int(os.environ.get("BENCH_MESSAGES", "200000")), 0)
JSON = "Content-Type: application/json"
PATCH = "Content-Type: application/merge-patch+json"
ACCOUNT = ('{"name":"account-@@@@@@@@","type":"OutgoingAccount","hostname":"mail.example.com","useSsl":true,"enabled":false,'
           '"allowDisabledQueuing":true,"maxQueueSize":10000000,"from":"plant@example.test",'
           '"emailAuthenticator":{"type":"basic","username":"plant","password":"secret"}}')


class Side:
    """A Postern with so many accounts and messages."""

    def __init__(self, scratch, accounts, messages):
        self.scratch, self.accounts, self.messages = scratch, accounts, messages
        self.postern = start_postern(scratch, f"with-{accounts}")
        self.token = bearer(self.postern.api and self.postern.admin)
        body = scratch.write("account.json", ACCOUNT)
        done = http_load(self.postern.port, "/api/v1/accounts", 100, accounts, body=body, status=201, headers=(self.token, JSON))
        print(f"  {accounts} accounts made at {done['rate']:.0f}/s", flush=True)
        if messages:
            body = scratch.write("message.eml", raw_message())
            done = http_load(self.postern.port, "/api/v1/accounts/account-00000005/messages", 50, messages, body=body, status=202,
                             headers=(self.token, "Content-Type: message/rfc822"))
            print(f"  {messages} messages made at {done['rate']:.0f}/s", flush=True)

    def load(self, path, connections=8, seconds=scaled(2), **options):
        return http_load(self.postern.port, path, connections, seconds=seconds, headers=(self.token, *options.pop("headers", ())), **options)

    def get(self):
        return self.load("/api/v1/accounts/account-00000007")["rate"]

    def get_any(self):
        return self.load("/api/v1/accounts/account-@@@@@@@@", wrap=self.accounts)["rate"]

    def small_page(self):
        return self.load("/api/v1/accounts?limit=10")["rate"]

    def first_page(self):
        return self.load("/api/v1/accounts?limit=50")["rate"]

    def deep_page(self):
        return self.load("/api/v1/accounts?limit=50&cursor=" + self.deep)["rate"]

    def walk(self, path, steps):
        """The cursor after so many pages: `limit=500` as far as it goes."""
        cursor = None
        for _ in range(steps):
            step = f"{path}limit=500" + (f"&cursor={cursor}" if cursor else "")
            following = self.postern.api.get(step).json["next"]
            if not following:
                break
            found = urllib.parse.parse_qs(urllib.parse.urlsplit(following).query).get("cursor")
            cursor = urllib.parse.quote(found[0] if found else following, safe="")
        return cursor

    def patch(self, connections):
        body = self.scratch.write("patch.json", '{"description":"@@@@@@@@"}')
        Side.written += 1_000_000       # never the same text twice: that would be no change
        return self.load("/api/v1/accounts/account-00000007", connections, method="PATCH", body=body, headers=(PATCH,), first=Side.written)["rate"]

    def patch_one(self):
        return self.patch(1)

    def patch_many(self):
        return self.patch(20)

    def messages_page(self):
        return self.load("/api/v1/messages?limit=50")["rate"]

    def deep_messages_page(self):
        return self.load("/api/v1/messages?limit=50&cursor=" + self.deep_message)["rate"]

    written = 0


def main():
    headline(f"scale: {FEW} and {MANY} accounts, {FEW_MESSAGES} and {MANY_MESSAGES} messages")
    with Scratch() as scratch:
        few, many = Side(scratch, FEW, FEW_MESSAGES if MANY_MESSAGES else 0), Side(scratch, MANY, MANY_MESSAGES)
        side_by_side("GET of one account", few.get, many.get)
        side_by_side("GET of all accounts in turn", few.get_any, many.get_any)
        side_by_side("list page of 10, first", few.small_page, many.small_page)
        many.deep = many.walk("/api/v1/accounts?", 1_000_000 // 500)
        side_by_side("list page of 50, last cursor against first", many.first_page, many.deep_page, "first", "deep")
        side_by_side("PATCH, 1 client", few.patch_one, many.patch_one)
        side_by_side("PATCH, 20 clients", few.patch_many, many.patch_many)
        if MANY_MESSAGES:
            side_by_side("messages page, first", few.messages_page, many.messages_page)
            many.deep_message = many.walk("/api/v1/messages?", MANY_MESSAGES // 500 - 1)
            side_by_side("messages page, last cursor against first", many.messages_page, many.deep_messages_page, "first", "deep")


def side_by_side(what, one, other, name="few", other_name="many"):
    figures = alternate({name: one, other_name: other})
    compare(what, "requests/s", figures, other_name, name, 0.9)


if __name__ == "__main__":
    main()
