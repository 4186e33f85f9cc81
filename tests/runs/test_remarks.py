from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.runs.remarks import NOTE


def uneven(patch):
    return patch + np.uint8(patch[0, 0] % 7)


def test_averaged_integers_are_told_of_once_and_noted():
    image = np.random.default_rng(0).integers(0, 200, (64, 64)).astype("uint8")
    with pytest.warns(
        RuntimeWarning, match="uneven gave uint8 values that differ where patches overlap"
    ) as caught:
        result = gp.reconstruct(image, uneven, size=16, step=8)
    assert len(caught) == 1
    assert result.stats.notes == [NOTE]


def test_values_that_were_to_stand_for_missing_are_counted(tmp_path):
    image = np.ones((32, 32), "uint8")
    image[:2, :5] = 9
    words = r"10 cells that hold data have the nodata value 9: .*\. Choose a value no result has, or none"
    with pytest.warns(RuntimeWarning, match=words):
        result = gp.reconstruct(image, np.copy, tmp_path / "x.zarr", size=16, step=16, nodata=9)
    assert len(result.stats.notes) == 1
    assert result.domain.nodata is None
    again = gp.reconstruct(image, np.copy, tmp_path / "y.zarr", size=16, step=16, nodata=200)
    assert again.stats.notes == []
    assert again.domain.nodata == 200
