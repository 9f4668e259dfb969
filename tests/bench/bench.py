# SPDX-License-Identifier: Apache-2.0
"""bench.py - what the measuring programs share: rounds that alternate, their figures, and the tools that they run.

A measurement is a table of contestants, {"postern": function, "nginx": function}; each function measures once and
returns a number. Rounds go A B A B, so that what else the machine does falls on all of them alike.
"""

import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

from postern import Postern                                # noqa: E402
from servers import Server, free_port, wait_for_port       # noqa: E402,F401

TOOLS = os.environ.get("BENCH_TOOLS", "")       # where `run` built the C programs
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SCALE = float(os.environ.get("BENCH_SCALE", "1"))       # of counts and seconds: 0.2 for a quick look


def tool(name):
    return os.path.join(TOOLS, name)


def scaled(number, least=1):
    return max(least, int(number * SCALE))


class Scratch:
    """A folder for all state of a run. Queues of everybody lie in it, so on one disk; it must not be in memory."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="postern-bench-", dir=os.environ.get("BENCH_DIR", "/var/tmp"))
        os.chmod(self.folder, 0o755)
        self.servers = []

    def start(self, server):
        """Started now, stopped at the end, whatever happens."""
        self.servers.append(server)
        server.start()
        return server

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in reversed(self.servers):
            server.stop()
            if isinstance(server, Postern):
                server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_postern(scratch, name="postern"):
    postern = Postern(state=scratch.path(name, "state"), ready_seconds=120)
    os.makedirs(postern.state, mode=0o700)
    scratch.start(postern)
    return postern


# ---- figures --------------------------------------------------------------------------------------------------


def headline(title):
    now = datetime.datetime.now(datetime.timezone.utc)
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), platform.machine())
    load = os.getloadavg()[0]
    print(f"\n## {title}\n{now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {model}, load before {load:.1f}", flush=True)


def show(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def spread(numbers):
    return f"{show(min(numbers))} / {show(statistics.median(numbers))} / {show(max(numbers))}"


def alternate(contestants, rounds=None):
    """{name: [a figure for each round]}; a round runs each contestant once, in turn."""
    figures = {name: [] for name in contestants}
    for _ in range(rounds or ROUNDS):
        for name, measure in contestants.items():
            figures[name].append(measure())
    return figures


def compare(what, unit, figures, ours, theirs, aim=None, less_is_better=False):
    """Prints both, and the median of the ratios of each round: over 1 means that ours is better."""
    for name in (ours, theirs):
        print(f"  {what}: {name}: {spread(figures[name])} {unit} (min/median/max)")
    pairs = zip(figures[ours], figures[theirs])
    ratios = [b / a if less_is_better else a / b for a, b in pairs]
    verdict = "" if aim is None else f"; aim {aim:g}: {'reached' if statistics.median(ratios) >= aim else 'not reached'}"
    print(f"  {what}: {ours} against {theirs}: {statistics.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"
          f"{verdict}", flush=True)
    return statistics.median(ratios)


def tell(what, unit, numbers, aim=None):
    """A figure of ours alone, with an upper bound as its aim."""
    verdict = "" if aim is None else f"; aim {aim:g}: {'reached' if statistics.median(numbers) <= aim else 'not reached'}"
    print(f"  {what}: {spread(numbers)} {unit} (min/median/max){verdict}", flush=True)


def family(pid):
    """It and its children, and theirs."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            for child in file.read().split():
                found += family(int(child))
    return found


def cpu_seconds(pid):
    """What it, its living children and those that ended have used."""
    ticks = 0
    for one in family(pid):
        with open(f"/proc/{one}/stat", encoding="utf-8", errors="replace") as file:
            ticks += sum(int(field) for field in file.read().rpartition(")")[2].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


class Cpu:
    """Processor time for each message, beside the rate: it says more on a machine that has other work too."""

    def __init__(self):
        self.micros = {}

    def around(self, name, server, count, measure):
        def once():
            before = cpu_seconds(server.process.pid)
            result = measure()
            self.micros.setdefault(name, []).append((cpu_seconds(server.process.pid) - before) * 1e6 / count)
            return result
        return once


# ---- tools ----------------------------------------------------------------------------------------------------


def run(*command, **options):
    done = subprocess.run(command, text=True, capture_output=True, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def http_load(port, path, connections=1, count=None, seconds=None, headers=(), method=None, body=None, status=200,
              first=0, wrap=None):
    """What tests/bench/http-load prints, as an object."""
    command = [tool("http-load"), "-c", str(connections), "-e", str(status), "-f", str(first)]
    command += ["-s", str(seconds)] if seconds else ["-n", str(count)]
    command += ["-m", method] if method else []
    command += ["-b", body] if body else []
    command += ["-w", str(wrap)] if wrap else []
    for header in headers:
        command += ["-H", header]
    return json.loads(run(*command, f"127.0.0.1:{port}", path))


def wrk(port, path, headers, seconds, connections=32):
    """Requests a second, by wrk with one thread; every answer must have been 2xx or 3xx."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    for header in headers:
        command += ["-H", header]
    text = run(*command, f"http://127.0.0.1:{port}{path}")
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk met refusals:\n{text}")
    return float(next(line.split(":")[1] for line in text.splitlines() if line.startswith("Requests/sec")))


def bearer(token):
    return f"Authorization: Bearer {token}"


# ---- mail -----------------------------------------------------------------------------------------------------

LINE = "The level of tank 4 has passed its upper limit; valve 12 closes until somebody looks at it."


def ten_kilobytes():
    """Lines of text as a building's controller writes them: no line needs encoding."""
    return "\r\n".join(f"{number:04} {LINE}" for number in range(10240 // (len(LINE) + 7))) + "\r\n"


def raw_message(sender="plant@example.test", to="office@example.test"):
    return (f"From: {sender}\r\nTo: {to}\r\nSubject: Report @@@@@@@@\r\nMessage-ID: <@@@@@@@@.bench@example.test>\r\n"
            f"Date: Mon, 24 Nov 2025 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            + ten_kilobytes())


def json_message(sender="plant@example.test", to="office@example.test"):
    return json.dumps({"from": sender, "to": [to], "subject": "Report @@@@@@@@", "text": ten_kilobytes()})
