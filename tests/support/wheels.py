"""Real models and real pixels that lie inside wheels: fetched once, unpacked, never installed or imported."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

#: Their names on the package index, and what they are.
WHEELS = {
    "s2cloudless==1.7.3": "bd8ea8f21df724e77ed48592bfce1c49f4093aebe3561f88c9a276cd14c934bf",
    "ukis-csmask==1.0.0": "898d6efe59b3908ec92aabad3f61a56394ff81d997a2ebe5675732503a18d1f1",
    "xarray-spatial==0.5.3": "84f5a3e07a1ac3212bcfff3c4677daa3c529a533f1493eb555f8e498b7d9746e",
}
#: Where they are kept from one run of the tests to the next.
KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "geopatcher-tests"
PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:")


def inside(wheel):
    """Return the folder with what a wheel holds; skip the test where the index cannot be reached."""
    digest = WHEELS[wheel]
    folder = KEPT / f"{wheel}-{digest[:12]}"
    if not folder.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as work:
            whole = _unpacked(_downloaded(wheel, digest, Path(work)), Path(work))
            try:
                whole.rename(folder)
            except OSError:  # another run of the tests was first
                assert folder.is_dir()
                shutil.rmtree(whole)
    return folder


def _downloaded(wheel, digest, work):
    done = subprocess.run(
        [*PIP, "--retries", "1", "--timeout", "30", "--dest", str(work), wheel],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
        pytest.skip(f"{wheel} cannot be had from the package index: {said}")
    (path,) = work.glob("*.whl")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, f"{wheel} is not what it was"
    return path


def _unpacked(path, work):
    whole = work / "whole"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(whole)
    return whole
