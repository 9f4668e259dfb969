# SPDX-License-Identifier: Apache-2.0
"""cyrus.py - real Cyrus for a test: another IMAP and POP3 server than Dovecot, in a folder of its own.

    cyrus = Cyrus(folder, identity, users={"plant": "secret"})
    cyrus.start()
    cyrus.ports["imaps"]; cyrus.deliver("plant", [message]); cyrus.flags("plant")

Debian lets only one IMAP server be installed. So this one is downloaded with apt and unpacked below build-test/, and started
from there; the libraries that it wants are installed (./dev knows their names).
"""

import fcntl
import glob
import imaplib
import os
import pwd
import subprocess
import tempfile

from servers import USERS, MailServer, answered, free_port, unverified

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = ("cyrus-common", "cyrus-imapd", "cyrus-pop3d")
ADMINISTRATOR = "of all mailboxes"
UNPACKED = os.path.join(TOP, "build-test", "debian")
FOLDERS = ("db", "lock", "log", "msg", "proc", "quota", "socket", "user")     # that its own makedirs would make


def unpack():
    """The folder with its usr/. Two tests at a time wait for one download."""
    os.makedirs(UNPACKED, exist_ok=True)
    with open(os.path.join(UNPACKED, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = os.path.join(UNPACKED, "cyrus")
        if not os.path.isdir(folder):
            with tempfile.TemporaryDirectory(dir=UNPACKED) as scratch:
                download(scratch)
                for package in glob.glob(os.path.join(scratch, "*.deb")):
                    subprocess.run(["dpkg-deb", "-x", package, os.path.join(scratch, "root")], check=True)
                os.chmod(os.path.join(scratch, "root"), 0o755)
                os.rename(os.path.join(scratch, "root"), folder)
    return folder


def download(folder):
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        subprocess.run([*(["sudo", "-n"] if os.geteuid() else []), "apt-get", "-q", "update"], capture_output=True, check=False)
        subprocess.run(command, cwd=folder, check=True)


class Cyrus(MailServer):
    """Credentials in the clear are refused as passwords, but taken as SCRAM and CRAM-MD5."""

    def __init__(self, folder, identity, users=None, settings=None):
        super().__init__(folder)
        self.users = dict(users or USERS)
        self.usr = os.path.join(unpack(), "usr")
        self.ports = {name: free_port() for name in ("imap", "imaps", "pop3", "pop3s", "lmtp")}
        self.environment = {**os.environ, "LD_LIBRARY_PATH": glob.glob(os.path.join(self.usr, "lib", "*-linux-gnu"))[0]}
        for name in ("conf", "spool", *(os.path.join("conf", sub) for sub in FOLDERS)):
            os.makedirs(self.path(name), exist_ok=True)
        self.set_passwords()
        self.install_certificate(identity)
        lines = [f"{name}: {value}" for name, value in {**self.main_settings(), **(settings or {})}.items()]
        self.write("imapd.conf", "\n".join(lines) + "\n")
        self.write("cyrus.conf", self.services())
        self.give_away()

    def main_settings(self):
        return {
            "configdirectory": self.path("conf"),
            "defaultpartition": "default",
            "partition-default": self.path("spool"),
            "temp_path": self.path("conf"),
            "idlesocket": self.path("conf/socket/idle"),
            "cyrus_user": "mail",
            "cyrus_group": "mail",
            "servername": "localhost",
            "admins": "cyrus",
            "autocreate_quota": "0",        # mailboxes are there as soon as somebody looks or writes
            "autocreate_post": "yes",
            "allowplaintext": "no",
            "sasl_pwcheck_method": "auxprop",
            "sasl_auxprop_plugin": "sasldb",
            "sasl_sasldb_path": self.path("passwords"),
            "sasl_mech_list": "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256",
            "tls_server_cert": self.path("server.crt"),
            "tls_server_key": self.path("server.key"),
            "duplicatesuppression": "no",
            "failedloginpause": "0",
            "unixhierarchysep": "yes",
        }

    def services(self):
        def command(name, *options):
            words = (os.path.join(self.usr, "lib/cyrus/bin", name), "-C", self.path("imapd.conf"), *options)
            return f'cmd="{" ".join(words)}"'

        listeners = {"imap": ("imapd",), "imaps": ("imapd", "-s"), "pop3": ("pop3d",), "pop3s": ("pop3d", "-s"),
                     "lmtp": ("lmtpd", "-a")}
        lines = [f'  {name} {command(*words)} listen="127.0.0.1:{self.ports[name]}"' for name, words in listeners.items()]
        return "\n".join(["START {", f"  recover {command('ctl_cyrusdb', '-r')}", "}", "SERVICES {", *lines, "}",
                          "DAEMON {", f"  idled {command('idled')}", "}", "EVENTS {", "}"]) + "\n"

    def set_passwords(self):
        for user, password in {**self.users, "cyrus": ADMINISTRATOR}.items():
            subprocess.run(["saslpasswd2", "-p", "-c", "-f", self.path("passwords"), "-u", "localhost", user],
                           input=password.encode(), check=True, capture_output=True)

    def give_away(self):
        mail = pwd.getpwnam("mail")
        for name in ("conf", "spool", "passwords", "server.crt", "server.key", *(f"conf/{sub}" for sub in FOLDERS)):
            os.chown(self.path(name), mail.pw_uid, mail.pw_gid)

    def start(self):
        self.launch(os.path.join(self.usr, "lib/cyrus/bin/master"), "-C", self.path("imapd.conf"), "-M", self.path("cyrus.conf"),
                    "-p", self.path("pid"), environment=self.environment)

    def reload(self):
        """Each process keeps the certificate that it met; so all are started anew."""
        self.give_away()
        self.stop()
        self.start()

    def remove_mailbox(self, user):
        """With all that is in it. The next delivery makes another with the same name and another UIDVALIDITY."""
        with imaplib.IMAP4_SSL("127.0.0.1", self.ports["imaps"], ssl_context=unverified(), timeout=60) as client:
            client.login("cyrus", ADMINISTRATOR)
            answered(client.setacl(f"user/{user}", "cyrus", "lrswipkxtecda"))
            answered(client.delete(f"user/{user}"))


if __name__ == "__main__":
    unpack()
