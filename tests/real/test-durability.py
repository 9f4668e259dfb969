#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# tests/run: serial plain timeout=600
"""202 means durable. 50 clients post 10,000 messages while postern is killed and restarted; the power fails; the disk
fails or fills up at each write in turn. Every 202 is delivered, and nothing twice but what was in flight at a kill.

Names of tests (killed, power_failure, failing_start, failing_disk) as arguments run only those.
$POSTERN_MESSAGES sets the number of messages of the first test, $POSTERN_SCALE multiplies all.
"""

import collections
import contextlib
import http.client
import os
import random
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from postern import Postern
from shim import FailingDisk, PowerFailure
from sink import Sink
from tap import diag, is_, main, ok, scale

MESSAGES = int(os.environ.get("POSTERN_MESSAGES", scale(10_000, 1_000)))
CLIENTS = 50
CONNECTIONS = 4
SECONDS = 25                # the first test is spread over so long, so that there is time for kills
GIVE_UP = 120               # seconds after which a client that never gets its 202 says so
DRAIN = 60                  # seconds for what is queued to go out once nothing disturbs any more


def account(sink):
    return {"name": "sink", "type": "OutgoingAccount", "hostname": "127.0.0.1", "port": sink.port,
            "emailAuthenticator": {"type": "none"}, "maxConnections": CONNECTIONS, "maxQueueSize": 1_000_000,
            "connectionTimeout": 10}


def message(number):
    return {"from": "durability@example.test", "to": ["sink@example.test"], "subject": f"message {number}",
            "text": "x" * 800 + "\n", "headers": {"X-Test-Id": str(number)}}


class Clients:
    """Posts messages, each until it is accepted, with the same Idempotency-Key; remembers what was said."""

    def __init__(self, postern, count, seconds, clients=CLIENTS):
        self.api = postern.api
        self.accepted = {}          # number -> id
        self.refused = collections.Counter()
        self.wrong = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.client, args=(range(first, count, clients), seconds), daemon=True)
                        for first in range(clients)]

    def run(self):
        for thread in self.threads:
            thread.start()
        return self

    def alive(self):
        return any(thread.is_alive() for thread in self.threads)

    def client(self, numbers, seconds):
        api = self.api.clone(keep=True, timeout=30)
        begin = time.monotonic()
        for place, number in enumerate(numbers):
            time.sleep(max(0.0, begin + seconds * place / max(1, len(numbers)) - time.monotonic()))
            self.post(api, number)
        api.close()

    def post(self, api, number):
        deadline = time.monotonic() + GIVE_UP
        while time.monotonic() < deadline:
            try:
                answer = api.post("/api/v1/accounts/sink/messages", message(number),
                                  headers={"Idempotency-Key": f"durability-{number}"})
            except (OSError, http.client.HTTPException):
                time.sleep(0.02 + random.random() * 0.05)
                continue
            with self.lock:
                if answer.status == 202:
                    self.accepted[number] = answer.json["id"]
                    return
                self.refused[answer.status] += 1
                if answer.status < 500:
                    self.wrong.append(f"message {number}: {answer!r}")
                    return
            time.sleep(0.05)
        with self.lock:
            self.wrong.append(f"message {number}: not accepted within {GIVE_UP} s")


def drained(postern, seconds=DRAIN):
    """Flush, until nothing waits. A message that was deferred by a kill would otherwise wait for its turn."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            postern.api.action("sink", "flush")
            status = postern.api.status("sink")
            if status and status["queueSize"] == 0:
                return True
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.2)
    return False


def judge(name, clients, sink, postern, kills, connections=CONNECTIONS):
    """Everything accepted was delivered; twice only what was in flight, and then under the same Message-ID."""
    if not ok(not clients.wrong, f"{name}: every message was accepted in the end"):
        diag("\n".join(clients.wrong[:20]))
    if not ok(drained(postern), f"{name}: the queue is empty in the end"):
        diag(postern.api.status("sink"))
    taken = sink.taken()
    times = collections.Counter(test_id for test_id, _, _ in taken)
    names = collections.defaultdict(set)
    for test_id, message_id, _ in taken:
        names[test_id].add(message_id)
    lost = [number for number in clients.accepted if times[str(number)] == 0]
    twice = sum(count - 1 for count in times.values())
    if not ok(not lost, f"{name}: {len(clients.accepted)} accepted, each was delivered"):
        diag(f"{len(lost)} lost: {lost[:20]}")
        for number in lost[:5]:
            diag(postern.api.get(f"/api/v1/messages/{clients.accepted[number]}"))
    ok(twice <= kills * connections,
       f"{name}: {twice} delivered again after {kills} kills with {connections} connections each")
    changed = [test_id for test_id, ids in names.items() if len(ids) > 1]
    if not ok(not changed, f"{name}: what came again came under the same Message-ID"):
        diag(f"{len(changed)}, for example {[(one, sorted(names[one])) for one in changed[:3]]}")
    strange = set(times) - {str(number) for number in clients.accepted}
    ok(not strange, f"{name}: nothing was delivered that nobody posted")
    if clients.refused:
        diag(f"refused meanwhile: {dict(clients.refused)}")


@contextlib.contextmanager
def site(delay=0.0):
    """A postern not yet started, a sink, a folder."""
    with tempfile.TemporaryDirectory(prefix="postern-durability-") as folder, Sink(folder, delay) as sink:
        postern = Postern(state=os.path.join(os.path.realpath(folder), "state"))
        try:
            yield postern, sink, folder
        finally:
            postern.kill9()
            postern.remove()


def created(postern, sink):
    answer = postern.api.post("/api/v1/accounts", account(sink))
    ok(answer.status == 201, f"the account is made ({answer.status})")


def disturbed(postern, clients, after_kill=lambda: None, between=(1.0, 2.0)):
    """Kills and restarts until all clients are through; the number of kills."""
    kills = 0
    while clients.alive():
        time.sleep(random.uniform(*between))
        postern.kill9()
        kills += 1
        after_kill()
        postern.start()
    return kills


def killed():
    with site(delay=0.002) as (postern, sink, _):
        postern.start()
        created(postern, sink)
        clients = Clients(postern, MESSAGES, SECONDS).run()
        kills = disturbed(postern, clients)
        ok(kills >= 5, f"killed {kills} times")
        judge("kill -9", clients, sink, postern, kills)
        postern.stop()
        is_(len(list_all(postern, clients)), len(clients.accepted), "kill -9: each key made one message")


def list_all(postern, clients):
    """Ids of the messages that the store has, page by page, after one more restart."""
    postern.start()
    ids, path = set(), "/api/v1/messages?account=sink&limit=500"
    while path:
        page = postern.api.get(path).json
        ids |= {item["id"] for item in page["items"]}
        path = page["next"]
        if path and not path.startswith("/"):
            path = f"/api/v1/messages?account=sink&limit=500&cursor={path}"
    postern.stop()
    return ids


def power_failure():
    """What wasn't synced is thrown away at each kill, so a 202 that came before its sync shows as a loss."""
    with site(delay=0.002) as (postern, sink, folder):
        power = PowerFailure(folder, postern.state)
        postern.environment.update(power.environment())
        postern.start()
        created(postern, sink)
        clients = Clients(postern, scale(2_000, 500), SECONDS / 2).run()
        thrown = collections.Counter()
        kills = disturbed(postern, clients, lambda: thrown.update(
            {os.path.basename(path): count for path, count in power.restore().items()}))
        diag(f"writes thrown away: {dict(thrown)}")
        ok(kills >= 3, f"the power failed {kills} times")
        judge("power failure", clients, sink, postern, kills)


def failing_start():
    """The first start makes the state directory: each call that changes a file fails in turn, once and for good."""
    with tempfile.TemporaryDirectory(prefix="postern-durability-") as folder:
        state = os.path.join(os.path.realpath(folder), "0")
        disk = FailingDisk(folder, state)
        postern = Postern(state=state, environment=disk.environment())
        postern.start()
        calls = disk.calls()
        postern.stop()
        postern.remove()
        wrong = []
        chosen = sorted(random.sample(range(1, calls + 1), min(calls, scale(60, 20))))
        for at in chosen:
            for error, from_then in (("EIO", False), ("ENOSPC", True)):
                wrong += start_with_failure(folder, at, error, from_then)
    if not ok(not wrong, f"first start: {len(chosen)} of {calls} writes failed in turn, each with a clear end"):
        diag("\n".join(wrong[:10]))


def start_with_failure(folder, at, error, from_then):
    state = os.path.join(os.path.realpath(folder), f"{at}-{error}")
    disk = FailingDisk(folder, state)
    postern = Postern(state=state, environment=disk.environment(at, error, from_then))
    name = f"call {at} {error}"
    try:
        code = ended_with(postern)
        if code is not None and code < 0:
            return [f"{name}: ended by signal {-code}: {postern.log()[-300:]}"]
        if code and not postern.log().strip():
            return [f"{name}: ended with status {code} and not a word"]
        postern.environment.update({"SHIM_FAIL_AT": "0"})
        postern.start()
        listed = postern.api.get("/api/v1/accounts").status
        postern.stop()
        return [] if listed == 200 else [f"{name}: afterwards the accounts answer {listed}"]
    except Exception as problem:
        return [f"{name}: afterwards: {problem}"]
    finally:
        postern.kill9()
        postern.remove()


def ended_with(postern):
    """Starts and stops it; its status. None: it neither became ready nor ended by itself, which is all right."""
    postern.start(wait=False)
    try:
        postern.wait_ready(10)
        postern.process.terminate()
    except RuntimeError:
        if postern.process.poll() is None:
            postern.kill9()
            return None
    code = postern.process.wait(30)
    postern.process = None
    return code


def failing_disk():
    for error, from_then in (("EIO", False), ("ENOSPC", True)):
        failing_writes(error, from_then)


def failing_writes(error, from_then):
    """Messages while each write fails in turn. A refusal is right, a 202 must hold; it goes on once the disk is well."""
    name = f"{error} {'from then on' if from_then else 'once'}"
    with site() as (postern, sink, folder):
        disk = FailingDisk(folder, postern.state)
        postern.environment.update(disk.environment(error=error, from_then=from_then, live=True))
        postern.start()
        created(postern, sink)
        clients = Clients(postern, 0, 0)
        number, deaths = 0, 0
        for ahead in range(1, scale(40, 15) + 1):
            disk.set(disk.calls() + ahead)
            thread = threading.Thread(target=clients.post, args=(clients.api, number), daemon=True)
            thread.start()
            thread.join(1.0)
            number += 1
            if postern.process.poll() is not None:      # it may choose to end rather than go on with a sick disk
                deaths += 1
                ok(postern.process.returncode > 0, f"{name}: it ended with status {postern.process.returncode}")
                disk.set(0)
                postern.process = None
                postern.start()
            disk.set(0)
            thread.join(GIVE_UP)
        if postern.process.poll() is None:
            judge(name, clients, sink, postern, number)
            ok(sum(clients.refused.values()) + deaths > 0, f"{name}: failures were felt ({dict(clients.refused)})")
            answer = postern.api.get("/readyz")
            is_(answer.status, 200, f"{name}: ready again once the disk is")
        else:
            ok(False, f"{name}: it died: {postern.log()}")


if sys.argv[1:]:
    main(*(globals()[name] for name in sys.argv[1:]))
main(killed, power_failure, failing_start, failing_disk)
