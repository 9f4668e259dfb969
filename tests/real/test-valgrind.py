#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: plain timeout=600 jobs=2
"""Unit tests and a whole postern under valgrind: no wrong access, nothing used before it was set, nothing leaked."""

import concurrent.futures
import glob
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peer
from pki import Pki
from postern import TOP, Postern
from tap import diag, is_, main, ok

BUILD = os.environ.get("POSTERN_BUILD", os.path.join(TOP, "build"))
VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite", "--num-callers=20", "--child-silent-after-fork=yes"]
LONG = {"test-trust-mutations"}      # thousands of broken certificates: the sanitizers look at those
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
pki = Pki()
root = pki.ca()


def units():
    programs = sorted(path for path in glob.glob(os.path.join(BUILD, "tests", "unit", "test-*"))
                      if os.access(path, os.X_OK) and os.path.splitext(path)[1] == "" and
                      os.path.basename(path) not in LONG)
    ok(programs, f"{len(programs)} unit tests are built")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for program, done in zip(programs, pool.map(unit, programs)):
            if not ok(done.returncode != 99 and -done.returncode not in CRASHES,
                      f"valgrind: {os.path.basename(program)}"):
                diag(done.stderr[-6000:])


def unit(program):
    """What a test itself finds is no matter here: its time limits don't fit a program thirty times slower."""
    return subprocess.run([*VALGRIND, program], capture_output=True, text=True, errors="replace", check=False,
                          cwd=TOP, timeout=300)


def dialogs(*names):
    loaded = {one.name: one for one in peer.load(os.path.join(TOP, "tests", "dialogs", "smtp"))}
    return [loaded[name] for name in names]


def whole():
    contexts = peer.contexts(pki, root)
    postern = Postern(wrapper=VALGRIND, ready_seconds=120)
    try:
        postern.start()
        api = postern.api
        api.timeout = 120
        is_(api.post("/api/v1/trust/user", data=root.pem.encode(),
                     headers={"Content-Type": "application/x-pem-file"}).status, 201, "import a root")
        for dialog in dialogs("good-starttls", "good-plain", "recipient-refused", "auth-refused", "dot-reply-lost",
                              "certificate-self-signed", "starttls-injected"):
            with peer.Peer(dialog, contexts) as server:
                one_account(api, dialog, server.port)
        ok(api.get("/api/v1/openapi.json").status == 200, "the OpenAPI document")
        ok(api.patch("/api/v1/accounts/good-plain", {"port": 70000, "no": 1}).status == 422, "wrong properties")
        ok(api.get("/").status == 200, "the page")
        session = postern.login()
        ok(session.get("/api/v1/tree").status == 200, "a session")
        session.delete("/api/v1/session")
        ok(api.delete("/api/v1/accounts/good-plain").status == 204, "delete an account")
    finally:
        try:
            postern.stop()
            ok(True, "valgrind: postern")
        except RuntimeError as error:
            ok(False, "valgrind: postern")
            diag(error)
        postern.remove()


def one_account(api, dialog, port):
    account = {"name": dialog.name, "type": "OutgoingAccount", "hostname": "127.0.0.1", "port": port,
               "connectionTimeout": 20, "useStartTls": dialog.name != "good-plain",
               "emailAuthenticator": {"type": "none"} if dialog.name == "good-plain" else
               {"type": "basic", "username": "someone", "password": "Secret-1234"}}
    created = api.post("/api/v1/accounts", account)
    verified = api.action(dialog.name, "verify")
    posted = api.post(f"/api/v1/accounts/{dialog.name}/messages", {
        "from": "a@example.test", "to": ["plant@example.test", "nobody@example.test", "office@example.test"]
        if dialog.name == "recipient-refused" else ["plant@example.test"], "subject": "valgrind", "text": "x"})
    settled = api.until(posted.headers.get("Location", ""), lambda message: message["state"] not in
                        ("sending", "queued") or not verified.json["ok"], seconds=60)
    ok((created.status, verified.status, posted.status, settled.status) == (201, 200, 202, 200),
       f"{dialog.name}: account, verify, message ({(settled.json or {}).get('state')})")


main(units, whole)
