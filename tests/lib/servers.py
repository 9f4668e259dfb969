# SPDX-License-Identifier: Apache-2.0
"""servers.py - real Dovecot and Postfix for a test: own folder, high loopback ports, started and stopped by pid.

    with Site(identity) as site:
        site.postfix.ports["starttls"]; site.dovecot.ports["imaps"]
        site.dovecot.wait_for_message("plant", subject="hello")

Both need root (Postfix's master insists, Dovecot drops privileges); no init system is used.
"""

import base64
import email
import email.policy
import grp
import hashlib
import hmac
import imaplib
import os
import pwd
import random
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

USERS = {"plant": "Plant-Passw0rd!", "office": "0ffice passw\\ord"}
DOMAIN = "example.test"
# For thousands of connections: as `extra` of Dovecot. Each kind of login has one process that stays, so that TLS sessions can be
# resumed; who is in IDLE for two seconds is moved into one process with all the others.
CROWD = """
auth_mechanisms = plain login scram-sha-256
default_client_limit = 10000
default_process_limit = 10000
mail_max_userip_connections = 0
imap_hibernate_timeout = 2s
service imap-login {
  service_count = 0
  process_min_avail = 1
  process_limit = 1
}
service pop3-login {
  service_count = 0
  process_min_avail = 1
  process_limit = 1
}
service imap {
  unix_listener imap-master {
    user = dovecot
  }
}
service imap-hibernate {
  unix_listener imap-hibernate {
    mode = 0666
  }
}
service lmtp {
  process_min_avail = 2
}
"""
OWN_UIDS = 200000
FAKETIME = "/usr/$LIB/faketime/libfaketimeMT.so.1"
START_SECONDS = 30
STOP_SECONDS = 1        # nothing is at stake: what was to be seen has been seen
_given = set()


def need_root():
    """Restarts the script with sudo when it isn't root."""
    if os.geteuid() != 0:
        kept = [f"{name}={value}" for name, value in os.environ.items()
                if name.startswith(("POSTERN", "PYTHON", "ASAN", "UBSAN", "LC_"))]
        os.execvp("sudo", ["sudo", "-n", "env", *kept, sys.executable, *sys.argv])


def free_port():
    """A loopback port that nothing uses. Below the range of outgoing connections, which could take it first."""
    choose = random.SystemRandom()
    for _ in range(1000):
        port = choose.randrange(12000, 32000)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free port")


def wait_for_port(port, process=None, seconds=START_SECONDS):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nothing answers on port {port} after {seconds} s")


def session_processes(session):
    """Pids of what was started in this session and is still there, dead but unburied ones left out."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, _, _, sid = file.read().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(sid) == session and state != "Z":
            found.append(int(name))
    return found


def signal_process(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def stop_on_term(*_):
    """Python would end at once, without any `finally`, and leave the servers behind."""
    sys.exit(143)


class Server:
    """One foreground process in a folder of its own, with a log in it."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)     # the servers' own users must be able to walk through

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def launch(self, *command, environment=None):
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, stop_on_term)
        with open(self.path("output"), "ab") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=environment, start_new_session=True)
        try:
            for port in self.ports.values():
                wait_for_port(port, self.process)
        except RuntimeError as error:
            self.stop()
            raise RuntimeError(f"{error}\n{self.log()}") from None

    def stop(self):
        if self.process is None:
            return
        sessions = self.sessions()
        for pid in sessions:
            signal_process(pid, signal.SIGTERM)
        # Children notice a little later, each in its own time.
        patient_until = time.monotonic() + STOP_SECONDS
        while left := [pid for session in sessions for pid in session_processes(session)]:
            for pid in left if time.monotonic() > patient_until else []:
                signal_process(pid, signal.SIGKILL)
            self.process.poll()
            time.sleep(0.02)
        self.process.wait()
        self.process = None

    def signal(self, number):
        """To all its processes: SIGSTOP, and nothing more is said on its connections, though none is closed; SIGCONT."""
        for session in self.sessions():
            for pid in session_processes(session):
                signal_process(pid, number)

    def sessions(self):
        """The sessions that its processes are in, each named by the pid of its leader."""
        return [self.process.pid]

    def log(self):
        text = ""
        for name in ("output", "log"):
            if os.path.exists(self.path(name)):
                with open(self.path(name), encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text[-8000:]

    def install_certificate(self, identity):
        shutil.copyfile(identity.chain, self.path("server.crt"))
        shutil.copyfile(identity.key, self.path("server.key"))
        os.chmod(self.path("server.crt"), 0o644)
        os.chmod(self.path("server.key"), 0o600)

    def replace_certificate(self, identity):
        """What an administrator does: new files, then reload. New connections meet the new certificate."""
        self.install_certificate(identity)
        self.reload()


class MailServer(Server):
    """A server of mailboxes: what a test wants to put into them, and to see in them. `users` are names and passwords."""

    def imap(self, user, mailbox="INBOX"):
        """Somebody else's look at the mailbox: imaplib, logged in, with the mailbox open."""
        client = imaplib.IMAP4_SSL("127.0.0.1", self.ports["imaps"], ssl_context=unverified(), timeout=60)
        client.login(user, self.users[user])
        answered(client.select(mailbox))
        return client

    def flags(self, user, mailbox="INBOX"):
        """{Message-ID: its flags without \\Recent}. Looking changes nothing."""
        with self.imap(user, mailbox) as client:
            if client.response("EXISTS")[1] in ([b"0"], [None]):
                return {}
            lines = answered(client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"))
        found = {}
        for line in lines:
            if isinstance(line, tuple):
                name = line[1].partition(b":")[2].strip().decode()
                found[name] = {flag.decode() for flag in imaplib.ParseFlags(line[0])} - {"\\Recent"}
        return found

    def set_flags(self, user, message_ids, flags, mailbox="INBOX"):
        with self.imap(user, mailbox) as client:
            for message_id in message_ids:
                found = answered(client.search(None, "HEADER", "Message-ID", f'"{message_id}"'))[0].split()
                answered(client.store(b",".join(found), "+FLAGS.SILENT", f"({flags})"))

    def append(self, user, message, flags="", mailbox="INBOX"):
        with self.imap(user) as client:
            answered(client.append(mailbox, flags, None, message))

    def deliver(self, user, messages):
        """Bytes of messages, by LMTP, as a mail transport does: the server then tells who waits for mail."""
        with smtplib.LMTP("127.0.0.1", self.ports["lmtp"], timeout=60) as client:
            for message in messages:
                client.sendmail("sender@example.test", [self.recipient(user)], message)

    def recipient(self, user):
        return user


def unverified():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def answered(answer):
    """What an imaplib call brought; a NO is an error here."""
    kind, data = answer
    if kind != "OK":
        raise RuntimeError(f"IMAP says {kind}: {data}")
    return data


def scram_sha_256(password, rounds=4096):
    """As Dovecot stores it: RFC 5802 3, StoredKey and ServerKey."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return "{SCRAM-SHA-256}" + ",".join([str(rounds), *(base64.b64encode(part).decode() for part in (salt, stored, server))])


class Dovecot(MailServer):
    """own_uids: each mailbox belongs to a uid of its own, as the kernel limits how many mailboxes one uid can watch.
    clock: how far its clock is off, "+1h"; wants libfaketime. scram: passwords are stored as SCRAM-SHA-256 wants them, salted once;
    from a password that is stored as it is, Dovecot makes a new salt for each log-in."""

    def __init__(self, folder, identity, users=None, domain=DOMAIN, extra="", own_uids=False, clock=None, scram=False):
        super().__init__(folder)
        self.scram = scram
        self.environment = {**os.environ, "LD_PRELOAD": FAKETIME, "FAKETIME": clock} if clock else None
        extra += "import_environment = TZ LD_PRELOAD FAKETIME\n" if clock else ""
        self.users = dict(users or USERS)
        self.uids = {user: OWN_UIDS + number for number, user in enumerate(self.users)} if own_uids else {}
        self.domain = domain
        self.filled = 0
        self.ports = {name: free_port() for name in ("imap", "imaps", "pop3", "pop3s", "lmtp", "auth")}
        self.install_certificate(identity)
        self.write("users", "".join(map(self.line, self.users)), 0o640)
        shutil.chown(self.path("users"), "root", "dovecot")
        os.makedirs(self.path("mail"), exist_ok=True)
        shutil.chown(self.path("mail"), "mail", "mail")
        os.chmod(self.path("mail"), 0o770)
        self.write("dovecot.conf", self.configuration() + extra)

    def line(self, user):
        """Of the file of users: passwd(5) with a password."""
        mail = pwd.getpwnam("mail")
        uid = self.uids.get(user, mail.pw_uid)
        stored = scram_sha_256(self.users[user]) if self.scram else "{PLAIN}" + self.users[user]
        return f"{user}:{stored}:{uid}:{mail.pw_gid}::{self.path('mail', user)}\n"

    def configuration(self):
        ports = self.ports
        return f"""
base_dir = {self.path("run")}
state_dir = {self.path("run")}
log_path = {self.path("log")}
listen = 127.0.0.1
protocols = imap pop3 lmtp
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
auth_username_format = %Ln
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
first_valid_uid = 1
first_valid_gid = 1
ssl = yes
ssl_cert = <{self.path("server.crt")}
ssl_key = <{self.path("server.key")}
passdb {{
  driver = passwd-file
  args = username_format=%n {self.path("users")}
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {self.path("users")}
}}
service imap-login {{
  inet_listener imap {{
    port = {ports["imap"]}
  }}
  inet_listener imaps {{
    port = {ports["imaps"]}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {ports["pop3"]}
  }}
  inet_listener pop3s {{
    port = {ports["pop3s"]}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {ports["lmtp"]}
  }}
}}
# Refused logins would otherwise slow down every later login from the same address.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  inet_listener auth {{
    port = {ports["auth"]}
  }}
}}
"""

    def start(self):
        os.makedirs(self.path("run"), exist_ok=True)
        self.launch("dovecot", "-F", "-c", self.path("dovecot.conf"), environment=self.environment)

    def recipient(self, user):
        return f"{user}@{self.domain}"

    def fill(self, user, messages, mailbox=""):
        """As deliver(), a thousand times as fast: files in the Maildir. mailbox: its Maildir++ name, ".Archive"."""
        mail = pwd.getpwnam("mail")
        uid = self.uids.get(user, mail.pw_uid)
        folder = self.path("mail", user, "Maildir", mailbox)
        for path in (self.path("mail", user), self.path("mail", user, "Maildir"), folder,
                     *(os.path.join(folder, sub) for sub in ("cur", "new", "tmp"))):
            if not os.path.isdir(path):
                os.mkdir(path, 0o700)
                os.chown(path, uid, mail.pw_gid)
        for message in messages:
            self.filled += 1
            name = f"{int(time.time())}.M{self.filled:09}.test"
            with open(os.path.join(folder, "tmp", name), "wb") as file:
                file.write(message)
            os.chown(file.name, uid, mail.pw_gid)
            os.rename(file.name, os.path.join(folder, "new", name))

    def fill_huge(self, user, message, size):
        """A message with so many bytes of nothing after it, which the disk needn't hold. In its name stands what it is."""
        self.fill(user, [message])
        folder = self.path("mail", user, "Maildir", "new")
        path = max((os.path.join(folder, name) for name in os.listdir(folder)), key=os.path.getmtime)
        os.truncate(path, size)
        os.rename(path, f"{path},S={size},W={size}")

    def number_anew(self, user, uid_validity, mailbox=""):
        """The mailbox loses its UIDs, and has this UIDVALIDITY from now on. Nobody may have it open."""
        folder = self.path("mail", user, "Maildir", mailbox)
        for name in os.listdir(folder):
            if name.startswith("dovecot.index") or name == "dovecot-uidlist":
                os.remove(os.path.join(folder, name))
        with open(os.path.join(folder, "dovecot-uidlist"), "w", encoding="ascii") as file:
            file.write(f"3 V{uid_validity} N1\n")
        status = os.stat(folder)
        os.chown(file.name, status.st_uid, status.st_gid)

    def reload(self):
        subprocess.run(["doveadm", "-c", self.path("dovecot.conf"), "reload"], check=True, capture_output=True)

    def messages(self, user):
        """What was delivered, oldest first, as email.message.EmailMessage; .raw has the bytes as stored."""
        found = []
        for sub in ("new", "cur"):
            folder = self.path("mail", user, "Maildir", sub)
            for name in os.listdir(folder) if os.path.isdir(folder) else []:
                with open(os.path.join(folder, name), "rb") as file:
                    raw = file.read()
                message = email.message_from_bytes(raw, policy=email.policy.default)
                message.raw = raw
                found.append((name, message))
        return [message for _, message in sorted(found, key=lambda pair: pair[0])]

    def wait_for_message(self, user, seconds=20, **headers):
        """The first message whose headers are these (subject=…, message_id=…), or None."""
        deadline = time.monotonic() + seconds
        while True:
            for message in self.messages(user):
                if all(message[name.replace("_", "-")] == value for name, value in headers.items()):
                    return message
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)


class Postfix(Server):
    """Ports: plain (no TLS offered, takes mail without a password), starttls and tls (both want one)."""

    def __init__(self, folder, identity, dovecot, settings=None):
        super().__init__(folder)
        self.dovecot = dovecot
        self.ports = {name: free_port() for name in ("plain", "starttls", "tls")}
        for name in ("etc", "queue", "data"):
            os.makedirs(self.path(name), exist_ok=True)
        os.chmod(self.path("data"), 0o700)
        os.chown(self.path("data"), pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postfix").gr_gid)
        self.install_certificate(identity)
        self.write("etc/mailboxes", "".join(f"{user}@{dovecot.domain} {user}\n" for user in dovecot.users))
        lines = [f"{name} = {value}" for name, value in {**self.main_settings(), **(settings or {})}.items()]
        self.write("etc/main.cf", "\n".join(lines) + "\n")
        self.write("etc/master.cf", self.master())

    def main_settings(self):
        return {
            "compatibility_level": "3.6",
            "myhostname": f"mail.{self.dovecot.domain}",
            "queue_directory": self.path("queue"),
            "data_directory": self.path("data"),
            "maillog_file": self.path("log"),
            "maillog_file_prefixes": self.folder,
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "",
            "mydestination": "",
            "local_recipient_maps": "",
            "alias_maps": "",
            "alias_database": "",
            "virtual_mailbox_domains": self.dovecot.domain,
            "virtual_mailbox_maps": f"texthash:{self.path('etc/mailboxes')}",
            "virtual_transport": f"lmtp:inet:127.0.0.1:{self.dovecot.ports['lmtp']}",
            # Nothing may leave this machine, whatever a test does.
            "default_transport": "error:5.1.2 this server delivers to its own mailboxes only",
            "relay_transport": "error:5.1.2 this server delivers to its own mailboxes only",
            "disable_dns_lookups": "yes",
            "smtpd_peername_lookup": "no",
            "relay_domains_reject_code": "550",
            "reject_code": "550",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "smtpd_recipient_restrictions": "reject_unauth_destination, permit_sasl_authenticated, reject",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": f"inet:127.0.0.1:{self.dovecot.ports['auth']}",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_security_options": "noanonymous",
            "smtpd_tls_cert_file": self.path("server.crt"),
            "smtpd_tls_key_file": self.path("server.key"),
            "smtpd_tls_received_header": "yes",
            "smtpd_tls_loglevel": "1",
            "smtpd_error_sleep_time": "0",
            "smtpd_client_connection_count_limit": "0",
            "lmtp_destination_concurrency_limit": "10",
            "smtputf8_enable": "yes",
            "biff": "no",
        }

    def master(self):
        here = {name: f"127.0.0.1:{port} inet n - n - - smtpd" for name, port in self.ports.items()}
        inner = """
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
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
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""
        return f"""
{here["plain"]}
  -o smtpd_tls_security_level=none
  -o smtpd_recipient_restrictions=reject_unauth_destination
{here["starttls"]}
  -o smtpd_tls_security_level=may
  -o smtpd_tls_auth_only=yes
{here["tls"]}
  -o smtpd_tls_wrappermode=yes
""" + inner

    def start(self):
        self.launch("postfix", "-c", self.path("etc"), "start-fg")

    def sessions(self):
        """The command that we started has started `master`, in a session of its own."""
        found = super().sessions()
        try:
            with open(self.path("queue/pid/master.pid"), encoding="ascii") as file:
                found.append(int(file.read()))
        except (OSError, ValueError):
            pass
        return found

    def reload(self):
        """Postfix's processes look at the request when they next wake up; so look until the change is served."""
        subprocess.run(["postfix", "-c", self.path("etc"), "reload"], check=True, capture_output=True)

    def replace_certificate(self, identity):
        super().replace_certificate(identity)
        deadline = time.monotonic() + START_SECONDS
        while any(served_certificate(self.ports[kind], kind == "starttls") != identity.der for kind in ("tls", "starttls")):
            if time.monotonic() > deadline:
                raise RuntimeError("postfix doesn't show its new certificate\n" + self.log())
            time.sleep(0.1)


def served_certificate(port, starttls=False):
    """The DER bytes of what an SMTP port shows, unverified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if not starttls:
        with smtplib.SMTP_SSL("127.0.0.1", port, timeout=10, context=context) as client:
            return client.sock.getpeercert(True)
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.starttls(context=context)
        return client.sock.getpeercert(True)


class Site:
    """Dovecot and Postfix together, in a temporary folder removed at the end."""

    def __init__(self, identity, users=None, settings=None, extra=""):
        self.folder = tempfile.mkdtemp(prefix="postern-site-")
        os.chmod(self.folder, 0o755)
        self.dovecot = Dovecot(os.path.join(self.folder, "dovecot"), identity, users=users, extra=extra)
        self.postfix = Postfix(os.path.join(self.folder, "postfix"), identity, self.dovecot, settings)

    def start(self):
        try:
            self.dovecot.start()
            self.postfix.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        self.postfix.stop()
        self.dovecot.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def replace_certificate(self, identity):
        self.dovecot.replace_certificate(identity)
        self.postfix.replace_certificate(identity)
