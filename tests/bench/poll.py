#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""200 mailboxes on one Dovecot, over TLS with the certificate verified, and nothing new in any of them: the processor time for each
poll of one, and how long a round takes, by Postern, fetchmail and mbsync.

Each mailbox has some letters that everybody has seen. Postern polls as it does by itself, every few seconds, while nobody
asks it for anything; fetchmail and mbsync run once for each figure. How long Postern takes for a round is measured on its own,
from the action `poll` of each account to the last one that is through.
"""

import os
import resource
import subprocess
import time

from bench import ROUNDS, Scratch, alternate, compare, cpu_seconds, headline, run, scaled, spread
from crowd import SECRET, Crowd, letter, user_of

ACCOUNTS = scaled(200)
OLD = 20            # letters in each mailbox
POLLRATE = 5        # seconds
WINDOW = 20         # seconds that Postern is watched


class Postern:
    def __init__(self, crowd):
        self.crowd, self.postern = crowd, crowd.postern
        self.micros, self.seconds = [], []
        crowd.make_accounts(push="false", pollrate=POLLRATE, deliveryPolicy='"markAsRead"')
        crowd.enable(True)
        crowd.wait_until_all(lambda one: one["numberReceived"] >= OLD and one["status"]["state"] == "ok", "read")
        crowd.enable(False)

    def cpu(self):
        """Microseconds for each poll. Polls are counted by Dovecot."""
        self.crowd.enable(True)
        time.sleep(POLLRATE)
        before, logins = cpu_seconds(self.postern.process.pid), self.crowd.logins()
        time.sleep(WINDOW)
        used, polls = cpu_seconds(self.postern.process.pid) - before, self.crowd.logins() - logins
        self.crowd.enable(False)
        time.sleep(1)
        if polls < ACCOUNTS:
            raise RuntimeError(f"only {polls} polls of {ACCOUNTS} accounts in {WINDOW} s\n{self.postern.log()}")
        return used * 1e6 / polls

    def wall(self):
        """Milliseconds for a round of all."""
        api = self.postern.api.clone(keep=True)
        self.crowd.enable(True)
        time.sleep(POLLRATE)
        before, logins = time.monotonic(), self.crowd.logins()
        for number in range(ACCOUNTS):
            api.action(f"account-{number:08}", "poll")
        while self.crowd.logins() < logins + ACCOUNTS and time.monotonic() < before + 120:
            time.sleep(0.01)
        took = (time.monotonic() - before) * 1e3
        self.crowd.enable(False)
        api.close()
        return took


class Fetchmail:
    def __init__(self, crowd):
        self.crowd = crowd
        self.home = crowd.scratch.path("fetchmail")
        os.mkdir(self.home, 0o700)
        users = "\n".join(f'  user "{user_of(number)}" password "{SECRET}" keep ssl sslcertck sslcertfile "{crowd.root.cert}" '
                          'mda "cat >/dev/null"' for number in range(ACCOUNTS))
        self.rc = os.path.join(self.home, "fetchmailrc")
        with open(os.open(self.rc, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(f'poll localhost protocol IMAP service {crowd.dovecot.ports["imaps"]}\n{users}\n')
        self.command = ["fetchmail", "-f", self.rc, "--nodetach", "--nosyslog", "--silent", "-i", os.path.join(self.home, "ids"),
                        "--pidfile", os.path.join(self.home, "pid")]
        self.once()

    def once(self):
        return timed(self.crowd, self.command, {**os.environ, "HOME": self.home, "FETCHMAILHOME": self.home}, (0, 1))


class Mbsync:
    def __init__(self, crowd):
        self.crowd = crowd
        self.home = crowd.scratch.path("mbsync")
        os.mkdir(self.home, 0o700)
        stores = []
        for number in range(ACCOUNTS):
            user = user_of(number)
            os.mkdir(os.path.join(self.home, user))
            stores.append(f"IMAPStore {user}-there\nHost localhost\nPort {crowd.dovecot.ports['imaps']}\nUser {user}\nPass {SECRET}\n"
                          f"SSLType IMAPS\nSystemCertificates no\nCertificateFile {crowd.root.cert}\n\nMaildirStore {user}-here\n"
                          f"Path {self.home}/{user}/\nInbox {self.home}/{user}/INBOX\n\nChannel {user}\nFar :{user}-there:\n"
                          f"Near :{user}-here:\nSync PullNew\nCreate Near\nSyncState *\n")
        self.rc = os.path.join(self.home, "mbsyncrc")
        with open(os.open(self.rc, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("\n".join(stores))
        self.once()

    def once(self):
        return timed(self.crowd, ["mbsync", "-q", "-q", "-c", self.rc, "-a"], {**os.environ, "HOME": self.home}, (0,))


def timed(crowd, command, environment, good):
    """(microseconds of processor time for each login, milliseconds altogether)"""
    before, logins = time.monotonic(), crowd.logins()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took, polls = time.monotonic() - before, crowd.logins() - logins
    if done.returncode not in good or polls != ACCOUNTS:
        raise RuntimeError(f"{command[0]}: status {done.returncode}, {polls} logins\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    used = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    return used * 1e6 / polls, took * 1e3


def main():
    headline(f"poll: {ACCOUNTS} mailboxes over TLS, nothing new")
    print("  " + run("fetchmail", "--version").splitlines()[0] + "; " + run("mbsync", "--version").strip())
    with Scratch() as scratch:
        crowd = Crowd(scratch, ACCOUNTS)
        for number in range(ACCOUNTS):
            crowd.dovecot.fill(user_of(number), map(letter, range(OLD)))
        postern, fetchmail, mbsync = Postern(crowd), Fetchmail(crowd), Mbsync(crowd)
        figures = alternate({"postern": postern.cpu, "fetchmail": fetchmail.once, "mbsync": mbsync.once})
        walls = {name: [wall for _, wall in figures[name]] for name in ("fetchmail", "mbsync")}
        for name in walls:
            figures[name] = [cpu for cpu, _ in figures[name]]
        walls["postern"] = [postern.wall() for _ in range(ROUNDS)]
        compare("processor time for each poll", "us", figures, "postern", "fetchmail", 4, less_is_better=True)
        compare("processor time for each poll", "us", figures, "postern", "mbsync", less_is_better=True)
        compare("a round of all", "ms", walls, "postern", "fetchmail", less_is_better=True)
        compare("a round of all", "ms", walls, "postern", "mbsync", less_is_better=True)
        print(f"  in numbers: {ACCOUNTS} accounts by Postern {spread(walls['postern'])} ms")


if __name__ == "__main__":
    main()
