"""A grid as JSON has it."""

from __future__ import annotations

import json

import numpy as np
from affine import Affine
from pyproj import CRS

from geopatcher.cli.domains import of_domain
from geopatcher.core.domain import RasterDomain
from geopatcher.core.metadata import BandMetadata, Metadata


def test_all_that_programs_ask_for_is_json():
    metadata = Metadata(bands=(BandMetadata(classes=((0, "bare"), (3, "trees"))), BandMetadata()))
    place = Affine(10, 0, 5e5, 0, -10, 5e6)
    wkt = CRS.from_epsg(32633).to_wkt()
    domain = RasterDomain((2, 30, 40), place, wkt, 255, np.dtype("uint8"), ("class", "b"), metadata=metadata)
    assert json.loads(json.dumps(of_domain(domain))) == {
        "height": 30,
        "width": 40,
        "shape": [2, 30, 40],
        "dtype": "uint8",
        "crs": "EPSG:32633",
        "transform": [10, 0, 5e5, 0, -10, 5e6],
        "bounds": [5e5, 5e6 - 300, 5e5 + 400, 5e6],
        "nodata": 255,
        "bands": ["class", "b"],
        "units": [],
        "classes": [{"0": "bare", "3": "trees"}],
    }


def test_a_grid_without_a_place():
    known = of_domain(RasterDomain((30, 40), dtype=np.dtype("float32")))
    assert (known["crs"], known["nodata"], known["classes"]) == (None, None, [])
