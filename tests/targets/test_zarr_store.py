"""Results in zarr, read back by zarr, xarray and rioxarray."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from affine import Affine

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.targets.zarr_store import ZarrSink, create_store
from stored import tree

TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


def spec(shape=(2, 40, 50), dtype="int16", fill=-1, nodata=-1, **options):
    n_bands = shape[0] if len(shape) == 3 else 1
    names, units = ("red", "nir")[:n_bands], ("m", "m")[:n_bands]
    domain = RasterDomain(shape, TRANSFORM, "EPSG:32633", nodata, np.dtype(dtype), names, units)
    return ResultSpec(domain, (16, 16), fill, **options)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int64", "float32", "float64"]
)
def test_blocks_are_stored_and_the_rest_is_fill(tmp_path, dtype):
    place = tmp_path / "x.zarr"
    create_store(place, spec(dtype=dtype, fill=3, nodata=3))
    sink = ZarrSink(place)
    block = np.arange(2 * 16 * 50).reshape(2, 16, 50).astype(dtype)
    assert sink.write([(Box(16, 32, 0, 50), {"data": block})]) == block.nbytes
    wanted = np.full((2, 40, 50), 3, dtype)
    wanted[:, 16:32] = block
    stored = zarr.open_group(place, mode="r")["data"]
    np.testing.assert_array_equal(stored[:], wanted)
    assert stored.chunks == (1, 16, 16)
    assert stored.metadata.zarr_format == 3
    assert stored.metadata.dimension_names == ("band", "y", "x")


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
@pytest.mark.parametrize("nodata", [None, np.nan, -9999.0])
@pytest.mark.parametrize("shape", [(2, 40, 50), (40, 50)])
def test_xarray_and_rioxarray_see_what_was_written(tmp_path, shape, nodata):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("rioxarray")
    place = tmp_path / "x.zarr"
    fill = 0 if nodata is None else nodata
    create_store(place, spec(shape, "float32", fill, nodata))
    image = np.random.default_rng(0).random((2, 40, 50)).astype("float32")
    ZarrSink(place).write([(Box(0, 16, 0, 50), {"data": image[: 1 if len(shape) == 2 else 2, :16]})])
    zarr.consolidate_metadata(place)
    dataset = xarray.open_zarr(place, chunks=None)
    array = dataset["data"]
    assert array.rio.crs.to_epsg() == 32633
    assert array.rio.transform() == TRANSFORM
    np.testing.assert_array_equal(array.x, 5e5 + 5 + 10 * np.arange(50))
    np.testing.assert_array_equal(array.y, 4.6e6 - 5 - 10 * np.arange(40))
    assert array.attrs["units"] == "m"
    np.testing.assert_array_equal(array.values.reshape(-1, 40, 50)[0, :16], image[0, :16])
    rest = array.values.reshape(-1, 40, 50)[:, 16:]
    assert (rest == 0).all() if nodata is None else np.isnan(rest).all()
    raw = xarray.open_zarr(place, chunks=None, mask_and_scale=False)["data"]
    np.testing.assert_equal(raw.rio.nodata, nodata)


def test_the_same_result_has_the_same_bytes(tmp_path):
    contents = []
    for name in ("a.zarr", "b.zarr"):
        create_store(tmp_path / name, spec())
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert "zarr.json" in contents[0]


@pytest.mark.parametrize("shape", [(2, 40, 50), (40, 50), (1, 1, 1)])
def test_coordinates_have_the_bytes_that_zarr_writes(tmp_path, shape):
    create_store(tmp_path / "x.zarr", spec(shape))
    made = tree(tmp_path / "x.zarr")
    group = zarr.open_group(tmp_path / "x.zarr", mode="r+")
    coordinates = [array for _, array in group.arrays() if array.ndim == 1]
    assert len(coordinates) == len(shape)
    for array in coordinates:
        values = array[:]
        assert values.any()
        array[:] = 0
        array[:] = values
    assert tree(tmp_path / "x.zarr") == made


def test_a_store_that_cannot_be_made_names_its_place(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TargetError, match=r"cannot create .*file"):
        create_store(tmp_path / "file" / "x.zarr", spec())


def test_blocks_that_cannot_be_stored_name_their_box(tmp_path):
    place = tmp_path / "x.zarr"
    create_store(place, spec())
    sink = ZarrSink(place)
    (place / "data" / "c").write_text("in the way")
    with pytest.raises(TargetError, match=r"cannot write rows 0:16, columns 0:50 of .*data"):
        sink.write([(Box(0, 16, 0, 50), {"data": np.ones((2, 16, 50), "int16")})])
