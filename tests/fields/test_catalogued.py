"""The door for catalogues: what `geostack.from_stac` makes fits, and so does anything of its shape."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

import geopatcher as gp
import geostack
from geopatcher.fields.catalogued import Catalogued
from geopatcher.fields.mosaic import Mosaic
from items import asset, item

PIXELS = np.random.default_rng(3).integers(1, 99, (30, 20), dtype=np.uint8)


def test_items_of_a_catalogue_fit(tmp_path):
    made = item(tmp_path, "a", {"B04": asset(tmp_path, "B04", PIXELS)})
    assert isinstance(geostack.from_stac(made, "B04"), Catalogued)


def test_other_sources_do_not():
    assert not isinstance(Mosaic([gp.RasterField.from_array(PIXELS)]), Catalogued)
    assert not isinstance(PIXELS, Catalogued)


def test_a_description_of_somebody_else_is_read(tmp_path):
    asset(tmp_path, "B04", PIXELS)
    nothing = SimpleNamespace(crs=None, transform=None, shape=None)
    told = SimpleNamespace(dtype=None, nodata=None, scale=None, offset=None, unit="sr-1")
    place = {"href": str(tmp_path / "B04.tif"), "index": None, "grid": nothing, "told": told, "nodata": None}
    place["sign"] = None
    file = SimpleNamespace(name="a file", **place)
    scene = SimpleNamespace(name="a scene", bands=(file,), mask=None, tags=())
    described = SimpleNamespace(
        described_scenes=(scene,),
        band_names=("red",),
        grid=None,
        order="first",
        resampling=None,
        mask=None,
        scale_offset=False,
    )
    result = gp.reconstruct(described, lambda patch: patch, size=16)
    np.testing.assert_array_equal(result.array[:], PIXELS[None])
