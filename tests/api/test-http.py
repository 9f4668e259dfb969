#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The web side seen from outside: what isn't a good request, who may ask from where, headers, health, the page itself."""

import json
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from postern import Postern
from tap import diag, is_, main, ok

ACCOUNTS = "/api/v1/accounts"
OUT = "OutgoingAccount"
JSON = {"Content-Type": "application/json"}
PATCH = {"Content-Type": "application/merge-patch+json"}


def talk(port, data, seconds=10):
    """Everything that comes back until the server closes, or is quiet for a moment."""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        try:
            connection.sendall(data)
        except OSError:
            pass
        received = b""
        connection.settimeout(0.5)
        try:
            while piece := connection.recv(65536):
                received += piece
            return received, True
        except TimeoutError:
            return received, False
        except OSError:
            return received, True


def statuses(received):
    return [int(one) for one in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


def bodies():
    with Postern() as postern:
        api, path = postern.api, ACCOUNTS + "/alerts"
        api.put(path, {"type": OUT})
        etag = api.get(path).etag
        for data, status, name in (
                (b"", 400, "nothing"), (b"{", 400, "half an object"), (b'{"a":1,}', 400, "a comma too many"),
                (b"{'a':1}", 400, "wrong quotes"),
                (b'{"description":"\xff\xfe"}', 400, "invalid UTF-8"),
                (b'{"description":"\xc0\xaf"}', 400, "overlong UTF-8"),
                (b'{"description":"\xed\xa0\x80"}', 400, "a surrogate in UTF-8"),
                (b'{"description":"\\ud800"}', 400, "half a surrogate pair"),
                (b'{"description":"a\\u0000b"}', 400, "a zero character"),
                (b'{"description":"a\nb"}', 400, "a bare line feed in a string"),
                (b'{"port":1,"port":2}', 400, "a member twice"), (b'{"port":1} x', 400, "something after it"),
                (b'\xef\xbb\xbf{}', 400, "a byte order mark"),
                (b'{"port":NaN}', 400, "NaN"), (b'{"port":1e999}', 400, "a number too large"),
                (b'{"port":' + b"9" * 400 + b"}", 400, "a very long number"),
                (b"[" * 100_000, 400, "a hundred thousand brackets"),
                (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400, "fifty thousand levels"),
                (b"[]", 422, "an array"), (b'"x"', 422, "a string"), (b"5", 422, "a number"), (b"null", 422, "null"),
                (b"true", 422, "true")):
            for method in ("PUT", "PATCH"):
                answer = api.request(method, path, data=data, headers=JSON)
                good = (answer.status in (400, 422)
                        if name in ("a string", "a number", "null", "true") else answer.status == status) and \
                    answer.headers["Content-Type"] == "application/problem+json"
                if not ok(good, f"{method}: {name}"):
                    diag(repr(answer))
        is_(api.get(path).etag, etag, "nothing was changed")
        answer = api.put(path, data=b'{\n  "port": 25,\n  x\n}', headers=JSON)
        ok("line 3" in answer.json["detail"], "the place is told")
        for media, status in (("text/plain", 415), ("application/xml", 415), ("application/jsonx", 415),
                              ("json", 415), ("application/x-www-form-urlencoded", 415),
                              ("multipart/form-data; boundary=x", 415), (None, 415), ("", 415),
                              ("application/json; charset=utf-8", 200), ("APPLICATION/JSON", 200),
                              ("application/merge-patch+json", 200)):
            answer = api.patch(path, data=b"{}", headers={"Content-Type": media})
            is_((answer.status, answer.headers["Content-Type"]),
                (status, "application/json" if status == 200 else "application/problem+json"),
                f"Content-Type: {media}")
        answer = api.patch(path, data=b"{}", headers={"Content-Type": "text/plain"})
        ok("application/merge-patch+json" in answer.json["detail"]
           and "application/merge-patch+json" in answer.headers["Accept-Patch"], "what would be right is told")
        is_(api.patch(path, data=b"{}", headers={**PATCH, "Content-Encoding": "gzip"}).status, 415,
            "a Content-Encoding")
        for size, method in ((40 << 20, "PUT"), (40 << 20, "PATCH"), ((1 << 20) + 1, "PUT")):
            answer = api.request(method, path, data=b'{"description":"' + b"x" * size + b'"}', headers=JSON)
            is_((answer.status, answer.headers["Content-Type"]), (413, "application/problem+json"),
                f"{method} of {size} bytes")
        answer = api.put(path, data=iter([b"x" * 65536] * 640), headers=JSON)
        is_(answer.status, 413, "40 MB in chunks, too")
        is_(api.put("/api/v1/session", data=b"x" * 20000, headers=JSON).status, 405,
            "a method that isn't there comes first")
        is_(postern.anonymous().post("/api/v1/session", data=b"x" * 20000, headers=JSON).status, 413,
            "a log-in is small")
        description = "\u20ac\U0001f600 Größe\u2028 \"quoted\" \\ \t tab \u007f"
        answer = api.patch(path, {"description": description})
        if answer.status == 200:
            is_(api.get(path).json["description"], description, "any character comes back as it was")
        else:
            ok(answer.codes()[0][0] == "/description", "a control character is refused by name")
        is_(api.get(path).status, 200, "and all is well")


def framing():
    """Two readings of one request are how requests are smuggled past a proxy: refused, and the connection closed."""
    with Postern() as postern:
        token = postern.token()
        head = f"Host: 127.0.0.1:{postern.port}\r\nAuthorization: Bearer {token}\r\n".encode()
        body = b'{"name":"smuggled","type":"OutgoingAccount"}'
        length = b"Content-Length: %d\r\n" % len(body)
        post = b"POST /api/v1/accounts HTTP/1.1\r\n" + head + b"Content-Type: application/json\r\n"
        get = b"GET /healthz HTTP/1.1\r\n" + head + b"\r\n"
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        for name, request in (
                ("two lengths", post + length + b"Content-Length: 5\r\n\r\n" + body),
                ("the same length twice", post + length + length + b"\r\n" + body),
                ("a list of lengths", post + b"Content-Length: 44, 44\r\n\r\n" + body),
                ("a length with a sign", post + b"Content-Length: +44\r\n\r\n" + body),
                ("a negative length", post + b"Content-Length: -1\r\n\r\n" + body),
                ("a length in hex", post + b"Content-Length: 0x2c\r\n\r\n" + body),
                ("a huge length", post + b"Content-Length: 99999999999999999999999\r\n\r\n" + body),
                ("length and chunks", post + length + b"Transfer-Encoding: chunked\r\n\r\n" + chunked),
                ("chunks twice",
                 post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked),
                ("an unknown coding", post + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked),
                ("identity", post + b"Transfer-Encoding: identity\r\n" + length + b"\r\n" + body),
                ("two hosts", post + b"Host: other.example\r\n" + length + b"\r\n" + body),
                ("a space before the colon", post + b"Content-Length : 44\r\n\r\n" + body),
                ("a bare CR", post + b"X-A: b\rX-B: c\r\n" + length + b"\r\n" + body),
                ("no host",
                 post.replace(b"Host: 127", b"X-Host: 127") + length + b"\r\n" + body)):
            received, closed = talk(postern.port, request + get)
            codes = statuses(received)
            # libmicrohttpd writes the head of an answer of its own twice: the same, and then it closes.
            if not ok(len(set(codes)) <= 1 and all(400 <= code < 600 for code in codes) and closed,
                      f"{name}: refused and closed"):
                diag(f"{codes} closed={closed} {received[:600]!r}")
        is_(postern.api.get(ACCOUNTS + "/smuggled").status, 404, "none of them came through")
        received, _ = talk(postern.port, get * 3)
        is_(statuses(received), [200, 200, 200], "three requests at once are answered in turn")
        received, _ = talk(postern.port, post + b"Transfer-Encoding: chunked\r\n\r\n" + chunked + get)
        is_(statuses(received), [201, 200], "a chunked body is a body; the connection lives on")
        received, _ = talk(postern.port, post + b"Expect: 100-continue\r\n" + length + b"\r\n" + body)
        is_(statuses(received)[-1], 409, "Expect: 100-continue")
        many = b"".join(b"X-%d: y\r\n" % i for i in range(20_000))
        for name, request in (("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n"),
                              ("no version", b"GET /healthz\r\n\r\n"),
                              ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                              ("a very long path", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n" + head + b"\r\n"),
                              ("very many headers", b"GET /healthz HTTP/1.1\r\n" + head + many + b"\r\n")):
            received, _ = talk(postern.port, request)
            ok(all(400 <= code < 600 for code in statuses(received)), f"{name}: {statuses(received)}")
        is_(postern.api.get("/healthz").status, 200, "the server lives")


def who_and_where():
    with Postern() as postern:
        token = postern.token()
        port = postern.port

        def status(host=None, origin=None, method="GET", path="/api/v1/accounts", cookie=None, csrf=None, site=None,
                   bearer=True):
            headers = {"Host": host or f"127.0.0.1:{port}", "Origin": origin, "Cookie": cookie, "X-CSRF-Token": csrf,
                       "Sec-Fetch-Site": site,
                       "Authorization": f"Bearer {token}" if bearer else None}
            return postern.anonymous().request(method, path, {"name": "x", "type": OUT} if method == "POST" else None,
                                               headers=headers).status

        for host, expected in ((f"localhost:{port}", 200), (f"LOCALHOST:{port}", 200), ("127.0.0.1", 200),
                               (f"[::1]:{port}", 200), ("evil.example", 421),
                               (f"evil.example:{port}", 421), ("localhost.evil.example", 421), ("", 400),
                               ("a b", 400), ("a/b", 400), ("user@127.0.0.1", 400)):
            is_(status(host=host) if host else 400, expected, f"Host: {host}")
        for path in ("/", "/healthz", "/metrics", "/api/v1/openapi.json"):
            is_(status(host="evil.example", path=path), 421, f"another host's {path}")
        for origin, expected in ((f"http://127.0.0.1:{port}", 409), ("http://evil.example", 403), ("null", 403),
                                 (f"http://127.0.0.1:{port + 1}", 403),
                                 (f"http://localhost:{port}", 403), ("file://", 403), ("", 403)):
            postern.api.put(ACCOUNTS + "/x", {"type": OUT})
            is_(status(origin=origin, method="POST"), expected, f"a write from {origin or 'nowhere'}")
        is_(status(site="cross-site", method="POST"), 403, "Sec-Fetch-Site: cross-site")
        is_(status(site="same-origin", method="POST"), 409, "same-origin")
        is_(status(origin="http://evil.example"), 200, "reading is no write")
        person = postern.login()
        cookie, csrf = person.headers["Cookie"], person.headers["X-CSRF-Token"]
        here = f"http://127.0.0.1:{port}"
        is_(status(bearer=False, cookie=cookie, csrf=csrf, origin=here, method="POST"), 409,
            "a session with its token")
        is_(status(bearer=False, cookie=cookie, origin=here, method="POST"), 403, "without")
        is_(status(bearer=False, cookie=cookie, csrf="x" * 43, origin=here, method="POST"), 403, "with another")
        is_(status(bearer=False, cookie=cookie), 200, "reading takes none")
        is_(status(bearer=False, cookie="x" + cookie), 401, "no session")
        is_(status(bearer=False), 401, "nobody")
        answer = postern.anonymous().get(ACCOUNTS)
        ok("Bearer" in answer.headers["WWW-Authenticate"] and answer.headers["Cache-Control"] == "no-store",
           "401 says how, and isn't kept")
        for field in ("Bearer", "Bearer ", "Bearer x", f"Basic {token}", f"bearer  {token}x", "x" * 5000):
            is_(postern.anonymous().get(ACCOUNTS, {"Authorization": field}).status, 401,
                f"Authorization: {field[:12]}")
        is_(postern.anonymous().get(ACCOUNTS, {"Authorization": f"bearer {token}"}).status, 200,
            "the scheme in any case")
        is_(postern.anonymous().get(f"{ACCOUNTS}?token={token}").status, 401, "never in the address")


def headers():
    with Postern() as postern:
        api = postern.api
        api.put(ACCOUNTS + "/alerts", {"type": OUT})
        for name, answer in (("JSON", api.get(ACCOUNTS + "/alerts")), ("a problem", api.get(ACCOUNTS + "/nobody")),
                             ("no body", api.delete(ACCOUNTS + "/alerts")),
                             ("no rights", postern.anonymous().get(ACCOUNTS)),
                             ("the page", postern.anonymous().get("/")), ("nothing", api.get("/nothing"))):
            csp = answer.headers["Content-Security-Policy"] or ""
            ok("default-src 'none'" in csp and "unsafe" not in csp and "frame-ancestors 'none'" in csp,
               f"{name}: a strict CSP")
            ok(answer.headers["X-Content-Type-Options"] == "nosniff"
               and answer.headers["Referrer-Policy"] == "no-referrer", "  nosniff, no-referrer")
            ok(re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-Id"]), "  a request id")
            is_((answer.headers["Server"], answer.headers["Access-Control-Allow-Origin"]), (None, None),
                "  no version, no foreign readers")
        is_(api.get(ACCOUNTS, {"X-Request-Id": "order-4711.x_y"}).headers["X-Request-Id"], "order-4711.x_y",
            "a request id is taken over")
        for bad in ("a b", "x" * 200, "<script>", ""):
            ok(re.fullmatch(r"[0-9a-f]{16}", api.get(ACCOUNTS, {"X-Request-Id": bad}).headers["X-Request-Id"]),
               f"unless it is none: {bad:.9}")
        api.put(ACCOUNTS + "/alerts", {"type": OUT})
        head, get = api.request("HEAD", ACCOUNTS + "/alerts"), api.get(ACCOUNTS + "/alerts")
        is_((head.status, head.body, head.headers["Content-Length"], head.etag),
            (200, b"", get.headers["Content-Length"], get.etag), "HEAD is GET without the body")
        answer = api.request("OPTIONS", ACCOUNTS + "/alerts")
        is_((answer.status, answer.headers["Allow"]), (204, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"), "OPTIONS")
        for method in ("TRACE", "CONNECT", "PROPFIND", "get"):
            ok(api.request(method, ACCOUNTS + "/alerts").status in (400, 405, 501), f"{method} isn't for us")
        is_(api.get(ACCOUNTS + "/alerts?" + "&".join(f"a{i}=b" for i in range(100))).status, 400,
            "a hundred parameters")
        is_(api.get(ACCOUNTS + "?limit=5&limit=600").status in (200, 422), True, "a parameter twice")
        is_(api.get(ACCOUNTS + "/%61lerts").status, 200, "an encoded letter is the letter")
        for path in ("/../etc/passwd", "/%2e%2e/etc/passwd", "//api/v1/accounts", "/api/v1/../v1/accounts",
                     "/api/v1/accounts/%2e%2e"):
            ok(api.get(path).status in (400, 404), f"no way round: {path}")


def health():
    with Postern() as postern:
        nobody = postern.anonymous()
        is_((nobody.get("/healthz").json, nobody.get("/healthz").status), ({"status": "ok"}, 200), "/healthz")
        is_(nobody.get("/readyz").status, 200, "/readyz")
        postern.api.put(ACCOUNTS + "/alerts", {"type": OUT})
        answer = nobody.get("/metrics")
        ok(answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"),
           "/metrics in Prometheus' format")
        names = set()
        for line in answer.text.splitlines():
            found = re.fullmatch(r'# (HELP|TYPE) ([a-z_]+) (.+)|([a-z_]+)(\{[a-z]+="[^"]*"\})? -?[0-9.e+]+', line)
            if not found:
                ok(False, f"a line of it: {line}")
            elif found.group(4):
                names.add(found.group(4))
        ok({"postern_accounts", "postern_account_queue_size", "postern_http_responses_total",
            "process_resident_memory_bytes"} <= names, "with what counts")
        ok('postern_accounts{state="fault"} 1' in answer.text, "and it counts")


def the_page():
    with Postern() as postern:
        nobody = postern.anonymous()
        page = nobody.get("/")
        is_((page.status, page.headers["Content-Type"].split(";")[0]), (200, "text/html"), "the page")
        ok("<script>" not in page.text and "style=" not in page.text and " onclick" not in page.text,
           "nothing in it that the CSP would stop")
        files = re.findall(r'(?:src|href)="(/?[^":]+\.(?:js|css|svg))"', page.text)
        ok(files, "scripts and styles are files")
        for name in files:
            path = "/" + name.lstrip("/.")
            answer = nobody.get(path)
            ok(answer.status == 200 and answer.etag, f"{path}: with an ETag")
            is_(nobody.get(path, {"If-None-Match": answer.etag}).status, 304, "  304")
            packed = nobody.get(path, {"Accept-Encoding": "gzip, br"})
            ok(packed.headers["Content-Encoding"] in (None, "gzip", "br")
               and (packed.headers["Content-Encoding"] is None or
               len(packed.body) < len(answer.body)),
               f"  as {packed.headers['Content-Encoding']}: {len(packed.body)} of {len(answer.body)} bytes")
            is_(nobody.post(path, {}).status, 405, "  is only read")


def at_the_same_time():
    """Clients that are slow or gone don't hold up others."""
    with Postern() as postern:
        api = postern.api
        idle = [socket.create_connection(("127.0.0.1", postern.port)) for _ in range(50)]
        for number, connection in enumerate(idle):
            connection.sendall((b"", b"GET /api/v1/acc",
                                b"PUT /api/v1/accounts/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")[number % 3])
        started = time.monotonic()
        for _ in range(20):
            api.get(ACCOUNTS)
        spent = time.monotonic() - started
        ok(spent < 5, f"fifty that dawdle hold up nobody ({spent:.2f} s)")
        for connection in idle:
            connection.close()
        keep = api.clone(keep=True)
        is_({keep.put(f"{ACCOUNTS}/k{i}", {"type": OUT}).status for i in range(20)}, {201},
            "twenty writes over one connection")
        is_({keep.get(f"{ACCOUNTS}/k{i}").status for i in range(20)}, {200}, "and twenty reads")
        keep.close()
        body = json.dumps({"name": "gone", "type": OUT}).encode()
        with socket.create_connection(("127.0.0.1", postern.port)) as connection:
            connection.sendall(f"POST {ACCOUNTS} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {postern.token()}\r\nContent-Type: application/json\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        is_(api.until(ACCOUNTS + "/gone", lambda json: True, 5).status, 200,
            "a client that doesn't wait for its answer")


main(bodies, framing, who_and_where, headers, health, the_page, at_the_same_time)
