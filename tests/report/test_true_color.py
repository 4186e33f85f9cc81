from __future__ import annotations

import pytest

from geopatcher.core.domain import RasterDomain
from geopatcher.core.metadata import BandMetadata, Metadata
from geopatcher.report.true_color import true_color


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("red", "green", "blue"), (1, 2, 3)),
        (("Blue", "Green", "Red", "NIR"), (3, 2, 1)),
        (("B02 blue", "B03 green", "B04 red", "B08 near infrared"), (3, 2, 1)),
        (("B1", "B2", "B3", "B4"), (4, 3, 2)),
        (("red edge", "red", "green", "blue"), (2, 3, 4)),
        (("infrared", "green", "blue"), None),
        (("b12", "b13", "b14"), None),
        ((), None),
    ],
)
def test_bands_are_known_by_their_names(names, expected):
    assert true_color(RasterDomain((max(len(names), 3), 4, 4), band_names=names)) == expected


def test_what_a_raster_says_of_colors_counts_first():
    said = Metadata(tuple(BandMetadata(color=color) for color in ("blue", "green", "red")))
    domain = RasterDomain((3, 4, 4), band_names=("red", "green", "blue"), metadata=said)
    assert true_color(domain) == (3, 2, 1)
