"""The plan a result carries is what its run takes: looked at from outside, in processes of their own.

The sizes are those the kernel tells of whole processes (`benchmarks.planned`, which has many more cases).
"""

from __future__ import annotations

import sys

import pytest

from places import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks/ is not part of the package

from benchmarks import planned

pytestmark = [pytest.mark.once, pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")]

MIB = 1 << 20
CASES = (
    "uint8, array",
    "array with layers",
    "array to zarr",
    "four of float64, GeoTIFF",
    "300 x 200, GeoTIFF",
    "20 times the patch of 512",
    "160 MiB in each call",
    "120 MiB kept, GeoTIFF",
    "warped",
    "two workers, zarr",
    "two workers, array from array",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scenes")


@pytest.mark.parametrize("case", CASES)
def test_a_run_takes_what_its_plan_says(folder, case):
    found = planned.measure(case, folder)
    parts = {name: n_bytes / MIB for name, n_bytes in found["parts"].items()}
    said = f"planned {found['planned'] / MIB:.0f} MiB {parts}, taken {found['taken'] / MIB:.0f} MiB"
    assert found["taken"] <= 1.1 * found["planned"], said
    assert found["taken"] >= 0.5 * found["planned"], said
    # What the run says it took is what was seen, but for the last moments of workers, and for a worker that
    # had just begun when the others were done.
    assert found["stats"] <= 1.1 * found["taken"], said
    assert found["stats"] >= (0.6 if "workers" in case else 0.9) * found["taken"], said
