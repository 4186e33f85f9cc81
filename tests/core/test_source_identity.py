"""What tells a source from others: its pixels, and where and with which gaps they count."""

from __future__ import annotations

import pytest
from affine import Affine

from geopatcher.core.domain import RasterDomain
from geopatcher.core.source_identity import LONGEST, digest_of_source, source_identity

PLACE = Affine(10, 0, 5e5, 0, -10, 5e6)


class Known:
    """A source that says the same of itself wherever it lies."""

    def __init__(self, said=None, **domain):
        self.said = said or {"cells": "12ab"}
        self.domain = RasterDomain(**{"shape": (2, 4, 5), "transform": PLACE, **domain})

    def identity(self):
        return self.said


@pytest.mark.parametrize(
    "other",
    [
        {"transform": PLACE * Affine.translation(1, 0)},
        {"crs": "EPSG:32633"},
        {"nodata": 0},
        {"band_names": ("red", "nir")},
        {"said": {"cells": "12ac"}},
    ],
)
def test_the_same_pixels_elsewhere_or_with_other_gaps_are_another_source(other):
    assert source_identity(Known()) == source_identity(Known())
    one, another = source_identity(Known()), source_identity(Known(**other))
    assert one != another
    assert digest_of_source(one) != digest_of_source(another)


def test_a_local_file_is_known_by_its_name_and_others_by_their_address():
    assert source_identity(Known({"path": "/data/a.tif", "size": 3}))["path"] == "a.tif"
    assert source_identity(Known({"path": "https://host/a.tif"}))["path"] == "https://host/a.tif"


def test_many_bands_are_told_by_a_digest():
    names = tuple(f"band number {number}" for number in range(50))
    told = source_identity(Known(shape=(50, 4, 5), band_names=names))["band_names"]
    assert len(told) < LONGEST
