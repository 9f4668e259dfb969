# SPDX-License-Identifier: Apache-2.0
"""postfix.py - a Postfix of our own to compare with: its queue in our folder, everything that slows it on purpose off."""

import grp
import os
import pwd
import subprocess

from bench import Server, free_port, run

PLAIN_SERVICES = """
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
tlsproxy  unix  -       -       n       -       0       tlsproxy
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class Postfix(Server):
    """Takes mail for anybody from 127.0.0.1. relay: (port, CA file): sends it on over TLS; else it is held in the queue."""

    def __init__(self, folder, relay=None, settings=None):
        super().__init__(folder)
        self.ports = {"smtp": free_port()}
        for name in ("etc", "queue", "data"):
            os.makedirs(self.path(name), exist_ok=True)
        os.chmod(self.path("data"), 0o700)
        os.chown(self.path("data"), pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postfix").gr_gid)
        chosen = {**self.settings(), **(self.relay_settings(*relay) if relay else self.hold_settings()), **(settings or {})}
        self.write("etc/main.cf", "".join(f"{name} = {value}\n" for name, value in chosen.items()))
        self.write("etc/master.cf", f"127.0.0.1:{self.ports['smtp']} inet n - n - - smtpd\n{PLAIN_SERVICES}")

    def settings(self):
        return {
            "compatibility_level": "3.6",
            "myhostname": "relay.example.test",
            "queue_directory": self.path("queue"),
            "data_directory": self.path("data"),
            "maillog_file": self.path("log"),
            "maillog_file_prefixes": self.folder,
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "mydestination": "",
            "alias_maps": "",
            "alias_database": "",
            "disable_dns_lookups": "yes",
            "smtpd_peername_lookup": "no",
            # What would slow it on purpose, or spend time on rules that Postern has not either.
            "in_flow_delay": "0",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_client_event_limit_exceptions": "127.0.0.0/8",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject",
            "smtpd_banner": "$myhostname ESMTP",
            "biff": "no",
        }

    @staticmethod
    def hold_settings():
        """Accepted messages go straight to the hold queue: the queue manager never looks at them."""
        return {"smtpd_recipient_restrictions": "check_recipient_access static:HOLD, permit_mynetworks, reject",
                "relayhost": "[127.0.0.1]:1"}

    @staticmethod
    def relay_settings(port, ca_file):
        return {"relayhost": f"[127.0.0.1]:{port}",
                "smtp_tls_security_level": "secure",
                "smtp_tls_secure_cert_match": "localhost",
                "smtp_tls_wrappermode": "yes",
                "smtp_tls_CAfile": ca_file,
                "smtp_tls_session_cache_database": "",
                # Many messages over one TLS connection: off unless asked for.
                "smtp_tls_connection_reuse": "yes",
                "smtp_connection_cache_on_demand": "yes",
                "smtp_connection_reuse_time_limit": "300s"}

    def start(self):
        self.launch("postfix", "-c", self.path("etc"), "start-fg")

    def forget(self):
        """Empties the queue."""
        subprocess.run(["postsuper", "-c", self.path("etc"), "-d", "ALL"], capture_output=True, check=True)


def smtp_source(port, sessions, count, size=10240, keep=True):
    """Sends `count` messages over `sessions` connections at a time; keep: many on each connection."""
    run("smtp-source", *(["-d"] if keep else []), "-s", str(sessions), "-m", str(count), "-l", str(size), "-f", "plant@example.test",
        "-t", "office@example.test", f"127.0.0.1:{port}")
