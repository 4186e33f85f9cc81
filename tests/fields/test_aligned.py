"""Several rasters as one source: what it says of itself, and what it reads."""

from __future__ import annotations

import numpy as np
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.fields import aligned as module
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.placing import aligned
from geopatcher.fields.raster import RasterField
from geotiffs import write_geotiff

RNG = np.random.default_rng(4)
PLACE = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500, 0, -10, 900)}
S2 = RNG.integers(0, 9, (3, 40, 50)).astype("uint16")
DEM = RNG.random((40, 50), "float32")
DEM[3:9, 4:9] = np.nan


def both(**more):
    s2 = ArraySource.of(S2, nodata=0, **PLACE)
    return aligned({"s2": s2, "dem": ArraySource.of(DEM, **PLACE)}, **more)


@given(st.integers(0, 39), st.integers(0, 49), st.integers(1, 30), st.integers(1, 30))
def test_a_window_holds_all_of_them(row, col, height, width):
    box = Box(row, min(row + height, 40), col, min(col + width, 50))
    source = both()
    records = source.read(box)
    arrays = source.packing.unpacked(records)
    where = (slice(box.row0, box.row1), slice(box.col0, box.col1))
    assert np.array_equal(arrays["s2"], S2[:, *where])
    assert np.array_equal(arrays["dem"][0], DEM[where], equal_nan=True)
    known = source.valid(box, records)
    wanted = (S2 != 0).all(axis=0) & ~np.isnan(DEM)
    assert np.array_equal(np.ones(box.shape, bool) if known is None else known[0], wanted[where])
    any_known = both(either=True).valid(box, records)
    wanted = (S2 != 0).any(axis=0) | ~np.isnan(DEM)
    assert np.array_equal(np.ones(box.shape, bool) if any_known is None else any_known[0], wanted[where])


def test_it_says_what_it_is():
    source = both()
    assert source.domain.grid_shape == (40, 50)
    assert source.domain.transform == PLACE["transform"]
    assert source.domain.nodata == 0
    assert source.has_nodata
    assert source.name == "s2=ndarray uint16 (3, 40, 50), dem=ndarray float32 (40, 50)"
    assert source.files() == ()
    assert repr(source).startswith("Aligned(s2=")


def test_each_of_them_is_in_its_identity(tmp_path):
    one = both().identity()
    assert one == both().identity()
    changed = ArraySource.of(DEM + 1, **PLACE)
    other = aligned({"s2": ArraySource.of(S2, nodata=0, **PLACE), "dem": changed}).identity()
    assert one != other
    assert all(one[key] == other[key] for key in one if key.startswith("s2."))
    path = write_geotiff(tmp_path / "a.tif", S2)
    source = aligned({"a": RasterField(path).source})
    assert source.identity()["a.path"] == "a.tif"
    assert source.files() == (path,)
    before, was = source.version(), source.identity()
    write_geotiff(path, np.zeros_like(S2), compress="deflate")
    assert source.version() != before
    assert source.identity() != was


def test_what_is_not_known_of_one_is_not_known_of_all():
    class Nameless(ArraySource):
        def identity(self):
            return {"unknown": "it may be anything"}

    source = aligned({"a": ArraySource.of(S2), "b": Nameless.of(S2)})
    assert source.identity()["unknown"] == "b: it may be anything"


def test_wide_rasters_are_read_in_pieces(monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 40 * 8 * 6)
    s2 = ArraySource(S2, both().rasters[0].source.domain, block=(8, 8))
    dem = ArraySource(DEM, both().rasters[1].source.domain, block=(8, 8))
    source = aligned({"s2": s2, "dem": dem})
    seen = []
    read = ArraySource.read
    monkeypatch.setattr(ArraySource, "read", lambda self, box: seen.append(box) or read(self, box))
    arrays = source.packing.unpacked(source.read(Box(0, 40, 3, 50)))
    assert np.array_equal(arrays["s2"], S2[:, :, 3:])
    assert {box.col0 % 8 for box in seen} == {0, 3}
    assert len(seen) == 2 * 7
