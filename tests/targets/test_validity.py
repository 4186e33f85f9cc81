from __future__ import annotations

import numpy as np
import pytest
import zarr

from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.core.gaps import Gaps
from geopatcher.targets import validity
from geopatcher.targets.files import FolderFiles
from geopatcher.targets.validity import Validity, count_gaps, restore_mask


@pytest.mark.parametrize(
    ("dtype", "nodata", "wanted"),
    [
        ("float32", None, [True, False, True]),
        ("float32", 9.0, [True, False, False]),
        ("float32", np.nan, [True, False, True]),
        ("int16", 9, [True, True, False]),
        ("int16", None, [True, True, True]),
    ],
)
def test_cells_hold_data_that_are_neither_nan_nor_nodata(dtype, nodata, wanted):
    cells = np.array([[5, np.nan if dtype == "float32" else 0, 9]], dtype)
    found = Validity(cells, nodata)
    assert (found.shape, found.dtype) == ((1, 3), bool)
    assert found[...].tolist() == [wanted]
    assert found[0, 1:].tolist() == wanted[1:]
    assert np.asarray(found).tolist() == [wanted]
    assert np.asarray(found, dtype="uint8").tolist() == [wanted]
    with pytest.raises(ValueError, match="cannot become an array without a copy"):
        np.array(found, copy=False)


def test_a_mask_stands_above_what_cells_hold():
    found = Validity(np.array([[np.nan, 9.0, 1.0]]), 9.0, np.array([[1, 2, 0]], "uint8"))
    assert found[...].tolist() == [[True, True, False]]


@pytest.mark.parametrize("alike", [4096, 0])
@pytest.mark.parametrize("shards", [None, (1, 16, 16)])
def test_gaps_are_counted_chunk_by_chunk(tmp_path, monkeypatch, alike, shards):
    monkeypatch.setattr(validity, "ALIKE_BYTES", alike)
    said = np.random.default_rng(0).integers(0, 3, (2, 40, 50)).astype("uint8")
    said[:, :16] = 1
    said[0, 16:32, :32] = 0  # of which there is no file
    array = zarr.create_group(tmp_path / "g").create_array(
        "valid", shape=said.shape, dtype="uint8", chunks=(1, 8, 8), shards=shards, fill_value=0
    )
    array[...] = said
    assert count_gaps(FolderFiles(tmp_path / "g" / "valid"), array) == Gaps(
        int((said == 0).sum()), int((said == 2).sum())
    )


def test_a_mask_that_was_removed_is_made_again():
    cells = np.array([[0, 5, 7, 0], [1, 7, 2, 3], [7, 7, 0, 1]], "int16")
    spec = ResultSpec(RasterDomain((3, 4), nodata=7, dtype=np.dtype("int16")), (2, 3), 7, masked=True)
    stored = zarr.create_array({}, data=cells, chunks=(2, 3))
    mask = np.zeros((3, 4), "uint8")
    restore_mask(stored, mask, spec, 7)
    np.testing.assert_array_equal(mask, np.where(cells == 7, 0, 1))
    restore_mask(stored, mask, spec, None)
    np.testing.assert_array_equal(mask, np.where(cells == 7, 2, 1))
