#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""GET of one account with a bearer token, against nginx that serves the same bytes and checks the same token.

nginx is measured twice: from a file (open_file_cache, sendfile, its own ETag: how nginx serves bytes), and from its
configuration (`return 200`, the fastest that it can do). Both send our headers too, so that the answers are equal in length.
"""

from bench import (Scratch, Server, alternate, bearer, compare, free_port, headline, scaled, start_postern, wrk)

SECONDS = scaled(4)
PATH = "/api/v1/accounts/alerts"
SKIPPED = {"connection", "content-length", "date", "server", "etag", "last-modified", "content-type", "x-request-id"}


class Nginx(Server):
    def __init__(self, folder, body, headers, token):
        super().__init__(folder)
        self.ports = {"file": free_port(), "memory": free_port()}
        extra = "".join(f'add_header {name} "{value}";\n' for name, value in headers if name.lower() not in SKIPPED)
        if any(name.lower() == "x-request-id" for name, _ in headers):
            extra += "add_header X-Request-Id $request_id;\n"
        self.write("account.json", body)
        quoted = body.replace("\\", "\\\\").replace("'", "\\'")
        self.write("nginx.conf", f"""
daemon off;
worker_processes auto;
pid {self.path("pid")};
error_log {self.path("log")} error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    map_hash_bucket_size 256;
    default_type application/json;
    keepalive_requests 1000000000;
    client_body_temp_path {self.path("body")};
    proxy_temp_path {self.path("proxy")};
    fastcgi_temp_path {self.path("fastcgi")};
    uwsgi_temp_path {self.path("uwsgi")};
    scgi_temp_path {self.path("scgi")};
    sendfile on;
    tcp_nopush on;
    open_file_cache max=100 inactive=1h;
    open_file_cache_valid 1h;
    open_file_cache_min_uses 1;
    map $http_authorization $known {{ default 0; "Bearer {token}" 1; }}
    {extra}
    server {{
        listen 127.0.0.1:{self.ports["file"]};
        location / {{ if ($known = 0) {{ return 401; }} root {self.folder}; try_files /account.json =404; }}
    }}
    server {{
        listen 127.0.0.1:{self.ports["memory"]};
        location / {{ if ($known = 0) {{ return 401; }} return 200 '{quoted}'; }}
    }}
}}
""")

    def start(self):
        self.launch("nginx", "-c", self.path("nginx.conf"), "-p", self.folder, "-e", self.path("log"))


def main():
    headline(f"get-account: GET {PATH} with a token, wrk -t1 -c32, {SECONDS} s a round")
    with Scratch() as scratch:
        postern = start_postern(scratch)
        api = postern.api
        made = api.post("/api/v1/accounts", {"name": "alerts", "type": "OutgoingAccount", "hostname": "mail.example.com", "useSsl": True,
                                             "emailAuthenticator": {"type": "basic", "username": "plant", "password": "secret"}})
        assert made.status == 201, made
        answer = api.get(PATH)
        token = bearer(postern.admin)
        nginx = Nginx(scratch.path("nginx"), answer.text, answer.headers.items(), postern.admin)
        scratch.start(nginx)
        measure(postern.port, nginx.ports, answer, token)


def measure(port, nginx, answer, token):
    def get(where, *headers):
        return lambda: wrk(where, PATH, [token, *headers], SECONDS)

    match = f"If-None-Match: {answer.etag}"
    print(f"  {len(answer.body)} bytes of body")
    figures = alternate({"postern": get(port), "nginx, file": get(nginx["file"]), "nginx, memory": get(nginx["memory"]),
                         "postern, 304": get(port, match)})
    compare("200", "requests/s", figures, "postern", "nginx, file", 1.0)
    compare("200", "requests/s", figures, "postern", "nginx, memory")
    compare("304", "requests/s", figures, "postern, 304", "postern", 1.0)


if __name__ == "__main__":
    main()
