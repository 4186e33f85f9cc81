from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.targets.opened import layer_domain, open_store, open_tiff, settled_store, settled_tiff
from geopatcher.targets.zarr_store import create_store
from geotiffs import write_geotiff

SPEC = ResultSpec(
    RasterDomain((2, 40, 50), dtype=np.dtype("int16"), nodata=-9),
    (16, 16),
    -9,
    layers={"weight": LayerSpec(np.dtype("float32"), np.nan), "count": LayerSpec(np.dtype("uint16"), 0)},
)


def test_a_layer_is_a_raster_of_one_band():
    weight, count = layer_domain(SPEC, "weight"), layer_domain(SPEC, "count")
    assert (weight.shape, weight.dtype, weight.band_names) == ((40, 50), np.dtype("float32"), ("weight",))
    assert np.isnan(weight.nodata)
    assert count.nodata is None  # none at all is a number, too


def test_a_store_is_opened_that_holds_what_its_ledger_tells(tmp_path):
    create_store(tmp_path / "x.zarr", SPEC)
    assert set(open_store(tmp_path / "x.zarr", SPEC).arrays) == {"data", "weight", "count"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"domain": replace(SPEC.domain, shape=(2, 40, 51))},
            r"holds 'data' as .*not the \(2, 40, 51\) int16",
        ),
        ({"chunks": (8, 16)}, r"holds 'data' in blocks of \(16, 16\) around -9, not of \(8, 16\) around -9"),
        ({"fill": -8}, "around -9, not of .* around -8"),
        ({"layers": {"spread": SPEC.layers["weight"]}}, "holds 'spread' as None"),
    ],
)
def test_another_store_was_replaced(tmp_path, change, words):
    create_store(tmp_path / "x.zarr", SPEC)
    with pytest.raises(TargetError, match=words):
        open_store(tmp_path / "x.zarr", replace(SPEC, **change))


def test_a_store_that_is_gone_cannot_be_opened(tmp_path):
    for call in (open_store, settled_store):
        with pytest.raises(TargetError, match=r"cannot open .*x\.zarr: .*overwrite=True"):
            call(tmp_path / "x.zarr", replace(SPEC, masked=True))
    assert settled_store(tmp_path / "x.zarr", SPEC) is SPEC


def test_a_geotiff_is_opened_by_its_shape(tmp_path):
    cells = np.arange(2 * 40 * 50, dtype="int16").reshape(2, 40, 50)
    path = write_geotiff(tmp_path / "x.tif", cells)
    np.testing.assert_array_equal(open_tiff(path, cells.shape, cells.dtype)[1, 3:5, 7:], cells[1, 3:5, 7:])
    with pytest.raises(TargetError, match=r"x\.tif is \(2, 40, 50\), not the \(40, 50\) its ledger tells of"):
        open_tiff(path, (40, 50), cells.dtype)
    with pytest.raises(TargetError, match=r"cannot open .*none\.tif"):
        open_tiff(tmp_path / "none.tif", (40, 50), cells.dtype)


@pytest.mark.parametrize("kind", ["x.zarr", "x.tif"])
@pytest.mark.parametrize("gap", [True, False])
@pytest.mark.filterwarnings("ignore:.* cells that hold data have the nodata value 7:RuntimeWarning")
def test_what_a_result_came_to_be_is_read_from_it(tmp_path, kind, gap):
    image = np.ones((32, 32), "int16")
    image[:3] = -9 if gap else 1
    image[5:, 5:] = 7
    field = gp.RasterField.from_array(image, nodata=-9)
    result = gp.reconstruct(field, np.copy, tmp_path / kind, size=16, step=16, nodata=7, chunks=16)
    begun = ResultSpec(replace(result.domain, nodata=7), (16, 16), 7, masked=True)
    settled = (settled_store if kind == "x.zarr" else settled_tiff)(tmp_path / kind, begun)
    assert settled.domain.nodata is None
    assert settled.masked == gap
