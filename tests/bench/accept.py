#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""10 KB messages accepted durably over the API, against a real Postfix that takes the same from smtp-source.

Nothing is delivered: Postern's account is disabled and queues, Postfix puts all into its hold queue. Both keep
their connections; both queues lie in the same folder of the same disk.
"""

import time

from bench import Cpu, Scratch, alternate, bearer, compare, headline, http_load, json_message, raw_message, scaled, start_postern
from postfix import Postfix, smtp_source

# clients: messages of a round
POSTERN_COUNTS = {1: scaled(1000), 10: scaled(8000), 50: scaled(16000)}
POSTFIX_COUNTS = {1: scaled(500), 10: scaled(1500), 50: scaled(2000)}
AIMS = {1: 2, 10: None, 50: 10}


def main():
    headline("accept: 10 KB messages made durable")
    with Scratch() as scratch:
        postern = start_postern(scratch)
        made = postern.api.post("/api/v1/accounts", {"name": "bench", "type": "OutgoingAccount", "enabled": False, "from": "plant@example.test",
                                                     "allowDisabledQueuing": True, "maxQueueSize": 10_000_000, "hostname": "mail.example.com"})
        assert made.status == 201, made
        postfix = Postfix(scratch.path("postfix"))
        scratch.start(postfix)
        for clients, aim in AIMS.items():
            measure(scratch, postern, postfix, clients, aim)


def measure(scratch, postern, postfix, clients, aim):
    raw = scratch.write("message.eml", raw_message())
    json = scratch.write("message.json", json_message())
    token = bearer(postern.admin)

    def post(body, kind):
        def once():
            done = http_load(postern.port, "/api/v1/accounts/bench/messages", clients, POSTERN_COUNTS[clients], body=body, status=202,
                             headers=(token, f"Content-Type: {kind}"))
            return done["rate"]
        return once

    def source():
        begun = time.monotonic()
        smtp_source(postfix.ports["smtp"], clients, POSTFIX_COUNTS[clients])
        return POSTFIX_COUNTS[clients] / (time.monotonic() - begun)

    cpu = Cpu()
    count = POSTERN_COUNTS[clients]
    figures = alternate({
        "postern, rfc822": cpu.around("postern, rfc822", postern, count, post(raw, "message/rfc822")),
        "postern, json": cpu.around("postern, json", postern, count, post(json, "application/json")),
        "postfix": cpu.around("postfix", postfix, POSTFIX_COUNTS[clients], source)})
    what = f"{clients} client{'s' if clients > 1 else ''}"
    compare(what, "messages/s", figures, "postern, rfc822", "postfix", aim)
    compare(what, "messages/s", figures, "postern, json", "postfix", aim)
    compare(what + ", processor time", "µs a message", cpu.micros, "postern, rfc822", "postfix", less_is_better=True)
    postfix.forget()


if __name__ == "__main__":
    main()
