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


def overflowing(patch):
    with np.errstate(over="ignore", invalid="ignore"):
        large = np.exp(patch.astype("float32"))
        return large / large


def mostly(patch):
    return np.where(patch > 100, np.nan, patch).astype("float32")


@pytest.mark.parametrize("workers", [None, 2])
def test_an_operator_that_returns_nothing_for_data_is_told_of(tmp_path, workers):
    image = np.random.default_rng(0).integers(200, 255, (64, 64)).astype("uint8")
    words = r"overflowing returned nothing but missing cells for all patches with data \(49\)"
    with pytest.warns(RuntimeWarning, match=words):
        result = gp.reconstruct(image, overflowing, tmp_path / "x.zarr", size=16, step=8, workers=workers)
    assert result.stats.blank == 49
    assert len(result.stats.notes) == 1


@pytest.mark.parametrize("workers", [None, 2])
def test_where_the_operator_was_not_called_its_kind_is_not_known(tmp_path, workers):
    """The result of a part without data has the dtype of the source, which other parts may not have."""
    gp.export(np.full((1, 64, 64), np.nan, "float32"), tmp_path / "s.tif")
    result = gp.reconstruct(tmp_path / "s.tif", uneven, tmp_path / "x.zarr", size=16, workers=workers)
    assert (result.stats.patches, result.array.dtype) == (0, "float32")
    assert [note.partition(":")[0] for note in result.stats.notes] == [
        "no patch held data, so uneven was not called"
    ]


def test_what_does_not_go_with_that_kind_says_why_and_how():
    image = np.ma.masked_all((1, 64, 64), "uint8")
    words = "nodata=-9999.0 does not fit .* uint8: .*: no patch held data, so .* was not called, .* by dtype="
    with pytest.raises(ValueError, match=words):
        gp.reconstruct(image, lambda x: x * 0.5, size=16, nodata=-9999.0)
    result = gp.reconstruct(image, lambda x: x * 0.5, size=16, nodata=-9999.0, dtype="float32")
    assert (result.array.dtype, result.valid[...].any()) == ("float32", False)
    with pytest.raises(ValueError, match="has no single one: give a number, or leave it out$"):
        gp.reconstruct(image, np.copy, size=16, nodata="inherit")


@pytest.mark.filterwarnings("error")
def test_missing_input_and_some_patches_without_a_result_are_no_remark():
    image = np.full((64, 64), np.nan, "float32")
    assert gp.reconstruct(image, np.copy, size=16, skip_empty=False).stats.blank == 0
    image[:32] = 150
    image[32:] = 50
    result = gp.reconstruct(image, mostly, size=16, step=16)
    assert result.stats.blank == 8
    assert result.stats.notes == []
