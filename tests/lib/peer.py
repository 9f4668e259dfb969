# SPDX-License-Identifier: Apache-2.0
"""peer.py - plays a scripted mail server, as written in tests/dialogs/; tests/dialogs/README has the format.

    for dialog in load("tests/dialogs/smtp"):
        with Peer(dialog, identities) as peer:
            ...                         # point a client at peer.port
            peer.conversations          # what it said, in clear and under TLS
"""

import base64
import binascii
import fnmatch
import json
import os
import re
import socket
import ssl
import struct
import threading
import time

PATIENCE = 20               # seconds until a client that should have given up is called stuck
FLOOD_LIMIT = 64 << 20      # bytes that no client may swallow
STEPS = {"S", "C", "RAW", "FLOOD", "REPEAT", "MESSAGE", "TLS", "WAIT", "END", "CLOSE", "RST", "SLOW", "PAUSE", "NEXT",
         "POINT", "USE", "SERVE"}
# What a POINT may turn into: the steps played there, and the word for the code it is expected to give.
FAULTS = {
    "hang": [("WAIT", "")],
    "close": [("CLOSE", "")],
    "reset": [("RST", "")],
    "refuse": [("S", "421 4.3.2 The service is shutting down"), ("END", "")],
}


class Dialog:
    """name, shows (what it is about), settings (the header), sections: one list of steps per connection."""

    def __init__(self, name, shows, settings, sections):
        self.name, self.shows, self.settings, self.sections = name, shows, settings, sections

    def get(self, key, default=None):
        return self.settings.get(key, default)

    def object(self, key):
        return json.loads(self.get(key, "{}"))

    def choices(self, key, default=""):
        """a|b: either will do."""
        return self.get(key, default).split("|")


def load(folder):
    """Every dialog of a folder; one with POINTs stands for a whole family."""
    dialogs = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".txt"):
            dialogs += expand(parse(os.path.join(folder, name)))
    return dialogs


def parse(path):
    name = os.path.basename(path)[:-len(".txt")]
    shows, settings, sections = [], {}, [[]]
    in_header = True
    with open(path, encoding="utf-8", newline="\n") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        if line.startswith("#"):
            if in_header and "SPDX" not in line:
                shows.append(line[1:].strip())
        elif line.strip() == "---":
            in_header = False
        elif in_header and line.strip():
            key, colon, value = line.partition(":")
            if not colon:
                raise ValueError(f"{where}: a setting is 'name: value'")
            settings[key.strip()] = value.strip()
        elif line.startswith("==="):
            sections.append([])
        elif line.strip():
            sections[-1] += step(line, where, os.path.dirname(path))
    return Dialog(name, " ".join(shows), settings, [section for section in sections if section])


def step(line, where, folder):
    word, _, rest = line.partition(" ")
    word = word.rstrip(":")
    if word not in STEPS:
        raise ValueError(f"{where}: there is no step '{word}'")
    if word == "USE":
        path = os.path.join(folder, "parts", rest.strip() + ".txt")
        with open(path, encoding="utf-8") as file:
            inner = [line for line in file.read().split("\n") if line.strip() and not line.startswith("#")]
        return [one for line in inner for one in step(line, path, folder)]
    return [(word, rest)]


def expand(dialog):
    """A dialog for each POINT and each fault named there; the steps before it are played as they are."""
    points = [(index, rest) for index, (word, rest) in enumerate(dialog.sections[-1]) if word == "POINT"]
    if not points:
        return [dialog]
    family = []
    for index, rest in points:
        point, *words = rest.split()
        wanted = dict(word.split("=", 1) for word in words)
        before = [one for one in dialog.sections[-1][:index] if one[0] != "POINT"]
        for fault, steps in FAULTS.items():
            code = wanted.get(fault) or dialog.get(f"{fault}-code")
            if code in (None, "-"):
                continue
            settings = {**dialog.settings, "expect-code": code}
            for key in ("state", "verify-step", "message", "received"):
                if key in wanted:
                    settings[f"expect-{key}"] = wanted[key]
            if fault == "refuse" and "message-refuse" in wanted:
                settings["expect-message"] = wanted["message-refuse"]
            family.append(Dialog(f"{dialog.name}-{point}-{fault}", f"{dialog.shows} {fault} at {point}", settings,
                                 [before + steps]))
    return family


def unescape(text):
    r"""\r \n \t \0 \\ \xNN, and UTF-8 for the rest."""
    single = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
    parts = re.split(r"\\(x[0-9a-fA-F]{2}|.)", text)
    out = parts[0].encode()
    for escape, plain in zip(parts[1::2], parts[2::2]):
        out += bytes([int(escape[1:], 16)]) if len(escape) == 3 else single[escape]
        out += plain.encode()
    return out


class Gone(Exception):
    """The client ended the connection."""


class Conversation:
    """One connection: what the client said before TLS and under it, what was odd, and how it ended."""

    def __init__(self):
        self.clear, self.secure = bytearray(), bytearray()
        self.messages = []
        self.problems = []
        self.complete = False       # played to the last step
        self.end = ""

    def lines(self):
        """All that the client said, in clear and under TLS."""
        return [line.decode("utf-8", "replace") for part in (self.clear, self.secure) for line in bytes(part).splitlines()]

    def contains(self, secret, clear_only=False):
        """Is it in there as it is, or in base64 on its own or inside something longer, like PLAIN's \\0user\\0secret?"""
        secret = secret.encode()
        seen = bytes(self.clear) + (b"" if clear_only else b"\n" + bytes(self.secure))
        if secret in seen:
            return True
        for word in re.findall(rb"[A-Za-z0-9+/]{4,}={0,2}", seen):
            for start in range(4):      # a word may have stuck to it what isn't base64
                piece = word[start:].rstrip(b"=")
                try:
                    decoded = base64.b64decode(piece + b"=" * (-len(piece) % 4))
                except (binascii.Error, ValueError):
                    continue
                if secret in decoded:
                    return True
        return False


class Wire:
    """The socket, in clear or under TLS, with everything received kept."""

    def __init__(self, sock, conversation):
        self.sock, self.conversation = sock, conversation
        self.buffer = b""
        self.is_secure = False
        self.pipelining = False
        self.pause = 0.0
        self.queued = b""
        self.closed = False

    def send(self, data):
        try:
            if not self.pause:
                self.sock.sendall(data)
            for byte in data if self.pause else b"":
                self.sock.sendall(bytes([byte]))
                time.sleep(self.pause)
        except OSError as error:
            raise Gone(f"the client closed while we were sending: {error}") from None
        if b"PIPELINING" in data:
            self.pipelining = True

    def receive(self, seconds=PATIENCE):
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            self.conversation.problems.append(f"the client was silent for {seconds} s and didn't close")
            raise Gone("silent") from None
        except OSError as error:
            raise Gone(f"broken: {error}") from None
        finally:
            self.settle()
        if not data:
            raise Gone("the client closed")
        (self.conversation.secure if self.is_secure else self.conversation.clear).extend(data)
        return data

    def settle(self):
        """Sending waits as long as it must, but not for ever."""
        try:
            self.sock.settimeout(PATIENCE)
        except OSError:
            pass

    def line(self):
        while b"\n" not in self.buffer:
            self.buffer += self.receive()
        line, _, self.buffer = self.buffer.partition(b"\n")
        if not line.endswith(b"\r"):
            self.conversation.problems.append(f"a line without CR: {line!r}")
        if self.buffer and not self.pipelining:
            self.conversation.problems.append(f"sent more before our reply to {line[:60]!r}: {self.buffer[:60]!r}")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def message(self):
        """What follows DATA, dots unstuffed, without the final dot."""
        while not (self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer):
            self.buffer += self.receive()
        if self.buffer.startswith(b".\r\n"):
            content, self.buffer = b"", self.buffer[3:]
        else:
            content, _, self.buffer = self.buffer.partition(b"\r\n.\r\n")
            content += b"\r\n"
        if re.search(rb"(?<!\r)\n|\r(?!\n)", content):
            self.conversation.problems.append("a bare CR or LF in the message")
        self.conversation.messages.append(re.sub(rb"(?m)^\.", b"", content))

    def start_tls(self, context):
        if self.buffer:
            self.conversation.problems.append(f"sent before the handshake: {self.buffer[:60]!r}")
        try:
            self.sock = context.wrap_socket(self.sock, server_side=True)
        except (OSError, ssl.SSLError) as error:
            raise Gone(f"handshake: {error}") from None
        self.buffer = b""
        self.is_secure, self.pipelining = True, False

    def close(self, reset=False):
        if self.closed:
            return
        self.closed = True
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            try:
                self.sock.shutdown(socket.SHUT_WR)
                while self.receive(2):      # closing with bytes unread would be a reset
                    pass
            except (Gone, OSError):
                self.conversation.problems = [problem for problem in self.conversation.problems
                                              if "was silent for 2 s" not in problem]
        # A TLS socket would say goodbye first; a server that breaks doesn't.
        if self.sock.fileno() >= 0:     # a handshake that failed may have closed it
            socket.socket(fileno=self.sock.detach()).close()


class Peer:
    """contexts: the dialog's `certificate` setting names the one it shows."""

    def __init__(self, dialog, contexts):
        self.dialog, self.contexts = dialog, contexts
        self.conversations = []
        self.section = 0
        self.lock = threading.Lock()
        self.blockers = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        listen = dialog.get("listen", "yes")
        if listen == "no":
            return                  # bound, so that nobody else takes it, but refusing
        if listen == "full":
            self.fill()             # the kernel drops what comes now: a host that doesn't answer
            return
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def fill(self):
        self.listener.listen(0)
        for _ in range(4):
            blocker = socket.socket()
            blocker.setblocking(False)
            blocker.connect_ex(("127.0.0.1", self.port))
            self.blockers.append(blocker)

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conversation = Conversation()
            with self.lock:
                self.conversations.append(conversation)
                section = self.section
            threading.Thread(target=self.converse, args=(sock, conversation, section), daemon=True).start()

    def converse(self, sock, conversation, section):
        wire = Wire(sock, conversation)
        steps = self.dialog.sections[min(section, len(self.dialog.sections) - 1)]
        reset = False
        try:
            for index, (word, rest) in enumerate(steps):
                joined = index + 1 < len(steps) and word == "S" and steps[index + 1][0] in ("S", "RAW")
                if word in ("NEXT", "SERVE"):
                    self.advance(section)
                conversation.complete |= word == "SERVE"    # all that follows is the client's
                reset = self.play(wire, word, rest, joined) == "reset"
            conversation.end = "played"
            conversation.complete = True
        except Gone as gone:
            conversation.end = str(gone)
            # A client that hangs up on what we sent last has met all that there was.
            last = {"END", "WAIT", "FLOOD", "RAW", "SERVE"} | ({"TLS"} & set(self.dialog.get("expect-verify-step", "").upper().split("|")))
            conversation.complete = all(word in last for word, _ in steps[index:])
        except Exception as error:
            conversation.problems.append(f"peer.py: {error!r}")
        finally:
            if conversation.complete:
                self.advance(section)
            wire.close(reset)

    def advance(self, section):
        """Later connections play the part after this one."""
        with self.lock:
            self.section = max(self.section, section + 1)

    def play(self, wire, word, rest, joined):
        if word == "S":
            # Lines that follow one another leave in one segment: that is how an injected reply arrives.
            wire.queued += unescape(rest) + b"\r\n"
            if not joined:
                queued, wire.queued = wire.queued, b""
                wire.send(queued)
        elif word == "RAW":
            queued, wire.queued = wire.queued, b""
            wire.send(queued + unescape(rest))
        elif word == "REPEAT":
            count, _, text = rest.partition(" ")
            wire.send((unescape(text) + b"\r\n") * int(count))
        elif word == "FLOOD":
            self.flood(wire, unescape(rest))
        elif word == "C":
            self.expect(wire, rest)
        elif word == "MESSAGE":
            wire.message()
        elif word == "TLS":
            wire.start_tls(self.contexts[self.dialog.get("certificate", "trusted")])
        elif word == "WAIT":
            while True:
                wire.receive()
        elif word == "END":
            while wire.line().upper() != "QUIT":
                wire.send(b"503 5.5.1 That was all\r\n")
            wire.send(b"221 2.0.0 Bye\r\n")
        elif word == "SERVE":
            serve(wire, rest.strip())
        elif word == "CLOSE":
            wire.close()
        elif word == "RST":
            return "reset"
        elif word == "SLOW":
            wire.pause = float(rest)
        elif word == "PAUSE":
            time.sleep(float(rest))
        return None

    @staticmethod
    def expect(wire, pattern):
        while True:
            line = wire.line()
            if fnmatch.fnmatchcase(line.lower(), pattern.lower()):
                return
            command = line.upper().split(" ")[0]
            if command == "QUIT":
                wire.send(b"221 2.0.0 Bye\r\n")
                raise Gone("QUIT")
            if command in ("RSET", "NOOP"):
                wire.send(b"250 2.0.0 Ok\r\n")
                continue
            wire.conversation.problems.append(f"expected {pattern!r}, got {line[:200]!r}")
            raise Gone("out of step")

    @staticmethod
    def flood(wire, data):
        chunk = data * max(1, 65536 // len(data))
        sent = 0
        while sent < FLOOD_LIMIT:
            wire.send(chunk)
            sent += len(chunk)
        wire.conversation.problems.append(f"the client swallowed {sent} bytes of flood")

    def stop(self):
        for sock in [self.listener, *self.blockers]:
            # Closing alone wouldn't wake the thread that is in accept().
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def serve(wire, protocol):
    """From here on an ordinary server, of a mailbox with nothing in it, until the client leaves."""
    idle = None
    while True:
        line = wire.line()
        tag, _, command = line.partition(" ")
        if protocol == "pop3":
            listing = line.upper() in ("LIST", "UIDL")
            wire.send(b"+OK 0 0\r\n" + (b".\r\n" if listing else b""))
            if line.upper() == "QUIT":
                return
        elif command.upper() == "IDLE":
            idle = tag
            wire.send(b"+ idling\r\n")
        elif command.upper() == "LOGOUT":
            wire.send(f"* BYE bye\r\n{tag} OK done\r\n".encode())
            return
        else:
            wire.send(f"{idle or tag} OK done\r\n".encode())
            idle = None


def contexts(pki, root):
    """The certificates that a dialog can name."""
    kinds = {
        "trusted": pki.leaf(issuer=root),
        "self-signed": pki.leaf(),
        "other-name": pki.leaf("other.example", issuer=root, names=["other.example"], addresses=[]),
        "expired": pki.leaf(issuer=root, days=(-60, -1)),
        "wrong-purpose": pki.leaf(issuer=root, purpose="tls_www_client"),
    }
    made = {kind: context_for(identity) for kind, identity in kinds.items()}
    old = context_for(kinds["trusted"])
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    return {**made, "old-tls": old}


def context_for(identity):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.chain, identity.key)
    return context
