#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Memory of an idle Postern, and the time from its start to the first answered GET with 1,000 accounts.

Memory beside that of an idle Postfix and an idle nginx of one worker on the same machine: all their processes, the
proportional share (PSS) of what they share counted once.
"""

import time

from bench import ROUNDS, Scratch, Server, bearer, compare, family, free_port, headline, http_load, run, scaled, start_postern, tell, tool
from postfix import Postfix

ACCOUNTS = scaled(1000)
REST = 3        # seconds, so that what a start leaves behind has gone


def memory(pids):
    """(RSS, PSS, private) of these processes together, in MiB."""
    sums = {"Rss": 0, "Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name in sums:
                    sums[name] += int(value.split()[0])
    return sums["Rss"] / 1024, sums["Pss"] / 1024, (sums["Private_Clean"] + sums["Private_Dirty"]) / 1024


class Nginx(Server):
    def __init__(self, folder):
        super().__init__(folder)
        self.ports = {"http": free_port()}
        self.write("nginx.conf", f"""
daemon off;
worker_processes 1;
pid {self.path("pid")};
error_log {self.path("log")} error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {self.path("body")};
    proxy_temp_path {self.path("proxy")};
    fastcgi_temp_path {self.path("fastcgi")};
    uwsgi_temp_path {self.path("uwsgi")};
    scgi_temp_path {self.path("scgi")};
    server {{ listen 127.0.0.1:{self.ports["http"]}; location / {{ return 200 'x'; }} }}
}}
""")

    def start(self):
        self.launch("nginx", "-c", self.path("nginx.conf"), "-p", self.folder, "-e", self.path("log"))


def show(what, figures, aim=None):
    rss, pss, private = zip(*figures)
    tell(f"{what}: RSS", "MiB", rss, aim)
    tell(f"{what}: PSS", "MiB", pss)
    tell(f"{what}: private", "MiB", private)


def rest(postern):
    """Started anew, so that what was done before doesn't count."""
    postern.restart()
    time.sleep(REST)
    return memory([postern.process.pid])


def main():
    headline(f"idle: memory at rest; first answer with {ACCOUNTS} accounts")
    with Scratch() as scratch:
        postern = start_postern(scratch)
        figures = [rest(postern) for _ in range(ROUNDS)]
        show("0 accounts", figures, 8)
        body = scratch.write("account.json", '{"name":"account-@@@@@@@@","type":"OutgoingAccount","hostname":"mail.example.com","useSsl":true,'
                             '"emailAuthenticator":{"type":"basic","username":"plant","password":"secret"},"enabled":false}')
        token = bearer(postern.api and postern.admin)
        http_load(postern.port, "/api/v1/accounts", 20, ACCOUNTS, body=body, status=201, headers=(token, "Content-Type: application/json"))
        figures = [rest(postern) for _ in range(ROUNDS)]
        show(f"{ACCOUNTS} accounts", figures, 8)
        others(scratch, figures)
        first_answer(scratch, postern, token)


def others(scratch, figures):
    postfix, nginx = scratch.start(Postfix(scratch.path("postfix"))), scratch.start(Nginx(scratch.path("nginx")))
    time.sleep(REST)
    for name, server in (("postfix", postfix), ("nginx", nginx)):
        pss = [memory(family(server.process.pid))[1] for _ in range(ROUNDS)]
        compare("PSS at rest", "MiB", {"postern": [figure[1] for figure in figures], name: pss}, "postern", name, less_is_better=True)


def first_answer(scratch, postern, token):
    postern.stop()
    request = scratch.write("request", f"GET /api/v1/accounts/account-{ACCOUNTS // 2:08} HTTP/1.1\r\nHost: 127.0.0.1:{postern.port}\r\n"
                            f"{token}\r\nConnection: close\r\n\r\n")
    times = []
    for _ in range(ROUNDS * 4):
        took, status = run(tool("first-answer"), str(postern.port), request, postern.binary, "serve", "--state-dir", postern.state,
                           "--listen", f"127.0.0.1:{postern.port}").split()
        assert status == "200", f"the first answer was {status}"
        times.append(float(took))
    tell("from exec to the first answer", "ms", times, 25)


if __name__ == "__main__":
    main()
