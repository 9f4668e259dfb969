# SPDX-License-Identifier: Apache-2.0
"""catcher.py - an SMTP server inside the test: keeps what it takes, byte for byte, and answers as it is told.

    with Catcher() as catcher:
        ...                                         # send to 127.0.0.1:catcher.port
        catcher.wait(1)                             # [Taken(sender, recipients, content, session)]
        catcher.answers["DATA"] = "451 4.3.0 Later"     # until it is deleted again
        catcher.answers["RCPT b@example.com"] = "550 5.1.1 No such user"
        catcher.answers["."] = "CLOSE"              # also for the others; the message is kept: its answer is lost
        catcher.hold()                              # messages are not answered until release()

With an identity (pki.py) it speaks TLS from the first byte, or after STARTTLS; catcher.identity may be changed at any time.
resumable: it takes TLS sessions up again (catcher.resumed counts them), also those from before such a change.
"""

import collections
import re
import socket
import ssl
import threading
import time

Taken = collections.namedtuple("Taken", "sender recipients content session")
PATIENCE = 30


class Catcher:
    def __init__(self, identity=None, starttls=False,
                 capabilities=("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 50000000"),
                 resumable=False):
        self.capabilities = capabilities
        self.context = self.new_context() if resumable else None
        self.resumed = 0
        self.identity, self.starttls = identity, starttls
        self.handshakes = 0
        self.taken = []
        self.sessions = 0
        self.commands = []
        self.answers = {}
        self.lock = threading.Condition()
        self.open = threading.Event()
        self.open.set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.stopping = False

    def start(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def stop(self):
        self.stopping = True
        self.open.set()
        self.listener.close()

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def hold(self):
        self.open.clear()

    def release(self):
        self.open.set()

    def wait(self, count, seconds=20):
        """Until so many were taken; whatever came by then."""
        with self.lock:
            self.lock.wait_for(lambda: len(self.taken) >= count, seconds)
            return list(self.taken)

    def wait_command(self, start, seconds=20):
        """Until a command that begins so has come."""
        with self.lock:
            return self.lock.wait_for(lambda: any(line.startswith(start) for line in self.commands), seconds)

    def accept(self):
        while not self.stopping:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self.guarded, args=(connection, self.sessions), daemon=True).start()

    def guarded(self, connection, number):
        connection.settimeout(PATIENCE)
        try:
            if self.identity and not self.starttls:
                connection = self.secure(connection)
            self.serve(connection, number)
        except (OSError, EOFError):
            pass
        finally:
            connection.close()

    @staticmethod
    def new_context():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT@SECLEVEL=0")       # a weak certificate is for the client to refuse
        return context

    def secure(self, connection):
        context = self.context or self.new_context()
        context.load_cert_chain(self.identity.chain, self.identity.key)
        connection = context.wrap_socket(connection, server_side=True)
        self.handshakes += 1
        self.resumed += connection.session_reused
        return connection

    def serve(self, connection, number):
        stream = connection.makefile("rb")
        sender, recipients = None, []

        def say(stage, usual, argument=""):
            text = self.answers.get(f"{stage} {argument}", self.answers.get(stage, usual))
            if text == "CLOSE":
                connection.shutdown(socket.SHUT_RDWR)
                raise EOFError
            connection.sendall(text.replace("\n", "\r\n").encode() + b"\r\n")
            return text[:1]

        say("greeting", "220 catcher.example.test ESMTP")
        while True:
            line = stream.readline()
            if not line:
                return
            line = line.decode("utf-8", "replace").rstrip("\r\n")
            with self.lock:
                self.commands.append(line)
                self.lock.notify_all()
            word = line.split(" ")[0].upper()
            address = re.search(r"<(.*)>", line)
            if word == "EHLO":
                offered = ["catcher.example.test", *self.capabilities]
                if self.starttls and not isinstance(connection, ssl.SSLSocket):
                    offered.append("STARTTLS")
                say(word, "\n".join(f"250-{one}" for one in offered[:-1]) + f"\n250 {offered[-1]}")
            elif word == "STARTTLS":
                if say(word, "220 2.0.0 Go ahead") == "2":
                    connection = self.secure(connection)
                    stream = connection.makefile("rb")
            elif word == "MAIL":
                sender, recipients = address.group(1), []
                say(word, "250 2.1.0 Ok", sender)
            elif word == "RCPT":
                if say(word, "250 2.1.5 Ok", address.group(1)) == "2":
                    recipients.append(address.group(1))
            elif word == "DATA":
                if say(word, "354 Go ahead" if recipients else "554 5.5.1 No valid recipients") == "3":
                    content = self.read_content(stream)
                    self.open.wait(PATIENCE)
                    with self.lock:
                        self.taken.append(Taken(sender, recipients, content, number))
                        self.lock.notify_all()
                    if say(".", "250 2.0.0 Ok: taken") != "2":
                        with self.lock:
                            self.taken.pop()
            elif word == "QUIT":
                say(word, "221 2.0.0 Bye")
                return
            else:
                say(word, "250 2.0.0 Ok")

    @staticmethod
    def read_content(stream):
        lines = []
        while True:
            line = stream.readline()
            if not line:
                raise EOFError
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)

    def quiet(self, seconds):
        """What comes within the time, when nothing should."""
        before = len(self.taken)
        time.sleep(seconds)
        return self.taken[before:]
