# SPDX-License-Identifier: Apache-2.0
"""receiver.py - an HTTP server inside the test, for webhooks: keeps what it is sent and answers as it is told.

    with Receiver() as receiver:                    # or Receiver(identity): HTTPS
        ...                                         # posts to receiver.url
        receiver.wait(3)                            # [Request(path, headers, body, at)], oldest first
        receiver.answer = (500, {}, b"")            # from now on; or a function of the Request that gives one
        receiver.answer = "CLOSE"                   # hangs up instead
        receiver.hold()                             # nothing is answered until release()
        receiver.more = b"x" * 65536                # sent again and again after the body, without end
"""

import base64
import collections
import hashlib
import hmac
import http.server
import json
import socketserver
import ssl
import threading
import time

Request = collections.namedtuple("Request", "path headers body at")
PATIENCE = 60


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


class Receiver:
    def __init__(self, identity=None, port=0):
        self.identity = identity
        self.requests = []
        self.answer = (200, {}, b"")
        self.more = None
        self.connections = 0
        self.changed = threading.Condition()
        self.open = threading.Event()
        self.open.set()
        self.port = port
        self.server = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook" if self.identity is None else f"https://localhost:{self.port}/hook"

    def start(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                receiver.connections += 1

            def do_POST(self):
                receiver.take(self)

            do_GET = do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.identity is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.identity.cert, self.identity.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        self.open.set()
        self.more = None
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def take(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        request = Request(handler.path, handler.headers, body, time.time())
        with self.changed:
            self.requests.append(request)
            answer = self.answer(request) if callable(self.answer) else self.answer
            self.changed.notify_all()
        self.open.wait(PATIENCE)
        if answer == "CLOSE":
            handler.close_connection = True
            return
        status, headers, content = answer
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if self.more is None:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
        while self.more is not None:
            handler.wfile.write(self.more)

    def hold(self):
        self.open.clear()

    def release(self):
        self.open.set()

    def wait(self, count, seconds=PATIENCE):
        """The requests, once there are so many, or when the time is up."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while len(self.requests) < count and time.monotonic() < deadline:
                self.changed.wait(max(0.01, deadline - time.monotonic()))
            return list(self.requests)

    def events(self):
        return [json.loads(request.body) for request in self.requests]


def signed(request, secret):
    """As Standard Webhooks says: v1, and the HMAC-SHA256 of "id.timestamp.body" under the bytes behind whsec_."""
    content = b"%s.%s.%s" % (request.headers["webhook-id"].encode(), request.headers["webhook-timestamp"].encode(),
                             request.body)
    right = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()
    version, _, given = request.headers["webhook-signature"].partition(",")
    return version == "v1" and hmac.compare_digest(base64.b64decode(given), right)
