# SPDX-License-Identifier: Apache-2.0
"""tokens.py - an authorization server inside the test: https, client credentials, metadata, and introspection for a mail server.

    with Tokens(identity) as tokens:
        tokens.authenticator("plant")           # what an account of Postern is given
        tokens.requests                         # [(path, headers, form)] of the token endpoint
        tokens.answers["/token"] = (503, {}, b"")       # until it is deleted again; also a function that makes one
        tokens.revoke()                         # every token that it gave so far

It is scripted because most of what is to be seen are answers that no real one gives.
"""

import base64
import http.server
import json
import secrets
import ssl
import threading
import time
import urllib.parse

CLIENT, SECRET = "post:room", "s3cret & more/"
METADATA = "/.well-known/openid-configuration"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        if self.server.context:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def do_GET(self):
        self.server.owner.answer(self, "")

    def do_POST(self):
        self.server.owner.answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def log_message(self, *_):
        pass


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass                # who doesn't trust the certificate goes away


class Tokens:
    def __init__(self, identity):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.chain, identity.key)
        self.listeners = [self.listen(self.context), self.listen(None)]
        self.port, self.plain_port = (one.server_address[1] for one in self.listeners)
        self.issuer = f"https://localhost:{self.port}"
        self.lock = threading.Lock()
        self.life = 3600
        self.requests, self.metadata_requests, self.answers = [], 0, {}
        self.given, self.more = {}, {}
        self.pause = 0
        self.methods = None

    def listen(self, context):
        listener = Listener(("127.0.0.1", 0), Handler)
        listener.context, listener.owner = context, self
        return listener

    def __enter__(self):
        for listener in self.listeners:
            threading.Thread(target=listener.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        for listener in self.listeners:
            listener.shutdown()
            listener.server_close()

    def authenticator(self, mailbox, **more):
        return {"type": "oauth2", "provider": "custom", "grant": "clientCredentials", "username": mailbox, "clientId": CLIENT,
                "clientSecret": SECRET, "scope": "mail send", "metadataUrl": self.issuer + METADATA, **more}

    def metadata(self, **more):
        return {"issuer": self.issuer, "token_endpoint": self.issuer + "/token",
                **({"token_endpoint_auth_methods_supported": self.methods} if self.methods else {}), **more}

    def is_good(self, token):
        return self.given.get(token, 0) > time.monotonic()

    def revoke(self):
        with self.lock:
            self.given.clear()

    # ---- answering ----

    def answer(self, handler, body):
        path = handler.path.partition("?")[0]
        form = dict(urllib.parse.parse_qsl(body))
        with self.lock:
            if path == "/token":
                self.requests.append((path, dict(handler.headers), form))
            self.metadata_requests += path == METADATA
        told = self.answers.get(path)
        if told is None:
            told = {METADATA: self.tell_metadata, "/token": self.give, "/introspect": self.introspect}.get(path, self.nothing)
        status, headers, content = told(handler, form) if callable(told) else told
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        try:
            handler.wfile.write(content)
        except OSError:
            pass            # an answer that is too large isn't read to its end

    def tell_metadata(self, *_):
        return json_answer(self.metadata())

    def nothing(self, *_):
        return 404, {"Content-Type": "text/plain"}, b"Not here."

    def give(self, handler, form):
        time.sleep(self.pause)
        scheme, _, pair = handler.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            name, _, secret = base64.b64decode(pair).decode().partition(":")
            name, secret = urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(secret)
        else:
            name, secret = form.get("client_id"), form.get("client_secret")
        if (name, secret) != (CLIENT, SECRET) or form.get("grant_type") != "client_credentials":
            return json_answer({"error": "invalid_client", "error_description": "Who are you?"}, 401)
        token = secrets.token_urlsafe(24)
        with self.lock:
            self.given[token] = time.monotonic() + self.life
        return json_answer({"access_token": token, "token_type": "bearer", "expires_in": self.life, **self.more})

    def introspect(self, handler, form):
        """RFC 7662. One application opens every mailbox, so the name in it is nobody's."""
        token = form.get("token") or urllib.parse.parse_qs(handler.path.partition("?")[2]).get("token", [""])[0]
        return json_answer({"active": "true", "username": "everybody"} if self.is_good(token) else {"active": "false"})


def json_answer(content, status=200, **headers):
    return status, headers, json.dumps(content).encode()
