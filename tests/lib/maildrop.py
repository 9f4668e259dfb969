# SPDX-License-Identifier: Apache-2.0
"""maildrop.py - a POP3 server inside the test, for what becomes of messages once they are here. (How they are fetched is
shown against real servers, in tests/real.)

    with Maildrop() as drop, Postern() as postern:
        drop.account(postern.api, "inbox")
        drop.put(b"Subject: x\\r\\n\\r\\nhello\\r\\n")       # more at any time; action("inbox", "poll") fetches them
"""

import socketserver
import threading


class Maildrop(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Session)
        self.port = self.server_address[1]
        self.messages = {}      # UIDL: content
        self.lock = threading.Lock()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def put(self, *contents):
        with self.lock:
            for content in contents:
                self.messages[f"u{len(self.messages) + 1}"] = content

    def account(self, api, name, **more):
        answer = api.put(f"/api/v1/accounts/{name}", {
            "type": "IncomingAccount", "hostname": "127.0.0.1", "transport": "pop3", "port": self.port, "pollrate": 3600,
            "allowCleartextAuth": True, "connectionTimeout": 20, "deliveryPolicy": "markAsUnread",
            "emailAuthenticator": {"type": "basic", "username": "u", "password": "p"}, **more})
        if answer.status not in (200, 201):
            raise RuntimeError(repr(answer))

    def fetch(self, api, name, *contents, seconds=60):
        """Puts messages there and waits until the account has received them all; answers its items, the newest first."""
        before = api.status(name)["numberReceived"]
        self.put(*contents)
        api.action(name, "poll")
        api.until(f"/api/v1/accounts/{name}/status", lambda json: json["numberReceived"] >= before + len(contents), seconds)
        path = f"/api/v1/messages?account={name}&limit=500"
        return api.until(path, lambda json: len(json["items"]) >= min(500, before + len(contents)), seconds).json["items"]


class Session(socketserver.StreamRequestHandler):
    timeout = 60

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def content(self, message, lines=None):
        head, _, body = message.partition(b"\r\n\r\n")
        if lines is not None:
            message = head + b"\r\n\r\n" + b"".join(body.splitlines(True)[:lines])
        stuffed = message.replace(b"\r\n.", b"\r\n..")
        self.say("+OK")
        self.wfile.write((b"." if stuffed.startswith(b".") else b"") + stuffed)
        self.wfile.write(b".\r\n" if stuffed.endswith(b"\r\n") or not stuffed else b"\r\n.\r\n")

    def listing(self, words, of):
        if len(words) > 1:
            self.say(f"+OK {words[1]} {of(int(words[1]) - 1)}")
            return
        self.say("+OK")
        for number in range(len(self.drop)):
            self.say(f"{number + 1} {of(number)}")
        self.say(".")

    def handle(self):
        with self.server.lock:
            self.drop = list(self.server.messages.items())
        self.say("+OK maildrop")
        try:
            while line := self.rfile.readline():
                words = line.decode("utf-8", "replace").split()
                if not words or not self.command(words[0].upper(), words):
                    return
        except OSError:
            pass

    def command(self, word, words):
        if word == "CAPA":
            self.wfile.write(b"+OK\r\nUSER\r\nUIDL\r\nTOP\r\n.\r\n")
        elif word == "STAT":
            self.say(f"+OK {len(self.drop)} {sum(len(content) for _, content in self.drop)}")
        elif word == "LIST":
            self.listing(words, lambda number: len(self.drop[number][1]))
        elif word == "UIDL":
            self.listing(words, lambda number: self.drop[number][0])
        elif word == "RETR":
            self.content(self.drop[int(words[1]) - 1][1])
        elif word == "TOP":
            self.content(self.drop[int(words[1]) - 1][1], int(words[2]))
        else:
            self.say("+OK")
        return word != "QUIT"
