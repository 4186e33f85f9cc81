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
LARGE = {"size": 256, "step": 256, "chunks": 256, "window": "boxcar"}


def image(large=False):
    """Return two bands of floats with a gap, in which whole blocks hold nothing; 18 MiB of them, or less."""
    pixels = np.random.default_rng(5).random((2, 1500, 1600) if large else (2, 250, 200), dtype="float32")
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


def run(target, operator=None, large=False, source=None, **options):
    """Run it, of `image` or of another source."""
    sizes = LARGE if large else SIZES
    source = image(large) if source is None else source
    return geopatcher.reconstruct(source, operator or Double(), target, progress=False, **sizes | options)


def stored(levels):
    """Return options that ask for overview levels, or none."""
    return {"storage": geopatcher.ZarrStorage(multiscales=True)} if levels else {}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    lease.LEASE_S = given.get("lease_s", lease.LEASE_S)
    os.chdir(given["folder"])
    operator = Double(delay_s=given.get("delay_s", 0.0), calls=given.get("calls"))
    options = stored(given.get("levels", False))
    run(given["target"], operator, given.get("large", False), given.get("source"), **options)
