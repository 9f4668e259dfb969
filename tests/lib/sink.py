#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sink.py - a fast SMTP server that takes everything and writes down what it took.

    with Sink(folder) as sink:
        ...                         # send to 127.0.0.1:sink.port
        sink.taken()                # [(X-Test-Id, Message-ID, number of recipients)], in the order they came

A message is written down when its last byte has come and before it is acknowledged, so a sender that dies in
between will send it again. It runs as a process of its own: the test's threads must not slow it down.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys

if __name__ != "__main__":
    from servers import free_port, wait_for_port

HEADER = re.compile(rb"^(X-Test-Id|Message-ID):[ \t]*(?:\r\n[ \t]+)?([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class Session(asyncio.Protocol):
    def __init__(self, record, delay):
        self.record, self.delay = record, delay
        self.buffer = b""
        self.in_data = False
        self.recipients = 0

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"220 sink.example.test ESMTP\r\n")

    def data_received(self, data):
        self.buffer += data
        while self.message() if self.in_data else self.command():
            pass

    def command(self):
        line, end, rest = self.buffer.partition(b"\r\n")
        if not end:
            return False
        self.buffer = rest
        word = line[:4].upper()
        if word == b"EHLO":
            self.reply(b"250-sink.example.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 50000000")
        elif word == b"RCPT":
            self.recipients += 1
            self.reply(b"250 2.1.5 Ok")
        elif word == b"DATA":
            self.in_data = True
            self.reply(b"354 Go ahead")
        elif word == b"QUIT":
            self.reply(b"221 2.0.0 Bye")
            self.transport.close()
            return False
        else:
            if word in (b"MAIL", b"RSET"):
                self.recipients = 0
            self.reply(b"250 2.0.0 Ok")
        return True

    def message(self):
        content, end, rest = self.buffer.partition(b"\r\n.\r\n")
        if not end:
            return False
        self.buffer, self.in_data = rest, False
        head = content.partition(b"\r\n\r\n")[0]
        found = {name.lower(): value.strip() for name, value in HEADER.findall(head)}
        line = b"%s\t%s\t%d\n" % (found.get(b"x-test-id", b""), found.get(b"message-id", b""), self.recipients)
        os.write(self.record, line)
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.reply, b"250 2.0.0 Ok: taken")
        else:
            self.reply(b"250 2.0.0 Ok: taken")
        return True

    def reply(self, text):
        if not self.transport.is_closing():
            self.transport.write(text + b"\r\n")


class Sink:
    def __init__(self, folder, delay=0.0):
        """delay: seconds before a message is acknowledged; it widens the window in which a kill hurts."""
        self.record = os.path.join(folder, "sink-record")
        self.port = free_port()
        self.delay = delay
        self.process = None

    def start(self):
        self.process = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), str(self.port), self.record,
                                         str(self.delay)])
        wait_for_port(self.port, self.process)
        return self

    def taken(self):
        with open(self.record, encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").split("\t") for line in file]
        return [(test_id, message_id, int(count)) for test_id, message_id, count in lines]

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.process = None

    __enter__ = start

    def __exit__(self, *_):
        self.stop()


async def serve(port, record_path, delay):
    record = os.open(record_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(record, delay), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
