#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The command line: options, exit codes, start and stop, backup, check, rekey (DESIGN 6)."""

import glob
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from postern import ADMIN_PASSWORD, Api, Postern, free_port, program
from tap import diag, is_, main, ok

SECRET = "hunter2 of the mail server"


def run(*arguments, environment=None, seconds=60):
    clean = {name: value for name, value in os.environ.items() if name not in ("STATE_DIRECTORY", "POSTERN_ADMIN_PASSWORD_FILE")}
    return subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=seconds, check=False,
                          stdin=subprocess.DEVNULL, env={**clean, **(environment or {})})


def usage():
    with tempfile.TemporaryDirectory() as state:
        for arguments, word in ((("frobnicate",), "frobnicate"), (("--frob",), "--frob"), (("serve", "--frob"), "--frob"),
                                (("serve", "--listen"), "ADDRESS:PORT"), (("serve", "extra"), "extra"), (("token",), "token"),
                                (("token", "frob"), "token frob"), (("token", "create"), "--name"), (("backup",), "FILE"),
                                (("serve", "--listen", "here:1"), "here:1"), (("serve", "--listen", "127.0.0.1:70000"), "70000"),
                                (("serve", "--listen", "127.0.0.1"), "127.0.0.1"), (("serve", "--log-level", "loud"), "loud"),
                                (("serve", "--log-format", "xml"), "xml"),
                                (("token", "create", "--name", "x", "--role", "king", "--state-dir", state), "king"),
                                (("token", "create", "--name", "x", "--expires", "soon", "--state-dir", state), "soon"),
                                (("token", "create", "--name", "x" * 65, "--state-dir", state), "--name"),
                                (("token", "create", "--name", "x", "--account", "a/b", "--state-dir", state), "a/b")):
            done = run(*arguments)
            ok(done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1 and word in done.stderr,
               f"wrong usage: {' '.join(arguments)[:60]}") or diag(f"{done.returncode} {done.stdout} {done.stderr}")
        is_(os.listdir(state), [], "wrong usage leaves nothing behind")
    is_(run().returncode, 2, "no command")
    ok(re.fullmatch(r"postern \d+\.\d+\.\d+\n", run("version").stdout), "version")
    done = run("help")
    ok(done.returncode == 0 and "token create" in done.stdout, "help")
    for command in ("serve", "token create", "token list", "token delete", "user reset-password", "backup", "check", "rekey"):
        done = run(*command.split(), "--help")
        ok(done.returncode == 0 and "--state-dir" in done.stdout and done.stderr == "", f"{command} --help")


def first_start():
    with tempfile.TemporaryDirectory() as folder:
        state, port = os.path.join(folder, "state"), free_port()
        with open(os.path.join(folder, "out"), "w+", encoding="utf-8") as out:
            process = subprocess.Popen([program(), "serve", f"--state-dir={state}", "--listen", f"127.0.0.1:{port}"], stdout=out,
                                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                       env={name: value for name, value in os.environ.items() if name != "POSTERN_ADMIN_PASSWORD_FILE"})
            api, deadline, text = Api(port), time.monotonic() + 30, ""
            while "listens on" not in text and time.monotonic() < deadline:
                time.sleep(0.02)
                out.seek(0)
                text = out.read()
            ok(f"listens on http://127.0.0.1:{port}\n" in text, "says where it listens")
            password = re.search(r"^ +(\S+)$", text, re.M)
            ok(password, "prints a one-time password")
            answer = api.post("/api/v1/session", {"username": "admin", "password": password[1]})
            is_((answer.status, answer.json["mustChangePassword"]), (200, True), "which opens, and must be changed")
            for name in ("key", "postern.db", "lock"):
                is_(stat.S_IMODE(os.stat(os.path.join(state, name)).st_mode), 0o600, f"{name} is nobody else's")
            is_(stat.S_IMODE(os.stat(state).st_mode), 0o700, "nor is the directory")

            second = run("serve", "--state-dir", state, "--listen", f"127.0.0.1:{free_port()}")
            ok(second.returncode == 1 and str(process.pid) in second.stderr and state in second.stderr,
               "a second server is refused and told the first one's pid")
            process.send_signal(signal.SIGINT)
            is_(process.wait(30), 0, "SIGINT ends it with 0")
            with socket.create_server(("127.0.0.1", port)):
                taken = run("serve", "--state-dir", state, "--listen", f"127.0.0.1:{port}")
            ok(taken.returncode == 1 and str(port) in taken.stderr, "a port in use")


def refusals():
    with tempfile.TemporaryDirectory() as folder:
        state, empty = os.path.join(folder, "state"), os.path.join(folder, "empty")
        with open(empty, "w", encoding="utf-8"):
            pass
        for path, words in ((os.path.join(folder, "none"), "none"), (empty, "empty"), (folder, folder)):
            done = run("serve", "--state-dir", state, "--listen", "127.0.0.1:0", environment={"POSTERN_ADMIN_PASSWORD_FILE": path})
            ok(done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1, f"a password file that is none: {words}")
        for where in ("/proc/postern", "/dev/null/postern", os.path.join(empty, "x")):
            done = run("serve", "--state-dir", where)
            ok(done.returncode == 1 and where in done.stderr, f"a state directory that cannot be: {where}")
        done = run("check", "--state-dir", os.path.join(folder, "nowhere"))
        ok(done.returncode == 1 and "nowhere" in done.stderr and not os.path.exists(os.path.join(folder, "nowhere")),
           "check makes no state directory")

        is_(run("token", "create", "--name", "x", environment={"STATE_DIRECTORY": state + ":/other"}).returncode, 0, "$STATE_DIRECTORY")
        key = os.path.join(state, "key")
        os.chmod(key, 0o644)
        for command in (("serve", "--listen", "127.0.0.1:0"), ("check",), ("token", "create", "--name", "x")):
            done = run(*command, "--state-dir", state)
            ok(done.returncode == 1 and key in done.stderr and "0644" in done.stderr, f"{command[0]}: a key file that others may read")
        os.chmod(key, 0o600)
        os.rename(key, key + ".away")
        done = run("serve", "--state-dir", state)
        ok(done.returncode == 1 and key in done.stderr and not os.path.exists(key), "a lost key is not papered over")
        with open(key, "w", encoding="utf-8") as file:
            file.write("zz\n")
        os.chmod(key, 0o600)
        ok("damaged" in run("check", "--state-dir", state).stderr, "a damaged key")
        os.replace(key + ".away", key)
        is_(run("check", "--state-dir", state).returncode, 0, "all is well again")
        database = os.path.join(state, "postern.db")
        with sqlite3.connect(database) as connection:
            connection.execute("PRAGMA user_version=9999")
        connection.close()
        done = run("serve", "--state-dir", state)
        ok(done.returncode == 1 and "newer" in done.stderr, "a database of a newer version")


def with_secret(postern):
    answer = postern.api.post("/api/v1/accounts", {"name": "alerts", "type": "OutgoingAccount", "emailAuthenticator":
                                                   {"type": "basic", "username": "plant", "password": SECRET}})
    is_(answer.status, 201, "an account with a secret")


def has_secret(postern, name):
    answer = postern.api.get("/api/v1/accounts/alerts")
    ok(answer.status == 200 and answer.json["emailAuthenticator"]["passwordSet"], name)


def backup():
    with Postern() as postern:
        with_secret(postern)
        for words in ("while the server runs", "without a server"):
            target = os.path.join(postern.folder, words.replace(" ", "-"))
            postern.run("backup", target)
            is_(stat.S_IMODE(os.stat(target).st_mode), 0o600, f"a backup {words}")
            connection = sqlite3.connect(target)
            is_(connection.execute("PRAGMA integrity_check").fetchone()[0], "ok", "is whole")
            is_(connection.execute("SELECT count(*) FROM outgoing_account").fetchone()[0], 1, "and has the account")
            connection.close()
            with open(target, "rb") as file:
                ok(SECRET.encode() not in file.read(), "and no secret anyone could read")
            done = postern.run("backup", target, check=False)
            ok(done.returncode == 1 and target in done.stderr, "which is not overwritten")
            is_(postern.run("check").returncode, 0, f"check {words}")
            postern.stop()
        shutil.copy(os.path.join(postern.folder, "while-the-server-runs"), os.path.join(postern.state, "postern.db"))
        for suffix in ("-wal", "-shm"):
            if os.path.exists(os.path.join(postern.state, "postern.db" + suffix)):
                os.unlink(os.path.join(postern.state, "postern.db" + suffix))
        postern.start()
        has_secret(postern, "restored, it works")


def sealed(postern):
    connection = sqlite3.connect(os.path.join(postern.state, "postern.db"))
    rows = [row[0] for row in connection.execute("SELECT sealed FROM secret WHERE sealed IS NOT NULL ORDER BY owner, name, path")]
    connection.close()
    return rows


def rekey():
    with Postern() as postern:
        with_secret(postern)
        done = postern.run("rekey", check=False)
        ok(done.returncode == 1 and str(postern.process.pid) in done.stderr, "rekey beside a server is refused")
        postern.stop()
        key, following = os.path.join(postern.state, "key"), os.path.join(postern.state, "key.next")
        with open(key, encoding="utf-8") as file:
            first = file.read()
        before = sealed(postern)
        postern.run("rekey")
        with open(key, encoding="utf-8") as file:
            second = file.read()
        ok(first != second and not os.path.exists(following), "the key is another")
        ok(before and all(one not in before for one in sealed(postern)), "every secret is sealed anew")
        kept = glob.glob(key + ".old-*")
        is_(len(kept), 1, "the former key is kept")
        postern.start()
        has_secret(postern, "it works")
        postern.stop()

        # Cut off after the commit, before the files changed places.
        def cut_off():
            shutil.move(key, following)
            with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
                file.write(first)
        cut_off()
        is_(postern.run("check").returncode, 0, "cut off after the commit: a short command works")
        ok(os.path.exists(following), "and leaves the change to a server")
        postern.start()
        with open(key, encoding="utf-8") as file:
            is_(file.read(), second, "which finishes it")
        has_secret(postern, "it works")
        postern.stop()
        cut_off()
        postern.run("rekey")
        with open(key, encoding="utf-8") as file:
            ok(file.read() not in (first, second), "or another rekey does")
        # Cut off before the commit: the next key opens nothing yet.
        with open(os.open(following, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(second)
        postern.start()
        has_secret(postern, "cut off before the commit: the key opens everything")
        postern.stop()
        postern.run("rekey")
        postern.start()
        has_secret(postern, "and rekey works again")


def fingerprint(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as secure:
        return secure.getpeercert(True)


def https():
    port = free_port()
    with Postern(arguments=("--listen", f"0.0.0.0:{port}")) as postern:
        deadline = time.monotonic() + 10
        while "listens on" not in postern.log() and time.monotonic() < deadline:
            time.sleep(0.02)
        ok(f"listens on https://0.0.0.0:{port}" in postern.log(), "an address that isn't loopback is HTTPS")
        first = fingerprint(port)
        pem = ssl.DER_cert_to_PEM_cert(first)
        context = ssl.create_default_context(cadata=pem)
        with socket.create_connection(("127.0.0.1", port), 10) as plain, \
                context.wrap_socket(plain, server_hostname=socket.gethostname()) as secure:
            secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n" % (socket.gethostname().encode(), port))
            ok(secure.recv(100).startswith(b"HTTP/1.1 200"), "with a certificate to this host's name")
        postern.restart()
        ok(fingerprint(port) == first, "which stays over a restart")
        postern.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        ok(fingerprint(port) == first, "and over SIGHUP")
        is_(postern.api.patch("/api/v1/services/WebService", {"allowedHosts": ["gate.example.com"]}).status, 200, "another name")
        deadline = time.monotonic() + 10
        while (second := fingerprint(port)) == first and time.monotonic() < deadline:
            time.sleep(0.02)
        context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(second))
        with socket.create_connection(("127.0.0.1", port), 10) as plain, \
                context.wrap_socket(plain, server_hostname="gate.example.com") as secure:
            secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: gate.example.com\r\nConnection: close\r\n\r\n")
            answer = secure.recv(4096)
            ok(answer.startswith(b"HTTP/1.1 200"), "is in the certificate at once, without a restart")
            ok(b"Strict-Transport-Security" not in answer, "which nobody has vouched for")
        is_(postern.api.patch("/api/v1/services/WebService", {"httpsKey": "nobody"}).status, 422, "a key pair that is not there")
        ok(fingerprint(port) == second, "the certificate stays")
        connection = sqlite3.connect(os.path.join(postern.state, "postern.db"))
        everything = "\n".join(connection.iterdump())
        connection.close()
        ok("PRIVATE KEY" not in everything, "its private key is sealed")


def stopping():
    postern = Postern(arguments=("--log-format", "json", "--log-level", "debug"))
    with postern:
        postern.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        is_(postern.anonymous().get("/healthz").status, 200, "SIGHUP leaves it running")
        with open(f"/proc/{postern.process.pid}/limits", encoding="utf-8") as file:
            ok(re.search(r"Max core file size +0 +0", file.read()), "no core files")
        done = subprocess.run(["ss", "-Htln"], capture_output=True, text=True, check=False) if shutil.which("ss") else None
        if done:
            ok(f"127.0.0.1:{postern.port}" in done.stdout and f"0.0.0.0:{postern.port}" not in done.stdout, "listens on loopback only")
        lines = [line for line in postern.log().splitlines() if line.startswith("{")]
        ok(lines and all('"level"' in line for line in lines), "a log as JSON")
        begun = time.monotonic()
        postern.stop()
        ok(time.monotonic() - begun < 20, "SIGTERM ends it with 0 and soon")
        postern.start()
        is_(postern.login().get("/api/v1/session").json["username"], "admin", "all is there again")
        ok(ADMIN_PASSWORD not in postern.log(1_000_000), "no password in the log")


def post_until_closed(port, token, number, accepted, refused, faults):
    """Posts over one connection until the server ends it; the subjects of those that were answered go to `accepted` or `refused`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        for i in itertools.count():
            subject = f"client {number}, {i}"
            body = json.dumps({"from": "a@example.com", "to": ["b@example.com"], "subject": subject, "text": "x" * 2000})
            connection.request("POST", "/api/v1/accounts/alerts/messages", body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status not in (202, 503):
                faults.append(f"{answer.status} {content[:200]}")
            (accepted if answer.status == 202 else refused).append(subject)
            if answer.status != 202 or answer.will_close:
                break
    except TimeoutError:
        faults.append("no answer and no end")
    except (OSError, http.client.HTTPException):
        pass                            # the end: not a word, or the connection is gone
    finally:
        connection.close()


def stopping_under_load():
    """SIGTERM while 50 clients post: what was answered 202 is there, and nobody is left waiting."""
    with Postern() as postern:
        postern.api.post("/api/v1/accounts", {"name": "alerts", "type": "OutgoingAccount", "enabled": False, "allowDisabledQueuing": True})
        token, accepted, refused, faults = postern.token(), [], [], []
        idle = [socket.create_connection(("127.0.0.1", postern.port)) for _ in range(5)]
        half = socket.create_connection(("127.0.0.1", postern.port))
        half.sendall(b"POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n")
        events = socket.create_connection(("127.0.0.1", postern.port))
        events.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n" % token.encode())
        clients = [threading.Thread(target=post_until_closed, args=(postern.port, token, i, accepted, refused, faults)) for i in range(50)]
        for client in clients:
            client.start()
        time.sleep(1)
        begun = time.monotonic()
        postern.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(30)
        for connection in (*idle, half, events):
            connection.settimeout(20)
            try:
                while connection.recv(65536):
                    pass
            except ConnectionError:
                pass
            connection.close()
        spent = time.monotonic() - begun
        is_(faults, [], "every client is answered, or its connection ends")
        ok(spent < 15, f"long before clients would give up ({spent:.2f} s)")
        is_(postern.process.wait(30), 0, "the server ends well")
        postern.process = None
        postern.assert_sane()
        postern.start()
        stored, path = set(), "/api/v1/messages?account=alerts&limit=500"
        while path:
            page = postern.api.get(path).json
            stored.update(item["subject"] for item in page["items"])
            path = page["next"] and (page["next"] if page["next"].startswith("/") else
                                     f"/api/v1/messages?account=alerts&limit=500&cursor={page['next']}")
        ok(len(accepted) > 50 and set(accepted) <= stored, f"all {len(accepted)} that were answered 202 are there") or \
            diag(f"{len(set(accepted) - stored)} missing of {len(accepted)}; {len(stored)} stored")
        is_(stored & set(refused), set(), "and none that was answered 503")


main(usage, first_start, refusals, backup, rekey, https, stopping, stopping_under_load)
