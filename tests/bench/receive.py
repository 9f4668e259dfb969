#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What receiving costs: 1,000 accounts polled every minute for five minutes, some mail coming in; and 2,000 connections parked in IDLE.

All on one Dovecot, over TLS. Processor time and memory are Postern's alone.
"""

import os
import random
import time

from bench import Scratch, cpu_seconds, headline, scaled, show
from crowd import Crowd, letter, user_of
from idle import memory

POLLED = scaled(1000)
MINUTES = 5
PARKED = scaled(2000)
REST = 15           # seconds, for what the beginning left behind to go
EVERY = 2           # seconds between two letters, each for another mailbox


def polled():
    with Scratch() as scratch:
        crowd = Crowd(scratch, POLLED)
        pid = crowd.postern.process.pid
        crowd.make_accounts(push="false", pollrate=60)
        print(f"  {POLLED} accounts, none polled: {figures(pid)}", flush=True)
        crowd.enable(True)
        crowd.wait_until_all(lambda one: one["status"]["state"] == "ok", "ok")
        before, logins, sent, peak = cpu_seconds(pid), crowd.logins(), 0, 0
        end = time.monotonic() + scaled(MINUTES * 60)
        while time.monotonic() < end:
            crowd.dovecot.deliver(user_of(random.randrange(POLLED)), [letter(sent)])
            sent += 1
            peak = max(peak, memory([pid])[0])
            time.sleep(EVERY)
        used, polls = cpu_seconds(pid) - before, crowd.logins() - logins
        print(f"  {POLLED} accounts, {scaled(MINUTES * 60)} s: {polls} polls, {used:.1f} s of processor time "
              f"({used * 1e6 / max(1, polls):.0f} us each, {used * 100 / scaled(MINUTES * 60):.1f} % of a core), "
              f"greatest RSS {show(peak)} MiB, at the end {figures(pid)}", flush=True)
        arrived(crowd, sent)


def arrived(crowd, sent):
    """Everything, once another round is over."""
    deadline = time.monotonic() + 180
    while (got := sum(one["numberReceived"] for one in crowd.statuses())) < sent and time.monotonic() < deadline:
        time.sleep(1)
    print(f"  of {sent} letters {got} arrived", flush=True)


def parked():
    with Scratch() as scratch:
        crowd = Crowd(scratch, PARKED)
        pid = crowd.postern.process.pid
        crowd.make_accounts(push="true", pollrate=3600)
        time.sleep(REST)
        before = memory([pid])
        print(f"  {PARKED} accounts, no connection: {figures(pid)}", flush=True)
        crowd.enable(True)
        crowd.wait_until_all(lambda one: one["status"]["state"] == "ok", "ok")
        time.sleep(REST)
        after, open_files = memory([pid]), len(os.listdir(f"/proc/{pid}/fd"))
        each = [(b - a) * 1024 / PARKED for a, b in zip(before, after)]
        print(f"  {PARKED} connections in IDLE ({open_files} open files): {figures(pid)}", flush=True)
        print(f"  memory for each: RSS {each[0]:.1f} KiB, private {each[2]:.1f} KiB; aim 16: "
              f"{'reached' if each[2] <= 16 else 'not reached'}", flush=True)
        used = cpu_seconds(pid)
        time.sleep(60)
        print(f"  processor time of {PARKED} connections in a minute: {(cpu_seconds(pid) - used) * 1e3:.0f} ms", flush=True)
        pushed(crowd)


def pushed(crowd):
    """From delivery to the list, with all the others connected."""
    took = []
    for number in random.sample(range(PARKED), 20):
        before = crowd.postern.api.get(f"/api/v1/messages?account=account-{number:08}").json["items"]
        crowd.dovecot.deliver(user_of(number), [letter(number)])
        begun = time.monotonic()
        while len(crowd.postern.api.get(f"/api/v1/messages?account=account-{number:08}").json["items"]) == len(before) and \
                time.monotonic() < begun + 60:
            time.sleep(0.005)
        took.append((time.monotonic() - begun) * 1e3)
    took.sort()
    print(f"  from delivery to the list: {took[0]:.0f} / {took[len(took) // 2]:.0f} / {took[-1]:.0f} ms (min/median/max)", flush=True)


def figures(pid):
    rss, pss, private = memory([pid])
    return f"RSS {show(rss)}, PSS {show(pss)}, private {show(private)} MiB"


def main():
    headline(f"receive: {POLLED} accounts polled, {PARKED} connections parked")
    polled()
    parked()


if __name__ == "__main__":
    main()
