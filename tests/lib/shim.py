# SPDX-License-Identifier: Apache-2.0
"""shim.py - the preloaded libraries of tests/shim: disks that fail, and power that does.

    disk = FailingDisk(folder, directory)
    environment = disk.environment(fail_at=7, error="ENOSPC")       # for the program to be disturbed
    disk.calls()                                                    # how many there were

    power = PowerFailure(folder, directory)
    environment = power.environment()
    ...kill -9...
    power.restore()                                                 # what was never synced is gone
"""

import os
import struct
import subprocess
import sys

SHIMS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "shim")
sys.path.insert(0, SHIMS)
import restore as restore_module


def build(name, folder):
    """Compiled where a test runs: no sanitizer may be in it, whatever the rest was built with."""
    library = os.path.join(folder, name + ".so")
    if not os.path.exists(library):
        subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fPIC",
                        "-shared", "-o", library, os.path.join(SHIMS, name + ".c"), "-ldl"], check=True)
    return library


class FailingDisk:
    """Everything that changes a file below directory is counted, and can fail."""

    def __init__(self, folder, directory):
        self.library = build("fail-writes", folder)
        self.directory = os.path.realpath(directory)
        self.count = os.path.join(folder, "shim-count")
        self.log = os.path.join(folder, "shim-log")

    def environment(self, fail_at=0, error="EIO", from_then=False, live=False):
        """A new count begins. live: fail_at can be changed later, with set()."""
        with open(self.count, "wb") as file:
            file.write(struct.pack("=QQ", 0, fail_at) if live else struct.pack("=Q", 0))
        return {"LD_PRELOAD": self.library, "SHIM_DIR": self.directory, "SHIM_COUNT": self.count,
                "SHIM_FAIL_AT": str(fail_at), "SHIM_ERRNO": error, "SHIM_FROM_THEN": "1" if from_then else "0"}

    def calls(self):
        with open(self.count, "rb") as file:
            return struct.unpack("=Q", file.read(8))[0]

    def set(self, fail_at):
        """From which call on it fails; 0 mends it. Only where the environment was made with live=True."""
        with open(self.count, "r+b") as file:
            file.seek(8)
            file.write(struct.pack("=Q", fail_at))


class PowerFailure:
    def __init__(self, folder, directory):
        self.library = build("lose-unsynced", folder)
        self.directory = os.path.realpath(directory)
        self.undo = os.path.join(folder, "shim-undo")
        os.makedirs(self.undo, exist_ok=True)

    def environment(self):
        return {"LD_PRELOAD": self.library, "SHIM_DIR": self.directory, "SHIM_UNDO": self.undo}

    def restore(self):
        """{path: number of writes thrown away}"""
        return restore_module.restore(self.undo)
