from __future__ import annotations

import shutil

import numpy as np
import pytest

from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.errors import MemoryLimitError, TargetError
from geopatcher.targets.preflight import (
    BEST_COMPRESSION,
    bytes_of,
    check_chunk,
    check_memory,
    check_room,
    describe,
    machine_bytes,
)

SPEC = ResultSpec(
    RasterDomain((3, 100, 70), dtype=np.dtype("int16")),
    (16, 16),
    0,
    layers={"weight": LayerSpec(np.dtype("float32"), 0)},
    masked=True,
)


def test_all_arrays_count():
    assert bytes_of(SPEC) == 100 * 70 * (3 * 2 + 4 + 3)
    assert describe(SPEC) == "a result of (3, 100, 70) int16"


def test_what_no_compression_makes_fit_is_refused(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    check_room(tmp_path, free * BEST_COMPRESSION // 2, "it")
    with pytest.raises(
        TargetError, match=r"it takes .* TB before compression, and .* TB free: choose another disk"
    ):
        check_room(tmp_path, free * BEST_COMPRESSION * 2, "it")


def test_what_the_machine_does_not_have_is_refused():
    have = machine_bytes()
    assert have > 1 << 28
    check_memory(have // 2, "it")
    with pytest.raises(
        MemoryLimitError, match=r"it takes .* GB and this machine has .*: give a target on disk"
    ):
        check_memory(have * 2, "it")
    check_chunk((512, 512), np.dtype("float64"))
    with pytest.raises(MemoryLimitError, match=r"a piece of 10000000x10000000 x uint8 takes 100,000\.0 GB"):
        check_chunk((10**7, 10**7), np.dtype("uint8"))
