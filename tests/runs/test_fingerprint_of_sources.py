"""Sources that are made of several, or of classes of one's own: when they are the same in a fingerprint."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

import geopatcher
from geopatcher.errors import TargetExistsError

PLACE = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
PATCH = np.full((1, 20, 20), -5, "int16")


def scene(cells, shift=0, nodata=None):
    """A raster in memory, so many pixels to the right and down."""
    place = PLACE * rasterio.Affine.translation(shift, shift)
    return geopatcher.RasterField.from_array(cells, transform=place, crs="EPSG:32633", nodata=nodata)


def mosaic(**top):
    below = scene(np.arange(4800, dtype="int16").reshape(1, 60, 80))
    return geopatcher.Mosaic([scene(PATCH, **top), below], grid=below)


def stack(shift=0, nodata=None):
    del shift  # of one grid
    return geopatcher.Stack([scene(PATCH, nodata=nodata), scene(PATCH)])


def several(shift=0, nodata=None):
    wide = np.arange(6400, dtype="int16").reshape(1, 80, 80)
    return {"a": scene(PATCH), "b": scene(wide, shift - 40, nodata)}


@pytest.mark.parametrize(
    ("made", "first", "then"),
    [
        (mosaic, {"shift": 5}, {"shift": 9}),
        (mosaic, {"shift": 5, "nodata": -5}, {"shift": 5}),
        (stack, {"nodata": -5}, {"nodata": -4}),
        (several, {"shift": 0}, {"shift": 3}),
        (several, {"nodata": 3000}, {"nodata": 3001}),
    ],
)
def test_one_of_several_rasters_at_another_place_or_with_other_gaps_is_another_source(
    tmp_path, made, first, then
):
    def total(patch):
        return patch["a"] + patch["b"] if isinstance(patch, dict) else patch

    keywords = {"size": 10, "step": 10, "window": "boxcar", "chunks": 20}
    geopatcher.reconstruct(made(**first), total, tmp_path / "x.zarr", **keywords)
    again = geopatcher.reconstruct(made(**first), total, tmp_path / "x.zarr", **keywords)
    assert again.stats.notes[0].startswith("complete since")
    with pytest.raises(TargetExistsError, match=r"another run: source\.(scene|raster|b)"):
        geopatcher.reconstruct(made(**then), total, tmp_path / "x.zarr", **keywords)


class Wave:
    """A field of somebody's own, that computes its pixels."""

    domain = geopatcher.RasterDomain((60, 80))

    def __init__(self, height=1.0):
        self.height = height

    def select(self, window):
        cols = window.col_off + np.arange(window.width, dtype="float32")
        return np.broadcast_to(cols * self.height, (int(window.height), int(window.width)))

    def with_data(self, array):
        return self


class Known(Wave):
    def fingerprint(self):
        return f"wave {self.height}"


class ProgressEvent(Wave):
    def identity(self):
        return {"height": self.height}


class Held(Wave):
    """A field that holds its cells."""

    def __init__(self, cells):
        self.cells = cells

    def select(self, window):
        rows, cols = window.toslices()
        return self.cells[rows, cols]


def test_a_field_of_ones_own_is_unknown_unless_it_says_or_holds_what_it_is(tmp_path):
    def make(field, target, **keywords):
        return geopatcher.reconstruct(field, np.copy, tmp_path / target, size=16, **keywords)

    with pytest.warns(
        RuntimeWarning, match=r"source: Wave has no method fingerprint\(\) or identity\(\) that says"
    ):
        make(Wave(), "x.zarr")
    with pytest.raises(TargetExistsError, match="cannot be known of source: Wave has no method"):
        make(Wave(), "x.zarr")
    assert make(Wave(), "x.zarr", resume="always").stats.notes[0].startswith("complete since")
    with pytest.raises(TargetExistsError, match="source.rows was"):
        make(Wave(2.0), "x.zarr", resume="always")
    cells = np.zeros((60, 80), "float32")
    for target, one, other, said in [
        ("k.zarr", Known(1.0), Known(2.0), "source.fingerprint was wave 1.0 and is wave 2.0"),
        ("t.zarr", ProgressEvent(1.0), ProgressEvent(2.0), "source.height was 1.0 and is 2.0"),
        ("h.zarr", Held(cells), Held(cells + (np.arange(80) == 33)), "source.state was"),
    ]:
        make(one, target)
        assert make(one, target).stats.notes[0].startswith("complete since")
        with pytest.raises(TargetExistsError, match=said):
            make(other, target)
