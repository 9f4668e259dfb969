#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""10 KB messages accepted and delivered over verified TLS to a sink on this machine: messages/s from the first that is
posted to the last that the sink has acknowledged.

Postern (posted by 50 clients over the API), Postfix (fed by smtp-source with 50 sessions), and a nodemailer pool (no queue on
disk: what it hasn't sent is lost with it), each with as many connections to the sink. All trust one CA made for the run, and all use the same sink.
"""

import os
import subprocess
import time

from bench import HERE, Cpu, Scratch, alternate, bearer, compare, free_port, headline, http_load, raw_message, scaled, start_postern, ten_kilobytes
from bench import tool, wait_for_port
from pki import Pki
from postfix import Postfix, smtp_source

CLIENTS = 50
COUNTS = {"postern": scaled(5000), "postfix": scaled(1500), "nodemailer": scaled(2500)}
CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "20"))        # to the sink, for each of them


class Program:
    """One that takes orders on standard input and answers in lines."""

    def __init__(self, *command, **options):
        self.command, self.options = command, options

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **self.options)

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.command[0]} ended")
        return line.split()


def main():
    headline(f"deliver: 10 KB messages accepted and delivered over TLS, {CLIENTS} clients")
    with Scratch() as scratch:
        pki = Pki(scratch.path("pki"))
        root = pki.ca("Bench Root")
        leaf = pki.leaf("localhost", issuer=root)
        port = free_port()
        sink = scratch.start(Program(tool("tls-sink"), str(port), leaf.chain, leaf.key))
        wait_for_port(port)
        cpu = Cpu()
        contestants = {"postern": postern_round(scratch, root, port, sink, cpu), "postfix": postfix_round(scratch, root, port, sink, cpu)}
        if os.environ.get("BENCH_NODE_MODULES"):
            contestants["nodemailer"] = nodemailer_round(scratch, root, port, sink, cpu)
        for once in contestants.values():       # the first round warms up: connections, compilers of code
            once()
        cpu.micros.clear()
        figures = alternate(contestants)
        compare("delivered", "messages/s", figures, "postern", "postfix", 10)
        compare("processor time", "µs a message", cpu.micros, "postern", "postfix", less_is_better=True)
        if "nodemailer" in contestants:
            compare("delivered", "messages/s", figures, "postern", "nodemailer", 4)
            compare("processor time", "µs a message", cpu.micros, "postern", "nodemailer", less_is_better=True)


def rate_of(name, sink, begun):
    word, when, _ = sink.hear()
    assert word == "done"
    return COUNTS[name] / (float(when) - begun)


def postern_round(scratch, root, port, sink, cpu):
    postern = start_postern(scratch)
    imported = postern.api.post("/api/v1/trust/user", data=root.pem.encode(), headers={"Content-Type": "application/x-pem-file"})
    assert imported.status == 201, imported
    made = postern.api.post("/api/v1/accounts", {
        "name": "bench", "type": "OutgoingAccount", "hostname": "localhost", "port": port, "useSsl": True, "maxQueueSize": 1_000_000,
        "maxConnections": CONNECTIONS, "emailAuthenticator": {"type": "none"}})
    assert made.status == 201, made
    raw = scratch.write("message.eml", raw_message())
    token = bearer(postern.admin)

    def once():
        sink.say(f"expect {COUNTS['postern']}")
        time.sleep(0.05)
        begun = time.monotonic()
        http_load(postern.port, "/api/v1/accounts/bench/messages", CLIENTS, COUNTS["postern"], body=raw, status=202,
                  headers=(token, "Content-Type: message/rfc822"))
        return rate_of("postern", sink, begun)
    return cpu.around("postern", postern, COUNTS["postern"], once)


def postfix_round(scratch, root, port, sink, cpu):
    settings = {"relayhost": f"[localhost]:{port}", "smtp_host_lookup": "native", "initial_destination_concurrency": CONNECTIONS,
                "default_destination_concurrency_limit": CONNECTIONS}
    postfix = scratch.start(Postfix(scratch.path("postfix"), relay=(port, root.cert), settings=settings))

    def once():
        sink.say(f"expect {COUNTS['postfix']}")
        time.sleep(0.05)
        begun = time.monotonic()
        smtp_source(postfix.ports["smtp"], CLIENTS, COUNTS["postfix"])
        return rate_of("postfix", sink, begun)
    return cpu.around("postfix", postfix, COUNTS["postfix"], once)


def nodemailer_round(scratch, root, port, sink, cpu):
    text = scratch.write("message.txt", ten_kilobytes())
    pool = scratch.start(Program("node", os.path.join(HERE, "nodemailer.js"), str(port), root.cert, text,
                                 str(COUNTS["nodemailer"]), str(CONNECTIONS),
                                 env={**os.environ, "NODE_PATH": os.environ["BENCH_NODE_MODULES"]}))
    pool.hear()

    def once():
        sink.say(f"expect {COUNTS['nodemailer']}")
        time.sleep(0.05)
        begun = time.monotonic()
        pool.say("go")
        rate = rate_of("nodemailer", sink, begun)
        pool.hear()
        return rate
    return cpu.around("nodemailer", pool, COUNTS["nodemailer"], once)


if __name__ == "__main__":
    main()
