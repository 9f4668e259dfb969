# SPDX-License-Identifier: Apache-2.0
"""sse.py - a listener to Server-Sent Events, as the HTML standard reads them (section 9.2).

    with Stream(postern.port, headers, "/api/v1/events") as stream:
        event = stream.next()           # Event(id, type, data) with data decoded; None when the server ended the stream
        stream.until(lambda event: event.type == "message.sent")
        stream.last_id                  # where to resume

It reads nothing but the head until it is asked for the first event.
"""

import collections
import http.client
import json
import queue
import threading
import time

Event = collections.namedtuple("Event", "id type data")
PATIENCE = 60
LONGEST = 600


class Stream:
    def __init__(self, port, headers=None, path="/api/v1/events", last_id=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
        sent = {"Accept": "text/event-stream", **(headers or {})}
        if last_id is not None:
            sent["Last-Event-ID"] = str(last_id)
        self.connection.request("GET", path, headers=sent)
        self.response = self.connection.getresponse()
        self.status, self.headers = self.response.status, self.response.headers
        self.last_id = None
        self.comments = 0
        self.blocks = queue.Queue()
        self.reader = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.response.fp.raw._sock.shutdown(2)      # the connection has given it to the response
        except (AttributeError, OSError):
            pass
        if self.reader is not None:
            self.reader.join(PATIENCE)
        self.connection.close()

    def line(self):
        """None at the end of the stream."""
        try:
            line = self.response.readline()
        except (http.client.HTTPException, OSError, ValueError, AttributeError):
            line = b""
        return line.decode("utf-8").rstrip("\r\n") if line.endswith(b"\n") else None

    def read(self):
        fields = {}
        while (line := self.line()) is not None:
            if line == "":
                self.blocks.put(fields)
                fields = {}
            elif line.startswith(":"):
                self.comments += 1
            else:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                fields[name] = fields[name] + "\n" + value if name == "data" and "data" in fields else value
        self.blocks.put(None)

    def next(self, seconds=PATIENCE):
        """The next event; TimeoutError when none comes."""
        if self.reader is None:
            self.reader = threading.Thread(target=self.read, daemon=True)
            self.reader.start()
        deadline = time.monotonic() + seconds
        while True:
            try:
                fields = self.blocks.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty as error:
                raise TimeoutError("no event came") from error
            if fields is None:
                self.blocks.put(None)
                return None
            if "id" in fields:
                self.last_id = int(fields["id"])
            if "data" in fields:
                return Event(int(fields["id"]), fields.get("event", "message"), json.loads(fields["data"]))

    def until(self, good, seconds=PATIENCE):
        """(the events on the way, the one that is good)."""
        seen, deadline = [], time.monotonic() + seconds
        while time.monotonic() < deadline:
            event = self.next(max(0, deadline - time.monotonic()))
            if event is None:
                raise RuntimeError(f"the stream ended after {seen}")
            if good(event):
                return seen, event
            seen.append(event)
        raise TimeoutError(f"it didn't come; {seen}")

    def take(self, count, seconds=PATIENCE):
        return [self.next(seconds) for _ in range(count)]
