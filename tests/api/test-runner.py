#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/run counts what it should: a test that fails, dies, hangs or stops half way never passes for a good one."""

import os
import re
import stat
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from tap import diag, done, ok

RUN = os.path.join(HERE, "..", "run")
# name, the script, the last line, a text that the output must have
CASES = [
    ("passes", "echo ok 1 - a; echo ok 2 - b; echo 1..2", "2 passed, 0 failed", ""),
    ("fails", "echo ok 1 - a; echo not ok 2 - b; echo '# because'; echo 1..2; exit 1", "1 passed, 1 failed", "because"),
    ("no plan", "echo ok 1 - a", "1 passed, 1 failed", "no plan"),
    ("short of its plan", "echo 1..3; echo ok 1 - a", "1 passed, 1 failed", "planned 3 tests and ran 1"),
    ("more than planned", "echo 1..1; echo ok; echo ok", "2 passed, 1 failed", "planned 1 tests and ran 2"),
    ("dies", "echo ok 1 - a; echo 1..1; kill -SEGV $$", "1 passed, 1 failed", "SIGSEGV"),
    ("bad status", "echo ok 1 - a; echo 1..1; exit 3", "1 passed, 1 failed", "status 3"),
    ("hangs", "# tests/run: timeout=1\necho ok 1 - a; echo 1..1; exec sleep 60", "1 passed, 1 failed", "longer than 1 s"),
    ("bails out", "echo 'Bail out! no disk'; echo 1..0", "0 passed, 1 failed", "no disk"),
    ("skips", "echo 'ok 1 # SKIP no such thing here'; echo ok 2; echo 1..2", "1 passed, 0 failed", "1 tests skipped"),
    ("skips all", "echo '1..0 # SKIP nothing to do'", "0 passed, 0 failed", "1 tests skipped"),
    ("says nothing", "true", "0 passed, 1 failed", "no plan"),
    ("complains", "echo not ok 1; echo 1..1; echo 'told on stderr' >&2", "0 passed, 1 failed", "told on stderr"),
    ("unknown word", "# tests/run: quickly\necho ok; echo 1..1", "1 passed, 1 failed", "quickly"),
]


def runner(*arguments):
    return subprocess.run([RUN, *arguments], capture_output=True, text=True, check=False)


with tempfile.TemporaryDirectory() as folder:
    for name, script, last, text in CASES:
        path = os.path.join(folder, name.replace(" ", "-") + ".sh")
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script + "\n")
        os.chmod(path, stat.S_IRWXU)
        result = runner(path)
        lines = result.stdout.splitlines() or [""]
        good = lines[-1] == last and text in result.stdout and \
            (result.returncode == 0) == (" 0 failed" in last and not last.startswith("0 passed"))
        if not ok(good, f"a test that {name}"):
            diag(f"status {result.returncode}, expected: {last}\n{result.stdout}{result.stderr}")
    result = runner(*(os.path.join(folder, name) for name in ("passes.sh", "fails.sh", "skips.sh")))
    ok(result.stdout.splitlines()[-1] == "4 passed, 1 failed" and result.returncode == 1, "sums up")
    ok(len(re.findall(r"^\d+ passed, ", result.stdout, re.MULTILINE)) == 1, "one closing line")
    result = runner(os.path.join(folder, "nothing"))
    ok(result.returncode == 1 and result.stdout.splitlines()[-1] == "0 passed, 1 failed", "a test that isn't there")
done()
