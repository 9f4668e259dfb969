# SPDX-License-Identifier: Apache-2.0
"""tap.py - a test script prints TAP: ok(...) for each fact, done() at the end.

A script's first lines may tell tests/run how to treat it:
    # tests/run: serial timeout=300
"""

import os
import sys
import threading
import traceback

_lock = threading.Lock()
_count = 0
_failed = 0


def ok(good, name):
    """One fact; returns it, so that a test can stop where nothing further makes sense."""
    global _count, _failed
    with _lock:
        _count += 1
        if not good:
            _failed += 1
        name = str(name).replace("\n", " ").replace("#", "no. ")
        print(f"{'ok' if good else 'not ok'} {_count} - {name}", flush=True)
    return bool(good)


def is_(got, expected, name):
    """Equal, or both are shown."""
    good = ok(got == expected, name)
    if not good:
        diag(f"     got: {got!r}\nexpected: {expected!r}")
    return good


def diag(text):
    """A note for whoever reads the output; never part of the result."""
    with _lock:
        for line in str(text).splitlines() or [""]:
            print(f"# {line[:1000]}", flush=True)


def done():
    """The plan, last: a script that dies before it has a missing plan, which fails."""
    print(f"1..{_count}", flush=True)
    sys.stdout.flush()
    sys.exit(1 if _failed else 0)


def skip_all(reason):
    print(f"1..0 # SKIP {reason}", flush=True)
    sys.exit(0)


def main(*tests):
    """Run functions one after another; an exception fails that one and the rest still run."""
    for test in tests:
        guarded(test)
    done()


def guarded(test, *arguments):
    try:
        return test(*arguments)
    except Exception:
        ok(False, f"{getattr(test, '__name__', 'test')}: unexpected exception")
        diag(traceback.format_exc())
        return None


def scale(ordinary, sanitized):
    """A number that may be smaller where everything is slower; $POSTERN_SCALE multiplies both."""
    slow = os.environ.get("POSTERN_SANITIZED") == "1"
    return max(1, int((sanitized if slow else ordinary) * float(os.environ.get("POSTERN_SCALE", "1"))))
