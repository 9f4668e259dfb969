# SPDX-License-Identifier: Apache-2.0
"""postern.py - a real `postern` for a test, with a state directory and a port of its own, and a client of its API.

    with Postern() as postern:
        answer = postern.api.post("/api/v1/accounts", {"name": "alerts", "type": "OutgoingAccount"})
        answer.status, answer.headers["Location"], answer.json

The program is $POSTERN (set by tests/run), else the newest of build-test/ and build/.
"""

import http.client
import json as json_module
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from servers import free_port

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADMIN_PASSWORD = "Correct-horse 7 battery"
READY_SECONDS = 30
STOP_SECONDS = 30
SANITIZER_REPORT = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|ThreadSanitizer|"
                              r"runtime error:|ERROR SUMMARY: [1-9]|An event of the unknown type")


def program():
    named = os.environ.get("POSTERN")
    if named:
        return os.path.abspath(named)
    built = [os.path.join(TOP, folder, "postern") for folder in ("build-test", "build")]
    built = [path for path in built if os.path.exists(path)]
    if not built:
        raise RuntimeError("there is no build/postern; run ./dev build")
    return max(built, key=os.path.getmtime)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        """The decoded body; None when there is none. Broken JSON is an error of the test's subject: it raises."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
        if not self.body or not (kind == "application/json" or kind.endswith("+json")):
            return None
        return json_module.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def etag(self):
        return self.headers.get("ETag")

    def codes(self):
        """What was wrong, as (pointer, code) pairs in the order given."""
        return [(error.get("pointer"), error.get("code")) for error in (self.json or {}).get("errors", [])]

    def __repr__(self):
        return f"<{self.status} {self.text[:500]}>"


class Api:
    """Threads may share one. keep=True reuses the connection: for one thread, which must expect it to break."""

    def __init__(self, port, headers=None, keep=False, timeout=60):
        self.port, self.headers, self.keep, self.timeout = port, dict(headers or {}), keep, timeout
        self.connection = None

    def request(self, method, path, json=None, data=None, headers=None):
        """json: an object to encode; data: bytes as they are. A header given as None is left out."""
        sent = dict(self.headers)
        body = data
        if json is not None:
            body = json_module.dumps(json).encode()
            sent["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        if self.keep:
            self.connection = connection
        try:
            try:
                connection.request(method, path, body=body, headers=sent)
            except (BrokenPipeError, ConnectionResetError):
                pass        # refused before all of the body was sent: the answer is there
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except BaseException:
            connection.close()
            self.connection = None
            raise
        if not self.keep:
            connection.close()
        return answer

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, json=None, data=None, headers=None):
        return self.request("POST", path, json, data, headers)

    def put(self, path, json=None, data=None, headers=None):
        return self.request("PUT", path, json, data, headers)

    def patch(self, path, json=None, data=None, headers=None):
        return self.request("PATCH", path, json, data, headers)

    def delete(self, path, headers=None):
        return self.request("DELETE", path, headers=headers)

    def clone(self, **changes):
        return Api(self.port, **{"headers": self.headers, "keep": self.keep, "timeout": self.timeout, **changes})

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    # What nearly every test does.

    def until(self, path, good, seconds=20, pause=0.05):
        """GETs until good(json) is true; the last answer either way."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.get(path)
            if answer.status == 200 and good(answer.json):
                return answer
            if time.monotonic() > deadline:
                return answer
            time.sleep(pause)

    def action(self, account, action, json=None):
        return self.post(f"/api/v1/accounts/{account}/actions/{action}", json if json is not None else {})

    def status(self, account):
        return self.get(f"/api/v1/accounts/{account}/status").json


class Postern:
    def __init__(self, environment=None, wrapper=(), arguments=(), binary=None, state=None, ready_seconds=READY_SECONDS,
                 port=None, password=ADMIN_PASSWORD):
        self.binary = binary or program()
        self.folder = tempfile.mkdtemp(prefix="postern-test-")
        self.state = state or os.path.join(self.folder, "state")
        self.stderr = os.path.join(self.folder, "stderr")
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.wrapper, self.arguments = list(wrapper), list(arguments)
        self.ready_seconds = ready_seconds
        self.process = None
        self.admin = None
        password_file = os.path.join(self.folder, "admin-password")
        with open(os.open(password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(password + "\n")
        self.environment = {**os.environ, "POSTERN_ADMIN_PASSWORD_FILE": password_file, **(environment or {})}

    # ---- life -------------------------------------------------------------------------------------------

    def start(self, wait=True):
        command = [*self.wrapper, self.binary, "serve", "--state-dir", self.state,
                   "--listen", f"127.0.0.1:{self.port}", *self.arguments]
        with open(self.stderr, "ab") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                            env=self.environment, start_new_session=True)
        if wait:
            try:
                self.wait_ready()
            except BaseException:
                self.kill9()
                raise
        return self

    def wait_ready(self, seconds=None):
        seconds = seconds or self.ready_seconds
        deadline = time.monotonic() + seconds
        probe = Api(self.port, timeout=5)
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"postern ended with status {self.process.returncode}\n{self.log()}")
            try:
                if probe.get("/readyz").status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.01)
        raise RuntimeError(f"postern wasn't ready after {seconds} s\n{self.log()}")

    def stop(self):
        """SIGTERM; raises unless it ends with 0 in time and no sanitizer complained."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise RuntimeError(f"postern didn't stop within {STOP_SECONDS} s of SIGTERM\n{self.log()}") from None
        self.process = None
        if code:
            raise RuntimeError(f"postern ended with status {code} on SIGTERM\n{self.log()}")
        self.assert_sane()

    def kill9(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    __enter__ = start

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
            else:
                self.kill9()
        finally:
            self.remove()

    # ---- what it wrote ----------------------------------------------------------------------------------

    def log(self, last=6000):
        with open(self.stderr, encoding="utf-8", errors="replace") as file:
            return file.read()[-last:]

    def assert_sane(self):
        log = self.log(10_000_000)
        found = SANITIZER_REPORT.search(log)
        if found:
            raise RuntimeError("a sanitizer complained:\n" + log[max(0, found.start() - 200):][:6000])

    # ---- talking to it ----------------------------------------------------------------------------------

    def run(self, *arguments, input=None, check=True):
        """Another command of the same program on the same state: run("token", "create", …)."""
        done = subprocess.run([self.binary, *arguments, "--state-dir", self.state], input=input, text=True,
                              capture_output=True, env=self.environment, timeout=120, check=False)
        if check and done.returncode:
            raise RuntimeError(f"postern {' '.join(arguments)}: status {done.returncode}\n{done.stderr}")
        return done

    def token(self, name="test", role="admin"):
        return self.run("token", "create", "--name", name, "--role", role).stdout.strip()

    @property
    def api(self):
        """With an administrator's token, made once."""
        if self.admin is None:
            self.admin = self.token()
        return Api(self.port, {"Authorization": f"Bearer {self.admin}"})

    def anonymous(self):
        return Api(self.port)

    def login(self, username="admin", password=ADMIN_PASSWORD):
        """As a browser does: the cookie, and the CSRF token on everything."""
        api = Api(self.port, {"Origin": self.url})
        answer = api.post("/api/v1/session", {"username": username, "password": password})
        if answer.status not in (200, 201):
            raise RuntimeError(f"login refused: {answer!r}")
        api.headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
        api.headers["X-CSRF-Token"] = answer.json["csrfToken"]
        return api
