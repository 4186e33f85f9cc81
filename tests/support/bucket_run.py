"""A run into a bucket in a process of its own, to be killed; and what its operator does."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

import geopatcher
from geopatcher.targets.bucket import lease

SIZES = {"size": 32, "step": 16, "chunks": 64}


def image():
    """Return two bands of floats with a gap, in which whole blocks hold nothing."""
    pixels = np.random.default_rng(5).random((2, 250, 200), dtype="float32")
    pixels[:, :70, :70] = np.nan
    return pixels


class Double:
    """Doubles patches; ends at one of them, waits at each, and counts them in a file."""

    def __init__(self, end_at=None, delay_s=0.0, calls=None):
        self.end_at, self.delay_s, self.calls, self.count = end_at, delay_s, calls, 0

    def fingerprint(self):
        return "doubles"

    def __call__(self, patch):
        self.count += 1
        if self.count == self.end_at:
            raise RuntimeError("it ends here")
        time.sleep(self.delay_s)
        if self.calls is not None:
            with Path(self.calls).open("ab") as file:
                file.write(b".")
        return patch * 2


def run(target, operator=None, **options):
    """Run it."""
    return geopatcher.reconstruct(image(), operator or Double(), target, progress=False, **SIZES | options)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    lease.LEASE_S = given.get("lease_s", lease.LEASE_S)
    os.chdir(given["folder"])
    run(given["target"], Double(delay_s=given.get("delay_s", 0.0), calls=given.get("calls")))
